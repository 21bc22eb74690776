//! `ports` of a service, short and long form.

use std::net::IpAddr;

use super::fields::{self, Fields};
use super::model::Port;
use super::place::{At, Log};
use super::rules::Rule;
use super::tree::{Kind, Tree};

/// Ports of a stack, at most: a range is short to write and long to keep.
const MOST_PORTS: usize = 65_535;

/// Every port of the list; a range becomes several.
pub(super) fn read(tree: &Tree, log: &mut Log) -> Vec<At<Port>> {
    let items = fields::list(tree, "ports", log);
    fields::refuse_repeated(items, "ports", log);
    let mut ports = Vec::new();
    for item in items {
        if log.ports > MOST_PORTS {
            break;
        }
        let before = ports.len();
        match &item.kind {
            Kind::Map(_) => ports.extend(long(item, log)),
            Kind::Int(value) => ports.extend(short(item, &value.to_string(), log)),
            Kind::Text { text, .. } => ports.extend(short(item, text, log)),
            _ => fields::wrong(item, "ports", "text such as `8080:80`, or a map", "quote it", log),
        }
        log.ports += ports.len() - before;
        if log.ports > MOST_PORTS {
            let message = format!("the stack publishes more than {MOST_PORTS} ports");
            log.rule(Rule::PortsMany, item.place, message, "publish fewer, or write shorter ranges");
        }
    }
    ports
}

fn short(item: &Tree, text: &str, log: &mut Log) -> Vec<At<Port>> {
    match parse(text) {
        Ok((address, ports)) => {
            if address.is_some_and(|address| !address.is_unspecified()) {
                log.rule(
                    Rule::PortAddress,
                    item.place,
                    format!("docker drops the address of `{text}`: a swarm listens on every address"),
                    "remove the address, and keep others out with a firewall",
                );
            }
            ports.into_iter().map(|port| At::new(port, item.place)).collect()
        }
        Err(reason) => {
            log.rule(
                Rule::PortInvalid,
                item.place,
                format!("the port `{text}` {reason}"),
                "write `PUBLISHED:TARGET` or `PUBLISHED:TARGET/udp`",
            );
            Vec::new()
        }
    }
}

/// `[ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]`, ports also as ranges.
fn parse(text: &str) -> Result<(Option<IpAddr>, Vec<Port>), &'static str> {
    let mut pieces = text.rsplitn(3, ':');
    let target = pieces.next().unwrap_or_default();
    let published = pieces.next().filter(|part| !part.is_empty());
    let address = match pieces.next().filter(|part| !part.is_empty()) {
        Some(part) => {
            let bare = part.strip_prefix('[').and_then(|part| part.strip_suffix(']')).unwrap_or(part);
            Some(bare.parse::<IpAddr>().map_err(|_| "has no valid address")?)
        }
        None => None,
    };
    let (target, protocol) = target.split_once('/').unwrap_or((target, "tcp"));
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err("has an unknown protocol");
    }
    let (first, last) = range(target).ok_or("has no valid target")?;
    let published = published.map(|part| range(part).ok_or("has no valid published port")).transpose()?;
    let one = |target: u16, published: u16| Port {
        name: None,
        mode: Some("ingress".to_owned()),
        target: u32::from(target),
        published: u32::from(published),
        protocol: Some(protocol.clone()),
    };
    let mut ports: Vec<Port> = match published {
        None => (first..=last).map(|target| one(target, 0)).collect(),
        // A range onto one target opens every port of the range.
        Some((from, to)) if first == last => (from..=to).map(|published| one(first, published)).collect(),
        Some((from, to)) if to - from == last - first => {
            (first..=last).zip(from..=to).map(|(target, published)| one(target, published)).collect()
        }
        Some(_) => return Err("has ranges of different lengths"),
    };
    // Docker sorts the pieces of a range by their text.
    ports.sort_by_key(|port| port.target.to_string());
    Ok((address, ports))
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { part.parse::<u16>().ok() } else { None }
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// The long form sends only what is written; docker adds no protocol and no mode.
fn long(item: &Tree, log: &mut Log) -> Option<At<Port>> {
    let mut fields = Fields::open(item, "port", log)?;
    let mode = fields.text("mode", log);
    let name = fields.modern("name", log).and_then(|tree| fields::text(tree, "name", log));
    if let Some(hint) = fields.modern("app_protocol", log) {
        let message = "`app_protocol` has no effect: nothing in a swarm looks at it";
        log.rule(Rule::KeyNoEffect, hint.place, message, "remove the line");
    }
    let protocol = fields.text("protocol", log);
    let mut number = |key: &'static str, log: &mut Log| -> Option<u32> {
        let count = fields.count(key, log)?;
        if count.value > 65_535 {
            log.rule(
                Rule::PortNumber,
                count.place,
                format!("`{key}` takes a port from 0 to 65535"),
                "write a port number",
            );
        }
        fields::low_bits(count.value)
    };
    let target = number("target", log);
    let published = number("published", log);
    if fields.value("target").is_none() {
        log.rule(
            Rule::PortNumber,
            item.place,
            "the port has no `target`",
            "add `target: PORT`, the port in the container",
        );
    }
    fields.finish(log);
    one_of(mode.as_ref(), "mode", &["ingress", "host"], log);
    one_of(protocol.as_ref(), "protocol", &["tcp", "udp", "sctp"], log);
    let port = Port {
        name: name.map(|at| at.value),
        mode: mode.map(|at| at.value),
        target: target.unwrap_or_default(),
        published: published.unwrap_or_default(),
        protocol: protocol.map(|at| at.value),
    };
    Some(At::new(port, item.place))
}

/// Refuses a word that the engine would refuse.
pub(super) fn one_of(text: Option<&At<String>>, what: &str, words: &[&str], log: &mut Log) {
    word(Rule::WordUnknown, text, what, words, log);
}

/// Refuses a word that is none of `words`, by the rule that says who does.
pub(super) fn word(rule: Rule, text: Option<&At<String>>, what: &str, words: &[&str], log: &mut Log) {
    let Some(text) = text else { return };
    if (text.value.is_empty() && rule != Rule::OrderUnknown) || words.contains(&text.value.as_str()) {
        return;
    }
    let fix = match super::refused::nearest(&text.value, words) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of: {}", words.join(", ")),
    };
    log.rule(rule, text.place, format!("`{what}` cannot be `{}`", text.value), fix);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(u32, u32)> {
        parse(text).unwrap().1.iter().map(|port| (port.published, port.target)).collect()
    }

    #[test]
    fn reads_short_ports_as_docker_does() {
        assert_eq!(pairs("80"), [(0, 80)]);
        assert_eq!(pairs(":80"), [(0, 80)]);
        assert_eq!(pairs("8080:80/udp"), [(8080, 80)]);
        assert_eq!(pairs("9000-9001:90"), [(9000, 90), (9001, 90)]);
        assert_eq!(pairs("9000-9001:90-91"), [(9000, 90), (9001, 91)]);
        assert_eq!(pairs("9-10"), [(0, 10), (0, 9)]);
        assert_eq!(pairs("[::]:80:80"), [(80, 80)]);
        for text in ["", "80:", "x:80", "80/foo", "9-8:80", "1-2:1-3", "1.2.3:80:80", "70000"] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
