//! Proves: a look as metrics says what drifted, what is proven, when certificates expire, and when nobody could look.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::json;

use crate::support::world::{Ran, World};

/// 2021-01-01T00:00:00Z, long past: what has expired is shown all the same.
const NOT_AFTER: &str = "1609459200.000";

fn samples(world: &World) -> BTreeMap<String, String> {
    let text = fs::read_to_string(world.path("m/holdfast.prom")).expect("the metrics");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').expect("a sample")).map(|(a, b)| (a.into(), b.into())).collect()
}

fn look(world: &World, args: &[&str]) -> Ran {
    let file = world.path("m/holdfast.prom");
    world.run(&[&["status", "--textfile", file.to_str().unwrap()], args].concat())
}

#[test]
fn a_look_is_written_as_metrics_whatever_it_finds() {
    let world = World::new();
    fs::create_dir(world.path("m")).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["app.example.org".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    let pem = world.path("leaf.pem");
    fs::write(&pem, params.self_signed(&key).unwrap().pem()).unwrap();
    let gate = json!({ "certificate": { "name": "app.example.org", "at": ["127.0.0.1:1"], "equals": &pem } });
    world.apply();

    look(&world, &["--detailed-exitcode"]).expect(0);
    let mode = fs::metadata(world.path("m/holdfast.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    let at = |found: &BTreeMap<String, String>, name: &str| {
        found.get(name).unwrap_or_else(|| panic!("no {name} in {found:#?}")).clone()
    };
    let found = samples(&world);
    for (name, value) in [
        ("holdfast_look_success{holdfast=\"main\"}", "1"),
        ("holdfast_drift{holdfast=\"main\",kind=\"service\"}", "0"),
        ("holdfast_held{holdfast=\"main\",kind=\"service\"}", "0"),
        ("holdfast_generation{holdfast=\"main\"}", "1"),
        ("holdfast_generation_status{holdfast=\"main\",status=\"proven\"}", "1"),
        ("holdfast_generation_status{holdfast=\"main\",status=\"failed\"}", "0"),
        ("holdfast_last_apply_success{holdfast=\"main\"}", "1"),
        ("holdfast_services_unproven{holdfast=\"main\"}", "0"),
        ("holdfast_service_proven{holdfast=\"main\",service=\"web_app\"}", "1"),
        ("holdfast_service_tasks_running{holdfast=\"main\",service=\"web_app\"}", "1"),
        ("holdfast_service_tasks_wanted{holdfast=\"main\",service=\"web_app\"}", "1"),
    ] {
        assert_eq!(at(&found, name), value, "{name}");
    }
    let time = |name: &str| at(&found, name).parse::<f64>().unwrap();
    let (applied, looked) = (
        time("holdfast_last_apply_timestamp_seconds{holdfast=\"main\"}"),
        time("holdfast_look_timestamp_seconds{holdfast=\"main\"}"),
    );
    assert!(1.7e9 < applied && applied < looked, "{applied} {looked}");

    // A service that somebody removed, and a manifest that nobody has proven yet.
    world.engine.docker(&["service", "rm", "web_app"]);
    world.edit(|manifest| manifest["gates"]["cert"] = gate);
    look(&world, &["--detailed-exitcode"]).expect(2);
    let found = samples(&world);
    let label = format!("{{holdfast=\"main\",certificate=\"{}\"}}", pem.display());
    for (name, value) in [
        ("holdfast_drift{holdfast=\"main\",kind=\"service\"}", "1"),
        ("holdfast_service_proven{holdfast=\"main\",service=\"web_app\"}", "0"),
        ("holdfast_service_tasks_running{holdfast=\"main\",service=\"web_app\"}", "0"),
        ("holdfast_services_unproven{holdfast=\"main\"}", "1"),
        (&*format!("holdfast_certificate_not_after_timestamp_seconds{label}"), NOT_AFTER),
        (&*format!("holdfast_certificate_readable{label}"), "1"),
        (
            "holdfast_certificate_readable{holdfast=\"main\",certificate=\"gate.cert\",at=\"127.0.0.1:1\"}",
            "0",
        ),
    ] {
        assert_eq!(at(&found, name), value, "{name}");
    }

    // Without an engine the file says so, and nothing that is not known; what the host knows is there.
    let socket = world.path("nobody.sock");
    let socket = format!("unix://{}", socket.display());
    look(&world, &["-H", &socket]).expect(75);
    let found = samples(&world);
    assert_eq!(at(&found, "holdfast_look_success{holdfast=\"main\"}"), "0");
    assert_eq!(at(&found, "holdfast_generation{holdfast=\"main\"}"), "1");
    assert_eq!(at(&found, &format!("holdfast_certificate_not_after_timestamp_seconds{label}")), NOT_AFTER);
    assert!(found.keys().all(|name| !name.starts_with("holdfast_drift")), "{found:#?}");

    // A place that cannot be written is an error of its own.
    fs::remove_dir_all(world.path("m")).unwrap();
    assert!(look(&world, &[]).expect(1).err.contains("m/holdfast.prom"));
}
