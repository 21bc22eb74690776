//! Addresses: the one spelling of each thing Holdfast owns.
//!
//! `swarm`, `network.proxy`, `stack.web/service.app`, `gate.web_https`. An address keys plan text,
//! `--only`, the report, JUnit and the ownership record. A name outside `[A-Za-z0-9_-]` is JSON-quoted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kind of a part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The swarm itself (no name).
    Swarm,
    /// A node of the swarm.
    Node,
    /// An overlay network of the manifest.
    Network,
    /// An image of the manifest.
    Image,
    /// A secret of the manifest, or (inside a stack) a Swarm secret.
    Secret,
    /// A rendered template of the manifest.
    Template,
    /// The installed generation of files under the run folder (no name).
    Files,
    /// The same for files that are needed before users are made (no name).
    UserFiles,
    /// A link to an installed file, by its path.
    Link,
    /// A unit of systemd.
    Unit,
    /// A stack.
    Stack,
    /// A service of a stack.
    Service,
    /// A Swarm config of a stack.
    Config,
    /// A volume of a stack.
    Volume,
    /// A generated file, by path below `<run>/generated`.
    File,
    /// The record of what is ours (no name).
    Ownership,
    /// A forge: `gitea`, `drone`.
    Forge,
    /// A user of a forge.
    User,
    /// An organisation of a forge.
    Organisation,
    /// A repository of a forge, by `OWNER/NAME`.
    Repository,
    /// Somebody's access to a repository, by `OWNER/NAME/USER`.
    Collaborator,
    /// A webhook of a forge.
    Hook,
    /// An access token of a forge.
    Token,
    /// An OAuth application of a forge.
    OauthApplication,
    /// The sign-in of one forge at another (no name).
    SignIn,
    /// A clock that starts builds, by `OWNER/NAME/CLOCK`.
    Cron,
    /// A gate.
    Gate,
}

impl Kind {
    /// Every kind, in plan order.
    pub const ALL: [Self; 27] = [
        Self::Swarm,
        Self::Node,
        Self::Ownership,
        Self::Files,
        Self::UserFiles,
        Self::File,
        Self::Link,
        Self::Unit,
        Self::Template,
        Self::Image,
        Self::Network,
        Self::Secret,
        Self::Config,
        Self::Volume,
        Self::Stack,
        Self::Service,
        Self::Forge,
        Self::User,
        Self::Organisation,
        Self::Repository,
        Self::Collaborator,
        Self::Hook,
        Self::Token,
        Self::OauthApplication,
        Self::SignIn,
        Self::Cron,
        Self::Gate,
    ];

    /// The word that stands in an address.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Swarm => "swarm",
            Self::Node => "node",
            Self::Network => "network",
            Self::Image => "image",
            Self::Secret => "secret",
            Self::Template => "template",
            Self::File => "file",
            Self::Files => "files",
            Self::UserFiles => "user_files",
            Self::Link => "link",
            Self::Unit => "unit",
            Self::Stack => "stack",
            Self::Service => "service",
            Self::Config => "config",
            Self::Volume => "volume",
            Self::Ownership => "ownership",
            Self::Forge => "forge",
            Self::User => "user",
            Self::Organisation => "organisation",
            Self::Repository => "repository",
            Self::Collaborator => "collaborator",
            Self::Hook => "hook",
            Self::Token => "token",
            Self::OauthApplication => "oauth_application",
            Self::SignIn => "sign_in",
            Self::Cron => "cron",
            Self::Gate => "gate",
        }
    }

    /// True where there is only one of the kind, so that its address has no name.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(self, Self::Swarm | Self::Files | Self::UserFiles | Self::Ownership | Self::SignIn)
    }
}

/// One part of an address: a kind and, unless the kind is single, a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// What it is.
    pub kind: Kind,
    /// Which one; empty for single kinds.
    pub name: String,
}

/// The address of one thing: a part, or a stack or forge and a part inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The outer part.
    pub outer: Part,
    /// The part inside a stack or a forge.
    pub inner: Option<Part>,
}

impl Address {
    /// The address of the one thing of a single kind.
    #[must_use]
    pub const fn single(kind: Kind) -> Self {
        Self { outer: Part { kind, name: String::new() }, inner: None }
    }

