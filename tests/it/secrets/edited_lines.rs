//! Proves: setting or removing one value of a dotenv or INI file that a person keeps leaves every other byte as it is,
//! and the real sops reads the result.

use std::fs;

use jiff::Timestamp;
use regex::Regex;

use crate::support::sops::{Form, Keys, run};
use holdfast::secrets::{Opener, SecretBytes, format_of, parse_path, set, unset};

const DOTENV: &str =
    "# head\nA=one\n# about B\nB= two # no comment\nEMPTY=\nL=l1\\nl2\nclear_unencrypted=seen\n";
const INI: &str =
    "; head\n[s]\n; about a\na = one\nbee = two\nempty =\n[t]\nx_unencrypted = seen\n[last]\n; only\nk = v\n";

/// Changes text in sops's own output to what a person could have made of it.
fn by_hand(sealed: Vec<u8>, changes: &[(&str, &str)]) -> String {
    let mut text = String::from_utf8(sealed).expect("text");
    for (from, to) in changes {
        let regex = Regex::new(from).expect("an expression");
        assert!(regex.is_match(&text), "{from}");
        text = regex.replace(&text, *to).into_owned();
    }
    text
}

/// The text with what may change left out: the values of `mac`, `lastmodified` and of one key.
fn rest(text: &str, key: &str) -> String {
    let value = format!(r"(?m)^(\s*(?:sops_)?(?:mac|lastmodified|{key})\s*[=:][ \t]*'?)[^\s']*");
    Regex::new(&value).expect("an expression").replace_all(text, "$1<>").into_owned()
}

struct Bench {
    keys: Keys,
    name: &'static str,
    before: String,
}

