//! The forges, as the work sees them: what differs between them ends here.

use super::number;
use crate::bridge::judge::Task;
use crate::forge::error::ForgeError;
use crate::forge::{Caller, NewStatus, gitea, github};

/// One of them, asked by the bot.
#[derive(Clone)]
pub enum Forge {
    /// Gitea and Forgejo.
    Gitea(gitea::Api),
    /// GitHub and GitHub Enterprise Server.
    Github(github::Api),
}

/// A comment.
pub(super) struct Comment {
    pub(super) id: Option<u64>,
    /// Number of the pull request; none of an issue.
    pub(super) pull: Option<u64>,
    pub(super) user: i64,
    pub(super) login: String,
    pub(super) body: String,
    /// When it was written and changed, in the forge's words.
    pub(super) created_at: String,
    pub(super) updated_at: String,
}

/// A pull request.
pub(super) struct Pull {
    pub(super) open: bool,
    pub(super) locked: bool,
    pub(super) draft: bool,
    pub(super) sha: String,
}

impl From<gitea::Comment> for Comment {
    fn from(one: gitea::Comment) -> Self {
        Self {
            id: u64::try_from(one.id).ok(),
            pull: one.pull_request_url.rsplit_once('/').and_then(|(_, number)| number.parse().ok()),
            user: one.user.id,
            login: one.user.login,
            body: one.body,
            created_at: one.created_at,
            updated_at: one.updated_at,
        }
    }
}

impl From<github::Comment> for Comment {
    fn from(one: github::Comment) -> Self {
        let page = one.html_url.split('#').next().unwrap_or_default();
        let user = one.user.unwrap_or_default();
        Self {
            id: u64::try_from(one.id).ok(),
            pull: page.rsplit_once("/pull/").and_then(|(_, number)| number.parse().ok()),
            user: user.id,
            login: user.login,
            body: one.body,
            created_at: one.created_at,
            updated_at: one.updated_at,
        }
    }
}

impl Forge {
    /// Whether a comment can only be bound to a commit by naming it: the forge tells neither in its delivery nor later which
    /// head a comment was written on. When a commit was pushed is nowhere in GitHub's API; its date is its writer's word.
    pub(super) const fn wants_commit(&self) -> bool {
        matches!(self, Self::Github(_))
    }

    /// For what both take in the same words.
    const fn caller(&self) -> &Caller {
        match self {
            Self::Gitea(api) => api.caller(),
            Self::Github(api) => api.caller(),
        }
    }

    pub(super) async fn react(&self, place: (&str, &str), comment: u64) -> Result<(), ForgeError> {
        self.caller().react(place, number(comment), "eyes").await
    }

    pub(super) async fn comment(
        &self,
        (owner, name): (&str, &str),
        comment: u64,
    ) -> Result<Option<Comment>, ForgeError> {
        Ok(match self {
            Self::Gitea(api) => api.comment(owner, name, number(comment)).await?.map(Comment::from),
            Self::Github(api) => api.comment(owner, name, number(comment)).await?.map(Comment::from),
        })
    }

    /// Those comments that are wanted and were changed since an RFC 3339 time. The others are not held: anybody may have
    /// written much.
    pub(super) async fn comments(
        &self,
        place: (&str, &str),
        since: &str,
        wanted: &(dyn Fn(&Comment) -> bool + Sync),
    ) -> Result<Vec<Comment>, ForgeError> {
        Ok(match self {
            Self::Gitea(api) => {
                let all = api.comments(place, since, &|one| wanted(&one.clone().into())).await?;
                all.into_iter().map(Comment::from).collect()
            }
            Self::Github(api) => {
                let all = api.comments(place, since, &|one| wanted(&one.clone().into())).await?;
                all.into_iter().map(Comment::from).collect()
            }
        })
    }

