//! No text, however broken, makes the compiler panic; and good files broken in one place are either equal to
//! what they were or give problems with a place and a fix.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast::compose::{Input, compile};
use holdfast::manifest::Stack;
use holdfast::pins::Pins;
use proptest::prelude::*;

use super::harness::{entries, golden};

/// Compiles bytes as the only file of a stack; nothing else can be read.
fn run(bytes: &[u8]) {
    let file = PathBuf::from("/stack/compose.yml");
    let stack = Stack { compose: vec![file.clone()], env_files: Vec::new(), ..Stack::default() };
    let (images, names) = (std::collections::BTreeMap::new(), std::collections::BTreeSet::new());
    let input = Input {
        name: "web",
        stack: &stack,
        images: &images,
        secrets: &names,
        networks: &names,
        pins: &Pins::default(),
    };
    let read = |path: &Path| {
        if path == file { Ok(bytes.to_vec()) } else { Err(std::io::ErrorKind::NotFound.into()) }
    };
    if let Err(problems) = compile(&input, &read) {
        assert!(!problems.is_empty(), "refused without a problem");
        for problem in problems {
            let (line, column) = problem.source.line_column(problem.span.start);
            assert!(line > 0 && column > 0 && problem.fix.is_some(), "{problem}: no fix");
        }
    }
}

/// Every good file.
fn seeds() -> Vec<Vec<u8>> {
    let folders = entries(&golden().join("accepted"));
    let files = folders.iter().flat_map(|folder| entries(folder));
    let files = files.filter(|path| path.extension().is_some_and(|ext| ext == "yml"));
    files.map(|path| fs::read(path).unwrap()).collect()
}

/// A piece of text that means something somewhere in a compose file.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "${",
        "}",
        "$",
        "${A:-",
        ":?",
        "<<: *a",
        "&a ",
        "*a",
        "- ",
        ": ",
        "\n",
        "\n  ",
        "[",
        "]",
        "{",
        "}",
        "null",
        "true",
        "-1",
        "0x",
        "1e999",
        "2024-13-01",
        "\u{feff}",
        "é",
        "'",
        "\"",
        "|",
        "#",
        "---\n",
        "80:80",
        "\t",
    ];
    prop::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        run(&bytes);
    }

    #[test]
    fn text_never_panics(text in "(services:\n)?( ){0,4}[a-z${}:?\\-\\[\\]&*<|#\"'\n é]{0,200}") {
        run(text.as_bytes());
    }

    #[test]
    fn a_good_file_broken_anywhere_never_panics(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(),
        cut in 0_usize..12, with in prop::collection::vec(piece(), 0..3),
    ) {
        let seeds = seeds();
        let mut bytes = which.get(&seeds).clone();
        let at = at.index(bytes.len() + 1);
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, with.concat().into_bytes());
        run(&bytes);
    }
}
