//! A relay in front of a forge that counts what it is asked, and can keep a write for good.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where a write is held for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Before the forge has heard of it.
    Before,
    /// After the forge has answered.
    After,
}

/// The write that is held.
enum Held {
    Number(usize, Hold),
    /// The next that begins like this, after the forge has answered.
    Begins(String),
}

/// What relays count together.
#[derive(Default)]
pub(crate) struct Count {
    writes: AtomicUsize,
    reads: AtomicUsize,
    /// First lines of the writes, for whoever wonders.
    lines: Mutex<Vec<String>>,
    hold: Mutex<Option<Held>>,
    held: AtomicUsize,
}

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    pub(crate) count: Arc<Count>,
}

impl Count {
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Everything that it was asked, writes included.
    pub(crate) fn calls(&self) -> usize {
        self.writes() + self.reads.load(Ordering::SeqCst)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("a lock").clone()
    }

    /// Holds the `number`-th write from now on.
    pub(crate) fn hold(&self, number: usize, hold: Hold) {
        self.keep(Held::Number(self.writes() + number, hold));
    }

    /// Holds the answer of the next write that begins like this: `POST /api/v1/users/`.
    pub(crate) fn hold_answer(&self, begin: &str) {
        self.keep(Held::Begins(begin.to_owned()));
    }

    fn keep(&self, held: Held) {
        *self.hold.lock().expect("a lock") = Some(held);
        self.held.store(0, Ordering::SeqCst);
    }

    /// Counts a call; where it is to be held, if it is.
    fn take(&self, line: String) -> Option<Hold> {
        if line.starts_with("GET ") {
            self.reads.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let is_it = |held: &mut Held| match held {
            Held::Number(wanted, _) => *wanted == number,
            Held::Begins(begin) => line.starts_with(begin.as_str()),
        };
        let held = self.hold.lock().expect("a lock").take_if(is_it);
        self.lines.lock().expect("a lock").push(line);
        held.map(|held| if let Held::Number(_, hold) = held { hold } else { Hold::After })
    }

    pub(crate) fn let_go(&self) {
        *self.hold.lock().expect("a lock") = None;
    }

    pub(crate) fn has_held(&self) -> bool {
        self.held.load(Ordering::SeqCst) > 0
    }
}

impl Relay {
    pub(crate) fn to(url: &str) -> Self {
        Self::counting(url, &Arc::default())
    }

    /// Counts together with others.
    pub(crate) fn counting(url: &str, count: &Arc<Count>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let relay = Self { address: listener.local_addr().expect("an address"), count: Arc::clone(count) };
        let (count, server) = (Arc::clone(count), url.trim_start_matches("http://").to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (count, server) = (Arc::clone(&count), server.clone());
                thread::spawn(move || pass(client, &server, &count));
            }
        });
        relay
    }
}

/// One connection, which carries one call.
fn pass(mut client: TcpStream, server: &str, count: &Count) {
    let mut seen = Vec::new();
    let mut byte = [0; 1];
    while !seen.ends_with(b"\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
        seen.extend_from_slice(&byte);
    }
    let line = String::from_utf8_lossy(&seen).trim().to_owned();
    let hold = count.take(line);
    let keep = |client: TcpStream| {
        count.held.fetch_add(1, Ordering::SeqCst);
        // It stays open, and nothing comes.
        std::mem::forget(client);
    };
    if hold == Some(Hold::Before) {
        return keep(client);
    }
    let Ok(mut upstream) = TcpStream::connect(server) else { return };
    drop(upstream.write_all(&seen));
    let (mut from, mut to) = (client.try_clone().expect("a socket"), upstream.try_clone().expect("a socket"));
    thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
    if hold == Some(Hold::After) {
        drop(std::io::copy(&mut upstream, &mut std::io::sink()));
        return keep(client);
    }
    drop(std::io::copy(&mut upstream, &mut client));
    drop(client.shutdown(std::net::Shutdown::Both));
}
