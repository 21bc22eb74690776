//! Proves: documents made by chance go through Holdfast and the real sops in both directions, in every store, or are
//! refused for a reason that the reference lists. `HOLDFAST_TEST_FULL` takes many more of them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::sync::Mutex;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::sops::{Form, Keys};
use holdfast::manifest::SecretFormat;
use holdfast::secrets::{Ask, Environment, Identities, Policy, decrypt, encrypt, format_of};

/// Rules as flags of sops and in a policy; every generated key has one of these letters.
const RULES: [Option<(&str, &str)>; 5] = [
    None,
    Some(("encrypted_regex", "[a-m]")),
    Some(("unencrypted_regex", "^[n-z]")),
    Some(("encrypted_suffix", "e")),
    Some(("unencrypted_suffix", "_clear")),
];

/// Texts that some reader or writer has got wrong.
const ODD: [&str; 40] = [
    "",
    " ",
    "a",
    "plain words",
    " lead",
    "trail ",
    "\t",
    "a\tb",
    "l1\nl2",
    "l1\nl2\n",
    "\nlead",
    "a\n\n\nb",
    "crlf\r\nx",
    "end\r",
    "#hash",
    "a #b",
    "a;b",
    ";x",
    "a=b",
    "=",
    "a: b",
    ": ",
    "- a",
    "'",
    "\"",
    "it's",
    "`tick`",
    "\\",
    "a\\",
    "\\n",
    "a\\\\nb",
    "héllo",
    "😀",
    "true",
    "null",
    "1.0",
    "1e3",
    "{}",
    "ENC",
    "${A}",
];

/// Scalars as YAML writes them, beside texts.
const YAML_WORDS: [&str; 24] = [
    "1",
    "-1",
    "0",
    "-0",
    "1.50",
    "-0.0",
    "1e300",
    "1e-7",
    "9223372036854775807",
    "0x1f",
    "0o17",
    "017",
    "1_000",
    "true",
    "False",
    "~",
    "null",
    "",
    "2024-01-02",
    "2024-01-02T03:04:05.5+02:00",
    ".inf",
    ".nan",
    "yes",
    "[]",
];

const JSON_WORDS: [&str; 18] = [
    "1",
    "-1",
    "0",
    "-0",
    "1.50",
    "-0.0",
    "1e300",
    "1E-7",
    "9223372036854775807",
    "9223372036854775808",
    "1.0",
    "0.1",
    "true",
    "false",
    "null",
    "[]",
    "{}",
    "123456789.125",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(&ODD[..]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
        1 => "\\PC{0,6}",
        1 => "[a-z \\n\\t#;\"'`\\\\=:]{0,10}",
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z]{1,4}", 1 => "[a-z]{1,3}_clear", 1 => "[a-z][a-z .é-]{0,3}[a-z]"]
}

/// A tree of texts and bare words.
#[derive(Clone, Debug)]
enum Tree {
    Text(String),
    Word(&'static str),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

fn tree(words: &'static [&'static str]) -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![word().prop_map(Tree::Text), prop::sample::select(words).prop_map(Tree::Word)];
    let inner = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            prop::collection::btree_map(key(), inner, 0..4).prop_map(Tree::Map),
        ]
    });
    prop::collection::btree_map(key(), inner, 0..6).prop_map(Tree::Map)
}

fn json(tree: &Tree, out: &mut String) {
    let comma = |at: usize| if at == 0 { "" } else { ", " };
    match tree {
        Tree::Text(text) => *out += &serde_json::to_string(text).expect("text"),
        Tree::Word(word) => *out += word,
        Tree::List(items) => {
            *out += "[";
            for (at, item) in items.iter().enumerate() {
                *out += comma(at);
                json(item, out);
            }
            *out += "]";
        }
        Tree::Map(pairs) => {
            *out += "{\n";
            for (at, (key, value)) in pairs.iter().enumerate() {
                *out += comma(at);
                *out += &serde_json::to_string(key).expect("text");
                *out += ":";
                json(value, out);
            }
            *out += "}\r\n";
        }
    }
}

