//! The generated stack on a real engine: routes, rotation in the container, and what the engine proxy refuses.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use holdfast::desired::{ImageSpec, ObjectRef, ServiceSpec, object_name};
use holdfast::image::{describe, write_archive};
use holdfast::manifest::{Image, ImageConfig};
use holdfast::traefik::Output;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::clients::Client;
use super::{Authority, program, put_certificate, stack};
use crate::support::engine::{BUSYBOX, Engine};

#[test]
fn the_stack_routes_rotates_and_gives_traefik_no_engine() {
    let folder = TempDir::new().unwrap();
    let dynamic = folder.path().join("generated/traefik/dynamic");
    std::fs::create_dir_all(&dynamic).unwrap();
    let engine = Engine::start_swarm();
    let images = BTreeMap::from([traefik_image(&folder), holdfast_image(&folder)]);
    for (name, spec) in &images {
        load(&engine, name, spec, &folder);
    }
    engine.load_busybox();
    let output =
        stack(folder.path(), &images, |text| text["engine"] = json!({ "address": engine.address() }));
    let authority = Authority::new();
    let (old, new) = (authority.wildcard(), authority.wildcard());
    put_certificate(&output, &old, &dynamic);
    deploy(&engine, &output);
    web(&engine);
    attacker(&engine);

    let client = Client::new(&authority.root, SocketAddr::new(engine.ip.parse().unwrap(), 443));
    let seen = client.wait("web.example.org", |seen| seen.answer.starts_with("HTTP/1.1 200"));
    assert!(seen.answer.ends_with("routed\n"), "{}", seen.answer);
    assert_eq!(seen.leaf, old.leaf);
    healthy(&engine);
    proxy_refuses(&engine);

    let task = engine.docker(&["ps", "-q", "--no-trunc", "--filter", "name=traefik_app"]);
    let mut rotated = Instant::now();
    let load = client.load("web.example.org", || {
        std::thread::sleep(Duration::from_secs(2));
        rotated = Instant::now();
        put_certificate(&output, &new, &dynamic);
        std::thread::sleep(Duration::from_secs(4));
    });
    load.assert_rotated(&old.leaf, &new.leaf, rotated);
    assert_eq!(
        engine.docker(&["ps", "-q", "--no-trunc", "--filter", "name=traefik_app"]),
        task,
        "it restarted"
    );
}

#[test]
fn delivered_as_a_swarm_secret_the_same_file_serves_the_same_certificate() {
    let folder = TempDir::new().unwrap();
    let engine = Engine::start_swarm();
    let images = BTreeMap::from([traefik_image(&folder), holdfast_image(&folder)]);
    for (name, spec) in &images {
        load(&engine, name, spec, &folder);
    }
    let output = stack(folder.path(), &images, |text| {
        text["engine"] = json!({ "address": engine.address() });
        text["traefik"]["delivery"] = json!("swarm");
    });
    let authority = Authority::new();
    let pair = authority.wildcard();
    put_certificate(&output, &pair, folder.path());
    let rendered = folder.path().join("tls.yml");
    engine.docker(&["secret", "create", "traefik_tls_test", rendered.to_str().unwrap()]);
    deploy(&engine, &output);
    let client = Client::new(&authority.root, SocketAddr::new(engine.ip.parse().unwrap(), 443));
    assert_eq!(client.wait("any.example.org", |_| true).leaf, pair.leaf);
    healthy(&engine);
}

