//! The `sops` section of a file: what is in it, and how it is written.

use std::borrow::Cow;

use super::error::SecretError;
use super::number::Time;
use super::rules::Rules;
use super::scalar::Leaf;
use super::tree::{Entry, Item, Node};
use crate::manifest::SecretFormat;

/// The version that is written: every sops from 3.9 on reads it.
const VERSION: &str = "3.13.2";

/// The `sops` section.
pub(super) struct Metadata {
    /// Key groups. One: each entry wraps the data key. Several: each group wraps a Shamir share of it.
    pub(super) groups: Vec<Vec<Wrap>>,
    /// How many groups must answer, where there are several.
    pub(super) threshold: usize,
    /// The MAC's token; empty where there is none.
    pub(super) mac: String,
    /// What the MAC is bound to: `lastmodified` as sops formats it.
    pub(super) lastmodified: String,
    /// True when only encrypted values are in the MAC.
    pub(super) mac_only_encrypted: bool,
    /// What is encrypted.
    pub(super) rules: Rules,
}

/// The data key (or a share of it), wrapped for one recipient.
pub(super) struct Wrap {
    /// The recipient as the file spells it; other kinds of keys are named by their kind.
    pub(super) recipient: String,
    /// The armored age file; `None` for kinds of keys that are not opened.
    pub(super) enc: Option<String>,
}

/// Lists of keys of other kinds and the field that names one.
const OTHER_KEYS: [(&str, &str); 6] = [
    ("pgp", "fp"),
    ("kms", "arn"),
    ("gcp_kms", "resource_id"),
    ("azure_kv", "vault_url"),
    ("hc_vault", "vault_address"),
    ("hckms", "key_id"),
];

impl Metadata {
    /// Reads the section. Unknown keys, empty lists and any version are let pass.
    pub(super) fn read(sops: &Node, format: SecretFormat) -> Result<Self, SecretError> {
        let refuse = |why: &str| SecretError::Metadata(why.to_owned());
        if !matches!(sops, Node::Map(_)) {
            return Err(refuse("its `sops` section is no map"));
        }
        let get = |name: &str| sops.get(name).and_then(Node::word);
        let mac = get("mac").unwrap_or_default().into_owned();
        let lastmodified = get("lastmodified")
            .and_then(|text| Time::stamp(&text))
            .ok_or_else(|| refuse("`lastmodified` is missing or no time"))?
            .seconds();
        let rule = |name: &str| get(name).map(Cow::into_owned);
        // Older versions of sops let the rule of a binary file leave it in the clear; all versions open it so.
        let whole = format == SecretFormat::Binary && matches!(Rules::written(rule), Ok(None));
        let rules = if whole { Rules::All } else { Rules::read(rule).map_err(SecretError::Metadata)? };
        let groups = groups(sops);
        if groups.iter().all(Vec::is_empty) {
            return Err(refuse("it names no recipient"));
        }
        let threshold = get("shamir_threshold").and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates; at most 255 groups"
        )]
        let threshold = match threshold as usize {
            0 => groups.len(),
            set => set,
        };
        let mac_only_encrypted = get("mac_only_encrypted")
            .is_some_and(|text| matches!(&*text, "1" | "t" | "T" | "TRUE" | "true" | "True"));
        Ok(Self { groups, threshold, mac, lastmodified, mac_only_encrypted, rules })
    }

    /// All recipients, for people.
    pub(super) fn recipients(&self) -> Vec<String> {
        self.groups.iter().flatten().map(|wrap| wrap.recipient.clone()).collect()
    }

    /// The section as it was written, with the MAC and the time that it has now. Its readers stay, also those of kinds that
    /// are not opened here.
    pub(super) fn dated(&self, mut section: Node) -> Node {
        let Node::Map(entries) = &mut section else { return self.node() };
        for (name, text, anew) in [
            ("mac", &*self.mac, true),
            ("lastmodified", &self.lastmodified, true),
            ("version", VERSION, false),
        ] {
            let found = entries.iter_mut().find_map(|entry| match entry {
                Entry::Pair(key, node) if key == name => Some(node),
                _ => None,
            });
            match found {
                Some(node) if anew => *node = Node::text(text.as_bytes()),
                Some(_) => {}
                None => entries.push(Entry::Pair(name.to_owned(), Node::text(text.as_bytes()))),
            }
        }
        section
    }

    /// True where both name the same readers, and have the same wrapped for each.
    pub(super) fn wraps_as(&self, other: &Self) -> bool {
        let told = |group: &Vec<Wrap>| -> Vec<(String, Option<String>)> {
            let enc = |wrap: &Wrap| wrap.enc.as_deref().map(|enc| enc.trim().to_owned());
            group.iter().map(|wrap| (wrap.recipient.clone(), enc(wrap))).collect()
        };
        self.groups.iter().map(told).eq(other.groups.iter().map(told))
    }

    /// The section as it was written, with the readers, the MAC and the time that it has now; all else keeps its place.
    /// Readers of other kinds than age are in none of the groups any more, and so they are in no list either.
    pub(super) fn renewed(&self, section: Node) -> Node {
        let Node::Map(written) = section else { return self.node() };
        let Node::Map(mut new) = self.node() else { return Node::Map(written) };
        let renewed = ["age", "key_groups", "shamir_threshold", "lastmodified", "mac"];
        let mut entries = Vec::new();
        for entry in written {
            let Entry::Pair(key, node) = entry else { continue };
            if OTHER_KEYS.iter().any(|(kind, _)| *kind == key) && !node.items().is_empty() {
                continue;
            }
            // The readers stand in one of two places.
            let key = match key.as_str() {
                "age" if self.groups.len() > 1 => "key_groups".to_owned(),
                "key_groups" if self.groups.len() == 1 => "age".to_owned(),
                _ => key,
            };
            if renewed.contains(&key.as_str()) {
                entries.extend(take(&mut new, &key).map(|node| Entry::Pair(key, node)));
            } else {
                entries.push(Entry::Pair(key, node));
            }
        }
        for key in renewed.into_iter().chain(["version"]) {
            let there = |entry: &Entry| entry.pair().is_some_and(|(name, _)| name == key);
            if !entries.iter().any(there) {
                entries.extend(take(&mut new, key).map(|node| Entry::Pair(key.to_owned(), node)));
            }
        }
        Node::Map(entries)
    }

    /// The section of a new file, its keys in the order of the alphabet.
    pub(super) fn node(&self) -> Node {
        let mut entries = Vec::new();
        let mut put = |key: &str, node: Node| entries.push(Entry::Pair(key.to_owned(), node));
        if let [only] = self.groups.as_slice() {
            put("age", wraps(only));
        } else {
            let group = |wrapped: &Vec<Wrap>| {
                let vault = Entry::Pair("hc_vault".to_owned(), Node::List(Vec::new()));
                Item::Node(Node::Map(vec![Entry::Pair("age".to_owned(), wraps(wrapped)), vault]))
            };
            put("key_groups", Node::List(self.groups.iter().map(group).collect()));
            put("shamir_threshold", Node::Leaf(Leaf::Int(i64::try_from(self.threshold).unwrap_or(0))));
        }
        put("lastmodified", Node::text(self.lastmodified.as_bytes()));
        put("mac", Node::text(self.mac.as_bytes()));
        if self.mac_only_encrypted {
            put("mac_only_encrypted", Node::Leaf(Leaf::Bool(true)));
        }
        if let Some((name, text)) = self.rules.named() {
            put(name, Node::text(text.as_bytes()));
        }
        put("version", Node::text(VERSION.as_bytes()));
        let key = |entry: &Entry| match entry {
            Entry::Pair(key, _) => key.clone(),
            Entry::Comment(_) => String::new(),
        };
        entries.sort_by_key(key);
        Node::Map(entries)
    }
}

