//! Proves: a file that is not exactly what sops wrote gives no value, and no error text holds one.

use holdfast::manifest::SecretFormat;
use holdfast::secrets::{Document, Identities, SecretError, decrypt};

use crate::support::sops::{Form, Keys};

const CANARY: &str = "CANARY-5e1f";
const PLAIN: &str = "alpha: CANARY-5e1f one\nnest:\n  beta: CANARY-5e1f two\nlist: [CANARY-5e1f three, four]\n\
                     open_unencrypted: seen\nnumber: 7\n";
const PATHS: [&str; 6] = ["alpha", "nest/beta", "list/0", "list/1", "open_unencrypted", "number"];

struct Sealed {
    text: String,
    identities: Identities,
}

impl Sealed {
    fn new() -> Self {
        let keys = Keys::new();
        let sealed = keys.encrypt("a.yaml", PLAIN.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
        Self { text: String::from_utf8(sealed).expect("text"), identities: keys.identities(Form::AgeFile) }
    }

    fn open(&self, text: &[u8]) -> Result<Document, SecretError> {
        let opened = decrypt(text, SecretFormat::Yaml, &self.identities);
        if let Err(error) = &opened {
            let said = format!("{error} {error:?}");
            assert!(!said.contains(CANARY) && !said.contains("ENC["), "{said}");
        }
        opened
    }

    fn error(&self, text: &str) -> SecretError {
        assert_ne!(text, self.text, "the text was to be changed");
        self.open(text.as_bytes()).err().unwrap_or_else(|| panic!("opened:\n{text}"))
    }
}

fn values(document: &Document) -> Vec<Vec<u8>> {
    PATHS.iter().map(|path| document.get(path).expect(path).expose().to_vec()).collect()
}

/// Every byte of the file is flipped in turn, one bit each. In value tokens, the MAC, `lastmodified`, clear values
/// and keys each flip must fail; elsewhere (recipients, version, armor) it fails or releases the very same values.
#[test]
fn every_flipped_byte_fails_or_changes_nothing() {
    let sealed = Sealed::new();
    let original = values(&sealed.open(sealed.text.as_bytes()).expect("opens"));
    let (body, sops) = sealed.text.split_once("sops:").expect("a sops section");
    let protected_after = body.len() + "sops:".len() + sops.find("lastmodified: ").expect("lastmodified");
    let protected_end = sealed.text.find("    unencrypted_suffix").expect("the rule");
    let (mut failed, mut harmless) = (0, Vec::new());
    for at in 0..sealed.text.len() {
        // Inside the armor one byte in sixteen shows the same.
        if (body.len() + 80..protected_after).contains(&at) && at % 16 != 0 {
            continue;
        }
        let mut bytes = sealed.text.clone().into_bytes();
        bytes[at] ^= 1;
        match sealed.open(&bytes) {
            Err(_) => failed += 1,
            Ok(document) => {
                let same = PATHS.iter().zip(&original).all(|(path, was)| {
                    document.get(path).is_ok_and(|value| value.expose() == was.as_slice())
                });
                // A clear value's key is outside of what sops protects; its value is then not under the old name.
                let clear_key =
                    body.find("open_unencrypted").is_some_and(|key| (key..key + 16).contains(&at));
                assert!(same || clear_key, "the flip at {at} changed a value");
                harmless.push(at);
            }
        }
    }
    // A blank that becomes `!` is a tag without a name, which says nothing.
    let protected = |at: &usize| {
        (*at < body.len() || (protected_after..protected_end).contains(at))
            && sealed.text.as_bytes()[*at] != b' '
    };
    let bad: Vec<_> = harmless
        .into_iter()
        .filter(protected)
        .map(|at| &sealed.text[at.saturating_sub(8)..(at + 8).min(sealed.text.len())])
        .filter(|around| !around.contains("_unencr") && !around.contains("open_"))
        .collect();
    assert!(bad.is_empty(), "flips that nothing noticed: {bad:?}");
    assert!(failed > body.len() / 2, "only {failed} flips failed");
}

#[test]
fn every_truncation_fails() {
    let sealed = Sealed::new();
    let end = sealed.text.find("    unencrypted_suffix").expect("the rule");
    for length in (0..end).step_by(7) {
        assert!(sealed.open(&sealed.text.as_bytes()[..length]).is_err(), "{length} bytes opened");
    }
}

#[test]
fn structure_that_the_mac_does_not_bind_is_refused_or_authenticated() {
    let sealed = Sealed::new();
    let line = |start: &str| {
        let found = sealed.text.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("a line with {start}")).to_owned()
    };
    let (alpha, beta, mac) = (line("alpha:"), line("beta:"), line("mac:"));
    let token = |line: &str| line.split_once(": ").expect("a token").1.to_owned();

