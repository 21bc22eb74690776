//! `certificate`: what an address serves for a name, all of it, and whether it is what was declared.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use regex::Regex;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroize;

use super::chain::{self, Cert, Trust, name_problem, refusal_problems, validity_problem};
use super::context::Context;
use super::legacy::{self, Old};
use super::net::{Budget, connect, resolve};
use super::read::{aside, bounded};
use super::seen::{Hope, Seen, Trouble, together};
use super::tls::{BOTH, Handshake, ONLY_1_2, Refusal, Roots, Wish, handshake, read_certs};
use super::words::pattern;
use crate::manifest::{CertificateGate, TlsVersion};
use crate::report::Verdict;

/// Days that must be left where the gate does not say.
const MIN_DAYS: u32 = 14;
/// Percent of the lifetime that must be left where the gate does not say.
const MIN_PERCENT: u8 = 10;
const DAY: i64 = 86_400;

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Certificate {
    gate: CertificateGate,
    issuer: Option<Regex>,
}

/// What one address served.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Served {
    /// Leaf first.
    pub(super) chain: Vec<Cert>,
    /// Why the chain was refused; empty when it is trusted.
    pub(super) refused: Vec<String>,
    /// The negotiated version.
    pub(super) tls: Option<String>,
    /// Versions below the lowest that is allowed, and what came of asking for them.
    #[serde(skip)]
    pub(super) lower: Vec<(&'static str, Old)>,
    /// The first certificate of the declared file.
    pub(super) file: Option<Cert>,
    /// Whether the declared key belongs to the leaf.
    pub(super) key_belongs: Option<bool>,
    /// True when the leaf is the very certificate that is declared: no other is on its way.
    #[serde(skip)]
    pub(super) declared: bool,
}

impl Certificate {
    pub(super) fn prepare(gate: &CertificateGate) -> Result<Self, String> {
        if rustls::pki_types::ServerName::try_from(gate.name.as_str()).is_err() {
            return Err(format!("`{}` is not a server name", gate.name));
        }
        if gate.min_lifetime_percent.is_some_and(|percent| percent > 100) {
            return Err("`min_lifetime_percent` is more than 100".to_owned());
        }
        Ok(Self { gate: gate.clone(), issuer: gate.issuer.as_deref().map(pattern).transpose()? })
    }

    pub(super) fn source(&self) -> String {
        let at = self.gate.at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let at = if at.is_empty() { format!("{}:443", self.gate.name) } else { at };
        format!("TLS handshake for `{}` at {at}", self.gate.name)
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let roots = match context.shared.roots(self.gate.ca.as_deref()).await {
            Ok(roots) => roots,
            Err(reason) => return Seen::unknown(reason),
        };
        let budget = context.budget();
        let addresses = if self.gate.at.is_empty() {
            match resolve(&self.gate.name, 443, budget).await {
                Ok(addresses) => addresses,
                Err(trouble) => return trouble.into(),
            }
        } else {
            self.gate.at.clone()
        };
        let roots = roots.as_ref();
        let declared = context.shared.sources.declared;
        let each = addresses
            .iter()
            .map(|at| async move { (at.to_string(), self.at(*at, roots, budget, declared).await) });
        together(join_all(each).await)
    }

    async fn at(&self, at: SocketAddr, roots: &Roots, budget: Budget, declared: &BTreeSet<String>) -> Seen {
        let mut served = Served::default();
        let trouble = self.look(at, roots, budget, &mut served).await.err();
        if let Some(trouble) = trouble {
            return Seen::new(trouble.verdict, trouble.reason, json!(served));
        }
        if let Err(reason) = self.compare_files(&mut served).await {
            return Seen::new(Verdict::Unknown, reason, json!(served));
        }
        served.declared = served.chain.first().is_some_and(|leaf| match &served.file {
            Some(file) => file.sha256 == leaf.sha256,
            None => declared.contains(&leaf.sha256),
        });
        judge_certificate(&self.gate, self.issuer.as_ref(), &served, jiff::Timestamp::now().as_second())
    }

