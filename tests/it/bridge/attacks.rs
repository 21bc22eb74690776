//! Attacks, each on the bridge and on a naive twin: the twin makes the one mistake that the attack is about, and falls.

use serde_json::{Value, json};

use super::service::{HEAD, SECRET, Service, ask, body, delivery, hex, request, signed};

/// A request as a handler sees it: header values by name, and the body.
struct Seen<'a> {
    headers: &'a [String],
    body: &'a [u8],
}

impl Seen<'_> {
    fn all(&self, name: &str) -> Vec<&str> {
        let value =
            |line: &'_ String| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).map(str::len);
        self.headers
            .iter()
            .filter_map(|line| value(line).map(|length| &line[line.len() - length..]))
            .collect()
    }

    fn signature(&self) -> &str {
        self.all("x-gitea-signature").first().copied().unwrap_or_default()
    }

    fn right(&self) -> String {
        hex(SECRET, self.body)
    }
}

const SIGNATURE: &str = "x-gitea-signature";

/// Headers and a body, the status that the bridge answers, and the twin that would run it.
type Forged = (&'static str, Vec<String>, Vec<u8>, u16, fn(&Seen<'_>) -> bool);

#[expect(clippy::too_many_lines, reason = "one table")]
fn forged() -> Vec<Forged> {
    let payload = body(&delivery(1));
    let right = hex(SECRET, &payload);
    let json = "content-type: application/json".to_owned();
    let with = |signature: &str| vec![json.clone(), format!("{SIGNATURE}: {signature}")];
    let encoded = |body: &[u8]| body.iter().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let mut evil = delivery(2);
    evil["comment"]["body"] = json!("!testme RECIPE=nextcloud");
    let form = format!("payload={}&payload={}", encoded(&payload), encoded(&body(&evil))).into_bytes();
    let form_headers =
        vec!["content-type: application/x-www-form-urlencoded".to_owned(), format!("{SIGNATURE}: {right}")];
    vec![
        ("no signature", vec![json.clone()], payload.clone(), 401, |seen| {
            seen.all(SIGNATURE).iter().all(|given| *given == seen.right())
        }),
        (
            "the signature of a hook without a secret",
            with(&hex("", &payload)),
            payload.clone(),
            401,
            |seen| {
                let unset = String::new();
                seen.signature() == hex(&unset, seen.body)
            },
        ),
        ("an empty signature", with(""), payload.clone(), 401, |seen| {
            seen.right().starts_with(seen.signature())
        }),
        ("two digits, one try of 256", with(&right[..2]), payload.clone(), 401, |seen| {
            seen.right().starts_with(seen.signature())
        }),
        ("a prefix of another forge", with(&format!("sha256={right}")), payload.clone(), 401, |seen| {
            seen.signature().trim_start_matches("sha256=") == seen.right()
        }),
        ("capitals", with(&right.to_uppercase()), payload.clone(), 401, |seen| {
            seen.signature().eq_ignore_ascii_case(&seen.right())
        }),
        (
            "two signatures",
            [with(&"0".repeat(64)), vec![format!("{SIGNATURE}: {right}")]].concat(),
            payload.clone(),
            401,
            |seen| seen.all(SIGNATURE).contains(&seen.right().as_str()),
        ),
        (
            "a signature of another header",
            vec![json.clone(), format!("x-hub-signature-256: sha256={right}")],
            payload.clone(),
            401,
            |seen| seen.headers.iter().any(|line| line.ends_with(&seen.right())),
        ),
        ("a signature of other bytes", with(&right), [payload.as_slice(), b" "].concat(), 401, |seen| {
            // Signs what it has parsed and printed again.
            let parsed: Value = serde_json::from_slice(seen.body).unwrap();
            seen.signature() == hex(SECRET, &body(&parsed))
        }),
        ("a form with a second payload", form_headers, form, 400, |seen| {
            // Judges the first field and obeys the last.
            let fields: Vec<_> = seen.body.split(|byte| *byte == b'&').collect();
            let decode = |field: &[u8]| {
                let hex = String::from_utf8_lossy(field).replace("payload=", "").replace('%', "");
                (0..hex.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                    .collect::<Vec<_>>()
            };
            let last: Value = serde_json::from_slice(&decode(fields[fields.len() - 1])).unwrap();
            seen.signature() == hex(SECRET, &decode(fields[0])) && last["comment"]["id"] == 2
        }),
        (
            "another content type",
            vec!["content-type: text/plain".to_owned(), format!("{SIGNATURE}: {right}")],
            payload.clone(),
            415,
            |seen| seen.signature() == seen.right(),
        ),
        (
            "two content types",
            [with(&right), vec!["content-type: text/plain".to_owned()]].concat(),
            payload,
            415,
            |seen| seen.signature() == seen.right(),
        ),
    ]
}

#[test]
fn a_delivery_that_the_forge_did_not_sign_in_exactly_one_way_is_refused() {
    let service = Service::start(|_| {});
    for (name, headers, body, status, twin) in forged() {
        let lines: Vec<String> = [headers.clone(), vec![format!("content-length: {}", body.len())]].concat();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(ask(service.hook, &request(&lines, &body)).0, status, "{name}");
        assert!(
            twin(&Seen { headers: &headers, body: &body }),
            "{name}: the twin stands, so this proves nothing"
        );
    }
    assert_eq!(service.journal(), Vec::<i64>::new());
    assert_eq!(service.deliver(&delivery(1)), 202);
    assert_eq!(service.journal(), [1]);
}

/// What is done to an honest delivery, and the twin that would still run it.
type Played = (&'static str, fn(&mut Value), fn(&Value) -> bool);

/// A whole bot with nothing but the trigger: each twin below adds the check that it gets wrong.
fn triggers(delivery: &Value) -> bool {
    delivery["comment"]["body"].as_str().unwrap().contains("!testme")
}

#[expect(clippy::too_many_lines, reason = "one table")]
fn played() -> Vec<Played> {
    vec![
        ("a comment that is edited into a command", |d| d["action"] = json!("edited"), triggers),
        ("a command that is deleted", |d| d["action"] = json!("deleted"), triggers),
        (
            "a comment on an issue",
            |d| d["is_pull"] = json!(false),
            |d| triggers(d) && d["issue"]["pull_request"].is_object(),
        ),
        (
            "an issue with the fields of a pull request",
            |d| d["issue"]["pull_request"] = Value::Null,
            |d| triggers(d) && d["is_pull"] == true,
        ),
        (
            "a read-only collaborator",
            |d| d["repository"]["permissions"]["push"] = json!(false),
            |d| {
                // `GET .../collaborators/USER` answers 204 for him.
                triggers(d) && d["repository"]["permissions"]["pull"] == true
            },
        ),
        (
            "the author of a fork",
            |d| d["repository"]["permissions"]["push"] = json!(false),
            |d| triggers(d) && d["pull_request"]["head"]["repo"]["permissions"]["push"] == true,
        ),
        (
            "a repository of the same name, made later",
            |d| d["repository"]["id"] = json!(8),
            |d| triggers(d) && d["repository"]["full_name"] == "team/app",
        ),
        (
            "a repository that was transferred",
            |d| d["repository"]["full_name"] = json!("mallory/app"),
            |d| triggers(d) && d["repository"]["id"] == 7,
        ),
        (
            "an outsider's comment sent by a maintainer",
            |d| d["comment"]["user"] = json!({ "id": 5, "login": "mallory" }),
            |d| triggers(d) && d["sender"]["login"] == "maria",
        ),
        (
            "a maintainer's comment sent by an outsider",
            |d| d["sender"] = json!({ "id": 5, "login": "mallory" }),
            |d| triggers(d) && d["comment"]["user"]["login"] == "maria",
        ),
        (
            "a comment changed within the second",
            |d| d["comment"]["updated_at"] = json!("2030-01-01T00:00:00Z"),
            triggers,
        ),
        (
            "a comment of last week, sent again",
            |d| {
                for time in ["created_at", "updated_at"] {
                    d["comment"][time] = json!("2020-01-01T00:00:00Z");
                }
            },
            triggers,
        ),
        (
            "the bot answers itself",
            |d| {
                let bot = json!({ "id": 9, "login": "TestBot" });
                (d["sender"], d["comment"]["user"]) = (bot.clone(), bot);
            },
            |d| triggers(d) && d["sender"]["login"] != "testbot",
        ),
        ("a quoted command", |d| d["comment"]["body"] = json!("> !testme\n\nwhy?"), triggers),
        (
            "a command behind invisible characters",
            |d| d["comment"]["body"] = json!("!testme\u{200b}"),
            triggers,
        ),
        (
            "a second command on another line",
            |d| d["comment"]["body"] = json!("!testme\r\n!testme cancel"),
            triggers,
        ),
        ("a closed pull request", |d| d["issue"]["state"] = json!("closed"), triggers),
        (
            "a merged pull request",
            |d| d["pull_request"]["merged"] = json!(true),
            |d| triggers(d) && d["issue"]["state"] == "open",
        ),
        (
            "a locked pull request",
            |d| d["issue"]["is_locked"] = json!(true),
            |d| triggers(d) && d["issue"]["state"] == "open",
        ),
        ("a shell in a parameter", |d| d["comment"]["body"] = json!("!testme RECIPE=$(id)"), triggers),
        ("a path in a parameter", |d| d["comment"]["body"] = json!("!testme PATH=/tmp/mallory"), triggers),
        ("a branch in place of a commit", |d| d["comment"]["body"] = json!("!testme $(id)"), triggers),
        (
            "the commit of somebody else's push",
            |d| d["comment"]["body"] = json!(format!("!testme {}", HEAD.replace('0', "f"))),
            triggers,
        ),
        ("a head that is no commit", |d| d["pull_request"]["head"]["sha"] = json!("`id`"), triggers),
        (
            "a push that claims to be a comment",
            |d| *d = json!({ "ref": "refs/heads/!testme", "comment": { "body": "!testme" } }),
            |d| {
                // The event's header is not signed; this one believes it.
                triggers(d)
            },
        ),
    ]
}

#[test]
fn what_the_forge_signs_is_obeyed_only_when_everything_in_it_is_as_it_must_be() {
    let service = Service::start(|_| {});
    let mut last = 0;
    for (name, change, twin) in played() {
        last += 1;
        let mut delivery = delivery(last);
        change(&mut delivery);
        assert_eq!(
            ask(service.hook, &signed(&body(&delivery))),
            (202, "taken\n".to_owned()),
            "{name}: the answer tells"
        );
        assert!(twin(&delivery), "{name}: the twin stands, so this proves nothing");
    }
    let journal = rusqlite::Connection::open(service.file("state/bridge/journal.db")).unwrap();
    let obeyed = "SELECT count(*) FROM task WHERE work LIKE '%obey%'";
    let obeyed = || journal.query_row(obeyed, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(obeyed(), 0);
    assert_eq!(service.deliver(&delivery(1000)), 202);
    assert_eq!(obeyed(), 1);
    // Sent again from the forge's own page: other delivery number, same bytes.
    assert_eq!(service.deliver(&delivery(1000)), 202);
    assert_eq!(obeyed(), 1);
}

#[test]
fn requests_that_a_proxy_and_a_server_may_read_differently_are_refused() {
    let service = Service::start(|bridge| bridge["limits"] = json!({ "body": 100_000 }));
    let payload = body(&delivery(1));
    let signature = format!("{SIGNATURE}: {}", hex(SECRET, &payload));
    let json = "content-type: application/json";
    let length = format!("content-length: {}", payload.len());
    let chunked = |body: &[u8]| [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    let status = |headers: &[&str], body: &[u8]| ask(service.hook, &request(headers, body)).0;
    // Chunks go before a length, as the standard has it; what follows them is another request, and has no signature.
    let hidden = [chunked(&payload).as_slice(), b"POST /hook HTTP/1.1\r\nhost: x\r\n\r\n"].concat();
    let two = [json, &signature, "content-length: 4", "transfer-encoding: chunked"];
    assert_eq!(status(&two, &hidden), 202);
    assert_eq!(service.journal(), [1]);
    assert_eq!(status(&[json, &signature, &length, "content-length: 1"], &payload), 400);
    assert_eq!(status(&[json, &signature, "content-length: +10"], &payload), 400);
    assert_eq!(status(&[json, &signature, "transfer-encoding: gzip"], &payload), 400);
    assert_eq!(status(&[json, &signature, "content-length: 100001"], b""), 413);
    assert_eq!(
        status(&[json, &signature, "transfer-encoding: chunked"], &chunked(&vec![b' '; 100_001])),
        413
    );
    assert_eq!(status(&[json, &signature, "transfer-encoding: chunked"], b"fffffffffffffffff\r\n"), 400);
    assert_eq!(ask(service.hook, b"GET /hook HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").0, 405);
    assert_eq!(
        ask(service.hook, b"POST /hook/../hook HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").0,
        404
    );
    assert_eq!(ask(service.hook, b"POST /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").0, 404);
    assert_eq!(
        status(&[json, &signature, "transfer-encoding: chunked"], &chunked(&payload)),
        202,
        "an honest one"
    );
    assert_eq!(service.journal(), [1]);
}

#[test]
fn bodies_made_to_hurt_are_refused_and_the_next_delivery_is_taken() {
    let service = Service::start(|_| {});
    let status = |payload: &[u8]| ask(service.hook, &signed(payload)).0;
    let deep = format!("{{\"issue\":{}1{},\"comment\":1}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert_eq!(status(deep.as_bytes()), 400);
    assert_eq!(status(b"{"), 400);
    assert_eq!(status(b""), 400);
    assert_eq!(status(&[0xff; 1000]), 400);
    assert_eq!(status(b"{\"issue\":{},\"comment\":{}}"), 400);
    let mut long = delivery(1);
    long["issue"]["body"] = json!("x".repeat(7 << 20));
    assert_eq!(status(&body(&long)), 202, "a long pull request is an honest one");
    long["issue"]["body"] = json!("x".repeat(9 << 20));
    assert_eq!(status(&body(&long)), 413);
    assert_eq!(service.deliver(&delivery(2)), 202);
    assert_eq!(service.journal(), [1, 2]);
}

#[test]
fn one_user_who_asks_without_end_is_told_to_wait_and_nobody_else_is() {
    let service = Service::start(|bridge| bridge["policy"] = json!({ "burst": 3, "per_minute": 1 }));
    let answers: Vec<u16> = (1..=5).map(|comment| service.deliver(&delivery(comment))).collect();
    assert_eq!(answers, [202, 202, 202, 429, 429]);
    let mut other = delivery(6);
    let user = json!({ "id": 8, "login": "ana" });
    (other["sender"], other["comment"]["user"]) = (user.clone(), user);
    assert_eq!(service.deliver(&other), 202);
    assert_eq!(service.journal(), [1, 2, 3, 6]);
}

#[test]
fn the_old_secret_is_taken_while_it_is_named_and_not_after() {
    let payload = body(&delivery(1));
    let lines = |secret: &str| {
        let signature = format!("{SIGNATURE}: {}", hex(secret, &payload));
        request(
            &[&signature, &format!("content-length: {}", payload.len()), "content-type: application/json"],
            &payload,
        )
    };
    let mut both = Service::start(|_| {});
    assert_eq!(ask(both.hook, &lines("old")).0, 401);
    both.kill();
    std::fs::write(both.file("run/secrets/hook_old"), "old").unwrap();
    let text = std::fs::read_to_string(both.file("manifest.json")).unwrap();
    let text = text.replace(r#"[{"secret":"hook"}]"#, r#"[{"secret":"hook"},{"secret":"hook_old"}]"#);
    std::fs::write(both.file("manifest.json"), text).unwrap();
    both.again();
    assert_eq!([ask(both.hook, &lines("old")).0, ask(both.hook, &lines(SECRET)).0], [202, 202]);
}
