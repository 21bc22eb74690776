//! Gates: one kind each, and something that can fail.

use super::super::{AbsenceGate, AuthGate, CertificateGate, FileGate, Gate, HttpsGate, Redirect, TcpGate};
use super::bridge::{branch, full_name};
use super::forge::{base, dialled};
use super::secrets::unit;
use super::stacks::TRAEFIK;
use super::values::{self, Verdict, Wrong, holds};
use super::{Judge, Path, host, join};
use crate::source::nearest;

/// Judges one gate.
pub(super) fn judge(judge: &mut Judge<'_>, name: &str, gate: &Gate) {
    let at: &Path<'_> = &["gates", name];
    let kinds = [
        gate.https.is_some(),
        gate.certificate.is_some(),
        gate.swarm.is_some(),
        gate.tcp.is_some(),
        gate.file.is_some(),
        gate.absence.is_some(),
        gate.closure.is_some(),
        gate.unit.is_some(),
        gate.store.is_some(),
        gate.auth.is_some(),
        gate.drone.is_some(),
        gate.oauth.is_some(),
        gate.runner.is_some(),
    ];
    let which = "`https`, `certificate`, `swarm`, `tcp`, `file`, `absence`, `closure`, `unit`, `store`, `auth`, `drone`, \
                 `oauth` and `runner`";
    if let Err(wrong) = host::one_of(&kinds, "a gate", which) {
        judge.wrong_key(at, at, wrong);
    }
    judge.maybe(&join(at, &["deadline"]), gate.deadline, values::wait);
    judge.maybe(&join(at, &["attempt"]), gate.attempt, values::wait);
    judge.maybe(&join(at, &["soak"]), gate.soak, values::most);
    if let Some(https) = &gate.https {
        judge_https(judge, &join(at, &["https"]), https);
    }
    if let Some(certificate) = &gate.certificate {
        judge_certificate(judge, &join(at, &["certificate"]), certificate);
    }
    if let Some(swarm) = &gate.swarm {
        judge_stack(judge, &join(at, &["swarm", "stack"]), &swarm.stack);
        let service = swarm.service.as_deref();
        judge.maybe(&join(at, &["swarm", "service"]), service, |text| values::filled(text, "the service"));
    }
    if let Some(tcp) = &gate.tcp {
        judge_tcp(judge, &join(at, &["tcp"]), tcp);
    }
    if let Some(file) = &gate.file {
        judge_file(judge, &join(at, &["file"]), file);
    }
    if let Some(absence) = &gate.absence {
        judge_absence(judge, &join(at, &["absence"]), absence);
    }
    if let Some(auth) = &gate.auth {
        judge_auth(judge, &join(at, &["auth"]), auth);
    }
    judge_host(judge, at, gate);
    judge_drone(judge, at, gate);
}

/// Gates that are about a Drone.
fn judge_drone(judge: &mut Judge<'_>, at: &Path<'_>, gate: &Gate) {
    // What is misspelt or of a wrong type may have been meant.
    let like = |key: &&str| *key == "drone" || nearest::nearest(key, ["drone"]).is_some();
    let declared = judge.keys("forge").is_none_or(|keys| keys.iter().any(like));
    if let Some(drone) = &gate.drone {
        let at = join(at, &["drone"]);
        judge.maybe(&join(&at, &["url"]), drone.url.as_deref(), base);
        judge.maybe(&join(&at, &["connect"]), drone.connect.as_deref(), dialled);
        judge.maybe(&join(&at, &["ca"]), drone.ca.as_deref(), values::path);
        if let Some(secret) = &drone.runner_secret {
            judge.refers(&join(&at, &["runner_secret", "secret"]), &secret.secret, "secrets");
        }
        if drone.url.is_none() && !declared {
            let message = "this gate has no `url`, and there is no `forge.drone`".to_owned();
            judge.wrong_key(&at, &at, Wrong { message, fix: "add `url`".to_owned() });
        }
    }
    if gate.oauth.is_some() && !declared {
        let at = join(at, &["oauth"]);
        let message = "this gate is about `forge.drone`, and there is none".to_owned();
        judge.wrong_key(&at, &at, Wrong { message, fix: "declare it".to_owned() });
    }
    if let Some(runner) = &gate.runner {
        let at = join(at, &["runner"]);
        judge.value(&join(&at, &["repository"]), full_name(&runner.repository));
        judge.maybe(&join(&at, &["branch"]), runner.branch.as_deref(), branch);
        judge.maybe(&join(&at, &["within"]), runner.within, values::wait);
        if !declared {
            let message = "this gate is about `forge.drone`, and there is none".to_owned();
            judge.wrong_key(&at, &at, Wrong { message, fix: "declare it".to_owned() });
        }
    }
}

