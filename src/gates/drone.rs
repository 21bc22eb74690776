//! `drone`: a Drone server answers, and would take the runner. `oauth`: Gitea lets it in.

use serde_json::json;

use super::context::Context;
use super::seen::{Hope, Seen};
use crate::manifest::{DroneGate, OauthGate};
use crate::observed::{DroneAnswers, OauthSeen};

/// A `drone` gate, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Drone {
    gate: DroneGate,
}

impl Drone {
    pub(super) fn prepare(gate: &DroneGate) -> Self {
        Self { gate: gate.clone() }
    }

    pub(super) fn source(&self) -> String {
        self.gate.url.clone().unwrap_or_else(|| "forge.drone".to_owned())
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let Some(looks) = context.shared.sources.forges else {
            return Seen::unknown("Drone cannot be asked here");
        };
        match (looks.server)(self.gate.clone()).await {
            Ok(answers) => judge_server(&answers),
            Err(seen) => seen.into(),
        }
    }
}

/// An `oauth` gate, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Oauth {
    gate: OauthGate,
}

impl Oauth {
    pub(super) fn prepare(gate: &OauthGate) -> Self {
        Self { gate: gate.clone() }
    }

    pub(super) fn source() -> String {
        "forge.drone, asked to ask Gitea".to_owned()
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let Some(looks) = context.shared.sources.forges else {
            return Seen::unknown("Drone cannot be asked here");
        };
        match (looks.oauth)().await {
            Ok(seen) => judge_oauth(&self.gate, &seen),
            Err(seen) => seen.into(),
        }
    }
}

fn judge_server(answers: &DroneAnswers) -> Seen {
    let facts = json!({
        "healthz": answers.healthz, "version": answers.version, "license": answers.license, "ping": answers.ping,
    });
    if answers.healthz != 200 {
        let what = match answers.healthz {
            404 => "nothing there is a Drone",
            502..=504 => "what stands in front of it does not reach it",
            _ => "it is not healthy",
        };
        return Seen::fail(format!("`GET /healthz` was answered with {}: {what}", answers.healthz), facts);
    }
    if answers.version.is_empty() {
        return Seen::fail("`GET /version` names no version: something else than Drone answers", facts);
    }
    let why = match answers.ping {
        None => return Seen::pass(format!("Drone {} answers", answers.version), facts),
        Some(200..=299) => {
            return Seen::pass(
                format!("Drone {} answers, and takes the runner's secret", answers.version),
                facts,
            );
        }
        Some(401) => "the runner's secret is another one than the server's `DRONE_RPC_SECRET`".to_owned(),
        Some(403) => "the server has no `DRONE_RPC_SECRET`, so that it takes no runner".to_owned(),
        Some(404) if answers.license == "foss" => {
            "it was built with the tag `oss` and has no calls for runners; build it with `nolimit`".to_owned()
        }
        Some(404) => {
            "the calls of runners (`/rpc`) do not reach it; see what stands in front of it".to_owned()
        }
        Some(status @ 300..=399) => format!(
            "runners are redirected ({status}), and follow no redirect: let them call the final URL (`DRONE_RPC_PROTO`)"
        ),
        Some(status) => format!("`POST /rpc/v2/ping` was answered with {status}"),
    };
    Seen::fail(why, facts).with_hope(Hope::OnlyAfterChange)
}

