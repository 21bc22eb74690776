//! Files made to hurt: refused with their place, in little time and memory, by the program that ships.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Address space that the program gets, in KiB; what it needs for plain files is far below.
const SPACE: u32 = 1 << 20;

/// Seconds of processor time: more than any of these takes without optimisation, less than a bomb would.
const SECONDS: u32 = 30;

/// Compiles a manifest whose stack `web` has the file `compose.yml` of `folder`; what the program says.
fn compile(folder: &Path) -> String {
    let manifest =
        r#"{"version": 1, "host": {"name": "demo"}, "stacks": {"web": {"compose": ["compose.yml"]}}}"#;
    fs::write(folder.join("manifest.json"), manifest).unwrap();
    compiled(folder)
}

fn compiled(folder: &Path) -> String {
    let limited = format!("ulimit -v {SPACE}; ulimit -t {SECONDS}; exec \"$0\" \"$@\"");
    let output = Command::new("bash")
        .args(["-c", &limited, env!("CARGO_BIN_EXE_holdfast"), "compile", "manifest.json", "-o", "out"])
        .current_dir(folder)
        .env_clear()
        .output()
        .expect("bash starts");
    let text = String::from_utf8(output.stderr).expect("the program prints UTF-8");
    let head: String = text.chars().take(2000).collect();
    assert_eq!(output.status.code(), Some(78), "{:?}: {head}", output.status);
    assert!(text.len() < 2_000_000, "{} bytes of problems", text.len());
    assert!(!folder.join("out").exists(), "nothing may be written");
    text
}

fn refused(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("compose.yml"), text).unwrap();
    compile(folder.path())
}

/// Every level holds the one before ten times.
fn aliases(first: &str) -> String {
    let mut text = format!("x-0: &a0 {first}\n");
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "x-{level}: &a{level} [{items}]").unwrap();
    }
    text + "services: {app: {image: nginx}}\n"
}

#[test]
fn aliases_that_multiply_stop_at_their_place() {
    let nodes = refused(&aliases("[x, x, x, x, x, x, x, x, x, x]"));
    assert!(nodes.contains("more than 1000000") && nodes.contains("compose.yml:"), "{nodes}");
    // Few nodes, much text.
    let text = refused(&aliases(&"x".repeat(100_000)));
    assert!(text.contains("bytes in aliases") && text.contains("compose.yml:"), "{}", text.len());
    // Anchors inside of anchors hold what is inside once a level.
    let open: String = (0..95).fold(String::new(), |text, level| text + &format!("&a{level} ["));
    let inner = "[x, x, x, x, x, x, x, x, x, x],".repeat(2000);
    let anchors = refused(&format!("x-0: {open}{inner}{}\nservices: {{}}\n", "]".repeat(95)));
    assert!(anchors.contains("compose.yml:1:") && anchors.contains("1000000"), "{}", anchors.len());
}

#[test]
fn a_merge_key_multiplies_no_further_than_aliases_do() {
    let mut text = "x-0: &a0 {".to_owned();
    (0..1000).for_each(|key| write!(text, "k{key}: v, ").unwrap());
    text += "}\n";
    for level in 1..2000 {
        writeln!(text, "x-{level}: &a{level} {{<<: *a{}, own{level}: 1}}", level - 1).unwrap();
    }
    let said = refused(&(text + "services: {app: {image: nginx}}\n"));
    assert!(said.contains("compose.yml:"), "{}", said.len());
}

#[test]
fn depth_of_every_kind_is_a_limit_and_not_an_overflow() {
    let deep = 1_000_000;
    let block: String = (0..5000).fold(String::new(), |text, level| text + &" ".repeat(level) + "k:\n");
    let shapes = [
        format!("services: {}", "[".repeat(deep)),
        format!("services: {}", "{a: ".repeat(deep)),
        format!("services: {}", "- ".repeat(deep)),
        format!("services:\n  app: {}", "? ".repeat(deep)),
        format!("services: {{app: {{image: \"{}\"}}}}", "${A:-".repeat(100_000)),
        block,
    ];
    for shape in &shapes {
        let said = refused(shape);
        assert!(said.contains("compose.yml:"), "{}: {said}", shape.chars().take(40).collect::<String>());
    }
}

