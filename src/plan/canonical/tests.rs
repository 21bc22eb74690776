use serde_json::json;

use super::*;

fn names() -> NetworkNames {
    BTreeMap::from([("ivs32tei8xdr".to_owned(), "proxy".to_owned())])
}

fn same(a: &Value, b: &Value) -> bool {
    service(a, &names()) == service(b, &names())
}

/// `{"TaskTemplate": {"ContainerSpec": {field: value}}}`
fn container(field: &str, value: &Value) -> Value {
    json!({"TaskTemplate": {"ContainerSpec": {"Image": "a", field: value}}})
}

#[test]
fn what_the_engine_fills_in_is_no_difference() {
    let sent = json!({"Name": "s", "TaskTemplate": {
        "ContainerSpec": {"Image": "a", "Privileges": {"CredentialSpec": null, "SELinuxContext": null, "NoNewPrivileges": false}},
        "Resources": {}, "Placement": {}, "RestartPolicy": {}, "ForceUpdate": 0, "Networks": [{"Target": "proxy", "Aliases": []}]},
        "Mode": {"Replicated": {}}, "UpdateConfig": {"Parallelism": 1}, "EndpointSpec": {"Ports": [{"TargetPort": 80}]}});
    let read = json!({"Name": "s", "Labels": {}, "TaskTemplate": {
        "ContainerSpec": {"Image": "a", "Isolation": "default", "Privileges": {"CredentialSpec": null, "SELinuxContext": null}},
        "Resources": {}, "Placement": {}, "RestartPolicy": {"Condition": "any", "MaxAttempts": 0}, "ForceUpdate": 0,
        "Runtime": "container", "Networks": [{"Target": "ivs32tei8xdr"}]},
        "Mode": {"Replicated": {"Replicas": 1}},
        "UpdateConfig": {"Parallelism": 1, "FailureAction": "pause", "MaxFailureRatio": 0, "Order": "stop-first"},
        "EndpointSpec": {"Mode": "vip", "Ports": [{"TargetPort": 80, "Protocol": "tcp", "PublishMode": "ingress"}]}});
    assert_eq!(diff(&service(&read, &names()), &service(&sent, &names())), []);
}

#[test]
fn an_empty_message_is_not_the_absence_of_it() {
    for field in ["Resources", "Placement", "RestartPolicy", "LogDriver"] {
        assert!(!same(&json!({"TaskTemplate": {field: {}}}), &json!({"TaskTemplate": {}})), "{field}");
    }
    for field in ["Privileges", "Healthcheck", "DNSConfig"] {
        assert!(!same(&container(field, &json!({})), &container(field, &Value::Null)), "{field}");
    }
    for field in ["EndpointSpec", "UpdateConfig", "RollbackConfig"] {
        assert!(!same(&json!({field: {}}), &json!({})), "{field}");
    }
}

#[test]
fn a_zero_that_means_something_is_not_the_absence_of_it() {
    assert!(!same(&container("Init", &json!(false)), &container("Init", &Value::Null)));
    assert!(!same(&container("StopGracePeriod", &json!(0)), &container("StopGracePeriod", &Value::Null)));
    let policy = |policy: Value| json!({"TaskTemplate": {"RestartPolicy": policy}});
    assert!(!same(&policy(json!({"Delay": 0})), &policy(json!({}))));
    assert!(same(&policy(json!({"MaxAttempts": 0})), &policy(json!({}))));
    let replicas = |replicas: Value| json!({"Mode": {"Replicated": {"Replicas": replicas}}});
    assert!(!same(&replicas(json!(0)), &replicas(Value::Null)));
    assert!(same(&replicas(json!(1)), &replicas(Value::Null)));
}

#[test]
fn a_network_made_anew_under_the_same_name_is_a_difference() {
    let on = |target: &str| json!({"TaskTemplate": {"Networks": [{"Target": target}]}});
    assert!(same(&on("proxy"), &on("ivs32tei8xdr")));
    assert!(!same(&on("proxy"), &on("gone0123")));
}

