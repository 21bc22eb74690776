//! Secrets and templates: where a value comes from, and how the file of it is installed.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Generator;

/// A struct with fields of its own and, behind them, those of everything that is installed as a file. Flattening a
/// struct of those would end the refusal of unknown fields and the places in its messages.
macro_rules! with_file {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($own)*
            /// Owner by name or number.
            #[serde(default = "root")]
            pub owner: String,
            /// Group by name or number.
            #[serde(default = "root")]
            pub group: String,
            /// Octal mode.
            #[serde(default = "default_mode")]
            pub mode: String,
            /// An absolute path where a link to the installed file is made; the file itself is in the run folder.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub path: Option<PathBuf>,
            /// More absolute paths where such a link is made.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub symlinks: Vec<PathBuf>,
            /// Units of systemd that are restarted when content, owner, group, mode or a link changes, if they are active.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub restart_units: Vec<String>,
            /// Units of systemd that are reloaded then, or restarted where they cannot be reloaded.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub reload_units: Vec<String>,
            /// True when it is needed before users are made: it belongs to root and stands in `<paths.run>/secrets-for-users`.
            #[serde(default, skip_serializing_if = "is_false")]
            pub needed_for_users: bool,
            /// Services of systemd that may load it as a credential of its own name.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub credentials: Vec<String>,
            /// False when no file of it is installed: only Swarm secrets, templates and credentials carry it.
            #[serde(default = "yes", skip_serializing_if = "is_true")]
            pub install: bool,
        }
    };
}

with_file! {
    /// A secret in a sops file.
    pub struct Secret {
        /// The sops file.
        pub file: PathBuf,
        /// Its store; from the file's ending when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub format: Option<SecretFormat>,
        /// Path of the value, `a/b` for nested keys; the secret's own name when absent; `""` for the whole file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub key: Option<String>,
        /// How it is made where nobody has written it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub generator: Option<Generator>,
    }
}

impl Secret {
    /// Where the value of the secret of this name stands in its file; empty for a whole file.
    #[must_use]
    pub fn place<'s>(&'s self, name: &'s str) -> &'s str {
        self.key.as_deref().unwrap_or(name)
    }
}

with_file! {
    /// A file rendered from secrets: `{{ NAME }}` or `{{ NAME | json }}` (shell, env, url, base64, ini, raw).
    pub struct Template {
        /// The text.
        pub content: String,
    }
}

/// The sops stores that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretFormat {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// Lines of `KEY=value`; what a file ending in `.env` is taken for.
    Dotenv,
    /// INI; what a file ending in `.ini` is taken for.
    Ini,
    /// Any bytes; what any other file is taken for.
    Binary,
}

fn root() -> String {
    "root".to_owned()
}

fn default_mode() -> String {
    "0400".to_owned()
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_true(flag: &bool) -> bool {
    *flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
