//! Proves: every command line that the pages show is one that this program takes.

use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use regex::Regex;

use super::command;

/// Pages below a folder, but for what the program wrote itself.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let found = entries.flat_map(|path| if path.is_dir() { pages(&path) } else { vec![path] });
    found
        .filter(|path| path.extension().is_some_and(|ending| ending == "md") && !path.ends_with("cli.md"))
        .collect()
}

/// What stands behind `holdfast` in a line of its own, or between back-ticks.
fn shown(text: &str) -> Vec<String> {
    let inline = Regex::new(r"`holdfast ([^`\n]+)`").expect("a pattern");
    let line = Regex::new(r"(?m)^ *(?:[$#] )?(?:sudo )?(?:\$HOLDFAST|holdfast) ([a-z-][^\n`]*)$")
        .expect("a pattern");
    [inline, line].iter().flat_map(|one| one.captures_iter(text)).map(|found| found[1].to_owned()).collect()
}

/// The words of a line as a shell takes them, up to what is no argument.
fn words(line: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => found.extend(word.take()),
            (None, '#' | '|') if word.is_none() => break,
            (None, '<' | '>' | ';' | '&') => {
                // `3<` is no argument either.
                word = word.filter(|word| word.parse::<u8>().is_err());
                break;
            }
            (None, '[' | ']') => {}
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    found.extend(word);
    found
}

/// A word that stands for something else.
fn filled(word: String) -> Option<String> {
    Some(match word.as_str() {
        "..." => return None,
        "N" => "1".to_owned(),
        "ADDRESS" => "stack.web".to_owned(),
        "DURATION" => "5m".to_owned(),
        _ => word,
    })
}

#[test]
fn every_command_line_of_the_pages_parses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = pages(&root.join("docs"));
    pages.push(root.join("README.md"));
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in &pages {
        for line in shown(&fs::read_to_string(page).expect("a page")) {
            count += 1;
            let words = words(&line).into_iter().filter_map(filled);
            let parsed = command().try_get_matches_from(std::iter::once("holdfast".to_owned()).chain(words));
            let Err(error) = parsed else { continue };
            // A page may name a command without saying what it is given.
            let unfinished = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument
                    | ErrorKind::MissingSubcommand
                    | ErrorKind::DisplayHelp
                    | ErrorKind::DisplayVersion
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            );
            if !unfinished {
                wrong.push(format!("{}: holdfast {line}\n  {}", page.display(), error.to_string().trim()));
            }
        }
    }
    assert!(count > 50, "only {count} command lines were found");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_line_is_cut_where_the_shell_cuts_it() {
    let of = |line: &str| words(line).join("|");
    assert_eq!(of("apply m.json; echo $?     # 2"), "apply|m.json");
    assert_eq!(
        of("secrets set s.yaml '[\"a\"][0]' --value-fd 3 3< v.json"),
        "secrets|set|s.yaml|[\"a\"][0]|--value-fd|3"
    );
    assert_eq!(of("secrets check [FOLDER...] [--manifest FILE]"), "secrets|check|FOLDER...|--manifest|FILE");
    assert_eq!(of("rollback 4      # any"), "rollback|4");
}
