//! Prints of one record: they read as they did, and every one tells the same story as the exit code.

use holdfast::address::{Address, Kind};
use holdfast::plan::{Held, Verb};
use holdfast::report::{
    Applied, Attempt, CertificateStatus, Exit, Failure, GateResult, Record, ServiceState, ServiceStatus,
    StepOutcome, Verdict, gates_exit, json, junit, schema, text, textfile,
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::golden;

fn gate(name: &str, verdict: Verdict, summary: &str) -> GateResult {
    GateResult {
        address: Address::new(Kind::Gate, name),
        kind: "https".to_owned(),
        derived: false,
        verdict,
        summary: summary.to_owned(),
        source: "GET https://app.example.org/ at 192.0.2.7:443".to_owned(),
        limits_ms: [("deadline", 60_000), ("attempt", 5_000), ("soak", 0)]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
        attempts: vec![Attempt { at_ms: 12, verdict, reason: summary.to_owned() }],
        attempt_count: 1,
        elapsed_ms: 12,
        observed: json!({ "192.0.2.7:443": { "status": 200 } }),
    }
}

fn expired() -> GateResult {
    let cert = |subject: &str, issuer: &str| {
        json!({
            "subject": subject, "issuer": issuer, "serial": "01:ab", "not_before": "2026-08-01T00:00:00Z",
            "not_after": "2026-11-01T00:00:00Z", "sha256": "5e8f", "names": ["*.example.org"], "purposes": ["server"],
        })
    };
    let summary = "certificate expired: `CN=*.example.org` since 2026-11-01T00:00:00Z, 20 days ago";
    GateResult {
        kind: "certificate".to_owned(),
        source: "TLS handshake for `app.example.org` at 192.0.2.7:443".to_owned(),
        attempt_count: 3,
        elapsed_ms: 1_540,
        observed: json!({ "192.0.2.7:443": {
            "chain": [cert("CN=*.example.org", "CN=Lab CA"), cert("CN=Lab CA", "CN=Lab Root")],
            "refused": [summary], "tls": null,
        } }),
        ..gate("cert", Verdict::Fail, summary)
    }
}

fn derived(stack: &str, verdict: Verdict, summary: &str) -> GateResult {
    GateResult {
        address: Address::new(Kind::Stack, stack),
        kind: "swarm".to_owned(),
        derived: true,
        source: "engine".to_owned(),
        observed: json!({ "services": {} }),
        ..gate("x", verdict, summary)
    }
}

fn record(command: &str) -> Record {
    Record {
        schema: 1,
        command: command.to_owned(),
        tool: "0.1.0".to_owned(),
        run: "20261121T100000Z-1a2b".to_owned(),
        instance: "main".to_owned(),
        host: "demo".to_owned(),
        manifest: "00".repeat(32),
        boot: "b0".to_owned(),
        started: "2026-11-21T10:00:00Z".to_owned(),
        elapsed_ms: 3_250,
        ..Record::default()
    }
}

fn passing() -> Record {
    let service = Address::in_stack("web", Kind::Service, "app");
    let step = StepOutcome {
        address: service,
        verb: Verb::Create,
        elapsed_ms: 40,
        error: None,
        again: false,
        left: false,
        detail: Vec::new(),
        services: Vec::new(),
    };
    Record {
        steps: vec![step],
        gates: vec![
            gate("web_https", Verdict::Pass, "status 200"),
            derived("web", Verdict::Pass, "2 of 2 services as declared, 2 tasks running"),
        ],
        writes: 1,
        ..record("apply")
    }
}

fn failing() -> Record {
    let service = Address::in_stack("web", Kind::Service, "app");
    let step = StepOutcome {
        address: service.clone(),
        verb: Verb::Update,
        elapsed_ms: 61_000,
        error: Some("service did not converge: task exited with code 1".to_owned()),
        again: false,
        left: false,
        detail: vec!["panic: no database".to_owned(), "exit status 1".to_owned()],
        services: Vec::new(),
    };
    Record {
        steps: vec![step],
        held: vec![Held { address: service, because: Address::new(Kind::Secret, "db") }],
        secrets: vec![Failure {
            address: Address::new(Kind::Secret, "db"),
            reason: "`secrets/db.yaml`: no identity fits its recipients".to_owned(),
            kept: true,
        }],
        gates: vec![
            gate("web_https", Verdict::Pass, "status 200"),
            expired(),
            GateResult {
                address: Address::new(Kind::Gate, "it's odd"),
                ..gate("x", Verdict::Unknown, "the engine could not be asked: no such socket")
            },
            derived("db", Verdict::Fail, "`db_main` runs 0 of 1 tasks"),
        ],
        warnings: vec!["the swarm advertises 127.0.0.1".to_owned()],
        errors: vec!["lost the engine".to_owned()],
        writes: 4,
        ..record("apply")
    }
}

/// The record with the exit code that follows from it.
fn ended(record: Record) -> Record {
    Record { exit: record.outcome(true), ..record }
}

#[test]
fn the_text_reads_as_it_did() {
    golden::same_as("tests/golden/report/pass.txt", &text(&ended(passing()), false));
    golden::same_as("tests/golden/report/fail.txt", &text(&ended(failing()), false));
    golden::same_as("tests/golden/report/vacuous.txt", &text(&ended(record("verify")), false));
}

#[test]
fn metrics_read_as_they_did() {
    let row = |name: &str, running, wanted| ServiceStatus {
        name: name.to_owned(),
        exists: running > 0,
        state: ServiceState::Running,
        running,
        wanted,
        last_error: String::new(),
    };
    let certificate = |name: &str, at: &str, not_after: Option<&str>| CertificateStatus {
        name: name.to_owned(),
        at: at.to_owned(),
        not_after: not_after.map(str::to_owned),
        reason: String::new(),
    };
    let found = Record {
        plan: failing().plan,
        held: failing().held,
        secrets: failing().secrets,
        services: vec![row("web_app", 1, Some(2)), row("web_agent", 3, None)],
        unproven: vec!["web_app".to_owned()],
        applied: Some(Applied {
            generation: 12,
            status: "applied".to_owned(),
            at: "2026-11-21T09:59:00.250Z".to_owned(),
        }),
        certificates: vec![
            certificate("secret.wildcard", "", Some("2027-01-01T00:00:00Z")),
            certificate("/etc/ssl/a \"quoted\"\\path", "", Some("2026-11-01T00:00:00Z")),
            certificate("gate.cert", "192.0.2.7:443", None),
        ],
        ..record("status")
    };
    golden::same_as("tests/golden/report/status.prom", &textfile(&found));
    let unseen = Record { errors: vec!["no engine".to_owned()], ..found };
    golden::same_as("tests/golden/report/unseen.prom", &textfile(&unseen));
}

#[test]
fn junit_reads_as_it_did() {
    golden::same_as("tests/golden/report/pass.xml", &junit(&ended(passing())).unwrap());
    golden::same_as("tests/golden/report/fail.xml", &junit(&ended(failing())).unwrap());
}

#[test]
fn the_published_schema_is_the_records() {
    let mut schema = serde_json::to_string_pretty(&schema()).unwrap();
    schema.push('\n');
    golden::same_as("docs/reference/report.schema.json", &schema);
}

#[test]
fn every_format_says_what_the_exit_code_says() {
    let secret_only = Record { secrets: failing().secrets, ..passing() };
    let step_only = Record { steps: failing().steps, ..passing() };
    let gate_only = Record { gates: failing().gates, ..passing() };
    let cases = [
        (passing(), Exit::Ok),
        (secret_only, Exit::SecretFailed),
        (step_only, Exit::ApplyFailed),
        (gate_only, Exit::GateFailed),
        (failing(), Exit::SecretFailed),
        (record("verify"), Exit::Vacuous),
    ];
    for (case, exit) in cases {
        let case = ended(case);
        assert_eq!(case.exit, exit);
        let good = exit == Exit::Ok;
        for color in [false, true] {
            let text = text(&case, color);
            assert_eq!(text.contains(" complete: "), good, "{exit:?}");
            assert_eq!(text.contains(&format!("Exit {} ({})", exit.code(), exit.name())), !good, "{exit:?}");
        }
        let xml = junit(&case).unwrap();
        assert_eq!(xml.contains("<failure") || xml.contains("<error"), !good, "{exit:?}: {xml}");
        let json: serde_json::Value = serde_json::from_str(&json(&case).unwrap()).unwrap();
        assert_eq!(json["exit"], exit.name());
    }
}

proptest! {
    #[test]
    fn the_order_of_results_decides_nothing(order in Just(vec![0, 1, 2, 3]).prop_shuffle(), keep in 0_usize..=4) {
        let gates = failing().gates;
        let first: Vec<_> = gates.iter().take(keep).cloned().collect();
        let shuffled: Vec<_> = order.iter().filter(|at| **at < keep).map(|at| gates[*at].clone()).collect();
        prop_assert_eq!(gates_exit(&first), gates_exit(&shuffled));
    }
}