    /// Shakes hands, and asks for the versions that must be refused.
    async fn look(
        &self,
        at: SocketAddr,
        roots: &Roots,
        budget: Budget,
        served: &mut Served,
    ) -> Result<(), Trouble> {
        let name = self.gate.name.as_str();
        let wish = Wish { name, roots, versions: BOTH, http: false };
        let Handshake { chain, outcome } = handshake(connect(at, budget).await?, &wish, budget).await;
        let chain: Result<Vec<_>, _> = chain.iter().map(|der| Cert::read(der)).collect();
        served.chain =
            chain.map_err(|why| Trouble::fail(format!("{at} serves something unreadable: {why}")))?;
        match outcome {
            Ok(stream) => {
                served.tls = stream.get_ref().1.protocol_version().map(|version| format!("{version:?}"));
            }
            Err(Refusal::Untrusted(error)) => {
                let knows = |subject: &[u8]| roots.knows(subject);
                let now = jiff::Timestamp::now().as_second();
                let trust = Trust { name, now, knows: &knows, roots: &roots.from };
                served.refused = refusal_problems(&error, &served.chain, &trust);
                return Ok(());
            }
            Err(Refusal::OtherKey) => return Err(Trouble::fail(chain::OTHER_KEY)),
            Err(Refusal::Alert(alert)) => {
                return Err(Trouble::fail(format!("{at} refused the TLS handshake for `{name}`: {alert}")));
            }
            Err(Refusal::Closed(reason)) => return Err(Trouble::fail(reason)),
            Err(Refusal::Trouble(trouble)) => return Err(trouble),
        }
        served.lower.push(("TLS 1.1", legacy::ask(connect(at, budget).await?, name, budget).await));
        if self.gate.min_tls == Some(TlsVersion::V1_3) {
            let wish = Wish { versions: ONLY_1_2, ..wish };
            let shaken = handshake(connect(at, budget).await?, &wish, budget).await;
            let old = match shaken.outcome {
                Err(Refusal::Alert(_) | Refusal::Closed(_)) => Old::Refused,
                Err(Refusal::Trouble(_)) => Old::Unclear,
                Ok(_) | Err(Refusal::Untrusted(_) | Refusal::OtherKey) => Old::Accepted,
            };
            served.lower.push(("TLS 1.2", old));
        }
        Ok(())
    }

    async fn compare_files(&self, served: &mut Served) -> Result<(), String> {
        if let Some(path) = self.gate.equals.clone() {
            served.file = aside(move || first_of(&path)).await?;
        }
        if let (Some(path), Some(leaf)) = (self.gate.key.clone(), served.chain.first()) {
            let key: PathBuf = path;
            served.key_belongs = Some(aside(move || public_key(&key)).await? == leaf.public_key);
        }
        Ok(())
    }
}

/// The first certificate of a PEM file.
fn first_of(path: &Path) -> Result<Option<Cert>, String> {
    let first = read_certs(path)?.into_iter().next();
    let first = first.map(|der| Cert::read(&der)).transpose();
    first.map_err(|why| format!("`{}` is {why}", path.display()))
}

/// The public half of a private key, as `SubjectPublicKeyInfo`; the private one is wiped after use.
fn public_key(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let text = bounded(path)?;
    let mut key =
        PrivateKeyDer::from_pem_slice(&text).map_err(|_| format!("`{shown}` holds no private key"))?;
    let signing = any_supported_type(&key);
    key.zeroize();
    let signing =
        signing.map_err(|_| format!("`{shown}` holds a private key of a kind that is not supported"))?;
    let public = signing.public_key().map(|public| public.as_ref().to_vec());
    public.ok_or_else(|| format!("`{shown}` holds a private key without a public half"))
}

