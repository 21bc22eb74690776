//! What the sweep keeps: how far it has read, and which comments it must not take.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::bridge::judge::Edit;

/// How far a repository's comments were read.
pub struct Swept;

impl Swept {
    /// When the last sweep of a repository began.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn until(connection: &Connection, repository: u64) -> rusqlite::Result<Option<Timestamp>> {
        let sql = "SELECT max(until) FROM swept WHERE repository = ?";
        let until: Option<i64> = connection.query_row(sql, [repository], |row| row.get(0))?;
        Ok(until.and_then(|until| Timestamp::from_millisecond(until).ok()))
    }

    /// Notes that a sweep is done that began then.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub fn keep(connection: &Connection, repository: u64, began: Timestamp) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO swept (repository, until) VALUES (?, ?)";
        connection.execute(sql, params![repository, began.as_millisecond()]).map(drop)
    }
}

/// Edits that only their deliveries tell of.
pub struct Edits;

impl Edits {
    /// Keeps one in mind.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub fn keep(connection: &Connection, forge: &str, edit: Edit) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO edited (forge, repository, comment, at) VALUES (?, ?, ?, ?)";
        let row = params![forge, edit.repository, edit.comment, edit.at.as_millisecond()];
        connection.execute(sql, row).map(drop)
    }

    /// Forgets those older than `before`.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub fn forget(connection: &Connection, before: Timestamp) -> rusqlite::Result<()> {
        connection.execute("DELETE FROM edited WHERE at < ?", [before.as_millisecond()]).map(drop)
    }
}