/// Each line is sent to the engine proxy as it stands, from a container on its network.
fn proxy_refuses(engine: &Engine) {
    let proxy = container(engine, "traefik_socket-proxy");
    let format = "{{(index .NetworkSettings.Networks \"traefik_engine\").IPAddress}}";
    let ip = engine.docker(&["inspect", "-f", format, &proxy]);
    let from = container(engine, "attacker");
    let node = engine.docker(&["info", "-f", "{{.Swarm.NodeID}}"]);
    let ask = |request: &str, rest: &str| {
        let text = format!("{request} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n{rest}\\r\\n");
        let script = format!("/bin/echo -ne '{text}' | nc -w 10 {ip} 2375");
        engine.docker(&["exec", &from, "/bin/sh", "-c", &script])
    };
    for path in
        ["/_ping", "/v1.41/version", "/v1.41/networks", "/v1.41/tasks", &format!("/v1.41/nodes/{node}")]
    {
        let said = ask(&format!("GET {path}"), "");
        assert!(said.starts_with("HTTP/1.1 200"), "{path}: {said}");
    }
    let services = ask("GET /v1.41/services", "");
    assert!(services.contains("web.example.org"), "{services}");
    assert!(!services.contains("poison"), "a service's environment is told: {services}");
    assert!(!ask("GET /v1.41/tasks", "").contains("poison"), "a task's environment is told");
    let traefik = container(engine, "traefik_app");
    for request in [
        "POST /v1.41/services/create".to_owned(),
        "POST /v1.41/containers/create".to_owned(),
        format!("POST /v1.41/containers/{traefik}/exec"),
        "DELETE /v1.41/services/traefik_app".to_owned(),
        "PUT /v1.41/services".to_owned(),
        "GET /secrets".to_owned(),
        "GET /v1.41/secrets".to_owned(),
        "GET /v1.41/configs".to_owned(),
        "GET /v1.41/../secrets".to_owned(),
        "GET /v1.41/services/../secrets".to_owned(),
        "GET /v1.41/%2e%2e/secrets".to_owned(),
        "GET //v1.41/secrets".to_owned(),
        "GET /v1.41/services/traefik_app".to_owned(),
        "GET /v1.41/containers/json".to_owned(),
        format!("GET /v1.41/containers/{traefik}/archive?path=/etc"),
        format!("GET /v1.41/containers/{traefik}/json"),
        "GET /v1.41/swarm/unlockkey".to_owned(),
        "GET http://docker/v1.41/secrets".to_owned(),
    ] {
        let said = ask(&request, "");
        assert!(said.starts_with("HTTP/1.1 403"), "{request}: {said}");
    }
    for rest in ["Upgrade: tcp\\r\\n", "Content-Length: 2\\r\\n", "Transfer-Encoding: chunked\\r\\n"] {
        let said = ask("GET /v1.41/services", rest);
        assert!(said.starts_with("HTTP/1.1 403"), "{rest}: {said}");
    }
    // Traefik itself sees no socket, and no shared network leads to the proxy.
    let mounts = engine.docker(&["inspect", "-f", "{{json .Mounts}}", &traefik]);
    assert!(!mounts.contains(".sock"), "{mounts}");
    let web = container(engine, "web");
    let script = format!("nc -w 2 {ip} 2375 </dev/null && echo open || echo closed");
    assert_eq!(engine.docker(&["exec", &web, "/bin/sh", "-c", &script]), "closed");
}

