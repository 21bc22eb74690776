//! Proves: a wrapped data key that is not exactly one age file opens for nobody, by vectors of the age format, each as
//! the `enc` of a sops file. They are made here; where `AGE_VECTORS` names a folder of such files (`age/testdata` of
//! C2SP/CCTV), those are read as well, and without it that is said to have not been done.

#[expect(clippy::indexing_slicing, reason = "pieces of texts that are made here")]
mod forge;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdfast::manifest::{self, SecretFormat};
use holdfast::secrets::{Ask, Identities, IdentityEnv, SecretBytes, SecretError, decrypt};

struct Vector {
    head: BTreeMap<String, String>,
    file: Vec<u8>,
}

impl Vector {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").expect("an empty line");
        let (head, file) = bytes.split_at(end);
        let head = std::str::from_utf8(head).expect("a head of text").lines();
        let head: BTreeMap<_, _> = head
            .map(|line| line.split_once(": ").expect("`key: value`"))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let mut file = file.get(2..).expect("a file").to_vec();
        match head.get("compressed").map(String::as_str) {
            None => {}
            Some("zlib") => {
                let mut plain = Vec::new();
                flate2::read::ZlibDecoder::new(file.as_slice()).read_to_end(&mut plain).expect("zlib");
                file = plain;
            }
            Some(other) => panic!("compressed as {other}"),
        }
        Self { head, file }
    }

    /// The text that stands in a sops file.
    fn enc(&self) -> String {
        if self.head.contains_key("armored") {
            return String::from_utf8(self.file.clone()).expect("armor is text");
        }
        let text = STANDARD.encode(&self.file);
        let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
        format!("-----BEGIN AGE ENCRYPTED FILE-----\n{lines}\n-----END AGE ENCRYPTED FILE-----\n")
    }

    /// What a sops file says whose data key is wrapped so.
    fn opened(&self) -> SecretError {
        let sops = serde_json::json!({
            "age": [{ "recipient": "age1vector", "enc": self.enc() }],
            "lastmodified": "2024-01-02T03:04:05Z",
            "mac": "ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]",
            "version": "3.13.2",
        });
        let text = serde_json::json!({ "a": "", "sops": sops }).to_string();
        let env = IdentityEnv {
            age_key: self.head.get("identity").map(|key| SecretBytes::new(key.clone().into_bytes())),
            ask: Ask::Given(SecretBytes::new(
                self.head.get("passphrase").cloned().unwrap_or_default().into(),
            )),
            ..IdentityEnv::default()
        };
        let nothing = manifest::Identities { ssh_key_files: Vec::new(), ..manifest::Identities::default() };
        let opened = decrypt(text.as_bytes(), SecretFormat::Json, &Identities::load(&nothing, &env));
        opened.err().expect("no payload of a vector is a data key")
    }
}

/// What became of some vectors.
#[derive(Default)]
struct Judged {
    opened: usize,
    refused: usize,
    unsupported: BTreeSet<String>,
    lenient: BTreeSet<String>,
}

fn judge(vectors: Vec<forge::Forgery>) -> Judged {
    // The age file opened, and what is in it is no data key.
    let short = SecretError::Metadata("its data key is not 32 bytes".to_owned());
    let mut judged = Judged::default();
    for (name, bytes) in vectors {
        let vector = Vector::read(&bytes);
        let error = vector.opened();
        match (vector.head.get("expect").expect("what to expect").as_str(), &error) {
            ("success", error) if *error == short => judged.opened += 1,
            ("success", SecretError::NoIdentity { tried, .. }) => {
                let words = match vector.head.get("identity") {
                    Some(_) => "SOPS_AGE_KEY line 1 (a post-quantum identity, which is not supported)",
                    // A passphrase belongs to a file of identities, never to a sops file.
                    None => "",
                };
                assert_eq!(tried.concat(), words, "{name}");
                judged.unsupported.insert(name);
            }
            // More than a data key is not read to its end; it is refused by its length.
            ("payload failure", error) if *error == short => judged.refused += 1,
            (_, SecretError::Syntax(text)) if text.ends_with("are not read") => judged.refused += 1,
            ("success", error) => panic!("{name}: {error}"),
            (_, SecretError::NoIdentity { .. }) => judged.refused += 1,
            (_, error) if *error == short => {
                judged.lenient.insert(name);
            }
            (expected, error) => panic!("{name}: {error}, though it is a {expected}"),
        }
    }
    judged
}

#[test]
fn what_the_age_format_refuses_is_no_data_key_and_what_it_takes_is_looked_at() {
    let vectors = forge::vectors();
    let all = vectors.len();
    let judged = judge(vectors);
    eprintln!("{all} vectors: {} opened, {} refused", judged.opened, judged.refused);
    let set = |of: &[&str]| of.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(judged.unsupported, set(&["post_quantum", "scrypt"]));
    // The age crate still reads a stanza without a last line, as early writers made it; the header's MAC covers it.
    assert_eq!(judged.lenient, set(&["stanza_without_body", "stanza_without_last_line"]));
    assert!(
        judged.opened >= 12 && judged.refused >= 55,
        "{} opened, {} refused",
        judged.opened,
        judged.refused
    );
    public_vectors();
}

/// The public vectors, where they are at hand.
fn public_vectors() {
    let Some(folder) = std::env::var_os("AGE_VECTORS") else {
        eprintln!("not run on the public vectors: AGE_VECTORS is not set");
        return;
    };
    let paths = fs::read_dir(folder).expect("the vectors").map(|entry| entry.expect("an entry").path());
    let vectors = paths.filter(|path| path.is_file()).map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(&path).expect("a vector"))
    });
    let Judged { opened, refused, unsupported, lenient } = judge(vectors.collect());
    eprintln!(
        "public vectors: {opened} opened, {refused} refused, {unsupported:?} not supported, {lenient:?} taken"
    );
    assert!(opened > 10 && refused > 50);
}
