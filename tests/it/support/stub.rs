//! A recording stand-in for the engine: enough of its API that the real docker CLI deploys a stack to it.
//!
//! Every request is kept with its body. Objects that a deploy creates are answered back as an engine would, so
//! that the CLI goes on to the services. Dropping the stub closes the socket and ends its threads.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The API version of the CLI that the tests are written against.
const API: &str = "1.50";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET`, `POST` ...
    pub(crate) method: String,
    /// Path without version prefix and query.
    pub(crate) path: String,
    /// The query as it was sent.
    query: String,
    /// The parsed body, null without one.
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    objects: BTreeMap<String, Vec<Value>>,
    /// True to have every network, secret and config that is asked for by name.
    generous: bool,
}

/// A running stub.
pub(crate) struct Stub {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
}

impl Stub {
    /// Listens on `socket`, and has every network, secret and config that somebody refers to and nobody made.
    pub(crate) fn start_generous(socket: &Path) -> Self {
        let stub = Self::start(socket);
        stub.state.lock().unwrap().generous = true;
        stub
    }

    /// Path and body of every `POST`, in the order of their arrival.
    pub(crate) fn posts(&self) -> Vec<(String, Value)> {
        let state = self.state.lock().unwrap();
        let posts = state.requests.iter().filter(|request| request.method == "POST");
        posts.map(|request| (request.path.clone(), request.body.clone())).collect()
    }

    /// Listens on `socket`.
    pub(crate) fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("bind the stub's socket");
        let stub = Self { socket: socket.to_owned(), state: Arc::default(), stop: Arc::default() };
        let (state, stop) = (Arc::clone(&stub.state), Arc::clone(&stub.stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(stream), state) = (stream, Arc::clone(&state)) else { continue };
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        stub
    }

    /// Puts an object there before the run: `kind` is `networks`, `secrets`, `configs` or `services`.
    pub(crate) fn preload(&self, kind: &str, name: &str) {
        let mut state = self.state.lock().unwrap();
        let object = stored(&json!({ "Name": name }), name);
        state.objects.entry(kind.to_owned()).or_default().push(object);
    }

    /// The bodies of `POST /<kind>/create`, by name.
    pub(crate) fn created(&self, kind: &str) -> BTreeMap<String, Value> {
        let path = format!("/{kind}/create");
        let state = self.state.lock().unwrap();
        let creates =
            state.requests.iter().filter(|request| request.method == "POST" && request.path == path);
        creates.map(|request| (text(&request.body["Name"]), request.body.clone())).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(UnixStream::connect(&self.socket));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn stored(body: &Value, name: &str) -> Value {
    let id = format!("id_{name}");
    json!({ "ID": id, "Id": id, "Name": name, "Scope": "swarm", "Version": { "Index": 1 }, "Spec": body })
}

fn serve(stream: UnixStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let head = request.method == "HEAD";
        let (status, body) = answer(&request, &mut state.lock().unwrap());
        let body = body.to_string();
        write!(
            out,
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nApi-Version: {API}\r\nOstype: linux\r\n\
             Swarm: active/manager\r\nContent-Length: {}\r\n\r\n{}",
            body.len(),
            if head { "" } else { &body }
        )?;
        out.flush()?;
    }
    Ok(())
}

fn read(reader: &mut BufReader<UnixStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or_default();
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..size]);
        chunked = size > 0;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = match path.strip_prefix("/v1.") {
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => path,
    };
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Ok(Some(Request { method, path: path.to_owned(), query: query.to_owned(), body }))
}

/// The names in the `filters` of a query.
fn wanted(query: &str) -> Vec<String> {
    let filters = query.split('&').find_map(|pair| pair.strip_prefix("filters=")).unwrap_or_default();
    let filters: Value = serde_json::from_str(&decoded(filters)).unwrap_or_default();
    filters["name"].as_object().map(|names| names.keys().cloned().collect()).unwrap_or_default()
}

/// Text without its `%XX`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = [rest.clone().next(), rest.clone().nth(1)].map(Option::unwrap_or_default);
        match u8::from_str_radix(&String::from_utf8_lossy(&hex), 16) {
            Ok(code) if byte == b'%' => {
                bytes.push(code);
                rest.nth(1);
            }
            _ => bytes.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn answer(request: &Request, state: &mut State) -> (u16, Value) {
    state.requests.push(request.clone());
    let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        (_, ["_ping"]) => (200, json!("OK")),
        ("GET", ["info"]) => (200, json!({ "Swarm": { "ControlAvailable": true } })),
        ("GET", [kind @ ("secrets" | "configs")]) if state.generous => {
            let known = state.objects.get(*kind).map(Vec::as_slice).unwrap_or_default();
            let named = wanted(&request.query).into_iter().map(|name| {
                let found = known.iter().find(|object| object["Name"] == name.as_str());
                found.cloned().unwrap_or_else(|| stored(&json!({ "Name": name }), &name))
            });
            (200, named.collect())
        }
        ("GET", ["networks", name]) if state.generous => (200, stored(&json!({ "Name": name }), name)),
        ("GET", [kind @ ("networks" | "secrets" | "configs" | "services")]) => {
            (200, Value::Array(state.objects.get(*kind).cloned().unwrap_or_default()))
        }
        ("POST", [kind, "create"]) => {
            let name = text(&request.body["Name"]);
            let object = stored(&request.body, &name);
            state.objects.entry((*kind).to_owned()).or_default().push(object.clone());
            (201, object)
        }
        ("GET", [kind, name]) => {
            let mut objects = state.objects.get(*kind).into_iter().flatten();
            let found = objects.find(|object| object["Name"] == *name || object["ID"] == *name);
            found.map_or((404, json!({ "message": "not found" })), |object| (200, object.clone()))
        }
        _ => (200, json!([])),
    }
}
