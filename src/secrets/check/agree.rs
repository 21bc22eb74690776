//! Whether a sops file is what its creation rule would make.

use std::collections::BTreeSet;

use crate::secrets::encrypt::Policy;
use crate::secrets::metadata::{Metadata, Wrap};
use crate::secrets::rules::Rules;

/// How a file differs from its creation rule.
pub(super) enum Differs {
    /// In who can open it: `updatekeys` brings that in line.
    Readers(String),
    /// In what is encrypted: it has to be encrypted anew.
    Rule(String),
}

/// Every difference; `binary` files have no rule of their own.
pub(super) fn differences(metadata: &Metadata, policy: &Policy, binary: bool) -> Vec<Differs> {
    let mut found = Vec::new();
    if metadata.groups.len() == policy.groups.len() {
        for (index, (has, wants)) in metadata.groups.iter().zip(&policy.groups).enumerate() {
            let place =
                if policy.groups.len() > 1 { format!(" in key group {}", index + 1) } else { String::new() };
            found.extend(readers(has, wants, &place));
        }
    } else {
        let (has, wants) = (metadata.groups.len(), policy.groups.len());
        found.push(Differs::Readers(format!("has {has} key groups, its creation rule {wants}")));
    }
    let all = |threshold: usize| if threshold == 0 { policy.groups.len() } else { threshold };
    let (has, wants) = (all(metadata.threshold), all(policy.threshold));
    if metadata.groups.len() > 1 && policy.groups.len() > 1 && has != wants {
        found.push(Differs::Readers(format!("opens with {has} key groups, its creation rule says {wants}")));
    }
    if binary {
        // Its one value has no comment above it.
        if !metadata.rules.encrypts(metadata.rules.names("data"), &Vec::new(), false) {
            let rule = told(&metadata.rules);
            found.push(Differs::Rule(format!("holds all of it in the clear, by its rule {rule}")));
        }
        return found;
    }
    let get = |name: &str| policy.rules.iter().find(|(set, _)| set == name).map(|(_, text)| text.clone());
    match Rules::read(get) {
        Ok(rules) if rules.named() != metadata.rules.named() => {
            let (has, wants) = (told(&metadata.rules), told(&rules));
            found.push(Differs::Rule(format!("has the rule {has}, its creation rule says {wants}")));
        }
        Ok(_) => {}
        Err(why) => found.push(Differs::Rule(format!("has a creation rule that cannot be: {why}"))),
    }
    if metadata.mac_only_encrypted != policy.mac_only_encrypted {
        let (has, wants) = (metadata.mac_only_encrypted, policy.mac_only_encrypted);
        found.push(Differs::Rule(format!("has `mac_only_encrypted: {has}`, its creation rule {wants}")));
    }
    found
}

fn readers(has: &[Wrap], wants: &[String], place: &str) -> Vec<Differs> {
    let spelled = |text: &str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let has: BTreeSet<String> = has.iter().map(|wrap| spelled(&wrap.recipient)).collect();
    let wants: BTreeSet<String> = wants.iter().map(|text| spelled(text)).collect();
    let missing = wants
        .difference(&has)
        .map(|who| format!("is not encrypted for `{who}`{place}, whom its creation rule names"));
    let beyond = has
        .difference(&wants)
        .map(|who| format!("is encrypted for `{who}`{place}, whom its creation rule does not name"));
    missing.chain(beyond).map(Differs::Readers).collect()
}

fn told(rules: &Rules) -> String {
    rules
        .named()
        .map_or_else(|| "that all is encrypted".to_owned(), |(name, text)| format!("`{name}: {text}`"))
}
