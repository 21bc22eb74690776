//! What is said on the pull request: one comment that is changed as things go on, and a status on the commit.

use jiff::Timestamp;

use super::forge::Comment;
use super::words::{self, Report};
use super::{Halt, SUPERSEDED, Tries, Worker, halves, number};
use crate::bridge::journal::{Row, State, Work};
use crate::bridge::status::build_url;
use crate::forge;
use crate::forge::drone::Build;

/// The context of the status.
const CONTEXT: &str = "testme";
/// How often a status is tried: the base repository may not hold the commit yet, or never.
const STATUS_TRIES: u32 = 5;
/// How often a log is tried: the end is told without one rather than not at all.
const LOG_TRIES: u32 = 5;

impl Worker {
    /// Tells how far a build is.
    pub(super) async fn progress(&self, row: &mut Row, build: &Build) -> Result<(), Halt> {
        let text = words::progress(&self.report(row, Some(build)));
        self.say(row, &text).await?;
        if let Some(number) = row.build
            && let Err(error) = self.status(row, number, forge::State::Pending, &build.status).await
        {
            tracing::warn!(%error, "no status yet");
        }
        Ok(())
    }

    /// Tells the end, and ends the task.
    pub(super) async fn tell(&self, row: &mut Row, tries: Tries) -> Result<(), Halt> {
        let (owner, name) = halves(&row.entry.task.full_name);
        let build = match row.build {
            Some(build) => self.drone.build(owner, name, number(build)).await?,
            None => None,
        };
        let log = match &build {
            Some(build) => self.log(row, build, tries).await?,
            None => None,
        };
        let text = words::end(&Report { log, ..self.report(row, build.as_ref()) });
        match self.say(row, &text).await {
            // Deleted, locked or archived: there is nowhere to say it. What a token may not is mended by another token.
            Err(Halt::Forge(error)) if matches!(error.status(), Some(404 | 410 | 422 | 423)) => {
                tracing::error!(%error, comment = row.entry.task.comment, "no answer");
            }
            said => said?,
        }
        let result = row.result.clone().unwrap_or_default();
        if let Some(state) = words::state(&result)
            && let Some(build) = self.shown(row).await?
            && let Err(error) = self.status(row, build, state, words::description(&result)).await
        {
            if error.is_passing() && tries.failures < STATUS_TRIES {
                return Err(error.into());
            }
            tracing::error!(%error, "no status");
        }
        row.times.told = Some(Timestamp::now());
        row.state = State::Done;
        Ok(())
    }

    /// The build by which the end of a run shows on its commit. One that was stopped or has come to no build leaves that to a
    /// newer run of the same commit, and else speaks for the build that was stopped there, which would be pending for ever.
    async fn shown(&self, row: &Row) -> Result<Option<u64>, Halt> {
        let task = row.entry.task.clone();
        let others = self.journal.ask(move |connection| Row::of_commit(connection, &task)).await?;
        // Each of two has its own result in the journal before it looks here: one of them sees the other's.
        let tells = |other: &Row| {
            let newer = other.entry.task.comment > row.entry.task.comment;
            newer && (other.build.is_some() || !matches!(other.state, State::Telling | State::Done))
        };
        let stopped = |row: &Row| row.result.as_deref() == Some(SUPERSEDED);
        if (stopped(row) || row.build.is_none()) && others.iter().any(tells) {
            return Ok(None);
        }
        let left = || others.iter().rev().filter(|other| stopped(other)).find_map(|other| other.build);
        Ok(row.build.or_else(left))
    }

    fn link(&self, row: &Row, build: u64) -> String {
        build_url(&self.bridge.drone.url, &row.entry.task.full_name, build)
    }

    fn report<'r>(&'r self, row: &'r Row, build: Option<&'r Build>) -> Report<'r> {
        let parameter = match &row.entry.work {
            Work::Refuse { parameter, .. } => parameter.as_deref(),
            Work::Obey(_) => None,
        };
        Report {
            row,
            build,
            link: row.build.map(|build| self.link(row, build)),
            trigger: &self.bridge.policy.trigger,
            parameter,
            log: None,
        }
    }

    /// The end of the log of the step that failed.
    async fn log(&self, row: &Row, build: &Build, tries: Tries) -> Result<Option<(String, String)>, Halt> {
        let (owner, name) = halves(&row.entry.task.full_name);
        let failed = build.stages.iter().find_map(|stage| {
            let step = stage.steps.iter().find(|step| matches!(step.status.as_str(), "failure" | "error"))?;
            Some((stage.number, step))
        });
        let Some((stage, step)) = failed else { return Ok(None) };
        let lines = match self.drone.logs(owner, name, build.number, (stage, step.number)).await {
            Err(error) if !error.is_passing() || tries.failures >= LOG_TRIES => {
                tracing::error!(%error, "no log");
                return Ok(None);
            }
            lines => lines?.unwrap_or_default(),
        };
        let text: String = lines.into_iter().map(|line| line.out).collect();
        Ok(Some((step.name.clone(), words::tail(&text, &self.secrets))))
    }

    /// Writes the one comment, or changes it.
    async fn say(&self, row: &mut Row, text: &str) -> Result<(), Halt> {
        let task = row.entry.task.clone();
        let place = halves(&task.full_name);
        let mark = words::mark(task.comment);
        let text = format!("{text}\n{mark}\n");
        if row.answer.is_none() {
            // It may be written: what an earlier try has asked for was given its time.
            let since = task.created.to_string();
            let ours = |comment: &Comment| {
                comment.login.eq_ignore_ascii_case(&self.bridge.bot.login) && comment.body.contains(&mark)
            };
            let comments = self.forge.comments(place, &since, &ours).await?;
            row.answer = comments.first().and_then(|one| one.id);
        }
        if let Some(answer) = row.answer {
            // One that somebody has deleted is not written again.
            self.forge.change(place, answer, &text).await?;
        } else {
            row.answer = u64::try_from(self.forge.say(place, task.pull, &text).await?).ok();
        }
        self.keep(row).await
    }

    async fn status(
        &self,
        row: &Row,
        build: u64,
        state: forge::State,
        description: &str,
    ) -> Result<(), crate::forge::error::ForgeError> {
        let task = &row.entry.task;
        let Some(head) = &task.head else { return Ok(()) };
        let target_url = &self.link(row, build);
        let status = forge::NewStatus { state, target_url, description, context: CONTEXT };
        self.forge.status(halves(&task.full_name), head.as_str(), &status).await
    }
}
