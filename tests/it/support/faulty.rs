//! A relay before a real engine that spoils chosen exchanges: what an engine, a proxy or a network does on a bad day.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::relay::{body, head, header};

/// What is done to an exchange.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The engine never hears of it, and this is answered.
    Answer(u16, String),
    /// The engine never hears of it, and the connection ends.
    DropBefore,
    /// The engine does it, and the connection ends without its answer.
    DropAfter,
    /// The engine does it, and the connection ends in the middle of the answer's body.
    Cut,
    /// The engine does it; half of the answer's body comes, as if it were all.
    Half,
    /// The engine does it, and the answer is what it was the last time. Nothing happens the first time.
    Stale,
    /// The engine does it, and its answer is changed.
    Change(fn(&mut Value)),
    /// Before the engine hears of it, something else happens to the swarm.
    Meddle(Arc<dyn Fn() + Send + Sync>),
    /// No answer ever comes; the engine never hears of it.
    Hang,
    /// The engine never hears of it, and the answer never ends.
    Endless,
}

impl Fault {
    /// An error as the engine tells it.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::Answer(status, json!({ "message": message }).to_string())
    }
}

/// Which exchanges: `POST /services/create`, or `POST` for every write of that method, or `*` for every write.
#[derive(Clone)]
pub(crate) struct Spoil {
    pub(crate) what: &'static str,
    /// The first one that is spoilt, from 1.
    pub(crate) from: usize,
    /// How many of them.
    pub(crate) times: usize,
    pub(crate) fault: Fault,
}

#[derive(Default)]
struct State {
    spoil: Vec<Spoil>,
    seen: Vec<usize>,
    spoilt: Vec<String>,
    writes: Vec<String>,
    answers: BTreeMap<String, Vec<u8>>,
}

/// A relay in front of an engine's socket.
pub(crate) struct Faulty {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Faulty {
    /// Relays `engine` at `socket`.
    pub(crate) fn start(socket: &Path, engine: &Path) -> Self {
        drop(std::fs::remove_file(socket));
        let listener = UnixListener::bind(socket).expect("the relay's socket");
        let faulty = Self { socket: socket.to_owned(), state: Arc::default() };
        let (state, engine) = (Arc::clone(&faulty.state), engine.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (state, engine) = (Arc::clone(&state), engine.clone());
                thread::spawn(move || {
                    if let Ok(server) = UnixStream::connect(&engine) {
                        drop(relay(&state, &client, &server));
                        drop(client.shutdown(Shutdown::Both));
                        drop(server.shutdown(Shutdown::Both));
                    }
                });
            }
        });
        faulty
    }

    /// Where the program connects.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// From now on these are spoilt and no others; counts begin anew.
    pub(crate) fn spoil(&self, spoil: Vec<Spoil>) {
        let mut state = self.state.lock().unwrap();
        state.seen = vec![0; spoil.len()];
        state.spoil = spoil;
        state.spoilt.clear();
        state.writes.clear();
    }

    /// The exchanges that were spoilt.
    pub(crate) fn spoilt(&self) -> Vec<String> {
        self.state.lock().unwrap().spoilt.clone()
    }

    /// The writes that came, `POST /services/create`, with those that the engine never heard of.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.state.lock().unwrap().writes.clone()
    }
}

impl State {
    /// What is to be done to the next exchange.
    fn next(&mut self, asked: &str) -> Option<Fault> {
        let write = !asked.starts_with("GET ") && !asked.starts_with("HEAD ");
        if write {
            self.writes.push(asked.to_owned());
        }
        for (spoil, seen) in self.spoil.iter().zip(&mut self.seen) {
            let method = asked.split(' ').next().unwrap_or_default();
            if spoil.what != asked && spoil.what != method && !(spoil.what == "*" && write) {
                continue;
            }
            *seen += 1;
            if (spoil.from..spoil.from + spoil.times).contains(seen) {
                self.spoilt.push(asked.to_owned());
                return Some(spoil.fault.clone());
            }
        }
        None
    }
}

/// `GET /services`: no version, no query, and no name or id of a single object.
fn asked(head: &str) -> String {
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let path: Vec<&str> =
        path.trim_start_matches('/').split('/').filter(|part| !part.starts_with("v1.")).collect();
    let path = match path.as_slice() {
        [kind, _, "update"] => format!("{kind}/ID/update"),
        [kind, last] if !matches!(*last, "create" | "load" | "json" | "init" | "update" | "leave") => {
            format!("{kind}/ID")
        }
        path => path.join("/"),
    };
    format!("{method} /{path}")
}

