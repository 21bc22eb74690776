//! What is under way, told to the service manager that started this process, as `sd_notify(3)` describes: `systemctl
//! status` shows it, and a start that is still at work gets more time.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use crate::report::plain;

/// Where a service manager listens.
const SOCKET: &str = "NOTIFY_SOCKET";
/// How much time a start gets from each word on: more than any pause between two of them.
const MORE: Duration = Duration::from_secs(120);
/// The same words again are told this often, for the time that they give.
const AGAIN: Duration = Duration::from_secs(20);
/// `systemctl status` shows one line.
const LONGEST: usize = 200;

/// The way to the service manager, where there is one.
pub(crate) struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    said: Option<(String, Instant)>,
}

impl Notify {
    /// As the environment says. Without a service manager nothing is told.
    pub(crate) fn from_environment() -> Self {
        Self::to(std::env::var_os(SOCKET).as_deref())
    }

    fn to(name: Option<&OsStr>) -> Self {
        let open = |name: &OsStr| {
            let address = match name.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // Nobody who does not listen holds up a run.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        };
        Self { socket: name.and_then(open), said: None }
    }

    /// Tells one assignment, such as `READY=1`.
    pub(crate) fn say(&self, assignment: &str) {
        let Some((socket, address)) = &self.socket else { return };
        drop(socket.send_to_addr(format!("{assignment}\n").as_bytes(), address));
    }

    /// Tells what is under way, in one line. What cannot be told is left: it is no reason not to work.
    pub(crate) fn status(&mut self, text: &str) {
        let Some((socket, address)) = &self.socket else { return };
        let text: String = plain(text).chars().take(LONGEST).collect();
        if self.said.as_ref().is_some_and(|(said, at)| *said == text && at.elapsed() < AGAIN) {
            return;
        }
        let message = format!("STATUS={text}\nEXTEND_TIMEOUT_USEC={}\n", MORE.as_micros());
        drop(socket.send_to_addr(message.as_bytes(), address));
        self.said = Some((text, Instant::now()));
    }
}

/// How often the service manager wants a sign of life, if it does and means this process.
pub(crate) fn watchdog() -> Option<Duration> {
    let number = |name: &str| std::env::var_os(name)?.to_str()?.parse::<u64>().ok();
    let ours = std::env::var_os("WATCHDOG_PID").is_none()
        || number("WATCHDOG_PID") == Some(std::process::id().into());
    number("WATCHDOG_USEC").filter(|micros| ours && *micros > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 1024];
        socket.set_nonblocking(true).unwrap();
        let length = socket.recv(&mut bytes).unwrap_or_default();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_line_is_told_once_to_a_path_and_to_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("holdfast-test-{}", std::process::id());
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.as_os_str().to_owned()),
            (
                UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
                format!("@{name}").into(),
            ),
        ];
        for (socket, name) in sockets {
            let mut notify = Notify::to(Some(&name));
            notify.status("gate.page: \u{1b}[2Jno\nREADY=1");
            let told = heard(&socket);
            assert!(told.starts_with("STATUS=gate.page:") && !told.contains("\nREADY"), "{told:?}");
            assert!(told.ends_with("\nEXTEND_TIMEOUT_USEC=120000000\n"), "{told:?}");
            notify.status("gate.page: \u{1b}[2Jno\nREADY=1");
            assert_eq!(heard(&socket), "", "the same was told twice");
            notify.status("done");
            assert!(heard(&socket).starts_with("STATUS=done\n"));
            notify.say("WATCHDOG=1");
            assert_eq!(heard(&socket), "WATCHDOG=1\n");
        }
        Notify::to(Some(OsStr::new("/nowhere/notify"))).status("nobody listens");
        Notify::to(None).status("nobody asked");
    }
}
