//! `https`: a request, and its answer at each address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::chain::{self, Cert, Trust};
use super::context::Context;
use super::expect::{Expect, is_secret_header, judge_https, location};
use super::http::{Answer, Ask, BodyEnd, exchange};
use super::net::{Budget, connect, connect_any, resolve};
use super::seen::{Hope, Seen, Trouble, together};
use super::tls::{BOTH, Handshake, Refusal, Roots, Wish, handshake};
use super::url::Target;
use crate::manifest::HttpsGate;

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Https {
    gate: HttpsGate,
    target: Target,
    expect: Expect,
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
