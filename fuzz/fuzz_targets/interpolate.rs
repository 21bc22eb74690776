//! Any text with any variables: replacing them must end, must not panic, and must leave the rest as it was.
//!
//! Lines `KEY=VALUE` up to a line `%%` are the variables, the rest is the text.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use holdfast::compose::{Input, compile};
use holdfast::manifest::Stack;
use holdfast::pins::Pins;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (variables, text) = input.split_once("\n%%\n").unwrap_or(("", input));
    let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let env: BTreeMap<String, String> = variables.lines().filter_map(pair).collect();
    // A value that is empty or hostile is refused for other reasons than its variables.
    if env.contains_key("TEXT")
        || text.contains(char::is_control)
        || env.values().any(|v| v.contains(char::is_control))
    {
        return;
    }
    let result = substitute(text, &env);
    let Ok(result) = result else {
        // A template of Swarm that cannot be read is refused, too.
        assert!(text.contains('$') || text.contains("{{"), "a text without variables is refused: {text}");
        return;
    };
    if !text.contains('$') {
        assert_eq!(result, text, "a text without variables is changed");
    }
    assert_eq!(substitute(text, &env).as_ref(), Ok(&result), "two runs differ");
    // What came out, escaped, means itself.
    assert_eq!(substitute(&result.replace('$', "$$"), &env), Ok(result), "an escaped text is changed");
});

/// The text after it went through a compose file as the value of an environment variable.
fn substitute(text: &str, env: &BTreeMap<String, String>) -> Result<String, Vec<String>> {
    let digest = "a".repeat(64);
    let quoted = serde_json::to_string(text).expect("text is JSON");
    let file = format!(
        r#"{{"services": {{"app": {{"image": "a@sha256:{digest}", "environment": {{"TEXT": {quoted}}}}}}}}}"#
    );
    let stack = Stack { compose: vec![PathBuf::from("/a.yml")], env: env.clone(), ..Stack::default() };
    let (images, names) = (BTreeMap::new(), BTreeSet::new());
    let input = Input {
        name: "web",
        stack: &stack,
        images: &images,
        secrets: &names,
        networks: &names,
        pins: &Pins::default(),
    };
    let output = compile(&input, &|_: &Path| Ok(file.clone().into_bytes()))
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let body = &output.stack.services["app"].body;
    let value = body.pointer("/TaskTemplate/ContainerSpec/Env/0").and_then(|value| value.as_str());
    Ok(value.and_then(|value| value.strip_prefix("TEXT=")).expect("the variable is there").to_owned())
}
