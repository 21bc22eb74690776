//! Names of readers: those that a manifest, a `.sops.yaml` and SSH keys give them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::convert::recipient_of;
use super::identity::spelled;

/// A recipient in a line of YAML: an anchor before it or nothing, and a comment behind it or nothing.
const LINE: &str = r#"^\s*(?:-\s+|[^#\s]+:\s+)?(?:&(?P<anchor>\S+)\s+)?["']?(?P<key>age1[a-z0-9]+|ssh-(?:ed25519|rsa) [A-Za-z0-9+/=]+)(?P<own>[^"'#,]*)["',]*\s*(?:#\s*(?P<comment>.*?)\s*)?$"#;
static LINES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(LINE).ok());

/// Names by recipient. An ed25519 key is known by its SSH recipient and by its age recipient.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, BTreeSet<String>>);

impl Names {
    /// Gives a recipient a name.
    pub fn add(&mut self, recipient: &str, name: &str) {
        let name = name.trim();
        if name.is_empty() {
            return;
        }
        let age = recipient_of(recipient).ok();
        for spelling in [Some(spelled(recipient)), age].into_iter().flatten() {
            self.0.entry(spelling).or_default().insert(name.to_owned());
        }
    }

    /// Takes the names that the text of a `.sops.yaml` has for its recipients: the anchor (`&web age1...`), else the
    /// comment behind it, else the comment in the line above.
    pub fn add_config(&mut self, text: &str) {
        let Some(regex) = LINES.as_ref() else { return };
        let mut above = "";
        for line in text.lines() {
            if let Some(found) = regex.captures(line) {
                let part = |name: &str| {
                    found.name(name).map(|found| found.as_str()).filter(|text| !text.trim().is_empty())
                };
                let name = part("anchor").or(part("comment")).or(part("own")).unwrap_or(above);
                self.add(part("key").unwrap_or_default(), name);
            }
            above = line.trim().strip_prefix('#').map_or("", str::trim);
        }
    }

    /// The names of a recipient; an SSH recipient may carry one of its own.
    #[must_use]
    pub fn of(&self, recipient: &str) -> Vec<String> {
        let age = recipient_of(recipient).ok();
        let mut names: BTreeSet<String> = [Some(spelled(recipient)), age]
            .into_iter()
            .flatten()
            .filter_map(|spelling| self.0.get(&spelling))
            .flatten()
            .cloned()
            .collect();
        if names.is_empty() {
            let own = recipient.split_whitespace().skip(2).collect::<Vec<_>>().join(" ");
            names.extend((!own.is_empty()).then_some(own));
        }
        names.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

    #[test]
    fn a_recipient_is_named_by_anchor_comment_or_the_line_above() {
        let mut names = Names::default();
        names.add_config(&format!(
            "keys:\n  - &web age1aaa # a host\n  - age1bbb # bob\n  # carol\n  - \"age1ccc\"\n\n  - age1ddd\n  - &db {SSH} root@db\n  dave: age1eee\n  - '{SSH2}'\n  age: 'age1fff,age1ggg'\n",
            SSH2 = "ssh-rsa AAAAB3Nza erin@home"
        ));
        for (recipient, expected) in [
            ("age1aaa", "web"),
            ("age1bbb", "bob"),
            ("age1ccc", "carol"),
            (SSH, "db"),
            ("ssh-rsa AAAAB3Nza", "erin@home"),
            ("ssh-rsa AAAAB3 frank@home", "frank@home"),
        ] {
            assert_eq!(names.of(recipient), [expected], "{recipient}");
        }
        assert_eq!(names.of(&recipient_of(SSH).unwrap()), ["db"], "the age recipient of the key");
        for none in ["age1ddd", "age1fff", "age1zzz"] {
            assert_eq!(names.of(none), [""; 0], "{none}");
        }
    }
}
