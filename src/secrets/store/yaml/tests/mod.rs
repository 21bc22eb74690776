//! Proves: YAML is read and written as the real sops reads and writes it, byte for byte.

mod random;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{read, write};
use crate::secrets::store::Indent;
use crate::secrets::tree::{Entry, Node};

/// The pinned sops, and a key to encrypt for.
struct Sops {
    dir: tempfile::TempDir,
    recipient: String,
}

fn binary() -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let path = Path::new(&home).join(".cache/holdfast/sops-3.13.2/sops");
    assert!(path.is_file(), "the real sops is missing at {}: run `make setup`", path.display());
    path
}

impl Sops {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let recipient = age::x25519::Identity::generate().to_public().to_string();
        Self { dir, recipient }
    }

    /// What the real sops makes of a text that it encrypts by `rule`, or what it says against it.
    fn encrypt(&self, plain: &str, rule: &[&str]) -> Result<String, String> {
        let path = self.dir.path().join("t.yaml");
        fs::write(&path, plain).expect("the plaintext");
        let mut command = Command::new(binary());
        command.env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.args(["encrypt", "--age", &self.recipient]).args(rule).arg(&path).stdin(Stdio::null());
        let output = command.output().expect("sops runs");
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).expect("text"))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

/// Leaves everything in the clear.
const CLEAR: [&str; 2] = ["--encrypted-regex", "^nothing matches this$"];

/// The documents without their `sops` section, which stands at the end of each.
fn without_metadata(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        inside = line == "sops:\n" || inside && line.starts_with(' ');
        if !inside {
            kept.push_str(line);
        }
    }
    kept
}

/// Compares what both write of a text that they leave in the clear. Gives what sops wrote without its metadata, or
/// nothing where it refuses the text or cannot read what it wrote.
fn compared(sops: &Sops, plain: &str) -> Option<String> {
    let expected = sops.encrypt(plain, &CLEAR).ok()?;
    let bare = without_metadata(&expected);
    let mut file = read(plain.as_bytes()).unwrap_or_else(|error| panic!("sops takes it: {error}\n{plain}"));
    let written = read(expected.as_bytes()).map(|theirs| {
        file.metadata = theirs.metadata;
        // A comment behind the last value gets into the section that is written there; sops leaves it away on reading.
        if let Some(Node::Map(entries)) = &mut file.metadata {
            entries.retain(|entry| matches!(entry, Entry::Pair(..)));
        }
        let written = write(&file, Indent::Default).expect("written");
        String::from_utf8(written.expose().to_vec()).expect("text")
    });
    match written {
        Ok(written) if written == expected => Some(bare),
        _ if sops.encrypt(&bare, &CLEAR).is_err() => None,
        Ok(written) => panic!("{}", difference(plain, &written, &expected)),
        Err(error) => panic!("sops reads what it wrote: {error}\n{plain}\n---\n{bare}"),
    }
}

fn difference(plain: &str, ours: &str, theirs: &str) -> String {
    let lines = |text: &str| -> Vec<String> {
        without_metadata(text).lines().map(|line| line.escape_default().to_string()).collect()
    };
    let (ours, theirs) = (lines(ours), lines(theirs));
    let same = ours.iter().zip(&theirs).take_while(|(left, right)| left == right).count();
    let part = |lines: &[String]| {
        lines.iter().skip(same.saturating_sub(2)).take(6).cloned().collect::<Vec<_>>().join("\n")
    };
    format!("of\n{plain}\n--- ours\n{}\n--- sops\n{}\n", part(&ours), part(&theirs))
}

/// Compares a text, what sops makes of it, and what sops encrypted. False where sops takes one of them not.
fn agrees(sops: &Sops, plain: &str) -> bool {
    let Some(clear) = compared(sops, plain) else { return false };
    let sealed = sops.encrypt(plain, &[]).expect("encrypts");
    compared(sops, &clear).is_some() && compared(sops, &without_metadata(&sealed)).is_some()
}

const WORDS: &str = r##"
a: "yes"
b: 'it''s'
c: 1.50
d: 0o17
e: 2024-01-02 03:04:05
f: |
  x
   y

g: >-
  folded
  text
h: "tab\there"
i: "\U0001F600 é"
j: "trailing "
k: "#hash"
l: "a: b"
m: "- x"
n: "line1\nline2 \nline3"
o: "\n lead"
p: {a: {}, b: []}
q: [1, [2, 3], {x: y}]
r: ~
s: ""
t: "<<"
"u v": 1
? long key
: 2
? kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
: 2
"multi\nline": 3
v: !!binary aGVsbG8=
w: 0x1F
x: "1_000"
y: on
z: !!str 12
aa: "\n"
ab: "\n\n"
ac: "x\n\n\n"
ad: " \n"
ae: "\r\n"
af: "\0\a\e\x7f\x85\_\uFEFF\uFFFD"
ag: .inf
ah: -.INF
ai: .nan
aj: 1e300
ak: -0.5
al: 9223372036854775807
am: "190:20:30.5"
an: "0777"
ao: "="
ap: "?x"
aq: "a ?b"
ar: "@at"
as: "`tick"
at: "a\tb\n\tc"
au: "x #y"
av: "x# y"
aw: "...dots"
ax: "---"
ay: "a:"
az: ":a"
ba: "null"
bb: "2024-01-02"
bc: ! 12
bd: 1:30
be: "!"
bf: "&a"
bg: "~x"
bh: "%"
bi: "\\back \"quote\""
bj: 0.1e1
bk: 1_000
bl: 2001-12-14t21:59:43.10-05:00
bm: 5e-324
bn: 123456789012345678
bo: 100000.0
bp: 1000000.0
bq: 0.0001
br: 0.00001
"##;

