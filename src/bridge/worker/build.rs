//! One build of one comment, made once.

use jiff::Timestamp;

use super::{GRACE, Halt, Tries, Worker, halves, over};
use crate::bridge::command::Command;
use crate::bridge::journal::{Row, State, Work};
use crate::forge::drone::{Build, NewBuild};

/// The parameter that names the comment, by which a build is found again.
const ID: &str = "TESTME_ID";
/// Builds a page of Drone's list, and pages that are looked through.
const PAGE: usize = 100;
const PAGES: usize = 5;
/// Times in a row that Drone refuses to make a build before that is the answer. It refuses with 404 while it cannot reach
/// the forge or its own sign-in there has expired, and with 500 where there is no pipeline.
const REFUSALS: u32 = 10;

impl Worker {
    /// Finds the comment's build or makes it.
    pub(super) async fn ask(&self, row: &mut Row, tries: Tries) -> Result<(), Halt> {
        if tries.uncertain()
            && let Some(build) = self.made(row).await?
        {
            begun(row, &build);
            return Ok(());
        }
        match self.make(row).await {
            Ok(Some(build)) => begun(row, &build),
            Ok(None) => over(row, "nothing"),
            Err(error) if error.status().is_some() && tries.refusals >= REFUSALS => {
                tracing::error!(%error, "Drone makes no build");
                tokio::time::sleep(GRACE).await;
                match self.made(row).await? {
                    Some(build) => begun(row, &build),
                    None => over(row, "no_build"),
                }
            }
            // Whether there is a build now is found out by looking, and by nothing else.
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The build that was perhaps made already.
    async fn made(&self, row: &Row) -> Result<Option<Build>, Halt> {
        let task = &row.entry.task;
        let (owner, name) = halves(&task.full_name);
        let comment = task.comment.to_string();
        for page in 1..=PAGES {
            let builds = self.drone.builds(owner, name, page, PAGE).await?;
            let last =
                builds.len() < PAGE || builds.iter().any(|build| build.created < task.created.as_second());
            if let Some(build) = builds.into_iter().find(|build| build.params.get(ID) == Some(&comment)) {
                return Ok(Some(build));
            }
            if last {
                break;
            }
        }
        Ok(None)
    }

    async fn make(&self, row: &Row) -> Result<Option<Build>, crate::forge::error::ForgeError> {
        let task = &row.entry.task;
        let (owner, name) = halves(&task.full_name);
        let (Some(repository), Some(head), Work::Obey(Command::Run { parameters, .. })) =
            (self.bridge.repositories.get(&task.full_name), &task.head, &row.entry.work)
        else {
            return Ok(None);
        };
        let (comment, pull) = (task.comment.to_string(), task.pull.to_string());
        let mut params = vec![("REF", head.as_str()), ("PR", &pull), (ID, &comment)];
        params.extend(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.drone.create_build(owner, name, &NewBuild { branch: &repository.branch, params: &params }).await
    }
}

/// There is a build. One that came back in error has run nothing, and is over.
fn begun(row: &mut Row, build: &Build) {
    row.build = u64::try_from(build.number).ok();
    row.state = State::Building;
    row.times.queued = Some(Timestamp::now());
    if build.is_over() {
        over(row, &build.status);
    }
}
