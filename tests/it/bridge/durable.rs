//! What was answered with 202 is there after anything: a kill, a restart, a change of secrets.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::service::{SECRET, Service, ask, body, command, delivery, hex, request, signed};

#[test]
fn a_bridge_without_its_tokens_keeps_deliveries_says_what_it_lacks_and_ends_when_told() {
    let mut service = Service::start(|_| {});
    assert_eq!(service.page("/healthz"), (200, "ok\n".to_owned()));
    let (status, text) = service.page("/readyz");
    assert_eq!(status, 503);
    assert!(text.contains("missing: the bot's token") && text.contains("missing: the Drone token"), "{text}");
    assert_eq!(service.deliver(&delivery(1)), 202);
    assert_eq!(service.deliver(&delivery(1)), 202, "a replay is answered as the first time");
    assert_eq!(service.metric("holdfast_bridge_verdicts_total{verdict=\"known\",reason=\"\"}"), 1);
    // A delivery that is killed off the wire right after its answer is there, whoever asks.
    service.kill();
    assert_eq!(service.journal(), [1]);
    for token in ["bot", "drone"] {
        std::fs::write(service.file("run/secrets").join(token), "token\n").unwrap();
    }
    service.again();
    assert_eq!(service.page("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!([service.deliver(&delivery(1)), service.deliver(&delivery(2))], [202, 202]);
    assert_eq!(service.stop(), Some(0));
    assert_eq!(service.journal(), [1, 2]);
}

/// What reads arguments and the manifest is another process, whose memory is given back: this one never had huge pages.
#[test]
fn it_serves_in_a_process_that_was_started_anew_for_it() {
    let service = Service::start(|_| {});
    assert_eq!(service.kernel("THP_enabled"), 0);
    let of = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", service.kernel("Pid"))).unwrap();
    assert!(of("environ").contains("HOLDFAST_BRIDGE_FD="), "{}", of("environ"));
    assert!(of("cmdline").contains("serve") && of("cmdline").contains("manifest.json"), "{}", of("cmdline"));
    assert_eq!(service.deliver(&delivery(1)), 202);
}

#[test]
fn no_secret_an_empty_one_and_a_second_bridge_do_not_begin() {
    let service = Service::start(|_| {});
    let fails = |code: i32, says: &str| {
        let output = command(service.folder.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(says), "{text}");
    };
    fails(6, "another bridge uses the journal");
    std::fs::write(service.file("run/secrets/hook"), " \n").unwrap();
    fails(5, "hook secret 1 is empty");
    std::fs::write(service.file("run/secrets/hook"), "\n").unwrap();
    fails(5, "there is no secret `hook`");
    std::fs::remove_file(service.file("run/secrets/hook")).unwrap();
    fails(5, "there is no secret `hook`");
}

#[test]
fn a_request_that_has_begun_is_finished_when_the_bridge_is_told_to_end() {
    let mut service = Service::start(|_| {});
    let bytes = signed(&body(&delivery(1)));
    let (first, rest) = bytes.split_at(bytes.len() - 10);
    let mut stream = TcpStream::connect(service.hook).unwrap();
    stream.write_all(first).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let finish = std::thread::spawn({
        let rest = rest.to_vec();
        move || {
            std::thread::sleep(Duration::from_millis(300));
            stream.write_all(&rest).unwrap();
            let mut answer = String::new();
            std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
            answer
        }
    });
    assert_eq!(service.stop(), Some(0));
    let answer = finish.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(service.journal(), [1]);
}

#[test]
fn a_socket_of_the_service_manager_is_used_and_outlives_the_bridge() {
    for (delivered, script) in (1..).zip([
        "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"",
        // As standard input, which is that of `StandardInput=socket`.
        "exec \"$@\"",
    ]) {
        handed_over(script, delivered);
    }
}

fn handed_over(script: &str, delivered: u64) {
    let mut service = Service::start(|_| {});
    service.kill();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    service.hook = listener.local_addr().unwrap();
    let mut start = Command::new("/bin/sh");
    start.args(["-c", script, "sh", env!("CARGO_BIN_EXE_holdfast"), "bridge", "serve"]);
    start.arg(service.file("manifest.json")).stdin(std::os::fd::OwnedFd::from(listener));
    let mut child = start.spawn().unwrap();
    // Nobody has to wait for the bridge: the socket takes the connection before it is there.
    assert_eq!(service.deliver(&delivery(delivered)), 202);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(service.journal(), [i64::try_from(delivered).unwrap()]);
}

#[test]
fn a_secret_is_changed_while_deliveries_come_and_none_of_them_is_lost() {
    let mut service = Service::start(|bridge| {
        bridge["forge"]["hook_secrets"] = serde_json::json!([{ "secret": "hook" }]);
        bridge["policy"]["burst"] = 1_000_000.into();
    });
    service.kill();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = listener.local_addr().unwrap();
    let begin = |names: &[&str]| {
        let named: Vec<_> = names.iter().map(|name| serde_json::json!({ "secret": name })).collect();
        service.edit(|bridge| bridge["forge"]["hook_secrets"] = named.into());
        let socket = std::os::fd::OwnedFd::from(listener.try_clone().unwrap());
        Running(command(service.folder.path()).stdin(socket).spawn().unwrap())
    };
    std::fs::write(service.file("run/secrets/hook_old"), "another-secret\n").unwrap();
    // `hook` is the secret of before, `hook_old` the one that comes.
    let forge_has_the_new_one = AtomicBool::new(false);
    let over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut sent = Vec::new();
            for comment in 1.. {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let bytes = body(&delivery(comment));
                let new = forge_has_the_new_one.load(Ordering::SeqCst);
                let signature = hex(if new { "another-secret" } else { SECRET }, &bytes);
                let headers = [
                    format!("x-gitea-signature: {signature}"),
                    format!("content-length: {}", bytes.len()),
                    "content-type: application/json".to_owned(),
                ];
                // A bridge that ends may close a connection that it has not read from: the forge's client asks again.
                let bytes = request(&headers.each_ref().map(String::as_str), &bytes);
                let answered = (0..3).map(|_| ask(hook, &bytes).0).find(|status| *status != 0);
                assert_eq!(answered, Some(202), "of {comment}, signed with the new one: {new}");
                sent.push(i64::try_from(comment).unwrap());
            }
            sent
        });
        let stop = |mut running: Running| {
            let pid = rustix::process::Pid::from_child(&running.0);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            assert!(running.0.wait().unwrap().success());
        };
        let pause = || std::thread::sleep(Duration::from_millis(700));
        let first = begin(&["hook"]);
        pause();
        stop(first);
        let both = begin(&["hook_old", "hook"]);
        pause();
        forge_has_the_new_one.store(true, Ordering::SeqCst);
        pause();
        stop(both);
        let last = begin(&["hook_old"]);
        pause();
        over.store(true, Ordering::SeqCst);
        let sent = sending.join().unwrap();
        stop(last);
        sent
    });
    assert!(sent.len() > 10, "only {} deliveries", sent.len());
    assert_eq!(service.journal(), sent);
}

/// A process that does not outlive a test that fails.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
