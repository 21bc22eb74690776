//! A swarm, its networks, secrets, configs and services, from nothing to nothing.

use std::collections::BTreeMap;

use futures_util::stream;
use holdfast::desired::swarm as wanted;
use holdfast::manifest;
use holdfast::observed::SwarmState;
use holdfast::plan::{Awaited, NewSecret, SwarmAction, canonical};
use serde_json::json;

use super::*;

fn manifest_swarm(machine: &real::Engine) -> manifest::Swarm {
    let ip = &machine.ip;
    serde_json::from_value(json!({
        "advertise": ip, "listen": format!("{ip}:2377"), "data_path_port": 4790,
        "address_pools": ["10.77.0.0/16"], "subnet_size": 26, "task_history": 2, "labels": {"env": "lab"},
    }))
    .unwrap()
}

#[tokio::test]
async fn a_swarm_is_made_adopted_and_repaired_and_what_is_fixed_is_refused() {
    let machine = real::Engine::start();
    let engine = Engine::connect(&machine.address()).await.unwrap();
    let before = observe(&engine).await;
    assert_eq!(before.swarm, SwarmState::Inactive);
    assert!(before.networks.contains_key("bridge") && before.services.is_empty());
    assert_eq!(before.engine.platform.split('/').next(), Some("linux"));

    let swarm = manifest_swarm(&machine);
    execute(&engine, SwarmAction::Init(wanted::init_body(&swarm))).await.unwrap();
    let here = observe(&engine).await;
    let spec = |observed: &Observed| manager(observed).raw["Spec"].clone();
    assert_eq!(manager(&here).node_addr, machine.ip);
    assert_eq!(wanted::swarm_refusals(&here, &swarm), []);
    let equal = |observed: &Observed| {
        let wanted = wanted::wanted_swarm_spec(&manager(observed).raw, &swarm);
        canonical::swarm_spec(&wanted) == canonical::swarm_spec(&spec(observed))
    };
    assert!(equal(&here), "{:#}", spec(&here));
    assert!(manager(&here).raw.get("JoinTokens").is_none());
    assert!(!serde_json::to_string(&here).unwrap().contains("SWMTKN"));
    assert_eq!(here.engine.name, machine.docker(&["info", "--format", "{{.Name}}"]));

    // A second init is told as what it is.
    let again = execute(&engine, SwarmAction::Init(wanted::init_body(&swarm))).await.unwrap_err();
    assert!(matches!(again, EngineError::AlreadyExists { .. }), "{again}");

    machine.docker(&["swarm", "update", "--task-history-limit", "9"]);
    let drifted = observe(&engine).await;
    assert!(!equal(&drifted));
    let stale = SwarmAction::UpdateSwarm {
        version: manager(&here).version,
        spec: wanted::wanted_swarm_spec(&manager(&drifted).raw, &swarm),
    };
    assert!(matches!(execute(&engine, stale).await, Err(EngineError::OutOfSequence { .. })));
    let repair = SwarmAction::UpdateSwarm {
        version: manager(&drifted).version,
        spec: wanted::wanted_swarm_spec(&manager(&drifted).raw, &swarm),
    };
    execute(&engine, repair).await.unwrap();
    assert!(equal(&observe(&engine).await));

    let node = manifest::Node { labels: BTreeMap::from([("disk".to_owned(), "fast".to_owned())]) };
    let here = observe(&engine).await;
    let (id, object) = here.nodes.first_key_value().unwrap();
    assert_eq!(*id, manager(&here).node_id);
    let spec = wanted::wanted_node_spec(&object.raw, &node);
    execute(&engine, SwarmAction::UpdateNode { id: id.clone(), version: object.version, spec })
        .await
        .unwrap();
    assert_eq!(machine.docker(&["node", "inspect", "self", "--format", "{{.Spec.Labels.disk}}"]), "fast");

    let mut silent = swarm.clone();
    (silent.subnet_size, silent.data_path_port, silent.address_pools) = (None, None, Vec::new());
    assert_eq!(
        wanted::swarm_refusals(&observe(&engine).await, &silent),
        [],
        "what is not said is left as it is"
    );
    let mut other = swarm.clone();
    (other.subnet_size, other.data_path_port) = (Some(20), Some(4999));
    other.address_pools = vec!["10.99.0.0/16".to_owned()];
    let refused = wanted::swarm_refusals(&observe(&engine).await, &other);
    let fields: Vec<_> = refused.iter().map(|refusal| refusal.field).collect();
    assert_eq!(fields, ["swarm.data_path_port", "swarm.subnet_size", "swarm.address_pools"]);
}

