//! Two specs are equal in canonical form exactly when the engine stores them alike: every pair below is given to a real
//! engine, the second as an update of the first, and what it stored before and after is compared byte by byte.

use std::collections::BTreeMap;

use holdfast::plan::{SwarmAction, canonical};
use serde_json::json;

use super::*;

/// A service that uses about every field that a compose file can reach; nothing of it ever runs.
fn full() -> Value {
    serde_json::from_str(FULL).unwrap()
}

const FULL: &str = r#"{
        "Name": "full", "Labels": {"a": "b"},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "app:1", "Labels": {"x": "y"}, "Command": ["c"], "Args": ["a"], "Hostname": "h", "Env": ["A=1"],
                "Dir": "/", "User": "u", "Groups": ["g"], "StopSignal": "SIGINT", "TTY": true, "OpenStdin": true,
                "ReadOnly": true, "Hosts": ["192.0.2.1 a"], "Init": true, "Sysctls": {"net.core.somaxconn": "1"},
                "CapabilityAdd": ["CAP_X"], "CapabilityDrop": ["CAP_Y"], "StopGracePeriod": 1000000000,
                "Ulimits": [{"Name": "nofile", "Hard": 2, "Soft": 1}], "Isolation": "default",
                "DNSConfig": {"Nameservers": ["192.0.2.53"], "Search": ["example.org"], "Options": ["ndots:1"]},
                "Privileges": {"CredentialSpec": null, "SELinuxContext": {"Type": "t"}},
                "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1000000000, "Timeout": 2000000000, "StartPeriod": 3000000000, "Retries": 4},
                "Mounts": [
                    {"Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": {"NoCopy": true, "Labels": {"q": "w"}, "DriverConfig": {"Name": "local", "Options": {"o": "p"}}}},
                    {"Type": "bind", "Source": "/tmp", "Target": "/b", "ReadOnly": true, "BindOptions": {"Propagation": "rshared", "NonRecursive": true}},
                    {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1000, "Mode": 448}}
                ]
            },
            "Resources": {
                "Limits": {"NanoCPUs": 100000000, "MemoryBytes": 10000000, "Pids": 5},
                "Reservations": {"NanoCPUs": 100000000, "MemoryBytes": 5000000, "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 1}}]}
            },
            "RestartPolicy": {"Condition": "on-failure", "Delay": 1000000, "MaxAttempts": 2, "Window": 3000000},
            "Placement": {"Constraints": ["node.role==manager"], "Preferences": [{"Spread": {"SpreadDescriptor": "node.id"}}], "MaxReplicas": 1, "Platforms": [{"Architecture": "amd64", "OS": "linux"}]},
            "LogDriver": {"Name": "json-file", "Options": {"max-size": "1m"}},
            "Networks": [{"Target": "net_a", "Aliases": ["z"], "DriverOpts": {"k": "v"}}],
            "ForceUpdate": 3
        },
        "Mode": {"Replicated": {"Replicas": 0}},
        "UpdateConfig": {"Parallelism": 2, "MaxFailureRatio": 0.25, "Delay": 1000, "Monitor": 2000000, "FailureAction": "rollback", "Order": "start-first"},
        "RollbackConfig": {"Parallelism": 2, "MaxFailureRatio": 0.1, "Delay": 1000, "Monitor": 2000000, "FailureAction": "continue", "Order": "start-first"},
        "EndpointSpec": {"Mode": "dnsrr", "Ports": [{"Protocol": "udp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}]}
    }"#;

/// The smallest service.
fn bare() -> Value {
    json!({"Name": "bare", "TaskTemplate": {"ContainerSpec": {"Image": "app:1"}}, "Mode": {"Replicated": {"Replicas": 0}}})
}

/// Spellings of one field: each is compared with the field's absence and with each other.
#[expect(clippy::too_many_lines, reason = "a table, one field an entry")]
fn spellings() -> Vec<(&'static str, Vec<Value>)> {
    let policy = |fields: Value| {
        let mut policy = json!({"Condition": "any", "MaxAttempts": null});
        policy.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap_or_default());
        policy
    };
    let mount = |fields: Value| {
        let mut mount = json!({"Type": "bind", "Source": "/tmp", "Target": "/m"});
        mount.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap_or_default());
        json!([mount])
    };
    let port = |fields: Value| {
        let mut port = json!({"TargetPort": 80, "PublishMode": "host"});
        port.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap_or_default());
        json!({"Mode": "dnsrr", "Ports": [port]})
    };
    vec![
        ("/Labels", vec![Value::Null, json!({}), json!({"a": ""})]),
        ("/TaskTemplate/ContainerSpec/Labels", vec![Value::Null, json!({}), json!({"a": ""})]),
        ("/TaskTemplate/ContainerSpec/Env", vec![Value::Null, json!([]), json!([""]), json!(["A="])]),
        ("/TaskTemplate/ContainerSpec/Command", vec![Value::Null, json!([]), json!([""])]),
        ("/TaskTemplate/ContainerSpec/TTY", vec![Value::Null, json!(false), json!(true)]),
        ("/TaskTemplate/ContainerSpec/Init", vec![Value::Null, json!(false), json!(true)]),
        ("/TaskTemplate/ContainerSpec/StopGracePeriod", vec![Value::Null, json!(0), json!(1)]),
        ("/TaskTemplate/ContainerSpec/Isolation", vec![Value::Null, json!(""), json!("default")]),
        (
            "/TaskTemplate/ContainerSpec/DNSConfig",
            vec![Value::Null, json!({}), json!({"Search": []}), json!({"Search": ["a"]})],
        ),
        ("/TaskTemplate/ContainerSpec/Sysctls", vec![Value::Null, json!({})]),
        (
            "/TaskTemplate/ContainerSpec/Ulimits",
            vec![
                Value::Null,
                json!([]),
                json!([{"Name": "nofile", "Hard": 0, "Soft": 0}]),
                json!([{"Name": "nofile", "Hard": 1, "Soft": 0}]),
            ],
        ),
        (
            "/TaskTemplate/ContainerSpec/Privileges",
            vec![
                Value::Null,
                json!({}),
                json!({"CredentialSpec": null, "SELinuxContext": null, "NoNewPrivileges": false}),
                json!({"SELinuxContext": {}}),
                json!({"SELinuxContext": {"Disable": false}}),
            ],
        ),
        (
            "/TaskTemplate/ContainerSpec/Healthcheck",
            vec![
                Value::Null,
                json!({}),
                json!({"Test": []}),
                json!({"Test": ["NONE"]}),
                json!({"Retries": 0}),
                json!({"Retries": 2}),
                json!({"Interval": 0}),
            ],
        ),
        (
            "/TaskTemplate/ContainerSpec/Mounts",
            vec![
                Value::Null,
                json!([]),
                mount(json!({})),
                mount(json!({"Type": ""})),
                mount(json!({"Type": "BIND"})),
                mount(json!({"ReadOnly": false})),
                mount(json!({"Consistency": "cached"})),
                mount(json!({"BindOptions": {}})),
                mount(json!({"BindOptions": {"Propagation": "rprivate"}})),
                mount(json!({"BindOptions": {"NonRecursive": false}})),
                mount(json!({"BindOptions": {"NonRecursive": true}})),
                mount(json!({"BindOptions": {"NonRecursive": true, "Propagation": "rprivate"}})),
                mount(json!({"Type": "volume", "Source": "v"})),
                mount(json!({"Type": "volume", "Source": "v", "VolumeOptions": {}})),
                mount(json!({"Type": "volume", "Source": "v", "VolumeOptions": {"NoCopy": false}})),
                mount(json!({"Type": "volume", "Source": "v", "VolumeOptions": {"DriverConfig": {}}})),
                mount(
                    json!({"Type": "volume", "Source": "v", "VolumeOptions": {"DriverConfig": {"Options": {}}}}),
                ),
            ],
        ),
        (
            "/TaskTemplate/Resources",
            vec![
                Value::Null,
                json!({}),
                json!({"Limits": {}}),
                json!({"Limits": {"NanoCPUs": 0}}),
                json!({"Limits": {}, "Reservations": {}}),
                json!({"Reservations": {"GenericResources": []}}),
            ],
        ),
        (
            "/TaskTemplate/RestartPolicy",
            vec![
                Value::Null,
                json!({}),
                policy(json!({})),
                policy(json!({"MaxAttempts": 0})),
                policy(json!({"MaxAttempts": 1})),
                policy(json!({"Delay": 0})),
                policy(json!({"Window": 0})),
                policy(json!({"Condition": "none"})),
            ],
        ),
        (
            "/TaskTemplate/Placement",
            vec![
                Value::Null,
                json!({}),
                json!({"Constraints": []}),
                json!({"Platforms": []}),
                json!({"Platforms": [{}]}),
                json!({"MaxReplicas": 0}),
                json!({"Platforms": [{"Architecture": ""}]}),
            ],
        ),
        (
            "/TaskTemplate/LogDriver",
            vec![Value::Null, json!({}), json!({"Options": {}}), json!({"Name": "json-file"})],
        ),
        (
            "/TaskTemplate/Networks",
            vec![
                Value::Null,
                json!([]),
                json!([{"Target": "net_a"}]),
                json!([{"Target": "net_a", "Aliases": []}]),
                json!([{"Target": "net_a", "DriverOpts": {}}]),
                json!([{"Target": "net_b"}]),
            ],
        ),
        ("/TaskTemplate/Runtime", vec![Value::Null, json!(""), json!("container")]),
        ("/TaskTemplate/ForceUpdate", vec![Value::Null, json!(0), json!(1)]),
        (
            "/UpdateConfig",
            vec![
                Value::Null,
                json!({}),
                json!({"Parallelism": 0}),
                json!({"FailureAction": "pause"}),
                json!({"FailureAction": "continue"}),
                json!({"Order": ""}),
                json!({"MaxFailureRatio": 0.1}),
                json!({"MaxFailureRatio": 0}),
                json!({"Monitor": 0}),
                json!({"Monitor": 1_000_000}),
            ],
        ),
        (
            "/RollbackConfig",
            vec![Value::Null, json!({}), json!({"Parallelism": 1}), json!({"Order": "start-first"})],
        ),
        (
            "/EndpointSpec",
            vec![
                Value::Null,
                json!({}),
                json!({"Mode": ""}),
                json!({"Mode": "vip"}),
                json!({"Mode": "dnsrr"}),
                port(json!({})),
                port(json!({"Protocol": "tcp"})),
                port(json!({"Protocol": "TCP"})),
                port(json!({"Protocol": "udp"})),
                port(json!({"PublishedPort": 0})),
                port(json!({"Name": ""})),
            ],
        ),
        (
            "/Mode",
            vec![
                json!({"Replicated": {"Replicas": 0}}),
                json!({"Replicated": {"Replicas": 0, "Later": null}}),
            ],
        ),
    ]
}

