//! Texts that are too much.

use super::{load, told};

/// A right manifest with something more in a place where any text may stand.
fn with_label(value: &str) -> String {
    format!(r#"{{"version": 1, "host": {{"name": "a"}}, "node": {{"labels": {{"x": {value}}}}}}}"#)
}

#[test]
fn a_plain_manifest_and_the_same_as_yaml_are_read() {
    assert!(load(&with_label("\"a\"")).is_ok());
    assert!(load("version: 1\nhost:\n  name: \"a\"\n").is_ok());
}

#[test]
fn an_alias_bomb_is_refused_at_the_node_limit() {
    let mut text = "version: 1\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..10 {
        let before = format!("*x{}, ", level - 1).repeat(10);
        text.extend([format!("x{level}: &x{level} [{}]\n", before.trim_end_matches(", "))]);
    }
    let problems = told(&text);
    assert!(problems.len() == 1 && problems[0].contains("1000000 values"), "{problems:?}");
}

#[test]
fn a_hundred_levels_are_one_problem_of_type_and_more_are_not_read() {
    let nested = |levels: usize| with_label(&("[".repeat(levels) + &"]".repeat(levels)));
    assert!(told(&nested(97))[0].contains("expected a string, found a list"));
    assert!(told(&nested(98))[0].contains("100 levels"));
    assert!(told(&nested(500_000))[0].contains("recursion limit"), "the parser has a limit of its own");
}

#[test]
fn sixteen_mebibytes_are_read_and_one_byte_more_is_not() {
    let frame = with_label("\"\"").len();
    let filled = |bytes: usize| with_label(&format!("\"{}\"", "x".repeat(bytes - frame)));
    assert!(load(&filled(16 << 20)).is_ok());
    assert_eq!(told(&filled((16 << 20) + 1)), ["0-0: the file is longer than 16777216 bytes"]);
}

#[test]
fn a_duplicate_key_an_empty_file_and_a_second_document_are_refused() {
    let text = with_label("\"\", \"x\": \"\"");
    let second = text.rfind("\"x\"").expect("the key");
    assert_eq!(told(&text), [format!("{second}-{}: the key `x` stands here a second time", second + 3)]);
    assert_eq!(told(""), ["0-0: the file is empty"]);
    assert_eq!(told("# only a comment\n"), ["0-0: the file is empty"]);
    assert!(told("version: 1\n---\nversion: 1\n")[0].contains("a second document"));
}

#[test]
fn text_without_quotes_is_refused_where_it_is_no_json_value() {
    for (value, message) in [
        ("yes", "stands without quotes"),
        ("0440", "stands without quotes"),
        ("~", "stands without quotes"),
        ("1.10.2", "stands without quotes"),
        ("!!str 5", "the tag"),
        ("NaN", "stands without quotes"),
        ("0x10", "stands without quotes"),
    ] {
        let problems = told(&with_label(value));
        assert!(problems.len() == 1 && problems[0].contains(message), "{value}: {problems:?}");
    }
}
