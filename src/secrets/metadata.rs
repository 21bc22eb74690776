//! The `sops` section of a file.

use super::error::SecretError;
use super::number::Time;
use super::rules::Rules;
use crate::manifest::SecretFormat;
use crate::source::{Node, Value};

/// The `sops` section.
pub(super) struct Metadata {
    /// Key groups. One: each entry wraps the data key. Several: each group wraps a Shamir share of it.
    pub(super) groups: Vec<Vec<Wrap>>,
    /// How many groups must answer, where there are several.
    pub(super) threshold: usize,
    /// The MAC's token.
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
    /// Reads the section.
    pub(super) fn read(root: &Node, format: SecretFormat) -> Result<Self, SecretError> {
        let refuse = |why: &str| SecretError::Metadata(why.to_owned());
        let sops = root.get("sops").ok_or_else(|| refuse("it has no `sops` section"))?;
        if sops.as_map().is_none() {
            return Err(refuse("its `sops` section is no map"));
        }
        let get = |name: &str| sops.get(name).and_then(Node::as_scalar).map(|scalar| scalar.text.as_str());
        let mac = get("mac").unwrap_or_default().to_owned();
        if mac.is_empty() {
            return Err(SecretError::NoMac);
        }
        let lastmodified = get("lastmodified")
            .and_then(Time::parse)
            .ok_or_else(|| refuse("`lastmodified` is missing or no time"))?
            .seconds();
        let rules = match format {
            SecretFormat::Binary => Rules::All,
            SecretFormat::Yaml | SecretFormat::Json => Rules::read(get).map_err(SecretError::Metadata)?,
        };
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
        let mac_only_encrypted = get("mac_only_encrypted") == Some("true");
        Ok(Self { groups, threshold, mac, lastmodified, mac_only_encrypted, rules })
    }

    /// All recipients, for people.
    pub(super) fn recipients(&self) -> Vec<String> {
        self.groups.iter().flatten().map(|wrap| wrap.recipient.clone()).collect()
    }
}

/// The top-level lists, which win, or the key groups.
fn groups(sops: &Node) -> Vec<Vec<Wrap>> {
    let top = group(sops);
    if !top.is_empty() {
        return vec![top];
    }
    sops.get("key_groups").and_then(Node::as_list).unwrap_or_default().iter().map(group).collect()
}

fn group(node: &Node) -> Vec<Wrap> {
    let text =
        |item: &Node, name: &str| item.get(name).and_then(Node::as_scalar).map(|found| found.text.clone());
    let items = |name: &str| match node.get(name).map(|found| &found.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    let mut wraps: Vec<Wrap> = items("age")
        .iter()
        .map(|item| Wrap {
            recipient: text(item, "recipient")
                .unwrap_or_else(|| "an age recipient without a name".to_owned()),
            enc: text(item, "enc"),
        })
        .collect();
    for (kind, field) in OTHER_KEYS {
        wraps.extend(items(kind).iter().map(|item| Wrap {
            recipient: format!("{kind} {}", text(item, field).unwrap_or_default()),
            enc: None,
        }));
    }
    wraps
}
