//! What a process has used is read out of its memory: by a debugger, out of a swap partition, a core, a hibernation.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Host;

const VALUE: &str = "CANARY-of-memory-7d02f1b89e4c55aa";

/// How often each of these is found in the writable memory of a process.
fn found(pid: u32, needles: &[(&'static str, Vec<u8>)]) -> Vec<(&'static str, usize)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("mem");
    let mut counts: Vec<_> = needles.iter().map(|(name, _)| (*name, 0)).collect();
    for line in
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|flags| flags.starts_with("rw")))
    {
        let (from, to) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')).expect("a range");
        let number = |text: &str| u64::from_str_radix(text, 16).expect("a number");
        let (mut at, to) = (number(from), number(to));
        let mut chunk = vec![0_u8; 1 << 20];
        while at < to {
            let wanted = chunk.len().min(usize::try_from(to - at).expect("a length"));
            let room = chunk.get_mut(..wanted).expect("room");
            // Pages that were never touched, or are gone, cannot be read.
            let Ok(got) = memory.read_at(room, at) else { break };
            for ((_, needle), (_, count)) in needles.iter().zip(&mut counts) {
                *count += room.windows(needle.len()).filter(|part| part == needle).count();
            }
            // What lies over the end of a piece counts with the next one.
            let overlap = if got == wanted && at + (got as u64) < to { 64 } else { 0 };
            at += (got.saturating_sub(overlap)).max(1) as u64;
        }
    }
    counts
}

/// The data key of a sealed file, out of its only wrap.
fn data_key(host: &Host, sealed: &str) -> Vec<u8> {
    let lines = sealed.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN"));
    let armor: Vec<&str> = lines.take_while(|line| !line.starts_with("-----END")).collect();
    let armor = format!("{}\n-----END AGE ENCRYPTED FILE-----\n", armor.join("\n"));
    let keys = fs::read_to_string(host.path("age.txt")).expect("age.txt");
    let identity: age::x25519::Identity =
        keys.lines().find(|line| line.starts_with("AGE-")).expect("a key").parse().expect("an identity");
    age::decrypt(&identity, armor.as_bytes()).expect("the data key")
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
        ("the data key", data_key(&host, &sealed)),
        ("the identity", identity.into_bytes()),
    ];

    // A shell that reads all of them and goes on: what a scan finds that finds what is there.
    let mut twin = Command::new("/bin/sh");
    twin.args(["-c", "read a; read b; read c; read d; echo read; read more"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut twin = Ended(twin.spawn().expect("sh"));
    let mut input = twin.0.stdin.take().expect("its input");
    for (_, needle) in &needles {
        input.write_all(&[needle.as_slice(), b"\n"].concat()).expect("written");
    }
    let begun = Instant::now();
    while found(twin.0.id(), &needles).iter().filter(|(_, count)| *count > 0).count() < 3 {
        // The data key may hold a newline or a zero, which a shell does not keep.
        assert!(
            begun.elapsed() < Duration::from_secs(20),
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
    let left = found(serving.0.id(), &needles);
    let left: Vec<_> = left.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(left, [], "found in the memory of the process");
}
