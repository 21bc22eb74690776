//! Age files of our own making, right and wrong, each as a vector in the layout of C2SP/CCTV: lines `key: value`, an empty
//! line, the file. Whatever is wrong with one is the only thing that is wrong with it: its MAC is made after the fault.

use age_core::primitives::{aead_encrypt, hkdf};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bech32::{Bech32, Hrp};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use curve25519_dalek::montgomery::MontgomeryPoint;
use hmac::{Hmac, Mac};
use sha2::Sha256;

const FILE_KEY: &[u8] = b"YELLOW SUBMARINE";
/// The secret of who shall read, of somebody else, and of the sender.
const READER: [u8; 32] = [7; 32];
const OTHER: [u8; 32] = [9; 32];
const EPHEMERAL: [u8; 32] = [5; 32];
const PAYLOAD: &[u8] = b"age";

fn b64(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

fn public(secret: [u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(secret).to_bytes()
}

/// An identity in the text form that says this of itself.
fn identity(human: &str, secret: &[u8]) -> String {
    bech32::encode::<Bech32>(Hrp::parse(human).unwrap(), secret).unwrap().to_uppercase()
}

/// A file that is put together piece by piece.
#[derive(Clone)]
struct Forged {
    version: String,
    stanzas: String,
    /// What the line of the MAC becomes.
    last: fn(&str) -> String,
    payload: Vec<u8>,
}

/// A stanza as it should be.
fn stanza(arguments: &str, body: &[u8]) -> String {
    let text = b64(body);
    let mut lines: String =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect();
    if text.len().is_multiple_of(64) {
        lines.push('\n');
    }
    format!("-> {arguments}\n{lines}")
}

/// The arguments and the body of a stanza that wraps `key` for the public half of `reader`.
fn wrapped(key: &[u8], reader: [u8; 32]) -> (String, Vec<u8>) {
    let share = public(EPHEMERAL);
    let shared = MontgomeryPoint(public(reader)).mul_clamped(EPHEMERAL).to_bytes();
    let salt = [share, public(reader)].concat();
    let body = aead_encrypt(&hkdf(&salt, b"age-encryption.org/v1/X25519", &shared), key);
    (format!("X25519 {}", b64(&share)), body)
}

fn ours() -> String {
    let (arguments, body) = wrapped(FILE_KEY, READER);
    stanza(&arguments, &body)
}

fn payload(nonce: &[u8; 16], text: &[u8], last: u8) -> Vec<u8> {
    let key = hkdf(nonce, b"payload", FILE_KEY);
    let cipher = ChaCha20Poly1305::new(Key::from_slice(&key));
    let mut counter = [0; 12];
    counter[11] = last;
    let sealed = cipher.encrypt(Nonce::from_slice(&counter), text).unwrap();
    [&nonce[..], &sealed].concat()
}

impl Forged {
    fn with(stanzas: String) -> Self {
        let payload = payload(&[3; 16], PAYLOAD, 1);
        Self {
            version: "age-encryption.org/v1\n".to_owned(),
            stanzas,
            last: |mac| format!("--- {mac}\n"),
            payload,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let head = format!("{}{}---", self.version, self.stanzas);
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&hkdf(&[], b"header", FILE_KEY)).unwrap();
        mac.update(head.as_bytes());
        let line = (self.last)(&b64(&mac.finalize().into_bytes()));
        let head = format!("{}{}{line}", self.version, self.stanzas);
        [head.as_bytes(), &self.payload].concat()
    }
}

/// A vector: its name and its text.
pub(super) type Forgery = (String, Vec<u8>);

fn vector(name: &str, expect: &str, more: &str, file: &[u8]) -> Forgery {
    let head = format!("expect: {expect}\n{more}\n");
    (name.to_owned(), [head.as_bytes(), file].concat())
}

/// All of them.
pub(super) fn vectors() -> Vec<Forgery> {
    let key = format!("identity: {}\n", identity("age-secret-key-", &READER));
    let plain = |(name, expect, forged): (&str, &str, Forged)| vector(name, expect, &key, &forged.bytes());
    let mut all: Vec<Forgery> = recipients().into_iter().chain(stanzas()).chain(macs()).map(plain).collect();
    all.extend(payloads().into_iter().map(plain));
    let armored = format!("{key}armored: yes\n");
    all.extend(
        armors().into_iter().map(|(name, expect, text)| vector(name, expect, &armored, text.as_bytes())),
    );
    all.extend(others());
    all
}

type Case = (&'static str, &'static str, Forged);

fn recipients() -> Vec<Case> {
    let (arguments, body) = wrapped(FILE_KEY, READER);
    let other = wrapped(FILE_KEY, OTHER);
    let with = |arguments: &str, body: &[u8]| Forged::with(stanza(arguments, body));
    let share = |share: &[u8]| format!("X25519 {}", b64(share));
    let mut flipped = body.clone();
    flipped[0] ^= 1;
    // The last character of a share carries two bits that say nothing.
    let loose = |text: &str| text[..text.len() - 1].to_owned() + &loosened(&text[text.len() - 1..]);
    vec![
        ("x25519", "success", with(&arguments, &body)),
        ("x25519_second", "success", Forged::with(stanza(&other.0, &other.1) + &ours())),
        ("x25519_among_unknown", "success", Forged::with(stanza("grease a b", b"x") + &ours())),
        ("x25519_for_another", "no match", with(&other.0, &other.1)),
        ("x25519_lower_case", "no match", with(&arguments.to_lowercase(), &body)),
        ("x25519_two_arguments", "header failure", with(&format!("{arguments} more"), &body)),
        ("x25519_short_share", "header failure", with(&share(&[1; 31]), &body)),
        ("x25519_long_share", "header failure", with(&share(&[1; 33]), &body)),
        ("x25519_low_order_share", "header failure", with(&share(&[0; 32]), &body)),
        ("x25519_loose_share", "header failure", with(&loose(&arguments), &body)),
        ("x25519_loose_body", "header failure", {
            let text = stanza(&arguments, &body);
            Forged::with(loose(text.trim_end()) + "\n")
        }),
        ("x25519_flipped_body", "no match", with(&arguments, &flipped)),
        ("x25519_long_key", "header failure", {
            let (arguments, body) = wrapped(b"YELLOW SUBMARINE!", READER);
            Forged::with(stanza(&arguments, &body))
        }),
        (
            "version_unknown",
            "header failure",
            Forged { version: "age-encryption.org/v1234\n".to_owned(), ..with(&arguments, &body) },
        ),
        (
            "version_crlf",
            "header failure",
            Forged { version: "age-encryption.org/v1\r\n".to_owned(), ..with(&arguments, &body) },
        ),
    ]
}

/// The same value by a character whose bits that say nothing are not zero.
fn loosened(last: &str) -> String {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let at = DIGITS.find(last).unwrap();
    DIGITS[at + 1..at + 2].to_owned()
}

fn stanzas() -> Vec<Case> {
    let with = |text: &str| Forged::with(text.to_owned() + &ours());
    let long = b64(&[1; 51]);
    vec![
        ("stanza_other_start", "header failure", with("-- grease\nAA\n")),
        ("stanza_no_space", "header failure", with("->grease\nAA\n")),
        ("stanza_no_arguments", "header failure", with("->\nAA\n")),
        ("stanza_empty_argument", "header failure", with("-> grease  a\nAA\n")),
        ("stanza_trailing_space", "header failure", with("-> grease \nAA\n")),
        ("stanza_control_character", "header failure", with("-> gre\tase\nAA\n")),
        ("stanza_beyond_ascii", "header failure", with("-> greäse\nAA\n")),
        ("stanza_every_character", "success", with("-> !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\nAA\n")),
        ("stanza_empty_body", "success", with("-> grease\n\n")),
        ("stanza_full_last_line", "success", with(&stanza("grease", &[1; 48]))),
        ("stanza_padded_body", "header failure", with("-> grease\nAA==\n")),
        ("stanza_loose_body", "header failure", with("-> grease\nAB\n")),
        ("stanza_carriage_return", "header failure", with("-> grease\r\nAA\r\n")),
        ("stanza_long_line", "header failure", with(&format!("-> grease\n{long}\n\n"))),
        ("stanza_short_lines", "header failure", with("-> grease\nAAAA\nAAAA\n")),
        ("stanza_without_body", "header failure", with("-> grease\n")),
        ("stanza_without_last_line", "header failure", with(&format!("-> grease\n{}\n", &long[..64]))),
    ]
}

fn macs() -> Vec<Case> {
    let with = |last: fn(&str) -> String| Forged { last, ..Forged::with(ours()) };
    vec![
        (
            "mac_flipped",
            "HMAC failure",
            with(|mac| format!("--- {}{}\n", loosened_first(&mac[..1]), &mac[1..])),
        ),
        ("mac_missing", "header failure", with(|_| "---\n".to_owned())),
        ("mac_empty", "header failure", with(|_| "--- \n".to_owned())),
        ("mac_cut", "header failure", with(|mac| format!("--- {}\n", &mac[..40]))),
        ("mac_no_space", "header failure", with(|mac| format!("---{mac}\n"))),
        ("mac_two_spaces", "header failure", with(|mac| format!("---  {mac}\n"))),
        ("mac_space_after", "header failure", with(|mac| format!("--- {mac} \n"))),
        ("mac_more_after", "header failure", with(|mac| format!("--- {mac}AA\n"))),
        ("mac_padded", "header failure", with(|mac| format!("--- {mac}=\n"))),
        ("mac_loose", "header failure", with(|mac| format!("--- {}{}\n", &mac[..42], loosened(&mac[42..])))),
    ]
}

/// Another digit.
fn loosened_first(digit: &str) -> &'static str {
    if digit == "A" { "B" } else { "A" }
}

fn payloads() -> Vec<Case> {
    let with = |payload: Vec<u8>| Forged { payload, ..Forged::with(ours()) };
    let whole = payload(&[3; 16], PAYLOAD, 1);
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    vec![
        ("payload_flipped", "payload failure", with(flipped)),
        ("payload_not_the_last", "payload failure", with(payload(&[3; 16], PAYLOAD, 0))),
        ("payload_empty", "success", with(payload(&[3; 16], b"", 1))),
        ("payload_without_nonce", "payload failure", with(Vec::new())),
        ("payload_short_nonce", "payload failure", with(whole[..12].to_vec())),
        ("payload_without_tag", "payload failure", with(whole[..19].to_vec())),
        ("payload_more_after", "payload failure", with([&whole[..], b"x"].concat())),
    ]
}

fn armors() -> Vec<(&'static str, &'static str, String)> {
    const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----\n";
    const END: &str = "-----END AGE ENCRYPTED FILE-----\n";
    let text = STANDARD.encode(Forged::with(ours()).bytes());
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let body = lines.join("\n") + "\n";
    let whole = format!("{BEGIN}{body}{END}");
    let (first, rest) = body.split_at(65);
    let cut = |at: usize| format!("{BEGIN}{}\n{}{END}", &body[..at], &body[at..]);
    vec![
        ("armor", "success", whole.clone()),
        ("armor_crlf", "success", whole.replace('\n', "\r\n")),
        ("armor_no_line_break_at_the_end", "success", whole.trim_end().to_owned()),
        ("armor_space_before", "success", format!("\n  \n{whole}")),
        ("armor_space_after", "success", format!("{whole}\n \n")),
        ("armor_lower_case", "armor failure", whole.replace("AGE", "age")),
        ("armor_other_kind", "armor failure", whole.replace("AGE ENCRYPTED", "PGP ENCRYPTED")),
        ("armor_headers", "armor failure", format!("{BEGIN}Comment: x\n\n{body}{END}")),
        ("armor_no_end", "armor failure", format!("{BEGIN}{body}")),
        ("armor_no_body", "armor failure", format!("{BEGIN}{END}")),
        ("armor_text_before", "armor failure", format!("x\n{whole}")),
        ("armor_text_after", "armor failure", format!("{whole}x\n")),
        ("armor_short_line", "armor failure", cut(60)),
        ("armor_long_line", "armor failure", format!("{BEGIN}{}{rest}{END}", first.trim_end())),
        ("armor_empty_line", "armor failure", format!("{BEGIN}{first}\n{rest}{END}")),
        ("armor_empty_line_first", "armor failure", format!("{BEGIN}\n{body}{END}")),
        ("armor_empty_line_last", "armor failure", format!("{BEGIN}{body}\n{END}")),
        ("armor_space_in_line", "armor failure", format!("{BEGIN}{} \n{rest}{END}", first.trim_end())),
        ("armor_space_at_start", "armor failure", format!("{BEGIN} {body}{END}")),
        ("armor_no_padding", "armor failure", whole.replacen('=', "", 9)),
        ("armor_checksum", "armor failure", format!("{BEGIN}{body}=AAAA\n{END}")),
        ("armor_other_character", "armor failure", format!("{BEGIN}*{}{END}", &body[1..])),
        ("armor_of_no_age_file", "header failure", format!("{BEGIN}AAAA\n{END}")),
        ("armor_twice", "armor failure", whole.repeat(2)),
    ]
}

/// What sops files may meet and Holdfast does not open.
fn others() -> Vec<Forgery> {
    let scrypt = Forged::with(stanza(&format!("scrypt {} 10", b64(&[1; 16])), &[1; 32])).bytes();
    let hybrid = Forged::with(stanza(&format!("mlkem768x25519 {}", b64(&[1; 1120])), &[1; 32])).bytes();
    let quantum = format!("identity: {}\n", identity("age-secret-key-pq-", &[1; 32]));
    vec![
        vector("scrypt", "success", "passphrase: password\n", &scrypt),
        vector("post_quantum", "success", &quantum, &hybrid),
    ]
}
