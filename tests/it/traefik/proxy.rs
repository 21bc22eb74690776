//! The engine proxy before an engine that misbehaves, and clients that do.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::port;

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Engine: secret\r\nApi-Version: 1.41\r\n\r\n[]";

#[test]
fn nothing_that_a_client_sends_reaches_the_engine_but_the_path() {
    let folder = TempDir::new().unwrap();
    let engine = folder.path().join("engine.sock");
    let asked = answering(&engine, EMPTY.as_bytes().to_vec());
    let proxy = start(&engine);
    // Two requests on one connection: the second is judged on its own, and goes nowhere.
    let said = send(
        proxy,
        "GET /v1.41/services HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\nX-Registry-Auth: a\r\n\r\n\
         POST /v1.41/containers/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    assert!(said.contains("HTTP/1.1 200 OK") && said.contains("HTTP/1.1 403"), "{said}");
    assert_eq!(said.matches("HTTP/1.1 ").count(), 2, "{said}");
    assert!(said.contains("api-version: 1.41") && !said.contains("secret"), "{said}");
    let request = asked.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(request, "GET /v1.41/services HTTP/1.1\r\nhost: docker\r\n\r\n");
    assert!(asked.recv_timeout(Duration::from_millis(200)).is_err(), "a second request reached the engine");
}

#[test]
fn an_engine_that_is_not_there_or_talks_nonsense_is_a_bad_gateway() {
    let folder = TempDir::new().unwrap();
    let get = "GET /services HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let absent = start(&folder.path().join("absent.sock"));
    assert!(send(absent, get).starts_with("HTTP/1.1 502"));

    let nonsense = folder.path().join("nonsense.sock");
    let body = "poison";
    let _asked =
        answering(&nonsense, format!("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{body}").into_bytes());
    let said = send(start(&nonsense), get);
    assert!(said.starts_with("HTTP/1.1 502") && !said.contains(body), "{said}");

    let huge = folder.path().join("huge.sock");
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 80000000\r\n\r\n".to_vec();
    answer.resize(80_000_000, b' ');
    let _asked = answering(&huge, answer);
    assert!(send(start(&huge), get).starts_with("HTTP/1.1 502"));

    // The engine's own refusal keeps its status and its words, and nothing else.
    let refusing = folder.path().join("refusing.sock");
    let body = r#"{"message":"This node is not a swarm manager.","detail":"poison"}"#;
    let length = body.len();
    let answer = format!("HTTP/1.1 503 Service Unavailable\r\nContent-Length: {length}\r\n\r\n{body}");
    let _asked = answering(&refusing, answer.into_bytes());
    let said = send(start(&refusing), get);
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("not a swarm manager"), "{said}");
    assert!(!said.contains("poison"), "{said}");
}

#[test]
fn oversized_heads_are_refused_and_connections_are_counted() {
    let folder = TempDir::new().unwrap();
    let engine = folder.path().join("engine.sock");
    let _asked = answering(&engine, EMPTY.as_bytes().to_vec());
    let proxy = start(&engine);
    let long = format!("GET /services HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(40_000));
    let many = format!("GET /services HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: a\r\n".repeat(100));
    for head in [long, many] {
        let said = send(proxy, &head);
        assert!(said.starts_with("HTTP/1.1 431") || said.starts_with("HTTP/1.1 400"), "{said}");
    }
    let mut idle: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(proxy).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(200));
    let mut late = TcpStream::connect(proxy).unwrap();
    late.write_all(b"GET /services HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    late.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(late.read(&mut [0; 1]).is_err(), "the 65th connection was served beside 64 others");
    idle.pop();
    late.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut said = String::new();
    late.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
}

/// A proxy before `engine`; it ends with the test binary.
fn start(engine: &Path) -> SocketAddr {
    let listen = port::own_address();
    let engine = engine.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holdfast::proxy::serve(listen, engine, std::future::pending())).unwrap();
    });
    for _ in 0..1000 {
        if TcpStream::connect(listen).is_ok() {
            return listen;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the proxy does not listen");
}

/// An engine that gives each connection the same answer; tells what it was asked.
fn answering(socket: &Path, answer: Vec<u8>) -> Receiver<String> {
    let listener = UnixListener::bind(socket).unwrap();
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            // The test may be over, and a client that has seen enough may be gone.
            drop(tell.send(String::from_utf8(head).unwrap()));
            drop(stream.write_all(&answer));
        }
    });
    asked
}

fn send(proxy: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut said = Vec::new();
    drop(stream.read_to_end(&mut said));
    String::from_utf8_lossy(&said).into_owned()
}
