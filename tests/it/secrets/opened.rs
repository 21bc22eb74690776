//! Proves: whatever the real sops encrypts, Holdfast opens, byte for byte.

use holdfast::manifest::SecretFormat;
use holdfast::secrets::{Identities, IdentityEnv, decrypt};

use crate::support::sops::{FORMS, Form, Keys};

const YAML: &str = r#"# a comment at the top
text: hello
multi: |
  line one
  line two
int: 42
negative: -7
float: 1.5
large_float: 1234567.5
small_float: 0.00001
yes: true
no_: false
nothing: null
empty: ""
unicode: "héllo 😀"
quoted_number: "0123"
time: 2024-01-02T03:04:05.5Z
date: 2024-01-02
nest:
  # a comment inside
  deep:
    key: value # at the end of a line
list:
  - first
  - 2
  - inner: third
clear_unencrypted: 0o17
clear_text_unencrypted: seen by all
clear_float_unencrypted: 1.50
clear_time_unencrypted: 2024-01-02 03:04:05
"#;

const YAML_PATHS: [(&str, &str); 19] = [
    ("text", r#"["text"]"#),
    ("multi", r#"["multi"]"#),
    ("int", r#"["int"]"#),
    ("negative", r#"["negative"]"#),
    ("float", r#"["float"]"#),
    ("large_float", r#"["large_float"]"#),
    ("small_float", r#"["small_float"]"#),
    ("yes", r#"["yes"]"#),
    ("no_", r#"["no_"]"#),
    ("unicode", r#"["unicode"]"#),
    ("quoted_number", r#"["quoted_number"]"#),
    ("time", r#"["time"]"#),
    ("date", r#"["date"]"#),
    ("nest/deep/key", r#"["nest"]["deep"]["key"]"#),
    ("list/0", r#"["list"][0]"#),
    ("list/1", r#"["list"][1]"#),
    ("list/2/inner", r#"["list"][2]["inner"]"#),
    ("clear_unencrypted", r#"["clear_unencrypted"]"#),
    ("clear_text_unencrypted", r#"["clear_text_unencrypted"]"#),
];

/// Compares every path with what sops extracts; sops ends a value that is no text with a newline.
fn same_as_sops(keys: &Keys, name: &str, format: SecretFormat, paths: &[(&str, &str)]) {
    let sealed = std::fs::read(keys.path(name)).expect("the sealed file");
    let document = decrypt(&sealed, format, &keys.identities(Form::AgeFile)).expect("opens");
    for (ours, theirs) in paths {
        let expected = keys.decrypt(name, &["--extract", theirs]);
        if let Err(error) = document.get(ours)
            && error.to_string().contains("`mac_only_encrypted`")
        {
            // In the clear, and outside of the MAC: sops gives it all the same.
            assert!(String::from_utf8_lossy(&sealed).contains("mac_only_encrypted: true"), "{name} {ours}");
            continue;
        }
        let found = document.get(ours).expect(ours).expose().to_vec();
        let lined = [found.as_slice(), b"\n"].concat();
        let (found, expected) = (String::from_utf8_lossy(&found), String::from_utf8_lossy(&expected));
        assert!(found == expected || lined == expected.as_bytes(), "{name} {ours}: {found:?} {expected:?}");
    }
}

#[test]
fn yaml_opens_by_every_form_of_key() {
    let keys = Keys::new();
    for form in FORMS {
        let sealed = keys.encrypt("all.yaml", YAML.as_bytes(), &keys.recipient(form), &[]);
        let document = decrypt(&sealed, SecretFormat::Yaml, &keys.identities(form))
            .unwrap_or_else(|error| panic!("{form:?}: {error}"));
        let value = |path: &str| document.get(path).expect(path).expose().to_vec();
        assert_eq!(value("text"), b"hello", "{form:?}");
        assert_eq!(value("multi"), b"line one\nline two\n", "{form:?}");
        assert_eq!(value("unicode"), "héllo 😀".as_bytes(), "{form:?}");
        assert_eq!(value("list/2/inner"), b"third", "{form:?}");
    }
}

#[test]
fn every_yaml_value_reads_as_sops_prints_it() {
    let keys = Keys::new();
    keys.encrypt("all.yaml", YAML.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
    same_as_sops(&keys, "all.yaml", SecretFormat::Yaml, &YAML_PATHS);
}

#[test]
fn every_rule_of_what_is_encrypted_is_followed() {
    let keys = Keys::new();
    let recipient = keys.recipient(Form::AgeFile);
    let rules = [
        "encrypted_regex: ^(text|nest|list)$",
        "unencrypted_regex: ^(text|int|float|date)$",
        "encrypted_suffix: multi",
        "unencrypted_suffix: float",
        "encrypted_comment_regex: inside",
        "unencrypted_comment_regex: inside",
        "shamir_threshold: 0",
    ];
    for rule in rules {
        for mac_only in [false, true] {
            let config = format!(
                "creation_rules:\n  - age: {recipient}\n    {rule}\n    mac_only_encrypted: {mac_only}\n"
            );
            std::fs::write(keys.path(".sops.yaml"), config).expect(".sops.yaml");
            keys.encrypt_by_config("rule.yaml", YAML.as_bytes());
            same_as_sops(&keys, "rule.yaml", SecretFormat::Yaml, &YAML_PATHS[..14]);
        }
    }
}

const JSON: &str = r#"{
  "text": "a \"quoted\" <tag> & more\n",
  "int": 42,
  "big": 9007199254740993,
  "float": 1.5,
  "tiny": 1e-7,
  "huge": 1e21,
  "true": true,
  "null": null,
  "empty": "",
  "unicode": "héllo 😀  ",
  "nest": {"list": ["a", {"b": "c"}], "none": {}, "nothing": []},
  "clear_unencrypted": 9007199254740993,
  "clear_text_unencrypted": "x"
}"#;

#[test]
fn json_reads_and_prints_as_sops_does() {
    let keys = Keys::new();
    for form in FORMS {
        let sealed = keys.encrypt("a.json", JSON.as_bytes(), &keys.recipient(form), &[]);
        let document = decrypt(&sealed, SecretFormat::Json, &keys.identities(form)).expect("opens");
        assert_eq!(document.get("nest/list/1/b").expect("a value").expose(), b"c");
        assert_eq!(document.get("big").expect("a value").expose(), b"9007199254740993");
        if form == Form::AgeFile {
            let expected = keys.decrypt("a.json", &[]);
            let found = document.whole().expect("all of it").expose().to_vec();
            assert_eq!(String::from_utf8(found), String::from_utf8(expected));
        }
    }
}

#[test]
fn binary_gives_back_every_byte() {
    let keys = Keys::new();
    let plain: Vec<u8> = (0..=255).chain(*b"\n{\"sops\": 1}\n").collect();
    for form in FORMS {
        let sealed = keys.encrypt("a.bin", &plain, &keys.recipient(form), &[]);
        let document = decrypt(&sealed, SecretFormat::Binary, &keys.identities(form)).expect("opens");
        assert_eq!(document.whole().expect("all of it").expose(), plain, "{form:?}");
    }
}

#[test]
fn a_whole_yaml_file_prints_the_same_values() {
    let keys = Keys::new();
    let identities = keys.identities(Form::AgeFile);
    let recipient = keys.recipient(Form::AgeFile);
    let sealed = keys.encrypt("a.yaml", YAML.as_bytes(), &recipient, &[]);
    let printed =
        decrypt(&sealed, SecretFormat::Yaml, &identities).expect("opens").whole().expect("all of it");
    // What was printed goes through sops once more: both files must hold equal values, which sops prints equally.
    let expected = keys.decrypt("a.yaml", &["--output-type", "json"]);
    keys.encrypt("b.yaml", printed.expose(), &recipient, &[]);
    let found = keys.decrypt("b.yaml", &["--output-type", "json"]);
    assert_eq!(String::from_utf8(found), String::from_utf8(expected));
}

#[test]
fn several_documents_and_colons_and_slashes_in_keys() {
    let keys = Keys::new();
    let plain = "a/b: one\n'c:d': two\ne:\n  f/g: three\n---\nlast: four\n";
    let sealed = keys.encrypt("a.yaml", plain.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
    let document = decrypt(&sealed, SecretFormat::Yaml, &keys.identities(Form::AgeFile)).expect("opens");
    for (path, value) in [("a/b", "one"), ("c:d", "two"), ("e/f/g", "three")] {
        assert_eq!(document.get(path).expect(path).expose(), value.as_bytes());
    }
    assert_eq!(document.warnings().len(), 1);
    assert!(document.warnings()[0].contains("`c:d`"));
}

#[test]
fn key_groups_open_with_as_many_as_the_threshold_says() {
    let keys: [Keys; 3] = std::array::from_fn(|_| Keys::new());
    let recipients = keys.each_ref().map(|keys| keys.recipient(Form::AgeFile));
    let groups = recipients.map(|recipient| format!("      - age: [{recipient}]\n")).concat();
    let config = format!("creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n{groups}");
    std::fs::write(keys[0].path(".sops.yaml"), config).expect(".sops.yaml");
    let sealed = keys[0].encrypt_by_config("a.yaml", b"a: one\n");
    let open = |which: &[usize]| {
        let files = which.iter().map(|index| keys[*index].path("age.txt")).collect();
        let config = holdfast::manifest::Identities {
            age_key_files: files,
            ssh_key_files: Vec::new(),
            ..Default::default()
        };
        let identities = Identities::load(&config, &IdentityEnv::default());
        decrypt(&sealed, SecretFormat::Yaml, &identities)
    };
    for enough in [&[0, 1][..], &[2, 0], &[1, 2], &[0, 1, 2]] {
        let document = open(enough).unwrap_or_else(|error| panic!("{enough:?}: {error}"));
        assert_eq!(document.get("a").expect("a").expose(), b"one");
    }
    let error = open(&[1]).err().expect("one group is not enough").to_string();
    assert!(keys.iter().all(|keys| error.contains(&keys.recipient(Form::AgeFile))), "{error}");
}

/// Words of letters that numbers, times, booleans and null are made of: the MAC covers clear values as go-yaml types
/// them, so one word that is typed differently here would refuse a good file.
fn tricky_words(count: usize) -> Vec<String> {
    const FIRST: &[u8] = b"0123456789+-.nNtTfFyYoO~2";
    const REST: &[u8] = b"0123456789012345678901234567.eE+-_xobXTZ:aAfFuUlLrRsSiINn";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = |from: &[u8]| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *from.get(usize::try_from(state % from.len() as u64).expect("an index")).expect("in range")
    };
    let known = [
        "2024-01-02",
        "2024-1-2",
        "2024-1-2 3:4:5",
        "2024-01-02T03:04:05.10+05:30",
        "0777",
        "0o17",
        "08",
        "0b101",
        "-0x1f",
        "1_000",
        "1__0",
        "+.inf",
        "-.INF",
        ".NaN",
        "1e3",
        "1E-9",
        "1e400",
        "-0",
        ".5",
        "5.",
        "+5",
        "true",
        "True",
        "TRUE",
        "yes",
        "Off",
        "null",
        "NULL",
        "~",
        "12:30:45",
        "9223372036854775807",
        "-9223372036854775808",
        "0.1e1_0",
        "1.7976931348623157e308",
        "5e-324",
        "123456789.5",
        "2024-01-02t03:04:05z",
        "2024-01-02 03:04:05 +1",
        "0x",
        "0o8",
        "1e",
        "--1",
        "+-1",
        "0_7",
        "0x_f",
    ];
    let random = (0..count).map(|_| {
        let length = usize::from(pick(b"0123456789")) - 47;
        let rest = (1..length).map(|_| pick(REST));
        let rest: Vec<u8> = rest.collect();
        let word = [&[pick(FIRST)], rest.as_slice()].concat();
        String::from_utf8(word).expect("ASCII")
    });
    // Left out: what is no plain word in YAML, and the negative zero, which sops writes so that it cannot read it back.
    let minus_zero =
        |word: &str| word.parse::<f64>().is_ok_and(|value| value == 0.0 && value.is_sign_negative());
    let fits = |word: &String| !word.ends_with(':') && word != "-" && !minus_zero(word);
    known.map(str::to_owned).into_iter().chain(random).filter(fits).collect()
}

#[test]
fn clear_words_are_typed_as_go_yaml_types_them() {
    let keys = Keys::new();
    let identities = keys.identities(Form::AgeFile);
    let words = tricky_words(4000);
    for quote in ["", "\""] {
        let opens = |words: &[String]| {
            let line =
                |(index, word): (usize, &String)| format!("k{index}_unencrypted: {quote}{word}{quote}\n");
            let plain = words.iter().enumerate().map(line).collect::<Vec<_>>().concat();
            let sealed = keys.encrypt("a.yaml", plain.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
            decrypt(&sealed, SecretFormat::Yaml, &identities).is_ok()
        };
        // Halves what fails until one word is left to name.
        let mut left = words.as_slice();
        while left.len() > 1 && !opens(left) {
            let (first, second) = left.split_at(left.len() / 2);
            left = if opens(first) { second } else { first };
        }
        assert!(opens(left), "the word {quote}{}{quote} is typed differently", left[0]);
    }
}
