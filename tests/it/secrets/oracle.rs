//! Proves: what Holdfast encrypts, the real sops decrypts, rotates, sets and re-wraps, and the other way round, over
//! stores, rules, recipients and odd documents. By default every pair of choices is met once; `HOLDFAST_TEST_FULL`
//! takes every combination.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::sops::{Form, Keys, binary, run};

/// File endings and, for each, documents with odd values. Keys that start with `secret`, `nest` or `list` are for the
/// rules. No comments in lists: sops 3.13.2 does not open those that it encrypted itself.
const STORES: [(&str, [&[u8]; 4]); 5] = [
    (
        "yaml",
        [
            b"secret: hello\nclear: seen\nnest:\n    a: 1\n    b: true\nlist:\n    - x\n    - 2\n",
            b"# head\nsecret: one\n# hide\nclear: two\nnest:\n    # show\n    deep:\n        key: value # behind\n# foot\n",
            b"secret: \"0123\"\nclear: 1e300\nempty: \"\"\nnothing: null\nnest: {}\nlist: []\nmost: 9223372036854775807\nfloat: 1.50\noctal: 0o17\ntime: 2024-01-02T03:04:05.5Z\nmulti: |\n    l1\n      l2\n\n    l3\nunicode: \"h\xc3\xa9llo \xf0\x9f\x98\x80\"\nblank: \" x \"\nyes: \"yes\"\n",
            b"secret: one\nlist:\n    - a: 1\n      b: 2\n    - c: 3\n---\nsecret: two\nclear: three\n",
        ],
    ),
    (
        "json",
        [
            b"{\"secret\": \"hello\", \"clear\": \"seen\", \"nest\": {\"a\": 1, \"b\": true}, \"list\": [\"x\", 2]}",
            b"{\n  \"secret\": \"<&>\\u2028\\\"\\\\/\",\n  \"clear\": \"tab\\tline\\n\",\n  \"nest\": {\"deep\": {\"key\": \"\"}}\n}\n",
            b"{\"secret\": 1e300, \"clear\": 1.5, \"most\": 9223372036854775807, \"negative\": -7, \"nothing\": null, \"nest\": {}, \"list\": [], \"no\": false}",
            b"{\"secret\": \"h\xc3\xa9llo \xf0\x9f\x98\x80\", \"list\": [[1, 2], [\"a\"], {\"b\": \"c\"}], \"clear\": \"\"}",
        ],
    ),
    (
        "env",
        [
            b"secret=hello\nclear=seen\n",
            b"# head\nsecret=one\n# hide\nclear=two\n# show\nnest=three\n",
            b"secret=\nclear= spaces  \nquoted=\"q\"\nequals=a=b=c\nescaped=l1\\nl2\nUNICODE=h\xc3\xa9llo\n",
            b"secret=crlf\r\nclear=2\r\n",
        ],
    ),
    (
        "ini",
        [
            b"secret = hello\n\n[nest]\na = 1\nb = two\n",
            b"; head\n[nest]\n; hide\nsecret = one\n; show\nclear = two\n",
            b"[nest]\nsecret = \nhash = `a#b`\nsemi = `a;b`\nblank = \" x \"\nunicode = h\xc3\xa9llo\nequals = a=b\n",
            b"[list]\nsecret = \"\"\"l1\nl2\"\"\"\n[other]\nclear = 3\n",
        ],
    ),
    ("bin", [b"hello\n", b"\x00\xff\xfe bytes \x80\n", b"crlf\r\nno end", b"{\"data\": \"nested\"}\n# x\n"]),
];

/// The rule of a file, as `.sops.yaml` spells it.
const RULES: [&str; 9] = [
    "",
    "unencrypted_suffix: ear",
    "encrypted_suffix: ret",
    "unencrypted_regex: ^(clear|list)",
    "encrypted_regex: ^(secret|nest)",
    "unencrypted_comment_regex: show",
    "encrypted_comment_regex: hide",
    "mac_only_encrypted: true",
    "encrypted_regex: ^(secret|nest)\n    mac_only_encrypted: true",
];

/// Who can open it.
const RECIPIENTS: [&str; 4] = ["age", "ssh", "age and ssh", "two of three groups"];

/// What sops does to our file before it is opened again.
const AFTERWARDS: [&str; 4] = ["nothing", "rotate", "set", "updatekeys"];

/// A choice of store, document, rule, recipients and what sops does then.
type Case = [usize; 5];

const SIZES: Case = [STORES.len(), 4, RULES.len(), RECIPIENTS.len(), AFTERWARDS.len()];

fn product() -> Vec<Case> {
    let count = SIZES.iter().product::<usize>();
    let nth = |mut at: usize| {
        SIZES.map(|size| {
            let digit = at % size;
            at /= size;
            digit
        })
    };
    (0..count).map(nth).collect()
}

/// Pairs of choices in a case.
fn pairs(case: &Case) -> Vec<[(usize, usize); 2]> {
    let places = 0..case.len();
    let second = |first: usize| (first + 1..case.len()).map(move |second| (first, second));
    let at = |place: usize| (place, case[place]);
    places.flat_map(second).map(|(first, second)| [at(first), at(second)]).collect()
}

