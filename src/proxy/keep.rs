//! What is kept of the engine's answers: the fields that Traefik's Swarm provider reads, and no others.

use serde_json::{Map, Value};

/// What is kept of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// All of it.
    All,
    /// Each item of a list.
    Each(&'static Self),
    /// These fields of an object.
    Fields(&'static [(&'static str, Self)]),
    /// Fields of an object whose name begins with `traefik.`.
    Labels,
}

use Keep::{All, Each, Fields, Labels};

/// `GET /version`.
pub(super) const VERSION: Keep =
    Fields(&[("ApiVersion", All), ("MinAPIVersion", All), ("Version", All), ("Os", All)]);

/// `GET /services`. Not in it: the task template with environment, arguments, mounts, secrets and configs.
pub(super) const SERVICES: Keep = Each(&Fields(&[
    ("ID", All),
    (
        "Spec",
        Fields(&[
            ("Name", All),
            ("Labels", Labels),
            ("Mode", All),
            ("EndpointSpec", Fields(&[("Mode", All)])),
        ]),
    ),
    ("Endpoint", Fields(&[("VirtualIPs", All)])),
]));

/// `GET /networks`.
pub(super) const NETWORKS: Keep =
    Each(&Fields(&[("Id", All), ("Name", All), ("Scope", All), ("Driver", All)]));

/// `GET /tasks`.
pub(super) const TASKS: Keep = Each(&Fields(&[
    ("ID", All),
    ("ServiceID", All),
    ("NodeID", All),
    ("Slot", All),
    ("DesiredState", All),
    ("Status", Fields(&[("State", All)])),
    ("NetworksAttachments", Each(&Fields(&[("Network", Fields(&[("ID", All)])), ("Addresses", All)]))),
]));

/// `GET /nodes/ID`.
pub(super) const NODE: Keep = Fields(&[("ID", All), ("Status", Fields(&[("State", All), ("Addr", All)]))]);

impl Keep {
    /// The value with everything else taken out. A value of another shape than expected becomes null.
    pub(super) fn of(self, value: Value) -> Value {
        match (self, value) {
            (All, value) => value,
            (Each(inner), Value::Array(items)) => items.into_iter().map(|item| inner.of(item)).collect(),
            (Fields(fields), Value::Object(mut from)) => {
                let mut kept = Map::new();
                for (name, inner) in fields {
                    if let Some(value) = from.remove(*name) {
                        kept.insert((*name).to_owned(), inner.of(value));
                    }
                }
                Value::Object(kept)
            }
            (Labels, Value::Object(from)) => {
                let ours =
                    |name: &str| name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("traefik."));
                Value::Object(from.into_iter().filter(|(name, _)| ours(name)).collect())
            }
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_keeps_its_routing_and_nothing_of_its_task() {
        let kept = SERVICES.of(json!([{
            "ID": "s1", "Version": { "Index": 4 }, "PreviousSpec": { "Name": "old" },
            "Spec": {
                "Name": "web_app",
                "Labels": { "traefik.enable": "true", "com.docker.stack.namespace": "web", "é": "" },
                "Mode": { "Replicated": { "Replicas": 2 } },
                "TaskTemplate": { "ContainerSpec": { "Env": ["PASSWORD=poison"], "Args": ["poison"] } },
                "EndpointSpec": { "Mode": "dnsrr", "Ports": [] },
            },
            "Endpoint": { "Spec": {}, "VirtualIPs": [{ "NetworkID": "n", "Addr": "10.0.0.2/24" }] },
        }]));
        let expected = json!([{
            "ID": "s1",
            "Spec": {
                "Name": "web_app",
                "Labels": { "traefik.enable": "true" },
                "Mode": { "Replicated": { "Replicas": 2 } },
                "EndpointSpec": { "Mode": "dnsrr" },
            },
            "Endpoint": { "VirtualIPs": [{ "NetworkID": "n", "Addr": "10.0.0.2/24" }] },
        }]);
        assert_eq!(kept, expected);
    }

    #[test]
    fn another_shape_becomes_null() {
        assert_eq!(SERVICES.of(json!({ "ID": "poison" })), json!(null));
        assert_eq!(TASKS.of(json!(["poison"])), json!([null]));
    }
}