#[tokio::test]
async fn networks_are_made_adopted_when_equal_and_refused_by_field_when_not() {
    let (machine, engine) = swarm().await;
    let full: manifest::Network = serde_json::from_value(json!({
        "attachable": true, "internal": true, "driver_opts": {"encrypted": "", "com.docker.network.driver.mtu": "1400"},
        "labels": {"a": "b"}, "ipam": {"subnets": [{"subnet": "10.55.0.0/24", "gateway": "10.55.0.9"}]},
    }))
    .unwrap();
    let plain = manifest::Network::default();
    for (name, network) in [("full", &full), ("plain", &plain)] {
        let body = wanted::network_body(name, network);
        execute(&engine, SwarmAction::CreateNetwork(body.clone())).await.unwrap();
        let there = observe(&engine).await;
        assert_eq!(canonical::network_diff(&there.networks[name].raw, &body), [], "{name}");
        let again = execute(&engine, SwarmAction::CreateNetwork(body)).await.unwrap_err();
        assert!(matches!(again, EngineError::AlreadyExists { .. }), "{again}");
    }
    // What the docker CLI made is adopted.
    machine.docker(&["network", "create", "-d", "overlay", "--attachable", "--opt", "encrypted", "theirs"]);
    // The CLI does not wait until the swarm has given the network its options and addresses.
    let mut there = observe(&engine).await;
    while there.networks["theirs"].raw["IPAM"]["Config"].get(0).is_none() {
        there = observe(&engine).await;
    }
    let same: manifest::Network =
        serde_json::from_value(json!({"attachable": true, "driver_opts": {"encrypted": ""}})).unwrap();
    let differs = |network: &manifest::Network| {
        let changes =
            canonical::network_diff(&there.networks["theirs"].raw, &wanted::network_body("theirs", network));
        changes.into_iter().map(|change| change.field).collect::<Vec<_>>()
    };
    assert_eq!(differs(&same), Vec::<String>::new());
    assert_eq!(differs(&plain), ["Attachable", "Options.encrypted"]);
    assert_eq!(differs(&manifest::Network { internal: true, ..same.clone() }), ["Internal"]);
    let subnet = json!({"subnets": [{"subnet": "10.56.0.0/24"}]});
    let ipam = Some(serde_json::from_value(subnet).unwrap());
    assert_eq!(differs(&manifest::Network { ipam, ..same }), ["IPAM.Config[0].Subnet"]);

    for name in ["full", "plain", "theirs"] {
        execute(&engine, SwarmAction::RemoveNetwork(there.networks[name].id.clone())).await.unwrap();
    }
    let gone = SwarmAction::RemoveNetwork(there.networks["full"].id.clone());
    execute(&engine, gone).await.expect("what is not there is removed");
    assert!(!observe(&engine).await.networks.contains_key("full"));
}

const KEY: &str = "web_key_0123456789ab";
const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

/// Makes the secret, the config and the network of a stack.
async fn make_parts(engine: &Engine) {
    let labels = BTreeMap::from([("com.docker.stack.namespace".to_owned(), "web".to_owned())]);
    let secret = SwarmAction::CreateSecret(NewSecret {
        name: KEY.into(),
        source: "key".into(),
        labels: labels.clone(),
        ..NewSecret::default()
    });
    assert!(matches!(execute(engine, secret.clone()).await, Err(EngineError::NoValue { .. })));
    engine.execute(&secret, &unlocked("key", b"poison-7f3a\n\0\xff")).await.unwrap();
    let again = engine.execute(&secret, &unlocked("key", b"other")).await.unwrap_err();
    assert!(matches!(again, EngineError::AlreadyExists { .. }), "{again}");
    let config = json!({"Name": "web_c", "Labels": labels, "Data": "aGVsbG8K"});
    execute(engine, SwarmAction::CreateConfig(config)).await.unwrap();
    let network = wanted::network_body("web_net", &manifest::Network::default());
    execute(engine, SwarmAction::CreateNetwork(network)).await.unwrap();
}

