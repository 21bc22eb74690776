//! Proves: no single bit of what sops protects can be changed unseen, in any store: tokens, the MAC, the keys above
//! encrypted values, clear values under the full MAC, `lastmodified`. What lies outside is in docs/reference/secrets.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::ops::Range;

use age::armor::ArmoredReader;
use holdfast::manifest::SecretFormat;
use holdfast::secrets::{Opener, SecretBytes, decrypt_with};
use regex::Regex;

use crate::support::sops::{Form, Keys};

/// What a byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Token,
    Mac,
    Key,
    Clear,
    LastModified,
    Comment,
}

/// A store: file name, form, clear text, keys above encrypted values, clear values.
struct Store {
    name: &'static str,
    format: SecretFormat,
    plain: &'static [u8],
    keys: &'static [&'static str],
    clear: &'static [&'static str],
}

const STORES: [Store; 5] = [
    Store {
        name: "a.yaml",
        format: SecretFormat::Yaml,
        plain: b"# said\nalpha: one\nnest:\n    beta: 2\nlist:\n    - true\n    - 1.5\nc_unencrypted: seen\n\
                 d_unencrypted: 41.5\ne_unencrypted: true\n",
        keys: &["alpha", "nest", "beta", "list"],
        clear: &["seen", "41.5", "true"],
    },
    Store {
        name: "a.json",
        format: SecretFormat::Json,
        plain: b"{\"alpha\": \"one\", \"nest\": {\"beta\": 2}, \"list\": [true, 1.5], \"c_unencrypted\": \"seen\", \
                 \"d_unencrypted\": 41.5, \"e_unencrypted\": true}",
        keys: &["alpha", "nest", "beta", "list"],
        clear: &["seen", "41.5", "true"],
    },
    Store {
        name: "a.env",
        format: SecretFormat::Dotenv,
        plain: b"#said\nalpha=one\nbeta=two\nc_unencrypted=seen\n",
        keys: &["alpha", "beta"],
        clear: &["seen"],
    },
    Store {
        name: "a.ini",
        format: SecretFormat::Ini,
        plain: b"[nest]\nalpha = one\n; said\nbeta = two\nc_unencrypted = seen\n",
        keys: &["nest", "alpha", "beta"],
        clear: &["seen"],
    },
    Store { name: "a.bin", format: SecretFormat::Binary, plain: b"\x00one\xff", keys: &["data"], clear: &[] },
];

/// A sealed file, and the data key in it: flips are many and need no identity.
struct Sealed {
    text: String,
    format: SecretFormat,
    key: SecretBytes,
    whole: Vec<u8>,
    parts: Vec<(Part, Range<usize>)>,
}

impl Sealed {
    fn new(keys: &Keys, store: &Store) -> Self {
        let sealed = keys.encrypt(store.name, store.plain, &keys.recipient(Form::AgeFile), &[]);
        let text = String::from_utf8(sealed).expect("text");
        let key = data_key(keys, &text);
        let mut sealed =
            Self { parts: parts(&text, store), text, format: store.format, key, whole: Vec::new() };
        sealed.whole = sealed.open(sealed.text.as_bytes(), false).expect("the file as it is opens").0;
        sealed
    }

    /// The whole plaintext and the warnings.
    fn open(&self, bytes: &[u8], ignore_mac: bool) -> Option<(Vec<u8>, Vec<String>)> {
        let document = decrypt_with(bytes, self.format, &Opener::DataKey(&self.key), ignore_mac).ok()?;
        Some((document.whole().ok()?.expose().to_vec(), document.warnings().to_vec()))
    }

    fn flipped(&self, at: usize, bit: u32) -> Vec<u8> {
        let mut bytes = self.text.clone().into_bytes();
        *bytes.get_mut(at).expect("in the text") ^= 1 << bit;
        bytes
    }
}

/// Takes the data key out of the only age file, by the age crate.
fn data_key(keys: &Keys, text: &str) -> SecretBytes {
    let start = text.find("-----BEGIN AGE").expect("an age file");
    let end = "-----END AGE ENCRYPTED FILE-----";
    let armor = &text[start..text.find(end).expect("its end") + end.len()];
    let lines: Vec<_> = armor.replace("\\n", "\n").lines().map(|line| line.trim().to_owned()).collect();
    let identity = fs::read_to_string(keys.path("age.txt")).expect("the identity");
    let identity = identity.lines().last().expect("a line").parse::<age::x25519::Identity>().expect("a key");
    let armor = lines.join("\n") + "\n";
    let opened = age::Decryptor::new(ArmoredReader::new(armor.as_bytes())).expect("an age file");
    let mut key = Vec::new();
    let mut reader = opened.decrypt(std::iter::once(&identity as _)).expect("opens");
    reader.read_to_end(&mut key).expect("the data key");
    SecretBytes::new(key)
}

