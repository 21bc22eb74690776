//! Why no node may run a service: what is in the way on each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::at;
use super::placement::{NodeFacts, actual, allows, architecture, constraints, eligible, fits, list, parts};

/// Bytes of a gibibyte.
const GIB: u64 = 1 << 30;
/// Bytes of a mebibyte.
const MIB: u64 = 1 << 20;
/// What the engine counts as one processor.
const CPU: u64 = 1_000_000_000;

/// What tasks of a node hold, as the scheduler counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Used {
    /// Reserved memory, bytes.
    memory: u64,
    /// Reserved processors, billionths.
    nano_cpus: u64,
    /// Host-mode ports such as `8080/tcp`, and the service that has each.
    ports: BTreeMap<String, String>,
    /// Tasks of each service, by the service's id.
    tasks: BTreeMap<String, u64>,
}

/// Nodes, and what is used on each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    nodes: Vec<(NodeFacts, Used)>,
}

/// Why no node may run a task of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// In words; empty where nothing is found to be in the way.
    pub words: String,
    /// True where waiting cannot help: a label, a platform, the size of every node.
    pub lasting: bool,
}

/// What is in the way on one node.
struct Obstacle {
    /// In words: `has 23.5 GiB of memory, 64 GiB are needed`.
    words: String,
    lasting: bool,
}

impl Cluster {
    /// Reads raw nodes, services and tasks.
    #[must_use]
    pub fn read(nodes: &[Value], services: &[&Value], tasks: &[Value]) -> Self {
        let mut used: BTreeMap<&str, Used> = BTreeMap::new();
        let by_id: BTreeMap<&str, &Value> =
            services.iter().filter_map(|service| Some((at(service, "/ID").as_str()?, *service))).collect();
        for task in tasks.iter().filter(|task| holds(task)) {
            let text = |key| at(task, key).as_str().unwrap_or_default();
            let node = used.entry(text("/NodeID")).or_default();
            let reserved = |key: &str| {
                at(task, &format!("/Spec/Resources/Reservations/{key}")).as_u64().unwrap_or_default()
            };
            node.memory = node.memory.saturating_add(reserved("MemoryBytes"));
            node.nano_cpus = node.nano_cpus.saturating_add(reserved("NanoCPUs"));
            *node.tasks.entry(text("/ServiceID").to_owned()).or_default() += 1;
            if let Some(service) = by_id.get(text("/ServiceID")) {
                let name = at(service, "/Spec/Name").as_str().unwrap_or_default();
                node.ports.extend(host_ports(service).map(|port| (port, name.to_owned())));
            }
        }
        let nodes = nodes.iter().map(NodeFacts::read);
        Self {
            nodes: nodes
                .map(|node| {
                    let used = used.remove(node.id.as_str()).unwrap_or_default();
                    (node, used)
                })
                .collect(),
        }
    }

    /// True when some node may run the service (raw), apart from what others use on it.
    #[must_use]
    pub fn has_place_for(&self, service: &Value) -> bool {
        self.nodes.iter().any(|(node, _)| eligible(node, service))
    }

    /// What keeps a task of the service (raw) from every node, named with the nodes and what they have.
    #[must_use]
    pub fn misfit(&self, service: &Value) -> Misfit {
        let found: Vec<(&NodeFacts, Vec<Obstacle>)> =
            self.nodes.iter().map(|(node, used)| (node, obstacles(node, used, service))).collect();
        // One that is free is a node which the scheduler has not looked at yet, or lacks something not known here.
        if found.iter().any(|(_, obstacles)| obstacles.is_empty()) {
            return Misfit { words: String::new(), lasting: false };
        }
        let lasting =
            !found.is_empty() && found.iter().all(|(_, all)| all.iter().any(|obstacle| obstacle.lasting));
        let nobody = constraints(service).find(|one| found.iter().all(|(node, _)| !allows(node, one)));
        if let Some(words) = nobody.and_then(|constraint| self.nobody_has(constraint)) {
            return Misfit { words, lasting };
        }
        let each = found.iter().map(|(node, all)| {
            let words: Vec<&str> = all.iter().map(|obstacle| obstacle.words.as_str()).collect();
            format!("node {} {}", node.called(), words.join(" and "))
        });
        Misfit { words: each.collect::<Vec<_>>().join("; "), lasting }
    }

