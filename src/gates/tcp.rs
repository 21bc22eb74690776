//! `tcp`: a connection, what the server says first, or that there is none.

use regex::bytes::Regex;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::context::Context;
use super::net::{Budget, NoConnection, connect};
use super::seen::{Seen, Trouble};
use super::words::excerpt;
use crate::manifest::TcpGate;

/// As much of a banner is read.
const BANNER_CAP: usize = 1024;

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Tcp {
    gate: TcpGate,
    banner: Option<Regex>,
}

impl Tcp {
    pub(super) fn prepare(gate: &TcpGate) -> Result<Self, String> {
        if gate.closed && gate.banner.is_some() {
            return Err("`closed` and `banner` exclude each other".to_owned());
        }
        let banner = gate
            .banner
            .as_deref()
            .map(|text| Regex::new(text).map_err(|_| format!("`{text}` is not a regular expression")));
        Ok(Self { gate: gate.clone(), banner: banner.transpose()? })
    }

    pub(super) fn source(&self) -> String {
        format!("connect to {}", self.gate.address)
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let budget = context.budget();
        let address = self.gate.address;
        match connect(address, budget).await {
            Ok(_) if self.gate.closed => {
                Seen::fail(format!("{address} accepts connections and must not"), json!({ "open": true }))
            }
            Ok(stream) => match &self.banner {
                None => Seen::pass(format!("{address} accepts connections"), json!({ "open": true })),
                Some(banner) => judge_banner(banner, &read_banner(stream, banner, budget).await),
            },
            Err(error) if self.gate.closed => judge_closed(error),
            Err(error) => error.trouble.into(),
        }
    }
}

/// A port that must be closed: only a refusal shows that.
fn judge_closed(error: NoConnection) -> Seen {
    if error.refused {
        return Seen::pass(error.trouble.reason, json!({ "open": false }));
    }
    Trouble { reason: format!("{}, which is no refusal", error.trouble.reason), ..error.trouble }.into()
}

fn judge_banner(banner: &Regex, read: &[u8]) -> Seen {
    let text = String::from_utf8_lossy(read);
    let facts = json!({ "open": true, "banner_bytes": read.len() });
    if banner.is_match(read) {
        Seen::pass(format!("says {}", excerpt(&text)), facts)
    } else if read.is_empty() {
        Seen::fail("accepts connections but says nothing", facts)
    } else {
        Seen::fail(format!("says {}, expected `{banner}`", excerpt(&text)), facts)
    }
}

/// The first bytes, until they match or no more come.
async fn read_banner(mut stream: TcpStream, banner: &Regex, budget: Budget) -> Vec<u8> {
    let mut read = Vec::new();
    let mut buffer = [0; BANNER_CAP];
    while read.len() < BANNER_CAP && !banner.is_match(&read) {
        match timeout_at(budget.until, stream.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => read.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            _ => break,
        }
    }
    read
}
