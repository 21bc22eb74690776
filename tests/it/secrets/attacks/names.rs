//! Names that everybody may read, as those of Swarm secrets in `docker service inspect`, give a weak password away.

use holdfast::secrets::{SecretBytes, digest};
use sha2::{Digest, Sha256};

fn pins() -> impl Iterator<Item = String> {
    (0..10_000).map(|pin| format!("{pin:04}"))
}

fn id(key: &str, instance: &str, name: &str, value: &str) -> String {
    let secret = |text: &str| SecretBytes::new(text.as_bytes().to_vec());
    digest(&secret(key), instance, "secret", name, &secret(value))
}

#[test]
fn a_dictionary_finds_no_password_in_a_name() {
    // The obvious way: the start of a plain digest, which anybody can make of every guess.
    let plain = |value: &str| format!("{:x}", Sha256::digest(value)).chars().take(12).collect::<String>();
    let name = plain("4711");
    let found: Vec<String> = pins().filter(|pin| plain(pin) == name).collect();
    assert_eq!(found, ["4711"], "the attack does not work");

    // The same dictionary against keyed names, with what is public: instance and name. The key is 32 random bytes.
    let key = "a key that stays on the host: 32";
    let name = id(key, "main", "pin", "4711");
    for guess in ["", "main", "pin", "holdfast", "holdfast digest 1"] {
        assert!(pins().all(|pin| id(guess, "main", "pin", &pin) != name), "{guess}");
    }
    assert!(pins().all(|pin| plain(&pin) != name));
    // Nor do equal names tell of equal values, on two hosts or of two secrets.
    assert_ne!(name, id("another key", "main", "pin", "4711"));
    assert_ne!(name, id(key, "main", "other", "4711"));
    assert_ne!(name, id(key, "second", "pin", "4711"));
}
