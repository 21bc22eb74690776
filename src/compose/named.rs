//! Where files name objects that something else makes, for the day when one of them is missing.

use crate::desired::StackSpec;

use super::model::{File, Text, is_true};
use super::place::{Log, Place};

/// Records the place of every external network and config that the stack uses.
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
    for (key, at) in file.networks.iter().filter(|(_, at)| is_true(&at.value.external)) {
        out.places.insert(format!("network.{}", real(key, &at.value.name)), text(at.place));
    }
    for (key, at) in file.configs.iter().filter(|(_, at)| is_true(&at.value.external)) {
        out.places.insert(format!("config.{}", real(key, &at.value.name)), text(at.place));
    }
}