/// Blocks with comments; texts in double quotes, which is JSON but for what YAML takes for a line end.
fn yaml(tree: &Tree, indent: usize, remarks: &mut impl Iterator<Item = bool>, out: &mut String) {
    let blank = format!("\n{:indent$}", "");
    let mut entry = |out: &mut String, start: &str, value: &Tree| {
        if remarks.next().unwrap_or_default() {
            out.extend([&blank, "# about"]);
        }
        out.extend([&blank, start]);
        yaml(value, indent + 2, remarks, out);
        if remarks.next().unwrap_or_default() && matches!(value, Tree::Text(_) | Tree::Word(_)) {
            *out += " # behind";
        }
    };
    match tree {
        Tree::Text(text)
            if text.lines().count() > 1 && text.lines().all(|line| line.starts_with(char::is_alphabetic)) =>
        {
            *out += if text.ends_with('\n') { " |" } else { " |-" };
            for line in text.lines() {
                out.extend([&blank, line]);
            }
            *out += "\n";
        }
        Tree::Text(text) => out.extend([" ", &serde_json::to_string(text).expect("text")]),
        Tree::Word(word) => out.extend([" ", word]),
        Tree::List(items) if items.is_empty() => *out += " []",
        Tree::Map(pairs) if pairs.is_empty() => *out += " {}",
        Tree::List(items) => items.iter().for_each(|item| entry(out, "-", item)),
        Tree::Map(pairs) => {
            for (key, value) in pairs {
                entry(out, &format!("{}:", serde_json::to_string(key).expect("text")), value);
            }
        }
    }
}

/// Without texts of several lines whose first one starts with a tab: sops writes `null` for them, and Holdfast does not,
/// as the reference of YAML files says.
fn without_tabs(tree: Tree) -> Tree {
    match tree {
        Tree::Text(text) if text.contains('\n') => Tree::Text(text.trim_start_matches('\t').to_owned()),
        Tree::List(items) => Tree::List(items.into_iter().map(without_tabs).collect()),
        Tree::Map(pairs) => {
            Tree::Map(pairs.into_iter().map(|(key, value)| (key, without_tabs(value))).collect())
        }
        other => other,
    }
}

fn yaml_files() -> impl Strategy<Value = Vec<u8>> {
    let one =
        (tree(&YAML_WORDS).prop_map(without_tabs), prop::collection::vec(prop::bool::weighted(0.08), 40))
            .prop_map(|(tree, remarks)| {
                let mut text = String::new();
                yaml(&tree, 0, &mut remarks.into_iter(), &mut text);
                text.trim_start_matches(['\n', ' ']).to_owned() + "\n"
            });
    prop::collection::vec(one, 1..3).prop_map(|documents| documents.join("---\n").into_bytes())
}

fn json_files() -> impl Strategy<Value = Vec<u8>> {
    tree(&JSON_WORDS).prop_map(|tree| {
        let mut text = String::new();
        json(&tree, &mut text);
        text.into_bytes()
    })
}

fn dotenv_files() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![4 => "[A-Za-z_]{1,5}", 1 => "[a-z]{1,3}[ .-]", 1 => " [a-z]{1,3}"];
    let value = word().prop_map(|text| text.replace('\n', "\\n"));
    let remark = word().prop_map(|text| text.replace('\n', ""));
    let line = prop_oneof![
        6 => (name, value).prop_map(|(name, value)| format!("{name}={value}\n")),
        1 => remark.prop_map(|text| format!("#{text}\n")),
        1 => Just("\n".to_owned()),
    ];
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat().into_bytes())
}

