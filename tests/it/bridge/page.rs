//! The status page, in a browser and to who may not read it.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, params};
use serde_json::Value;

use super::service::{HEAD, Service, ask, delivery};

/// Six commands at every point of their way, the first one at midnight of a day long ago.
fn fill(service: &Service) {
    let journal = Connection::open(service.file("state/bridge/journal.db")).unwrap();
    let sql = "INSERT INTO task (forge, repository, comment, action, full_name, pull, user, login, head, created, received, \
               work, state, build, result, queued, picked, told) \
               VALUES ('f', 7, ?, 'created', 'team/app', ?, 3, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let run = r#"{"obey":{"run":{"commit":null,"parameters":{"RECIPE":"nextcloud"}}}}"#;
    let plain = r#"{"obey":{"run":{"commit":null,"parameters":{}}}}"#;
    let no = r#"{"refuse":{"reason":"permission"}}"#;
    let cancel = r#"{"obey":"cancel"}"#;
    let none = None::<i64>;
    // Comment, pull request, login, work, state, build, result, and milliseconds until queued, picked up, told.
    let rows = [
        (101, 12, "maria", run, "done", Some(1), Some("success"), Some(900), Some(4_000), Some(71_500)),
        (102, 12, "tim", plain, "done", Some(2), Some("failure"), Some(700), Some(1_000), Some(15_200)),
        (103, 9, "carol", no, "done", none, Some("refused:permission"), none, none, Some(800)),
        (104, 14, "maria", cancel, "done", none, Some("cancelled:1"), none, none, Some(600)),
        (105, 14, "tim", run, "building", Some(3), None, Some(650), Some(2_000), none),
        (106, 15, "<img src=x onerror=alert(1)>", plain, "accepted", none, None, none, none, none),
    ];
    for (index, (comment, pull, login, work, state, build, result, queued, picked, told)) in (0..).zip(rows) {
        let created: i64 = 1_772_359_200_000 + index * 600_000;
        let after = |millis: Option<i64>| millis.map(|millis| created + millis);
        let row = params![
            comment,
            pull,
            login,
            HEAD,
            created,
            created + 240,
            work,
            state,
            build,
            result,
            after(queued),
            after(picked),
            after(told)
        ];
        journal.execute(sql, row).unwrap();
    }
}

/// What a browser makes of a page.
fn browse(url: &str, args: &[&str]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.args([
        "60",
        "chromium",
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
    ]);
    command.args([
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).args(args).arg(url);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "chromium ({}); `make setup` installs it: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Text between tags.
fn text(dom: &str) -> String {
    let body = dom.split_once("<body>").unwrap().1;
    let parts = body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_browser_shows_every_run_with_its_links_and_latency_and_runs_nothing_of_it() {
    let service = Service::start(|bridge| {
        bridge["forge"]["url"] = "https://git.example.org".into();
        bridge["drone"]["url"] = "https://ci.example.org".into();
    });
    fill(&service);
    let url = format!("http://{}/", service.status);
    let picture = service.file("page.png");
    let shot = format!("--screenshot={}", picture.display());
    browse(&url, &[&shot, "--window-size=1400,500", "--hide-scrollbars"]);
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"), "a picture");
    if std::env::var_os("HOLDFAST_WRITE_DOCS").is_some() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/bridge-status.png");
        std::fs::copy(&picture, kept).unwrap();
    }
    let dom = browse(&url, &["--dump-dom"]);
    let text = text(&dom);
    for shown in [
        "2 under way.",
        "Missing: the bot's token, the Drone token. Deliveries are kept, and wait.",
        "2026-03-01 10:00:00 team/app#12 run RECIPE=nextcloud by maria",
        "success 1 comment → accepted 0.2 s → queued 0.6 s → picked up 3.1 s → done 1 min 7 s",
        "refused: permission comment → accepted 0.2 s → done 0.5 s",
        "building 3 comment",
        "run by &lt;img src=x onerror=alert(1)&gt;",
    ] {
        assert!(text.contains(shown), "`{shown}` is not in\n{text}");
    }
    assert!(!dom.contains("<img"), "{dom}");
    for link in
        ["https://git.example.org/team/app/pulls/12#issuecomment-101", "https://ci.example.org/team/app/1"]
    {
        assert!(dom.contains(&format!("href=\"{link}\"")), "{link} is not in\n{dom}");
    }
    assert!(text.find("team/app#15") < text.find("team/app#12"), "the newest first: {text}");

    let (status, runs) = service.page("/runs");
    let runs: Value = serde_json::from_str(&runs).unwrap();
    assert_eq!((status, runs["runs"].as_array().unwrap().len()), (200, 6));
    let first = &runs["runs"][5];
    assert_eq!((&first["commit"], &first["result"]), (&HEAD.into(), &"success".into()));
    assert_eq!(
        (&first["accepted"], &first["done"]),
        (&"2026-03-01T10:00:00.24Z".into(), &"2026-03-01T10:01:11.5Z".into())
    );
}

#[test]
fn a_page_with_a_token_is_read_with_it_alone() {
    let service = Service::with(&[("status", "status-token-5b1e")], |bridge| {
        bridge["status_token"] = serde_json::json!({ "secret": "status" });
    });
    assert_eq!(service.deliver(&delivery(1)), 202);
    let get = |path: &str, shown: &str| {
        let shown = if shown.is_empty() { String::new() } else { format!("authorization: {shown}\r\n") };
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{shown}connection: close\r\n\r\n");
        ask(service.status, request.as_bytes())
    };
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let right = [
        "Bearer status-token-5b1e".to_owned(),
        basic(":status-token-5b1e"),
        basic("anybody:status-token-5b1e"),
    ];
    let wrong = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer status-token-5b1".to_owned(),
        "Bearer status-token-5b1e2".to_owned(),
        "status-token-5b1e".to_owned(),
        basic("status-token-5b1e"),
        basic("status-token-5b1e:"),
        basic("a:b:status-token-5b1e"),
        "Basic !".to_owned(),
        "Basic".to_owned(),
    ];
    for path in ["/", "/runs", "/metrics", "/elsewhere"] {
        for shown in &right {
            let there = if path == "/elsewhere" { 404 } else { 200 };
            assert_eq!(get(path, shown).0, there, "{path} with {shown}");
        }
        for shown in &wrong {
            let (status, text) = get(path, shown);
            assert_eq!((status, text.as_str()), (401, "the status token is wanted\n"), "{path} with {shown}");
        }
    }
    assert_eq!(get("/healthz", "").0, 200, "who watches needs no token");
    assert_eq!(get("/readyz", "").0, 503);
    let posted = ask(
        service.status,
        b"POST /runs HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(posted.0, 405);
}