    /// `no node has label zone=b; nodes: n1 (zone=a), n2 (no zone)`.
    fn nobody_has(&self, constraint: &str) -> Option<String> {
        let (key, equal, value) = parts(constraint)?;
        let short =
            key.rsplit_once("labels.").map_or_else(|| key.trim_start_matches("node."), |(_, name)| name);
        let kind = if key.contains("labels.") { "label " } else { "" };
        let nodes = self.nodes.iter().map(|(node, _)| {
            let has = actual(node, key).filter(|has| !has.is_empty());
            let has = has.map_or_else(|| format!("no {short}"), |has| format!("{short}={has}"));
            format!("{} ({has})", node.called())
        });
        let nodes = nodes.collect::<Vec<_>>().join(", ");
        let has = if equal { "no node has" } else { "every node has" };
        Some(format!("{has} {kind}{short}={value}; nodes: {nodes}"))
    }
}

/// True for a task that holds its place on a node.
fn holds(task: &Value) -> bool {
    let state = at(task, "/Status/State").as_str().unwrap_or_default();
    let ended = matches!(state, "complete" | "shutdown" | "failed" | "rejected" | "remove" | "orphaned");
    !ended && at(task, "/NodeID").as_str().is_some_and(|node| !node.is_empty())
}

/// Host-mode ports of a service (raw): `8080/tcp`.
fn host_ports(service: &Value) -> impl Iterator<Item = String> + use<'_> {
    list(service, "/Spec/EndpointSpec/Ports").filter_map(|port| {
        let number = at(port, "/PublishedPort").as_u64().filter(|number| *number > 0)?;
        let protocol = at(port, "/Protocol").as_str().unwrap_or("tcp");
        (at(port, "/PublishMode") == "host").then(|| format!("{number}/{protocol}"))
    })
}

/// Everything that keeps a task of the service (raw) from the node.
fn obstacles(node: &NodeFacts, used: &Used, service: &Value) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if !node.is_ready() {
        let state = if node.state == "ready" { &node.availability } else { &node.state };
        found.push(Obstacle { words: format!("is not available ({state})"), lasting: false });
    }
    for constraint in constraints(service).filter(|constraint| !allows(node, constraint)) {
        let (key, ..) = parts(constraint).unwrap_or_default();
        let has = actual(node, key).unwrap_or_default();
        let has = if has.is_empty() { "nothing".to_owned() } else { format!("`{has}`") };
        found.push(Obstacle { words: format!("has {has} where `{constraint}` is asked for"), lasting: true });
    }
    if !fits(node, service) {
        let asked: Vec<String> =
            list(service, "/Spec/TaskTemplate/Placement/Platforms").map(platform).collect();
        let words = format!("is {}/{}, the image is for {}", node.os, node.arch, asked.join(", "));
        found.push(Obstacle { words, lasting: true });
    }
    let asked = |key: &str| {
        let path = format!("/Spec/TaskTemplate/Resources/Reservations/{key}");
        at(service, &path).as_u64().unwrap_or_default()
    };
    found.extend(short(asked("MemoryBytes"), node.memory, used.memory, &bytes));
    found.extend(short(asked("NanoCPUs"), node.nano_cpus, used.nano_cpus, &cpus));
    for port in host_ports(service) {
        if let Some(holder) = used.ports.get(&port) {
            let words = format!("has its host port {port} in use by service `{holder}`");
            found.push(Obstacle { words, lasting: false });
        }
    }
    let most = at(service, "/Spec/TaskTemplate/Placement/MaxReplicas").as_u64().filter(|most| *most > 0);
    let here = used.tasks.get(at(service, "/ID").as_str().unwrap_or_default()).copied().unwrap_or_default();
    if let Some(most) = most.filter(|most| here >= *most) {
        let words = format!("runs {here} of at most {most} replicas for one node");
        found.push(Obstacle { words, lasting: false });
    }
    found
}

fn platform(platform: &Value) -> String {
    let part = |key| at(platform, key).as_str().filter(|part| !part.is_empty()).unwrap_or("any");
    format!("{}/{}", part("/OS"), architecture(part("/Architecture")))
}

/// A resource of which a node has too little: altogether, or beside what is reserved already.
fn short(asked: u64, has: u64, used: u64, words: &dyn Fn(u64) -> String) -> Option<Obstacle> {
    if asked > has {
        let words = format!("has {}, {} are needed", words(has), words(asked));
        return Some(Obstacle { words, lasting: true });
    }
    let left = has.saturating_sub(used);
    (asked > left).then(|| {
        let words = format!(
            "has {} of its {} left, {} are needed (the rest is reserved by other tasks)",
            words(left),
            words(has),
            words(asked)
        );
        Obstacle { words, lasting: false }
    })
}

fn bytes(number: u64) -> String {
    let (unit, name) = if number >= GIB { (GIB, "GiB") } else { (MIB, "MiB") };
    format!("{} {name} of memory", decimal(number, unit))
}

