//! Proves: which room may name what. Reads the text of `src/`, without comments, strings and `#[cfg(test)]` items.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Room → rooms it may name. A new room, or a new direction, is a decision: it is made here.
const MAY_NAME: &[(&str, &str)] = &[
    ("address", ""),
    ("source", ""),
    ("manifest", "address source"),
    ("pins", "manifest source"),
    ("compose", "desired manifest pins source"),
    ("desired", "address compose manifest observed pins plan source"),
    ("pipeline", "source"),
    ("traefik", "address desired manifest secrets source"),
    ("observed", "address"),
    ("plan", "address desired manifest observed pins report"),
    ("report", "address manifest observed plan source"),
    ("secrets", "address manifest observed report source state"),
    ("image", "desired manifest report state"),
    ("state", "address manifest observed plan report"),
    ("web", ""),
    ("swarm", "address desired manifest observed pins plan report secrets web"),
    ("registry", "manifest pins report secrets web"),
    ("host", "observed plan"),
    ("gates", "address manifest observed report"),
    ("forge", "address desired manifest observed plan report secrets web"),
    ("proxy", "manifest report"),
    ("bridge", "forge manifest report secrets"),
    ("apply", "address desired forge host image manifest observed plan report secrets state swarm traefik"),
    ("run", "* cli"),
    ("cli", "*"),
    ("main", "*"),
];

/// Crates that reach the world, and the rooms that they belong to.
const EDGE_CRATES: &[(&str, &str)] = &[
    ("bollard", "swarm"),
    ("openssh", "remote"),
    ("age", "secrets"),
    ("age_core", "secrets"),
    ("ssh_key", "secrets"),
    ("aes_gcm", "secrets"),
    ("rustls", "forge gates registry web"),
    ("tokio_rustls", "forge gates registry web"),
    ("rustls_native_certs", "gates web"),
    ("x509_parser", "gates"),
    ("nix_nar", "host"),
    ("rusqlite", "bridge"),
    ("tar", "image"),
    ("flate2", "image"),
    ("clap", "cli"),
    ("tracing_journald", "cli"),
    ("tracing_subscriber", "cli"),
];

const PURE: &str = "address source manifest pins compose desired pipeline traefik observed plan report";

/// What a pure room may not touch: tasks, files, sockets, the clock, processes, the environment.
const IMPURE: &[&str] = &[
    "tokio::",
    "rustix::",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::net::ToSocketAddrs",
    "std::os::unix::net",
    "std::process::Command",
    "std::process::exit",
    "std::env",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
];

const LONGEST_FILE: usize = 500;
const LONGEST_MAIN: usize = 20;