/// Judges what one address served.
pub(super) fn judge_certificate(
    gate: &CertificateGate,
    issuer: Option<&Regex>,
    served: &Served,
    now: i64,
) -> Seen {
    let facts = json!(served);
    let Some(leaf) = served.chain.first() else {
        return Seen::fail("no certificate was served", facts);
    };
    let mut problems = served.refused.clone();
    for problem in served.chain.iter().filter_map(|cert| validity_problem(cert, now)) {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    if served.refused.is_empty() {
        problems.extend(name_problem(leaf, &gate.name));
    }
    problems.extend(order_problem(&served.chain));
    problems.extend(served.chain.iter().filter_map(|cert| time_left_problem(gate, cert, now)));
    for name in &gate.subject_names {
        if !leaf.names.iter().any(|have| have.eq_ignore_ascii_case(name)) {
            problems
                .push(format!("subject name `{name}` is missing, there are `{}`", leaf.names.join("`, `")));
        }
    }
    if let Some(issuer) = issuer.filter(|issuer| !issuer.is_match(&leaf.issuer)) {
        problems.push(format!("issuer is `{}`, expected `{issuer}`", leaf.issuer));
    }
    // Renewals are written to files before they are served: that difference may pass.
    let lasting = !problems.is_empty();
    problems.extend(file_problem(gate, leaf, served.file.as_ref()));
    if served.key_belongs == Some(false) {
        let key = gate.key.as_deref().unwrap_or(Path::new("")).display();
        problems.push(format!(
            "key of another certificate: `{key}` does not belong to the served `{}`",
            leaf.label()
        ));
    }
    // Another certificate may be on its way to the wire; of the declared one these stay as they are.
    let settled = served.declared
        && leaf.not_before.0 <= now
        && (leaf.is_past_cure(&gate.name, now)
            || time_left_problem(gate, leaf, now).is_some()
            || served.key_belongs == Some(false));
    let unclear = version_problems(&served.lower, &mut problems);
    if problems.is_empty() && !unclear.is_empty() {
        return Seen::new(Verdict::Unknown, unclear.join("; "), facts);
    }
    let left = (leaf.not_after.0 - now) / DAY;
    let holds = format!("`{}`, valid until {} ({left} days)", leaf.names.join("`, `"), leaf.not_after);
    let seen = Seen::judged(&problems, holds, facts);
    let seen = if lasting || settled { seen.with_hope(Hope::OnlyAfterChange) } else { seen };
    seen.hopeless_if(settled)
}

/// Old versions that were accepted are problems; what could not be found out is returned.
fn version_problems(lower: &[(&'static str, Old)], problems: &mut Vec<String>) -> Vec<String> {
    let mut unclear = Vec::new();
    for (version, old) in lower {
        match old {
            Old::Refused => {}
            Old::Accepted => problems.push(format!("{version} is accepted and must be refused")),
            Old::Unclear => unclear.push(format!("whether {version} is refused could not be found out")),
        }
    }
    unclear
}

fn order_problem(chain: &[Cert]) -> Option<String> {
    let path = chain::path(chain);
    if path.is_sorted() {
        return None;
    }
    let right: Vec<_> = path.iter().map(|at| (at + 1).to_string()).collect();
    Some(format!(
        "certificates are sent in the wrong order: each must be followed by its issuer, here that is {}",
        right.join(", ")
    ))
}

/// The smaller of the two limits counts, so that short-lived certificates need not have days that they never had.
fn time_left_problem(gate: &CertificateGate, cert: &Cert, now: i64) -> Option<String> {
    let left = cert.not_after.0 - now;
    let lifetime = cert.not_after.0 - cert.not_before.0;
    if left < 0 || now < cert.not_before.0 {
        return None;
    }
    let percent = i64::from(gate.min_lifetime_percent.unwrap_or(MIN_PERCENT));
    let days = i64::from(gate.min_days.unwrap_or(MIN_DAYS));
    let by_days = days.saturating_mul(DAY);
    let by_share = lifetime / 100 * percent;
    let limit = match (gate.min_days, gate.min_lifetime_percent) {
        (Some(_), None) => by_days,
        (None, Some(_)) => by_share,
        _ => by_days.min(by_share),
    };
    (left < limit).then(|| {
        let share = left * 100 / lifetime.max(1);
        format!(
            "too little time left: `{}` is valid until {}, {} ({share}% of its lifetime), needed are {}",
            cert.label(),
            cert.not_after,
            chain::ago(left),
            chain::ago(limit)
        )
    })
}

fn file_problem(gate: &CertificateGate, leaf: &Cert, file: Option<&Cert>) -> Option<String> {
    let file = file.filter(|file| file.sha256 != leaf.sha256)?;
    let path = gate.equals.as_deref().unwrap_or(Path::new("")).display();
    let newer = file.not_before > leaf.not_before;
    let hint = if newer { "; the file was renewed and the old certificate is still served" } else { "" };
    Some(format!(
        "another certificate than that of `{path}` is served: serial {} and not {}{hint}",
        leaf.serial, file.serial
    ))
}