fn cpus(number: u64) -> String {
    format!("{} CPUs", decimal(number, CPU))
}

/// A number of units with one decimal, which is left out when it is 0.
fn decimal(number: u64, unit: u64) -> String {
    let tenths = u128::from(number) * 10 / u128::from(unit);
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster(tasks: &[Value]) -> Cluster {
        let node = |id: &str, zone: &Value| {
            json!({
                "ID": id,
                "Spec": {"Role": "manager", "Availability": "active", "Labels": zone},
                "Status": {"State": "ready"},
                "Description": {
                    "Hostname": id,
                    "Platform": {"OS": "linux", "Architecture": "x86_64"},
                    "Resources": {"MemoryBytes": 25_232_932_864_u64, "NanoCPUs": 2_000_000_000_u64},
                },
            })
        };
        let other = json!({"ID": "o", "Spec": {"Name": "other_app", "EndpointSpec": {"Ports": [
            {"PublishedPort": 8080, "Protocol": "tcp", "PublishMode": "host"}]}}});
        Cluster::read(&[node("n1", &json!({"zone": "a"})), node("n2", &json!({}))], &[&other], tasks)
    }

    /// A task of the other service on a node, with 20 GiB reserved.
    fn taken(node: &str, state: &str) -> Value {
        json!({"ServiceID": "o", "NodeID": node, "Status": {"State": state},
            "Spec": {"Resources": {"Reservations": {"MemoryBytes": 20 * GIB}}}})
    }

    fn told(cluster: &Cluster, task: &Value, ports: &Value) -> (String, bool) {
        let service = json!({"ID": "s", "Spec": {"TaskTemplate": task, "EndpointSpec": {"Ports": ports}}});
        let misfit = cluster.misfit(&service);
        (misfit.words, misfit.lasting)
    }

    #[test]
    fn what_every_node_lacks_is_named_with_what_each_has() {
        let placed = |constraint: &str| json!({"Placement": {"Constraints": [constraint]}});
        let empty = cluster(&[]);
        for (task, words) in [
            (placed("node.labels.zone==b"), "no node has label zone=b; nodes: n1 (zone=a), n2 (no zone)"),
            (
                placed("node.role == worker"),
                "no node has role=worker; nodes: n1 (role=manager), n2 (role=manager)",
            ),
            (
                placed("node.role != manager"),
                "every node has role=manager; nodes: n1 (role=manager), n2 (role=manager)",
            ),
            (
                json!({"Placement": {"Platforms": [{"OS": "linux", "Architecture": "aarch64"}]}}),
                "node n1 is linux/amd64, the image is for linux/arm64; node n2 is linux/amd64, the image is for linux/arm64",
            ),
            (
                json!({"Resources": {"Reservations": {"MemoryBytes": 64 * GIB}}}),
                "node n1 has 23.5 GiB of memory, 64 GiB of memory are needed; node n2 has 23.5 GiB of memory, 64 GiB of memory are needed",
            ),
            (
                json!({"Placement": {"Constraints": ["node.labels.zone==a"]},
                    "Resources": {"Reservations": {"NanoCPUs": 2_500_000_000_u64}}}),
                "node n1 has 2 CPUs, 2.5 CPUs are needed; node n2 has nothing where `node.labels.zone==a` is asked for and has 2 CPUs, 2.5 CPUs are needed",
            ),
        ] {
            assert_eq!(told(&empty, &task, &json!([])), (words.to_owned(), true), "{task}");
        }
    }

    #[test]
    fn what_others_hold_may_become_free() {
        let port = json!([{"PublishedPort": 8080, "Protocol": "tcp", "PublishMode": "host"}]);
        let full = cluster(&[taken("n1", "running"), taken("n2", "running")]);
        let (words, lasting) = told(&full, &json!({}), &port);
        assert_eq!(
            (words.split("; ").next().unwrap(), lasting),
            ("node n1 has its host port 8080/tcp in use by service `other_app`", false)
        );
        let memory = json!({"Resources": {"Reservations": {"MemoryBytes": 4 * GIB}}});
        let (words, lasting) = told(&full, &memory, &json!([]));
        assert!(
            words.starts_with("node n1 has 3.5 GiB of memory of its 23.5 GiB of memory left") && !lasting,
            "{words}"
        );
        // One that ended holds nothing; one free node is enough.
        for tasks in [
            [taken("n1", "failed"), taken("n2", "shutdown")],
            [taken("n1", "running"), taken("n1", "running")],
        ] {
            assert_eq!(told(&cluster(&tasks), &memory, &port), (String::new(), false));
        }
    }
}