fn judge_oauth(gate: &OauthGate, seen: &OauthSeen) -> Seen {
    let facts = json!({
        "user": seen.user, "refused": seen.refused, "untaken": seen.untaken, "signed_in": seen.signed_in,
        "age_seconds": seen.age,
    });
    let since = seen.signed_in.as_ref().map_or_else(
        || "no sign-in from here is recorded".to_owned(),
        |at| format!("signed in last at {at}"),
    );
    if !seen.refused.is_empty() {
        let why = format!(
            "Gitea does not let Drone in as `{}` ({}); {since}; `holdfast apply` signs in",
            seen.user, seen.refused
        );
        return Seen::fail(why, facts).with_hope(Hope::OnlyAfterChange);
    }
    if let Some(name) = seen.untaken.first() {
        let why = format!(
            "Gitea does not take the client secret of the application `{name}` that is kept here, so somebody made another; \
             `holdfast apply` makes the next one, and gives it to what uses it"
        );
        return Seen::fail(why, facts).with_hope(Hope::OnlyAfterChange);
    }
    if let Some(within) = gate.within
        && seen.age.is_none_or(|age| age > within.0.as_secs())
    {
        let why = format!(
            "Gitea lets Drone in as `{}`, but the sign-in is older than {within}: {since}",
            seen.user
        );
        return Seen::fail(why, facts).with_hope(Hope::OnlyAfterChange);
    }
    Seen::pass(format!("Gitea lets Drone in as `{}`; {since}", seen.user), facts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::manifest::Duration;
    use crate::report::Verdict;

    fn answers(healthz: u16, license: &str, ping: Option<u16>) -> DroneAnswers {
        DroneAnswers { healthz, version: "1.10.1".to_owned(), license: license.to_owned(), ping }
    }

    #[test]
    fn every_answer_to_a_runner_is_told_apart() {
        for (ping, license, words) in [
            (401, "free", "another one than the server's"),
            (403, "free", "has no `DRONE_RPC_SECRET`"),
            (404, "foss", "built with the tag `oss`"),
            (404, "free", "do not reach it"),
            (301, "free", "redirected (301)"),
            (308, "free", "redirected (308)"),
            (500, "free", "answered with 500"),
        ] {
            let seen = judge_server(&answers(200, license, Some(ping)));
            assert!(seen.verdict == Verdict::Fail && seen.reason.contains(words), "{ping}: {}", seen.reason);
        }
        assert_eq!(judge_server(&answers(200, "free", Some(200))).verdict, Verdict::Pass);
        assert_eq!(judge_server(&answers(200, "free", None)).verdict, Verdict::Pass);
    }

    #[test]
    fn what_is_no_drone_is_told_before_its_runner_is() {
        for (healthz, words) in
            [(404, "nothing there is a Drone"), (502, "does not reach it"), (500, "not healthy")]
        {
            let seen = judge_server(&answers(healthz, "free", Some(200)));
            assert!(seen.verdict == Verdict::Fail && seen.reason.contains(words), "{}", seen.reason);
        }
        let other = DroneAnswers { version: String::new(), ..answers(200, "", Some(200)) };
        assert!(judge_server(&other).reason.contains("something else than Drone"));
    }

    #[test]
    fn a_sign_in_holds_while_gitea_lets_drone_in_and_is_as_young_as_asked() {
        let seen = |refused: &str, age: Option<u64>| OauthSeen {
            user: "root".to_owned(),
            refused: refused.to_owned(),
            untaken: BTreeSet::new(),
            signed_in: age.map(|_| "2026-01-01T00:00:00Z".to_owned()),
            age,
        };
        let young = OauthGate { within: Some(Duration::seconds(60)) };
        for (gate, seen, verdict) in [
            (OauthGate::default(), seen("", None), Verdict::Pass),
            (OauthGate::default(), seen("Unauthorized", Some(1)), Verdict::Fail),
            (young.clone(), seen("", Some(60)), Verdict::Pass),
            (young.clone(), seen("", Some(61)), Verdict::Fail),
            (young, seen("", None), Verdict::Fail),
        ] {
            assert_eq!(judge_oauth(&gate, &seen).verdict, verdict, "{gate:?} {seen:?}");
        }
        let other = OauthSeen { untaken: ["drone".to_owned()].into(), ..seen("", Some(1)) };
        let other = judge_oauth(&OauthGate::default(), &other);
        assert!(other.verdict == Verdict::Fail && other.reason.contains("`drone`"), "{}", other.reason);
        let passed = judge_oauth(&OauthGate::default(), &seen("", Some(1)));
        assert!(passed.reason.contains("2026-01-01T00:00:00Z"), "{}", passed.reason);
    }
}