async fn create(engine: &Engine, body: &Value) {
    execute(engine, SwarmAction::CreateService(body.clone())).await.unwrap_or_else(|e| panic!("{e}: {body}"));
}

/// Updates the service and returns what the engine stores.
async fn store(engine: &Engine, spec: &Value) -> Value {
    let name = spec["Name"].as_str().unwrap();
    loop {
        let here = observe(engine).await.services.remove(name).unwrap();
        let update = SwarmAction::UpdateService { id: here.id, version: here.version, spec: spec.clone() };
        match execute(engine, update).await {
            Ok(()) => return observe(engine).await.services[name].raw["Spec"].clone(),
            // The swarm itself writes to a service whose endpoint changed, a moment after the update.
            Err(EngineError::OutOfSequence { .. }) => {}
            Err(other) => panic!("{other}: {spec}"),
        }
    }
}

async fn with_networks(flavour: real::Flavour) -> (real::Engine, Engine, BTreeMap<String, String>) {
    let (machine, engine) = swarm_on(flavour).await;
    for name in ["net_a", "net_b"] {
        let body = holdfast::desired::swarm::network_body(name, &holdfast::manifest::Network::default());
        execute(&engine, SwarmAction::CreateNetwork(body)).await.unwrap();
    }
    let names = canonical::network_names(&observe(&engine).await);
    (machine, engine, names)
}

