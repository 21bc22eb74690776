//! Proves: branches that change different values merge by themselves, and the real sops reads what comes out.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::support::sops::{Form, Keys, run};

const PLAIN: &str = "# top\na: canary-a\nnest:\n    b: canary-b\n    c: canary-c\nlist:\n    - x\n    - y\nopen_unencrypted: seen\n";

struct Repository(Keys);

impl Repository {
    /// With the drivers, and `s.yaml` committed on `main`.
    fn new(plain: &str) -> Self {
        let all = Self(Keys::new());
        let holdfast = env!("CARGO_BIN_EXE_holdfast");
        all.git(&["init", "-q", "-b", "main"]);
        all.git(&["config", "merge.holdfast.name", "sops files by path"]);
        all.git(&["config", "merge.holdfast.driver", &format!("'{holdfast}' secrets merge %O %A %B %P")]);
        all.git(&["config", "diff.holdfast.textconv", &format!("'{holdfast}' secrets diff")]);
        fs::write(all.0.path(".gitattributes"), "*.yaml merge=holdfast diff=holdfast\n")
            .expect("the attributes");
        all.0.encrypt("s.yaml", plain.as_bytes(), &all.0.recipient(Form::AgeFile), &[]);
        all.commit();
        all
    }

    fn tried(&self, arguments: &[&str]) -> Output {
        let mut git = self.0.opening("git");
        git.env("PATH", std::env::var_os("PATH").expect("PATH is set")).stdin(Stdio::null());
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgSign=false"]);
        git.args(arguments).output().expect("git starts")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = self.tried(arguments);
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "git {arguments:?}: {said}");
        said
    }

    fn commit(&self) {
        self.git(&["add", ".gitattributes", "s.yaml"]);
        self.git(&["commit", "-q", "-m", "a change"]);
    }

    /// Changes on a branch of its own, from `main`.
    fn branch(&self, name: &str, change: impl FnOnce(&Keys)) {
        self.git(&["checkout", "-q", "-b", name, "main"]);
        change(&self.0);
        self.commit();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.0.path("s.yaml")).expect("the file")
    }
}

fn set(keys: &Keys, path: &str, value: &str) {
    run(keys.sops().args(["set", "s.yaml", path, value]));
}

fn holdfast(keys: &Keys, arguments: &[&str]) {
    let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
    run(command.env("PATH", std::env::var_os("PATH").expect("PATH is set")).arg("secrets").args(arguments));
}

fn line(text: &str, key: &str) -> String {
    text.lines().find(|line| line.trim_start().starts_with(key)).unwrap_or_default().trim().to_owned()
}

