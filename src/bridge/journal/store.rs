//! What SQLite is told.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Statement, params};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot};

use super::{Job, JournalError, State, Stored, Unavailable};
use crate::bridge::command::Command;
use crate::bridge::commit::Commit;
use crate::bridge::judge::Task;

/// The format of the tables.
const FORMAT: i64 = 2;
/// Deliveries in one transaction.
const BATCH: usize = 512;
/// KiB of the journal that are held in memory: its end is what is written.
const CACHE: i64 = 512;
/// Somebody may look at the journal from outside.
const BUSY: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE task (
  id INTEGER PRIMARY KEY,
  forge TEXT NOT NULL,
  repository INTEGER NOT NULL,
  comment INTEGER NOT NULL,
  action TEXT NOT NULL,
  full_name TEXT NOT NULL,
  pull INTEGER NOT NULL,
  user INTEGER NOT NULL,
  login TEXT NOT NULL,
  head TEXT,
  created INTEGER NOT NULL,
  received INTEGER NOT NULL,
  work TEXT NOT NULL,
  state TEXT NOT NULL,
  build INTEGER,
  answer INTEGER,
  result TEXT,
  queued INTEGER,
  picked INTEGER,
  ended INTEGER,
  told INTEGER,
  UNIQUE (forge, repository, comment, action)
) STRICT;
CREATE TABLE swept (repository INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT;
";

/// From format 1 to 2: when things happened.
const TIMES: &str = "
ALTER TABLE task ADD COLUMN queued INTEGER;
ALTER TABLE task ADD COLUMN picked INTEGER;
ALTER TABLE task ADD COLUMN ended INTEGER;
ALTER TABLE task ADD COLUMN told INTEGER;
";

/// What is worked on and counted, whatever else is kept.
const WAITING: &str = "
DROP INDEX IF EXISTS unfinished;
CREATE INDEX IF NOT EXISTS waiting ON task (id, state) WHERE state <> 'done';
";

/// Of tasks that are forgotten, the newest comment of each repository: comments are numbered in their order.
const FORGOTTEN: &str = "
CREATE TABLE IF NOT EXISTS forgotten (
  forge TEXT NOT NULL,
  repository INTEGER NOT NULL,
  comment INTEGER NOT NULL,
  PRIMARY KEY (forge, repository)
) STRICT;
";

/// Comments that became commands by an edit that their times do not tell of.
const EDITED: &str = "
CREATE TABLE IF NOT EXISTS edited (
  forge TEXT NOT NULL,
  repository INTEGER NOT NULL,
  comment INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (forge, repository, comment)
) STRICT;
";

const INSERT: &str = "
INSERT INTO task (forge, repository, comment, action, full_name, pull, user, login, head, created, received, work, state)
SELECT ?1, ?2, ?3, 'created', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE forge = ?1 AND repository = ?2 AND comment >= ?3)
ON CONFLICT DO NOTHING
";

const KNOWN: &str = "
SELECT EXISTS (SELECT 1 FROM task WHERE forge = ?1 AND repository = ?2 AND comment = ?3 AND action = 'created')
    OR EXISTS (SELECT 1 FROM edited WHERE forge = ?1 AND repository = ?2 AND comment = ?3)
    OR EXISTS (SELECT 1 FROM forgotten WHERE forge = ?1 AND repository = ?2 AND comment >= ?3)
";

/// What is stored of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// URL of the forge, as configured.
    pub forge: String,
    /// Whose comment, and where.
    pub task: Task,
    /// What is to be done.
    pub work: Work,
    /// When the delivery arrived.
    pub received: Timestamp,
}

impl Entry {
    /// Whether it was stored before, whatever has become of it, or is what an edit has left.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn is_known(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let key = params![self.forge, self.task.repository, self.task.comment];
        connection.query_row(KNOWN, key, |row| row.get(0))
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Obey.
    Obey(Command),
    /// Say no, in one line.
    Refuse {
        /// The reason's word.
        reason: String,
        /// The parameter that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameter: Option<String>,
    },
}

/// How work stands in the journal.
pub(super) fn text(work: &Work) -> rusqlite::Result<String> {
    serde_json::to_string(work).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Opens the database and makes its tables where there are none.
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let fail = |source| JournalError::Open { path: path.to_owned(), source };
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    let found = prepare(&connection).map_err(fail)?;
    if found > FORMAT {
        return Err(JournalError::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > FORMAT {
        return Ok(found);
    }
    let transaction = connection.unchecked_transaction()?;
    match found {
        0 => transaction.execute_batch(TABLES)?,
        1 => transaction.execute_batch(TIMES)?,
        _ => {}
    }
    transaction.execute_batch(FORGOTTEN)?;
    transaction.execute_batch(EDITED)?;
    transaction.execute_batch(WAITING)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(FORMAT)
}

type Waiting = (Box<super::Entry>, oneshot::Sender<Result<Stored, Unavailable>>);

/// Does one job after another: `Ok` when nobody can ask any more, `Err` when the connection failed.
pub(super) fn serve(
    connection: &Connection,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    news: &Notify,
) -> Result<(), ()> {
    let Ok(mut insert) = connection.prepare(INSERT) else {
        super::refuse(first);
        return Err(());
    };
    let mut next = Some(first);
    while let Some(job) = next.take().or_else(|| jobs.blocking_recv()) {
        let mut batch: Vec<Waiting> = Vec::new();
        let mut job = Some(job);
        let mut ask = None;
        while let Some(one) = job.take() {
            match one {
                Job::Accept(entry, answer) => batch.push((entry, answer)),
                Job::Ask(asked) => ask = Some(asked),
            }
            if ask.is_none() && batch.len() < BATCH {
                job = jobs.try_recv().ok();
            }
        }
        let kept = accept(connection, &mut insert, batch, news);
        if kept.is_err() || ask.is_some_and(|ask| !ask(connection)) {
            return Err(());
        }
    }
    Ok(())
}

/// Stores a batch and answers it.
fn accept(
    connection: &Connection,
    insert: &mut Statement<'_>,
    batch: Vec<Waiting>,
    news: &Notify,
) -> Result<(), ()> {
    if batch.is_empty() {
        return Ok(());
    }
    match store(connection, insert, &batch) {
        Ok(stored) => {
            for ((_, answer), stored) in batch.into_iter().zip(stored) {
                let _ = answer.send(Ok(stored));
            }
            news.notify_one();
            Ok(())
        }
        Err(error) => {
            tracing::error!(%error, deliveries = batch.len(), "the journal cannot be written");
            for (_, answer) in batch {
                let _ = answer.send(Err(Unavailable));
            }
            Err(())
        }
    }
}

fn store(
    connection: &Connection,
    insert: &mut Statement<'_>,
    batch: &[Waiting],
) -> rusqlite::Result<Vec<Stored>> {
    // A transaction that is dropped is rolled back.
    let transaction = connection.unchecked_transaction()?;
    let mut stored = Vec::with_capacity(batch.len());
    for (entry, _) in batch {
        let task = &entry.task;
        let work = text(&entry.work)?;
        let rows = insert.execute(params![
            entry.forge,
            task.repository,
            task.comment,
            task.full_name,
            task.pull,
            task.user,
            task.login,
            task.head.as_ref().map(Commit::as_str),
            task.created.as_millisecond(),
            entry.received.as_millisecond(),
            work,
            State::Accepted,
        ])?;
        stored.push(if rows == 0 { Stored::Known } else { Stored::New });
    }
    transaction.commit()?;
    Ok(stored)
}
