//! Deliveries that somebody else has made, or that the forge has signed in another way.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{SIGNATURE, Seen};
use crate::bridge::service::{SECRET, Service, ask, body, delivery, hex, request};

/// The HMAC with SHA-1, which forges send beside the other one.
fn sha1(body: &[u8]) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha1", "-hmac", SECRET]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = openssl.spawn().expect("`openssl` cannot be run; run `make setup`");
    child.stdin.take().unwrap().write_all(body).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    said.split_whitespace().last().unwrap().to_owned()
}

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
        ("an odd number of digits", with(&right[..63]), payload.clone(), 401, |seen| {
            seen.right().starts_with(seen.signature())
        }),
        (
            "a signature with SHA-1 alone",
            vec![json.clone(), format!("x-hub-signature: sha1={}", sha1(&payload))],
            payload.clone(),
            401,
            |seen| seen.first("x-hub-signature") == format!("sha1={}", sha1(seen.body)),
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

pub(super) fn names() -> Vec<&'static str> {
    forged().into_iter().map(|forged| forged.0).collect()
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

/// Drone's own hook carries its secret so, where each administrator of the repository can read it.
#[test]
fn a_secret_in_the_address_opens_nothing() {
    let service = Service::start(|_| {});
    let payload = body(&delivery(1));
    let length = format!("content-length: {}", payload.len());
    let good = request(&[&length, "content-type: application/json"], &payload);
    let good = String::from_utf8(good).unwrap().replacen("/hook", &format!("/hook?secret={SECRET}"), 1);
    assert_eq!(ask(service.hook, good.as_bytes()).0, 401);
    assert_eq!(service.journal(), Vec::<i64>::new());
    let line = good.lines().next().unwrap();
    assert!(
        line.split(['?', '&', ' ']).any(|part| part == format!("secret={SECRET}")),
        "the twin stands, so this proves nothing"
    );
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
