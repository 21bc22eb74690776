//! What the fuzz targets ask of the readers of sops files; built for them and for tests only. Each function takes any
//! bytes, and panics when something does not hold.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a panic is how a fuzz target tells what it found"
)]

use zeroize::Zeroizing;

use super::crypt;
use super::document::{Opener, decrypt_with};
use super::encrypt::keeps_keys;
use super::flatten::{flatten, unflatten};
use super::metadata::{Metadata, Wrap};
use super::rules::Rules;
use super::scalar::Leaf;
use super::shamir;
use super::store::{self, File, Indent};
use super::token::{DataKey, Token, Type};
use super::tree::{Entry, Item, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

const KEY: [u8; 32] = [7; 32];

/// A file of a store: what is read can be written and read again with the same values, and a sealed copy opens to them.
/// What INI quotes cannot hold is refused when the copy is written, or is found by its MAC.
pub fn store(format: SecretFormat, bytes: &[u8]) {
    let key = SecretBytes::new(KEY.to_vec());
    if let Ok(document) = decrypt_with(bytes, format, &Opener::DataKey(&key), true) {
        drop(document.whole());
    }
    let Ok(mut file) = store::read(format, bytes) else { return };
    if let Some(node) = &file.metadata {
        metadata_node(node, format);
    }
    drop(store::write(format, &file, Indent::Default).map(|clear| store::read(format, clear.expose())));
    if let Ok(text) = stored(format, &mut file) {
        let again = store::read(format, text.expose());
        let same = |again: &File| again.documents.len() == file.documents.len() && all_equal(again, &file);
        match again {
            Ok(again) => {
                let exact = !matches!(format, SecretFormat::Ini) && !turns(format, text.expose());
                assert!(!exact || same(&again), "what was written reads as something else");
                if same(&again) {
                    let twice = store::write(format, &again, Indent::Default).expect("it was written before");
                    assert!(
                        !exact || matches!(format, SecretFormat::Yaml) || twice.expose() == text.expose(),
                        "the second text is another one"
                    );
                }
            }
            Err(error) if !matches!(format, SecretFormat::Ini) => {
                panic!("what was written cannot be read: {error}")
            }
            Err(_) => {}
        }
    }
    sealed(format, bytes);
}

/// What reads as something else than was written, in sops as here: the float -0 of JSON, which is the integer 0 then (a
/// command that seals such a clear value finds it by the MAC and refuses), and backslashes before an escaped line end in
/// dotenv's metadata, of which one goes.
fn turns(format: SecretFormat, text: &[u8]) -> bool {
    let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    match format {
        SecretFormat::Json => has(b"-0"),
        SecretFormat::Dotenv => has(b"\\\\n"),
        _ => false,
    }
}

/// The file as it is stored: with metadata, which may not look like tokens or a rule of its own.
fn stored(format: SecretFormat, file: &mut File) -> Result<SecretBytes, super::SecretError> {
    if file.metadata.is_none() {
        file.metadata = Some(metadata().node());
    }
    store::write(format, file, Indent::Default)
}

/// Sealed, written, read and opened, a file has the values that it had, or the MAC says that it has not.
fn sealed(format: SecretFormat, bytes: &[u8]) {
    let (Ok(clear), Ok(mut file)) = (store::read(format, bytes), store::read(format, bytes)) else { return };
    let reserved = |entry: &Entry| entry.pair().is_some_and(|(key, _)| key.starts_with("sops"));
    if clear.metadata.is_some() || clear.documents.iter().flatten().any(reserved) {
        return;
    }
    let (mut metadata, key) = (metadata(), DataKey::new(&KEY).expect("32 bytes"));
    let Ok(mac) = crypt::seal(&mut file.documents, &metadata, &key, format) else { return };
    metadata.mac = mac;
    file.metadata = Some(metadata.node());
    let Ok(text) = store::write(format, &file, Indent::Default) else { return };
    let key = SecretBytes::new(KEY.to_vec());
    match decrypt_with(text.expose(), format, &Opener::DataKey(&key), false) {
        // A key that the form cannot hold is refused before anybody has the file.
        Ok(document) if keeps_keys(&clear, &document.file).is_err() => {
            assert!(matches!(format, SecretFormat::Ini), "a key is lost");
        }
        Ok(document) => {
            assert!(all_equal(&document.file, &clear), "a sealed file opens to something else");
        }
        // Clear values that the form cannot hold are refused after they were written.
        Err(_) => assert!(
            bytes.windows(11).any(|part| part == b"unencrypted") || !matches!(format, SecretFormat::Json),
            "a sealed file does not open"
        ),
    }
}

fn metadata() -> Metadata {
    let wrap = Wrap { recipient: "age1".to_owned(), enc: Some("-----\nx\n-----\n".to_owned()) };
    Metadata {
        groups: vec![vec![wrap]],
        threshold: 1,
        mac: String::new(),
        lastmodified: "2024-01-02T03:04:05Z".to_owned(),
        mac_only_encrypted: false,
        rules: Rules::read(|_| None).expect("the default"),
    }
}

/// Lines `KEY=VALUE` as flat metadata: what they unfold to folds to the same, and what is read of it is written so that
/// it is read again.
pub fn flat_metadata(text: &str) {
    let pair = |line: &str| {
        line.split_once('=').map(|(key, value)| (key.to_owned(), SecretBytes::new(value.as_bytes().to_vec())))
    };
    let Ok(node) = unflatten(text.lines().filter_map(pair).collect()) else { return };
    let flat = |node: &Node| -> Vec<(String, SecretBytes)> {
        flatten(node, "").into_iter().map(|(key, leaf)| (key, leaf.flat())).collect()
    };
    let again = unflatten(flat(&node)).expect("what was unfolded can be folded and unfolded");
    assert!(equal(&node, &again), "metadata changes when it is folded");
    metadata_node(&node, SecretFormat::Dotenv);
}

fn metadata_node(node: &Node, format: SecretFormat) {
    let Ok(metadata) = Metadata::read(node, format) else { return };
    let again = Metadata::read(&metadata.node(), format);
    let again = again.unwrap_or_else(|error| panic!("what was written of it cannot be read: {error}"));
    assert_eq!(again.mac, metadata.mac);
    assert_eq!(again.lastmodified, metadata.lastmodified);
    assert_eq!(again.mac_only_encrypted, metadata.mac_only_encrypted);
    assert_eq!(again.rules.named(), metadata.rules.named());
    assert_eq!(again.groups.len(), metadata.groups.len());
    assert!(metadata.groups.len() < 2 || again.threshold == metadata.threshold, "another threshold");
}

/// Shares of any bytes: they fit together exactly when they may. And a secret that is split comes back from the least
/// number of shares, and from no fewer.
pub fn shares(bytes: &[u8]) {
    let [count, length, rest @ ..] = bytes else { return };
    let length = usize::from(length % 40) + 1;
    let shares: Vec<Zeroizing<Vec<u8>>> =
        rest.chunks(length).take(usize::from(*count)).map(|share| Zeroizing::new(share.to_vec())).collect();
    let last = |share: &Zeroizing<Vec<u8>>| share.last().copied().unwrap_or(0);
    let mut places: Vec<u8> = shares.iter().map(last).collect();
    places.sort_unstable();
    let twice = places.windows(2).any(|pair| pair.first() == pair.last());
    let one_length = shares.iter().all(|share| Some(share.len()) == shares.first().map(|first| first.len()));
    let fits = !shares.is_empty() && !places.contains(&0) && !twice && one_length;
    assert_eq!(shamir::combine(&shares).is_some(), fits);

    let (parts, threshold) = (usize::from(count % 8) + 2, usize::from(count / 8 % 8) + 2);
    let Ok(split) = shamir::split(rest, parts, threshold) else {
        assert!(rest.is_empty() || threshold > parts, "a split that is allowed is refused");
        return;
    };
    let from = length % (parts - threshold + 1);
    let some = split.get(from..from + threshold).expect("as many as there are");
    assert_eq!(shamir::combine(some).expect("they fit").as_slice(), rest);
    if threshold > 2 && rest.len() > 15 {
        let few = some.get(1..).expect("one less");
        assert!(shamir::combine(few).is_none_or(|few| few.as_slice() != rest), "too few shares are enough");
    }
}

/// A token in text: what is read is written as it was. And any bytes, sealed, are opened under their own AAD only, and
/// what a type makes of them it makes again of its own text.
pub fn token(bytes: &[u8]) {
    let key = DataKey::new(&KEY).expect("32 bytes");
    if let Some(token) = std::str::from_utf8(bytes).ok().and_then(|text| Token::parse(text).ok()) {
        assert_eq!(token.text().as_bytes(), bytes, "a token has two spellings");
        assert!(token.open(&key, "").is_err(), "a token opens that nobody sealed");
    }
    let [which, rest @ ..] = bytes else { return };
    let split = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let (aad, plain) = rest.split_at(split);
    let (aad, plain) = (String::from_utf8_lossy(aad), plain.get(1..).unwrap_or_default());
    let kinds = [Type::Str, Type::Int, Type::Float, Type::Bool, Type::Time, Type::Bytes, Type::Comment];
    let kind = kinds.get(usize::from(which % 7)).copied().unwrap_or(Type::Str);
    if !plain.is_empty() {
        let text = Token::seal(plain, kind, &key, &aad).expect("sealed");
        let open = |aad: &str| Token::parse(&text).expect("a token").open(&key, aad);
        assert_eq!(open(&aad).expect("opens").as_slice(), plain);
        assert!(open(&format!("{aad}:")).is_err(), "a token opens in another place");
    }
    if let Ok(leaf) = Leaf::decoded(kind, Zeroizing::new(plain.to_vec())) {
        let hashed = leaf.hashed(false);
        let again = Leaf::decoded(kind, hashed.clone()).expect("its own text is of its type");
        assert_eq!(again.hashed(false).as_slice(), hashed.as_slice(), "a value's text changes");
        for format in [SecretFormat::Yaml, SecretFormat::Json, SecretFormat::Dotenv] {
            drop(leaf.printed(format));
        }
        drop(leaf.flat());
    }
}

fn all_equal(one: &File, other: &File) -> bool {
    let pairs = |entries: &[Entry]| entries.iter().filter_map(Entry::pair).count();
    one.documents.len() == other.documents.len()
        && one
            .documents
            .iter()
            .zip(&other.documents)
            .all(|(one, other)| pairs(one) == pairs(other) && entries_equal(one, other))
}

fn entries_equal(one: &[Entry], other: &[Entry]) -> bool {
    let pairs =
        |entries| -> Vec<(&str, &Node)> { <[Entry]>::iter(entries).filter_map(Entry::pair).collect() };
    let (one, other) = (pairs(one), pairs(other));
    one.len() == other.len()
        && one.iter().zip(&other).all(|((key, node), (name, found))| key == name && equal(node, found))
}

/// Values, keys and their order; not comments.
fn equal(one: &Node, other: &Node) -> bool {
    match (one, other) {
        (Node::Map(one), Node::Map(other)) => entries_equal(one, other),
        (Node::List(one), Node::List(other)) => {
            let nodes = |items| -> Vec<&Node> { <[Item]>::iter(items).filter_map(Item::node).collect() };
            let (one, other) = (nodes(one), nodes(other));
            one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| equal(one, other))
        }
        // `0e9` is written as `0`, as Go does; the MAC takes both as the same.
        (Node::Leaf(one), Node::Leaf(other)) => {
            let numbers = |leaf: &Leaf| matches!(leaf, Leaf::Int(_) | Leaf::Float(_));
            (one.kind() == other.kind() || (numbers(one) && numbers(other)))
                && one.hashed(false) == other.hashed(false)
        }
        _ => false,
    }
}