/// Gates that are about the host itself.
fn judge_host(judge: &mut Judge<'_>, at: &Path<'_>, gate: &Gate) {
    if let Some(closure) = &gate.closure {
        let at = join(at, &["closure"]);
        let expects = closure.unit.is_some() || closure.expect.is_some() || closure.booted;
        judge_expectation(judge, &at, expects, "`unit`, `expect` and `booted`");
        judge.maybe(&join(&at, &["unit"]), closure.unit.as_deref(), unit);
        judge.maybe(&join(&at, &["expect"]), closure.expect.as_deref(), absolute);
    }
    if let Some(gate) = &gate.unit {
        judge.value(&join(at, &["unit", "name"]), unit(&gate.name));
        let state = gate.sub_state.as_deref();
        judge.maybe(&join(at, &["unit", "sub_state"]), state, |text| values::filled(text, "the state"));
    }
    if let Some(store) = &gate.store {
        judge.each(&join(at, &["store", "paths"]), &store.paths, |path| absolute(path));
    }
}

/// A path of a Nix store has one spelling.
fn absolute(path: &std::path::Path) -> Verdict {
    let message = format!("`{}` is no path of a Nix store", path.display());
    holds(path.is_absolute(), message, "write it in full: `/nix/store/HASH-NAME`")
}

/// A gate that expects nothing would hold whatever happens.
fn judge_expectation(judge: &mut Judge<'_>, at: &Path<'_>, expects: bool, which: &str) {
    if !expects {
        let message = "this gate expects nothing, so that it could never fail".to_owned();
        judge.wrong_key(at, at, Wrong { message, fix: format!("add one of {which}") });
    }
}

/// A gate's stack: a declared one, or the one that the section `traefik` makes.
fn judge_stack(judge: &mut Judge<'_>, at: &Path<'_>, stack: &str) {
    if stack != TRAEFIK || judge.root.get(TRAEFIK).is_none() {
        judge.refers(at, stack, "stacks");
    }
}

fn judge_https(judge: &mut Judge<'_>, at: &Path<'_>, https: &HttpsGate) {
    let expects = !https.status.is_empty()
        || !https.status_not.is_empty()
        || !https.headers.is_empty()
        || !https.headers_not.is_empty()
        || https.body.is_some()
        || https.body_not.is_some()
        || https.redirect.is_some();
    let which = "`status`, `status_not`, `headers`, `headers_not`, `body`, `body_not` and `redirect`";
    judge_expectation(judge, at, expects, which);
    judge.value(&join(at, &["url"]), values::url(&https.url));
    judge.maybe(&join(at, &["ca"]), https.ca.as_deref(), values::path);
    judge.maybe(&join(at, &["method"]), https.method.as_deref(), values::token);
    judge.names(&join(at, &["request_headers"]), https.request_headers.keys(), values::token);
    judge.each(&join(at, &["status"]), &https.status, |text| values::status(text));
    judge.each(&join(at, &["status_not"]), &https.status_not, |text| values::status(text));
    judge.names(&join(at, &["headers"]), https.headers.keys(), values::token);
    for (name, pattern) in &https.headers {
        judge.value(&join(at, &["headers", name]), values::pattern(pattern));
    }
    judge.each(&join(at, &["headers_not"]), &https.headers_not, |text| values::token(text));
    judge.maybe(&join(at, &["body"]), https.body.as_deref(), values::pattern);
    judge.maybe(&join(at, &["body_not"]), https.body_not.as_deref(), values::pattern);
    if let Some(redirect) = &https.redirect {
        judge_redirect(judge, &join(at, &["redirect"]), redirect);
    }
}