/// Few cases that together have every pair of choices: always the one that adds most, the first of equals.
fn pairwise(all: &[Case]) -> Vec<Case> {
    let mut left: BTreeSet<_> = all.iter().flat_map(pairs).collect();
    let mut taken = Vec::new();
    while !left.is_empty() {
        let adds = |case: &&Case| pairs(case).iter().filter(|pair| left.contains(*pair)).count();
        let best = *all.iter().rev().max_by_key(adds).expect("a case");
        for pair in pairs(&best) {
            left.remove(&pair);
        }
        taken.push(best);
    }
    taken
}

/// Writes `.sops.yaml` for a case; `more` is one more recipient.
fn configure(keys: &Keys, [_, _, rule, recipients, _]: Case, more: Option<&str>) {
    let age = [Some(keys.recipient(Form::AgeFile)), more.map(str::to_owned)];
    let age = age.into_iter().flatten().collect::<Vec<_>>().join(",");
    let ssh = keys.recipient(Form::Ssh);
    let groups = match RECIPIENTS[recipients] {
        "age" => format!("age: '{age}'"),
        "ssh" => match more {
            Some(more) => format!("age: '{ssh},{more}'"),
            None => format!("age: '{ssh}'"),
        },
        "age and ssh" => format!("age: '{age},{ssh}'"),
        _ => format!(
            "shamir_threshold: 2\n    key_groups:\n      - age: ['{}']\n      - age: ['{ssh}']\n      - age: ['{}']",
            age.replace(',', "','"),
            keys.recipient(Form::Converted)
        ),
    };
    let text = format!("creation_rules:\n  - {groups}\n    {}\n", RULES[rule]);
    fs::write(keys.path(".sops.yaml"), text).expect("the config");
}

/// Runs a program that may refuse: its output, or what it said.
fn tried(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// One document through both programs, in both directions. `Ok(false)`: sops itself refuses it.
fn proven(keys: &Keys, other: &str, case: Case) -> Result<bool, String> {
    let [store, document, _, _, afterwards] = case;
    let (ending, documents) = STORES[store];
    let (plain, theirs, ours) =
        (format!("plain.{ending}"), format!("theirs.{ending}"), format!("ours.{ending}"));
    fs::write(keys.path(&plain), documents[document]).expect("the clear text");
    configure(keys, case, None);
    let sops = || keys.opening(binary());
    let holdfast = || {
        let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
        command.arg("secrets");
        command
    };
    let Ok(sealed) = tried(sops().args(["encrypt", &plain])) else { return Ok(false) };
    fs::write(keys.path(&theirs), sealed).expect("written");
    let Ok(clear) = tried(sops().args(["decrypt", &theirs])) else { return Ok(false) };
    let same = |what: &str, found: &[u8], wanted: &[u8]| {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        if found == wanted {
            Ok(())
        } else {
            Err(format!("{what}:\n{}\n--- wanted\n{}", text(found), text(wanted)))
        }
    };
    same("we open what sops made", &tried(holdfast().args(["decrypt", &theirs]))?, &clear)?;

    let sealed =
        tried(holdfast().args(["encrypt", &plain])).map_err(|said| format!("not encrypted: {said}"))?;
    fs::write(keys.path(&ours), sealed).expect("written");
    same("sops opens ours", &tried(sops().args(["decrypt", &ours]))?, &clear)?;
    same("we open ours", &tried(holdfast().args(["decrypt", &ours]))?, &clear)?;

    let changed = match AFTERWARDS[afterwards] {
        "rotate" => tried(sops().args(["rotate", "-i", &ours])).map(drop),
        "set" if ending != "bin" => {
            let path = if ending == "ini" { r#"["nest"]["fresh"]"# } else { r#"["fresh"]"# };
            tried(sops().args(["set", &ours, path, "\"new\""])).map(drop)
        }
        "updatekeys" => {
            configure(keys, case, Some(other));
            tried(sops().args(["updatekeys", "-y", &ours])).map(drop)
        }
        _ => return Ok(true),
    };
    changed.map_err(|said| format!("{} of ours by sops: {said}", AFTERWARDS[afterwards]))?;
    let clear = tried(sops().args(["decrypt", &ours]))?;
    same("we open ours after sops", &tried(holdfast().args(["decrypt", &ours]))?, &clear)?;
    Ok(true)
}

#[test]
fn every_pair_of_store_rule_recipient_and_document_goes_both_ways_with_sops() {
    let (keys, other) = (Keys::new(), Keys::new().recipient(Form::AgeFile));
    let all = product();
    let full = std::env::var_os("HOLDFAST_TEST_FULL").is_some();
    let taken = if full { all.clone() } else { pairwise(&all) };
    let version = run(keys.opening(binary()).args(["--version", "--disable-version-check"]));
    assert!(String::from_utf8_lossy(&version).starts_with("sops 3.13.2"));
    let (mut same, mut refused, mut wrong) = (0, 0, Vec::new());
    for case in &taken {
        let [store, document, rule, recipients, afterwards] = *case;
        match proven(&keys, &other, *case) {
            Ok(true) => same += 1,
            Ok(false) => refused += 1,
            Err(said) => wrong.push(format!(
                "{} document {document}, `{}`, {}, then {}: {said}",
                STORES[store].0, RULES[rule], RECIPIENTS[recipients], AFTERWARDS[afterwards]
            )),
        }
    }
    eprintln!(
        "sops 3.13.2: {} of {} combinations: {same} the same both ways, {refused} that sops itself does not open",
        taken.len(),
        all.len()
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(same > taken.len() * 9 / 10, "{same} of {}", taken.len());
    assert!(Path::new(&keys.path("ours.bin")).is_file());
}
