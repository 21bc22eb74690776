//! What `holdfast status --watch` tells: one line for each thing that changed since the look before.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::ServiceStatus;
use super::paint::plain;
use super::status::{done, why, words};
use crate::address::Address;
use crate::plan::{Plan, Verb};

/// Something that was seen, and when.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Seen {
    /// RFC 3339, UTC, with milliseconds.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub sight: Sight,
}

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Sight {
    /// A service is new to the watch, or has changed.
    Service(ServiceStatus),
    /// Something differs from the manifest, or does so in another way.
    Drift {
        /// What.
        address: Address,
        /// What `apply` would do about it; `None` where it is held back.
        verb: Option<Verb>,
        /// How it differs: fields, or a reason.
        why: String,
    },
    /// Something differs no longer.
    Settled {
        /// What.
        address: Address,
    },
    /// How many things differ now; said after the first look and when it has changed.
    Differs {
        /// 0: everything is equal to the manifest.
        things: usize,
    },
    /// Nothing can be seen at present; it is tried again until it can.
    Lost {
        /// Why.
        reason: String,
    },
    /// The engine answers again. What changed meanwhile follows.
    Back,
}

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    services: BTreeMap<String, ServiceStatus>,
    drifts: BTreeMap<(Address, Option<Verb>), String>,
    looked: bool,
}

impl Watched {
    /// What services are and what the plan would do.
    #[must_use]
    pub fn new(services: Vec<ServiceStatus>, plan: &Plan) -> Self {
        let steps = plan.steps.iter().filter(|step| step.verb != Verb::Await);
        let steps = steps.map(|step| ((step.address.clone(), Some(step.verb)), why(step)));
        let held = plan
            .held
            .iter()
            .map(|held| ((held.address.clone(), None), format!("held back because of {}", held.because)));
        Self {
            services: services.into_iter().map(|service| (service.name.clone(), service)).collect(),
            drifts: steps.chain(held).collect(),
            looked: true,
        }
    }

    /// What is new in this look, after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<Sight> {
        let rows = self.services.iter().filter(|(name, row)| before.services.get(*name) != Some(row));
        let mut sights: Vec<Sight> = rows.map(|(_, row)| Sight::Service(row.clone())).collect();
        for ((address, verb), why) in &self.drifts {
            if before.drifts.get(&(address.clone(), *verb)) != Some(why) {
                sights.push(Sight::Drift { address: address.clone(), verb: *verb, why: why.clone() });
            }
        }
        let gone = before
            .drifts
            .keys()
            .filter(|(address, _)| !self.drifts.keys().any(|(other, _)| other == address));
        sights.extend(gone.map(|(address, _)| Sight::Settled { address: address.clone() }));
        sights.dedup();
        if !before.looked || before.drifts.len() != self.drifts.len() {
            sights.push(Sight::Differs { things: self.drifts.len() });
        }
        sights
    }
}

/// One line, with its line break.
#[must_use]
pub fn seen_text(seen: &Seen) -> String {
    let text = match &seen.sight {
        Sight::Service(service) => format!("{}  {}", service.name, words(service)),
        Sight::Drift { address, verb: Some(verb), why } => {
            format!("drift: {address} is to be {}: {why}", done(*verb))
        }
        Sight::Drift { address, verb: None, why } => format!("held: {address} {why}"),
        Sight::Settled { address } => format!("settled: {address}"),
        Sight::Differs { things: 0 } => "equal to the manifest".to_owned(),
        Sight::Differs { things: 1 } => "1 thing differs".to_owned(),
        Sight::Differs { things } => format!("{things} things differ"),
        Sight::Lost { reason } => format!("lost: {reason}; trying again"),
        Sight::Back => "back: the engine answers again".to_owned(),
    };
    format!("{} {}\n", seen.at, plain(&text))
}

/// The same as JSON on one line.
///
/// # Errors
/// When a value cannot be written as JSON, which nothing that is seen leads to.
pub fn seen_json(seen: &Seen) -> serde_json::Result<String> {
    Ok(serde_json::to_string(seen)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Kind;
    use crate::plan::Held;
    use crate::report::ServiceState;

    fn look(running: u64, held: &[&str]) -> Watched {
        let row = ServiceStatus {
            name: "web_app".into(),
            exists: true,
            state: if running < 2 { ServiceState::Short } else { ServiceState::Running },
            running,
            wanted: Some(2),
            last_error: String::new(),
        };
        let held = held.iter().map(|name| Held {
            address: Address::in_stack("web", Kind::Service, *name),
            because: Address::new(Kind::Secret, "token"),
        });
        Watched::new(vec![row], &Plan { held: held.collect(), ..Plan::default() })
    }

    fn lines(before: &Watched, after: &Watched) -> Vec<String> {
        let seen = after.since(before).into_iter().map(|sight| Seen { at: "T".into(), sight });
        seen.map(|seen| seen_text(&seen).trim_end().to_owned()).collect()
    }

    #[test]
    fn only_what_is_new_is_told() {
        let first = look(1, &["a"]);
        let held = "T held: stack.web/service.a held back because of secret.token";
        assert_eq!(
            lines(&Watched::default(), &first),
            ["T web_app  1 of 2 running", held, "T 1 thing differs"]
        );
        assert_eq!(lines(&first, &first), [""; 0]);
        let second = look(2, &[]);
        assert_eq!(
            lines(&first, &second),
            ["T web_app  2 of 2 running", "T settled: stack.web/service.a", "T equal to the manifest"]
        );
    }

    #[test]
    fn a_line_of_json_has_its_time_and_its_event() {
        let seen = Seen { at: "T".into(), sight: Sight::Differs { things: 2 } };
        assert_eq!(seen_json(&seen).unwrap(), "{\"at\":\"T\",\"event\":\"differs\",\"things\":2}\n");
        let row = look(1, &[]).since(&Watched::default()).remove(0);
        let json: serde_json::Value =
            serde_json::from_str(&seen_json(&Seen { at: "T".into(), sight: row }).unwrap()).unwrap();
        assert_eq!((&json["event"], &json["name"]), (&"service".into(), &"web_app".into()));
    }
}