#[test]
fn secrets_are_known_by_name_and_target() {
    let with = |name: &str, id: &str, target: &str| {
        let file = json!({"Name": target, "UID": "0", "GID": "0", "Mode": 292});
        container("Secrets", &json!([{"File": file, "SecretID": id, "SecretName": name}]))
    };
    assert!(same(&with("a", "1", "t"), &with("a", "", "t")));
    assert!(!same(&with("a", "1", "t"), &with("b", "1", "t")));
    assert!(!same(&with("a", "1", "t"), &with("a", "1", "u")));
}

#[test]
fn a_network_is_compared_by_what_was_asked_for() {
    let stored = json!({"Name": "proxy", "Id": "x", "Scope": "swarm", "Driver": "overlay", "EnableIPv6": false,
        "IPAM": {"Driver": "default", "Options": null, "Config": [{"Subnet": "10.0.1.0/24", "Gateway": "10.0.1.1"}]},
        "Attachable": true, "Options": {VXLAN_IDS: "4097", "encrypted": ""}, "Labels": null, "Containers": null});
    let asked = |body: Value| network_diff(&stored, &body).into_iter().map(|c| c.field).collect::<Vec<_>>();
    let equal = json!({"Name": "proxy", "Driver": "", "Attachable": true, "Options": {"encrypted": ""}, "IPAM": null});
    assert_eq!(asked(equal.clone()), Vec::<String>::new());
    let with = |field: &str, value: Value| {
        let mut body = equal.clone();
        body.as_object_mut().unwrap().insert(field.into(), value);
        asked(body)
    };
    // Not allocated yet: the engine knows what it was made with, and does not say it.
    let fresh = json!({"Name": "proxy", "Id": "x", "Scope": "swarm", "Driver": "", "Options": null, "Attachable": true,
        "IPAM": {"Driver": "", "Options": null, "Config": []}});
    let body = json!({"Name": "proxy", "Driver": "macvlan", "Attachable": true, "Options": {"encrypted": ""},
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "198.51.100.0/24"}]}});
    assert_eq!(network_diff(&fresh, &body), []);
    let other = json!({"Name": "proxy", "Driver": "macvlan", "Attachable": false});
    assert_eq!(network_diff(&fresh, &other).len(), 1);
    assert_eq!(with("Attachable", json!(false)), ["Attachable"]);
    assert_eq!(with("Internal", json!(true)), ["Internal"]);
    assert_eq!(with("EnableIPv6", json!(true)), ["EnableIPv6"]);
    assert_eq!(with("Options", json!({})), ["Options.encrypted"]);
    assert_eq!(with("Labels", json!({"a": "b"})), ["Labels.a"]);
    assert_eq!(with("Driver", json!("macvlan")), ["Driver"]);
    let subnet = |config: Value| with("IPAM", json!({"Driver": "default", "Config": config}));
    assert_eq!(subnet(json!([{"Subnet": "10.0.1.0/24"}])), Vec::<String>::new());
    assert_eq!(subnet(json!([{"Subnet": "10.0.1.0/24", "Gateway": "10.0.1.9"}])), ["IPAM.Config[0].Gateway"]);
    assert_eq!(subnet(json!([{"Subnet": "10.9.0.0/24"}])), ["IPAM.Config[0].Subnet"]);
}