#[test]
fn two_branches_that_change_different_values_merge_and_keep_every_other_token() {
    let repository = Repository::new(PLAIN);
    let before = repository.text();
    repository.branch("theirs", |keys| {
        set(keys, r#"["nest"]["b"]"#, "\"b of theirs\"");
        set(keys, r#"["new"]"#, "\"n\"");
    });
    repository.branch("ours", |keys| {
        set(keys, r#"["nest"]["c"]"#, "\"c of ours\"");
        set(keys, r#"["list"][1]"#, "\"z\"");
        run(keys.sops().args(["unset", "s.yaml", r#"["a"]"#]));
    });
    let without = repository.tried(&["-c", "merge.holdfast.driver=false", "merge", "-q", "theirs"]);
    assert!(!without.status.success(), "this conflicts without the driver, so this test can fail");
    repository.git(&["merge", "--abort"]);
    repository.git(&["merge", "-q", "theirs"]);
    let clear = String::from_utf8(repository.0.decrypt("s.yaml", &[])).expect("text");
    let expected = "# top\nnest:\n    b: b of theirs\n    c: c of ours\nlist:\n    - x\n    - z\nopen_unencrypted: seen\nnew: \"n\"\n";
    assert_eq!(clear, expected);
    assert_eq!(
        line(&before, "- ENC"),
        line(&repository.text(), "- ENC"),
        "an untouched value keeps its token"
    );
    assert_eq!(repository.text().matches("mac: ").count(), 1);
}

#[test]
fn one_value_that_both_changed_is_named_and_not_shown_and_the_rest_of_theirs_is_taken() {
    let repository = Repository::new(PLAIN);
    repository.branch("theirs", |keys| {
        set(keys, r#"["nest"]["b"]"#, "\"canary-theirs\"");
        set(keys, r#"["nest"]["c"]"#, "\"canary-rest\"");
        set(keys, r#"["more"]"#, "\"canary-more\"");
    });
    repository.branch("ours", |keys| {
        set(keys, r#"["nest"]["b"]"#, "\"canary-ours\"");
        set(keys, r#"["a"]"#, "\"canary-other\"");
    });
    let output = repository.tried(&["merge", "theirs"]);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("conflict in `s.yaml`: nest/b: changed on both sides"), "{said}");
    assert!(!said.contains("canary") && !said.contains("conflict in `s.yaml`: a"), "{said}");
    // The real sops reads what is there: ours where both changed it, and all else of both.
    let at =
        |path: &str| String::from_utf8(repository.0.decrypt("s.yaml", &["--extract", path])).expect("text");
    let found = [r#"["nest"]["b"]"#, r#"["a"]"#, r#"["nest"]["c"]"#, r#"["more"]"#].map(at);
    assert_eq!(found, ["canary-ours", "canary-other", "canary-rest", "canary-more"]);
    assert!(!repository.text().contains("<<<<") && repository.text().matches("mac: ").count() == 1);
    assert!(repository.git(&["status", "--porcelain"]).contains("UU s.yaml"));
}

#[test]
fn readers_come_together_and_who_was_removed_does_not_come_back() {
    let (third, fourth) = (Keys::new(), Keys::new());
    let repository = Repository::new(PLAIN);
    let (added, gone) = (third.recipient(Form::AgeFile), fourth.recipient(Form::AgeFile));
    holdfast(&repository.0, &["rotate", "-i", "--add-age", &gone, "s.yaml"]);
    repository.commit();
    let exposed = repository.text();
    repository.branch("theirs", |keys| holdfast(keys, &["rotate", "-i", "--rm-age", &gone, "s.yaml"]));
    repository.branch("ours", |keys| {
        fs::write(
            keys.path(".sops.yaml"),
            format!("creation_rules:\n  - age: '{},{gone},{added}'\n", keys.recipient(Form::AgeFile)),
        )
        .expect("the config");
        holdfast(keys, &["updatekeys", "-y", "s.yaml"]);
        set(keys, r#"["a"]"#, "\"a of ours\"");
    });
    repository.git(&["merge", "-q", "theirs"]);
    let text = repository.text();
    assert!(text.contains(&added) && !text.contains(&gone));
    for (name, keys, opens) in [("added", &third, true), ("gone", &fourth, false)] {
        fs::write(keys.path("s.yaml"), &text).expect("the file");
        let output = keys.sops().args(["decrypt", "s.yaml"]).output().expect("sops");
        assert_eq!(output.status.success(), opens, "{name}");
    }
    // Nor with the data key of a version that he could open.
    let (body, _) = text.split_once("sops:").expect("a section");
    let (_, section) = exposed.split_once("sops:").expect("a section");
    fs::write(fourth.path("s.yaml"), format!("{body}sops:{section}")).expect("the file");
    assert!(
        !fourth.sops().args(["decrypt", "--ignore-mac", "s.yaml"]).output().expect("sops").status.success()
    );
    let clear = String::from_utf8(repository.0.decrypt("s.yaml", &[])).expect("text");
    assert!(clear.contains("a: a of ours"), "{clear}");
}

#[test]
fn what_cannot_be_opened_is_a_conflict_and_ours_stays() {
    let repository = Repository::new(PLAIN);
    repository.branch("theirs", |keys| {
        let text = fs::read_to_string(keys.path("s.yaml")).expect("the file").replace("seen", "tampered");
        fs::write(keys.path("s.yaml"), text).expect("the file");
    });
    repository.branch("ours", |keys| set(keys, r#"["a"]"#, "\"new\""));
    let ours = repository.text();
    let output = repository.tried(&["merge", "theirs"]);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success() && said.contains("their version: its MAC does not match"), "{said}");
    assert_eq!(repository.text(), ours);
}

#[test]
fn a_diff_shows_paths_and_no_values_unless_they_are_asked_for() {
    let repository = Repository::new(PLAIN);
    let old = repository.text();
    set(&repository.0, r#"["nest"]["b"]"#, "\"canary-new\"");
    set(&repository.0, r#"["open_unencrypted"]"#, "\"clear\"");
    // A new data key changes every token, and says nothing about values.
    holdfast(&repository.0, &["rotate", "-i", "s.yaml"]);
    let diff = repository.git(&["diff", "-U0"]);
    let lines = |sign: &str| {
        diff.lines().filter(|line| line.starts_with(sign) && !line.starts_with(&sign.repeat(2))).count()
    };
    assert_eq!((lines("-"), lines("+")), (2, 2), "{diff}");
    assert!(diff.contains("+nest/b = <") && diff.contains("+open_unencrypted = \"clear\""), "{diff}");
    assert!(!diff.contains("canary") && !diff.contains("ENC["), "{diff}");

    fs::write(repository.0.path("old.yaml"), old).expect("the file");
    let compare = |flags: &[&str]| {
        let mut command = repository.0.opening(env!("CARGO_BIN_EXE_holdfast"));
        command.env("PATH", std::env::var_os("PATH").expect("PATH is set"));
        let found = run(command.args(["secrets", "diff", "old.yaml", "s.yaml"]).args(flags));
        String::from_utf8(found).expect("text")
    };
    assert_eq!(compare(&[]), "~ nest/b <changed>\n~ open_unencrypted <changed>\n");
    let revealed = "- nest/b = \"canary-b\"\n+ nest/b = \"canary-new\"\n- open_unencrypted = \"seen\"\n+ open_unencrypted = \"clear\"\n";
    assert_eq!(compare(&["--reveal"]), revealed);

    // Who has no key sees what changed, too.
    let mut stranger = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    stranger.env_clear().env("HOME", "/nonexistent").current_dir(repository.0.dir.path());
    let seen = String::from_utf8(run(stranger.args(["secrets", "diff", "s.yaml"]))).expect("text");
    assert!(seen.starts_with("# no key here opens it") && seen.contains("nest/b = <"), "{seen}");
}
