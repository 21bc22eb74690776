//! Which nodes may run a service: availability, platform and placement constraints, as the scheduler reads them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::observed::Observed;

/// A node, as far as placement asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NodeFacts {
    pub(super) id: String,
    pub(super) name: String,
    role: String,
    ready: bool,
    os: String,
    arch: String,
    labels: BTreeMap<String, String>,
    engine_labels: BTreeMap<String, String>,
}

impl NodeFacts {
    /// Every node of a look.
    pub(super) fn of(look: &Observed) -> Vec<Self> {
        look.nodes.iter().map(|(id, node)| Self::read(id, &node.raw)).collect()
    }

    fn read(id: &str, raw: &Value) -> Self {
        let text = |path| raw.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let map = |path| -> BTreeMap<String, String> {
            let entries = raw.pointer(path).and_then(Value::as_object).into_iter().flatten();
            entries.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
        };
        Self {
            id: id.to_owned(),
            name: text("/Description/Hostname"),
            role: text("/Spec/Role"),
            ready: text("/Status/State") == "ready" && text("/Spec/Availability") == "active",
            os: text("/Description/Platform/OS"),
            arch: architecture(&text("/Description/Platform/Architecture")).to_owned(),
            labels: map("/Spec/Labels"),
            engine_labels: map("/Description/Engine/Labels"),
        }
    }
}

/// One spelling for an architecture that engines and images spell differently.
fn architecture(text: &str) -> &str {
    match text {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// True when the scheduler may put a task of the service (raw) on the node.
pub(super) fn eligible(node: &NodeFacts, service: &Value) -> bool {
    let list = |path| service.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let constraints = list("/Spec/TaskTemplate/Placement/Constraints");
    let mut platforms = list("/Spec/TaskTemplate/Placement/Platforms").peekable();
    node.ready
        && constraints.filter_map(Value::as_str).all(|constraint| allows(node, constraint))
        && (platforms.peek().is_none() || platforms.any(|platform| runs(node, platform)))
}

fn runs(node: &NodeFacts, platform: &Value) -> bool {
    let part = |key| platform.get(key).and_then(Value::as_str).unwrap_or_default();
    let (os, arch) = (part("OS"), architecture(part("Architecture")));
    (os.is_empty() || os == node.os) && (arch.is_empty() || arch == node.arch)
}

fn allows(node: &NodeFacts, constraint: &str) -> bool {
    let (equal, parts) = match (constraint.split_once("!="), constraint.split_once("==")) {
        (Some(parts), _) => (false, parts),
        (None, Some(parts)) => (true, parts),
        // What the engine itself would have refused.
        (None, None) => return false,
    };
    let (key, value) = (parts.0.trim(), parts.1.trim());
    let label = |prefix: &str, labels: &BTreeMap<String, String>| {
        key.strip_prefix(prefix).map(|name| labels.get(name).cloned().unwrap_or_default())
    };
    let actual = match key {
        "node.id" => Some(node.id.clone()),
        "node.hostname" => Some(node.name.clone()),
        "node.role" => Some(node.role.clone()),
        "node.platform.os" => Some(node.os.clone()),
        "node.platform.arch" => Some(node.arch.clone()),
        _ => label("node.labels.", &node.labels).or_else(|| label("engine.labels.", &node.engine_labels)),
    };
    let value = if key == "node.platform.arch" { architecture(value) } else { value };
    actual.is_some_and(|actual| actual.eq_ignore_ascii_case(value) == equal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node() -> NodeFacts {
        NodeFacts::read(
            "n1",
            &json!({
                "Spec": { "Role": "manager", "Availability": "active", "Labels": { "disk": "ssd" } },
                "Status": { "State": "ready" },
                "Description": {
                    "Hostname": "node-a",
                    "Platform": { "OS": "linux", "Architecture": "x86_64" },
                    "Engine": { "Labels": { "zone": "b" } },
                },
            }),
        )
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
        let drained = NodeFacts { ready: false, ..node() };
        assert!(!eligible(&drained, &json!({})));
        assert!(eligible(&node(), &json!({})));
    }
}
