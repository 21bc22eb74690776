//! The second judgement: what the forge says now, and not what it said when it sent the delivery.

use std::time::Duration;

use super::forge::May;
use super::{Halt, KILLED, Worker, halves, number};
use crate::bridge::command::{self, Command, Said};
use crate::bridge::commit::Commit;
use crate::bridge::journal::{Row, State, Work};

/// The timeline tells of a push a little later than the pull request itself does.
const SETTLE: Duration = Duration::from_secs(5);

/// What must not have changed has changed, or was never so. The word is what the journal keeps.
type No = &'static str;

impl Worker {
    /// Judges a task again and decides what is done.
    pub(super) async fn check(&self, row: &mut Row) -> Result<(), Halt> {
        let command = match &row.entry.work {
            Work::Refuse { reason, .. } => {
                row.result = Some(format!("refused:{reason}"));
                row.state = State::Telling;
                return Ok(());
            }
            Work::Obey(command) => command.clone(),
        };
        self.react(row).await;
        let refused = match self.now(row, &command).await? {
            Err(no) => Some(format!("refused:{no}")),
            Ok(head) => {
                row.entry.task.head = Some(head);
                match command {
                    Command::Run { .. } => None,
                    Command::Cancel => Some(self.cancel(row).await?),
                    Command::Rerun => self.repeat(row).await?,
                }
            }
        };
        row.state = if refused.is_some() { State::Telling } else { State::Checked };
        row.result = refused;
        Ok(())
    }

    /// The comment was seen. Whether that can be shown decides nothing.
    async fn react(&self, row: &Row) {
        let task = &row.entry.task;
        if let Err(error) = self.forge.react(halves(&task.full_name), task.comment).await {
            tracing::warn!(%error, comment = task.comment, "no reaction");
        }
    }

    /// The commit to test, if everything is as it was and its writer may still write.
    async fn now(&self, row: &Row, asked: &Command) -> Result<Result<Commit, No>, Halt> {
        let task = &row.entry.task;
        let place = halves(&task.full_name);
        let Some(repository) =
            self.bridge.repositories.get(&task.full_name).filter(|one| one.id == task.repository)
        else {
            return Ok(Err("repository"));
        };
        match self.forge.may(place, task).await? {
            May::Write => {}
            May::Not => return Ok(Err("permission")),
            May::Unknown => {
                tracing::error!(
                    login = task.login,
                    hint = "give the bot's token more rights, as the page of the bridge says",
                    "the token cannot tell whether somebody may write"
                );
                return Ok(Err("unknown"));
            }
        }
        let Some(comment) = self.forge.comment(place, task.comment).await? else {
            return Ok(Err("gone"));
        };
        let said = command::read(&comment.body, &self.bridge.policy.trigger, &repository.parameters);
        let same = said == Said::Command(asked.clone()) && comment.user == number(task.user);
        if !same || comment.created_at != comment.updated_at {
            return Ok(Err("edited"));
        }
        let Some(pull) = self.forge.pull(place, task.pull).await? else {
            return Ok(Err("gone"));
        };
        if !pull.open {
            return Ok(Err("closed"));
        }
        if pull.locked {
            return Ok(Err("locked"));
        }
        if pull.draft && !self.bridge.policy.drafts {
            return Ok(Err("draft"));
        }
        let Some(live) = Commit::new(&pull.sha) else { return Ok(Err("head")) };
        let moved = match &task.head {
            Some(head) => *head != live,
            None if self.forge.wants_commit() => match asked {
                // Naming the head is what binds the comment to it; that it is the head is judged below.
                Command::Cancel | Command::Run { commit: Some(_), .. } => false,
                Command::Run { commit: None, .. } | Command::Rerun => return Ok(Err("commit_needed")),
            },
            // An old forge does not say which head the comment was written on: no push may have followed it.
            None => self.pushed_since(row).await?,
        };
        if moved {
            return Ok(Err("moved"));
        }
        match asked {
            Command::Run { commit: Some(commit), .. } if *commit != live => Ok(Err("other_head")),
            _ => Ok(Ok(live)),
        }
    }

    /// Whether something was pushed after the comment.
    async fn pushed_since(&self, row: &Row) -> Result<bool, Halt> {
        let task = &row.entry.task;
        tokio::time::sleep(SETTLE).await;
        Ok(self.forge.pushed_since(halves(&task.full_name), task).await?)
    }

    /// Stops the builds of earlier comments on the pull request; the result to tell.
    async fn cancel(&self, row: &Row) -> Result<String, Halt> {
        let task = &row.entry.task;
        let (owner, name) = halves(&task.full_name);
        let mut stopped = 0;
        for other in self.others(row).await? {
            match (other.state, other.build) {
                (State::Building, Some(build)) => {
                    stopped += usize::from(self.drone.cancel(owner, name, number(build)).await?);
                }
                // By an attempt before this one, perhaps, that did not get further.
                (State::Telling | State::Done, _) => {
                    let killed = other.result.as_deref() == Some(KILLED);
                    stopped += usize::from(killed && other.times.ended >= Some(task.created));
                }
                // It is about to have a build, which would run on.
                _ => return Err(Halt::Wait("an earlier comment's build is being made")),
            }
        }
        Ok(format!("cancelled:{stopped}"))
    }

    /// Takes over what the last test of the pull request asked for; a result to tell where there was none.
    async fn repeat(&self, row: &mut Row) -> Result<Option<String>, Halt> {
        let last = self.others(row).await?.into_iter().find_map(|other| match other.entry.work {
            Work::Obey(Command::Run { parameters, .. }) => Some(parameters),
            _ => None,
        });
        let Some(parameters) = last else { return Ok(Some("refused:nothing_before".to_owned())) };
        row.entry.work = Work::Obey(Command::Run { commit: None, parameters });
        Ok(None)
    }

    /// Earlier tasks of the same pull request, newest first.
    async fn others(&self, row: &Row) -> Result<Vec<Row>, Halt> {
        let (id, repository, pull) = (row.id, row.entry.task.repository, row.entry.task.pull);
        Ok(self.journal.ask(move |connection| Row::before(connection, id, repository, pull)).await?)
    }
}
