//! What a process has used is read out of its memory: by a debugger, out of a swap partition, a core, a hibernation.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Host, data_key};

const VALUE: &str = "CANARY-of-memory-7d02f1b89e4c55aa";

/// Which of these are found in the writable memory of a process.
fn found(pid: u32, needles: &[(&'static str, Vec<u8>)]) -> Vec<&'static str> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("mem");
    let mut copy = tempfile::NamedTempFile::new_in("/dev/shm").expect("a file in memory");
    let (mut piece, zeros) = (vec![0_u8; 1 << 20], vec![0_u8; 1 << 20]);
    for line in
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|flags| flags.starts_with("rw")))
    {
        let (from, to) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')).expect("a range");
        let number = |text: &str| u64::from_str_radix(text, 16).expect("a number");
        let (mut at, to) = (number(from), number(to));
        while at < to {
            let wanted = piece.len().min(usize::try_from(to - at).expect("a length"));
            let room = piece.get_mut(..wanted).expect("room");
            // What is gone meanwhile cannot be read.
            let Ok(got) = memory.read_at(room, at) else { break };
            let (read, empty) = (room.get(..got).expect("read"), zeros.get(..got).expect("zeros"));
            if read != empty {
                copy.write_all(read).expect("copied");
            }
            at += got.max(1) as u64;
        }
    }
    let is_there = |(_, needle): &&(&'static str, Vec<u8>)| {
        let byte = |pattern: String, byte: &u8| pattern + &format!("\\x{byte:02x}");
        let pattern = needle.iter().fold(String::new(), byte);
        let mut grep = Command::new("grep");
        grep.env("LC_ALL", "C").args(["-qaP", &pattern]).arg(copy.path()).status().expect("grep").success()
    };
    needles.iter().filter(is_there).map(|(name, _)| *name).collect()
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn nothing_of_a_value_or_its_keys_stays_in_memory_after_an_answer() {
    let host = Host::new(&json!({
        "token": { "file": "a.yaml", "credentials": ["app.service"], "install": false },
    }));
    let content = "first {{ token }} second {{ token | base64 }} third {{ token | json }}";
    host.write(
        &json!({ "token": { "file": "a.yaml", "credentials": ["app.service"], "install": false } }),
        &json!({ "templates": { "conf": { "content": content, "credentials": ["app.service"], "install": false } } }),
    );
    let sealed = String::from_utf8(host.seal("a.yaml", &format!("token: {VALUE}\n"))).expect("text");
    let identity = fs::read_to_string(host.path("age.txt")).expect("age.txt");
    let identity = identity.lines().find(|line| line.starts_with("AGE-")).expect("a key").to_owned();
    let needles = [
        ("the value", VALUE.into()),
        ("the value in base64", STANDARD.encode(VALUE).into_bytes()),
        ("the data key", data_key(&host.keys, &sealed).expect("the data key")),
        ("the identity", identity.into_bytes()),
    ];

    // A shell that reads all of them and goes on: what a scan finds that finds what is there. A data key with a newline
    // is more than one line.
    let mut twin = Command::new("/bin/sh");
    twin.args(["-c", "read a; read b; read c; read d; echo read; while read more; do :; done"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut twin = Ended(twin.spawn().expect("sh"));
    let mut input = twin.0.stdin.take().expect("its input");
    for (_, needle) in &needles {
        input.write_all(&[needle.as_slice(), b"\n"].concat()).expect("written");
    }
    let begun = Instant::now();
    // The data key may hold a newline or a zero, which a shell does not keep.
    while found(twin.0.id(), &needles).iter().filter(|name| **name != "the data key").count() < 3 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the attack does not work: {:?}",
            found(twin.0.id(), &needles)
        );
    }
    drop(twin);

    let serving = host.serve();
    for round in 0..3 {
        assert_eq!(host.ask(&format!("a{round}/unit/app.service/token")), VALUE.as_bytes());
        assert!(
            host.ask(&format!("b{round}/unit/app.service/conf"))
                .starts_with(format!("first {VALUE}").as_bytes())
        );
    }
    // It has closed the last answer, and is about to write down what it gave.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(found(serving.0.id(), &needles), [""; 0], "found in the memory of the process");
}
