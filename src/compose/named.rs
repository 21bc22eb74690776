//! Where files name objects that something else makes, and ports, for the day when one of them is missing or taken.

use crate::desired::StackSpec;

use super::model::{File, Text, is_true};
use super::place::{Log, Place};
use super::published::protocol;

/// Records the place of every external network and config, and of every published port.
pub(super) fn record(file: &File, out: &mut StackSpec, log: &Log) {
    let real = |key: &str, name: &Text| {
        let name = name.as_ref().map(|at| at.value.as_str()).filter(|name| !name.is_empty());
        name.unwrap_or(key).to_owned()
    };
    let text = |place: Place| {
        let source = log.at(place);
        let (line, column) = source.line_column(place.span.start);
        format!("{}:{line}:{column}", source.name)
    };
    for at in file.services.values().flat_map(|service| &service.ports) {
        if at.value.published > 0 {
            out.places.insert(format!("port.{}/{}", at.value.published, protocol(&at.value)), text(at.place));
        }
    }
    for (key, at) in file.networks.iter().filter(|(_, at)| is_true(&at.value.external)) {
        out.places.insert(format!("network.{}", real(key, &at.value.name)), text(at.place));
    }
    for (key, at) in file.configs.iter().filter(|(_, at)| is_true(&at.value.external)) {
        out.places.insert(format!("config.{}", real(key, &at.value.name)), text(at.place));
    }
}
