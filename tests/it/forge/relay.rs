//! A relay in front of a forge that counts what is no `GET`, and can keep a write for good.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where a write is held for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Before the forge has heard of it.
    Before,
    /// After the forge has answered.
    After,
}

/// What relays count together.
#[derive(Default)]
pub(super) struct Count {
    writes: AtomicUsize,
    /// First lines of the writes, for whoever wonders.
    lines: Mutex<Vec<String>>,
    /// The number of the write that is held.
    hold: Mutex<Option<(usize, Hold)>>,
    held: AtomicUsize,
}

pub(super) struct Relay {
    pub(super) address: SocketAddr,
}

impl Count {
    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("a lock").clone()
    }

    /// Holds the `number`-th write from now on.
    pub(super) fn hold(&self, number: usize, hold: Hold) {
        *self.hold.lock().expect("a lock") = Some((self.writes() + number, hold));
        self.held.store(0, Ordering::SeqCst);
    }

    pub(super) fn let_go(&self) {
        *self.hold.lock().expect("a lock") = None;
    }

    pub(super) fn has_held(&self) -> bool {
        self.held.load(Ordering::SeqCst) > 0
    }
}

impl Relay {
    /// Counts together with others.
    pub(super) fn counting(url: &str, count: &Arc<Count>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let relay = Self { address: listener.local_addr().expect("an address") };
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
    let mut hold = None;
    if !line.starts_with("GET ") {
        count.lines.lock().expect("a lock").push(line);
        let number = count.writes.fetch_add(1, Ordering::SeqCst) + 1;
        hold =
            count.hold.lock().expect("a lock").filter(|(wanted, _)| *wanted == number).map(|(_, hold)| hold);
    }
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