/// A service that uses all of them, and a volume.
fn web(made: &Observed) -> Value {
    let file = |name: &str| json!({"Name": name, "UID": "0", "GID": "0", "Mode": 292});
    let secret = json!([{"File": file("key"), "SecretName": KEY, "SecretID": made.secrets[KEY].id}]);
    let config = json!([{"File": file("/c"), "ConfigName": "web_c", "ConfigID": made.configs["web_c"].id}]);
    let volume = json!([{"Type": "volume", "Source": "web_data", "Target": "/data"}]);
    let body = service("web_app", "busybox sha256sum /run/secrets/key; cat /c; exec sleep 600");
    let body = with(body, "/TaskTemplate/Networks", json!([{"Target": "web_net"}]));
    let body = with(body, "/TaskTemplate/ContainerSpec/Secrets", secret);
    let body = with(body, "/TaskTemplate/ContainerSpec/Configs", config);
    with(body, "/TaskTemplate/ContainerSpec/Mounts", volume)
}

#[tokio::test]
async fn a_service_with_secret_config_network_and_volume_comes_and_changes() {
    let (_machine, engine) = swarm().await;
    make_parts(&engine).await;
    let made = observe(&engine).await;
    assert_eq!(made.secrets[KEY].stack(), Some("web"));
    let body = web(&made);
    execute(&engine, SwarmAction::CreateService(body.clone())).await.unwrap();
    engine.converge(&[Awaited::new("web_app")], MINUTE, &mut |_| ()).await.unwrap();

    let here = observe(&engine).await;
    let object = &here.services["web_app"];
    let names = canonical::network_names(&here);
    assert_eq!(canonical::service(&object.raw["Spec"], &names), canonical::service(&body, &names));
    let task = here.tasks[&object.id].iter().find(|task| task.state == "running").unwrap();
    assert_eq!((task.image.as_str(), task.slot, task.exit_code), (real::BUSYBOX, 1, None));
    let log_of = async |task: &str| {
        let mut lines = Vec::new();
        let read = engine.task_log(task, &mut |line, at| lines.push((line.to_owned(), at))).await;
        read.map(|()| lines)
    };
    let log = log_of(&task.id).await.unwrap();
    let made: jiff::Timestamp = task.created.parse().unwrap();
    assert!(
        log.iter().all(|(_, at)| at.is_some_and(|at| at > made && at < jiff::Timestamp::now())),
        "{log:?}"
    );
    // The digest of the secret's bytes, made with sha256sum.
    let digest = "02f204ab213a198f8abd82476fc0cfa0b145efe47da322539a8dbc92ca79687c";
    assert!(log.iter().any(|(line, _)| line == "hello"), "{log:?}");
    assert!(log.iter().any(|(line, _)| line.starts_with(digest)), "{log:?}");
    assert_eq!(engine.log_tail(&task.id, 1).await, ["hello"]);
    assert!(log_of("nobody").await.is_err());

    // A change restarts; the same version again is out of sequence.
    let spec = with(body, "/TaskTemplate/ContainerSpec/Env", json!(["A=1"]));
    let update = SwarmAction::UpdateService { id: object.id.clone(), version: object.version, spec };
    execute(&engine, update.clone()).await.unwrap();
    assert!(matches!(execute(&engine, update).await, Err(EngineError::OutOfSequence { .. })));
    engine.converge(&[Awaited::new("web_app")], MINUTE, &mut |_| ()).await.unwrap();
    let here = observe(&engine).await;
    let running: Vec<_> = here.tasks[&object.id].iter().filter(|task| task.state == "running").collect();
    assert!(running.len() == 1 && running[0].id != task.id);
}