const SHAPES: [&str; 16] = [
    "# top\n\n# head1\na: 1 # inline a\n# foot a\n\nb: # line b\n  # head in b\n  - x # inl x\n  # foot x\n  - y\nl:\n- # c\n  m: 1\n- n # foo\ne: {}\n# tail\n",
    "base: &b\n  # inside\n  x: 1 # in line\nother: *b\nmerged:\n  <<: *b\n  # last\n  y: 2\nlist: &l\n  - 1 # one\nagain: *l # here\nword: &w text\nsame: *w # there\n",
    "a: 1\r\n\r\n# one\r\n# two\r\nb: 2 # three\r\n",
    "\u{feff}# first\na: 1\n",
    "a: 1 # no end",
    "---\n# one\na: 1\n...\n# between\n---\nb: 2\n--- # only\n---\n# last\nc: 3\n",
    "only: # comment\n",
    "a: {} # c\nb:\n  # in an empty one\nc: 1\n",
    "a: [1, # one\n  2 # two\n  # three\n]\nb: {x: 1, # one\n  # two\n  y: 2}\n",
    "a: | # block\n  text\n# after\nb: >+ # folded\n  text\n\n\n# after\nc: 1\n",
    "a:\n  - - 1 # x\n    # y\n    - 2\n  # z\n  - b: 1\n    # w\n\n    c: 2\n # odd\nd: 4\n",
    "a:\n    b:\n        c: 1\n        # at c\n    # at b\n# at a\n\n# far\nd: 1\n",
    "# one\n\n# two\n\n# three\n\na: 1\n\n# four\n\n\n# five\n",
    "a:\n- 1\n# below\n- 2\n\n# above b\nb: x\n",
    "? a # key\n: b # value\n? - 1\n: x\n",
    "a:\n  # t\n\n  # u\n  b: 1\n  #\n  ##\n  #!\n  c: 2\n",
];

#[test]
fn words_and_shapes_read_and_write_as_sops_does() {
    let sops = Sops::new();
    assert!(agrees(&sops, WORDS), "sops refuses the words");
    let taken = SHAPES.iter().filter(|shape| agrees(&sops, shape)).count();
    assert_eq!(taken, SHAPES.len() - 1, "a list cannot be a key, all else is taken");
}

#[test]
fn documents_made_by_chance_read_and_write_as_sops_does() {
    const IN_ONE: usize = 8;
    let full = std::env::var_os("HOLDFAST_TEST_FULL").is_some();
    let (cases, whole) = (if full { 600 } else { 8 }, 600);
    let sops = Sops::new();
    let (mut compared, mut refused) = (0, 0);
    for seed in 0..cases {
        // A text that sops refuses is one document less.
        let text = |count| random::documents(&mut random::Chance::new(seed + 1), count);
        match (1..=IN_ONE).rev().find(|count| agrees(&sops, &text(*count))) {
            Some(count) => {
                compared += count;
                refused += IN_ONE - count;
            }
            None => refused += IN_ONE,
        }
    }
    println!(
        "{compared} documents compared three ways each, {refused} refused by sops, {cases} of {whole} texts"
    );
    assert!(compared > refused, "most are taken");
}

fn read_error(text: &str) -> String {
    read(text.as_bytes()).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn what_sops_would_take_silently_is_refused_with_its_place() {
    for (text, says) in [
        ("a: 1\na: 2\n", "line 2 column 1: the key `a` stands here a second time"),
        ("x: 1\n---\na: 1\na: 2\n", "line 4 column 1: the key `a` stands here a second time"),
        ("a:\n  1: x\n", "the value at `a/1` has a key that is no text (put it in quotes)"),
        ("true: x\n", "the value at `true` has a key that is no text"),
        ("a: 9223372036854775808\n", "the value at `a` is a whole number of 2^63 or more"),
        ("a: !thing x\n", "the value at `a` has a YAML tag, which sops does not keep"),
        ("a: !!int x\n", "the value at `a` has a YAML tag that does not fit it"),
        ("- 1\n", "the top level of one of its documents is no map"),
        ("a: &a [*a]\n", "an alias of something that is still open"),
        ("a: 'x\u{2028}y'\n", "line 1 column 6: a line end of Unicode"),
        ("", "it is empty"),
        ("a: [1\n", "line 2 column 1: cannot be read"),
    ] {
        let found = read_error(text);
        assert!(found.contains(says), "{text:?}: {found:?}");
    }
}

#[test]
fn aliases_cannot_blow_up_comments() {
    let line = format!("  # {}\n  k: v\n", "c".repeat(100_000));
    let aliases = (0..200).fold(String::new(), |text, index| text + &format!("a{index}: *a\n"));
    let found = read_error(&format!("a: &a\n{line}{aliases}"));
    assert!(found.contains("once aliases are expanded"), "{found:?}");
}

#[test]
fn a_stored_text_can_be_read_again_where_sops_writes_what_nothing_reads() {
    let metadata = "sops:\n    x: y\n";
    for value in
        ["\"\\ta\\nb\"", "[\"\\n a\"]", "{x: [\"\\na\"]}", "\"a\\Lb\"", "\"a\\P\\nb\"", "[{x: \" a\\nb\"}]"]
    {
        let text = format!("k: {value}\n{metadata}");
        let once = write(&read(text.as_bytes()).expect("reads"), Indent::Default).expect("written");
        let again = read(once.expose()).unwrap_or_else(|error| panic!("{value}: {error}"));
        let twice = write(&again, Indent::Default).expect("written");
        assert_eq!(twice.expose(), once.expose(), "{value}");
        assert!(once.expose().contains(&b'\\'), "{value} is in double quotes");
    }
}
