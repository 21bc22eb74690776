//! What comes of a delivery, decided from its signed body alone and from what the manifest says.
//!
//! What can change after the delivery was made (who may write, the comment's text, the head) is looked at again when the
//! work is done: this is the first of two judgements.

use jiff::{SignedDuration, Timestamp};

use super::command::{self, Command, Misread, Said};
use super::commit::Commit;
use super::payload::Payload;
use crate::manifest::{Bridge, BridgeRepository, ForgeKind};

/// What comes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is about something else, or about nothing that may be told.
    Ignore(Ignored),
    /// Somebody asked who gets a no, which is worth one line on the pull request.
    Refuse(Task, Refusal),
    /// Work.
    Accept(Task, Command),
    /// A comment became a command within the second in which it was written: its times do not tell, nor will they later.
    Edited(Edit),
}

/// An edit that nothing but its delivery tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Number of the repository.
    pub repository: u64,
    /// Number of the comment.
    pub comment: u64,
    /// Number of its writer.
    pub user: u64,
    /// When the comment was written, and edited.
    pub at: Timestamp,
}

/// Whose comment, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Number of the repository.
    pub repository: u64,
    /// `owner/name`.
    pub full_name: String,
    /// Number of the pull request.
    pub pull: u64,
    /// Number of the comment.
    pub comment: u64,
    /// Number of its writer.
    pub user: u64,
    /// Its writer's login.
    pub login: String,
    /// The head of the pull request as the comment was written; from Gitea 1.23 and Forgejo 11 on.
    pub head: Option<Commit>,
    /// When the comment was written.
    pub created: Timestamp,
}

/// Why a delivery is nothing to the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// The comment was edited or deleted.
    NotCreated,
    /// On an issue.
    NotPull,
    /// A repository that is not listed, or another one under a listed name.
    Repository,
    /// The bot's own.
    Bot,
    /// Says nothing to the bridge.
    NoCommand,
    /// Sent by somebody who did not write it.
    Sender,
    /// Changed since it was written.
    Edited,
    /// Too old.
    Age,
    /// The parts of the delivery contradict each other.
    Contradiction,
}

/// Why somebody who asks gets a no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its writer may not write to the repository: whatever else is wrong, that is all that is told.
    Permission,
    /// The pull request is closed or merged.
    Closed,
    /// It is locked.
    Locked,
    /// It is a draft.
    Draft,
    /// Another commit than its head was asked for.
    OtherHead,
    /// No command after all.
    Misread(Misread),
}

impl Ignored {
    /// Every reason, for metrics that count from zero.
    pub const ALL: [Self; 9] = [
        Self::NotCreated,
        Self::NotPull,
        Self::Repository,
        Self::Bot,
        Self::NoCommand,
        Self::Sender,
        Self::Edited,
        Self::Age,
        Self::Contradiction,
    ];

    /// A word for metrics and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotCreated => "not_created",
            Self::NotPull => "not_pull",
            Self::Repository => "repository",
            Self::Bot => "bot",
            Self::NoCommand => "no_command",
            Self::Sender => "sender",
            Self::Edited => "edited",
            Self::Age => "age",
            Self::Contradiction => "contradiction",
        }
    }
}

impl Refusal {
    /// A word for metrics and the journal.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Closed => "closed",
            Self::Locked => "locked",
            Self::Draft => "draft",
            Self::OtherHead => "other_head",
            Self::Misread(misread) => misread.word(),
        }
    }
}

/// Judges a delivery.
#[must_use]
pub fn judge(bridge: &Bridge, payload: &Payload<'_>, now: Timestamp) -> Verdict {
    if payload.action == "edited" {
        return edited(bridge, payload).map_or(Verdict::Ignore(Ignored::NotCreated), Verdict::Edited);
    }
    match listed(bridge, payload).and_then(|repository| asked(bridge, repository, payload, now)) {
        Err(ignored) => Verdict::Ignore(ignored),
        Ok((task, said)) => match said.and_then(|command| open(bridge, payload, &task, command)) {
            Ok(command) => Verdict::Accept(task, command),
            Err(refusal) => Verdict::Refuse(task, refusal),
        },
    }
}

/// An edit that has to be kept in mind: forges' times know no more than seconds.
fn edited(bridge: &Bridge, payload: &Payload<'_>) -> Option<Edit> {
    let repository = place(bridge, payload).ok()?;
    let comment = &payload.comment;
    let said = command::read(&comment.body, &bridge.policy.trigger, &repository.parameters);
    let seen = comment.created_at != comment.updated_at;
    let (repository, user, at) = (repository.id, comment.user.id, comment.created_at);
    (!seen && said != Said::Nothing).then_some(Edit { repository, comment: comment.id, user, at })
}