#[tokio::test]
async fn what_goes_is_waited_for_and_what_is_in_use_is_refused() {
    let (machine, engine) = swarm().await;
    make_parts(&engine).await;
    execute(&engine, SwarmAction::CreateService(web(&observe(&engine).await))).await.unwrap();
    engine.converge(&[Awaited::new("web_app")], MINUTE, &mut |_| ()).await.unwrap();
    let here = observe(&engine).await;
    let (service, secret) = (here.services["web_app"].id.clone(), here.secrets[KEY].id.clone());
    let held = execute(&engine, SwarmAction::RemoveSecret(secret.clone())).await;
    assert!(held.unwrap_err().to_string().contains("in use"));

    // A network that is in use is waited for, so its removal may go beside that of the service.
    let (network, removed) = tokio::join!(
        execute(&engine, SwarmAction::RemoveNetwork(here.networks["web_net"].id.clone())),
        execute(&engine, SwarmAction::RemoveService(service.clone())),
    );
    removed.unwrap();
    network.unwrap();
    execute(&engine, SwarmAction::RemoveService(service)).await.expect("gone is gone");
    execute(&engine, SwarmAction::RemoveSecret(secret)).await.unwrap();
    execute(&engine, SwarmAction::RemoveConfig(here.configs["web_c"].id.clone())).await.unwrap();
    assert_eq!(machine.docker(&["volume", "ls", "-q"]), "web_data", "volumes stay");
    execute(&engine, SwarmAction::RemoveVolume("web_data".into())).await.unwrap();
    assert_eq!(machine.docker(&["volume", "ls", "-q"]), "");
    let end = observe(&engine).await;
    assert!(
        end.services.is_empty() && end.secrets.is_empty() && end.configs.is_empty() && end.tasks.is_empty()
    );
    make_parts(&engine).await;
}

#[tokio::test]
async fn looking_writes_nothing_and_takes_one_request_a_kind() {
    let (_machine, engine) = swarm().await;
    assert_eq!(engine.writes(), 0);
    for _ in 0..3 {
        observe(&engine).await;
    }
    assert_eq!(engine.writes(), 0);
    execute(&engine, SwarmAction::CreateConfig(json!({"Name": "c", "Data": "eA=="}))).await.unwrap();
    assert_eq!(engine.writes(), 1);
}

#[tokio::test]
async fn an_image_is_loaded_and_what_is_no_image_is_refused() {
    let (machine, engine) = swarm().await;
    let id = machine.docker(&["image", "inspect", real::BUSYBOX, "--format", "{{.Id}}"]);
    assert!(observe(&engine).await.images.contains(&id));
    let archive = tempfile::NamedTempFile::new().unwrap();
    machine.docker(&["save", "-o", archive.path().to_str().unwrap(), real::BUSYBOX]);
    let bytes = std::fs::read(archive.path()).unwrap();
    machine.docker(&["image", "rm", real::BUSYBOX]);
    assert!(!observe(&engine).await.images.contains(&id));

    let parts = |bytes: &[u8]| -> Vec<std::io::Result<hyper::body::Bytes>> {
        bytes.chunks(100_000).map(|part| Ok(part.to_vec().into())).collect()
    };
    let cut = engine.load_image("busybox", stream::iter(parts(&bytes[..bytes.len() / 2]))).await;
    assert!(matches!(cut, Err(EngineError::Image { .. })), "{cut:?}");
    let broken = vec![Ok(bytes[..1000].to_vec().into()), Err(std::io::Error::other("the disk is gone"))];
    let broken = engine.load_image("busybox", stream::iter(broken)).await;
    assert!(matches!(broken, Err(EngineError::Image { .. })), "{broken:?}");
    engine.load_image("busybox", stream::iter(parts(&bytes))).await.unwrap();
    let images = observe(&engine).await.images;
    assert!(images.contains(&id) && images.contains(real::BUSYBOX), "{images:?}");

    let pulled = engine.pull("holdfast.invalid/app:1", None).await.unwrap_err();
    assert!(pulled.to_string().contains("holdfast.invalid/app:1"), "{pulled}");
}
