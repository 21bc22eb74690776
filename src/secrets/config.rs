//! `.sops.yaml`: which recipients and rules a new file gets, as sops reads it.

use std::path::Path;

use regex::Regex;

use super::encrypt::Policy;
use super::error::SecretError;
use super::layout::Layout;
use super::store;
use super::tree::Node;
use crate::manifest::SecretFormat;

const RULES: [&str; 6] = [
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
];
/// Kinds of keys that are not made here.
const OTHER_KEYS: [&str; 6] = ["pgp", "kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault_transit_uri"];
const OTHER_GROUP_KEYS: [&str; 6] = ["pgp", "kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault"];

/// A `.sops.yaml`.
pub(super) struct Config {
    /// Its creation rules in their order; `None` when it has no list of them.
    pub(super) rules: Option<Vec<Rule>>,
    /// Expressions for files that hold nothing secret, although they look as if they did: `holdfast.clear`.
    pub(super) clear: Vec<Regex>,
}

/// One creation rule.
pub(super) struct Rule {
    /// Its place in the list, from 1.
    number: usize,
    /// `path_regex`; `None` when it is no expression.
    regex: Option<Regex>,
    /// True without `path_regex`: it is for every file.
    pub(super) everything: bool,
    policy: Result<Policy, String>,
}

impl Rule {
    /// What it says about a new file.
    ///
    /// # Errors
    /// Keys of a kind that is not made here, a number that is none.
    pub(super) fn policy(&self) -> Result<&Policy, SecretError> {
        self.policy
            .as_ref()
            .map_err(|why| SecretError::Config(format!("creation rule {}: {why}", self.number)))
    }

    fn matches(&self, path: &str) -> Result<bool, SecretError> {
        let regex = self.regex.as_ref().ok_or_else(|| {
            let number = self.number;
            SecretError::Config(format!(
                "`path_regex` of its creation rule {number} is no regular expression"
            ))
        })?;
        Ok(regex.is_match(path))
    }
}

impl Config {
    /// Reads the text of a `.sops.yaml`.
    ///
    /// # Errors
    /// Text that is not understood. What is wrong with a single rule is said when it is looked at, as by sops.
    pub(super) fn read(config: &[u8]) -> Result<Self, SecretError> {
        let mut read = store::read(SecretFormat::Yaml, config)?;
        let root = Node::Map(if read.documents.is_empty() { Vec::new() } else { read.documents.remove(0) });
        let rule = |(index, rule): (usize, &Node)| {
            let wanted = text(rule, "path_regex").unwrap_or_default();
            let everything = wanted.is_empty();
            Rule { number: index + 1, regex: Regex::new(&wanted).ok(), everything, policy: policy(rule) }
        };
        let rules = root.get("creation_rules");
        let rules = rules.map(|rules| rules.items().into_iter().enumerate().map(rule).collect());
        let clear =
            root.get("holdfast").and_then(|own| own.get("clear")).map(Node::items).unwrap_or_default();
        let clear = clear.into_iter().enumerate().map(|(index, entry)| clear_files(index + 1, entry));
        Ok(Self { rules, clear: clear.collect::<Result<_, _>>()? })
    }

