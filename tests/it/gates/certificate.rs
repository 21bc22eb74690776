//! `certificate`: every fault that a server can have, each beside a good twin.

use std::path::PathBuf;
use std::time::Duration;

use holdfast::gates::{Limits, Planned, Sources, fingerprint, verify};
use holdfast::manifest::{CertificateGate, Gate, TlsVersion};
use holdfast::report::{GateResult, Verdict};
use rcgen::ExtendedKeyUsagePurpose;

use super::pki::{Ca, Files, Leaf, Wish};
use super::server::{Tls, nobody, says};
use super::{assert_fails, assert_passes, assert_unknown, planned, run};

/// A root, an intermediate under it, and the root's file.
struct Lab {
    root: Ca,
    inter: Ca,
    files: Files,
    ca: PathBuf,
}

impl Lab {
    fn new() -> Self {
        let root = Ca::root("Lab Root");
        let inter = root.intermediate("Lab CA");
        let files = Files::new();
        let ca = files.put("root.pem", &root.pem);
        Self { root, inter, files, ca }
    }

    fn leaf(&self, wish: &Wish) -> Leaf {
        self.inter.leaf(wish)
    }

    /// Serves leaf and intermediate.
    fn server(&self, wish: &Wish) -> Tls {
        Tls::new(self.leaf(wish), &[&self.inter.der])
    }

    async fn judge(&self, server: Tls, change: impl FnOnce(&mut CertificateGate)) -> GateResult {
        let mut gate = CertificateGate {
            name: "app.example.org".to_owned(),
            at: vec![server.start().await],
            ca: Some(self.ca.clone()),
            ..CertificateGate::default()
        };
        change(&mut gate);
        run(Gate { certificate: Some(gate), ..Gate::default() }).await
    }
}