/// Traefik's own health check passes in the container.
fn healthy(engine: &Engine) {
    let id = container(engine, "traefik_app");
    let state = || engine.docker(&["inspect", "-f", "{{.State.Health.Status}}", &id]);
    for _ in 0..600 {
        if state() == "healthy" {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("Traefik is {} after two minutes", state());
}

/// The one container of a service.
fn container(engine: &Engine, service: &str) -> String {
    for _ in 0..600 {
        let filter = format!("label=com.docker.swarm.service.name={service}");
        let id = engine.docker(&["ps", "-q", "--no-trunc", "--filter", &filter]);
        if !id.is_empty() {
            return id;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("{service} has no container:\n{}", engine.docker(&["service", "ps", "--no-trunc", service]));
}

/// A web service behind Traefik, with something in its environment that nobody may learn.
fn web(engine: &Engine) {
    let run = "echo routed >/www/index.html; exec httpd -f -p 8080 -h /www";
    engine.docker(&[
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--name",
        "web",
        "--network",
        "proxy",
        "--endpoint-mode",
        "dnsrr",
        "--env",
        "PASSWORD=poison",
        "--label",
        "traefik.enable=true",
        "--label",
        "traefik.http.routers.web.rule=Host(`web.example.org`)",
        "--label",
        "traefik.http.services.web.loadbalancer.server.port=8080",
        BUSYBOX,
        "/bin/sh",
        "-c",
        run,
    ]);
}

/// A shell where a taken-over Traefik would be: on the network of the engine proxy.
fn attacker(engine: &Engine) {
    engine.docker(&[
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--name",
        "attacker",
        "--network",
        "traefik_engine",
        "--endpoint-mode",
        "dnsrr",
        BUSYBOX,
        "/bin/sleep",
        "600",
    ]);
}

/// Creates the stack's objects as a plan would.
fn deploy(engine: &Engine, output: &Output) {
    engine.docker(&["network", "create", "--driver", "overlay", "proxy"]);
    for network in output.stack.networks.values() {
        post(engine, "networks", &network.body);
    }
    let mut configs = BTreeMap::new();
    for (key, config) in &output.stack.configs {
        let name = object_name(&config.base, &config.digest);
        let id =
            post(engine, "configs", &json!({ "Name": name, "Labels": config.labels, "Data": config.data }));
        configs.insert(key.as_str(), (id, name));
    }
    for key in ["socket-proxy", "app"] {
        let body = bound(engine, &output.stack.services[key], &configs);
        post(engine, "services", &body);
    }
}

fn bound(engine: &Engine, service: &ServiceSpec, configs: &BTreeMap<&str, (String, String)>) -> Value {
    let mut body = service.body.clone();
    let bind = |object: &ObjectRef| {
        let (id, name) = &configs[object.key.as_str()];
        let file = &object.file;
        let file = json!({ "Name": file.name, "UID": file.uid, "GID": file.gid, "Mode": file.mode });
        json!({ "ConfigID": id, "ConfigName": name, "File": file })
    };
    body["TaskTemplate"]["ContainerSpec"]["Configs"] = service.configs.iter().map(bind).collect();
    let secret = |object: &ObjectRef| {
        let file = &object.file;
        let file = json!({ "Name": file.name, "UID": file.uid, "GID": file.gid, "Mode": file.mode });
        json!({ "SecretID": engine.docker(&["secret", "inspect", "-f", "{{.ID}}", "traefik_tls_test"]),
            "SecretName": "traefik_tls_test", "File": file })
    };
    body["TaskTemplate"]["ContainerSpec"]["Secrets"] = service.secrets.iter().map(secret).collect();
    body
}

/// `POST /KIND/create`; returns the ID.
fn post(engine: &Engine, kind: &str, body: &Value) -> String {
    let body = body.to_string();
    let mut stream = UnixStream::connect(&engine.socket).unwrap();
    let head = format!(
        "POST /v1.41/{kind}/create HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 201 "), "{kind}: {answer}");
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    json.get("ID").or_else(|| json.get("Id")).unwrap().as_str().unwrap().to_owned()
}

fn load(engine: &Engine, name: &str, spec: &ImageSpec, folder: &TempDir) {
    let path = folder.path().join(format!("{name}.tar"));
    let mut file = std::fs::File::create(&path).unwrap();
    write_archive(name, spec, &mut file).unwrap();
    engine.docker(&["load", "-i", path.to_str().unwrap()]);
}

/// The real Traefik, alone in its root file system.
fn traefik_image(folder: &TempDir) -> (String, ImageSpec) {
    let root = folder.path().join("traefik-root");
    put(&root.join("usr/local/bin/traefik"), &program());
    described("traefik", &root, "/usr/local/bin/traefik")
}

/// This build of `holdfast` with the libraries that it was linked to; the shipped one is static and has none.
fn holdfast_image(folder: &TempDir) -> (String, ImageSpec) {
    let root = folder.path().join("holdfast-root");
    let program = Path::new(env!("CARGO_BIN_EXE_holdfast"));
    put(&root.join("holdfast"), program);
    let ldd = Command::new("ldd").arg(program).output().unwrap();
    for word in String::from_utf8_lossy(&ldd.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        put(&root.join(word.trim_start_matches('/')), Path::new(word));
    }
    described("holdfast", &root, "/holdfast")
}

fn described(name: &str, root: &Path, program: &str) -> (String, ImageSpec) {
    let config = ImageConfig { entrypoint: vec![program.to_owned()], ..ImageConfig::default() };
    let image = Image { rootfs: Some(root.to_owned()), config: Some(config), ..Image::default() };
    (name.to_owned(), describe(name, &image).unwrap())
}

fn put(to: &Path, from: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
}