    /// `kind.name`.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { outer: Part { kind, name: name.into() }, inner: None }
    }

    /// `stack.STACK/kind.name`.
    pub fn in_stack(stack: impl Into<String>, kind: Kind, name: impl Into<String>) -> Self {
        let outer = Part { kind: Kind::Stack, name: stack.into() };
        Self { outer, inner: Some(Part { kind, name: name.into() }) }
    }

    /// `forge.FORGE/kind.name`.
    pub fn in_forge(forge: impl Into<String>, kind: Kind, name: impl Into<String>) -> Self {
        let outer = Part { kind: Kind::Forge, name: forge.into() };
        Self { outer, inner: Some(Part { kind, name: name.into() }) }
    }

    /// The innermost part: what the address is of.
    #[must_use]
    pub fn leaf(&self) -> &Part {
        self.inner.as_ref().unwrap_or(&self.outer)
    }

    /// True when `self` is `other` or lies inside it: `stack.web` covers `stack.web/service.app`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self == other || (self.inner.is_none() && self.outer == other.outer)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        if self.kind.is_single() {
            return Ok(());
        }
        if is_bare(&self.name) { write!(f, ".{}", self.name) } else { write!(f, ".{}", quoted(&self.name)) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outer.fmt(f)?;
        self.inner.as_ref().map_or(Ok(()), |part| write!(f, "/{part}"))
    }
}

fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address ({reason}); addresses look like `stack.web` or `stack.web/service.app`")]
pub struct AddressError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| AddressError { text: text.to_owned(), reason };
        let (outer, rest) = parse_part(text).map_err(fail)?;
        if rest.is_empty() {
            return Ok(Self { outer, inner: None });
        }
        let inside = rest.strip_prefix('/').ok_or_else(|| fail("text after the name"))?;
        let (inner, rest) = parse_part(inside).map_err(fail)?;
        if !rest.is_empty() || !matches!(outer.kind, Kind::Stack | Kind::Forge) {
            return Err(fail("only a stack or a forge has things inside, and only one level"));
        }
        Ok(Self { outer, inner: Some(inner) })
    }
}

/// Reads `kind` or `kind.name` at the start of `text`; returns the part and what follows it.
fn parse_part(text: &str) -> Result<(Part, &str), &'static str> {
    let end = text.find(['.', '/']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or("unknown kind")?;
    if kind.is_single() {
        return Ok((Part { kind, name: String::new() }, rest));
    }
    let rest = rest.strip_prefix('.').ok_or("a name is missing")?;
    if rest.starts_with('"') {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        let name = values.next().and_then(Result::ok).ok_or("a quoted name does not end")?;
        let rest = rest.get(values.byte_offset()..).unwrap_or_default();
        return Ok((Part { kind, name }, rest));
    }
    let end = rest.find('/').unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if !is_bare(name) {
        return Err("a name outside [A-Za-z0-9_-] must be JSON-quoted");
    }
    Ok((Part { kind, name: name.to_owned() }, rest))
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "The address of one thing: `stack.web`, `stack.web/service.app`, `gate.web_https`.",
        })
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spells_as_the_reference_says() {
        assert_eq!(Address::single(Kind::Swarm).to_string(), "swarm");
        assert_eq!(Address::new(Kind::Network, "proxy").to_string(), "network.proxy");
        assert_eq!(Address::in_stack("web", Kind::Service, "app").to_string(), "stack.web/service.app");
        assert_eq!(Address::new(Kind::Image, "a b/c").to_string(), r#"image."a b/c""#);
    }

    #[test]
    fn a_stack_covers_what_is_inside_it_and_nothing_else() {
        let stack = Address::new(Kind::Stack, "web");
        assert!(stack.covers(&Address::in_stack("web", Kind::Service, "app")));
        assert!(!stack.covers(&Address::in_stack("web2", Kind::Service, "app")));
        assert!(!Address::in_stack("web", Kind::Service, "app").covers(&stack));
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in
            ["", "stack", "stack.", "stack.a b", "pod.x", "network.a/service.b", "swarm.x", "stack.a/b"]
        {
            assert!(text.parse::<Address>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn every_address_reads_back(stack in ".{1,20}", name in ".{1,20}", kind in 0_usize..27) {
            let inner = Part {
                kind: Kind::ALL[kind],
                name: if Kind::ALL[kind].is_single() { String::new() } else { name },
            };
            let address = Address { outer: Part { kind: Kind::Stack, name: stack }, inner: Some(inner) };
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }
}
