//! A socket between the program and the engine that counts writes and stops the world at one of them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

/// When to stop at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before the engine has heard of it.
    Before,
    /// After the engine has answered, before the program has heard of that.
    After,
}

/// A relay in front of an engine's socket.
pub(crate) struct Relay {
    /// Where the program connects.
    pub(crate) socket: PathBuf,
    writes: Arc<AtomicUsize>,
    stopped: mpsc::Receiver<()>,
}

impl Relay {
    /// Relays `engine` at `socket`. At write number `at` (from 1) the connection is held for good, and
    /// [`Self::wait`] returns.
    pub(crate) fn start(socket: &Path, engine: &Path, at: Option<(usize, When)>) -> Self {
        drop(std::fs::remove_file(socket));
        let listener = UnixListener::bind(socket).expect("the relay's socket");
        let writes = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = mpsc::channel();
        let (count, engine) = (Arc::clone(&writes), engine.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let line = Line { count: Arc::clone(&count), at, stop: stop.clone() };
                let Ok(server) = UnixStream::connect(&engine) else { continue };
                thread::spawn(move || drop(line.relay(&client, &server)));
            }
        });
        Self { socket: socket.to_owned(), writes, stopped }
    }

    /// Writes that came through so far.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Waits until the write is held; false when that does not happen in `seconds`.
    pub(crate) fn wait(&self, seconds: u64) -> bool {
        self.stopped.recv_timeout(std::time::Duration::from_secs(seconds)).is_ok()
    }
}

/// One connection.
struct Line {
    count: Arc<AtomicUsize>,
    at: Option<(usize, When)>,
    stop: mpsc::Sender<()>,
}

impl Line {
    fn relay(&self, client: &UnixStream, server: &UnixStream) -> io::Result<()> {
        let (mut requests, mut answers) = (BufReader::new(client), BufReader::new(server));
        loop {
            let Some(head) = head(&mut requests)? else { return server.shutdown(Shutdown::Both) };
            let is_read = head.starts_with("GET ") || head.starts_with("HEAD ");
            let number = if is_read { 0 } else { self.count.fetch_add(1, Ordering::SeqCst) + 1 };
            self.hold(number, When::Before);
            let mut to_server = server;
            to_server.write_all(head.as_bytes())?;
            body(&head, &mut requests, &mut to_server)?;
            let Some(answer) = self::head(&mut answers)? else { return client.shutdown(Shutdown::Both) };
            self.hold(number, When::After);
            let mut to_client = client;
            to_client.write_all(answer.as_bytes())?;
            let status = answer.split(' ').nth(1).unwrap_or_default();
            if !head.starts_with("HEAD ") && status != "204" && status != "304" {
                body(&answer, &mut answers, &mut to_client)?;
            }
        }
    }

    /// Holds this connection for good when this is the write to stop at.
    fn hold(&self, number: usize, when: When) {
        if number > 0 && self.at == Some((number, when)) {
            self.stop.send(()).unwrap_or_default();
            thread::park();
            thread::sleep(std::time::Duration::from_secs(3600));
        }
    }
}

/// Reads a request's or answer's head, empty line included; `None` at the end of the connection.
pub(crate) fn head(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut head = String::new();
    loop {
        if from.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        if head.ends_with("\r\n\r\n") {
            return Ok(Some(head));
        }
    }
}

pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

/// Copies a body by its length or chunk by chunk, as it comes.
pub(super) fn body(head: &str, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    if header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let mut size = String::new();
            from.read_line(&mut size)?;
            to.write_all(size.as_bytes())?;
            let length = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            io::copy(&mut from.take(length + 2), to)?;
            if length == 0 {
                return Ok(());
            }
        }
    }
    let length = header(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    io::copy(&mut from.take(length), to).map(drop)
}
