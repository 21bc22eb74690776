//! Proves: the program as a user meets it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn holdfast(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(args).env_clear();
    command
}

fn run(args: &[&str]) -> Output {
    holdfast(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8")
}

fn full() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/manifest/full.json")
}

#[test]
fn transcripts_stay_true() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

#[test]
fn a_wrong_command_line_is_64_and_help_is_a_result() {
    for args in [&[][..], &["nothing"], &["check"], &["check", "a", "b"], &["--bogus", "check", "a"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
    // Where it is the manifest that is missing, what to type next is said; where something else is, it is not.
    for args in [&["apply"][..], &["check"], &["compile", "-o", "x"], &["secrets", "generate"]] {
        assert!(text(&run(args).stderr).contains("HOLDFAST_MANIFEST"), "{args:?}");
    }
    for args in [&["compile", "m.json"][..], &["secrets", "set"]] {
        assert!(!text(&run(args).stderr).contains("HOLDFAST_MANIFEST"), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["check", "--help"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn the_manifest_may_come_from_the_environment_and_the_argument_goes_before_it() {
    let from_environment =
        holdfast(&["check", "--manifest-only"]).env("HOLDFAST_MANIFEST", full()).output().expect("it starts");
    assert_eq!(from_environment.status.code(), Some(0));
    let argument = holdfast(&["check", "--manifest-only", "/nowhere"])
        .env("HOLDFAST_MANIFEST", full())
        .output()
        .expect("it starts");
    assert_eq!(argument.status.code(), Some(78));
}

#[test]
fn a_pipeline_is_judged_by_the_parameters_of_the_bridge_that_builds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pipeline");
    let pipeline = "kind: pipeline\ntype: exec\ntrigger: {event: [custom]}\nsteps: [{name: a, commands: ['echo ${NAME}']}]\n";
    let manifest = full();
    let text_of = std::fs::read_to_string(&manifest).expect("the manifest");
    let parsed: Value = serde_json::from_str(&text_of).expect("JSON");
    let repositories = parsed["bridge"]["repositories"].as_object().expect("repositories");
    let names: Vec<&String> = repositories
        .values()
        .flat_map(|repository| repository["parameters"].as_object().expect("parameters").keys())
        .collect();
    assert!(!names.is_empty());
    let check = |args: &[&str]| run(&[&["check", file.to_str().expect("a path")], args].concat());
    for name in names {
        std::fs::write(&file, pipeline.replace("NAME", name)).expect("written");
        // Without the manifest nobody knows that a comment can set it.
        let alone = check(&[]);
        assert_eq!(alone.status.code(), Some(0), "{}", text(&alone.stderr));
        let with = check(&["--bridge", manifest.to_str().expect("a path")]);
        assert_eq!(with.status.code(), Some(78), "{name}");
        assert!(
            text(&with.stderr).contains(&format!("`{name}` is set by a comment")),
            "{}",
            text(&with.stderr)
        );
    }
    assert_eq!(check(&["--bridge", "/nowhere"]).status.code(), Some(78));
}

#[test]
fn check_judges_everything_that_the_manifest_names_at_once_and_reads_no_image_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        folder.path().join(name).display().to_string()
    };
    put(
        "web.yml",
        "services:\n  app:\n    image: holdfast.invalid/app\n    imge: x\n    env_file: [missing.env]\n",
    );
    put("other.yml", "services:\n  app:\n    image: nowhere/app:1@sha256:12\n");
    // Reading this image whole would say that it is none.
    put("app.tar", "no image at all");
    let manifest = |gate: &str, image: &str| {
        let stacks = r#""web": { "compose": ["web.yml"], "images": { "app": "app" } },
            "other": { "compose": ["other.yml"] }, "gone": { "compose": ["gone.yml"] }"#;
        let text = format!(
            r#"{{ "version": 1, "host": {{ "name": "h" }},
            "images": {{ "app": {{ "archive": "{image}" }} }},
            "stacks": {{ {stacks} }},
            "gates": {{ "web": {gate} }} }}"#
        );
        put("manifest.json", &text)
    };
    let wrong = run(&["check", &manifest(r#"{ "https": { "url": "https://a.example.org/" } }"#, "no.tar")]);
    assert_eq!(wrong.status.code(), Some(78));
    let told = text(&wrong.stderr);
    for part in
        ["expects nothing", "no.tar", "`imge`", "missing.env", "other.yml:3", "gone.yml", "6 problems"]
    {
        assert!(told.contains(part), "`{part}` is not in\n{told}");
    }
    let only =
        run(&["check", "--manifest-only", &manifest(r#"{ "tcp": { "address": "127.0.0.1:1" } }"#, "no.tar")]);
    assert_eq!(only.status.code(), Some(0), "{}", text(&only.stderr));
    put("web.yml", "services:\n  app:\n    image: holdfast.invalid/app\n");
    let good = manifest(r#"{ "tcp": { "address": "127.0.0.1:1" } }"#, "app.tar").replace("manifest", "good");
    let text_of = std::fs::read_to_string(folder.path().join("manifest.json")).expect("the manifest");
    let text_of = text_of.replace(
        r#""other": { "compose": ["other.yml"] }, "gone": { "compose": ["gone.yml"] }"#,
        r#""other": { "compose": ["web.yml"], "images": { "app": "app" } }"#,
    );
    std::fs::write(&good, text_of).expect("written");
    let output = run(&["check", &good]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let compiled = run(&["compile", &good, "-o", folder.path().join("out").to_str().expect("UTF-8")]);
    assert_eq!(compiled.status.code(), Some(78), "compile reads what check does not");
}

#[test]
fn a_run_that_ends_early_says_why_in_one_place_and_its_record_keeps_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        folder.path().join(name).display().to_string()
    };
    let engine =
        r#""engine": { "address": "unix:///nonexistent.sock" }, "paths": { "run": "run", "state": "state" }"#;
    let head = r#""version": 1, "host": { "name": "h" }"#;
    let alone = put("alone.json", &format!("{{ {head}, {engine} }}"));
    let wrong = put("wrong.json", &format!("{{ {head}, \"hots\": 1 }}"));
    for (file, code, said) in [
        (alone.as_str(), 75, "/nonexistent.sock"),
        (wrong.as_str(), 78, "unknown field `hots`"),
        ("/nowhere.json", 78, "cannot be read: "),
    ] {
        for command in [&["apply"][..], &["verify"], &["destroy"], &["secrets", "install"], &["plan"]] {
            if command.contains(&"install") && code == 75 {
                continue;
            }
            let people = run(&[command, &[file]].concat());
            assert_eq!(people.status.code(), Some(code), "{command:?} {file}");
            let (out, err) = (text(&people.stdout), text(&people.stderr));
            assert!(err.contains(said) && !out.contains(said), "{command:?} {file}\n{out}\n{err}");
            assert!(command == ["plan"] || out.contains(&format!("Exit {code}")), "{out}");

            // One document, whatever is wrong.
            let programs = run(&[command, &["--json", file]].concat());
            let record: Value = serde_json::from_slice(&programs.stdout).expect("one JSON document");
            assert!(record["errors"][0].as_str().is_some_and(|error| error.contains(said)), "{record:#}");
            let problem = &record["problems"][0];
            assert_eq!(problem["message"].as_str().is_some_and(|text| text.contains(said)), code == 78);
            assert_eq!(problem["fix"].as_str(), (file == wrong).then_some("write `host`"), "{record:#}");
        }
    }
}

#[test]
fn what_is_told_in_the_clear_is_a_warning_of_the_manifest_alone_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = |url: &str| {
        let file = folder.path().join("m.json");
        let text = serde_json::json!({
            "version": 1, "host": { "name": "h" }, "stacks": { "web": { "compose": ["not-here.yml"] } },
            "secrets": { "s": { "file": "s.yaml" } },
            "registries": { "registry.example.org": { "username": "u", "password": { "secret": "s" }, "plain_http": url == "http" } },
        });
        std::fs::write(&file, text.to_string()).expect("written");
        run(&["check", "--manifest-only", file.to_str().expect("UTF-8")])
    };
    let plain = manifest("http");
    let told = text(&plain.stderr);
    assert!(told.starts_with("warning: ") && told.contains("`registry.example.org` without TLS"), "{told}");
    assert_eq!(plain.status.code(), Some(0));
    let sealed = manifest("https");
    assert!(sealed.stderr.is_empty() && sealed.status.success(), "{}", text(&sealed.stderr));
}

#[test]
fn what_was_compiled_is_checked_as_such_and_is_no_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        folder.path().join(name).display().to_string()
    };
    put("web.yml", "services:\n  app:\n    image: holdfast.invalid/app\n");
    let digest = "0".repeat(64);
    let source = put(
        "m.json",
        &format!(
            r#"{{ "version": 1, "host": {{ "name": "h" }},
            "images": {{ "app": {{ "reference": "registry.example.org/app:1@sha256:{digest}" }} }},
            "stacks": {{ "web": {{ "compose": ["web.yml"], "images": {{ "app": "app" }} }} }} }}"#
        ),
    );
    let made = folder.path().join("made").display().to_string();
    assert!(run(&["compile", &source, "-o", &made]).status.success());
    for args in [&["check", &made][..], &["check", "--manifest-only", &made]] {
        let checked = run(args);
        assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    }
    // These write what a manifest is compiled from.
    for args in [&["image", "lock", &made][..], &["secrets", "generate", "--manifest", &made]] {
        let refused = run(args);
        assert_eq!(refused.status.code(), Some(78), "{args:?}");
        let said = text(&refused.stderr);
        assert!(said.contains("this is compiled") && said.contains("manifest.source"), "{said}");
    }
    std::fs::write(folder.path().join("made/specs/web.json"), "{").expect("written");
    let damaged = run(&["check", &made]);
    assert_eq!(damaged.status.code(), Some(78));
    assert!(text(&damaged.stderr).contains("specs/web.json"), "{}", text(&damaged.stderr));
}

#[test]
fn a_manifest_may_come_through_a_pipe() {
    for args in [&["check", "/dev/stdin"][..], &["check", "--manifest-only", "/dev/stdin"]] {
        let mut child = holdfast(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut pipe = child.stdin.take().expect("its input");
        pipe.write_all(br#"{ "version": 1, "host": { "name": "h" } }"#).expect("written");
        drop(pipe);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}

#[test]
fn json_problems_say_file_line_column_message_and_fix() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.json");
    std::fs::write(
        &file,
        "{\n  \"version\": 1,\n  \"host\": { \"name\": \"ä\u{e9}\" },\n  \"engines\": 5\n}\n",
    )
    .expect("written");
    let output = run(&["--json", "check", file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let problems = result["problems"].as_array().expect("a list");
    let places: Vec<_> = problems
        .iter()
        .map(|p| (p["line"].as_u64(), p["column"].as_u64(), p["end_column"].as_u64()))
        .collect();
    assert_eq!(places, [(Some(3), Some(21), Some(25)), (Some(4), Some(3), Some(12))], "{result:#}");
    assert_eq!(problems.last().expect("two problems")["fix"], "write `engine`");
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.json");
    std::fs::write(&file, "{}").expect("written");
    let file = file.to_str().expect("UTF-8");
    assert!(!text(&run(&["check", file]).stderr).contains('\u{1b}'));
    assert!(!text(&run(&["--color", "never", "check", file]).stderr).contains('\u{1b}'));
    assert!(text(&run(&["--color", "always", "check", file]).stderr).contains('\u{1b}'));
}

#[test]
fn a_file_without_an_end_and_a_result_without_a_reader_end_the_program() {
    let endless = run(&["check", "/dev/zero"]);
    assert_eq!(endless.status.code(), Some(78));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the device");
    let status = holdfast(&["schema"]).stdout(full).status().expect("it starts");
    assert_eq!(status.code(), Some(1), "a result that cannot be written is no success");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = holdfast(&["schema"]).stdout(writer).status().expect("it starts");
    assert_eq!(status.code(), Some(0), "a reader that went away is no error");
}

#[test]
fn every_shell_has_completions_that_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(text(&output.stdout).contains("schema"), "{shell}");
    }
}
