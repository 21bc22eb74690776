//! `https`: a request and what must come back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use futures_util::future::join_all;
use regex::Regex;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::chain::{self, Cert, Trust};
use super::http::{Answer, Ask, BodyEnd, exchange};
use super::net::{Budget, connect, connect_any, resolve};
use super::probe::Context;
use super::seen::{Hope, Seen, Trouble};
use super::tls::{BOTH, Handshake, Refusal, Roots, Wish, handshake};
use super::url::Target;
use crate::manifest::{HttpsGate, Redirect};
use crate::report::Verdict;

/// As much of a body stands in a reason.
const EXCERPT: usize = 160;

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Https {
    gate: HttpsGate,
    target: Target,
    expect: Expect,
}

/// What must come back.
#[derive(Debug, Default)]
pub(super) struct Expect {
    status: Vec<Status>,
    status_not: Vec<Status>,
    headers: BTreeMap<String, Regex>,
    headers_not: Vec<String>,
    body: Option<Regex>,
    body_not: Option<Regex>,
    redirect: Option<Redirect>,
}

/// A status or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Exact(u16),
    Class(u16),
}

impl Status {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a status; write `200` or `2xx`");
        let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
        let number: u16 = class.unwrap_or(text).parse().map_err(|_| wrong())?;
        match class {
            Some(_) if (1..=5).contains(&number) => Ok(Self::Class(number)),
            None if (100..=599).contains(&number) => Ok(Self::Exact(number)),
            _ => Err(wrong()),
        }
    }

    const fn holds(self, status: u16) -> bool {
        match self {
            Self::Exact(exact) => status == exact,
            Self::Class(class) => status / 100 == class,
        }
    }
}

/// Compiles a regular expression; an error names it.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let last = error.to_string();
        let last = last.lines().last().unwrap_or_default().trim().to_owned();
        format!("`{text}` is not a regular expression: {last}")
    })
}

impl Expect {
    pub(super) fn of(gate: &HttpsGate) -> Result<Self, String> {
        let statuses =
            |list: &[String]| list.iter().map(|text| Status::parse(text)).collect::<Result<Vec<_>, _>>();
        let headers = gate.headers.iter();
        let expect = Self {
            status: statuses(&gate.status)?,
            status_not: statuses(&gate.status_not)?,
            headers: headers
                .map(|(name, text)| Ok((name.to_lowercase(), pattern(text)?)))
                .collect::<Result<_, String>>()?,
            headers_not: gate.headers_not.iter().map(|name| name.to_lowercase()).collect(),
            body: gate.body.as_deref().map(pattern).transpose()?,
            body_not: gate.body_not.as_deref().map(pattern).transpose()?,
            redirect: gate.redirect.clone(),
        };
        if expect.is_empty() { Err("it expects nothing".to_owned()) } else { Ok(expect) }
    }

    fn is_empty(&self) -> bool {
        self.status.is_empty()
            && self.status_not.is_empty()
            && self.headers.is_empty()
            && self.headers_not.is_empty()
            && !self.wants_body()
            && self.redirect.is_none()
    }

    const fn wants_body(&self) -> bool {
        self.body.is_some() || self.body_not.is_some()
    }
}

/// What is wrong with an answer, and whether it could be found out at all.
pub(super) fn judge_https(expect: &Expect, answer: &Answer) -> (Verdict, Vec<String>) {
    let mut problems = status_problems(expect, answer.status);
    problems.extend(header_problems(expect, answer));
    problems.extend(redirect_problem(expect.redirect.as_ref(), answer));
    if expect.wants_body() {
        problems.extend(body_problems(expect, answer));
    }
    if !problems.is_empty() {
        return (Verdict::Fail, problems);
    }
    if expect.body_not.is_some() && answer.end == BodyEnd::Cut {
        let problem = format!("the body is longer than the {} bytes that are read", answer.body.len());
        return (Verdict::Unknown, vec![problem]);
    }
    (Verdict::Pass, problems)
}

fn status_problems(expect: &Expect, status: u16) -> Vec<String> {
    let mut problems = Vec::new();
    if !expect.status.is_empty() && !expect.status.iter().any(|have| have.holds(status)) {
        problems.push(format!("status {status}, expected {}", list(&expect.status)));
    }
    if expect.status_not.iter().any(|have| have.holds(status)) {
        problems.push(format!("status {status}, expected anything but {}", list(&expect.status_not)));
    }
    problems
}

