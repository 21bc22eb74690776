//! The stack's objects, in the bodies that `docker stack deploy` would send for the same compose file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{STACK, TLS_FILE, publish_mode, settings};
use crate::desired::{
    Condition, ConfigSpec, Dependency, ExternalObject, FileTarget, NetworkSpec, ObjectRef, SecretSpec,
    ServiceSpec, StackSpec,
};
use crate::manifest::{Delivery, Manifest, Publish, Traefik};

/// The network between Traefik and the filtering engine proxy: nothing else is on it, and it has no way out.
const ENGINE_NETWORK: &str = "traefik_engine";
const NAMESPACE: &str = "com.docker.stack.namespace";
const SOCKET: &str = "/var/run/docker.sock";

/// What the stack is made from.
pub(super) struct Parts<'a> {
    pub(super) traefik: &'a Traefik,
    pub(super) manifest: &'a Manifest,
    /// Reference of Traefik's image.
    pub(super) app: &'a str,
    /// Reference of the filtering proxy's image.
    pub(super) proxy: &'a str,
    /// The engine's socket on the host.
    pub(super) socket: &'a str,
}

/// The engine's socket on the host, from the section or from the manifest's engine address.
pub(super) fn engine_socket(traefik: &Traefik, manifest: &Manifest) -> Result<String, String> {
    if let Some(socket) = &traefik.engine_socket {
        return Ok(socket.display().to_string());
    }
    let address = &manifest.engine.address;
    address.strip_prefix("unix://").map(str::to_owned).ok_or_else(|| {
        format!("`engine.address` is `{address}`; without a unix socket `traefik.engine_socket` is needed")
    })
}

impl Parts<'_> {
    pub(super) fn stack(&self) -> StackSpec {
        let swarm = self.traefik.delivery == Delivery::Swarm;
        let secrets = if swarm {
            let source = TLS_FILE.to_owned();
            BTreeMap::from([(
                "tls".to_owned(),
                SecretSpec {
                    base: "traefik_tls".to_owned(),
                    source,
                    labels: labels(),
                    ..SecretSpec::default()
                },
            )])
        } else {
            BTreeMap::new()
        };
        StackSpec {
            name: STACK.to_owned(),
            networks: BTreeMap::from([("engine".to_owned(), network())]),
            external_networks: vec![ExternalObject { name: self.traefik.network.clone() }],
            configs: BTreeMap::from([("static".to_owned(), config(&settings::text(self.traefik)))]),
            secrets,
            trust_secrets: std::collections::BTreeSet::new(),
            services: BTreeMap::from([
                ("app".to_owned(), self.app()),
                ("socket-proxy".to_owned(), self.socket_proxy()),
            ]),
            volumes: Vec::new(),
            deadline: self.traefik.deadline,
            places: BTreeMap::new(),
        }
    }

    fn app(&self) -> ServiceSpec {
        let traefik = self.traefik;
        let folder = traefik.delivery == Delivery::Folder;
        let mut container = container(self.app);
        put(&mut container, "Healthcheck", healthcheck());
        if folder {
            let source = self.manifest.paths.run.join("generated/traefik/dynamic");
            put(&mut container, "Mounts", json!([bind(&source.display().to_string(), settings::DYNAMIC)]));
        }
        let mut networks = [traefik.network.as_str(), ENGINE_NETWORK];
        networks.sort_unstable();
        // The folder is on this host and the host's file is what Traefik watches, so a manager it must be.
        let placement = if folder { json!({ "Constraints": ["node.role==manager"] }) } else { json!({}) };
        let order = if traefik.publish == Publish::Host { "stop-first" } else { "start-first" };
        let task = Task { container, networks: &networks, placement, resources: json!({}) };
        let mut body = service("app", self.app, task);
        put(&mut body, "EndpointSpec", self.endpoint());
        put(
            &mut body,
            "UpdateConfig",
            json!({
                "FailureAction": "rollback", "MaxFailureRatio": 0, "Order": order, "Parallelism": 1,
            }),
        );
        let secrets =
            if folder { Vec::new() } else { vec![file("tls", "/etc/traefik/dynamic/tls.yml", 0o400)] };
        ServiceSpec {
            name: "traefik_app".to_owned(),
            body,
            secrets,
            configs: vec![file("static", settings::PATH, 0o444)],
            image: Some(traefik.image.clone()),
            depends_on: vec![Dependency {
                service: "socket-proxy".to_owned(),
                condition: Condition::Started,
            }],
        }
    }

    fn socket_proxy(&self) -> ServiceSpec {
        let listen = format!("0.0.0.0:{}", settings::PROXY_PORT);
        let mut container = container(self.proxy);
        put(&mut container, "Args", json!(["socket-proxy", "--listen", listen, "--engine", SOCKET]));
        put(&mut container, "Mounts", json!([bind(self.socket, SOCKET)]));
        let task = Task {
            container,
            networks: &[ENGINE_NETWORK],
            placement: json!({ "Constraints": ["node.role==manager"] }),
            resources: json!({ "Limits": { "MemoryBytes": 64 << 20, "Pids": 64 } }),
        };
        let mut body = service("socket-proxy", self.proxy, task);
        put(&mut body, "EndpointSpec", json!({ "Mode": "dnsrr" }));
        ServiceSpec {
            name: "traefik_socket-proxy".to_owned(),
            body,
            secrets: Vec::new(),
            configs: Vec::new(),
            image: Some(self.traefik.proxy_image.clone()),
            depends_on: Vec::new(),
        }
    }

    fn endpoint(&self) -> Value {
        let mode = publish_mode(self.traefik.publish);
        let mut ports = [self.traefik.web_port, self.traefik.web_secure_port];
        ports.sort_unstable();
        // The container's port is the published one: a redirect names the port of the entry point.
        let ports = ports.map(|port| {
            json!({ "Protocol": "tcp", "TargetPort": port, "PublishedPort": port, "PublishMode": mode })
        });
        match self.traefik.publish {
            Publish::Host => json!({ "Mode": "dnsrr", "Ports": ports }),
            Publish::Ingress => json!({ "Ports": ports }),
        }
    }
}

fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([(NAMESPACE.to_owned(), STACK.to_owned())])
}

fn network() -> NetworkSpec {
    let body = json!({
        "Name": ENGINE_NETWORK, "Driver": "overlay", "Internal": true, "Attachable": false, "Ingress": false,
        "Scope": "", "ConfigOnly": false, "ConfigFrom": null, "IPAM": null, "Options": null, "Labels": labels(),
    });
    NetworkSpec { name: ENGINE_NETWORK.to_owned(), body }
}

fn config(text: &str) -> ConfigSpec {
    ConfigSpec {
        base: "traefik_static".to_owned(),
        fixed_name: false,
        data: STANDARD.encode(text),
        digest: format!("{:x}", Sha256::digest(text)).chars().take(12).collect(),
        labels: labels(),
        templating: None,
    }
}

fn file(key: &str, path: &str, mode: u32) -> ObjectRef {
    let zero = || "0".to_owned();
    let file = FileTarget { name: path.to_owned(), uid: zero(), gid: zero(), mode };
    ObjectRef { key: key.to_owned(), external: false, file }
}

fn bind(source: &str, target: &str) -> Value {
    json!({ "Type": "bind", "Source": source, "Target": target, "ReadOnly": true })
}

fn healthcheck() -> Value {
    const SECOND: u64 = 1_000_000_000;
    json!({
        "Test": ["CMD", "traefik", "healthcheck"],
        "Interval": 5 * SECOND, "Timeout": 3 * SECOND, "Retries": 3, "StartPeriod": 10 * SECOND,
    })
}

fn container(image: &str) -> Value {
    json!({
        "Image": image, "Labels": labels(), "ReadOnly": true, "CapabilityDrop": ["ALL"],
        "Privileges": { "CredentialSpec": null, "NoNewPrivileges": false, "SELinuxContext": null },
    })
}

/// What differs between the tasks of the two services.
struct Task<'a> {
    container: Value,
    networks: &'a [&'a str],
    placement: Value,
    resources: Value,
}

fn service(key: &str, image: &str, task: Task<'_>) -> Value {
    let networks: Vec<Value> =
        task.networks.iter().map(|network| json!({ "Target": network, "Aliases": [key] })).collect();
    let Task { container, placement, resources, .. } = task;
    json!({
        "Name": format!("{STACK}_{key}"),
        "Labels": { NAMESPACE: STACK, "com.docker.stack.image": image },
        "TaskTemplate": {
            "ContainerSpec": container, "Resources": resources, "Placement": placement, "Networks": networks,
            "ForceUpdate": 0,
        },
        "Mode": { "Replicated": {} },
    })
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}