/// Something in every field that the tables know.
fn full() -> Value {
    json!({"Name": "s", "Labels": {"a": "b"}, "TaskTemplate": {
        "ContainerSpec": {"Image": "a", "Env": ["A=1"], "TTY": true, "Init": true, "StopGracePeriod": 1, "Isolation": "default",
            "Privileges": {"SELinuxContext": {"Type": "t"}, "NoNewPrivileges": true}, "Healthcheck": {"Retries": 4},
            "DNSConfig": {"Search": ["a"]}, "Ulimits": [{"Name": "nofile", "Hard": 2}],
            "Mounts": [{"Type": "volume", "Source": "v", "Target": "/v", "Consistency": "default", "VolumeOptions": {"DriverConfig": {"Name": "local"}}},
                {"Type": "bind", "Source": "/a", "Target": "/b", "BindOptions": {"Propagation": "rshared", "NonRecursive": true}},
                {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Mode": 448}}],
            "Secrets": [{"File": {"Name": "x", "Mode": 292}, "SecretID": "1", "SecretName": "x"}, {"File": {"Name": "y"}, "SecretName": "y"}],
            "Configs": [{"File": {"Name": "x"}, "ConfigID": "1", "ConfigName": "x"}]},
        "Resources": {"Limits": {"Pids": 5}, "Reservations": {"MemoryBytes": 5}},
        "RestartPolicy": {"Condition": "on-failure", "Delay": 1, "MaxAttempts": 2, "Window": 3},
        "Placement": {"Constraints": ["a"], "Preferences": [{"Spread": {"SpreadDescriptor": "a"}}], "Platforms": [{"OS": "linux"}]},
        "LogDriver": {"Name": "json-file"}, "Networks": [{"Target": "proxy", "Aliases": ["z"]}], "Runtime": "container", "ForceUpdate": 3},
        "Mode": {"Replicated": {"Replicas": 1}}, "Networks": [{"Target": "ivs32tei8xdr"}],
        "UpdateConfig": {"Parallelism": 2, "MaxFailureRatio": 0.25, "FailureAction": "rollback", "Order": "start-first"},
        "RollbackConfig": {"MaxFailureRatio": 0.1},
        "EndpointSpec": {"Mode": "dnsrr", "Ports": [{"Protocol": "udp", "TargetPort": 80, "PublishMode": "host"}, {"TargetPort": 81}]}})
}

/// Pointers to everything in a value.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), into));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| places(value, &format!("{at}/{n}"), into));
        }
        _ => {}
    }
}

/// What may stand anywhere: every kind of nothing, and some of everything else.
fn fillings() -> Vec<Value> {
    vec![
        Value::Null,
        json!(false),
        json!(0),
        json!(0.0),
        json!(""),
        json!([]),
        json!({}),
        json!(1),
        json!(1.0),
        json!(0.25),
        json!(true),
        json!("x"),
        json!("X"),
        json!("any"),
        json!("Bind"),
        json!("proxy"),
        json!("ivs32tei8xdr"),
        json!([{}]),
        json!([null]),
        json!([{"b": 0}, {"a": 1}]),
        json!([{"a": 1}, {}]),
        json!({"a": ""}),
        json!({"a": 1}),
        json!({"ReplicatedJob": {}}),
        json!({"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 2}}),
        json!({"Replicated": {}}),
        json!({"Propagation": "rprivate", "NonRecursive": true}),
        json!({"NonRecursive": true}),
    ]
}

/// The spec with another filling in one place; without one the place is empty.
fn with(spec: &Value, place: &str, filling: Option<&Value>) -> Value {
    let mut spec = spec.clone();
    match (filling, place.rsplit_once('/')) {
        (Some(filling), _) => spec.pointer_mut(place).into_iter().for_each(|there| *there = filling.clone()),
        (None, Some((of, key))) => match spec.pointer_mut(of) {
            Some(Value::Object(fields)) => drop(fields.remove(key)),
            Some(Value::Array(list)) => list.clear(),
            _ => {}
        },
        (None, None) => spec = Value::Null,
    }
    spec
}

#[test]
fn the_quick_comparison_says_what_the_canonical_forms_say() {
    let full = full();
    let mut all = Vec::new();
    places(&full, "", &mut all);
    let fillings = fillings();
    let fillings: Vec<_> = std::iter::once(None).chain(fillings.iter().map(Some)).collect();
    let (mut pairs, mut equal) = (0_u32, 0_u32);
    for place in &all {
        let specs: Vec<Value> = fillings.iter().map(|filling| with(&full, place, *filling)).collect();
        let forms: Vec<Value> = specs.iter().map(|spec| service(spec, &names())).collect();
        for (at, (one, form)) in specs.iter().zip(&forms).enumerate() {
            for (other, other_form) in specs.iter().zip(&forms).take(at + 1) {
                let alike = form == other_form;
                assert_eq!(same_service(one, other, &names()), alike, "{place}:\n{one}\n{other}");
                pairs += 1;
                equal += u32::from(alike);
            }
        }
    }
    // Both answers are asked for often: no place has all fillings alike, and in each many are.
    assert!(equal > pairs / 10 && equal < pairs / 2, "{equal} of {pairs}");
}