fn list(statuses: &[Status]) -> String {
    let words = statuses.iter().map(|status| match status {
        Status::Exact(number) => number.to_string(),
        Status::Class(number) => format!("{number}xx"),
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn header_problems(expect: &Expect, answer: &Answer) -> Vec<String> {
    let values = |name: &str| -> Vec<&str> {
        let of_name = answer.headers.iter().filter(|(have, _)| have == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    };
    let mut problems = Vec::new();
    for (name, pattern) in &expect.headers {
        let values = values(name);
        if values.is_empty() {
            problems.push(format!("header `{name}` is missing, expected it to match `{pattern}`"));
        } else if !values.iter().any(|value| pattern.is_match(value)) {
            let values = if is_secret_header(name) {
                "its value".to_owned()
            } else {
                format!("`{}`", values.join("`, `"))
            };
            problems.push(format!("header `{name}`: {values} does not match `{pattern}`"));
        }
    }
    for name in &expect.headers_not {
        if !values(name).is_empty() {
            problems.push(format!("header `{name}` is there and must not be"));
        }
    }
    problems
}

fn redirect_problem(expected: Option<&Redirect>, answer: &Answer) -> Option<String> {
    let expected = expected?;
    let status = answer.status;
    if status / 100 != 3 {
        return Some(format!("status {status}, expected a redirect to `{}`", expected.to));
    }
    if expected.status.is_some_and(|want| want != status) {
        return Some(format!(
            "redirect with status {status}, expected {}",
            expected.status.unwrap_or_default()
        ));
    }
    let location = location(answer).unwrap_or_default();
    (location != expected.to).then(|| format!("redirect to `{location}`, expected `{}`", expected.to))
}

fn location(answer: &Answer) -> Option<&str> {
    answer.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.as_str())
}

fn body_problems(expect: &Expect, answer: &Answer) -> Vec<String> {
    let encoding =
        answer.headers.iter().find(|(name, value)| name == "content-encoding" && value != "identity");
    if let Some((_, encoding)) = encoding {
        return vec![format!("the body comes `{encoding}`-encoded although that was not asked for")];
    }
    match &answer.end {
        BodyEnd::Late => {
            return vec![format!("the body did not end in time ({} bytes came)", answer.body.len())];
        }
        BodyEnd::Broken(why) => {
            return vec![format!("the body broke off after {} bytes: {why}", answer.body.len())];
        }
        BodyEnd::Unread | BodyEnd::Whole | BodyEnd::Cut => {}
    }
    let text = String::from_utf8_lossy(&answer.body);
    let mut problems = Vec::new();
    if let Some(pattern) = expect.body.as_ref().filter(|pattern| !pattern.is_match(&text)) {
        problems.push(format!("the body does not match `{pattern}`; it begins with {}", excerpt(&text)));
    }
    if let Some(pattern) = expect.body_not.as_ref().filter(|pattern| pattern.is_match(&text)) {
        problems
            .push(format!("the body matches `{pattern}` and must not; it begins with {}", excerpt(&text)));
    }
    problems
}

/// The first characters of a text, quoted.
pub(super) fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(EXCERPT).collect();
    format!("{short:?}{}", if short.len() < text.len() { "..." } else { "" })
}

fn is_secret_header(name: &str) -> bool {
    matches!(name, "set-cookie" | "authorization" | "proxy-authorization" | "authentication-info")
}

/// One address's answer.
#[derive(Debug, Default)]
struct Exchange {
    hops: Vec<Value>,
    chain: Vec<Cert>,
    answer: Answer,
}

impl Https {
    pub(super) fn prepare(gate: &HttpsGate) -> Result<Self, String> {
        let target = Target::parse(&gate.url)?;
        if target.tls && rustls::pki_types::ServerName::try_from(target.host.as_str()).is_err() {
            return Err(format!("`{}` is not a server name", target.host));
        }
        if gate.redirect.is_some() && gate.follow > 0 {
            return Err("`redirect` and `follow` exclude each other".to_owned());
        }
        Ok(Self { gate: gate.clone(), target, expect: Expect::of(gate)? })
    }

    pub(super) fn source(&self) -> String {
        let at = self.gate.at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let method = self.method();
        if at.is_empty() {
            format!("{method} {}", self.gate.url)
        } else {
            format!("{method} {} at {at}", self.gate.url)
        }
    }

    fn method(&self) -> &str {
        self.gate.method.as_deref().unwrap_or("GET")
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let roots = if self.target.tls || self.gate.follow > 0 {
            match context.shared.roots(self.gate.ca.as_deref()).await {
                Ok(roots) => Some(roots),
                Err(reason) => return Seen::unknown(reason),
            }
        } else {
            None
        };
        let (budget, roots) = (context.budget(), roots.as_deref());
        let declared = context.shared.sources.declared;
        if self.gate.at.is_empty() {
            let seen = self.at(None, roots, budget, declared).await;
            return together(vec![(String::new(), seen)]);
        }
        let each = self
            .gate
            .at
            .iter()
            .map(|at| async move { (at.to_string(), self.at(Some(*at), roots, budget, declared).await) });
        together(join_all(each).await)
    }

    /// Asks one address and judges its answer.
    async fn at(
        &self,
        at: Option<SocketAddr>,
        roots: Option<&Roots>,
        budget: Budget,
        declared: &BTreeSet<String>,
    ) -> Seen {
        let mut exchange = Exchange::default();
        if let Err(seen) = self.talk(at, roots, budget, &mut exchange).await {
            let settled = exchange.hops.is_empty()
                && exchange.chain.first().is_some_and(|leaf| {
                    let now = jiff::Timestamp::now().as_second();
                    declared.contains(&leaf.sha256) && leaf.is_past_cure(&self.target.host, now)
                });
            return Seen { facts: facts(&exchange), ..seen }.hopeless_if(settled);
        }
        let (verdict, problems) = judge_https(&self.expect, &exchange.answer);
        let holds = format!("status {}", exchange.answer.status);
        let reason = if problems.is_empty() { holds } else { problems.join("; ") };
        Seen::new(verdict, reason, facts(&exchange))
    }

    async fn talk(
        &self,
        at: Option<SocketAddr>,
        roots: Option<&Roots>,
        budget: Budget,
        exchange: &mut Exchange,
    ) -> Result<(), Seen> {
        let mut target = self.target.clone();
        for hop in 0..=self.gate.follow {
            let same = target.is_server_of(&self.target);
            let stream = open(&target, at.filter(|_| same), budget).await?;
            exchange.answer = self.ask(&target, stream, roots, (budget, &mut exchange.chain)).await?;
            let status = exchange.answer.status;
            let Some(location) = location(&exchange.answer).filter(|_| status / 100 == 3).map(str::to_owned)
            else {
                return Ok(());
            };
            if self.gate.follow == 0 {
                return Ok(());
            }
            exchange.hops.push(json!({ "url": target.url(), "status": status, "location": location }));
            if hop == self.gate.follow {
                let reason =
                    format!("more than {} redirects; the last leads to `{location}`", self.gate.follow);
                return Err(Trouble::fail(reason).into());
            }
            let next = target.join(&location).map_err(|why| Trouble::fail(format!("bad redirect: {why}")))?;
            if target.tls && !next.tls {
                return Err(Trouble::fail(format!("the redirect to `{location}` leads out of TLS")).into());
            }
            target = next;
        }
        Ok(())
    }

    async fn ask(
        &self,
        target: &Target,
        stream: TcpStream,
        roots: Option<&Roots>,
        (budget, chain): (Budget, &mut Vec<Cert>),
    ) -> Result<Answer, Seen> {
        // They may be credentials, and are for the server that the gate names.
        let none = BTreeMap::new();
        let ours = target.tls == self.target.tls && target.is_server_of(&self.target);
        let ask = Ask {
            target,
            method: self.method(),
            headers: if ours { &self.gate.request_headers } else { &none },
            body: self.expect.wants_body(),
        };
        let (true, Some(roots)) = (target.tls, roots) else {
            return Ok(exchange(stream, &ask, budget).await?);
        };
        let wish = Wish { name: &target.host, roots, versions: BOTH, http: true };
        let Handshake { chain: presented, outcome } = handshake(stream, &wish, budget).await;
        *chain = presented.iter().filter_map(|der| Cert::read(der).ok()).collect();
        match outcome {
            Ok(stream) => Ok(exchange(*stream, &ask, budget).await?),
            Err(refusal) => Err(refused(&refusal, chain, target, roots)),
        }
    }
}

async fn open(target: &Target, at: Option<SocketAddr>, budget: Budget) -> Result<TcpStream, Trouble> {
    if let Some(address) = at {
        return Ok(connect(address, budget).await?);
    }
    let addresses = resolve(&target.host, target.port, budget).await?;
    connect_any(&addresses, budget).await
}

fn refused(refusal: &Refusal, chain: &[Cert], target: &Target, roots: &Roots) -> Seen {
    match refusal {
        Refusal::Untrusted(error) => {
            let knows = |subject: &[u8]| roots.knows(subject);
            let now = jiff::Timestamp::now().as_second();
            let trust = Trust { name: &target.host, now, knows: &knows, roots: &roots.from };
            let problems = chain::refusal_problems(error, chain, &trust);
            Seen::fail(problems.join("; "), Value::Null).with_hope(Hope::OnlyAfterChange)
        }
        Refusal::OtherKey => Seen::fail(chain::OTHER_KEY, Value::Null).with_hope(Hope::OnlyAfterChange),
        Refusal::Alert(alert) => {
            Seen::fail(format!("`{}` refused the TLS handshake: {alert}", target.authority()), Value::Null)
        }
        Refusal::Closed(reason) => Trouble::fail(reason).into(),
        Refusal::Trouble(trouble) => trouble.clone().into(),
    }
}

fn facts(exchange: &Exchange) -> Value {
    let mut facts = serde_json::Map::new();
    let answer = &exchange.answer;
    if answer.status != 0 {
        facts.insert("status".to_owned(), answer.status.into());
        let headers = answer.headers.iter().map(|(name, value)| {
            json!([name, if is_secret_header(name) { "(redacted)" } else { value.as_str() }])
        });
        facts.insert("headers".to_owned(), headers.collect());
    }
    if answer.end != BodyEnd::Unread {
        facts.insert("body_bytes".to_owned(), answer.body.len().into());
    }
    if !exchange.hops.is_empty() {
        facts.insert("redirects".to_owned(), exchange.hops.clone().into());
    }
    if !exchange.chain.is_empty() {
        facts.insert("chain".to_owned(), json!(exchange.chain));
    }
    facts.into()
}

/// All addresses together: every one must hold. A single one without a name keeps its own words.
pub(super) fn together(mut each: Vec<(String, Seen)>) -> Seen {
    if each.len() == 1 {
        let (at, seen) = each.remove(0);
        let at = if at.is_empty() { "resolved".to_owned() } else { at };
        let facts = Value::from_iter([(at, seen.facts.clone())]);
        return Seen { facts, ..seen };
    }
    let failing: Vec<_> = each.iter().filter(|(_, seen)| seen.verdict != Verdict::Pass).collect();
    let verdict = if failing.iter().any(|(_, seen)| seen.verdict == Verdict::Fail) {
        Verdict::Fail
    } else if failing.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Unknown
    };
    let reason = if failing.is_empty() {
        let words = each.first().map(|(_, seen)| seen.reason.clone()).unwrap_or_default();
        format!("{words} at all {} addresses", each.len())
    } else {
        failing.iter().map(|(at, seen)| format!("at {at}: {}", seen.reason)).collect::<Vec<_>>().join("; ")
    };
    // One that cannot hold any more is enough, since all must.
    let never = failing.iter().any(|(_, seen)| seen.hope == Hope::Never);
    let lasting = !failing.is_empty() && failing.iter().all(|(_, seen)| seen.hope == Hope::OnlyAfterChange);
    let facts = each.iter().map(|(at, seen)| (at.clone(), seen.facts.clone())).collect();
    let seen = Seen::new(verdict, reason, facts);
    match (never, lasting) {
        (true, _) => seen.with_hope(Hope::Never),
        (false, true) => seen.with_hope(Hope::OnlyAfterChange),
        (false, false) => seen,
    }
}
