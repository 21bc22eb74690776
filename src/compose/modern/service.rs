//! One service.

use super::super::place::Log;
use super::super::rules::Rule;
use super::super::tree::{Field, Kind, Tree};
use super::values::{booleans, number_as_text, octal_text, pull_policy, text_as_number};
use super::{child, items, map, mounts, remove};

pub(super) fn translate(tree: &mut Tree, log: &mut Log) {
    for key in ["environment", "labels", "sysctls"] {
        if let Some(texts) = child(tree, key) {
            booleans(texts);
        }
    }
    for key in ["secrets", "configs"] {
        if let Some(references) = child(tree, key) {
            items(references, |item| {
                if let Some(mode) = child(item, "mode") {
                    octal_text(mode);
                }
            });
        }
    }
    if let Some(ports) = child(tree, "ports") {
        items(ports, |item| port(item, log));
    }
    if let Some(volumes) = child(tree, "volumes") {
        items(volumes, |item| mounts::long(item, log));
    }
    if let Some(hosts) = child(tree, "extra_hosts") {
        several_addresses(hosts);
    }
    if let Some(deploy) = child(tree, "deploy") {
        of_deploy(deploy);
    }
    let Kind::Map(fields) = &mut tree.kind else { return };
    // Nothing at all means the image's own.
    fields.retain(|field| {
        !(matches!(field.key.as_str(), "command" | "entrypoint") && field.value.kind == Kind::Null)
    });
    if let Some(field) = remove(fields, "pull_policy") {
        pull_policy(&field, log);
    }
    if let Some(field) = remove(fields, "scale") {
        scale(field, fields, log);
    }
    mounts::tmpfs(fields, log);
}

/// `published` as text. A range of it asks for any free port of the range, which nobody can give here.
fn port(item: &mut Tree, log: &mut Log) {
    let Some(published) = child(item, "published") else { return };
    if let Kind::Text { text, .. } = &published.kind
        && let Some((first, last)) = text.split_once('-')
        && first != last
    {
        log.rule(
            Rule::NewerSpelling,
            published.place,
            format!("`published: {text}` asks for any free port of a range, which a swarm cannot choose"),
            "write one port; for every port of the range write the short form `FIRST-LAST:TARGET`",
        );
        published.kind = Kind::Int(0);
        return;
    }
    text_as_number(published);
}

fn of_deploy(deploy: &mut Tree) {
    if let Some(labels) = child(deploy, "labels") {
        booleans(labels);
    }
    let Some(resources) = child(deploy, "resources") else { return };
    for level in ["limits", "reservations"] {
        let Some(level) = child(resources, level) else { continue };
        for key in ["cpus", "memory"] {
            if let Some(value) = child(level, key) {
                number_as_text(value);
            }
        }
    }
}

/// A host with several addresses becomes several hosts, in the order of their names.
fn several_addresses(hosts: &mut Tree) {
    let Kind::Map(fields) = &hosts.kind else { return };
    if !fields.iter().any(|field| matches!(field.value.kind, Kind::List(_))) {
        return;
    }
    let mut lines = Vec::new();
    for field in fields {
        let alone = [field.value.clone()];
        let addresses = if let Kind::List(items) = &field.value.kind { items.as_slice() } else { &alone };
        for address in addresses {
            let Kind::Text { text, .. } = &address.kind else { return };
            lines.push((field.key.clone(), text.clone(), address.place));
        }
    }
    lines.sort_by(|left, right| left.0.cmp(&right.0));
    let line = |(host, address, place)| Tree { place, kind: Kind::text(&format!("{host}={address}")) };
    hosts.kind = Kind::List(lines.into_iter().map(line).collect());
}

/// `scale` is `deploy.replicas` by an older name.
fn scale(field: Field, fields: &mut Vec<Field>, log: &mut Log) {
    let Some(deploy) = fields.iter_mut().find(|other| other.key == "deploy") else {
        let place = field.key_place;
        let value = map(place, vec![("replicas", field.value.kind)]);
        fields.push(Field { key: "deploy".to_owned(), key_place: place, value });
        return;
    };
    match child(&mut deploy.value, "replicas") {
        Some(replicas) if *replicas == field.value => {}
        Some(_) => {
            let message = "`scale` and `deploy.replicas` say different numbers";
            log.rule(Rule::NewerSpelling, field.value.place, message, "remove `scale`");
        }
        None => {
            let added = Field { key: "replicas".to_owned(), ..field };
            match &mut deploy.value.kind {
                Kind::Map(fields) => fields.push(added),
                _ => deploy.value = map(added.key_place, vec![("replicas", added.value.kind)]),
            }
        }
    }
}
