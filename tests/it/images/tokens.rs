//! Token authentication, against a scripted registry: the real one needs a token server of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Desk;
use crate::support::registry::{FIRST, USER};

/// What a request asked: path with query, and its `Authorization`.
type Asked = (String, String);

/// Answers one request a connection by `script`, and notes what was asked.
fn serve(
    listener: TcpListener,
    script: impl Fn(&Asked) -> String + Send + 'static,
) -> Arc<Mutex<Vec<Asked>>> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop(answer(stream, &script, &notes));
        }
    });
    asked
}

fn answer(
    mut stream: TcpStream,
    script: &impl Fn(&Asked) -> String,
    notes: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut authorization = String::new();
    for line in lines {
        let line = line?;
        if let Some(value) = line.strip_prefix("authorization: ") {
            value.clone_into(&mut authorization);
        }
        if line.is_empty() {
            break;
        }
    }
    let asked = (first.split(' ').nth(1).unwrap_or_default().to_owned(), authorization);
    let answer = script(&asked);
    notes.lock().unwrap().push(asked);
    stream.write_all(answer.as_bytes())
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    (listener, name)
}

fn login(name: &str) -> impl FnOnce(&mut Value) {
    let name = name.to_owned();
    move |manifest| {
        manifest["secrets"] = json!({ "pull": { "file": "secrets.yaml", "key": "password" } });
        manifest["registries"] = json!({ name: { "username": USER, "password": { "secret": "pull" } } });
    }
}

fn basic() -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{}", FIRST.0)))
}

#[test]
fn a_token_is_fetched_with_the_login_and_follows_no_redirect_to_another_host() {
    let desk = Desk::new();
    let config = r#"{"os":"linux","architecture":"riscv64"}"#;
    let digest = |text: &str| {
        use sha2::Digest as _;
        format!("sha256:{:x}", sha2::Sha256::digest(text))
    };
    let manifest =
        json!({ "schemaVersion": 2, "config": { "digest": digest(config) }, "layers": [] }).to_string();
    // A store of blobs that the registry points to, as those of clouds do.
    let (store, store_name) = listen();
    let stored = serve(store, move |_| http("200 OK", "", config));
    let (listener, name) = listen();
    let challenge = format!(
        "www-authenticate: Bearer realm=\"http://{name}/token\",service=\"lab\",scope=\"repository:team/app:pull\"\r\n"
    );
    let (body, locked) = (manifest.clone(), digest(&manifest));
    let asked = serve(listener, move |(path, authorization)| {
        if path.starts_with("/token") {
            return http("200 OK", "", r#"{"token":"opaque","expires_in":60}"#);
        }
        match authorization.as_str() {
            "Bearer opaque" if path.contains("/blobs/") => http(
                "307 Temporary Redirect",
                &format!("location: http://{store_name}/blob?signed=1\r\n"),
                "",
            ),
            "Bearer opaque" => http("200 OK", "", &body),
            _ => http("401 Unauthorized", &challenge, ""),
        }
    });
    desk.write(&[&format!("{name}/team/app:1.0")], login(&name));
    desk.lock(&[]).expect(0);
    let text = fs::read_to_string(desk.path("holdfast.lock.json")).unwrap();
    assert!(text.contains(&locked) && text.contains("linux/riscv64"), "{text}");

    let asked = asked.lock().unwrap().clone();
    let paths: BTreeMap<&str, &str> = asked.iter().map(|(path, by)| (path.as_str(), by.as_str())).collect();
    let token = "/token?service=lab&scope=repository:team/app:pull";
    assert_eq!(paths.get(token), Some(&basic().as_str()), "{asked:?}");
    assert_eq!(asked.iter().filter(|(path, _)| path.starts_with("/token")).count(), 1, "one token does");
    let other: Vec<_> =
        asked.iter().filter(|(path, by)| !path.starts_with("/token") && by.starts_with("Basic")).collect();
    assert!(other.is_empty(), "the password went where only a token belongs: {other:?}");
    assert_eq!(
        *stored.lock().unwrap(),
        [("/blob?signed=1".to_owned(), String::new())],
        "the store got a token"
    );
}

/// Where the registry points after it was told a token, somebody asks for more than that.
#[test]
fn whoever_the_registry_points_to_is_told_no_password() {
    let desk = Desk::new();
    for kind in ["Basic realm=\"x\"", "Bearer realm=\"http://THIEF/token\""] {
        let (thief, thief_name) = listen();
        let challenge = format!("www-authenticate: {}\r\n", kind.replace("THIEF", &thief_name));
        let told = serve(thief, move |_| http("401 Unauthorized", &challenge, ""));
        let (listener, name) = listen();
        let away = http("307 Temporary Redirect", &format!("location: http://{thief_name}/blob\r\n"), "");
        let own = format!("www-authenticate: Bearer realm=\"http://{name}/token\"\r\n");
        let asked = serve(listener, move |(path, authorization)| match authorization.as_str() {
            _ if path.starts_with("/token") => http("200 OK", "", r#"{"token":"opaque"}"#),
            "Bearer opaque" if path.contains("/blobs/") => away.clone(),
            "Bearer opaque" => http("200 OK", "", r#"{"config":{"digest":"sha256:0"},"layers":[]}"#),
            _ => http("401 Unauthorized", &own, ""),
        });
        desk.write(&[&format!("{name}/team/app:1.0")], login(&name));
        let ran = desk.lock(&[]).expect(78);
        assert!(
            ran.err.contains(&format!("it points to `{thief_name}`, which asks for a login")),
            "{}",
            ran.err
        );
        assert!(asked.lock().unwrap().iter().any(|(_, by)| *by == basic()), "the login is one");
        let told = told.lock().unwrap().clone();
        assert_eq!(told, [("/blob".to_owned(), String::new())]);
    }
}

#[test]
fn answers_that_cannot_be_trusted_lock_nothing() {
    let desk = Desk::new();
    let index = r#"{"manifests":[{"platform":{"os":"linux","architecture":"amd64"}}]}"#;
    let none = r#"{"manifests":[]}"#;
    let other = format!("docker-content-digest: sha256:{}\r\n", "0".repeat(64));
    for (answer, code, says) in [
        (http("200 OK", &other, index), 78, "its header says sha256:000"),
        (http("200 OK", "", "<html>"), 78, "it is no JSON"),
        (http("200 OK", "", none), 78, "an image for no platform"),
        (http("429 Too Many Requests", "", r#"{"errors":[{"message":"slow down"}]}"#), 75, "429 for"),
        (http("500 Internal Server Error", "", ""), 75, "Internal Server Error"),
        (http("302 Found", "location: /v2/team/app/manifests/1.0\r\n", ""), 78, "again and again"),
        (http("401 Unauthorized", "www-authenticate: Negotiate\r\n", ""), 78, "a login of an unknown kind"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned(), 75, "the answer broke off"),
        ("what?\r\n\r\n".to_owned(), 75, "the connection broke"),
    ] {
        let (listener, name) = listen();
        drop(serve(listener, move |_| answer.clone()));
        desk.write(&[&format!("{name}/team/app:1.0")], login(&name));
        let ran = desk.lock(&[]).expect(code);
        assert!(ran.err.contains(says), "{says}:\n{}", ran.err);
        assert_eq!(desk.locked(), "");
    }
}