#[test]
fn rooms_name_only_what_they_may() {
    let wrong: Vec<String> =
        sources().iter().flat_map(|(room, path, text)| judge(room, path, text)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_map_in_lib_rs_shows_every_room() {
    let lib = std::fs::read_to_string(root().join("lib.rs")).unwrap();
    let rooms: BTreeSet<String> = sources().into_iter().map(|(room, ..)| room).collect();
    assert!(rooms.len() > 10, "the sources were not found");
    for room in rooms.iter().filter(|room| *room != "main" && *room != "lib") {
        assert!(lib.contains(&format!("| [`{room}`] |")), "the map in src/lib.rs has no row for `{room}`");
        assert!(lib.contains(&format!("pub mod {room};")), "src/lib.rs does not declare `{room}`");
    }
}

#[test]
fn files_fit_in_the_head() {
    let mut wrong = Vec::new();
    for (_, path, text) in sources() {
        let limit = if path.ends_with("main.rs") { LONGEST_MAIN } else { LONGEST_FILE };
        let lines = text.lines().count();
        if lines > limit {
            wrong.push(format!("{} has {lines} lines, at most {limit} are allowed", path.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not open with `//!` and its purpose", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_judge_can_fail() {
    let path = Path::new("planted.rs");
    for (room, text, says) in [
        ("plan", "use crate::swarm;", "may not name the room `swarm`"),
        ("plan", "use crate::{address::Address, gates};", "may not name the room `gates`"),
        ("gates", "fn f() { crate::secrets::open() }", "may not name the room `secrets`"),
        ("gates", "use bollard::Docker;", "`bollard` belongs to `swarm`"),
        ("cli", "fn f(x: age::Identity) {}", "`age` belongs to `secrets`"),
        ("plan", "use std::{collections::BTreeMap, fs};", "`std::fs`"),
        ("report", "fn f() { let _ = std::time::SystemTime::now(); }", "`SystemTime`"),
        ("manifest", "async fn f() { tokio::task::yield_now().await }", "`tokio::`"),
        ("run", "use crate::cli::Settings;", "may not name the room `cli`"),
        ("cellar", "", "no row for the room `cellar`"),
    ] {
        let found = judge(room, path, text).join("\n");
        assert!(found.contains(says), "planted in `{room}`: {text}\nfound: {found:?}");
    }
    for (room, text) in [
        ("plan", "// use crate::swarm::Swarm;\nuse crate::address::Address;"),
        ("plan", "const X: &str = \"crate::swarm, std::fs\";"),
        ("plan", "#[cfg(test)]\nmod tests {\n    use std::fs;\n    use crate::swarm;\n}\n"),
        ("swarm", "use bollard::Docker;"),
        ("image", "let target::Name(x) = y; storage::go();"),
        ("manifest", "use std::net::SocketAddr;"),
    ] {
        assert_eq!(judge(room, path, text), Vec::<String>::new(), "harmless in `{room}`: {text}");
    }
}

fn judge(room: &str, path: &Path, text: &str) -> Vec<String> {
    let paths = paths(&flatten_use(&production(text)));
    let begins = |with: &str| paths.iter().any(|path| path.starts_with(with));
    let mut wrong = Vec::new();
    let mut say = |what: String| wrong.push(format!("{}: `{room}` {what}", path.display()));
    let Some((_, row)) = MAY_NAME.iter().find(|(name, _)| *name == room) else {
        say(format!("there is no row for the room `{room}` in tests/it/layering.rs"));
        return wrong;
    };
    for (named, _) in MAY_NAME {
        if *named != room && !may_name(row, named) && begins(&format!("crate::{named}::")) {
            say(format!("may not name the room `{named}`"));
        }
    }
    for (edge, owner) in EDGE_CRATES {
        if !may_name(owner, room) && begins(&format!("{edge}::")) {
            say(format!("names a crate of another room: `{edge}` belongs to `{owner}`"));
        }
    }
    if PURE.split(' ').any(|pure| pure == room) {
        for impure in IMPURE.iter().filter(|impure| begins(impure)) {
            say(format!("is pure and may not use `{impure}`"));
        }
    }
    wrong
}

/// `*` is every room, `* cli` every room but `cli`.
fn may_name(row: &str, named: &str) -> bool {
    match row.strip_prefix('*') {
        Some(but) => !but.split(' ').any(|word| word == named),
        None => row.split(' ').any(|word| word == named),
    }
}

/// Every path of several words, and every name after `use`, each with `::` at its end.
fn paths(text: &str) -> BTreeSet<String> {
    static PATH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(use )?\b(\w+(?:::\w+)*)").unwrap());
    let found = PATH.captures_iter(text).filter(|found| found.get(1).is_some() || found[2].contains("::"));
    found.map(|found| format!("{}::", &found[2]).replace("std::time::", "")).collect()
}

/// Text without comments, string and character literals, and `#[cfg(test)]` items.
fn production(text: &str) -> String {
    const LITERAL: &str = r##"(?s)//[^\n]*|/\*.*?\*/|r#".*?"#|"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\.)'"##;
    static LITERALS: LazyLock<Regex> = LazyLock::new(|| Regex::new(LITERAL).unwrap());
    let bare = LITERALS.replace_all(text, "\"\"").into_owned();
    let mut rest = bare.as_str();
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        rest = after_item(after);
    }
    kept + rest
}

/// What follows the item that `text` opens with: its `;`, or the brace that closes it.
fn after_item(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ';' => {}
            _ => continue,
        }
        if depth == 0 {
            return &text[at + 1..];
        }
    }
    ""
}

/// Adds `std::fs` for `std::{fs, io}` and `crate::a::b` for `crate::{a::{b, c}}`, so that a search finds them.
fn flatten_use(text: &str) -> String {
    static GROUP: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"((?:\w+::)+)\{([^{}]*)\}").unwrap());
    let mut text = text.to_owned();
    while let Some(found) = GROUP.captures(&text) {
        let flat: Vec<String> =
            found[2].split(',').map(|part| format!("{}{}", &found[1], part.trim())).collect();
        let range = found.get(0).unwrap().range();
        text.replace_range(range, &flat.join(" , "));
    }
    text
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file below `src/`: its room, its path, its text. Files that only tests use are left out.
fn sources() -> Vec<(String, PathBuf, String)> {
    let (mut folders, mut found) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let inside = path.strip_prefix(root()).unwrap().to_owned();
                let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
                let is_test =
                    inside.iter().any(|part| part == "tests" || part.to_string_lossy().ends_with("tests.rs"));
                if room != "lib" && !is_test {
                    let text = std::fs::read_to_string(&path).unwrap();
                    found.push((room, inside, text));
                }
            }
        }
    }
    found
}
