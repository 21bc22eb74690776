//! One IV for two values under one key: whoever knows one of both reads the other.

use std::fs;
use std::process::Command;

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{AesGcm, aes::Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Host;

/// Data and IV of the value of a key.
fn token(text: &str, key: &str) -> (Vec<u8>, Vec<u8>) {
    let line = text.lines().find(|line| line.starts_with(key)).expect("a line");
    let field = |name: &str| {
        let rest = line.split_once(name).expect("a field").1;
        STANDARD.decode(rest.split(',').next().expect("its end")).expect("base64")
    };
    (field("data:"), field("iv:"))
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

#[test]
fn a_changed_value_never_has_the_iv_of_the_one_before() {
    let (known, wanted) = (b"a known password", b"its new password");
    // The obvious way to small diffs: the IV that was there.
    let cipher = AesGcm::<Aes256, U32>::new(&[7; 32].into());
    let seal = |plain: &[u8]| {
        let mut data = plain.to_vec();
        cipher.encrypt_in_place_detached(&[9; 32].into(), b"pw:", &mut data).expect("sealed");
        data
    };
    assert_eq!(xor(&xor(&seal(known), &seal(wanted)), known), wanted, "the attack does not work");

    let host = Host::new(&serde_json::json!({}));
    let before = host.seal("a.yaml", &format!("pw: {}\nother: x\n", String::from_utf8_lossy(known)));
    let (old, old_iv) = token(&String::from_utf8(before).expect("text"), "pw");
    let set = |value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(["secrets", "set", "--age-key-file"]).arg(host.path("age.txt")).arg(host.path("a.yaml"));
        crate::support::sops::run(command.args(["[\"pw\"]", &format!("\"{value}\"")]));
        token(&fs::read_to_string(host.path("a.yaml")).expect("text"), "pw")
    };
    let (new, new_iv) = set("its new password");
    assert_ne!(old_iv, new_iv);
    assert_ne!(xor(&xor(&old, &new), known), wanted);
    let (_, again) = set("a known password");
    assert!(again != old_iv && again != new_iv, "an IV came back");
}
