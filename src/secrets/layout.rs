//! `stores` of `.sops.yaml`: how far nested lines are moved to the right in what is written.

use super::error::SecretError;
use super::store::{self, Indent};
use super::tree::Node;
use crate::manifest::SecretFormat;

/// No line is moved further at once.
const FURTHEST: u8 = 100;

/// Indentation for each form as `.sops.yaml` gives it: blanks, in JSON -1 for a tab, in YAML 0 for sops's own four.
/// Without a configuration sops writes tabs into JSON. Dotenv and INI files have no nested lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    yaml: i64,
    json: i64,
    json_binary: i64,
}

impl Default for Layout {
    fn default() -> Self {
        Self { yaml: 0, json: -1, json_binary: -1 }
    }
}

impl Layout {
    /// Reads `stores` of a `.sops.yaml`.
    ///
    /// # Errors
    /// Text that is not understood; an indentation that is no number.
    pub fn read(config: &[u8]) -> Result<Self, SecretError> {
        let mut read = store::read(SecretFormat::Yaml, config)?;
        let root = Node::Map(if read.documents.is_empty() { Vec::new() } else { read.documents.remove(0) });
        let indent = |name: &str, default: i64| {
            let found =
                root.get("stores").and_then(|stores| stores.get(name)).and_then(|own| own.get("indent"));
            let Some(word) = found.and_then(Node::word) else { return Ok(default) };
            let wrong = || SecretError::Config(format!("`stores.{name}.indent` is no whole number"));
            word.parse().map_err(|_| wrong())
        };
        let default = Self::default();
        Ok(Self {
            yaml: indent("yaml", default.yaml)?,
            json: indent("json", default.json)?,
            json_binary: indent("json_binary", default.json_binary)?,
        })
    }

    /// The same number for every form, as sops takes it from `--indent`.
    #[must_use]
    pub const fn all(indent: i64) -> Self {
        Self { yaml: indent, json: indent, json_binary: indent }
    }

    /// Fails, as sops does, only when a file of the form is written.
    pub(super) fn of(self, format: SecretFormat) -> Result<Indent, SecretError> {
        let (name, number, default) = match format {
            SecretFormat::Yaml => ("yaml", self.yaml, 0),
            SecretFormat::Json => ("json", self.json, -1),
            SecretFormat::Binary => ("json_binary", self.json_binary, -1),
            SecretFormat::Dotenv | SecretFormat::Ini => return Ok(Indent::Default),
        };
        match u8::try_from(number) {
            _ if number == default => Ok(Indent::Default),
            Ok(count @ ..=FURTHEST) => Ok(Indent::Blanks(count)),
            _ => Err(SecretError::Config(format!(
                "the indentation (`stores.{name}.indent` or `--indent`) is {number}, and must be between {default} and {FURTHEST}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indentations_are_read_as_sops_reads_them_and_refused_when_they_are_used() {
        let layout = |text: &str| Layout::read(text.as_bytes());
        assert_eq!(layout("creation_rules: []\n"), Ok(Layout::default()));
        let set =
            layout("stores:\n  yaml:\n    indent: 2\n  json: {indent: 0}\n  json_binary: {indent: 3}\n");
        let set = set.expect("a layout");
        assert_eq!(set.of(SecretFormat::Yaml), Ok(Indent::Blanks(2)));
        assert_eq!(set.of(SecretFormat::Json), Ok(Indent::Blanks(0)));
        assert_eq!(set.of(SecretFormat::Binary), Ok(Indent::Blanks(3)));
        let tabs = layout("stores: {json: {indent: -1}, yaml: {indent: 0}}\n").expect("a layout");
        assert_eq!(
            (tabs.of(SecretFormat::Json), tabs.of(SecretFormat::Yaml)),
            (Ok(Indent::Default), Ok(Indent::Default))
        );
        let odd = layout("stores: {json: {indent: -2}, yaml: {indent: -1}, json_binary: {indent: 5000}}\n");
        for format in [SecretFormat::Json, SecretFormat::Yaml, SecretFormat::Binary] {
            assert!(odd.as_ref().is_ok_and(|odd| odd.of(format).is_err()), "{format:?}");
        }
        assert!(layout("stores: {yaml: {indent: wide}}\n").is_err());
    }
}
