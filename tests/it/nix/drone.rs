//! What the module gives the server is what the real server takes, and what it logs of secrets is what the filter drops.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::Value;

use super::{cases, libraries, value};
use crate::forge::peers;
use crate::support::port;

/// Everything that the escape `env` lets through and that a reader of such files could take for something else.
const ODD: &str = "p$x#y ${HOME} =a:b,c#d";
/// As the administrator's token: no colon, no comma.
const TOKEN: &str = "canary-token-5b1e";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_real_drone_reads_the_file_and_logs_the_token_in_lines_that_the_filter_drops() {
    let (_, lib) = libraries().remove(0);
    let made = value(&format!("({}).good.stack_of_a_drone", cases::cases(&lib)));
    let made: Value = serde_json::from_str(&made).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secrets = Regex::new(r"\{\{ ([a-z_]+) \| env \}\}").unwrap();
    let content = made["templates"]["drone_env"]["content"].as_str().unwrap();
    let content = secrets.replace_all(content, |found: &regex::Captures<'_>| match &found[1] {
        "token" => TOKEN,
        "rpc" => ODD,
        name => plain(name),
    });
    // Its key has to have 32 characters.
    let content = Regex::new("(?m)^DRONE_DATABASE_SECRET=.*\n").unwrap().replace(&content, "").into_owned();
    let file = folder.path().join("env");
    fs::write(&file, content).unwrap();

    let address = port::own_address();
    let log = folder.path().join("log");
    let start = || {
        let mut command = Command::new(peers::drone_program());
        command.env_clear().current_dir(folder.path()).arg("--env-file").arg(&file);
        for (name, value) in
            made["stack"]["settings"]["services"]["server"]["environment"].as_object().unwrap()
        {
            command.env(name, value.as_str().unwrap());
        }
        // The only things that cannot be so on this machine.
        command.env("DRONE_SERVER_PORT", address.to_string()).env("TMPDIR", folder.path());
        command.env("DRONE_DATABASE_DATASOURCE", folder.path().join("database.sqlite"));
        let log = fs::File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Server(command.spawn().expect("`drone-server` cannot be run; run `make setup`"))
    };
    let ask = |path: &str, header: &str| {
        let mut stream = TcpStream::connect(address).ok()?;
        let method = if path.starts_with("/rpc") { "POST" } else { "GET" };
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: drone\r\n{header}\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok())
    };
    let up = || {
        let began = Instant::now();
        while ask("/healthz", "A: b") != Some(200) {
            assert!(began.elapsed() < Duration::from_secs(60), "{}", fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let server = start();
    up();
    assert_eq!(
        ask("/rpc/v2/ping", &format!("X-Drone-Token: {ODD}")),
        Some(200),
        "the file is read otherwise"
    );
    assert_eq!(ask("/rpc/v2/ping", "X-Drone-Token: other"), Some(401));
    assert_eq!(ask("/api/user", &format!("Authorization: Bearer {TOKEN}")), Some(200));
    assert_eq!(ask("/metrics", "A: b"), Some(401), "metrics are not for everybody");
    assert_eq!(ask("/metrics", &format!("Authorization: Bearer {TOKEN}")), Some(200));
    drop(server);

    // Another token: the account is changed, and that is logged as well.
    let content = fs::read_to_string(&file).unwrap().replace(TOKEN, &format!("{TOKEN}-2"));
    fs::write(&file, content).unwrap();
    let _server = start();
    up();
    assert_eq!(ask("/api/user", &format!("Authorization: Bearer {TOKEN}-2")), Some(200));

    let filter = made["engine"]["LogFilterPatterns"].as_str().unwrap().strip_prefix('~').unwrap();
    let (filter, log) = (Regex::new(filter).unwrap(), fs::read_to_string(&log).unwrap());
    let tells: Vec<&str> = log.lines().filter(|line| line.contains(TOKEN)).collect();
    assert!(tells.len() >= 3, "this Drone logs no token, so there is nothing to drop:\n{log}");
    let kept: Vec<&str> = tells.into_iter().filter(|line| !filter.is_match(line)).collect();
    assert!(kept.is_empty(), "{}", kept.join("\n"));
    assert!(log.lines().any(|line| !filter.is_match(line)), "the filter drops everything");
    assert!(!log.contains("p$x#y"), "another secret is in the log");
}

/// A value for the other secrets.
fn plain(name: &str) -> &'static str {
    if name.starts_with("client") { "client-5b1e" } else { "cookie-5b1e" }
}
