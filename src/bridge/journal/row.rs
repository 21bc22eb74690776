//! A task as it stands in the journal.

use jiff::Timestamp;
use rusqlite::{Connection, Params, params};

use super::State;
use super::store::{Entry, Work, text};
use crate::bridge::command::Command;
use crate::bridge::commit::Commit;
use crate::bridge::judge::Task;

/// When things happened, as far as they have. Drone's own times know no more than seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// There was a build.
    pub queued: Option<Timestamp>,
    /// A runner took it.
    pub picked: Option<Timestamp>,
    /// It ended.
    pub ended: Option<Timestamp>,
    /// Its end was told.
    pub told: Option<Timestamp>,
}

/// A task in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number, in the order of arrival.
    pub id: i64,
    /// What was stored.
    pub entry: Entry,
    /// Where it stands.
    pub state: State,
    /// Number of its build.
    pub build: Option<u64>,
    /// Number of the bridge's comment about it.
    pub answer: Option<u64>,
    /// How its build ended, or why there is none.
    pub result: Option<String>,
    /// When.
    pub times: Times,
}

const SELECT: &str = "SELECT id, forge, repository, comment, full_name, pull, user, login, head, created, received, work, \
                      state, build, answer, result, queued, picked, ended, told FROM task";

impl Row {
    /// The oldest tasks behind `after` that are not done, by way of the index that holds them in their order.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn unfinished(connection: &Connection, after: i64, most: usize) -> rusqlite::Result<Vec<i64>> {
        let sql =
            "SELECT id FROM task INDEXED BY waiting WHERE state <> 'done' AND id > ? ORDER BY id LIMIT ?";
        connection.prepare(sql)?.query_map(params![after, most], |row| row.get(0))?.collect()
    }

    /// A task by its number.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn find(connection: &Connection, id: i64) -> rusqlite::Result<Option<Self>> {
        Ok(Self::select(connection, "WHERE id = ?", [id])?.pop())
    }

    /// The last tasks, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn last(connection: &Connection, most: u32) -> rusqlite::Result<Vec<Self>> {
        Self::select(connection, "ORDER BY id DESC LIMIT ?", [most])
    }

    /// Earlier tasks than `id` of a pull request, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn before(
        connection: &Connection,
        id: i64,
        repository: u64,
        pull: u64,
    ) -> rusqlite::Result<Vec<Self>> {
        let which = "WHERE id < ? AND repository = ? AND pull = ? ORDER BY id DESC LIMIT 100";
        Self::select(connection, which, params![id, repository, pull])
    }

    fn select(connection: &Connection, which: &str, params: impl Params) -> rusqlite::Result<Vec<Self>> {
        connection.prepare(&format!("{SELECT} {which}"))?.query_map(params, Self::read)?.collect()
    }

    /// Whether a newer comment on the pull request of `task` asks for a test that was found to be right.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn supersedes(connection: &Connection, task: &Task) -> rusqlite::Result<bool> {
        let which = "WHERE comment > ? AND repository = ? AND pull = ? AND (state IN ('checked', 'asking', 'building') OR \
                     build IS NOT NULL)";
        let newer = Self::select(connection, which, params![task.comment, task.repository, task.pull])?;
        Ok(newer.iter().any(|row| matches!(row.entry.work, Work::Obey(Command::Run { .. }))))
    }

    /// Tests of the commit of `task` that other comments have asked for and that were found to be right, by their comments.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn of_commit(connection: &Connection, task: &Task) -> rusqlite::Result<Vec<Self>> {
        let which = "WHERE repository = ? AND head = ? AND comment <> ? AND state <> 'accepted' AND \
                     coalesce(result, '') NOT LIKE 'refused:%' ORDER BY comment";
        let head = task.head.as_ref().map(Commit::as_str);
        let mut rows = Self::select(connection, which, params![task.repository, head, task.comment])?;
        rows.retain(|row| matches!(row.entry.work, Work::Obey(Command::Run { .. })));
        Ok(rows)
    }

    /// Forgets what is done and older than `before`, and notes up to which comment it has forgotten: an older one that comes
    /// again is still known. Returns how many it has forgotten.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub fn forget(connection: &Connection, before: Timestamp) -> rusqlite::Result<usize> {
        let before = before.as_millisecond();
        let old = "state = 'done' AND created < ?1 AND received < ?1";
        let transaction = connection.unchecked_transaction()?;
        transaction.execute(
            &format!(
                "INSERT INTO forgotten (forge, repository, comment) SELECT forge, repository, max(comment) FROM task WHERE {old} \
                 GROUP BY forge, repository ON CONFLICT DO UPDATE SET comment = max(comment, excluded.comment)"
            ),
            [before],
        )?;
        let gone = transaction.execute(&format!("DELETE FROM task WHERE {old}"), [before])?;
        transaction.commit()?;
        Ok(gone)
    }

    /// How many tasks stand at each state that is not the last.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn standing(connection: &Connection) -> rusqlite::Result<Vec<(State, u64)>> {
        let sql = "SELECT state, count(*) FROM task WHERE state <> 'done' GROUP BY state";
        connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let time = |column: &str| {
            let wrong =
                |error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Integer, error);
            Timestamp::from_millisecond(row.get(column)?).map_err(|error| wrong(error.into()))
        };
        let maybe = |column: &str| -> rusqlite::Result<Option<Timestamp>> {
            let time: Option<i64> = row.get(column)?;
            Ok(time.and_then(|time| Timestamp::from_millisecond(time).ok()))
        };
        let work: String = row.get("work")?;
        let work = serde_json::from_str(&work).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
        })?;
        let head: Option<String> = row.get("head")?;
        Ok(Self {
            id: row.get("id")?,
            entry: Entry {
                forge: row.get("forge")?,
                task: Task {
                    repository: row.get("repository")?,
                    full_name: row.get("full_name")?,
                    pull: row.get("pull")?,
                    comment: row.get("comment")?,
                    user: row.get("user")?,
                    login: row.get("login")?,
                    head: head.as_deref().and_then(Commit::new),
                    created: time("created")?,
                },
                work,
                received: time("received")?,
            },
            state: row.get("state")?,
            build: row.get("build")?,
            answer: row.get("answer")?,
            result: row.get("result")?,
            times: Times {
                queued: maybe("queued")?,
                picked: maybe("picked")?,
                ended: maybe("ended")?,
                told: maybe("told")?,
            },
        })
    }

    /// Writes where the task stands: state, build, answer, result, times, head and work as they are in here.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub fn keep(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE task SET state = ?, build = ?, answer = ?, result = ?, head = ?, work = ?, queued = ?, \
                   picked = ?, ended = ?, told = ? WHERE id = ?";
        let head = self.entry.task.head.as_ref().map(Commit::as_str);
        let work = text(&self.entry.work)?;
        let Times { queued, picked, ended, told } = self.times;
        let [queued, picked, ended, told] =
            [queued, picked, ended, told].map(|time| time.map(Timestamp::as_millisecond));
        let (state, build, answer, result) = (self.state, self.build, self.answer, &self.result);
        let row = params![state, build, answer, result, head, work, queued, picked, ended, told, self.id];
        connection.execute(sql, row).map(drop)
    }
}
