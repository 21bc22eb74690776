//! What the stack is and what it refuses; the real Traefik is asked in `tests/it/traefik.rs`.

use serde_json::{Value, json};

use super::*;
use crate::secrets::SecretBytes;

const CHAIN: &str = "subject=x\n-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n\
                   -----BEGIN PRIVATE KEY-----\r\nMAMC\r\nAQI=\r\n-----END PRIVATE KEY-----\r\n";

fn manifest(change: impl FnOnce(&mut Value)) -> Manifest {
    let mut text = json!({
        "version": 1, "host": { "name": "example" }, "networks": { "proxy": {} },
        "secrets": { "key": { "file": "/s.yaml" } },
        "traefik": {
            "image": "traefik", "proxy_image": "holdfast",
            "certificates": [{ "chain": { "file": "/etc/chain.pem" }, "key": { "secret": "key" } }],
        },
    });
    change(&mut text);
    serde_json::from_value(text).unwrap()
}

fn images() -> BTreeMap<String, ImageSpec> {
    let image = |name: &str| {
        let reference = format!("holdfast.invalid/{name}:0123456789ab");
        (name.to_owned(), ImageSpec { reference, source: None })
    };
    BTreeMap::from([image("traefik"), image("holdfast")])
}

fn made(change: impl FnOnce(&mut Value)) -> Result<Output, Vec<String>> {
    let manifest = manifest(change);
    stack(manifest.traefik.as_ref().unwrap(), &manifest, &images())
}

#[test]
fn the_bodies_are_those_that_docker_sends_for_the_same_compose_file() {
    let output = made(|_| {}).unwrap();
    // Recorded from docker 28.2.2; secrets and configs are bound later.
    let labels = json!({ "com.docker.stack.namespace": "traefik" });
    let privileges = json!({ "CredentialSpec": null, "NoNewPrivileges": false, "SELinuxContext": null });
    let port =
        |port| json!({ "Protocol": "tcp", "PublishMode": "host", "PublishedPort": port, "TargetPort": port });
    let app = json!({
        "Name": "traefik_app",
        "Labels": {
            "com.docker.stack.image": "holdfast.invalid/traefik:0123456789ab",
            "com.docker.stack.namespace": "traefik",
        },
        "EndpointSpec": { "Mode": "dnsrr", "Ports": [port(80), port(443)] },
        "Mode": { "Replicated": {} },
        "TaskTemplate": {
            "ContainerSpec": {
                "CapabilityDrop": ["ALL"],
                "Healthcheck": {
                    "Interval": 5_000_000_000_u64, "Retries": 3, "StartPeriod": 10_000_000_000_u64,
                    "Test": ["CMD", "traefik", "healthcheck"], "Timeout": 3_000_000_000_u64,
                },
                "Image": "holdfast.invalid/traefik:0123456789ab",
                "Labels": labels,
                "Mounts": [{
                    "ReadOnly": true, "Source": "/run/holdfast/generated/traefik/dynamic",
                    "Target": "/etc/traefik/dynamic", "Type": "bind",
                }],
                "Privileges": privileges,
                "ReadOnly": true,
            },
            "ForceUpdate": 0,
            "Networks": [
                { "Aliases": ["app"], "Target": "proxy" },
                { "Aliases": ["app"], "Target": "traefik_engine" },
            ],
            "Placement": { "Constraints": ["node.role==manager"] },
            "Resources": {},
        },
        "UpdateConfig": {
            "FailureAction": "rollback", "MaxFailureRatio": 0, "Order": "stop-first", "Parallelism": 1,
        },
    });
    assert_eq!(output.stack.services["app"].body, app);
    let proxy = &output.stack.services["socket-proxy"].body;
    assert_eq!(
        proxy["TaskTemplate"]["Resources"],
        json!({ "Limits": { "MemoryBytes": 67_108_864, "Pids": 64 } })
    );
    assert_eq!(proxy["EndpointSpec"], json!({ "Mode": "dnsrr" }));
    assert_eq!(
        proxy["TaskTemplate"]["Networks"],
        json!([{ "Aliases": ["socket-proxy"], "Target": "traefik_engine" }])
    );
    assert_eq!(output.stack.networks["engine"].body["Internal"], json!(true));
}

#[test]
fn only_the_filtering_proxy_sees_the_engine_and_it_alone_is_on_no_shared_network() {
    let output = made(|text| text["engine"] = json!({ "address": "unix:///run/own.sock" })).unwrap();
    let sources =
        |key: &str| output.stack.services[key].body["TaskTemplate"]["ContainerSpec"]["Mounts"].to_string();
    assert!(sources("socket-proxy").contains("/run/own.sock"));
    assert!(!sources("app").contains(".sock"));
    let refused = made(|text| text["engine"] = json!({ "address": "tcp://198.51.100.7:2376" })).unwrap_err();
    assert!(refused[0].contains("`traefik.engine_socket` is needed"), "{refused:?}");
}