fn judge_auth(judge: &mut Judge<'_>, at: &Path<'_>, auth: &AuthGate) {
    judge.value(&join(at, &["url"]), values::url(&auth.url));
    judge.maybe(&join(at, &["ca"]), auth.ca.as_deref(), values::path);
    judge.maybe(&join(at, &["method"]), auth.method.as_deref(), values::token);
}

fn judge_redirect(judge: &mut Judge<'_>, at: &Path<'_>, redirect: &Redirect) {
    judge.value(&join(at, &["to"]), values::filled(&redirect.to, "the location"));
    judge.maybe(&join(at, &["status"]), redirect.status, |status| {
        let fits = (300..400).contains(&status);
        holds(fits, format!("`{status}` is not the status of a redirect"), "write one from 300 to 399")
    });
}

fn judge_certificate(judge: &mut Judge<'_>, at: &Path<'_>, certificate: &CertificateGate) {
    judge.value(&join(at, &["name"]), values::server_name(&certificate.name));
    judge.maybe(&join(at, &["ca"]), certificate.ca.as_deref(), values::path);
    judge.each(&join(at, &["subject_names"]), &certificate.subject_names, |name| subject_name(name));
    judge.maybe(&join(at, &["issuer"]), certificate.issuer.as_deref(), values::pattern);
    judge.maybe(&join(at, &["min_lifetime_percent"]), certificate.min_lifetime_percent, |percent| {
        holds(
            percent < 100,
            format!("no certificate has {percent} % of its lifetime left"),
            "write less than 100",
        )
    });
    judge.maybe(&join(at, &["equals"]), certificate.equals.as_deref(), values::path);
    judge.maybe(&join(at, &["key"]), certificate.key.as_deref(), values::path);
}

/// A DNS name as it stands in a certificate: a whole label may be `*`.
fn subject_name(name: &str) -> Verdict {
    values::server_name(name.strip_prefix("*.").unwrap_or(name))
}

fn judge_tcp(judge: &mut Judge<'_>, at: &Path<'_>, tcp: &TcpGate) {
    judge.maybe(&join(at, &["banner"]), tcp.banner.as_deref(), values::pattern);
    if tcp.closed && tcp.banner.is_some() {
        let message = "a connection that is refused sends no banner";
        judge.value(&join(at, &["banner"]), holds(false, message, "leave `banner` or `closed` away"));
    }
}

fn judge_file(judge: &mut Judge<'_>, at: &Path<'_>, file: &FileGate) {
    let there = file.mode.is_some()
        || file.owner.is_some()
        || file.group.is_some()
        || file.size.is_some()
        || file.shape.is_some();
    let which = "`mode`, `owner`, `group`, `size`, `shape` and `absent`";
    judge_expectation(judge, at, there || file.absent, which);
    if there && file.absent {
        let message = "a file that must not exist has no other property";
        judge.value(&join(at, &["absent"]), holds(false, message, "leave `absent` or the others away"));
    }
    judge.value(&join(at, &["path"]), values::path(&file.path));
    judge.maybe(&join(at, &["mode"]), file.mode.as_deref(), values::mode);
    judge.maybe(&join(at, &["owner"]), file.owner.as_deref(), |text| values::filled(text, "the owner"));
    judge.maybe(&join(at, &["group"]), file.group.as_deref(), |text| values::filled(text, "the group"));
    judge.maybe(&join(at, &["shape"]), file.shape.as_deref(), values::pattern);
}

fn judge_absence(judge: &mut Judge<'_>, at: &Path<'_>, absence: &AbsenceGate) {
    judge_stack(judge, &join(at, &["stack"]), &absence.stack);
    judge.value(&join(at, &["service"]), values::filled(&absence.service, "the service"));
    judge.value(&join(at, &["pattern"]), values::pattern(&absence.pattern));
    judge.value(&join(at, &["proof_of_life"]), values::pattern(&absence.proof_of_life));
}
