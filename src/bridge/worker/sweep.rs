//! What never arrived: the forge delivers once, and not at all while it or we are away. Comments since the last sweep are
//! read from its API.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tokio::sync::watch;

use super::forge::Comment;
use super::{Halt, Worker, halves};
use crate::bridge::command::{self, Said};
use crate::bridge::journal::{Edits, Entry, Row, Stored, Swept, Work};
use crate::bridge::judge::Task;
use crate::manifest::BridgeRepository;

/// Between two sweeps.
const EVERY: Duration = Duration::from_secs(60);
/// Between two times that old runs are forgotten.
const FORGET: Duration = Duration::from_secs(60 * 60);
/// A younger comment's delivery may be on its way, and says more than the comment.
const YOUNG: SignedDuration = SignedDuration::from_secs(20);
/// Each sweep begins before the last one did: clocks differ.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// What a sweep has found.
#[derive(Default)]
struct Found {
    /// Commands that were not in the journal.
    missed: usize,
    /// How long some command is still too young to tell: it is looked for again then.
    young: SignedDuration,
    /// When the oldest command was written that its writer has to wait with, having asked too often.
    waits: Option<Timestamp>,
}

impl Worker {
    /// Sweeps now and again, until told to stop.
    pub(super) async fn sweeps(&self, mut stop: watch::Receiver<bool>) {
        let mut forgotten = None::<Instant>;
        loop {
            if forgotten.is_none_or(|last| last.elapsed() >= FORGET) {
                forgotten = Some(Instant::now());
                self.forget().await;
            }
            let mut pause = EVERY;
            for (name, repository) in &self.bridge.repositories {
                match self.sweep(name, repository).await {
                    Ok(Found { missed, young, waits }) => {
                        if waits.is_some() {
                            tracing::warn!(repository = name, "commands wait: their writers ask too often");
                        }
                        if missed > 0 {
                            tracing::warn!(repository = name, missed, "commands that were not delivered");
                        }
                        if young > SignedDuration::ZERO {
                            pause = young.unsigned_abs();
                        }
                    }
                    Err(error) => tracing::warn!(repository = name, %error, "comments cannot be read"),
                }
            }
            tokio::select! {
                () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Forgets what is done and old: no delivery and no sweep takes a comment of that age any more.
    async fn forget(&self) {
        let policy = &self.bridge.policy;
        let keep = SignedDuration::try_from(policy.keep.0.max(policy.max_age.0.saturating_mul(2)))
            .unwrap_or(SignedDuration::MAX);
        let before = Timestamp::now().saturating_sub(keep).unwrap_or(Timestamp::MIN);
        let forget = move |connection: &Connection| {
            Edits::forget(connection, before)?;
            Row::forget(connection, before)
        };
        match self.journal.ask(forget).await {
            Ok(0) | Err(_) => {}
            Ok(gone) => tracing::info!(gone, "old runs are forgotten"),
        }
    }

    /// Stores the commands of a repository that are not in the journal.
    async fn sweep(&self, full_name: &str, repository: &BridgeRepository) -> Result<Found, Halt> {
        let (began, id) = (Timestamp::now(), repository.id);
        let until = self.journal.ask(move |connection| Swept::until(connection, id)).await?;
        let most = SignedDuration::try_from(self.bridge.policy.max_age.0).unwrap_or(SignedDuration::MAX);
        let oldest = began.saturating_sub(most).unwrap_or(Timestamp::MIN);
        // A clock that was set back cannot tell what was read: all that may still be obeyed is read again.
        let since = until.filter(|until| *until <= began);
        let since = since.map_or(oldest, |until| until.saturating_sub(OVERLAP).unwrap_or(oldest));
        let since = since.max(oldest).to_string();
        let command = |comment: &Comment| self.missed(full_name, repository, comment, began).is_some();
        let comments = self.forge.comments(halves(full_name), &since, &command).await?;
        let (mut found, mut often) = (Found::default(), BTreeSet::new());
        for comment in &comments {
            let Some(entry) = self.missed(full_name, repository, comment, began) else { continue };
            let age = began.duration_since(entry.task.created).max(SignedDuration::ZERO);
            if age < YOUNG {
                found.young = found.young.max(YOUNG.saturating_sub(age));
                continue;
            }
            let (user, created) = (entry.task.user, entry.task.created);
            if created < oldest || often.contains(&user) || self.is_known(&entry).await? {
                continue;
            }
            // What was refused as too often is among these, and comes in no faster by this way.
            if !self.buckets.take(id, user, Instant::now()) {
                often.insert(user);
                found.waits = Some(found.waits.map_or(created, |oldest| oldest.min(created)));
            } else if self.journal.accept(entry).await? == Stored::New {
                self.metrics.runs.accepted(created, began);
                found.missed += 1;
            }
        }
        // What waits is read again, however long that takes.
        let until = found.waits.map_or(began, |oldest| oldest.min(began));
        self.journal.ask(move |connection| Swept::keep(connection, id, until)).await?;
        Ok(found)
    }

    async fn is_known(&self, entry: &Entry) -> Result<bool, Halt> {
        let entry = entry.clone();
        Ok(self.journal.ask(move |connection| entry.is_known(connection)).await?)
    }

    /// The task of a comment, if it is a command. Which head it was written on is not known: no push may have followed it.
    fn missed(
        &self,
        full_name: &str,
        repository: &BridgeRepository,
        comment: &Comment,
        now: Timestamp,
    ) -> Option<Entry> {
        let pull = comment.pull?;
        let created: Timestamp = comment.created_at.parse().ok()?;
        let bot = comment.login.eq_ignore_ascii_case(&self.bridge.bot.login);
        if bot || comment.created_at != comment.updated_at {
            return None;
        }
        let said = command::read(&comment.body, &self.bridge.policy.trigger, &repository.parameters);
        let Said::Command(command) = said else { return None };
        let task = Task {
            repository: repository.id,
            full_name: full_name.to_owned(),
            pull,
            comment: comment.id?,
            user: u64::try_from(comment.user).ok()?,
            login: comment.login.clone(),
            head: None,
            created,
        };
        Some(Entry { forge: self.bridge.forge.url.clone(), task, work: Work::Obey(command), received: now })
    }
}