    let twice = format!("{}alpha: \"\"\n", sealed.text);
    assert!(matches!(sealed.error(&twice), SecretError::Syntax(text) if text.contains("second time")));

    let swapped = sealed
        .text
        .replace(&token(&alpha), "@")
        .replace(&token(&beta), &token(&alpha))
        .replace('@', &token(&beta));
    assert!(matches!(sealed.error(&swapped), SecretError::Value { path, .. } if path == "alpha"));

    let clear = sealed.text.replace(&token(&alpha), "in the clear");
    assert!(matches!(sealed.error(&clear), SecretError::Value { path, .. } if path == "alpha"));

    let token_in_clear =
        sealed.text.replace("open_unencrypted: seen", &format!("open_unencrypted: {}", token(&alpha)));
    assert!(
        matches!(sealed.error(&token_in_clear), SecretError::Value { path, .. } if path == "open_unencrypted")
    );

    let emptied = sealed.text.replace(&token(&alpha), "\"\"");
    assert_eq!(sealed.error(&emptied), SecretError::MacMismatch);
    let removed = sealed.text.replace(&format!("{alpha}\n"), "");
    assert_eq!(sealed.error(&removed), SecretError::MacMismatch);
    let changed = sealed.text.replace("open_unencrypted: seen", "open_unencrypted: sewn");
    assert_eq!(sealed.error(&changed), SecretError::MacMismatch);

    let items: Vec<_> = sealed.text.lines().filter(|line| line.trim_start().starts_with("- ENC[")).collect();
    let reordered = sealed.text.replace(items[0], "@").replace(items[1], items[0]).replace('@', items[1]);
    assert_eq!(sealed.error(&reordered), SecretError::MacMismatch);

    assert_eq!(sealed.error(&sealed.text.replace(&format!("{mac}\n"), "")), SecretError::NoMac);
    assert_eq!(sealed.error(&sealed.text.replace(&token(&mac), "\"\"")), SecretError::NoMac);
    assert_eq!(sealed.error(&sealed.text.replace(&token(&mac), &token(&alpha))), SecretError::BadMac);
    let stamp = line("lastmodified:");
    let later = sealed.text.replace(&stamp, "    lastmodified: \"2031-01-01T00:00:00Z\"");
    assert_eq!(sealed.error(&later), SecretError::BadMac);
    let plain = sealed.text.split_once("sops:").expect("a section").0;
    assert!(matches!(sealed.error(plain), SecretError::Metadata(_)));
    let two_rules =
        sealed.text.replace("    unencrypted_suffix", "    encrypted_suffix: x\n    unencrypted_suffix");
    assert!(matches!(sealed.error(&two_rules), SecretError::Metadata(why) if why.contains("at most one")));
}

#[test]
fn an_added_empty_value_opens_nothing() {
    let sealed = Sealed::new();
    let text = format!("added: \"\"\nnothing: null\n{}", sealed.text);
    let document = sealed.open(text.as_bytes()).expect("sops itself cannot see it");
    for path in ["added", "nothing", "nest", "absent", "list/9", "alpha/0", ""] {
        assert!(matches!(document.get(path), Err(SecretError::Key { .. })), "{path}");
    }
}

/// Positions are outside of the MAC: an empty item put in front would give each secret the value of its neighbour.
#[test]
fn a_list_whose_positions_could_have_been_shifted_gives_no_value() {
    let sealed = Sealed::new();
    let items: Vec<_> = sealed.text.lines().filter(|line| line.trim_start().starts_with("- ENC[")).collect();
    let indent = items[0].split('-').next().expect("an indent");
    for added in ["\"\"", "null", "{}", "[]", "[{}, [\"\"]]"] {
        let text = sealed.text.replacen(items[0], &format!("{indent}- {added}\n{}", items[0]), 1);
        let document = sealed.open(text.as_bytes()).expect("the MAC covers nothing empty");
        assert!(matches!(document.get("list/1"), Err(SecretError::Key { .. })), "{added} shifted the list");
        assert_eq!(document.get("alpha").expect("alpha").expose(), b"CANARY-5e1f one");
    }
    let nested = sealed.text.replacen(items[0], &items[0].replacen("- ", "- - ", 1), 1);
    let document = sealed.open(nested.as_bytes()).expect("the MAC covers no nesting");
    assert!(document.get("list/1").is_err(), "the list was nested unseen");
}

