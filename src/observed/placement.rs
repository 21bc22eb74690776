//! Which nodes may run a service: availability, platform and placement constraints, as the scheduler reads them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::at;

/// A node, as far as placement asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its id.
    pub id: String,
    /// Its host name.
    pub name: String,
    role: String,
    ip: String,
    /// `ready`, `down` ...
    pub(super) state: String,
    /// `active`, `pause`, `drain`.
    pub(super) availability: String,
    pub(super) os: String,
    pub(super) arch: String,
    pub(super) memory: u64,
    pub(super) nano_cpus: u64,
    labels: BTreeMap<String, String>,
    engine_labels: BTreeMap<String, String>,
}

impl NodeFacts {
    /// Reads the engine's own node object.
    #[must_use]
    pub fn read(raw: &Value) -> Self {
        let text = |path| at(raw, path).as_str().unwrap_or_default().to_owned();
        let map = |path| -> BTreeMap<String, String> {
            let entries = at(raw, path).as_object().into_iter().flatten();
            entries.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
        };
        let number = |path| at(raw, path).as_u64().unwrap_or_default();
        Self {
            id: text("/ID"),
            name: text("/Description/Hostname"),
            role: text("/Spec/Role"),
            ip: text("/Status/Addr"),
            state: text("/Status/State"),
            availability: text("/Spec/Availability"),
            os: text("/Description/Platform/OS"),
            arch: architecture(&text("/Description/Platform/Architecture")).to_owned(),
            memory: number("/Description/Resources/MemoryBytes"),
            nano_cpus: number("/Description/Resources/NanoCPUs"),
            labels: map("/Spec/Labels"),
            engine_labels: map("/Description/Engine/Labels"),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state == "ready" && self.availability == "active"
    }

    /// The name that people know it by.
    pub(super) fn called(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

/// One spelling for an architecture that engines and images spell differently.
pub(super) fn architecture(text: &str) -> &str {
    match text {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    at(value, pointer).as_array().into_iter().flatten()
}

/// True when the scheduler may put a task of the service (raw) on the node.
#[must_use]
pub fn eligible(node: &NodeFacts, service: &Value) -> bool {
    node.is_ready() && constraints(service).all(|constraint| allows(node, constraint)) && fits(node, service)
}

/// True when the node satisfies the placement constraints of a service's spec.
#[must_use]
pub fn meets(node: &NodeFacts, spec: &Value) -> bool {
    let mut constraints = list(spec, "/TaskTemplate/Placement/Constraints").filter_map(Value::as_str);
    constraints.all(|constraint| allows(node, constraint))
}

pub(super) fn constraints(service: &Value) -> impl Iterator<Item = &str> {
    list(service, "/Spec/TaskTemplate/Placement/Constraints").filter_map(Value::as_str)
}

/// True when the node has one of the platforms that the service may run on.
pub(super) fn fits(node: &NodeFacts, service: &Value) -> bool {
    let mut platforms = list(service, "/Spec/TaskTemplate/Placement/Platforms").peekable();
    platforms.peek().is_none() || platforms.any(|platform| runs(node, platform))
}

fn runs(node: &NodeFacts, platform: &Value) -> bool {
    let part = |key| platform.get(key).and_then(Value::as_str).unwrap_or_default();
    let (os, arch) = (part("OS"), architecture(part("Architecture")));
    (os.is_empty() || os == node.os) && (arch.is_empty() || arch == node.arch)
}

/// A constraint in its parts: key, true for `==`, value.
pub(super) fn parts(constraint: &str) -> Option<(&str, bool, &str)> {
    let (equal, (key, value)) = match (constraint.split_once("!="), constraint.split_once("==")) {
        (Some(parts), _) => (false, parts),
        (None, Some(parts)) => (true, parts),
        // What the engine itself would have refused.
        (None, None) => return None,
    };
    Some((key.trim(), equal, value.trim()))
}

/// What a node has for the key of a constraint; `None` for a key that does not exist.
pub(super) fn actual(node: &NodeFacts, key: &str) -> Option<String> {
    let label = |prefix: &str, labels: &BTreeMap<String, String>| {
        key.strip_prefix(prefix).map(|name| labels.get(name).cloned().unwrap_or_default())
    };
    match key {
        "node.id" => Some(node.id.clone()),
        "node.hostname" => Some(node.name.clone()),
        "node.ip" => Some(node.ip.clone()),
        "node.role" => Some(node.role.clone()),
        "node.platform.os" => Some(node.os.clone()),
        "node.platform.arch" => Some(node.arch.clone()),
        _ => label("node.labels.", &node.labels).or_else(|| label("engine.labels.", &node.engine_labels)),
    }
}

pub(super) fn allows(node: &NodeFacts, constraint: &str) -> bool {
    let Some((key, equal, value)) = parts(constraint) else { return false };
    // An address may be a whole network, which only the scheduler compares.
    if key == "node.ip" && value.contains('/') {
        return true;
    }
    let value = if key == "node.platform.arch" { architecture(value) } else { value };
    actual(node, key).is_some_and(|actual| actual.eq_ignore_ascii_case(value) == equal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node() -> NodeFacts {
        NodeFacts::read(&json!({
                "ID": "n1",
                "Spec": { "Role": "manager", "Availability": "active", "Labels": { "disk": "ssd" } },
                "Status": { "State": "ready" },
                "Description": {
                    "Hostname": "node-a",
                    "Platform": { "OS": "linux", "Architecture": "x86_64" },
                    "Engine": { "Labels": { "zone": "b" } },
                },
        }))
    }

    fn may(constraints: &[&str], platforms: &Value) -> bool {
        let placement = json!({ "Constraints": constraints, "Platforms": platforms });
        eligible(&node(), &json!({ "Spec": { "TaskTemplate": { "Placement": placement } } }))
    }

    #[test]
    fn constraints_are_read_as_the_scheduler_reads_them() {
        for yes in [
            "node.role == manager",
            "node.role!=worker",
            "node.hostname==node-a",
            "node.id == n1",
            "node.labels.disk == ssd",
            "node.labels.other != x",
            "engine.labels.zone == b",
            "node.platform.os == linux",
            "node.platform.arch == x86_64",
        ] {
            assert!(may(&[yes], &json!([])), "{yes} was refused");
        }
        for no in [
            "node.role == worker",
            "node.labels.disk != ssd",
            "node.labels.other == x",
            "node.role",
            "x == y",
        ] {
            assert!(!may(&[no], &json!([])), "{no} was allowed");
        }
    }

    #[test]
    fn platforms_and_availability_count() {
        assert!(may(&[], &json!([{ "OS": "linux", "Architecture": "amd64" }])));
        assert!(may(&[], &json!([{ "OS": "linux" }])));
        assert!(!may(&[], &json!([{ "OS": "linux", "Architecture": "arm64" }])));
        let drained = NodeFacts { availability: "drain".into(), ..node() };
        assert!(!eligible(&drained, &json!({})));
        assert!(eligible(&node(), &json!({})));
    }
}
