//! From one generation to another, and what it does to containers, secrets and the switch's own end.

use super::host::{Host, Switched};

/// What a switch must not disturb.
#[derive(Debug, PartialEq)]
struct Seen {
    /// `stack_service.slot=container`, sorted.
    containers: Vec<String>,
    writes: usize,
}

impl Host {
    fn containers(&self) -> Vec<String> {
        let list =
            "docker ps --no-trunc --format '{{.Label \"com.docker.swarm.service.name\"}}={{.ID}}' | sort";
        self.machine.sh(list).lines().map(str::to_owned).collect()
    }

    /// Requests that change something, by the engine's own log.
    fn writes(&self) -> usize {
        let count = "journalctl -b -o cat -u docker.service | grep -cE 'Calling (POST|PUT|DELETE)' || true";
        self.machine.sh(count).parse().expect("a number")
    }

    fn seen(&self) -> Seen {
        Seen { containers: self.containers(), writes: self.writes() }
    }

    fn page(&self, port: u16) -> String {
        self.machine.sh(&format!(
            "docker exec $(docker ps -q --filter publish={port}) /bin/busybox cat /www/index.html"
        ))
    }

    fn green(&self, name: &str) -> Switched {
        let began = std::time::Instant::now();
        let switched = self.switch(name).expect(0);
        eprintln!("switch to {name}: {:.1} s", began.elapsed().as_secs_f64());
        switched
    }
}

#[test]
fn a_switch_from_nothing_makes_the_host_and_the_next_one_changes_nothing() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let seen = host.seen();
    eprintln!("{seen:?}\n{}", host.machine.sh("journalctl -b -o short-monotonic --no-pager | tail -60"));
    assert_eq!(seen.containers.len(), 2, "{seen:?}");
    host.green("first");
    assert_eq!(host.seen(), seen);
}