/// The rule stands outside of the MAC too: made to spare `nest`, it lets anybody write a value there, while the token
/// goes on counting under a key with a colon.
#[test]
fn a_clear_value_that_the_mac_does_not_cover_is_not_released() {
    let keys = Keys::new();
    let (recipient, identities) = (keys.recipient(Form::AgeFile), keys.identities(Form::AgeFile));
    let config = format!("creation_rules:\n  - age: {recipient}\n    mac_only_encrypted: true\n");
    std::fs::write(keys.path(".sops.yaml"), config).expect(".sops.yaml");
    let sealed = keys.encrypt_by_config("a.yaml", b"nest:\n  beta: one\n");
    let text = String::from_utf8(sealed).expect("text");
    let rest = text.split_once("beta: ").expect("beta").1;
    let forged = format!("nest:\n    beta: evil\n\"nest:beta\": {rest}")
        .replace("unencrypted_suffix: _unencrypted", "unencrypted_regex: ^nest$");
    let document = decrypt(forged.as_bytes(), SecretFormat::Yaml, &identities).expect("sops itself opens it");
    let error = document.get("nest/beta").err().expect("an injected value was released").to_string();
    assert!(error.contains("mac_only_encrypted") && !error.contains("evil"), "{error}");
}

#[test]
fn two_places_under_one_protection_are_refused() {
    let keys = Keys::new();
    let plain = b"nest:\n  list: [one, two]\n";
    let text = keys.encrypt("a.yaml", plain, &keys.recipient(Form::AgeFile), &[]);
    let text = String::from_utf8(text).expect("text");
    let tokens: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("- ENC[")).collect();
    assert_eq!(tokens.len(), 2);
    let first = tokens[0].trim_start();
    let moved = text.replacen(&format!("{}\n", tokens[0]), "", 1);
    let moved = format!("\"nest:list\":\n    {first}\n{moved}");
    let error = decrypt(moved.as_bytes(), SecretFormat::Yaml, &keys.identities(Form::AgeFile)).err();
    let error = error.expect("`nest/list/0` became the second value unseen").to_string();
    assert!(error.contains("colon"), "{error}");
}

#[test]
fn the_wrong_key_is_told_with_recipients_and_identities() {
    let (ours, theirs) = (Keys::new(), Keys::new());
    let recipient = ours.recipient(Form::AgeFile);
    let sealed = ours.encrypt("a.yaml", PLAIN.as_bytes(), &recipient, &[]);
    for form in [Form::AgeFile, Form::AgeEnv, Form::Ssh] {
        let error = decrypt(&sealed, SecretFormat::Yaml, &theirs.identities(form)).err().expect("refused");
        let SecretError::NoIdentity { recipients, tried } = &error else { panic!("{error}") };
        assert_eq!(recipients, std::slice::from_ref(&recipient));
        let said = error.to_string();
        assert!(said.contains(&recipient) && said.contains(&theirs.recipient(form)), "{said}");
        assert_eq!(tried.len(), if form == Form::Ssh { 2 } else { 1 }, "{tried:?}");
        assert!(!said.contains("SECRET-KEY") && !said.contains("PRIVATE"), "{said}");
    }
    std::fs::remove_file(theirs.path("ssh_host_ed25519_key")).expect("removed");
    let error = decrypt(&sealed, SecretFormat::Yaml, &theirs.identities(Form::Ssh)).err().expect("refused");
    let said = error.to_string();
    assert!(said.contains("ssh_host_ed25519_key (not read: No such file"), "{said}");
}

#[test]
fn json_and_binary_are_as_strict() {
    let keys = Keys::new();
    let recipient = keys.recipient(Form::AgeFile);
    let identities = keys.identities(Form::AgeFile);
    let json = keys.encrypt("a.json", br#"{"alpha": "CANARY-5e1f", "beta": 2}"#, &recipient, &[]);
    let json = String::from_utf8(json).expect("text");
    let twice = json.replacen('{', "{\"alpha\": \"\",", 1);
    let unquoted = json.replacen("\"alpha\"", "alpha", 1);
    let word = json.replacen('{', "{\"word\": yes,", 1);
    for bad in [twice, unquoted, word] {
        let error = decrypt(bad.as_bytes(), SecretFormat::Json, &identities).err().expect("refused");
        assert!(!error.to_string().contains(CANARY));
    }
    let binary = keys.encrypt("a.bin", &[0, 159, 146, 150, 10], &recipient, &[]);
    let binary = String::from_utf8(binary).expect("text");
    assert!(decrypt(binary.as_bytes(), SecretFormat::Binary, &identities).is_ok());
    let clear = binary.replacen("\"data\": \"ENC[", "\"data\": \"", 1);
    assert!(decrypt(clear.as_bytes(), SecretFormat::Binary, &identities).is_err());
}
