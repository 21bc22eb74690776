//! Proves: what a run says while it goes on, on a terminal and to the journal.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::world::World;

/// Takes the live line away.
const ERASE: &str = "\r\u{1b}[K";

#[test]
fn a_terminal_gets_one_live_line_and_the_journal_gets_fields() {
    let world = World::new();
    let shown = on_a_terminal(&world);
    let live: Vec<&str> = shown.split(ERASE).skip(1).collect();
    let waits: Vec<&&str> = live.iter().filter(|text| text.starts_with("stack.web: ")).collect();
    assert!(!waits.is_empty(), "the wait is never on the live line:\n{shown:?}");
    assert!(waits.iter().any(|text| text.contains("of 1 running") && text.contains("180 s")), "{waits:?}");
    assert!(live.iter().any(|text| text.starts_with("gate.page: ")), "no gate was waited for:\n{shown:?}");
    for text in &live {
        let shown = text.split(['\r', '\n']).next().unwrap_or_default();
        assert!(shown.chars().count() <= 100, "it would wrap, and could not be taken away: {shown:?}");
    }
    // Lines that stay begin where the live line was taken away, and nothing of it is left at the end.
    assert!(live.iter().any(|text| text.starts_with("create stack.web/service.app: done in ")), "{shown:?}");
    assert!(live.iter().any(|text| text.starts_with("pass gate.page: ")), "{shown:?}");
    let last = live.last().copied().unwrap_or_default();
    assert!(last.contains('\n') && !last.starts_with("gate.") && !last.starts_with("stack."), "{last:?}");

    std::fs::write(world.path("page.html"), "hello again\n").expect("page.html");
    let (entries, stderr) = in_the_journal(&world);
    let of = |key: &str, value: &str| {
        entries.iter().filter(|entry| entry.get(key).is_some_and(|is| is == value)).collect::<Vec<_>>()
    };
    let step = of("F_ADDRESS", "stack.web/service.app");
    let step = step.iter().find(|entry| entry.get("MESSAGE").is_some_and(|text| text == "step done"));
    let step = step.unwrap_or_else(|| panic!("no step was told:\n{entries:#?}"));
    assert_eq!((step["F_VERB"].as_str(), step["PRIORITY"].as_str()), ("update", "5"));
    assert!(step["F_ELAPSED_MS"].parse::<u64>().is_ok(), "{step:#?}");
    let gate = of("F_ADDRESS", "gate.page");
    assert!(
        gate.iter().any(|entry| entry["F_VERDICT"] == "pass" && entry["F_REASON"].contains("200")),
        "{gate:#?}"
    );
    let end = of("MESSAGE", "apply ended");
    let [end] = end.as_slice() else { panic!("the end is told {} times:\n{entries:#?}", end.len()) };
    assert_eq!((end["F_EXIT"].as_str(), end["F_OUTCOME"].as_str()), ("0", "ok"));
    let record =
        std::fs::read_to_string(world.path("state/generations/2/run.json")).expect("the run's record");
    assert!(record.contains(&format!("\"run\": \"{}\"", end["F_RUN"])), "{end:#?}");
    assert!(entries.iter().all(|entry| entry["SYSLOG_IDENTIFIER"] == "holdfast"), "{entries:#?}");
    assert!(!stderr.contains("done in") && !stderr.contains('\u{1b}'), "told twice:\n{stderr}");
}

/// What a terminal is shown of an apply.
fn on_a_terminal(world: &World) -> String {
    let program = world.command(&["apply"]);
    let words = [program.get_program()].into_iter().chain(program.get_args());
    let line = words.map(|word| format!("'{}'", word.to_string_lossy())).collect::<Vec<_>>().join(" ");
    let output = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
        .env_remove("HOLDFAST_MANIFEST")
        .env_remove("SOPS_AGE_KEY")
        .stdin(Stdio::null())
        .output()
        .expect("`script` cannot be run; run `make setup`");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}");
    shown
}

/// The entries that an apply writes to the journal, and what it prints on stderr all the same. The journal's socket is
/// one of ours, in a mount namespace of its own.
fn in_the_journal(world: &World) -> (Vec<BTreeMap<String, String>>, String) {
    let folder = world.path("journal");
    std::fs::create_dir(&folder).expect("a folder");
    let socket = UnixDatagram::bind(folder.join("socket")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let stderr = File::create(world.path("stderr")).expect("a file");
    let meta = stderr.metadata().expect("its inode");
    let program = world.command(&["apply"]);
    // The engine's socket may lie below /run and must stay.
    let engine = world.engine.socket.parent().expect("a folder");
    std::fs::create_dir(folder.join("engine")).expect("a folder");
    let shadow = "journal=$0 engine=$1; shift; mount --bind \"$engine\" \"$journal/engine\" && \
                  mount -t tmpfs none /run && mkdir -p /run/systemd/journal \"$engine\" && \
                  mount --rbind \"$journal\" /run/systemd/journal && \
                  mount --bind /run/systemd/journal/engine \"$engine\" && exec \"$@\"";
    let mut child = Command::new("unshare")
        .args(["--mount", "/bin/sh", "-c", shadow])
        .arg(&folder)
        .arg(engine)
        .arg(program.get_program())
        .args(program.get_args())
        .env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino()))
        .env_remove("HOLDFAST_MANIFEST")
        .env_remove("SOPS_AGE_KEY")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("`unshare` cannot be run; run `make setup`");
    let mut entries = Vec::new();
    let mut bytes = vec![0; 1 << 18];
    while let Ok(length) = socket.recv(&mut bytes) {
        let entry = decode(bytes.get(..length).unwrap_or_default());
        if entry.is_empty() {
            continue; // Only to see whether somebody is there.
        }
        let last = entry.get("MESSAGE").is_some_and(|text| text.ends_with(" ended"));
        entries.push(entry);
        if last {
            break;
        }
    }
    let status = child.wait().expect("it ends");
    let stderr = std::fs::read_to_string(world.path("stderr")).expect("what it printed");
    assert!(status.success(), "{stderr}\n{entries:#?}");
    (entries, stderr)
}

/// Fields of the journal's native protocol: `KEY=VALUE`, or a key, a length and as many bytes.
fn decode(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = BTreeMap::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = bytes.split_at(end);
        let rest = rest.get(1..).unwrap_or_default();
        if let Some(equals) = line.iter().position(|byte| *byte == b'=') {
            let (key, value) = line.split_at(equals);
            fields.insert(text(key), text(value.get(1..).unwrap_or_default()));
            bytes = rest;
            continue;
        }
        let (length, rest) = rest.split_at(8);
        let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
        let (value, rest) = rest.split_at(usize::try_from(length).expect("it fits"));
        fields.insert(text(line), text(value));
        bytes = rest.get(1..).unwrap_or_default();
    }
    fields
}