#[test]
fn swarm_delivery_is_a_secret_that_needs_no_folder_and_no_place() {
    let output = made(|text| text["traefik"]["delivery"] = json!("swarm")).unwrap();
    let app = &output.stack.services["app"];
    assert_eq!(output.stack.secrets["tls"].source, TLS_FILE);
    assert_eq!(app.secrets[0].file.name, "/etc/traefik/dynamic/tls.yml");
    assert!(app.body["TaskTemplate"]["ContainerSpec"].get("Mounts").is_none());
    assert_eq!(app.body["TaskTemplate"]["Placement"], json!({}));
    assert!(!output.files[0].installed);
    assert!(made(|_| {}).unwrap().files[0].installed);
}

#[test]
fn every_problem_is_told_at_once() {
    let problems = made(|text| {
        text["networks"] = json!({});
        text["traefik"]["image"] = json!("nginx");
        text["traefik"]["web_port"] = json!(443);
        text["traefik"]["log_level"] = json!("loud");
        text["stacks"] = json!({ "traefik": { "compose": [] } });
        text["traefik"]["certificates"] = json!([
            { "chain": {}, "key": { "secret": "gone" } },
            { "chain": { "file": "chain.pem" }, "key": { "secret": "key", "file": "/k" } },
        ]);
    });
    let all = problems.unwrap_err().join("\n");
    for part in [
        "`traefik.image` names `nginx`",
        "`traefik.network` names `proxy`",
        "both 443",
        "`loud`, not one of",
        "a stack in `stacks`",
        "`traefik.certificates[0].chain` needs exactly one",
        "`traefik.certificates[0].key.secret` names `gone`",
        "`chain.pem`, not an absolute path",
        "`traefik.certificates[1].key` needs exactly one",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
    assert_eq!(all.lines().count(), 9, "{all}");
    assert!(made(|text| text["traefik"]["certificates"] = json!([])).is_err());
}

#[test]
fn the_certificate_file_takes_the_blocks_it_needs_and_nothing_else() {
    let output = made(|_| {}).unwrap();
    let file = &output.files[0];
    assert_eq!(materials(file).len(), 2, "each material is read once");
    let (chain, key) = (SecretBytes::new(CHAIN.into()), SecretBytes::new(KEY.into()));
    let value = |material: &Material| Some(if material.secret.is_some() { &key } else { &chain });
    let text = String::from_utf8(render(file, &value).unwrap().expose().to_vec()).unwrap();
    let expected = "tls:
  options:
    default:
      minVersion: VersionTLS12
      sniStrict: false
  stores:
    default:
      defaultCertificate:
        certFile: |
          -----BEGIN CERTIFICATE-----
          MAMCAQE=
          -----END CERTIFICATE-----
        keyFile: |
          -----BEGIN PRIVATE KEY-----
          MAMC
          AQI=
          -----END PRIVATE KEY-----
  certificates:
    - certFile: |
        -----BEGIN CERTIFICATE-----
        MAMCAQE=
        -----END CERTIFICATE-----
      keyFile: |
        -----BEGIN PRIVATE KEY-----
        MAMC
        AQI=
        -----END PRIVATE KEY-----
";
    assert_eq!(text, expected);
}

#[test]
fn what_is_no_pem_is_refused_by_the_name_of_its_source() {
    let output = made(|_| {}).unwrap();
    let fails = |chain: Option<&str>, key: &str| {
        let (chain, key) = (chain.map(|text| SecretBytes::new(text.into())), SecretBytes::new(key.into()));
        let value = |material: &Material| if material.secret.is_some() { Some(&key) } else { chain.as_ref() };
        render(&output.files[0], &value).err().unwrap().to_string()
    };
    let encrypted =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAMC\n-----END RSA PRIVATE KEY-----";
    for (chain, key, says) in [
        (None, KEY, "file `/etc/chain.pem` has no value"),
        (Some(" \n"), KEY, "file `/etc/chain.pem` is empty"),
        (Some("\u{7f}ELF"), KEY, "file `/etc/chain.pem` holds no PEM certificate"),
        (Some(KEY), KEY, "file `/etc/chain.pem` holds no PEM certificate"),
        (Some(CHAIN), CHAIN, "secret `key` holds no PEM private key"),
        (Some(CHAIN), &KEY.repeat(2), "secret `key` holds more than one private key"),
        (Some(CHAIN), encrypted, "secret `key` is a private key under a passphrase"),
        (Some(&CHAIN.replace("MAMCAQE=", "MAMCAQ==")), KEY, "is cut or damaged"),
        (Some(&CHAIN.replace("MAMCAQE=", "MAM*")), KEY, "is not base64"),
        (Some(&CHAIN.replace("-----END CERTIFICATE-----", "")), KEY, "does not end"),
    ] {
        let said = fails(chain, key);
        assert!(said.contains(says), "{said:?} does not say {says:?}");
    }
}
