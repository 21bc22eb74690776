//! Ports that services open on nodes, and where files say so: what two stacks may both want.

use std::collections::BTreeMap;

use crate::source::{Problem, Source, Span};

use super::model::{File, Port, Service};
use super::place::Log;

/// A port that a service opens on nodes of the swarm.
#[derive(Clone, Debug)]
pub struct Published {
    /// The stack's name.
    pub stack: String,
    /// The service's full name.
    pub service: String,
    /// Its number, from 1.
    pub port: u64,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// True when only nodes that run a task open it; false when every node does.
    pub host: bool,
    /// True when every node that fits runs a task.
    pub global: bool,
    /// Which nodes fit, sorted.
    pub constraints: Vec<String>,
    /// The file that says so.
    pub source: Source,
    /// Where in that file.
    pub span: Span,
}

/// The published ports of a stack.
pub(super) fn of(stack: &str, file: &File, log: &Log) -> Vec<Published> {
    let services = file.services.iter();
    services.flat_map(|(key, service)| of_service((stack, key), service, log)).collect()
}

fn of_service((stack, key): (&str, &str), service: &Service, log: &Log) -> Vec<Published> {
    let mut constraints: Vec<String> =
        service.deploy.constraints.iter().map(|at| at.value.replace(' ', "")).collect();
    constraints.sort();
    let global = service.deploy.mode.as_ref().is_some_and(|mode| mode.value.starts_with("global"));
    let ports = service.ports.iter().filter(|at| at.value.published > 0);
    ports
        .map(|at| Published {
            stack: stack.to_owned(),
            service: format!("{stack}_{key}"),
            port: at.value.published.into(),
            protocol: protocol(&at.value).to_owned(),
            host: at.value.mode.as_deref() == Some("host"),
            global,
            constraints: constraints.clone(),
            source: log.at(at.place),
            span: at.place.span,
        })
        .collect()
}

/// The protocol of a port; what does not say is TCP.
pub(super) fn protocol(port: &Port) -> &str {
    port.protocol.as_deref().filter(|word| !word.is_empty()).unwrap_or("tcp")
}

/// Ports that two services want: errors where the engine refuses the second one or a node cannot have both, warnings
/// where it depends on the nodes. What the engine refuses within one stack is left to the stack's own check.
#[must_use]
pub fn clashes(ports: &[Published]) -> Vec<Problem> {
    let mut groups: BTreeMap<(u64, &str), Vec<&Published>> = BTreeMap::new();
    for port in ports {
        groups.entry((port.port, &port.protocol)).or_default().push(port);
    }
    let mut problems = Vec::new();
    for group in groups.values() {
        let ingress = group.iter().find(|port| !port.host);
        let Some(first) = ingress.or(group.first()) else { continue };
        let others = group.iter().filter(|port| !std::ptr::eq(**port, *first));
        problems.extend(others.filter_map(|port| clash(first, port)));
    }
    problems
}

fn clash(first: &Published, port: &Published) -> Option<Problem> {
    if first.service == port.service || (!(first.host && port.host) && first.stack == port.stack) {
        return None;
    }
    let (line, column) = first.source.line_column(first.span.start);
    let message = format!(
        "port {}/{} of `{}` is taken by `{}` ({}:{line}:{column})",
        port.port, port.protocol, port.service, first.service, first.source.name
    );
    let problem = port.source.problem(port.span, message);
    if !first.host {
        return Some(problem.fix("publish another port: an ingress port is open on every node"));
    }
    if first.constraints != port.constraints {
        return None;
    }
    if first.global || port.global {
        return Some(
            problem.fix("publish another port, or keep the services on different nodes by constraints"),
        );
    }
    Some(problem.fix("publish another port, unless there are nodes enough for both").warning())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Severity;

    fn port(service: &str, host: bool) -> Published {
        let (stack, _) = service.rsplit_once('_').unwrap();
        Published {
            stack: stack.to_owned(),
            service: service.to_owned(),
            port: 80,
            protocol: "tcp".to_owned(),
            host,
            global: false,
            constraints: Vec::new(),
            source: Source::new("compose.yml", "x\ny"),
            span: Span { start: 2, end: 3 },
        }
    }

    fn judged(ports: &[Published]) -> Vec<(Severity, String)> {
        clashes(ports).into_iter().map(|problem| (problem.severity, problem.message)).collect()
    }

    #[test]
    fn two_stacks_cannot_open_one_port_on_every_node() {
        let text = "port 80/tcp of `b_x` is taken by `a_x` (compose.yml:2:1)";
        for host in [true, false] {
            let found = judged(&[port("a_x", false), port("b_x", host)]);
            assert_eq!(found, [(Severity::Error, text.to_owned())]);
        }
        assert_eq!(judged(&[port("b_x", true), port("a_x", false)]), [(Severity::Error, text.to_owned())]);
        // Names of stacks may hold what stands between them and their services.
        assert_eq!(judged(&[port("a_b_x", false), port("a_c_x", false)]).len(), 1);
    }

    #[test]
    fn host_ports_clash_where_the_services_share_every_node() {
        let global = |service| Published { global: true, ..port(service, true) };
        let pinned =
            |service| Published { constraints: vec!["node.role==manager".to_owned()], ..port(service, true) };
        let severities =
            |ports: &[Published]| judged(ports).into_iter().map(|found| found.0).collect::<Vec<_>>();
        assert_eq!(severities(&[global("a_x"), port("b_x", true)]), [Severity::Error]);
        assert_eq!(severities(&[port("a_x", true), port("b_x", true)]), [Severity::Warning]);
        assert_eq!(severities(&[pinned("a_x"), port("b_x", true)]), []);
    }

    #[test]
    fn other_ports_and_one_service_are_left_alone() {
        let udp = Published { protocol: "udp".to_owned(), ..port("b_x", false) };
        let other = Published { port: 81, ..port("b_x", false) };
        assert!(
            clashes(&[port("a_x", false), udp, other, port("a_x", false), port("a_y", false)]).is_empty()
        );
    }
}