/// The subjects of the recorded chain.
fn recorded(result: &GateResult) -> Vec<String> {
    let places = result.observed.as_object().unwrap().values();
    let chain = places.flat_map(|facts| facts.get("chain").unwrap().as_array().unwrap().clone());
    chain.map(|cert| cert.get("subject").unwrap().as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_good_certificate_passes_with_every_expectation() {
    let lab = Lab::new();
    let leaf = lab.leaf(&Wish::default());
    let (pem, key) = (lab.files.put("leaf.pem", &leaf.pem), lab.files.put("leaf.key", &leaf.key_pem));
    let result = lab
        .judge(Tls::new(leaf, &[&lab.inter.der]), |gate| {
            gate.subject_names = vec!["*.example.org".to_owned()];
            gate.issuer = Some("CN=Lab CA$".to_owned());
            gate.min_days = Some(59);
            gate.min_lifetime_percent = Some(60);
            gate.equals = Some(pem);
            gate.key = Some(key);
        })
        .await;
    assert_passes(&result);
    assert_eq!(recorded(&result), ["CN=*.example.org", "CN=Lab CA"]);
    let facts = result.observed.as_object().unwrap().values().next().unwrap();
    assert_eq!(facts["tls"], "TLSv1_3");
    let leaf = &facts["chain"][0];
    for key in ["issuer", "serial", "not_before", "not_after", "sha256"] {
        assert!(leaf[key].as_str().is_some_and(|text| !text.is_empty()), "{key} is missing in {leaf}");
    }
}

#[tokio::test]
async fn dates_fail_with_their_reason_and_the_chain_is_recorded() {
    let lab = Lab::new();
    let expired = lab.judge(lab.server(&Wish { from: -90, to: -3, ..Wish::default() }), |_| {}).await;
    assert_fails(&expired, "certificate expired: `CN=*.example.org` since ");
    assert_fails(&expired, "3 days ago");
    assert_eq!(recorded(&expired), ["CN=*.example.org", "CN=Lab CA"]);
    assert_eq!(expired.attempt_count, 3, "time does not cure it, so it must not use up the deadline");
    let early = lab.judge(lab.server(&Wish { from: 2, to: 90, ..Wish::default() }), |_| {}).await;
    assert_fails(&early, "certificate not yet valid: `CN=*.example.org` only from ");
    let short = lab.judge(lab.server(&Wish { from: -80, to: 5, ..Wish::default() }), |_| {}).await;
    assert_fails(&short, "too little time left: `CN=*.example.org`");
    assert_fails(&short, "(5% of its lifetime)");
}

#[tokio::test]
async fn the_smaller_limit_counts_unless_one_is_asked_for() {
    let lab = Lab::new();
    let six_days = Wish { from: -1, to: 5, ..Wish::default() };
    assert_passes(&lab.judge(lab.server(&six_days), |_| {}).await);
    let asked = lab.judge(lab.server(&six_days), |gate| gate.min_days = Some(7)).await;
    assert_fails(&asked, "needed are 7 days");
    let share = lab.judge(lab.server(&six_days), |gate| gate.min_lifetime_percent = Some(95)).await;
    assert_fails(&share, "too little time left");
}

#[tokio::test]
async fn every_certificate_of_the_chain_must_have_time_left() {
    let lab = Lab::new();
    let old = lab.root.leaf(&Wish { names: &["old.example.org"], from: -90, to: 3, ..Wish::default() });
    let server = Tls::new(lab.leaf(&Wish::default()), &[&lab.inter.der, &old.der]);
    assert_fails(&lab.judge(server, |_| {}).await, "too little time left: `CN=old.example.org`");
}

#[tokio::test]
async fn each_broken_chain_has_its_own_reason() {
    let lab = Lab::new();
    let other = Ca::root("Other Root");
    let self_signed = lab.judge(Tls::new(Wish::default().self_signed(), &[]), |_| {}).await;
    assert_fails(&self_signed, "self-signed certificate: `CN=*.example.org`");
    let missing = lab.judge(Tls::new(lab.leaf(&Wish::default()), &[]), |_| {}).await;
    assert_fails(
        &missing,
        "incomplete chain: `CN=*.example.org` was issued by `CN=Lab CA`, which was not sent",
    );
    assert_eq!(recorded(&missing), ["CN=*.example.org"]);
    let root = lab.judge(Tls::new(other.leaf(&Wish::default()), &[&other.der]), |_| {}).await;
    assert_fails(&root, "unknown root: the chain ends at `CN=Other Root`");
    let inter = other.intermediate("Other CA");
    let issuer = lab.judge(Tls::new(inter.leaf(&Wish::default()), &[&inter.der]), |_| {}).await;
    assert_fails(&issuer, "unknown issuer: the chain ends at `CN=Other CA`, whose issuer `CN=Other Root`");
    let impostor = Ca::root("Lab Root");
    let forged = lab.judge(Tls::new(impostor.leaf(&Wish::default()), &[]), |_| {}).await;
    assert_fails(&forged, "names the trusted root `CN=Lab Root` as its issuer but was not signed by");
}

#[tokio::test]
async fn a_wrong_order_is_told_apart() {
    let lab = Lab::new();
    let second = lab.inter.intermediate("Lab CA 2");
    let good = Tls::new(second.leaf(&Wish::default()), &[&second.der, &lab.inter.der]);
    assert_passes(&lab.judge(good, |_| {}).await);
    let wrong = Tls::new(second.leaf(&Wish::default()), &[&lab.inter.der, &second.der]);
    assert_fails(
        &lab.judge(wrong, |_| {}).await,
        "wrong order: each must be followed by its issuer, here that is 1, 3, 2",
    );
}

#[tokio::test]
async fn names_must_be_covered_exactly() {
    let lab = Lab::new();
    let other = lab.judge(lab.server(&Wish { names: &["www.example.net"], ..Wish::default() }), |_| {}).await;
    assert_fails(
        &other,
        "certificate for another name: `app.example.org` was asked for, served is `www.example.net`",
    );
    let deep = lab.judge(lab.server(&Wish::default()), |gate| gate.name = "a.b.example.org".to_owned()).await;
    assert_fails(&deep, "`*.example.org` stands for one label only and does not cover `a.b.example.org`");
    let common = lab.judge(lab.server(&Wish { names: &[], ..Wish::default() }), |_| {}).await;
    assert_fails(&common, "a common name counts for nothing");
    let missing = lab
        .judge(lab.server(&Wish::default()), |gate| gate.subject_names = vec!["example.org".to_owned()])
        .await;
    assert_fails(&missing, "subject name `example.org` is missing");
    let issuer =
        lab.judge(lab.server(&Wish::default()), |gate| gate.issuer = Some("Public CA".to_owned())).await;
    assert_fails(&issuer, "issuer is `CN=Lab CA`, expected `Public CA`");
}

#[tokio::test]
async fn a_default_certificate_for_an_unknown_name_is_seen_through() {
    let lab = Lab::new();
    let default = Wish { names: &["f00.ba2.traefik.default"], ..Wish::default() }.self_signed();
    let result = lab.judge(Tls::new(default, &[]), |_| {}).await;
    assert_fails(&result, "self-signed certificate");
    assert_fails(&result, "served is `f00.ba2.traefik.default`");
}

#[tokio::test]
async fn a_certificate_for_clients_is_none_for_servers() {
    let lab = Lab::new();
    let wish = Wish { purpose: ExtendedKeyUsagePurpose::ClientAuth, ..Wish::default() };
    assert_fails(&lab.judge(lab.server(&wish), |_| {}).await, "is for client and not for servers");
}

#[tokio::test]
async fn a_key_of_another_certificate_fails_on_the_wire_and_on_disk() {
    let lab = Lab::new();
    let wire = Tls { other_key: Some(lab.leaf(&Wish::default())), ..lab.server(&Wish::default()) };
    let result = lab.judge(wire, |_| {}).await;
    assert_fails(&result, "key of another certificate: the server's private key does not belong");
    assert_eq!(recorded(&result).len(), 2);
    let key = lab.files.put("other.key", &lab.leaf(&Wish::default()).key_pem);
    let result = lab.judge(lab.server(&Wish::default()), |gate| gate.key = Some(key)).await;
    assert_fails(&result, "other.key` does not belong to the served `CN=*.example.org`");
}

#[tokio::test]
async fn a_renewed_file_that_is_not_served_yet_is_told() {
    let lab = Lab::new();
    let fresh = lab.files.put("fresh.pem", &lab.leaf(&Wish { from: -1, ..Wish::default() }).pem);
    let result = lab.judge(lab.server(&Wish::default()), |gate| gate.equals = Some(fresh)).await;
    assert_fails(&result, "the file was renewed and the old certificate is still served");
    let older = lab.files.put("older.pem", &lab.leaf(&Wish { from: -50, ..Wish::default() }).pem);
    let result = lab.judge(lab.server(&Wish::default()), |gate| gate.equals = Some(older)).await;
    assert_fails(&result, "another certificate than that of");
    assert!(!result.summary.contains("renewed"), "{}", result.summary);
}

#[tokio::test]
async fn lower_versions_must_be_refused() {
    let lab = Lab::new();
    let both = || lab.server(&Wish::default());
    let only = |version| Tls { versions: vec![version], ..both() };
    let newest = |gate: &mut CertificateGate| gate.min_tls = Some(TlsVersion::V1_3);
    assert_passes(&lab.judge(only(&rustls::version::TLS13), newest).await);
    assert_fails(&lab.judge(both(), newest).await, "TLS 1.2 is accepted and must be refused");
    assert_fails(&lab.judge(only(&rustls::version::TLS12), newest).await, "TLS 1.2 is accepted");
    assert_passes(&lab.judge(only(&rustls::version::TLS12), |_| {}).await);
    let old = lab.judge(Tls { old: true, ..both() }, |_| {}).await;
    assert_fails(&old, "TLS 1.1 is accepted and must be refused");
}

#[tokio::test]
async fn what_keeps_it_from_an_answer_is_told_apart() {
    let lab = Lab::new();
    let at = async |address| {
        let gate = CertificateGate {
            name: "app.example.org".to_owned(),
            at: vec![address],
            ca: Some(lab.ca.clone()),
            ..CertificateGate::default()
        };
        run(Gate { certificate: Some(gate), ..Gate::default() }).await
    };
    assert_fails(&at(nobody()).await, "refused the connection");
    assert_fails(&at(says(b"").await).await, "accepted the connection but did not speak TLS within 1.5s");
    assert_fails(&at(says(b"220 mail.example.org ESMTP\r\n").await).await, "does not speak TLS");
}

#[tokio::test]
async fn what_cannot_run_is_unknown() {
    let lab = Lab::new();
    let nowhere =
        lab.judge(lab.server(&Wish::default()), |gate| gate.ca = Some("/nowhere/ca.pem".into())).await;
    assert_unknown(&nowhere, "cannot read `/nowhere/ca.pem`");
    let empty = lab.files.put("empty.pem", "");
    let empty = lab.judge(lab.server(&Wish::default()), |gate| gate.ca = Some(empty)).await;
    assert_unknown(&empty, "holds no certificate");
    let key =
        lab.judge(lab.server(&Wish::default()), |gate| gate.key = Some("/nowhere/tls.key".into())).await;
    assert_unknown(&key, "cannot read `/nowhere/tls.key`");
    let regex = lab.judge(lab.server(&Wish::default()), |gate| gate.issuer = Some("(".to_owned())).await;
    assert_unknown(&regex, "`(` is not a regular expression");
    assert_eq!(regex.attempt_count, 1);
}

/// Judges as after a change, with a deadline that shows whether it was waited for.
async fn judge_changed(gate: CertificateGate, declared: &[&str]) -> GateResult {
    let (expected, declared) = (
        std::collections::BTreeMap::new(),
        declared.iter().map(|pem| fingerprint(pem.as_bytes()).unwrap()).collect(),
    );
    let sources = Sources {
        unit: None,
        host: None,
        forges: None,
        observed: None,
        observe: &|| Box::pin(async { Err(String::new()) }),
        task_log: &|_, tally| Box::pin(async { Ok(tally) }),
        expected: &expected,
        declared: &declared,
        since: jiff::Timestamp::UNIX_EPOCH,
        changed: None,
    };
    let limits = Limits { deadline: Duration::from_millis(600), ..super::quick() };
    let gate = Planned { soak: true, ..planned(Gate { certificate: Some(gate), ..Gate::default() }) };
    verify(&[gate], &sources, &limits, &mut |_| {}).await.remove(0)
}

#[tokio::test]
async fn what_is_wrong_with_the_declared_certificate_itself_is_not_waited_for() {
    let lab = Lab::new();
    let wishes = [
        (Wish { from: -90, to: -3, ..Wish::default() }, "certificate expired"),
        (Wish { names: &["*.example.com"], ..Wish::default() }, "certificate for another name"),
        (Wish { from: -80, to: 5, ..Wish::default() }, "too little time left"),
    ];
    let other = lab.leaf(&Wish::default());
    let (other_file, other_key) =
        (lab.files.put("other.pem", &other.pem), lab.files.put("other.key", &other.key_pem));
    for (wish, because) in wishes {
        let leaf = lab.leaf(&wish);
        let (pem, file) = (leaf.pem.clone(), lab.files.put("leaf.pem", &leaf.pem));
        let gate = CertificateGate {
            name: "app.example.org".to_owned(),
            at: vec![Tls::new(leaf, &[&lab.inter.der]).start().await],
            ca: Some(lab.ca.clone()),
            ..CertificateGate::default()
        };
        let equals = |file: &PathBuf| CertificateGate { equals: Some(file.clone()), ..gate.clone() };
        for (judged, once) in [
            (judge_changed(equals(&file), &[]).await, true),
            (judge_changed(gate.clone(), &[&other.pem, &pem]).await, true),
            // The declared one is on its way, or nothing says which it is.
            (judge_changed(equals(&other_file), &[&pem]).await, false),
            (judge_changed(gate.clone(), &[&other.pem]).await, false),
        ] {
            assert_fails(&judged, because);
            assert_eq!(judged.attempt_count == 1, once, "{because}: {} attempts", judged.attempt_count);
        }
    }
    let gate = |key: &PathBuf, equals: &PathBuf, at| CertificateGate {
        name: "app.example.org".to_owned(),
        at: vec![at],
        ca: Some(lab.ca.clone()),
        key: Some(key.clone()),
        equals: Some(equals.clone()),
        ..CertificateGate::default()
    };
    let leaf = lab.leaf(&Wish::default());
    let file = lab.files.put("good.pem", &leaf.pem);
    let at = Tls::new(leaf, &[&lab.inter.der]).start().await;
    let judged = judge_changed(gate(&other_key, &file, at), &[]).await;
    assert_fails(&judged, "key of another certificate");
    assert_eq!(judged.attempt_count, 1);
    let judged = judge_changed(gate(&other_key, &other_file, at), &[]).await;
    assert!(judged.attempt_count > 1, "both files were renewed, and the old certificate is still served");
}

#[tokio::test]
async fn files_that_do_not_end_or_never_begin_are_unknown_at_once() {
    let lab = Lab::new();
    let pipe = lab.files.put("pipe", "");
    std::fs::remove_file(&pipe).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let long = lab.files.put("long.pem", &"x".repeat((1 << 20) + 1));
    let began = std::time::Instant::now();
    for (path, because) in [
        (pipe, "no regular file"),
        ("/dev/zero".into(), "no regular file"),
        (long, "is longer than 1048576 bytes"),
    ] {
        let ca = lab.judge(lab.server(&Wish::default()), |gate| gate.ca = Some(path.clone())).await;
        assert_unknown(&ca, because);
        let equals = lab.judge(lab.server(&Wish::default()), |gate| gate.equals = Some(path.clone())).await;
        assert_unknown(&equals, because);
        let key = lab.judge(lab.server(&Wish::default()), |gate| gate.key = Some(path.clone())).await;
        assert_unknown(&key, because);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn every_address_must_hold() {
    let lab = Lab::new();
    let (good, bad) = (lab.server(&Wish::default()).start().await, nobody());
    let result = lab.judge(lab.server(&Wish::default()), |gate| gate.at.push(good)).await;
    assert_passes(&result);
    assert_eq!(result.observed.as_object().unwrap().len(), 2);
    let result = lab.judge(lab.server(&Wish::default()), |gate| gate.at.push(bad)).await;
    assert_fails(&result, &format!("at {bad}: {bad} refused the connection"));
    assert_eq!(result.verdict, Verdict::Fail);
}
