//! What other programs get into a Gitea with, and the secrets that keep what it makes of that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, Manifest, Password, Place};
use crate::address::{Address, Kind};

/// An access token. Gitea makes its value and tells it once; a secret with the generator `forge` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiteaToken {
    /// In whose name it acts.
    pub user: String,
    /// What it opens, in Gitea's words: `write:repository`. What may be written may be read too.
    pub scopes: Vec<String>,
}

/// An OAuth application. Gitea makes its client id and client secret; secrets with the generator `forge` keep them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiteaApplication {
    /// The user whose it is. The user's only application of this name: others with it are removed.
    pub owner: String,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// False where it cannot keep a secret.
    #[serde(default = "yes")]
    pub confidential: bool,
}

/// A bridge that counts the signed deliveries of other events than comments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attest {
    /// Where its status pages are: `http://127.0.0.1:8091`.
    pub status: String,
    /// What they ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Password>,
    /// How long it may take until a test delivery is counted; 20 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

const fn yes() -> bool {
    true
}

/// What scopes can be of; `read:` or `write:` stands before it.
pub const GITEA_SCOPES: [&str; 9] = [
    "activitypub",
    "admin",
    "issue",
    "misc",
    "notification",
    "organization",
    "package",
    "repository",
    "user",
];

/// A value that a forge makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromForge {
    /// Which: `gitea.tokens.NAME`, `gitea.oauth_applications.NAME.client_id` or `.client_secret`.
    pub of: String,
}

/// What a forge makes and tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Made<'o> {
    /// The value of an access token.
    Token(&'o str),
    /// The public name of an OAuth application.
    ClientId(&'o str),
    /// The secret of an OAuth application.
    ClientSecret(&'o str),
}

impl Made<'_> {
    /// The thing in the forge that it belongs to.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Token(name) => Address::in_forge("gitea", Kind::Token, *name),
            Self::ClientId(name) | Self::ClientSecret(name) => {
                Address::in_forge("gitea", Kind::OauthApplication, *name)
            }
        }
    }
}

impl FromForge {
    /// What it names; `None` for what no forge makes.
    #[must_use]
    pub fn made(&self) -> Option<Made<'_>> {
        let mut parts = self.of.split('.');
        let named = (parts.next()?, parts.next()?, parts.next()?, parts.next());
        let made = match named {
            ("gitea", "tokens", name, None) => Made::Token(name),
            ("gitea", "oauth_applications", name, Some("client_id")) => Made::ClientId(name),
            ("gitea", "oauth_applications", name, Some("client_secret")) => Made::ClientSecret(name),
            _ => return None,
        };
        parts.next().is_none().then_some(made)
    }
}

impl Manifest {
    /// Secrets whose values a forge makes, with what they keep.
    pub fn made_by_forge(&self) -> impl Iterator<Item = (&str, Made<'_>)> {
        self.secrets.iter().filter_map(|(name, secret)| {
            let generator = secret.generator.as_ref().filter(|generator| generator.place == Place::Host)?;
            Some((name.as_str(), generator.forge.as_ref()?.made()?))
        })
    }

    /// The secret that keeps a value.
    #[must_use]
    pub fn keeper(&self, made: Made<'_>) -> Option<&str> {
        self.made_by_forge().find(|(_, kept)| *kept == made).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_forge_makes_has_one_spelling() {
        let made = |of: &str| FromForge { of: of.to_owned() }.made().map(|made| made.address().to_string());
        let application = "forge.gitea/oauth_application.drone";
        assert_eq!(made("gitea.tokens.bridge").as_deref(), Some("forge.gitea/token.bridge"));
        assert_eq!(made("gitea.oauth_applications.drone.client_id").as_deref(), Some(application));
        assert_eq!(made("gitea.oauth_applications.drone.client_secret").as_deref(), Some(application));
        for wrong in [
            "",
            "gitea.tokens",
            "gitea.tokens.bridge.value",
            "gitea.oauth_applications.drone",
            "gitea.oauth_applications.drone.client_id.x",
            "gitea.users.bridge",
            "drone.tokens.bridge",
        ] {
            assert_eq!(made(wrong), None, "{wrong}");
        }
    }
}
