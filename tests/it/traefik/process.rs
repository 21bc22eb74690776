//! The generated files under the real Traefik as a process on loopback.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::desired::ImageSpec;
use serde_json::json;
use tempfile::TempDir;

use super::clients::{Client, hello};
use super::{Authority, program, put_certificate, stack, static_text};
use crate::support::port;

/// Ends the process with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_generated_files_serve_the_wildcard_redirect_refuse_tls_1_1_and_rotate_under_load() {
    let folder = TempDir::new().unwrap();
    let dynamic = folder.path().join("dynamic");
    std::fs::create_dir(&dynamic).unwrap();
    let [web, secure, ping] = [(); 3].map(|()| port::own());
    let output = stack(folder.path(), &images(), |text| {
        text["traefik"]["web_port"] = json!(web);
        text["traefik"]["web_secure_port"] = json!(secure);
        text["traefik"]["access_log"] = json!(true);
    });
    let authority = Authority::new();
    let (old, new) = (authority.wildcard(), authority.wildcard());
    put_certificate(&output, &old, &dynamic);
    let config = folder.path().join("traefik.yml");
    std::fs::write(&config, on_loopback(&static_text(&output), &dynamic, ping)).unwrap();
    let _traefik = start(&config, &folder.path().join("log"));

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, secure));
    let client = Client::new(&authority.root, address);
    // The client verifies the chain and the name, so the wildcard covers this host.
    let seen = client.wait("any.example.org", |_| true);
    assert_eq!(seen.leaf, old.leaf);
    assert!(seen.answer.starts_with("HTTP/1.1 404"), "{}", seen.answer);
    let error = client.get("two.deep.example.org").err().unwrap();
    assert!(error.contains("certificate"), "{error}");

    assert_eq!(
        hello(address, 0x0302, "any.example.org"),
        (0x15, Some(70)),
        "TLS 1.1 is not refused by its version"
    );
    assert_eq!(
        hello(address, 0x0303, "any.example.org"),
        (0x16, None),
        "the same hello for TLS 1.2 must pass"
    );

    let redirected = plain(web, "any.example.org:80");
    assert!(redirected.starts_with("HTTP/1.1 301") || redirected.starts_with("HTTP/1.1 308"), "{redirected}");
    let location = format!("location: https://any.example.org:{secure}/path?q=1");
    assert!(redirected.to_ascii_lowercase().contains(&location), "{redirected}");

    let config = format!("--configFile={}", config.display());
    let healthy = Command::new(program()).args(["healthcheck", &config]).env_clear().output().unwrap();
    assert!(healthy.status.success(), "{}", String::from_utf8_lossy(&healthy.stdout));

    let mut rotated = Instant::now();
    let load = client.load("any.example.org", || {
        std::thread::sleep(Duration::from_secs(2));
        rotated = Instant::now();
        put_certificate(&output, &new, &dynamic);
        std::thread::sleep(Duration::from_secs(4));
    });
    load.assert_rotated(&old.leaf, &new.leaf, rotated);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        log.contains("any.example.org") || log.contains("\"GET / HTTP/1.1\" 404"),
        "no access log:\n{log}"
    );
    // Traefik 3 always says that it starts its provider for TLS-ALPN challenges, so the word alone proves nothing.
    let generated = static_text(&output).to_ascii_lowercase();
    assert!(!generated.contains("acme") && !generated.contains("resolver"), "{generated}");
}

fn images() -> BTreeMap<String, ImageSpec> {
    ["traefik", "holdfast"]
        .map(|name| (name.to_owned(), ImageSpec { reference: format!("{name}:1"), source: None }))
        .into()
}

/// The static configuration as generated, but for what a container gives: its own loopback, paths and names.
fn on_loopback(text: &str, dynamic: &Path, ping: u16) -> String {
    let mut text = text.to_owned();
    for (from, to) in [
        ("\":", "\"127.0.0.1:".to_owned()),
        ("/etc/traefik/dynamic", dynamic.display().to_string()),
        ("127.0.0.1:8082", format!("127.0.0.1:{ping}")),
        ("tcp://socket-proxy:2375", "tcp://127.0.0.1:9".to_owned()),
    ] {
        assert!(text.contains(from), "{from} is not in\n{text}");
        text = text.replace(from, &to);
    }
    text
}

fn start(config: &Path, log: &Path) -> Running {
    let log = std::fs::File::create(log).unwrap();
    let child = Command::new(program())
        .arg(format!("--configFile={}", config.display()))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    Running(child.unwrap())
}

/// The answer to a plain request on the entry point `web`.
fn plain(port: u16, host: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let request = format!("GET /path?q=1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
