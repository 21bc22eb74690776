//! Proves: what Holdfast encrypts, the real sops decrypts, rotates, sets and re-wraps, and the other way round, over
//! stores, rules, recipients and odd documents. By default every pair of choices is met once; `HOLDFAST_TEST_FULL`
//! takes every combination, `HOLDFAST_TEST_FULL=2/8` the second of eight parts. sops 3.9.4 is one of the choices: what it refuses is listed in docs/reference/secrets.md
//! with its own words.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::sops::{Form, Keys, OLD_VERSION, VERSION, binary, binary_of, run};

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
pub(super) const RULES: [&str; 9] = [
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

/// Which sops it is.
const VERSIONS: [&str; 2] = [VERSION, OLD_VERSION];

/// A choice of store, document, rule, recipients, what sops does then, and which sops it is.
type Case = [usize; 6];

const SIZES: Case = [STORES.len(), 4, RULES.len(), RECIPIENTS.len(), AFTERWARDS.len(), VERSIONS.len()];

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

/// The part of all that `2/8` names; all of them for any other word.
fn part(all: &[Case], word: &str) -> Vec<Case> {
    let numbers = word.split_once('/').and_then(|(at, of)| Some((at.parse().ok()?, of.parse().ok()?)));
    let (at, of): (usize, usize) = numbers.filter(|(at, of)| (1..=*of).contains(at)).unwrap_or((1, 1));
    // A prime step, so that no choice follows the part.
    let shuffled = (0..all.len()).map(|index| all[index * 1009 % all.len()]);
    shuffled.skip(at - 1).step_by(of).collect()
}

/// Writes `.sops.yaml` for a case; `more` is one more recipient.
fn configure(keys: &Keys, [_, _, rule, recipients, ..]: Case, more: Option<&str>) {
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

/// What came of a case.
enum Outcome {
    Same,
    /// sops itself refuses it, and says so.
    Refused(String),
}

/// One document through both programs, in both directions.
fn proven(keys: &Keys, other: &str, case: Case) -> Result<Outcome, String> {
    let [store, document, .., version] = case;
    let (ending, documents) = STORES[store];
    let (plain, theirs, ours) =
        (format!("plain.{ending}"), format!("theirs.{ending}"), format!("ours.{ending}"));
    fs::write(keys.path(&plain), documents[document]).expect("the clear text");
    configure(keys, case, None);
    let sops = || keys.opening(binary_of(VERSIONS[version]));
    let newest = |file: &str| tried(keys.opening(binary()).args(["decrypt", file]));
    let holdfast = || {
        let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
        command.arg("secrets");
        command
    };
    let sealed = match tried(sops().args(["encrypt", &plain])) {
        Ok(sealed) => sealed,
        Err(said) => return Ok(Outcome::Refused(said)),
    };
    fs::write(keys.path(&theirs), sealed).expect("written");
    let clear = match tried(sops().args(["decrypt", &theirs])) {
        Ok(clear) => clear,
        Err(said) => return Ok(Outcome::Refused(said)),
    };
    let wanted = newest(&theirs)?;
    same("we open what sops made", &tried(holdfast().args(["decrypt", &theirs]))?, &wanted)?;

    let sealed =
        tried(holdfast().args(["encrypt", &plain])).map_err(|said| format!("not encrypted: {said}"))?;
    fs::write(keys.path(&ours), sealed).expect("written");
    match tried(sops().args(["decrypt", &ours])) {
        // 3.9.4 loses the last digits of large JSON integers when it encrypts, and not when it decrypts; it ends no line.
        Ok(found) if ending == "json" && version == 1 && found == newest(&ours)?.trim_ascii_end() => {}
        Ok(found) => same("sops opens ours", &found, &clear)?,
        Err(said) if VERSIONS[version] == OLD_VERSION => return Ok(Outcome::Refused(said)),
        Err(said) => return Err(format!("sops does not open ours: {said}")),
    }
    same("we open ours", &tried(holdfast().args(["decrypt", &ours]))?, &newest(&ours)?)?;
    let changed = afterwards(keys, other, case, &ours);
    changed.map_err(|said| format!("{} of ours by sops: {said}", AFTERWARDS[case[4]]))?;
    same("we open ours after sops", &tried(holdfast().args(["decrypt", &ours]))?, &newest(&ours)?)?;
    Ok(Outcome::Same)
}

/// Lets sops change our file as the case says.
fn afterwards(keys: &Keys, other: &str, case: Case, ours: &str) -> Result<(), String> {
    let [store, _, _, _, afterwards, version] = case;
    let mut sops = keys.opening(binary_of(VERSIONS[version]));
    match AFTERWARDS[afterwards] {
        "rotate" => tried(sops.args(["rotate", "-i", ours])).map(drop),
        "set" if STORES[store].0 != "bin" => {
            let path = if STORES[store].0 == "ini" { r#"["nest"]["fresh"]"# } else { r#"["fresh"]"# };
            tried(sops.args(["set", ours, path, "\"new\""])).map(drop)
        }
        "updatekeys" => {
            configure(keys, case, Some(other));
            tried(sops.args(["updatekeys", "-y", ours])).map(drop)
        }
        _ => Ok(()),
    }
}

fn same(what: &str, found: &[u8], wanted: &[u8]) -> Result<(), String> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what}:\n{}\n--- wanted\n{}", text(found), text(wanted)))
    }
}