fn ini_files() -> impl Strategy<Value = Vec<u8>> {
    let sign = prop::sample::select(&["=", " = ", ": ", "  =", "= "][..]);
    let quote = prop::sample::select(&["", "", "", "\"", "'", "`", "\"\"\""][..]);
    let value = (word(), quote).prop_map(|(text, quote)| {
        let text = if quote == "\"\"\"" { text } else { text.replace('\n', "") };
        format!("{quote}{text}{quote}")
    });
    let tail = prop::sample::select(&["", "", "", " ; behind", " # behind", " \\\n  more"][..]);
    let name = prop_oneof![6 => "[a-z]{1,4}", 1 => "[a-z]{1,2} [a-z]", 1 => "\"[a-z]=\"", 1 => "`[a-z\"]{1,3}`", 1 => "[a-z]é"];
    let line = prop_oneof![
        8 => (name, sign, value, tail).prop_map(|(name, sign, value, tail)| format!("{name}{sign}{value}{tail}")),
        1 => prop::sample::select(&["; a", "# b", "#", ";;c", "  ; d", ""][..]).prop_map(str::to_owned),
        2 => "[a-z]{1,3}".prop_map(|name| format!("[{name}]")),
        1 => prop::sample::select(&["[DEFAULT]", "[a b]", "[x] ; y", "[é]", "[default]"][..]).prop_map(str::to_owned),
    ];
    (prop::collection::vec(line, 0..10), prop::sample::select(&["\n", "\n", "\r\n"][..]))
        .prop_map(|(lines, end)| lines.iter().flat_map(|line| [line, end]).collect::<String>().into_bytes())
}

fn binary_files() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        word().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 4000..5000),
    ]
}

/// What became of a document.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Same,
    /// Sops does not encrypt it, or not open what it made of it.
    NotBySops,
    /// Refused here, with the reason that the reference lists.
    Listed(String),
    Differs(String),
}

/// What is refused here and taken by sops, as the table in the reference has it: words of the error.
fn listed() -> Vec<String> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/secrets.md"));
    let text = text.expect("the reference");
    let table = text.split("## Refused here and taken by sops").nth(1).expect("the table");
    let rows = table.lines().skip_while(|line| !line.starts_with("|--")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let words: Vec<String> = rows.filter_map(|row| row.split('`').nth_back(1).map(str::to_owned)).collect();
    assert!(words.len() > 3, "the table in the reference lists what is refused: {words:?}");
    words
}

struct Bench {
    keys: Keys,
    identities: Identities,
    listed: Vec<String>,
}

