//! What the policy says of an image.

use super::{Reference, Unpinned};
use crate::manifest::ImagePolicy;

/// Judges one image; `text` is how it is written.
pub(super) fn judge(policy: &ImagePolicy, text: &str, reference: &Reference) -> Result<(), Unpinned> {
    let registry = &reference.registry;
    if !policy.registries.is_empty() && !policy.registries.contains(registry) {
        return Err(Unpinned {
            message: format!("the image `{text}` comes from `{registry}`, which the policy does not list"),
            fix: format!(
                "add `{registry}` to `image_policy.registries`, or take the image from: {}",
                policy.registries.join(", ")
            ),
        });
    }
    let Some(why) = floats(reference.tag.as_deref()) else { return Ok(()) };
    let allowed = |entry: &String| {
        let Some(entry) = Reference::parse(entry) else { return false };
        let same = entry.registry == reference.registry && entry.repository == reference.repository;
        same && (entry.tag.is_none() || entry.tag == reference.tag)
    };
    if policy.allow.iter().any(allowed) {
        return Ok(());
    }
    let name = reference.tag.as_ref().map_or_else(|| reference.name(), |_| reference.tagged());
    Err(Unpinned {
        message: format!("the image `{text}` {why}"),
        fix: format!(
            "write the tag of one version, or allow it: `\"image_policy\": {{ \"allow\": [\"{name}\"] }}`"
        ),
    })
}

/// Longest number that is taken for a major version; longer ones are dates and builds.
const LONGEST_MAJOR: usize = 4;

/// Why a tag means another image from one day to the next; `None` when it names a version.
fn floats(tag: Option<&str>) -> Option<&'static str> {
    let Some(tag) = tag else { return Some("has no tag, which means `latest`") };
    let first = tag.split(['-', '_']).next().unwrap_or_default();
    if first == "latest" {
        return Some("is whatever was pushed last");
    }
    let number = first.strip_prefix('v').unwrap_or(first);
    if !number.is_empty() && number.len() <= LONGEST_MAJOR && number.bytes().all(|b| b.is_ascii_digit()) {
        return Some("floats: its tag is a major version and moves with every release of it");
    }
    let named = !tag.bytes().any(|b| b.is_ascii_digit());
    named.then_some("floats: its tag names no version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_move_are_told_from_versions() {
        for tag in ["latest", "latest-alpine", "1", "17", "v3", "17-alpine", "2025", "stable", "lts_slim"] {
            assert!(floats(Some(tag)).is_some(), "{tag}");
        }
        for tag in [
            "1.27",
            "v3.7.9",
            "1.27-alpine",
            "20240601",
            "5f3c2a1",
            "bookworm-20240601",
            "RELEASE.2024-06-01",
        ] {
            assert_eq!(floats(Some(tag)), None, "{tag}");
        }
        assert!(floats(None).is_some());
    }

    #[test]
    fn what_is_allowed_is_allowed_by_name_or_by_tag() {
        let policy = |allow: &[&str], registries: &[&str]| ImagePolicy {
            allow: allow.iter().map(|text| (*text).to_owned()).collect(),
            registries: registries.iter().map(|text| (*text).to_owned()).collect(),
        };
        let says = |policy: &ImagePolicy, text: &str| judge(policy, text, &Reference::parse(text).unwrap());
        for (allow, good, bad) in [
            ("redis:7", "docker.io/library/redis:7", "redis:8"),
            ("redis", "redis", "example.org/redis:7"),
            ("example.org/app:latest", "example.org/app:latest", "example.org/app"),
        ] {
            assert_eq!(says(&policy(&[allow], &[]), good), Ok(()), "{good}");
            let refused = says(&policy(&[allow], &[]), bad).unwrap_err();
            assert!(refused.fix.contains("image_policy"), "{refused:?}");
        }
        let hub = policy(&["redis"], &["docker.io"]);
        assert_eq!(says(&hub, "redis:7"), Ok(()));
        assert!(says(&hub, "example.org/redis:7.2").unwrap_err().message.contains("`example.org`"));
    }
}