    pub(super) async fn pull(
        &self,
        (owner, name): (&str, &str),
        pull: u64,
    ) -> Result<Option<Pull>, ForgeError> {
        Ok(match self {
            Self::Gitea(api) => api.pull(owner, name, number(pull)).await?.map(|pull| Pull {
                open: pull.state == "open" && !pull.merged,
                locked: pull.is_locked,
                draft: pull.draft,
                sha: pull.head.sha,
            }),
            Self::Github(api) => api.pull(owner, name, number(pull)).await?.map(|pull| Pull {
                open: pull.state == "open" && !pull.merged,
                locked: pull.locked,
                draft: pull.draft,
                sha: pull.head.sha,
            }),
        })
    }

    /// Whether something was pushed to the pull request of a task since its comment.
    pub(super) async fn pushed_since(
        &self,
        (owner, name): (&str, &str),
        task: &Task,
    ) -> Result<bool, ForgeError> {
        let Self::Gitea(api) = self else { return Ok(true) };
        let since = task.created.to_string();
        let entries = api.timeline(owner, name, number(task.pull), Some(&since)).await?;
        Ok(entries.iter().any(|entry| entry.kind == "pull_push"))
    }

    /// Whether the writer of a comment may write code, as the forge says now.
    pub(super) async fn may(&self, (owner, name): (&str, &str), task: &Task) -> Result<May, ForgeError> {
        match self {
            Self::Gitea(api) => gitea_may(api, (owner, name), task).await,
            Self::Github(api) => {
                if api.repository(owner, name).await? != Some(number(task.repository)) {
                    return Ok(May::Not);
                }
                match api.permission(owner, name, &task.login).await {
                    Ok(Some(may)) if matches!(may.as_str(), "write" | "admin") => Ok(May::Write),
                    Ok(_) => Ok(May::Not),
                    Err(error) if error.status() == Some(403) && !error.is_passing() => Ok(May::Unknown),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Writes a comment; its number.
    pub(super) async fn say(&self, place: (&str, &str), pull: u64, text: &str) -> Result<i64, ForgeError> {
        self.caller().create_comment(place, number(pull), text).await
    }

    /// Changes a comment of ours; one that is gone stays gone.
    pub(super) async fn change(
        &self,
        place: (&str, &str),
        comment: u64,
        text: &str,
    ) -> Result<(), ForgeError> {
        self.caller().edit_comment(place, number(comment), text).await.map(drop)
    }

    pub(super) async fn status(
        &self,
        place: (&str, &str),
        sha: &str,
        status: &NewStatus<'_>,
    ) -> Result<(), ForgeError> {
        self.caller().create_status(place, sha, status).await
    }
}

/// What the forge says of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// May write.
    Write,
    /// May not.
    Not,
    /// The bot's token is not enough to find out.
    Unknown,
}

/// `GET /repos/OWNER/NAME` in the writer's name is right for owners, teams and site administrators alike, and is a site
/// administrator's to ask. A lesser bot has only the list of collaborators, where a member of a team may stand with less
/// than the team gives: what is there is enough, what is not there is not known.
async fn gitea_may(api: &gitea::Api, (owner, name): (&str, &str), task: &Task) -> Result<May, ForgeError> {
    match api.sudo(&task.login).repo(owner, name).await {
        Ok(Some(seen)) => {
            let may = seen.permissions.push && seen.id == number(task.repository) && !seen.archived;
            return Ok(if may { May::Write } else { May::Not });
        }
        Ok(None) => return Ok(May::Not),
        Err(error) if error.status() == Some(403) => {}
        Err(error) => return Err(error),
    }
    match api.permission(owner, name, &task.login).await {
        Ok(Some(found)) if matches!(found.permission.as_str(), "write" | "admin" | "owner") => Ok(May::Write),
        Ok(Some(_)) => Ok(May::Unknown),
        Ok(None) => Ok(May::Not),
        Err(error) if error.status() == Some(403) => Ok(May::Unknown),
        Err(error) => Err(error),
    }
}
