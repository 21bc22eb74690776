//! Published vectors, and each way in which a signature is none.

use proptest::prelude::*;

use super::*;

fn keys(secrets: &[&[u8]]) -> Keys {
    Keys::new(&secrets.iter().map(|secret| SecretBytes::new(secret.to_vec())).collect::<Vec<_>>()).unwrap()
}

fn sign(secret: &[u8], body: &[u8]) -> String {
    let mut mac = HmacSha256::new_from_slice(secret).unwrap();
    mac.update(body);
    format!("{:x}", mac.finalize().into_bytes())
}

fn judge(keys: &Keys, kind: ForgeKind, values: &[&str], body: &[u8]) -> Result<(), Unsigned> {
    keys.check(kind, values.iter().map(|value| value.as_bytes()), body)
}

const HELLO: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

/// GitHub's published example, one of Gitea's, and the cases of RFC 4231 that leave the digest whole.
#[test]
fn published_vectors_verify() {
    let vectors: [(&[u8], &[u8], &str); 8] = [
        (b"It's a Secret to Everybody", b"Hello, World!", HELLO),
        (
            b"testme-secret",
            b"{\n  \"action\": \"created\"\n}",
            "8b39d3e38d0a216631c5aaa901b02dc78be780688ade4619bb55773b75aeecd8",
        ),
        (
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xaa; 20],
            &[0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            &core::array::from_fn::<u8, 25, _>(|at| u8::try_from(at + 1).unwrap()),
            &[0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs \
              to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (secret, body, hex) in vectors {
        let keys = keys(&[secret]);
        assert_eq!(judge(&keys, ForgeKind::Gitea, &[hex], body), Ok(()));
        assert_eq!(judge(&keys, ForgeKind::Forgejo, &[hex], body), Ok(()));
        assert_eq!(judge(&keys, ForgeKind::Github, &[&format!("sha256={hex}")], body), Ok(()));
        let longer = [body, b" "].concat();
        assert_eq!(judge(&keys, ForgeKind::Gitea, &[hex], &longer), Err(Unsigned::Wrong));
    }
}

#[test]
fn no_secret_an_empty_one_and_three_are_refused_before_anything_is_served() {
    let of = |secrets: &[&[u8]]| {
        Keys::new(&secrets.iter().map(|secret| SecretBytes::new(secret.to_vec())).collect::<Vec<_>>()).err()
    };
    assert_eq!(of(&[]), Some(KeysError::Count(0)));
    assert_eq!(of(&[b""]), Some(KeysError::Empty(1)));
    assert_eq!(of(&[b"new", b"\n"]), Some(KeysError::Empty(2)));
    assert_eq!(of(&[b"a", b"b", b"c"]), Some(KeysError::Count(3)));
    // What everybody can make with an empty secret verifies with none of the keys.
    let empty = "01998abda239d22a0719f700258823b954606354fa74dce0af3b9dd24919d4bc";
    let body = b"{\n  \"action\": \"created\"\n}";
    assert_eq!(sign(b"", body), empty);
    assert_eq!(judge(&keys(&[b"testme-secret"]), ForgeKind::Gitea, &[empty], body), Err(Unsigned::Wrong));
}

#[test]
fn each_malformed_header_is_refused() {
    let keys = keys(&[b"It's a Secret to Everybody"]);
    let prefixed = format!("sha256={HELLO}");
    let upper = HELLO.to_uppercase();
    let short = &HELLO[..63];
    let long = format!("{HELLO}0");
    let spaced = format!(" {HELLO}");
    let listed = format!("{HELLO}, {HELLO}");
    let twice = format!("sha256=sha256={HELLO}");
    let shouted = format!("SHA256={HELLO}");
    for (kind, values, why) in [
        (ForgeKind::Gitea, vec![], Unsigned::Missing),
        (ForgeKind::Gitea, vec![""], Unsigned::Missing),
        (ForgeKind::Github, vec![""], Unsigned::Missing),
        (ForgeKind::Gitea, vec![HELLO, HELLO], Unsigned::Twice),
        (ForgeKind::Gitea, vec![HELLO, ""], Unsigned::Twice),
        (ForgeKind::Github, vec![&prefixed, &prefixed], Unsigned::Twice),
        (ForgeKind::Gitea, vec![&prefixed], Unsigned::Malformed),
        (ForgeKind::Forgejo, vec![&prefixed], Unsigned::Malformed),
        (ForgeKind::Github, vec![HELLO], Unsigned::Malformed),
        (ForgeKind::Github, vec!["sha256="], Unsigned::Malformed),
        (ForgeKind::Github, vec!["sha1=2ef7bde608ce5404e97d5f042f95f89f1c232871"], Unsigned::Malformed),
        (ForgeKind::Github, vec![&twice], Unsigned::Malformed),
        (ForgeKind::Github, vec![&shouted], Unsigned::Malformed),
        (ForgeKind::Gitea, vec![&upper], Unsigned::Malformed),
        (ForgeKind::Gitea, vec![short], Unsigned::Malformed),
        (ForgeKind::Gitea, vec![&long], Unsigned::Malformed),
        (ForgeKind::Gitea, vec![&spaced], Unsigned::Malformed),
        (ForgeKind::Gitea, vec![&listed], Unsigned::Malformed),
    ] {
        assert_eq!(judge(&keys, kind, &values, b"Hello, World!"), Err(why), "{kind:?} {values:?}");
    }
}

#[test]
fn two_secrets_are_live_while_one_is_changed_and_the_old_one_ends_with_it() {
    let body = b"body";
    let (new, old) = (sign(b"new", body), sign(b"old", body));
    let both = keys(&[b"new", b"old"]);
    for hex in [&new, &old] {
        assert_eq!(judge(&both, ForgeKind::Gitea, &[hex], body), Ok(()));
    }
    assert_eq!(judge(&keys(&[b"new"]), ForgeKind::Gitea, &[&old], body), Err(Unsigned::Wrong));
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_one_changed_bit_does_not(
        secret in prop::collection::vec(any::<u8>(), 1..80).prop_filter("filled", |s| !s.trim_ascii().is_empty()),
        body in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let keys = keys(&[&secret]);
        let hex = sign(&secret, &body);
        prop_assert_eq!(judge(&keys, ForgeKind::Gitea, &[&hex], &body), Ok(()));
        let mut other = body.clone();
        other.push(0);
        let place = at.index(other.len());
        other[place] ^= 1_u8 << bit;
        prop_assert_eq!(judge(&keys, ForgeKind::Gitea, &[&hex], &other), Err(Unsigned::Wrong));
        let digit = at.index(64);
        let swapped = if hex.as_bytes()[digit] == b'0' { "1" } else { "0" };
        let wrong = format!("{}{swapped}{}", &hex[..digit], &hex[digit + 1..]);
        prop_assert_eq!(judge(&keys, ForgeKind::Gitea, &[&wrong], &body), Err(Unsigned::Wrong));
    }
}

/// Every vector with a whole tag: the right ones verify, and those with a changed tag do not.
#[test]
fn the_vectors_of_project_wycheproof_are_judged_as_they_say() {
    let text = include_str!("../../tests/golden/bridge/wycheproof.txt");
    let bytes = |hex: &str| -> Vec<u8> {
        let hex = hex.trim_matches('-').as_bytes();
        hex.chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    let mut judged = [0, 0];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [number, key, message, tag, result] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let right = result == "valid";
        let said = judge(&keys(&[&bytes(key)]), ForgeKind::Gitea, &[tag], &bytes(message));
        assert_eq!(said, if right { Ok(()) } else { Err(Unsigned::Wrong) }, "vector {number}");
        judged[usize::from(right)] += 1;
    }
    assert_eq!(judged, [54, 33]);
}