#[tokio::test]
async fn specs_are_equal_exactly_when_the_engine_stores_them_alike() {
    alike(real::Flavour::Debian).await;
}

#[tokio::test]
async fn specs_are_equal_exactly_when_the_newest_engine_stores_them_alike() {
    alike(real::Flavour::Moby).await;
}

async fn alike(flavour: real::Flavour) {
    let (_machine, engine, names) = with_networks(flavour).await;
    create(&engine, &bare()).await;
    let mut pairs = (0, 0);
    for (field, values) in spellings() {
        let mut seen: Vec<(Value, Value)> = Vec::new();
        for value in values {
            let spec = with(bare(), field, value);
            let stored = store(&engine, &spec).await;
            let wanted = canonical::service(&spec, &names);
            assert_eq!(
                wanted,
                canonical::service(&stored, &names),
                "{field}: what is wanted and what is stored"
            );
            for (other, other_stored) in &seen {
                let alike = canonical::service(other, &names) == wanted;
                assert_eq!(alike, *other_stored == stored, "{field}: {other} and {spec}");
                assert_eq!(
                    canonical::same_service(other, &stored, &names),
                    alike,
                    "{field}: {other}, {spec}"
                );
                if alike { pairs.0 += 1 } else { pairs.1 += 1 }
            }
            seen.push((spec, stored));
        }
    }
    assert!(pairs.0 > 30 && pairs.1 > 100, "{pairs:?}");
}

