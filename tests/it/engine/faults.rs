//! Engines that are not there, that answer strangely, and that go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast::observed::SwarmState;
use holdfast::plan::SwarmAction;
use holdfast::report::Exit;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::*;

/// A server on a unix socket that answers each request with what `answer` says for `METHOD /path`; no answer closes the
/// connection. Requests are counted.
struct Scripted {
    _folder: tempfile::TempDir,
    address: String,
    connections: Arc<AtomicUsize>,
}

type Answers = fn(&str) -> Option<(u16, String)>;

fn scripted(answer: Answers) -> Scripted {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(stream, answer));
        }
    });
    Scripted { _folder: folder, address: format!("unix://{}", path.display()), connections }
}

async fn serve(mut stream: UnixStream, answer: Answers) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let chunked = head.contains("transfer-encoding: chunked");
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        while read.len() < end + length || (chunked && !read.ends_with(b"0\r\n\r\n")) {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let line = String::from_utf8_lossy(&read[..end]).lines().next().unwrap_or_default().to_owned();
        read.drain(..if chunked { read.len() } else { end + length });
        let words: Vec<&str> = line.split(' ').collect();
        let asked = format!("{} {}", words[0], words[1].trim_start_matches("/v1.41"));
        let Some((status, body)) = answer(&asked) else { return };
        let text = format!(
            "HTTP/1.1 {status} X\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24 (linux)\r\nOstype: linux\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn said(status: u16, message: &str) -> (u16, String) {
    (status, json!({ "message": message }).to_string())
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_with_its_address_and_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix://{}/docker.sock", folder.path().display());
    let error = Engine::connect(&address).await.err().unwrap();
    assert_eq!(error.exit(), Exit::Unreachable);
    assert_eq!(error.exit().code(), 75);
    assert!(error.to_string().contains(&format!("docker -H {address} version")), "{error}");
    // A socket file that nobody listens on.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("docker.sock")).unwrap());
    let error = Engine::connect(&address).await.err().unwrap();
    assert!(matches!(error, EngineError::Unreachable { .. }) && error.is_passing(), "{error}");
    for address in ["tcp://192.0.2.1:2375", "unix://", "/run/docker.sock", "unix://relative"] {
        let error = Engine::connect(address).await.err().unwrap();
        assert_eq!(error.exit(), Exit::BadConfig, "{address}");
    }
}

#[tokio::test]
async fn a_server_that_is_no_engine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = [0; 1000];
        assert!(stream.read(&mut read).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
    });
    let error = Engine::connect(&format!("unix://{}", path.display())).await.err().unwrap();
    assert!(matches!(error, EngineError::Version { .. }), "{error}");
}

#[tokio::test]
async fn a_worker_and_a_locked_swarm_are_observed_as_no_manager() {
    let worker = scripted(|asked| {
        match asked {
        "GET /info" => Some((
            200,
            json!({"Name": "w", "OSType": "linux", "Architecture": "x86_64", "Swarm": {"LocalNodeState": "active", "ControlAvailable": false}})
                .to_string(),
        )),
        "GET /swarm" | "POST /services/create" => Some(said(503, "This node is not a swarm manager. Worker nodes cannot be used to view")),
        _ => Some((200, "[]".into())),
    }
    });
    let engine = Engine::connect(&worker.address).await.unwrap();
    let seen = observe(&engine).await;
    assert_eq!(seen.swarm, SwarmState::NotManager("worker".into()));
    assert_eq!((seen.engine.name.as_str(), seen.engine.platform.as_str()), ("w", "linux/amd64"));
    let error = execute(&engine, SwarmAction::CreateService(json!({"Name": "a"}))).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Unreachable, "{error}");
}

#[tokio::test]
async fn a_node_that_becomes_a_manager_between_two_answers_is_no_worker() {
    let starting = scripted(|asked| match asked {
        "GET /info" => {
            Some((200, json!({"Swarm": {"LocalNodeState": "active", "ControlAvailable": true}}).to_string()))
        }
        "GET /swarm" => Some(said(503, "This node is not a swarm manager.")),
        _ => Some((200, "[]".into())),
    });
    let engine = Engine::connect(&starting.address).await.unwrap();
    assert_eq!(observe(&engine).await.swarm, SwarmState::NotManager("pending".into()));
}

#[tokio::test]
async fn connections_are_kept() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let closing = scripted(|asked| {
        if asked == "GET /swarm" {
            return Some(said(503, "This node is not a swarm manager."));
        }
        ASKED.fetch_add(1, Ordering::Relaxed);
        Some((200, "[]".into()))
    });
    let engine = Engine::connect(&closing.address).await.unwrap();
    for _ in 0..20 {
        observe(&engine).await;
    }
    let made = closing.connections.load(Ordering::Relaxed);
    assert!(made <= 4, "{made} connections for {} requests", ASKED.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_write_that_breaks_off_is_not_sent_again() {
    static WRITES: AtomicUsize = AtomicUsize::new(0);
    let breaking = scripted(|asked| match asked {
        "POST /services/create" => {
            WRITES.fetch_add(1, Ordering::Relaxed);
            None
        }
        _ => Some((200, "{}".into())),
    });
    let engine = Engine::connect(&breaking.address).await.unwrap();
    let error = execute(&engine, SwarmAction::CreateService(json!({"Name": "a"}))).await.unwrap_err();
    assert!(matches!(error, EngineError::Lost { .. }) && error.is_stale(), "{error}");
    assert_eq!((WRITES.load(Ordering::Relaxed), engine.writes()), (1, 1));
}

#[tokio::test]
async fn a_load_that_fails_after_its_200_is_an_error() {
    let loading = scripted(|asked| match asked {
        path if path.starts_with("POST /images/load") => {
            let line = json!({"errorDetail": {"message": "no space left on device"}, "error": "no space left on device"});
            Some((200, format!("{{\"stream\":\"Loading\"}}\r\n{line}\r\n")))
        }
        _ => Some((200, "OK".into())),
    });
    let engine = Engine::connect(&loading.address).await.unwrap();
    let empty = futures_util::stream::iter(Vec::<std::io::Result<hyper::body::Bytes>>::new());
    let error = engine.load_image("web", empty).await.unwrap_err();
    assert_eq!(error.to_string(), "image `web` cannot be brought in: no space left on device");
}
