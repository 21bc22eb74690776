//! What scenarios look at.

use std::time::Instant;

use super::host::{Host, Switched};

/// What a switch must not disturb.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// `service=container`, sorted.
    pub(super) containers: Vec<String>,
    /// Invocations of the units that use secrets, and of the engine.
    pub(super) units: String,
    /// Requests to the engine that change something.
    pub(super) writes: usize,
}

impl Host {
    /// The containers of a service.
    pub(super) fn containers(&self, service: &str) -> Vec<String> {
        let list =
            "docker ps --no-trunc --format '{{.Label \"com.docker.swarm.service.name\"}}={{.ID}}' | sort";
        let all = self.machine.sh(list);
        all.lines().filter(|line| line.starts_with(service)).map(str::to_owned).collect()
    }

    /// Requests that change something, by the engine's own log.
    pub(super) fn writes(&self) -> usize {
        let count = "journalctl -b -o cat -u docker.service | grep -cE 'Calling (POST|PUT|DELETE)' || true";
        self.machine.sh(count).parse().expect("a number")
    }

    pub(super) fn seen(&self) -> Seen {
        let units = "systemctl show --value --property=InvocationID of-token.service of-credential.service \
                     of-other.service docker.service";
        Seen { containers: self.containers(""), units: self.machine.sh(units), writes: self.writes() }
    }

    /// A file in the container of a service.
    pub(super) fn inside(&self, service: &str, file: &str) -> String {
        let filter = format!("label=com.docker.swarm.service.name={service}");
        self.machine.sh(&format!("docker exec $(docker ps -q --filter {filter}) /bin/busybox cat {file}"))
    }

    /// The secret, from its file.
    pub(super) fn token(&self) -> String {
        self.machine.sh("cat /run/holdfast/secrets/token")
    }

    /// The secret in all its places: file, credential of a unit, Swarm secret in a container.
    #[track_caller]
    pub(super) fn has_token(&self, value: &str) {
        assert_eq!(self.token(), value);
        assert_eq!(self.inside("web_app", "/run/secrets/token"), value);
        self.machine.wait("the unit has the credential", |machine| {
            machine.sh("cat /run/of-credential || true") == value
        });
    }

    pub(super) fn invocation(&self, unit: &str) -> String {
        self.machine.property(unit, "InvocationID")
    }

    /// Units that failed.
    pub(super) fn failed(&self) -> String {
        self.machine.sh("systemctl list-units --failed --plain --no-legend --full")
    }

    /// Files of the state folder, without what is different after each run.
    pub(super) fn half_written(&self) -> String {
        self.machine
            .sh("find /var/lib/holdfast /run/holdfast \\( -name '*.new' -o -name new -o -name '*.tmp' -o -name '.*' \\) \
             -not -name .lock 2>/dev/null; grep -l applying /var/lib/holdfast/generations/*/status || true")
    }

    /// A switch that must succeed.
    #[track_caller]
    pub(super) fn green(&self, name: &str) -> Switched {
        let began = Instant::now();
        let switched = self.switch(name).expect(0);
        eprintln!("switch to `{name}`: {:.1} s", began.elapsed().as_secs_f64());
        switched
    }

    /// Nothing of Holdfast was ever here: no swarm, no state, no image.
    pub(super) fn emptied(&self) {
        self.switch("nothing").expect(0);
        self.machine.sh("systemctl start docker; docker swarm leave --force >/dev/null 2>&1 || true; \
             docker image prune -af >/dev/null; umount -R /run/holdfast/* 2>/dev/null || true; \
             rm -rf /var/lib/holdfast /run/holdfast; systemctl stop docker.socket docker");
    }
}
