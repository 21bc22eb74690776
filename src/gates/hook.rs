//! `hook`: a webhook calls, and its receiver has heard a delivery that was signed with its secret. Derived, and only looked at:
//! asking for a delivery is what `apply` does.

use serde_json::json;

use super::context::Context;
use super::seen::{Hope, Seen};
use crate::observed::HookSeen;

/// What is true of the webhook of this name.
pub(super) async fn attempt(name: &str, context: &Context<'_, '_>) -> Seen {
    let Some(looks) = context.shared.sources.forges else {
        return Seen::unknown("Gitea cannot be asked here");
    };
    match (looks.hook)(name.to_owned()).await {
        Ok(seen) => judge(&seen),
        Err(seen) => seen.into(),
    }
}

fn judge(seen: &HookSeen) -> Seen {
    let HookSeen { repository, url, active, attested } = seen;
    let facts = json!({ "repository": repository, "url": url, "active": active, "attested": attested });
    let why = match active.as_slice() {
        [] => format!("no hook of `{repository}` calls {url}"),
        [false] => format!("the hook of `{repository}` that calls {url} is turned off"),
        [true] if *attested => {
            return Seen::pass(
                "it is on, and its receiver has heard a delivery signed with its secret",
                facts,
            );
        }
        [true] => format!(
            "nobody knows whether {url} has its secret: no signed test delivery was heard since it was made"
        ),
        more => format!("{} hooks of `{repository}` call {url}: each event arrives as often", more.len()),
    };
    Seen::fail(format!("{why}; `holdfast apply` mends it"), facts).with_hope(Hope::OnlyAfterChange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    #[test]
    fn only_one_hook_that_is_on_and_was_heard_holds() {
        for (active, attested, words) in [
            (vec![true], true, "it is on"),
            (vec![true], false, "nobody knows"),
            (vec![false], true, "turned off"),
            (vec![], true, "no hook of `team/app`"),
            (vec![true, true], true, "2 hooks"),
        ] {
            let (repository, url) = ("team/app".to_owned(), "http://192.0.2.7/hook".to_owned());
            let seen = judge(&HookSeen { repository, url, active: active.clone(), attested });
            let holds = active == [true] && attested;
            assert_eq!(seen.verdict == Verdict::Pass, holds, "{active:?} {attested}");
            assert!(seen.reason.contains(words), "{}", seen.reason);
        }
    }
}