impl Bench {
    fn sops(&self, args: &[&str]) -> Result<Vec<u8>, String> {
        let output = self.keys.sops().args(args).stdin(Stdio::null()).output().expect("sops starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(output.stdout).ok_or(said)
    }

    fn fate(&self, name: &str, plain: &[u8], rule: Option<(&str, &str)>) -> Fate {
        let format = format_of(name.as_ref());
        let clear_name = format!("plain-{name}");
        fs::write(self.keys.path(&clear_name), plain).expect("the clear text");
        let recipient = self.keys.recipient(Form::AgeFile);
        let flag = rule.map(|(name, _)| format!("--{}", name.replace('_', "-")));
        let mut args = vec!["encrypt", "--age", &recipient];
        if let (Some(flag), Some((_, text))) = (&flag, rule) {
            args.extend([flag.as_str(), text]);
        }
        args.push(&clear_name);
        let Ok(theirs) = self.sops(&args) else { return Fate::NotBySops };
        fs::write(self.keys.path(name), &theirs).expect("the file");
        let Ok(clear) = self.sops(&["decrypt", name]) else { return Fate::NotBySops };
        let rules = rule.map(|(name, text)| (name.to_owned(), text.to_owned())).into_iter().collect();
        match self.compared(name, format, (plain, &theirs, &clear), rules) {
            Ok(()) => Fate::Same,
            Err(said) => match self.listed.iter().find(|words| said.contains(words.as_str())) {
                Some(words) => Fate::Listed(words.clone()),
                None => Fate::Differs(format!("{name} {rule:?}: {said}\n{}", String::from_utf8_lossy(plain))),
            },
        }
    }

    fn compared(
        &self,
        name: &str,
        format: SecretFormat,
        (plain, theirs, clear): (&[u8], &[u8], &[u8]),
        rules: Vec<(String, String)>,
    ) -> Result<(), String> {
        let same = |what: &str, found: &[u8]| {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let differ = || format!("{what}:\n{}\n--- wanted\n{}", text(found), text(clear));
            if found == clear { Ok(()) } else { Err(differ()) }
        };
        let opened = |bytes: &[u8], what: &str| {
            let whole = decrypt(bytes, format, &self.identities).and_then(|document| document.whole());
            whole.map_err(|error| format!("{what}: {error}"))
        };
        same("sops's is read otherwise", opened(theirs, "sops's is not opened")?.expose())?;
        let policy =
            Policy { groups: vec![vec![self.keys.recipient(Form::AgeFile)]], rules, ..Policy::default() };
        let helpers = (Environment::default(), Ask::Nobody);
        let ours = encrypt(plain, (format, format), &policy, Timestamp::now(), helpers);
        let ours = ours.map_err(|error| format!("not encrypted: {error}"))?;
        same("ours is read otherwise", opened(ours.expose(), "ours is not opened")?.expose())?;
        fs::write(self.keys.path(name), ours.expose()).expect("the file");
        same(
            "sops reads ours otherwise",
            &self.sops(&["decrypt", name]).map_err(|said| format!("sops on ours: {said}"))?,
        )
    }
}

/// Sends documents through both programs, four at a time.
fn compare(name: &str, files: impl Strategy<Value = Vec<u8>>, cases: usize) {
    let full = std::env::var_os("HOLDFAST_TEST_FULL").is_some();
    let count = if full { 400 } else { cases };
    // The sample is the same in every run; what a larger run finds is new.
    let config = Config { failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = if full { TestRunner::new(config) } else { TestRunner::new_with_rng(config, rng) };
    let strategy = (files, prop::sample::select(&RULES[..]));
    let documents: Vec<_> =
        (0..count).map(|_| strategy.new_tree(&mut runner).expect("a document").current()).collect();
    let keys = Keys::new();
    let identities = keys.identities(Form::AgeFile);
    let bench = Bench { keys, identities, listed: listed() };
    let (next, fates) = (Mutex::new(documents.iter().enumerate()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((at, (plain, rule))) = next.lock().expect("the queue").next() else { return };
                    let fate = bench.fate(&format!("{at}.{name}"), plain, *rule);
                    fates.lock().expect("the results").push(fate);
                }
            });
        }
    });
    let fates = fates.into_inner().expect("the results");
    let (mut same, mut refused, mut listed, mut differ) = (0, 0, BTreeMap::new(), Vec::new());
    for fate in fates {
        match fate {
            Fate::Same => same += 1,
            Fate::NotBySops => refused += 1,
            Fate::Listed(words) => *listed.entry(words).or_insert(0) += 1,
            Fate::Differs(said) => differ.push(said),
        }
    }
    eprintln!(
        "{name}: {count} random documents: {same} the same both ways, {refused} that sops does not open, refused here: {listed:?}"
    );
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n=====\n"));
    assert!(same > count / 2, "only {same} of {count} prove anything");
}

#[test]
fn random_yaml_goes_both_ways_with_sops() {
    compare("yaml", yaml_files(), 40);
}

#[test]
fn random_json_goes_both_ways_with_sops() {
    compare("json", json_files(), 30);
}

#[test]
fn random_dotenv_goes_both_ways_with_sops() {
    compare("env", dotenv_files(), 30);
}

#[test]
fn random_ini_goes_both_ways_with_sops() {
    compare("ini", ini_files(), 40);
}

#[test]
fn random_bytes_go_both_ways_with_sops() {
    compare("bin", binary_files(), 15);
}
