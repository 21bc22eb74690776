//! The private engine that other tests stand on: two at once do not meet, dockerd can die, nothing is left.

use std::path::Path;
use std::process::Command;

use crate::support::engine::{BUSYBOX, Engine};

#[test]
fn two_engines_run_side_by_side_and_leave_nothing() {
    let (first, second) = (Engine::start_swarm(), Engine::start_swarm());
    first.load_busybox();
    assert_ne!(first.ip, second.ip);
    assert_ne!(first.host_ip, second.host_ip);
    assert!(first.docker(&["image", "ls", "-q", BUSYBOX]).len() > 6);
    assert_eq!(second.docker(&["image", "ls", "-q"]), "", "an image of one engine is seen in the other");

    serve(&first);
    assert_eq!(get(&first.ip, 8080), "hello\n");
    first.kill();
    assert!(!first.docker_output(&["version"]).status.success(), "dockerd still answers");
    first.restart();
    assert_eq!(first.docker(&["service", "ls", "--format", "{{.Name}}"]), "web");

    let links = first.inside("ip").args(["-o", "link"]).output().unwrap();
    assert!(String::from_utf8_lossy(&links.stdout).contains("veth0"), "not inside of the namespace");

    let gone = [first.name.clone(), second.name.clone()];
    let dirs = [first.dir.clone(), second.dir.clone()];
    drop((first, second));
    for (name, dir) in gone.iter().zip(dirs) {
        assert!(!dir.exists(), "{} is left", dir.display());
        assert!(!Path::new("/run/netns").join(format!("holdfast-{name}")).exists());
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&format!("/{name}/")), "a mount of {name} is left");
    }
}

#[test]
fn an_engine_goes_when_its_owner_is_killed() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/engine.sh");
    let name = format!("owned-{}", std::process::id());
    let mut owner = Command::new("sleep").arg("60").spawn().unwrap();
    let up = Command::new(&script).args(["up", &name, "--owner", &owner.id().to_string()]).output().unwrap();
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    owner.kill().unwrap();
    owner.wait().unwrap();
    let netns = Path::new("/run/netns").join(format!("holdfast-{name}"));
    let folder = Path::new("/run/holdfast-engine").join(&name);
    for _ in 0..600 {
        if !netns.exists() && !folder.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{name} is still up a minute after its owner died");
}

fn serve(engine: &Engine) {
    // As PID 1 it must say that it wants to end: dockerd waits 10 s for it when it comes up again.
    let run = "trap 'exit 0' TERM; echo hello >/www/index.html; httpd -p 8080 -h /www; sleep 600 & wait $!";
    let port = "mode=host,target=8080,published=8080";
    let service =
        ["service", "create", "--detach", "--name", "web", "--endpoint-mode", "dnsrr", "--publish", port];
    engine.docker(&[&service[..], &["--no-resolve-image", BUSYBOX, "/bin/sh", "-c", run]].concat());
}

fn get(ip: &str, port: u16) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = crate::support::engine::connect(ip, port);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}
