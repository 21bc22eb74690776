//! The journal: what was accepted is on the disk before the forge hears of it, once, and stays until it is done.
//!
//! SQLite in WAL mode with `synchronous=FULL`: a commit is one fsync of the log, and survives a power cut (`NORMAL` would
//! survive only the death of the process). One thread owns the connection; what arrives while it waits for the disk is
//! one transaction with one fsync for all of it.

mod row;
mod state;
mod store;
mod swept;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rustix::fs::FlockOperation;
use tokio::sync::{Notify, mpsc, oneshot};

pub use row::{Row, Times};
pub use state::State;
pub use store::{Entry, Work};
pub use swept::{Edits, Swept};

/// Deliveries that wait for the disk at once; more of them wait before they are put in line.
const WAITING: usize = 4096;

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or the lock file cannot be made.
    #[error("failed to prepare `{path}`")]
    Prepare {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another bridge works on it: two would make two builds of one comment.
    #[error("another bridge uses the journal `{path}`")]
    Taken {
        /// Which.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error("failed to open the journal `{path}`")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It was written by a later version of this program.
    #[error("the journal `{path}` is of format {found}, and this program knows {known}")]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
}

/// The disk did not take it. Nothing was stored, and the next attempt may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot be written")]
pub struct Unavailable;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is new.
    New,
    /// It was stored before, whatever has become of it.
    Known,
}

/// The way to the journal's thread. Its clones share it; when the last one is dropped, the thread ends with what it has.
#[derive(Clone)]
pub struct Journal {
    jobs: mpsc::Sender<Job>,
    news: Arc<Notify>,
}

/// What the thread is asked for.
enum Job {
    /// Store a delivery.
    Accept(Box<Entry>, oneshot::Sender<Result<Stored, Unavailable>>),
    /// Anything else, in transactions of its own; says whether the connection can be used further.
    Ask(Box<dyn FnOnce(&Connection) -> bool + Send>),
}

impl Journal {
    /// Opens the journal, and makes it where there is none; the thread that owns it is returned to be joined.
    ///
    /// # Errors
    /// When it cannot be opened, is used by another bridge, or was written by a later version.
    pub fn open(path: &Path) -> Result<(Self, std::thread::JoinHandle<()>), JournalError> {
        let lock = lock(path)?;
        let connection = store::open(path)?;
        let (jobs, waiting) = mpsc::channel(WAITING);
        let news = Arc::new(Notify::new());
        let (owned, told) = (path.to_owned(), Arc::clone(&news));
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                write(connection, &owned, waiting, &told);
                drop(lock);
            })
            .map_err(|source| JournalError::Prepare { path: path.to_owned(), source })?;
        Ok((Self { jobs, news }, thread))
    }

    /// Stores a delivery. When this returns `Ok`, it survives a power cut.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub async fn accept(&self, entry: Entry) -> Result<Stored, Unavailable> {
        let (answer, told) = oneshot::channel();
        self.jobs.send(Job::Accept(Box::new(entry), answer)).await.map_err(|_| Unavailable)?;
        told.await.map_err(|_| Unavailable)?
    }

    /// Asks or changes anything else.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, told) = oneshot::channel();
        let job = move |connection: &Connection| {
            let answered = ask(connection);
            let usable = answered.is_ok();
            if let Err(error) = &answered {
                tracing::error!(%error, "the journal failed");
            }
            drop(answer.send(answered.map_err(|_| Unavailable)));
            usable
        };
        self.jobs.send(Job::Ask(Box::new(job))).await.map_err(|_| Unavailable)?;
        told.await.map_err(|_| Unavailable)?
    }

    /// Waits until something new was stored; also returns at once when that was since the last call.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// How many deliveries wait for the disk.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.jobs.max_capacity().saturating_sub(self.jobs.capacity())
    }
}

/// Holds a file beside the journal. Not the journal itself: closing a second descriptor of it would end SQLite's locks.
fn lock(path: &Path) -> Result<File, JournalError> {
    let fail = |path: &Path, source| JournalError::Prepare { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| fail(folder, source))?;
    }
    let name = path.with_extension("lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(&name).map_err(|source| fail(&name, source))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::Taken { path: path.to_owned() }),
        Err(error) => Err(fail(&name, error.into())),
    }
}

/// The thread. A connection that failed is opened anew: what it believes about its files may be wrong.
fn write(first: Connection, path: &Path, mut waiting: mpsc::Receiver<Job>, news: &Notify) {
    let mut connection = Some(first);
    while let Some(job) = waiting.blocking_recv() {
        let usable = match connection.take().map_or_else(|| store::open(path), Ok) {
            Ok(open) => match store::serve(&open, job, &mut waiting, news) {
                Ok(()) => return,
                Err(()) => continue,
            },
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the journal cannot be opened");
                job
            }
        };
        refuse(usable);
    }
}

/// Answers a job that nobody can do.
fn refuse(job: Job) {
    match job {
        Job::Accept(_, answer) => {
            let _ = answer.send(Err(Unavailable));
        }
        // Its answer goes with it, which tells as much.
        Job::Ask(ask) => drop(ask),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
