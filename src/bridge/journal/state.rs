//! Where a task stands.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// The steps of a task, in their order. Each is written before the step that follows it begins, so that after a crash it is
/// known what may have happened already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Stored, and nothing else.
    Accepted,
    /// Looked at again through the API: a build is to be made.
    Checked,
    /// A build was perhaps asked for: there may be one.
    Asking,
    /// Its build is there and is followed.
    Building,
    /// The build has ended, or there will be none: this is to be told.
    Telling,
    /// Told.
    Done,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Accepted, Self::Checked, Self::Asking, Self::Building, Self::Telling, Self::Done];

    /// The word in the journal and in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Checked => "checked",
            Self::Asking => "asking",
            Self::Building => "building",
            Self::Telling => "telling",
            Self::Done => "done",
        }
    }
}

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        Self::ALL.into_iter().find(|state| state.word() == word).ok_or(FromSqlError::InvalidType)
    }
}