#[test]
fn a_hundred_megabytes_are_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compose.yml");
    let line = "# nothing, many times, up to a size that nobody writes by hand\n".repeat(1 << 14);
    let mut file = File::create(&path).unwrap();
    while file.metadata().unwrap().len() < 100 << 20 {
        file.write_all(line.as_bytes()).unwrap();
    }
    let said = compile(folder.path());
    assert!(said.contains("compose.yml") && said.contains("larger than 16 MiB"), "{said}");
    // A hole on the disk costs nothing to make, and as much to read.
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(compile(folder.path()).contains("larger than 16 MiB"));
}

#[test]
fn what_is_no_file_is_not_read_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("compose.yml")).unwrap();
    assert!(compile(folder.path()).contains("no regular file"));
    let compose = "services: {app: {image: nginx, env_file: zero}}\n";
    fs::remove_file(folder.path().join("compose.yml")).unwrap();
    fs::write(folder.path().join("compose.yml"), compose).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero")).unwrap();
    let said = compile(folder.path());
    assert!(said.contains("no regular file") && said.contains("compose.yml:1:"), "{said}");
}

#[test]
fn many_small_mistakes_are_a_thousand_problems_and_linear_work() {
    let mut text = "services:\n".to_owned();
    for service in 0..5_000 {
        let fields = "image: nginx, bogus: 1";
        writeln!(text, "  s{service}: {{{fields}, depends_on: [t{service}], networks: [n{service}]}}")
            .unwrap();
    }
    let said = refused(&text);
    assert_eq!(said.matches("error[").count(), 1000, "{}", said.chars().take(400).collect::<String>());
}

#[test]
fn a_long_circle_is_found_in_a_long_chain() {
    let image = format!("nginx:1@sha256:{}", "a".repeat(64));
    let mut text = "services:\n".to_owned();
    for service in 0..20_000 {
        let next = if service == 19_999 { 10_000 } else { service + 1 };
        writeln!(text, "  s{service}: {{image: '{image}', depends_on: [s{next}]}}").unwrap();
    }
    let said = refused(&text);
    assert!(said.contains("`depends_on` runs in a circle: s10000, s10001"), "{said}");
    assert!(said.contains("compose.yml:10002:"), "{said}");
}

#[test]
fn a_text_that_steers_terminals_is_shown_spelt_out() {
    let said = refused("services: {app: {image: \"a\\e[2J\\u202eb\\r\"}}\n");
    assert!(!said.contains('\u{1b}') && !said.contains('\r'), "{said:?}");
    let said = refused("services: {\"\u{9b}2J\": {image: nginx}, b: {\"\\e]0;x\\a\": 1}}\n");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{9b}') && !said.contains('\u{7}'), "{said:?}");
}

#[test]
fn a_port_of_two_stacks_is_a_problem_of_the_second_and_names_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let image = format!("nginx:1@sha256:{}", "a".repeat(64));
    for (name, ports) in
        [("one", "\"80:80\", \"53:53/udp\""), ("two", "{published: 80, target: 8080, mode: host}, \"53:53\"")]
    {
        let text = format!("services:\n  app:\n    image: {image}\n    ports: [{ports}]\n");
        fs::write(folder.path().join(format!("{name}.yml")), text).unwrap();
    }
    let manifest = r#"{"version": 1, "host": {"name": "demo"},
        "stacks": {"one": {"compose": ["one.yml"]}, "two": {"compose": ["two.yml"]}}}"#;
    fs::write(folder.path().join("manifest.json"), manifest).unwrap();
    let said = compiled(folder.path());
    assert!(
        said.contains("port 80/tcp of `two_app` is taken by `one_app` (") && said.contains("one.yml:4:13)"),
        "{said}"
    );
    assert!(said.contains("two.yml:4:13") && said.contains("1 problem"), "{said}");
    let check =
        Command::new(env!("CARGO_BIN_EXE_holdfast")).arg("check").arg(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&check.stderr).into_owned() + &String::from_utf8_lossy(&check.stdout);
    assert!(check.status.code() == Some(78) && text.contains("port 80/tcp of `two_app`"), "{text}");
}
