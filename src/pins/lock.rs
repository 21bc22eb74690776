//! The lock file: image → digest and platforms. Equal content is equal bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::reference::{Reference, is_digest};
use crate::source::{self, Limits, Problem, Source, Span};

/// The version of the format.
const VERSION: u32 = 1;

/// A lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of the format: 1.
    pub version: u32,
    /// Images by `name:tag` in docker's short spelling (`nginx:1.27`, `registry.example.org/app:2.0`).
    pub images: BTreeMap<String, Locked>,
}

/// What a tag stood for when it was locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// `sha256:...` of the manifest, or of the index of an image for several platforms.
    pub digest: String,
    /// `os/architecture[/variant]`, in the order of the index; attestations are left out.
    pub platforms: Vec<String>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, images: BTreeMap::new() }
    }
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// Every problem, with its place.
    pub fn parse(source: &Source) -> Result<Self, Vec<Problem>> {
        let documents = source::parse(source, Limits::default()).map_err(|problem| vec![problem])?;
        let Some(root) = documents.first() else {
            let problem = source.problem(Span::default(), "the lock file is empty");
            return Err(vec![problem.fix("remove it and run `holdfast image lock` again")]);
        };
        let (lock, mut problems) = source::decode::<Self>(source, root);
        let place = |path: &[&str]| root.at(path).map(|node| node.span).unwrap_or_default();
        let Some(lock) = lock.filter(|_| problems.is_empty()) else { return Err(problems) };
        if lock.version != VERSION {
            let message = format!("version {} of the lock file is not known", lock.version);
            let problem = source.problem(place(&["version"]), message);
            problems.push(problem.fix("use the holdfast that wrote it"));
        }
        for (name, locked) in &lock.images {
            let is_key = Reference::parse(name).is_some_and(|reference| reference.tagged() == *name);
            if !is_key || !is_digest(&locked.digest) {
                let what =
                    if is_key { "this is no digest" } else { "this is no image in its short spelling" };
                let span = if is_key { place(&["images", name, "digest"]) } else { place(&["images"]) };
                let problem = source.problem(span, format!("{what}: `{name}`"));
                problems.push(problem.fix("remove the entry and run `holdfast image lock` again"));
            }
        }
        if problems.is_empty() { Ok(lock) } else { Err(problems) }
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None that is known: every field has a JSON form.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(digit: &str) -> Locked {
        Locked { digest: format!("sha256:{}", digit.repeat(64)), platforms: vec!["linux/amd64".to_owned()] }
    }

    #[test]
    fn what_is_written_is_read_and_the_order_of_making_does_not_show() {
        let (mut one, mut two) = (Lock::default(), Lock::default());
        for (name, digit) in [("nginx:1.27", "a"), ("a/b:2", "b")] {
            one.images.insert(name.to_owned(), locked(digit));
        }
        for (name, digit) in [("a/b:2", "b"), ("nginx:1.27", "a")] {
            two.images.insert(name.to_owned(), locked(digit));
        }
        let text = one.text().unwrap();
        assert_eq!(text, two.text().unwrap());
        assert_eq!(Lock::parse(&Source::new("lock", text)).unwrap(), one);
    }

    #[test]
    fn a_broken_lock_file_is_told_with_its_place() {
        let good =
            Lock { images: [("a:1".to_owned(), locked("a"))].into(), ..Lock::default() }.text().unwrap();
        for (from, to, says) in [
            ("\"version\": 1", "\"version\": 2", "version 2 of the lock file"),
            ("aaa", "AAA", "no digest"),
            ("\"a:1\"", "\"docker.io/library/a:1\"", "short spelling"),
            ("\"platforms\"", "\"platform\"", "platform"),
        ] {
            let problems = Lock::parse(&Source::new("lock", good.replacen(from, to, 1))).unwrap_err();
            assert!(problems.iter().any(|problem| problem.to_string().contains(says)), "{to}: {problems:?}");
        }
    }
}