/// What is protected, by its place in the text.
fn parts(text: &str, store: &Store) -> Vec<(Part, Range<usize>)> {
    let mut parts = Vec::new();
    let token = Regex::new(r"ENC\[AES256_GCM,[^\]]*\]").expect("a regex");
    for found in token.find_iter(text) {
        let line = text[..found.start()].rfind('\n').map_or(0, |at| at + 1);
        let before = &text[line..found.start()];
        let part = match found.as_str() {
            token if token.contains("type:comment") => Part::Comment,
            _ if before.trim_start_matches(['\t', ' ', '"']).replace("sops_", "").starts_with("mac") => {
                Part::Mac
            }
            _ => Part::Token,
        };
        parts.push((part, found.range()));
    }
    for key in store.keys {
        let at = text.find(key).expect("the key");
        parts.push((Part::Key, at..at + key.len()));
    }
    for value in store.clear {
        let at = text.find(value).expect("the clear value");
        parts.push((Part::Clear, at..at + value.len()));
    }
    let name = Regex::new(r#"lastmodified"?\s*[:=]\s*"?([0-9TZ:-]+)"#).expect("a regex");
    let time = name.captures(text).expect("lastmodified").get(1).expect("its time");
    parts.push((Part::LastModified, time.range()));
    parts
}

/// What came of the flips of one part.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    refused: usize,
    /// The very same plaintext: another spelling of a clear boolean, a comment that does not decrypt and is named.
    same: usize,
    /// Opened without the MAC.
    naive: usize,
}

fn flips(keys: &Keys, store: &Store) -> BTreeMap<Part, Count> {
    let sealed = Sealed::new(keys, store);
    let mut counts: BTreeMap<Part, Count> = BTreeMap::new();
    for (part, range) in &sealed.parts {
        let count = counts.entry(*part).or_default();
        for (at, bit) in range.clone().flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let bytes = sealed.flipped(at, bit);
            let shown = || format!("{}: bit {bit} of byte {at} ({part:?})", store.name);
            match sealed.open(&bytes, false) {
                None => count.refused += 1,
                Some((_, warnings)) if *part == Part::Comment => {
                    // Without its first letters it is a comment that was never encrypted.
                    assert!(!warnings.is_empty() || at < range.start + 4, "{}: nothing is said", shown());
                    count.same += 1;
                }
                Some((whole, _)) => {
                    assert!(*part == Part::Clear && whole == sealed.whole, "{} is not seen", shown());
                    count.same += 1;
                }
            }
            if *part == Part::Clear
                && sealed.open(&bytes, true).is_some_and(|(whole, _)| whole != sealed.whole)
            {
                count.naive += 1;
            }
        }
    }
    counts
}

#[test]
fn every_flipped_bit_of_what_sops_protects_is_refused_in_every_store() {
    let keys = &Keys::new();
    let (mut all, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let run = |store| (store, scope.spawn(move || flips(keys, store)));
        let running: Vec<_> = STORES.iter().map(run).collect();
        for (store, running) in running {
            let counts = running.join().expect("no flip passes");
            for (part, count) in &counts {
                let flips = count.refused + count.same;
                eprintln!(
                    "{} {part:?}: {flips} flips, {} refused, {} read the same",
                    store.name, count.refused, count.same
                );
                (all, refused) = (all + flips, refused + count.refused);
                assert!(matches!(part, Part::Clear | Part::Comment) || count.same == 0);
                // Without the MAC many flips of clear values pass: it is the MAC that refuses them.
                assert!(*part != Part::Clear || count.naive * 4 > flips, "{count:?}");
            }
            assert!(counts.len() >= 4, "{}: parts were not found", store.name);
        }
    });
    eprintln!("{all} flips, {refused} refused");
    assert!(refused > 20_000);
}

/// The same through the program: it prints nothing and ends with 5.
#[test]
fn a_sample_of_flipped_bits_is_refused_by_the_program() {
    let keys = Keys::new();
    for store in &STORES {
        let sealed = Sealed::new(&keys, store);
        let mut seen = BTreeSet::new();
        for (part, range) in &sealed.parts {
            if *part == Part::Comment || !seen.insert(*part) {
                continue;
            }
            fs::write(keys.path(store.name), sealed.flipped(range.start + range.len() / 2, 1))
                .expect("written");
            let output = keys
                .opening(env!("CARGO_BIN_EXE_holdfast"))
                .args(["secrets", "decrypt", store.name])
                .output()
                .expect("the program starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(5), "{} {part:?}: {said}", store.name);
            assert!(output.stdout.is_empty() && said.contains(store.name), "{} {part:?}: {said}", store.name);
        }
        assert!(seen.len() >= 4, "{}", store.name);
    }
}
