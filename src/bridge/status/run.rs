//! A task, as people and programs are shown it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::bridge::command::Command;
use crate::bridge::journal::{Row, State, Work};
use crate::manifest::{Bridge, ForgeKind};

/// One line of the page and of its JSON twin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Run {
    /// `owner/name`.
    pub(super) repository: String,
    /// Number of the pull request.
    pub(super) pull: u64,
    /// Number of the comment.
    pub(super) comment: u64,
    /// Page of the comment.
    pub(super) comment_url: String,
    /// Who asked.
    pub(super) user: String,
    /// `run`, `cancel` or `rerun`; `refused` where the delivery itself was no.
    pub(super) asked: &'static str,
    /// Parameters of the comment.
    pub(super) parameters: BTreeMap<String, String>,
    /// The commit that is tested, once it is known.
    pub(super) commit: Option<String>,
    /// Where it stands: a state of the journal.
    pub(super) state: &'static str,
    /// How it ended, or why there is no build.
    pub(super) result: Option<String>,
    /// Number of its build.
    pub(super) build: Option<u64>,
    /// Page of its build.
    pub(super) build_url: Option<String>,
    /// When the comment was written.
    pub(super) commented: Timestamp,
    /// When its delivery was taken.
    pub(super) accepted: Timestamp,
    /// When there was a build.
    pub(super) queued: Option<Timestamp>,
    /// When a runner took it.
    pub(super) picked_up: Option<Timestamp>,
    /// When it ended.
    pub(super) ended: Option<Timestamp>,
    /// When that was told.
    pub(super) done: Option<Timestamp>,
}

impl Run {
    /// What the journal has, with links.
    #[must_use]
    pub(super) fn of(row: &Row, bridge: &Bridge) -> Self {
        let task = &row.entry.task;
        let (asked, parameters) = match &row.entry.work {
            Work::Obey(Command::Run { parameters, .. }) => ("run", parameters.clone()),
            Work::Obey(Command::Cancel) => ("cancel", BTreeMap::new()),
            Work::Obey(Command::Rerun) => ("rerun", BTreeMap::new()),
            Work::Refuse { .. } => ("refused", BTreeMap::new()),
        };
        Self {
            repository: task.full_name.clone(),
            pull: task.pull,
            comment: task.comment,
            comment_url: comment_url(row, bridge),
            user: task.login.clone(),
            asked,
            parameters,
            commit: task.head.as_ref().map(ToString::to_string),
            state: row.state.word(),
            result: row.result.clone(),
            build: row.build,
            build_url: row.build.map(|build| build_url(&bridge.drone.url, &task.full_name, build)),
            commented: task.created,
            accepted: row.entry.received,
            queued: row.times.queued,
            picked_up: row.times.picked,
            ended: row.times.ended,
            done: row.times.told,
        }
    }

    /// Whether more will come of it.
    #[must_use]
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Done.word()
    }

    /// The steps that it has taken, each with the time since the one before. Clocks differ and some know no more than
    /// seconds, so that a step may seem to come before the last one: it took no time then.
    #[must_use]
    pub(super) fn steps(&self) -> Vec<(&'static str, SignedDuration)> {
        let steps = [
            ("accepted", Some(self.accepted)),
            ("queued", self.queued),
            ("picked up", self.picked_up),
            ("done", self.done),
        ];
        let mut last = self.commented;
        let mut taken = Vec::new();
        for (name, at) in steps {
            let Some(at) = at else { continue };
            taken.push((name, at.duration_since(last).max(SignedDuration::ZERO)));
            last = last.max(at);
        }
        taken
    }
}

/// Where people look at a build. What Drone itself calls its link is a page of the forge's API.
pub(in crate::bridge) fn build_url(drone: &str, full_name: &str, build: u64) -> String {
    format!("{}/{full_name}/{build}", drone.trim_end_matches('/'))
}

fn comment_url(row: &Row, bridge: &Bridge) -> String {
    let task = &row.entry.task;
    let pulls = match bridge.forge.kind {
        ForgeKind::Gitea | ForgeKind::Forgejo => "pulls",
        ForgeKind::Github => "pull",
    };
    let forge = bridge.forge.url.trim_end_matches('/');
    format!("{forge}/{}/{pulls}/{}#issuecomment-{}", task.full_name, task.pull, task.comment)
}