fn relay(state: &Mutex<State>, mut client: &UnixStream, mut server: &UnixStream) -> io::Result<()> {
    let (mut requests, mut answers) = (BufReader::new(client), BufReader::new(server));
    while let Some(request) = head(&mut requests)? {
        let asked = asked(&request);
        let fault = state.lock().unwrap().next(&asked);
        match &fault {
            Some(Fault::DropBefore) => return Ok(()),
            Some(Fault::Answer(..) | Fault::Hang | Fault::Endless) => {
                body(&request, &mut requests, &mut io::sink())?;
                alone(fault.as_ref(), &mut requests, client)?;
                continue;
            }
            Some(Fault::Meddle(act)) => act(),
            _ => {}
        }
        server.write_all(request.as_bytes())?;
        body(&request, &mut requests, &mut server)?;
        let Some(answer) = head(&mut answers)? else { return Ok(()) };
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let has_body = !request.starts_with("HEAD ") && status != "204" && status != "304";
        if fault.is_none() && !asked.starts_with("GET ") {
            client.write_all(answer.as_bytes())?;
            if has_body {
                body(&answer, &mut answers, &mut client)?;
            }
            continue;
        }
        let mut bytes = Vec::new();
        if has_body {
            body(&answer, &mut answers, &mut bytes)?;
        }
        let Some(whole) = altered(fault.as_ref(), state, &asked, plain(&answer, &bytes)) else {
            if matches!(fault, Some(Fault::Cut)) {
                client.write_all(answer.as_bytes())?;
                client.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
            }
            return Ok(());
        };
        let framing = |line: &&str| {
            let line = line.to_ascii_lowercase();
            line.starts_with("content-length:") || line.starts_with("transfer-encoding:")
        };
        let lines: Vec<&str> = answer.trim_end().lines().filter(|line| !framing(line)).collect();
        let answer = format!("{}\r\nContent-Length: {}\r\n\r\n", lines.join("\r\n"), whole.len());
        client.write_all(answer.as_bytes())?;
        if has_body {
            client.write_all(&whole)?;
        }
    }
    Ok(())
}

/// Answers without the engine.
fn alone(fault: Option<&Fault>, requests: &mut impl BufRead, mut client: &UnixStream) -> io::Result<()> {
    match fault {
        Some(Fault::Answer(status, text)) => {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: ");
            client.write_all(format!("{head}{}\r\n\r\n{text}", text.len()).as_bytes())
        }
        Some(Fault::Endless) => {
            client.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            loop {
                client.write_all(chunk.as_bytes())?;
            }
        }
        // The other end hangs up one day.
        _ => requests.read_until(0, &mut Vec::new()).map(drop),
    }
}

/// What becomes of the engine's answer; `None` where it does not come whole.
fn altered(fault: Option<&Fault>, state: &Mutex<State>, asked: &str, whole: Vec<u8>) -> Option<Vec<u8>> {
    match fault {
        None => {
            state.lock().unwrap().answers.insert(asked.to_owned(), whole.clone());
            Some(whole)
        }
        Some(Fault::DropAfter | Fault::Cut) => None,
        Some(Fault::Half) => Some(whole.get(..whole.len() / 2).unwrap_or_default().to_vec()),
        Some(Fault::Stale) => Some(state.lock().unwrap().answers.get(asked).cloned().unwrap_or(whole)),
        Some(Fault::Change(change)) => Some(match serde_json::from_slice(&whole) {
            Ok(mut value) => {
                change(&mut value);
                value.to_string().into_bytes()
            }
            Err(_) => whole,
        }),
        Some(_) => Some(whole),
    }
}

/// A body without its chunks.
fn plain(head: &str, bytes: &[u8]) -> Vec<u8> {
    if header(head, "transfer-encoding").is_none() {
        return bytes.to_vec();
    }
    let (mut rest, mut out) = (bytes, Vec::new());
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let (size, after) = rest.split_at(end);
        let size = usize::from_str_radix(String::from_utf8_lossy(size).trim(), 16).unwrap_or(0);
        let after = after.get(2..).unwrap_or_default();
        out.extend_from_slice(after.get(..size).unwrap_or_default());
        rest = after.get(size + 2..).unwrap_or_default();
        if size == 0 {
            break;
        }
    }
    out
}
