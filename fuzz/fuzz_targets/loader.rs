//! Any bytes as the files of a stack, in both modes: compiling them must end, must not panic, and must be the same
//! twice; and what compat takes without a word is what strict makes of it.
//!
//! A line `%%` ends a file. The first two are compose files, the third is what every other path holds (an `env_file`,
//! the content of a config), the fourth holds `KEY=VALUE` lines of the stack's `env`.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use holdfast::compose::{Input, Output, compile};
use holdfast::desired::StackSpec;
use holdfast::manifest::{Mode, Stack};
use holdfast::pins::Pins;
use holdfast::source::Problem;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parts = parts(bytes);
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let mut stack = Stack { compose: vec![PathBuf::from("/stack/a.yml")], ..Stack::default() };
    if !part(1).is_empty() {
        stack.compose.push(PathBuf::from("/stack/b.yml"));
    }
    stack.env = variables(part(3));
    let read = |path: &Path| -> io::Result<Vec<u8>> {
        match path.to_str() {
            Some("/stack/a.yml") => Ok(part(0).to_vec()),
            Some("/stack/b.yml") => Ok(part(1).to_vec()),
            _ if part(2).is_empty() => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(part(2).to_vec()),
        }
    };
    let mut results = [Mode::Strict, Mode::Compat].map(|mode| {
        stack.mode = mode;
        twice(&stack, &read)
    });
    across(&mut results);
});

/// Compiles twice, in one mode: the same comes out, and it is whole.
fn twice(stack: &Stack, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Result<Output, Vec<Problem>> {
    let first = run(stack, read);
    match (&first, run(stack, read)) {
        (Ok(first), Ok(second)) => {
            assert!(first.stack == second.stack, "two runs differ");
            written_and_read(&first.stack);
            first.warnings.iter().for_each(placed);
        }
        (Err(first), Err(second)) => {
            assert!(!first.is_empty(), "refused without a problem");
            assert_eq!(first.len(), second.len(), "two runs differ");
            first.iter().for_each(placed);
        }
        _ => panic!("one run accepts, the other one refuses"),
    }
    first
}

/// What strict and compat make of one stack: where compat has nothing to say, strict reads the same.
fn across([strict, compat]: &mut [Result<Output, Vec<Problem>>; 2]) {
    let Ok(compat) = compat else { return };
    if !compat.warnings.is_empty() {
        return;
    }
    let Ok(strict) = strict else { panic!("strict refuses it and compat says nothing") };
    assert!(strict.stack == compat.stack, "the modes differ and compat says nothing");
}

fn run(stack: &Stack, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Result<Output, Vec<Problem>> {
    let images = BTreeMap::new();
    let names: BTreeSet<String> = ["a", "s_one", "s_two"].map(str::to_owned).into();
    let pins = Pins::default();
    compile(
        &Input { name: "web", stack, images: &images, secrets: &names, networks: &names, pins: &pins },
        read,
    )
}

/// A spec is written to a file at build time and read at a switch.
fn written_and_read(stack: &StackSpec) {
    let text = serde_json::to_string(stack).expect("a spec is JSON");
    let again: StackSpec = serde_json::from_str(&text).expect("a written spec can be read");
    let mut stack = stack.clone();
    stack.places.clear();
    assert!(again == stack, "a spec changes when it is written and read:\n{text}");
}

/// A problem has a place inside its file, a fix, and no text that steers a terminal.
fn placed(problem: &Problem) {
    let (line, column) = problem.source.line_column(problem.span.start);
    assert!(line > 0 && column > 0, "{problem}: no place");
    assert!(problem.span.end <= problem.source.text.len(), "{problem}: outside of its file");
    assert!(problem.fix.is_some(), "{problem}: no fix");
    assert!(problem.rule.is_some(), "{problem}: no rule");
}

fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(4).position(|window| window == b"\n%%\n") {
        parts.push(&rest[..=at]);
        rest = &rest[at + 4..];
    }
    parts.push(rest);
    parts
}

fn variables(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    text.lines().filter_map(pair).collect()
}
