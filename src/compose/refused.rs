//! Why a key is refused, and what to write instead.

use super::rules::Rule;
use super::tree::{Kind, Tree};

/// Maps in which a key may begin with `x-` and is then passed over.
pub(super) fn extensible(level: &str) -> bool {
    matches!(level, "compose file" | "service" | "network" | "volume" | "secret" | "config")
}

/// The minor version of the format that brought a key.
pub(super) fn since(level: &str, key: &str) -> Option<u8> {
    Some(match (level, key) {
        ("compose file" | "service", "secrets") => 1,
        ("compose file" | "service", "configs")
        | ("service", "credential_spec")
        | ("placement", "preferences") => 3,
        ("volume", "name")
        | ("update_config" | "rollback_config", "order")
        | ("healthcheck", "start_period") => 4,
        ("network" | "secret" | "config", "name")
        | ("service", "isolation")
        | ("reservations", "generic_resources") => 5,
        ("deploy", "rollback_config") | ("service", "init") => 7,
        ("placement", "max_replicas_per_node") | ("config", "template_driver") => 8,
        ("limits", "pids") => 9,
        ("healthcheck", "start_interval") => 12,
        ("service network", "driver_opts") => 13,
        _ => return None,
    })
}

/// Message and fix for a key that is not known at `level`.
pub(super) fn explain(level: &str, key: &str, known: &[&'static str]) -> (Rule, String, String) {
    let rule = rule(level, key);
    if let Some((reason, fix)) = special(level, key) {
        return (rule, format!("`{key}` {reason}"), fix.to_owned());
    }
    let message = format!("unknown key `{key}` in {}", article(level));
    if let Some(near) = nearest(key, known) {
        return (rule, message, format!("did you mean `{near}`?"));
    }
    let mut names = known.to_vec();
    names.sort_unstable();
    (rule, message, format!("known here: {}", names.join(", ")))
}

/// The rule that a key breaks which is not read at `level`.
fn rule(level: &str, key: &str) -> Rule {
    match (level, key) {
        (
            "service",
            "build" | "cgroupns_mode" | "cgroup_parent" | "devices" | "domainname" | "external_links" | "ipc"
            | "links" | "mac_address" | "network_mode" | "pid" | "privileged" | "security_opt" | "shm_size"
            | "userns_mode",
        ) => Rule::KeyUnsupported,
        ("service", "container_name" | "expose") => Rule::KeyDeprecated,
        ("service", "restart") => Rule::RestartUsed,
        ("service", "tmpfs" | "oom_score_adj")
        | ("service network", "ipv4_address" | "ipv6_address")
        | ("bind" | "volume options" | "tmpfs" | "service secret" | "service config", _) => Rule::KeyDropped,
        (
            "service",
            "extends" | "volume_driver" | "volumes_from" | "cpu_quota" | "cpu_shares" | "cpuset"
            | "mem_limit" | "memswap_limit",
        ) => Rule::KeyForbidden,
        ("secret", "driver" | "driver_opts" | "template_driver") => Rule::SecretDriver,
        _ => Rule::KeyUnknown,
    }
}

fn article(level: &str) -> String {
    match level {
        "service network" => "a network of a service".to_owned(),
        "dependency" => "an entry of `depends_on`".to_owned(),
        "compose file" | "service" | "network" | "volume" | "secret" | "config" | "port" | "mount" => {
            format!("a {level}")
        }
        _ => format!("`{level}`"),
    }
}

/// Keys that people do write, with the reason they cannot stand and the way out.
fn special(level: &str, key: &str) -> Option<(&'static str, &'static str)> {
    match level {
        "service" => of_service(key),
        "compose file" => Some(match key {
            "name" => (
                "is not known to docker stack",
                "the stack's name in the manifest is its name; remove the line",
            ),
            "include" => ("is not known to docker stack", "list the files in `compose` of the stack"),
            _ => return None,
        }),
        "port" => Some(match key {
            "name" | "app_protocol" => ("has no meaning in a swarm", "remove it"),
            "host_ip" => ("has no meaning in a swarm: ports open on every address", "remove it"),
            _ => return None,
        }),
        "bind" => Some(match key {
            "create_host_path" => {
                ("is dropped by docker stack", "create the folder on the host and remove the line")
            }
            "recursive" => ("is dropped by docker stack", "remove it: binds take what is mounted below"),
            "selinux" => ("is dropped by docker stack", "label the folder on the host and remove the line"),
            _ => return None,
        }),
        "network" if key == "enable_ipv4" => Some(("is not known to the engines of a swarm", "remove it")),
        "service network"
            if matches!(
                key,
                "priority" | "gw_priority" | "interface_name" | "link_local_ips" | "mac_address"
            ) =>
        {
            Some(("has no meaning in a swarm", "remove it"))
        }
        "mount" if key == "image" || key == "cluster" => {
            Some(("is not supported", "use `type: volume` or `type: bind`"))
        }
        "tmpfs" if key == "mode" => {
            Some(("is dropped by docker stack", "set the mode when the program starts"))
        }
        "service network" if matches!(key, "ipv4_address" | "ipv6_address") => Some((
            "is dropped by docker stack: a swarm assigns addresses",
            "use the service's name or an alias",
        )),
        "reservations" if key == "devices" => {
            Some(("is not known to docker stack", "use `generic_resources` and node labels"))
        }
        "network" if key == "enable_ipv6" => {
            Some(("is not known to docker stack", "declare the network in `networks` of the manifest"))
        }
        "ipam config" if matches!(key, "gateway" | "ip_range" | "aux_addresses") => {
            Some(("is not known to docker stack", "declare the network in `networks` of the manifest"))
        }
        "config" if matches!(key, "content" | "environment") => {
            Some(("is not known to docker stack", "write the content into a file and name it with `file`"))
        }
        "secret" if matches!(key, "content" | "environment") => Some((
            "would be plaintext",
            "declare the secret in `secrets` of the manifest and write `external: true`",
        )),
        "secret" if matches!(key, "driver" | "driver_opts" | "template_driver") => Some((
            "is not supported for secrets",
            "declare a secret or a template in the manifest and write `external: true`",
        )),
        _ => None,
    }
}

/// Keys of services that docker refuses, drops or only warns about.
fn of_service(key: &str) -> Option<(&'static str, &'static str)> {
    const LIMITS: &str = "set `deploy.resources`";
    const REMOVE: &str = "remove the line";
    Some(match key {
        "build" => ("cannot be done by a swarm", "build the image before, and name it with `image`"),
        "restart" => (
            "is reported as ignored by docker stack and used all the same",
            "write `deploy.restart_policy` with a `condition`",
        ),
        "container_name" => ("is dropped by docker stack: a swarm names its containers", REMOVE),
        "expose" => ("is dropped by docker stack: services on one network reach every port", REMOVE),
        "tmpfs" => ("is dropped by docker stack", "add `- {type: tmpfs, target: PATH}` to `volumes`"),
        "privileged" => ("is dropped by docker stack", "grant single capabilities with `cap_add`"),
        "network_mode" => ("is dropped by docker stack", "name an external network `host` in `networks`"),
        "links" | "external_links" => {
            ("is dropped by docker stack", "share a network and use service names or aliases")
        }
        "devices" => ("is dropped by docker stack", "bind-mount the device with `volumes`"),
        "security_opt" | "userns_mode" | "cgroup_parent" | "cgroupns_mode" | "ipc" | "pid" | "shm_size"
        | "mac_address" | "domainname" => ("is dropped by docker stack", REMOVE),
        "oom_score_adj" => ("is dropped by docker stack, and older engines do not know it", REMOVE),
        "extends" => {
            ("is refused by docker stack", "share fields with a YAML anchor, or a second file in `compose`")
        }
        "volume_driver" => ("is refused by docker stack", "set `driver` on the volume"),
        "volumes_from" => ("is refused by docker stack", "mount one named volume in both services"),
        "cpu_quota" | "cpu_shares" | "cpuset" | "mem_limit" | "memswap_limit" => {
            ("is refused by docker stack", LIMITS)
        }
        "cpus" | "mem_reservation" | "pids_limit" | "cpu_count" | "cpu_percent" | "cpu_period" => {
            ("is not known to docker stack", LIMITS)
        }
        "replicas" | "restart_policy" | "update_config" | "rollback_config" | "resources" | "placement"
        | "endpoint_mode" => ("stands below `deploy`", "move it there"),
        "scale" => ("is not known to docker stack", "set `deploy.replicas`"),
        "profiles" => ("is not known to docker stack", "leave the file with that service out of `compose`"),
        "platform" => (
            "is not known to docker stack",
            "add a `deploy.placement.constraints` line on `node.platform.arch`",
        ),
        "pull_policy" => ("is not known to docker stack", "images are pinned by digest; remove the line"),
        "gpus" => ("is not known to docker stack", "use `generic_resources`"),
        "group_add"
        | "runtime"
        | "storage_opt"
        | "develop"
        | "attach"
        | "annotations"
        | "label_file"
        | "models"
        | "provider"
        | "use_api_socket"
        | "cgroup"
        | "uts"
        | "blkio_config"
        | "oom_kill_disable"
        | "mem_swappiness"
        | "device_cgroup_rules"
        | "cpu_rt_period"
        | "cpu_rt_runtime"
        | "post_start"
        | "pre_stop" => ("is not known to docker stack", REMOVE),
        _ => return None,
    })
}

/// True when docker's schema takes the value of a key that it then drops.
pub(super) fn fits(level: &str, key: &str, value: &Kind, minor: u8) -> bool {
    let text = |kind: &Kind| matches!(kind, Kind::Text { .. });
    let distinct = |items: &[Tree]| {
        !items.iter().enumerate().any(|(at, item)| items.iter().skip(at + 1).any(|other| item == other))
    };
    let texts = |kind: &Kind| match kind {
        Kind::List(items) => items.iter().all(|item| text(&item.kind)) && distinct(items),
        _ => false,
    };
    match (level, key) {
        ("service", "cgroupns_mode") => minor >= 9 && text(value),
        ("service", "oom_score_adj") => minor >= 13 && matches!(value, Kind::Int(_)),
        ("service", "pid") => text(value) || *value == Kind::Null,
        ("service", "devices" | "external_links" | "links" | "security_opt") => texts(value),
        ("service", "tmpfs") => text(value) || texts(value),
        ("service", "expose") => match value {
            Kind::List(items) => {
                let fine = |item: &Tree| text(&item.kind) || matches!(item.kind, Kind::Int(_));
                items.iter().all(fine) && distinct(items)
            }
            _ => false,
        },
        ("service", "privileged") => match value {
            Kind::Bool(_) => true,
            Kind::Text { text, cast: true } => {
                let words = ["y", "yes", "true", "on", "n", "no", "false", "off"];
                words.contains(&text.to_lowercase().as_str())
            }
            _ => false,
        },
        ("service", "build") => match value {
            Kind::Map(fields) => fields.iter().all(|field| {
                matches!(field.key.as_str(), "context" | "dockerfile" | "network" | "target")
                    && text(&field.value.kind)
            }),
            _ => text(value),
        },
        ("service" | "service network", _) => text(value),
        _ => true,
    }
}

/// The known name nearest to `key`, when it is near enough to be a slip.
pub(super) fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let most = (key.chars().count() / 3).clamp(1, 3);
    let near = known.iter().map(|name| (distance(key, name), *name)).min()?;
    (near.0 <= most).then_some(near.1)
}

/// Edits between two words: insertions, deletions, replacements.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, from) in left.chars().enumerate() {
        let mut diagonal = at;
        let mut before = at + 1;
        let mut next = vec![before];
        for (to, above) in right.iter().zip(row.iter().skip(1)) {
            before = (diagonal + usize::from(from != *to)).min(above + 1).min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn suggests_a_slip_and_nothing_far() {
        assert_eq!(nearest("enviroment", &["environment", "image"]), Some("environment"));
        assert_eq!(nearest("zzz", &["environment", "image"]), None);
    }
}