#[tokio::test]
async fn whole_services_read_back_equal_and_a_change_of_any_field_is_seen() {
    whole(real::Flavour::Debian).await;
}

#[tokio::test]
async fn on_the_newest_engine_too_whole_services_read_back_equal_and_any_change_is_seen() {
    whole(real::Flavour::Moby).await;
}

async fn whole(flavour: real::Flavour) {
    let (_machine, engine, names) = with_networks(flavour).await;
    let nowhere = |name: &str, mode: Value| {
        let spec = json!({"ContainerSpec": {"Image": "app:1"}, "Placement": {"Constraints": ["node.role==x"]}, "RestartPolicy": {"Condition": "none"}});
        json!({"Name": name, "TaskTemplate": spec, "Mode": mode})
    };
    let bodies = [
        full(),
        nowhere("nomode", Value::Null),
        nowhere("one", json!({"Replicated": {}})),
        nowhere("global", json!({"Global": {}})),
        nowhere("job", json!({"ReplicatedJob": {}})),
        nowhere("job2", json!({"ReplicatedJob": {"MaxConcurrent": 2}})),
        nowhere("job3", json!({"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 3}})),
        nowhere("globaljob", json!({"GlobalJob": {}})),
    ];
    for body in &bodies {
        create(&engine, body).await;
        let name = body["Name"].as_str().unwrap();
        let stored = observe(&engine).await.services[name].raw["Spec"].clone();
        let (wanted, read) = (canonical::service(body, &names), canonical::service(&stored, &names));
        assert_eq!(holdfast::plan::diff(&read, &wanted), [], "{name}");
        assert!(canonical::same_service(&stored, body, &names), "{name}");
        for (field, mutant) in mutants(body) {
            assert_ne!(canonical::service(&mutant, &names), read, "{name}: a change of {field} is not seen");
            assert!(
                !canonical::same_service(&stored, &mutant, &names),
                "{name}: a change of {field} is not seen"
            );
        }
    }
    assert!(mutants(&full()).len() > 90, "{}", mutants(&full()).len());
}

/// The value with one leaf changed, for every leaf that says something.
pub(crate) fn mutants(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut paths = vec![String::new()];
    while let Some(path) = paths.pop() {
        let changed = match value.pointer(&path).unwrap() {
            Value::Object(fields) => {
                paths.extend(
                    fields.keys().map(|key| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))),
                );
                continue;
            }
            Value::Array(list) => {
                paths.extend((0..list.len()).map(|at| format!("{path}/{at}")));
                let mut longer = list.clone();
                longer.extend(list.first().cloned());
                longer.into()
            }
            Value::Null => continue,
            Value::Bool(is) => (!is).into(),
            Value::Number(number) => number.as_f64().map_or(Value::Null, |n| {
                if n.fract() == 0.0 { (number.as_i64().unwrap() + 1).into() } else { (n / 2.0).into() }
            }),
            Value::String(text) => format!("{text}x").into(),
        };
        let mut mutant = value.clone();
        *mutant.pointer_mut(&path).unwrap() = changed;
        found.push((path, mutant));
    }
    found
}