/// What each version said to what it refused, and how many cases were the same.
#[derive(Default)]
struct Tally {
    same: usize,
    refused: Vec<(usize, String)>,
    wrong: Vec<String>,
}

/// Cases one after the other, in a folder of their own.
fn tally(cases: &[Case], other: &str) -> Tally {
    let (keys, mut tally) = (Keys::new(), Tally::default());
    for case in cases {
        let [store, document, rule, recipients, afterwards, version] = *case;
        match proven(&keys, other, *case) {
            Ok(Outcome::Same) => tally.same += 1,
            Ok(Outcome::Refused(said)) => tally.refused.push((version, said)),
            Err(said) => tally.wrong.push(format!(
                "{} document {document}, `{}`, {}, then {} with sops {}: {said}",
                STORES[store].0,
                RULES[rule],
                RECIPIENTS[recipients],
                AFTERWARDS[afterwards],
                VERSIONS[version]
            )),
        }
    }
    tally
}

#[test]
fn every_pair_of_store_rule_recipient_document_and_version_goes_both_ways_with_sops() {
    let other = Keys::new().recipient(Form::AgeFile);
    let all = product();
    let taken = match std::env::var_os("HOLDFAST_TEST_FULL") {
        None => pairwise(&all),
        Some(full) => part(&all, &full.to_string_lossy()),
    };
    for version in VERSIONS {
        let keys = Keys::new();
        let said = run(keys.opening(binary_of(version)).args(["--version", "--disable-version-check"]));
        assert!(String::from_utf8_lossy(&said).starts_with(&format!("sops {version}")));
    }
    let halves: Vec<_> = taken.chunks(taken.len().div_ceil(2)).collect();
    let tallies = std::thread::scope(|scope| {
        let run = |half: &&[Case]| {
            let (half, other) = (half.to_vec(), &other);
            scope.spawn(move || tally(&half, other))
        };
        let running: Vec<_> = halves.iter().map(run).collect();
        running.into_iter().map(|one| one.join().expect("a tally")).collect::<Vec<_>>()
    });
    let same: usize = tallies.iter().map(|tally| tally.same).sum();
    let wrong: Vec<_> = tallies.iter().flat_map(|tally| &tally.wrong).cloned().collect();
    let refused: Vec<_> = tallies.iter().flat_map(|tally| &tally.refused).collect();
    let of = |at: usize| refused.iter().filter(|(version, _)| *version == at).count();
    eprintln!(
        "{} of {} combinations: {same} the same both ways; refused by sops 3.13.2 itself {}, by 3.9.4 {}",
        taken.len(),
        all.len(),
        of(0),
        of(1)
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    let listed = listed();
    let unlisted = refused.iter().filter(|(version, said)| {
        VERSIONS[*version] != OLD_VERSION || !listed.values().any(|text| said.contains(text.as_str()))
    });
    let unlisted: Vec<_> = unlisted.collect();
    assert!(unlisted.is_empty(), "refused for reasons that no page lists: {unlisted:?}");
    assert!(same > taken.len() / 2, "{same} of {}", taken.len());
}

/// What sops 3.9.4 cannot do, and its words for it, as the page lists them.
fn listed() -> BTreeMap<String, String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/secrets.md");
    let page = fs::read_to_string(page).expect("the page");
    let (_, table) = page.split_once("| sops 3.9.4 cannot | and says |\n|---|---|\n").expect("the table");
    let rows = table.lines().map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.map(|row| row.split_once(" | ").expect("two columns"));
    rows.map(|(what, said)| (what.to_owned(), said.trim_matches('`').to_owned())).collect()
}

