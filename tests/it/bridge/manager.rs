//! What the service manager is told: ready, alive, stopping; and nothing once the work hangs.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::service::{Service, command, delivery};

/// Lines that were told until nothing more is for `quiet`, at most for `long`.
fn told(socket: &UnixDatagram, quiet: Duration, long: Duration) -> Vec<String> {
    socket.set_read_timeout(Some(quiet)).unwrap();
    let (began, mut all) = (Instant::now(), Vec::new());
    let mut bytes = [0; 256];
    while began.elapsed() < long {
        let Ok(length) = socket.recv(&mut bytes) else { break };
        all.push(String::from_utf8_lossy(&bytes[..length]).trim().to_owned());
    }
    all
}

#[test]
fn the_service_manager_hears_of_life_only_while_the_work_goes_on() {
    let mut service = Service::start(|_| {});
    service.kill();
    let path = service.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut start = command(service.folder.path());
    start.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "900000");
    let mut child = start.spawn().unwrap();
    let beats = told(&socket, Duration::from_secs(20), Duration::from_secs(3));
    let ready = "READY=1\nSTATUS=deliveries are kept, and wait: missing the bot's token and the Drone token";
    assert!(beats.contains(&ready.to_owned()), "{beats:?}");
    assert!(beats.iter().filter(|line| *line == "WATCHDOG=1").count() >= 4, "{beats:?}");
    // Somebody holds the journal: the thread behind it hangs, and with it the work.
    let journal = Connection::open(service.file("state/bridge/journal.db")).unwrap();
    journal.execute_batch("BEGIN IMMEDIATE").unwrap();
    let hook = service.hook;
    let waiting = std::thread::spawn(move || {
        super::service::ask(hook, &super::service::signed(&super::service::body(&delivery(1)))).0
    });
    std::thread::sleep(Duration::from_millis(500));
    drop(told(&socket, Duration::from_millis(1), Duration::from_millis(50)));
    let silent = told(&socket, Duration::from_millis(1800), Duration::from_millis(1800));
    assert_eq!(silent, [""; 0], "a sign of life of what hangs: twice the time that systemd waits");
    journal.execute_batch("ROLLBACK").unwrap();
    assert_eq!(waiting.join().unwrap(), 202, "and nothing was lost over it");
    assert!(!told(&socket, Duration::from_secs(2), Duration::from_millis(100)).is_empty());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let last = told(&socket, Duration::from_millis(10), Duration::from_secs(2));
    assert!(last.contains(&"STOPPING=1".to_owned()), "{last:?}");

    // One that is not meant is not told anything of.
    let mut other = command(service.folder.path());
    other.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "900000").env("WATCHDOG_PID", "1");
    let mut child = other.spawn().unwrap();
    let said = told(&socket, Duration::from_secs(2), Duration::from_secs(3));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.len() == 1 && said[0].starts_with("READY=1"), "{said:?}");
}