/// The repository of a comment that was just written.
fn listed<'b>(bridge: &'b Bridge, payload: &Payload<'_>) -> Result<&'b BridgeRepository, Ignored> {
    if payload.action != "created" {
        return Err(Ignored::NotCreated);
    }
    place(bridge, payload)
}

/// The repository of a comment, which is one on a pull request of a listed repository.
fn place<'b>(bridge: &'b Bridge, payload: &Payload<'_>) -> Result<&'b BridgeRepository, Ignored> {
    let pull = match bridge.forge.kind {
        ForgeKind::Gitea | ForgeKind::Forgejo => payload.is_pull == Some(true),
        ForgeKind::Github => true,
    };
    if !pull || payload.issue.pull_request.is_none() {
        return Err(Ignored::NotPull);
    }
    let named = bridge.repositories.get(payload.repository.full_name.as_ref());
    named.filter(|repository| repository.id == payload.repository.id).ok_or(Ignored::Repository)
}

/// What somebody has asked for.
fn asked(
    bridge: &Bridge,
    repository: &BridgeRepository,
    payload: &Payload<'_>,
    now: Timestamp,
) -> Result<(Task, Result<Command, Refusal>), Ignored> {
    let comment = &payload.comment;
    if payload.sender.login.eq_ignore_ascii_case(&bridge.bot.login)
        || comment.user.login.eq_ignore_ascii_case(&bridge.bot.login)
    {
        return Err(Ignored::Bot);
    }
    let said = match command::read(&comment.body, &bridge.policy.trigger, &repository.parameters) {
        Said::Nothing => return Err(Ignored::NoCommand),
        Said::Command(command) => Ok(command),
        Said::Misread(misread) => Err(Refusal::Misread(misread)),
    };
    if payload.sender != comment.user {
        return Err(Ignored::Sender);
    }
    if comment.created_at != comment.updated_at {
        return Err(Ignored::Edited);
    }
    // A comment of the future is one of a clock that was set: how old it is will be seen when the clock is right.
    let oldest = SignedDuration::try_from(bridge.policy.max_age.0).unwrap_or(SignedDuration::MAX);
    if now.duration_since(comment.created_at) > oldest {
        return Err(Ignored::Age);
    }
    if payload.pull_request.as_ref().is_some_and(|pull| pull.number != payload.issue.number) {
        return Err(Ignored::Contradiction);
    }
    // GitHub does not say; there the second judgement alone decides.
    let may = match bridge.forge.kind {
        ForgeKind::Gitea | ForgeKind::Forgejo => payload.repository.permissions.is_some_and(|may| may.push),
        ForgeKind::Github => true,
    };
    let said = if may { said } else { Err(Refusal::Permission) };
    let head = match &payload.pull_request {
        None => None,
        Some(pull) => Some(Commit::new(&pull.head.sha).ok_or(Ignored::Contradiction)?),
    };
    let task = Task {
        repository: payload.repository.id,
        full_name: payload.repository.full_name.clone().into_owned(),
        pull: payload.issue.number,
        comment: comment.id,
        user: comment.user.id,
        login: comment.user.login.clone().into_owned(),
        head,
        created: comment.created_at,
    };
    Ok((task, said))
}

/// Whether the pull request can be tested as asked.
fn open(bridge: &Bridge, payload: &Payload<'_>, task: &Task, command: Command) -> Result<Command, Refusal> {
    let (issue, pull) = (&payload.issue, &payload.pull_request);
    let meta = issue.pull_request.as_ref();
    let merged = meta.is_some_and(|meta| meta.merged == Some(true) || meta.merged_at.is_some())
        || pull.as_ref().is_some_and(|pull| pull.merged == Some(true) || pull.state != "open");
    if issue.state != "open" || merged {
        return Err(Refusal::Closed);
    }
    if issue.is_locked == Some(true) || issue.locked == Some(true) {
        return Err(Refusal::Locked);
    }
    let draft = meta.is_some_and(|meta| meta.draft == Some(true))
        || pull.as_ref().is_some_and(|pull| pull.draft == Some(true));
    if draft && !bridge.policy.drafts {
        return Err(Refusal::Draft);
    }
    if let Command::Run { commit: Some(commit), .. } = &command
        && task.head.as_ref().is_some_and(|head| head != commit)
    {
        return Err(Refusal::OtherHead);
    }
    Ok(command)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