#[test]
fn what_the_oldest_sops_cannot_do_is_listed_with_its_own_words() {
    let keys = Keys::new();
    let (age, ssh) = (keys.recipient(Form::AgeFile), keys.recipient(Form::Ssh));
    let plugin = "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t";
    let identity = fs::read_to_string(keys.path("age.txt")).expect("the identity");
    fs::write(keys.path("key"), identity.lines().last().expect("a line")).expect("written");
    fs::write(keys.path("time.yaml"), "a: 2024-01-02T03:04:05Z\n").expect("written");
    fs::write(keys.path("plain.yaml"), "a: 1\n").expect("written");
    keys.encrypt("ssh-made.yaml", b"a: 1\n", &ssh, &[]);
    keys.encrypt("age-made.yaml", b"a: 1\n", &age, &[]);
    keys.encrypt("time-made.yaml", b"a: 2024-01-02T03:04:05Z\n", &age, &[]);
    keys.encrypt("large.json", b"{\"a_unencrypted\": 9007199254740993, \"b\": 1}", &age, &[]);
    let command = format!("cat {}", keys.path("key").display());
    let only = |sops: &mut Command, name: &str| {
        for other in ["SOPS_AGE_KEY", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"] {
            if other != name {
                sops.env_remove(other);
            }
        }
        if name == "SOPS_AGE_KEY_CMD" {
            sops.env(name, &command).env("PATH", "/usr/bin:/bin");
        }
    };
    let cases: [(&str, &str, &[&str]); 7] = [
        ("encrypt for an SSH recipient", "SOPS_AGE_KEY", &["encrypt", "--age", &ssh, "plain.yaml"]),
        ("open a file with an SSH key", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", &["decrypt", "ssh-made.yaml"]),
        ("open a file with `SOPS_AGE_KEY_CMD`", "SOPS_AGE_KEY_CMD", &["decrypt", "age-made.yaml"]),
        ("encrypt for a plugin's recipient", "SOPS_AGE_KEY", &["encrypt", "--age", plugin, "plain.yaml"]),
        ("encrypt a YAML time", "SOPS_AGE_KEY", &["encrypt", "--age", &age, "time.yaml"]),
        ("open a token of type `time`", "SOPS_AGE_KEY", &["decrypt", "time-made.yaml"]),
        ("verify a clear JSON integer above 2^53", "SOPS_AGE_KEY", &["decrypt", "large.json"]),
    ];
    let listed = listed();
    let mut met = BTreeSet::new();
    for (what, key, args) in cases {
        let words = listed.get(what).unwrap_or_else(|| panic!("`{what}` is not listed"));
        let [old, new] = [OLD_VERSION, VERSION].map(|version| {
            let mut sops = keys.opening(binary_of(version));
            only(&mut sops, key);
            tried(sops.args(args))
        });
        let said = old.expect_err(what);
        assert!(said.contains(words.as_str()), "{what}: {said}");
        // Only a plugin that is not there keeps the newest one from it.
        let new = new.map(drop);
        assert!(new.is_ok() || new.is_err_and(|said| said.contains("age-plugin-yubikey")), "{what}");
        met.insert(what.to_owned());
    }
    assert_eq!(met, listed.into_keys().collect(), "the page lists more than is tried");
}
