//! Several files → one, by docker's rules.
//!
//! Fields of a service merge one by one, lists are appended or keyed, entries of the other sections are replaced
//! whole. Where docker's rules lose what one of the files says (`read_only: false` does not override `true`,
//! two ports with one published number become one), the loss is an error at the place that would not take.

mod field;
mod service;

use std::collections::BTreeMap;

use super::model::{File, Network, Object, Volume};
use super::place::{At, Log};
use super::rules::Rule;

/// Merges files in their order.
pub(super) fn merge(files: Vec<File>, log: &mut Log) -> File {
    let mut files = files.into_iter();
    let mut base = files.next().unwrap_or_default();
    for file in files {
        for (key, over) in file.services {
            match base.services.get_mut(&key) {
                Some(service) => service::merge(service, over, log),
                None => {
                    base.services.insert(key, over);
                }
            }
        }
        replace("network", &mut base.networks, file.networks, network_fields, log);
        replace("volume", &mut base.volumes, file.volumes, volume_fields, log);
        replace("secret", &mut base.secrets, file.secrets, object_fields, log);
        replace("config", &mut base.configs, file.configs, object_fields, log);
    }
    base
}

/// The names of fields and whether they were written.
type Written = Vec<(&'static str, bool)>;

/// An entry of a later file replaces the whole entry; what it leaves out is lost.
fn replace<T>(
    kind: &str,
    base: &mut BTreeMap<String, At<T>>,
    over: BTreeMap<String, At<T>>,
    written: fn(&T) -> Written,
    log: &mut Log,
) {
    for (key, entry) in over {
        if let Some(before) = base.get(&key) {
            let pairs = written(&before.value).into_iter().zip(written(&entry.value));
            let lost: Vec<&str> = pairs.filter(|(old, new)| old.1 && !new.1).map(|(old, _)| old.0).collect();
            if !lost.is_empty() {
                let message = format!(
                    "this replaces the whole {kind} `{key}` of an earlier file and loses its {}",
                    lost.join(", ")
                );
                log.rule(
                    Rule::MergeReplaced,
                    entry.place,
                    message,
                    "repeat those fields here, or declare it in one file only",
                );
            }
        }
        base.insert(key, entry);
    }
}

fn network_fields(network: &Network) -> Written {
    vec![
        ("name", network.name.is_some()),
        ("driver", network.driver.is_some()),
        ("driver_opts", network.driver_opts.is_some()),
        ("ipam", network.ipam_driver.is_some() || !network.pools.is_empty()),
        ("external", network.external.is_some()),
        ("enable_ipv6", network.ipv6.is_some()),
        ("internal", network.internal.is_some()),
        ("attachable", network.attachable.is_some()),
        ("labels", !network.labels.is_empty()),
    ]
}

fn volume_fields(volume: &Volume) -> Written {
    vec![
        ("name", volume.name.is_some()),
        ("driver", volume.driver.is_some()),
        ("driver_opts", volume.driver_opts.is_some()),
        ("external", volume.external.is_some()),
        ("labels", !volume.labels.is_empty()),
    ]
}

fn object_fields(object: &Object) -> Written {
    vec![
        ("name", object.name.is_some()),
        ("file", object.file.is_some()),
        ("content", object.content.is_some()),
        ("external", object.external.is_some()),
        ("labels", !object.labels.is_empty()),
        ("template_driver", object.template_driver.is_some()),
    ]
}
