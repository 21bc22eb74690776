//! The reference page of the options.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::{libraries, value};
use crate::support::golden;

#[derive(Deserialize)]
struct Described {
    name: String,
    r#type: String,
    read_only: bool,
    description: String,
    #[serde(default, deserialize_with = "there")]
    default: Option<Value>,
    /// Where the default is computed: in words, or as an expression.
    default_text: Option<String>,
}

#[test]
fn the_page_of_options_says_what_the_modules_have() {
    for (name, lib) in libraries() {
        let list = value(&format!("import ./tests/nix/options.nix {{ lib = import {}; }}", lib.display()));
        let options: Vec<Described> = serde_json::from_str(&list).unwrap();
        assert!(options.len() >= 193, "{name}: only {} options", options.len());
        let mut page = HEAD.to_owned();
        for option in &options {
            write!(page, "\n## {}\n\n{}\n\nType: {}", option.name, option.description.trim(), option.r#type)
                .unwrap();
            page.push_str(if option.read_only { ", read only" } else { "" });
            match &option.default {
                _ if option.default_text.is_some() => {
                    write!(page, "; by default {}", option.default_text.as_deref().unwrap()).unwrap();
                }
                Some(Value::Null) => page.push_str("; left out by default"),
                Some(default) => write!(page, "; by default `{}`", nix(default)).unwrap(),
                None if option.read_only => {}
                None => page.push_str("; must be set"),
            }
            page.push_str(".\n");
        }
        golden::same_as("docs/reference/nixos-options.md", &page);
    }
}

const HEAD: &str = "# Options of the NixOS modules

Written by `make docs` from the modules themselves. Every field of the manifest is an option of the same name, made from
its [schema](manifest.schema.json); [manifest.md](manifest.md) says more of each. Beside them stand `enable`, `package`,
and, for secrets, the names that sops-nix has for the same things. What is left out here is left to the program.
";

/// A default in the words of Nix.
fn nix(value: &Value) -> String {
    match value {
        Value::Array(list) if list.is_empty() => "[ ]".to_owned(),
        Value::Array(list) => format!("[ {} ]", list.iter().map(nix).collect::<Vec<_>>().join(" ")),
        Value::Object(map) if map.is_empty() => "{ }".to_owned(),
        Value::Object(map) => {
            let fields = map.iter().map(|(name, value)| format!("{name} = {}; ", nix(value)));
            format!("{{ {}}}", fields.collect::<String>())
        }
        other => other.to_string(),
    }
}

/// A default of `null` is one.
fn there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