fn take(entries: &mut Vec<Entry>, key: &str) -> Option<Node> {
    let at = entries.iter().position(|entry| entry.pair().is_some_and(|(name, _)| name == key))?;
    match entries.remove(at) {
        Entry::Pair(_, node) => Some(node),
        Entry::Comment(_) => None,
    }
}

fn wraps(group: &[Wrap]) -> Node {
    let pair = |key: &str, text: &str| Entry::Pair(key.to_owned(), Node::text(text.as_bytes()));
    let wrap = |wrap: &Wrap| {
        let enc = pair("enc", wrap.enc.as_deref().unwrap_or_default());
        Item::Node(Node::Map(vec![enc, pair("recipient", &wrap.recipient)]))
    };
    Node::List(group.iter().map(wrap).collect())
}

/// The top-level lists, which win, or the key groups.
fn groups(sops: &Node) -> Vec<Vec<Wrap>> {
    let top = group(sops);
    if !top.is_empty() {
        return vec![top];
    }
    sops.get("key_groups").map(Node::items).unwrap_or_default().into_iter().map(group).collect()
}

fn group(node: &Node) -> Vec<Wrap> {
    let text = |item: &Node, name: &str| item.get(name).and_then(Node::word).map(Cow::into_owned);
    let items = |name: &str| node.get(name).map(Node::items).unwrap_or_default();
    let mut wraps: Vec<Wrap> = items("age")
        .into_iter()
        .map(|item| Wrap {
            recipient: text(item, "recipient")
                .unwrap_or_else(|| "an age recipient without a name".to_owned()),
            enc: text(item, "enc"),
        })
        .collect();
    for (kind, field) in OTHER_KEYS {
        wraps.extend(items(kind).into_iter().map(|item| Wrap {
            recipient: format!("{kind} {}", text(item, field).unwrap_or_default()),
            enc: None,
        }));
    }
    wraps
}
