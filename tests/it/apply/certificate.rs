//! Proves, with the real Traefik: a certificate's file that is missing on the very first apply, and one that has
//! expired.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;

use crate::support::world::World;

/// Signs certificates for `*.example.org`, and says where their files are.
struct Files {
    issuer: Issuer<'static, KeyPair>,
    root: PathBuf,
    chain: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(world: &World) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = world.path("root.pem");
        std::fs::write(&root, params.self_signed(&key).expect("a root").pem()).expect("root.pem");
        let (chain, file) = (world.path("chain.pem"), world.path("key.pem"));
        Self { issuer: Issuer::new(params, key), root, chain, key: file }
    }

    /// A new certificate that ends in this year.
    fn put(&self, until: i32) {
        let mut params = CertificateParams::new(vec!["*.example.org".to_owned()]).expect("parameters");
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(&self.key, key.serialize_pem()).expect("key.pem");
        std::fs::write(&self.chain, cert.pem()).expect("chain.pem");
    }
}

fn traefik(world: &World) -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let program = Path::new(&home).join(".cache/holdfast/traefik-3.7.9/traefik");
    let root = world.path("traefik");
    std::fs::create_dir_all(root.join("usr/local/bin")).expect("a folder");
    std::fs::copy(&program, root.join("usr/local/bin/traefik"))
        .unwrap_or_else(|error| panic!("{}: {error}; run `make setup`", program.display()));
    root
}

#[test]
fn a_certificate_that_was_never_there_holds_back_the_proxy_alone_and_an_expired_one_fails_at_once() {
    let world = World::new();
    let files = Files::new(&world);
    let program = traefik(&world);
    world.edit(|manifest| {
        let sleep = json!({ "entrypoint": ["/bin/sh", "-c", "exec sleep 1000000"] });
        manifest["images"]["still"] = json!({ "rootfs": "rootfs.tar", "config": sleep });
        let run = json!({ "entrypoint": ["/usr/local/bin/traefik"], "env": ["PATH=/usr/local/bin"] });
        manifest["images"]["traefik"] = json!({ "rootfs": program, "config": run });
        manifest["traefik"] = json!({
            "image": "traefik", "proxy_image": "still", "deadline": "60s",
            "certificates": [{ "chain": { "file": files.chain }, "key": { "file": files.key } }],
        });
        manifest["gates"]["served"] = json!({
            "certificate": {
                "name": "app.example.org", "at": [format!("{}:443", world.engine.ip)], "ca": files.root,
            },
            "soak": "1s",
        });
    });
    let services = || {
        let names = world.engine.docker(&["service", "ls", "--format", "{{.Name}}"]);
        let mut names: Vec<String> = names.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    let ran = world.run(&["apply", "--no-verify", "--json"]).expect(5);
    assert!(ran.err.contains("chain.pem") && !ran.err.contains("last good version"), "{}", ran.err);
    let held =
        json!([{ "address": "stack.traefik/service.app", "because": r#"file."traefik/dynamic/tls.yml""# }]);
    assert_eq!(ran.json()["held"], held);
    assert_eq!(services(), ["traefik_socket-proxy", "web_app"], "all but the proxy goes on");
    let plan = world.run(&["plan"]).expect(5);
    assert!(plan.out.contains(r#"because of file."traefik/dynamic/tls.yml""#), "{}", plan.out);

    files.put(2090);
    world.apply();
    assert_eq!(services(), ["traefik_app", "traefik_socket-proxy", "web_app"]);
    world.assert_settled();

    // The certificate is changed by this run, so its gate waits until it is served; once it is, no waiting helps.
    files.put(2021);
    let began = Instant::now();
    let record = world.run(&["apply", "--json"]).expect(3).json();
    let gates = record["gates"].as_array().expect("gates");
    let served = gates.iter().find(|gate| gate["address"] == "gate.served").expect("the gate");
    let summary = served["summary"].as_str().expect("a summary");
    assert!(summary.contains("certificate expired") && summary.contains("2021-01-01"), "{summary}");
    let elapsed = Duration::from_millis(served["elapsed_ms"].as_u64().expect("milliseconds"));
    assert!(elapsed < Duration::from_secs(20), "it was waited for {elapsed:?} of {:?}", began.elapsed());
    files.put(2090);
    world.apply();
}