    /// The first rule for the file at `path`, relative to the folder of the `.sops.yaml`.
    ///
    /// # Errors
    /// An expression that is none before there is one that matches.
    pub(super) fn rule(&self, path: &str) -> Result<Option<&Rule>, SecretError> {
        for rule in self.rules.as_deref().unwrap_or_default() {
            if rule.matches(path)? {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }
}

/// One entry of `holdfast.clear`; it has to say why.
fn clear_files(number: usize, entry: &Node) -> Result<Regex, SecretError> {
    let wrong = |why: &str| SecretError::Config(format!("entry {number} of `holdfast.clear` {why}"));
    if text(entry, "reason").unwrap_or_default().trim().is_empty() {
        return Err(wrong("has no `reason`"));
    }
    let wanted = text(entry, "path_regex").filter(|text| !text.is_empty());
    let wanted = wanted.ok_or_else(|| wrong("has no `path_regex`"))?;
    Regex::new(&wanted).map_err(|_| wrong("has a `path_regex` that is no regular expression"))
}

/// What the creation rules of the `.sops.yaml` in `folder` say about a new file: the first rule that matches its path
/// counts, and `path_regex` sees the path below `folder`. `None` when there are no creation rules.
///
/// # Errors
/// Text that is not understood, a bad expression, no rule that matches, keys of a kind that is not made here.
pub fn creation_rule(config: &[u8], folder: &Path, file: &Path) -> Result<Option<Policy>, SecretError> {
    let config = Config::read(config)?;
    if config.rules.is_none() {
        return Ok(None);
    }
    let path = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
    match config.rule(&path)? {
        Some(rule) => rule.policy().map(|policy| Some(policy.clone())),
        None => Err(SecretError::Config(format!("none of its creation rules matches `{path}`"))),
    }
}

fn policy(rule: &Node) -> Result<Policy, String> {
    let groups = rule.get("key_groups").map(Node::items).unwrap_or_default();
    let groups = if groups.is_empty() {
        other_keys(rule, &OTHER_KEYS)?;
        vec![distinct(recipients(rule)?)]
    } else {
        groups.into_iter().map(group).collect::<Result<_, _>>()?
    };
    let number = text(rule, "shamir_threshold").unwrap_or_else(|| "0".to_owned());
    let threshold = number.parse().map_err(|_| "`shamir_threshold` is no number".to_owned())?;
    let set = RULES.iter().filter_map(|name| text(rule, name).map(|text| ((*name).to_owned(), text)));
    Ok(Policy {
        groups,
        threshold,
        rules: set.filter(|(_, text)| !text.is_empty()).collect(),
        mac_only_encrypted: text(rule, "mac_only_encrypted").as_deref() == Some("true"),
        layout: Layout::default(),
    })
}

/// A key group with those that it merges, each recipient once.
fn group(node: &Node) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for merged in node.get("merge").map(Node::items).unwrap_or_default() {
        all.extend(group(merged)?);
    }
    other_keys(node, &OTHER_GROUP_KEYS)?;
    all.extend(recipients(node)?);
    Ok(distinct(all))
}

fn distinct(all: Vec<String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::with_capacity(all.len());
    for recipient in all {
        if !once.contains(&recipient) {
            once.push(recipient);
        }
    }
    once
}

/// Nobody who is named shall be left out unseen.
fn other_keys(node: &Node, kinds: &[&str]) -> Result<(), String> {
    let set = |kind: &&&str| {
        node.get(kind).is_some_and(|found| {
            !found.items().is_empty() || text(node, kind).is_some_and(|text| !text.is_empty())
        })
    };
    match kinds.iter().find(set) {
        Some(kind) => Err(format!("names keys of the kind `{kind}`, only `age` keys can be encrypted for")),
        None => Ok(()),
    }
}

/// The recipients under `age`: a text with commas, or a list of such.
fn recipients(node: &Node) -> Result<Vec<String>, String> {
    let Some(age) = node.get("age") else { return Ok(Vec::new()) };
    let texts = match age {
        Node::List(_) => age.items().into_iter().map(Node::word).collect::<Option<Vec<_>>>(),
        other => other.word().map(|text| vec![text]),
    };
    let texts = texts.ok_or_else(|| "`age` is neither a text nor a list of texts".to_owned())?;
    Ok(split(&texts.join(",")))
}

/// Recipients between commas, as sops takes them everywhere.
#[must_use]
pub fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::word).map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
creation_rules:
  - path_regex: ^hosts/.*\\.yaml$
    age: 'age1a, age1b,age1a'
    encrypted_regex: ^pass
  - path_regex: groups
    shamir_threshold: 2
    mac_only_encrypted: true
    key_groups:
      - merge:
          - age: [age1c]
        age: ['age1a,age1b', age1c]
      - age: [age1d]
  - path_regex: cloud
    pgp: ABCD
  - age:
      - age1z
";

    fn rule(path: &str) -> Result<Option<Policy>, String> {
        creation_rule(CONFIG.as_bytes(), Path::new("/repo"), Path::new(path))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_rule_whose_expression_finds_the_path_below_the_folder_counts() {
        let first = rule("/repo/hosts/a.yaml").unwrap().unwrap();
        assert_eq!(first.groups, [["age1a", "age1b"]]);
        assert_eq!(first.rules, [("encrypted_regex".to_owned(), "^pass".to_owned())]);
        let groups = rule("/repo/x/groups.yaml").unwrap().unwrap();
        assert_eq!(groups.groups, [vec!["age1c", "age1a", "age1b"], vec!["age1d"]]);
        assert_eq!((groups.threshold, groups.mac_only_encrypted), (2, true));
        assert_eq!(rule("/elsewhere/hosts/a.yaml").unwrap().unwrap().groups, [["age1z"]]);
    }

    #[test]
    fn nobody_is_left_out_and_no_rule_is_an_error() {
        assert!(rule("/repo/cloud.yaml").unwrap_err().contains("`pgp`"));
        let none = b"creation_rules:\n  - path_regex: a\n";
        assert!(creation_rule(none, Path::new("/r"), Path::new("/r/b")).is_err());
        let broken = b"creation_rules:\n  - path_regex: (\n";
        assert!(creation_rule(broken, Path::new("/r"), Path::new("/r/b")).is_err());
        assert_eq!(creation_rule(b"stores: {}\n", Path::new("/r"), Path::new("/r/b")), Ok(None));
    }
}