impl Bench {
    /// A file that sops encrypted, and that a person then changed in ways that it still reads.
    fn new(name: &'static str, plain: &str, changes: &[(&str, &str)]) -> Self {
        let keys = Keys::new();
        let sealed = keys.encrypt(name, plain.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
        let before = by_hand(sealed, changes);
        fs::write(keys.path(name), &before).expect("the file");
        assert!(!keys.decrypt(name, &[]).is_empty(), "sops reads what a person made of it");
        Self { keys, name, before }
    }

    fn changed(&self, path: &str, value: Option<&str>) -> String {
        let identities = self.keys.identities(Form::AgeFile);
        let file = (self.before.as_bytes(), format_of(self.name.as_ref()));
        let (steps, now) = (parse_path(path).expect("a path"), Timestamp::UNIX_EPOCH);
        let opener = Opener::Identities(&identities);
        let edited = match value {
            Some(value) => set(file, &opener, &steps, &SecretBytes::new(value.as_bytes().to_vec()), now),
            None => unset(file, &opener, &steps, now),
        };
        let edited = edited.unwrap_or_else(|error| panic!("{} {path} {value:?}: {error}", self.name));
        assert!(!edited.laid_out_anew, "{} {path} {value:?}", self.name);
        let after = String::from_utf8(edited.bytes.expose().to_vec()).expect("text");
        fs::write(self.keys.path(self.name), &after).expect("the file");
        after
    }

    /// Sets the value of a key that is there.
    fn sets(&self, path: &str, key: &str, value: &str, extracted: &str) {
        let after = self.changed(path, Some(value));
        assert_eq!(rest(&after, key), rest(&self.before, key), "{path}");
        assert_ne!(after, self.before);
        self.extracts(path, extracted);
    }

    /// Adds a key: one line more, behind the line that starts so.
    fn adds(&self, path: &str, behind: &str, new: &str, lines: &str) {
        let after = rest(&self.changed(path, Some("\"n\"")), new);
        let before = rest(&self.before, new);
        let (head, tail) = before.split_once(behind).expect("the place");
        let (line, tail) = tail.split_once('\n').expect("a line end");
        assert_eq!(after, format!("{head}{behind}{line}\n{lines}{tail}"), "{path}");
        self.extracts(path, "n");
    }

    /// Removes a key: its lines are gone.
    fn removes(&self, path: &str, gone: &str) {
        let (after, before) = (rest(&self.changed(path, None), "none"), rest(&self.before, "none"));
        let gone = Regex::new(gone).expect("an expression");
        assert_eq!(gone.find_iter(&before).count(), 1, "{gone}");
        assert_eq!(after, gone.replace(&before, ""), "{path}");
        assert!(!self.keys.decrypt(self.name, &[]).is_empty());
    }

    fn extracts(&self, path: &str, value: &str) {
        let found = self.keys.decrypt(self.name, &["--extract", path]);
        assert_eq!(String::from_utf8_lossy(&found), value, "{path}");
    }
}

#[test]
fn in_dotenv_only_the_value_changes_and_sops_reads_it() {
    // Metadata in another order, blank lines everywhere.
    let bench = Bench::new(
        "e.env",
        DOTENV,
        &[
            (r"(?m)^A=", "\n\nA="),
            (r"(?m)^(B=.*\n)", "$1\n"),
            (r"(?m)^((?:#.*\n)?sops_age(?s:.*))(sops_version=.*\n)$", "\n$2\n$1\n\n"),
        ],
    );
    bench.sets(r#"["A"]"#, "A", "\"new\"", "new");
    bench.sets(r#"["B"]"#, "B", "\"l1\\nl2 \\\" # =\"", "l1\nl2 \" # =");
    bench.sets(r#"["EMPTY"]"#, "EMPTY", "\"filled\"", "filled");
    bench.sets(r#"["L"]"#, "L", "\"\"", "");
    bench.sets(r#"["clear_unencrypted"]"#, "clear_unencrypted", "\"two\"", "two");
    bench.adds(r#"["fresh"]"#, "\nclear_unencrypted=", "fresh", "fresh=<>\n");
    bench.removes(r#"["A"]"#, "\nA=.*");
    bench.removes(r#"["L"]"#, "\nL=.*");
}

#[test]
fn in_ini_only_the_value_changes_and_sops_reads_it() {
    // Line ends of Windows, other signs, indentation and quotes, metadata in front and in another order.
    let bench = Bench::new(
        "e.ini",
        INI,
        &[
            (r"(?m)^bee   = (.*)$", "\t bee:'$1'"),
            (r"(?m)^a     =", "\n\na  ="),
            (r"(?m)^x_unencrypted = ", "x_unencrypted="),
            (r"(?m)^(lastmodified .*\n)(mac .*\n)", "$2; moved\n\n$1"),
            (r"(?s)^(.*)(\[sops\].*)$", "$2\n$1"),
            (r"^\[sops\]", "[sops]\nadded = by hand"),
        ],
    );
    let bench = Bench { before: bench.before.replace('\n', "\r\n"), ..bench };
    bench.sets(r#"["s"]["a"]"#, "a", "\"new\"", "new");
    bench.sets(r#"["s"]["bee"]"#, "bee", "\"l1\\nl2 ; #\"", "l1\nl2 ; #");
    bench.sets(r#"["s"]["empty"]"#, "empty", "\"filled\"", "filled");
    bench.sets(r#"["t"]["x_unencrypted"]"#, "x_unencrypted", "\"two\"", "two");
    bench.sets(r#"["last"]["k"]"#, "k", "\"z\"", "z");
    bench.adds(r#"["s"]["fresh"]"#, "\nempty ", "fresh", "fresh = <>\r\n");
    bench.adds(r#"["t"]["y"]"#, "\nx_unencrypted=", "y", "y=<>\r\n");
    bench.adds(r#"["fresh"]["key"]"#, "\nk = ", "key", "\r\n[fresh]\r\nkey = <>\r\n");
    bench.removes(r#"["s"]["a"]"#, r"; ENC.*\r\n\r\n\r\na  = .*\r\n");
    bench.removes(r#"["last"]["k"]"#, r"; ENC.*\r\nk = .*\r\n");
    bench.removes(r#"["t"]"#, r"\[t\]\r\nx_unencrypted=.*\r\n\r\n");
}

#[test]
fn a_rotated_file_keeps_its_layout_and_the_order_of_its_metadata() {
    let other = Keys::new().recipient(Form::AgeFile);
    // Metadata that sops does not know, blank lines, other quotes, and the first keys last.
    let dotenv = [
        (r"(?m)^(B=.*\n)", "$1\n"),
        (r"(?m)^(sops_age__list_0__map_enc=.*\n)(?s:(.*))$", "sops_added=kept\n\n$2$1"),
    ];
    let ini = [
        (r"(?m)^a     =", "\n  a="),
        (r"(?m)^bee   = (.*)$", "bee : '$1'"),
        (r"(?m)^(age__list_0__map_enc .*\n)(?s:(.*))$", "added=kept\n; a remark\n$2\n$1"),
    ];
    let values = Regex::new(r"ENC\[[^\]]*\]|-----BEGIN.*|\d{4}-\d\d-\d\dT\S*").expect("an expression");
    for (name, plain, changes) in [("r.env", DOTENV, &dotenv[..]), ("r.ini", INI, &ini[..])] {
        let bench = Bench::new(name, plain, changes);
        let clear = bench.keys.decrypt(name, &[]);
        let mut command = bench.keys.opening(env!("CARGO_BIN_EXE_holdfast"));
        run(command.args(["secrets", "rotate", "-i", "--add-age", &other, name]));
        assert_eq!(bench.keys.decrypt(name, &[]), clear, "{name}");
        let after = fs::read_to_string(bench.keys.path(name)).expect("the file");
        let rest = |text: &str| values.replace_all(text, "<>").lines().map(str::to_owned).collect::<Vec<_>>();
        let (new, old): (Vec<_>, Vec<_>) = rest(&after).into_iter().partition(|line| line.contains("list_1"));
        assert_eq!(old, rest(&bench.before), "{name}");
        assert!(new.len() == 2 && new.iter().any(|line| line.ends_with(&other)), "{name}: {new:?}");
    }
}
