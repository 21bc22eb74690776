//! How a secret is made that nobody has written yet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FromForge, Password};

/// How a value is made: exactly one of the kinds `random`, `age_key`, `ssh_key`, `htpasswd`, `tls_self_signed`,
/// `hmac_key` and `forge`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// Random characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomText>,
    /// An age identity; its recipient is the public part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_key: Option<AgeKey>,
    /// An OpenSSH ed25519 private key; its public key is the public part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<SshKey>,
    /// A line `USER:HASH` with a bcrypt hash of another secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub htpasswd: Option<Htpasswd>,
    /// A private key (ECDSA P-256) and a certificate signed by itself, both PEM, in this order; the certificate is the
    /// public part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_self_signed: Option<TlsSelfSigned>,
    /// Random bytes, as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac_key: Option<HmacKey>,
    /// What a forge makes and tells, on the host only; known after `apply`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge: Option<FromForge>,
    /// Where it is made: `checkout` (by `secrets generate`) or `host` (by `apply` and `secrets install`).
    #[serde(default, rename = "where")]
    pub place: Place,
    /// After how many days it is made anew: by `secrets generate --renew`, or on the host by the next `apply` or
    /// `secrets install`. A certificate is due after two thirds of its days where this is absent; everything else never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_after_days: Option<u32>,
}

/// Where a value is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the checkout, into the sops file.
    #[default]
    Checkout,
    /// On the host, into its state folder.
    Host,
}

/// Random characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomText {
    /// How many, 1 to 4096.
    #[serde(default = "thirty_two")]
    pub length: u32,
    /// `alnum` (letters and digits), `hex`, `base64url`, or the characters themselves, at least two different ones.
    #[serde(default = "alnum")]
    pub charset: String,
}

const fn thirty_two() -> u32 {
    32
}

fn alnum() -> String {
    "alnum".to_owned()
}

impl RandomText {
    /// The characters to choose from, each once.
    #[must_use]
    pub fn characters(&self) -> Vec<char> {
        let lower = 'a'..='z';
        let alnum = || lower.clone().chain('A'..='Z').chain('0'..='9');
        let mut characters: Vec<char> = match self.charset.as_str() {
            "alnum" => alnum().collect(),
            "hex" => ('0'..='9').chain('a'..='f').collect(),
            "base64url" => alnum().chain(['-', '_']).collect(),
            literal => literal.chars().collect(),
        };
        characters.sort_unstable();
        characters.dedup();
        characters
    }
}

/// An age identity; nothing to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgeKey {}

/// An OpenSSH private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshKey {
    /// What stands behind the public key.
    #[serde(default)]
    pub comment: String,
}

/// A line of an htpasswd file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Htpasswd {
    /// The user, without a colon.
    pub user: String,
    /// The password: a secret of the manifest, of at most 72 bytes. A new one makes a new line.
    pub password: Password,
}

/// A certificate signed by its own key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSelfSigned {
    /// Names and addresses that it is for, at least one.
    pub names: Vec<String>,
    /// How many days it is valid, 1 to 36500.
    #[serde(default = "a_year")]
    pub days: u32,
}

const fn a_year() -> u32 {
    365
}

/// A key of random bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HmacKey {
    /// How many bits: a multiple of 8 from 128 to 4096.
    #[serde(default = "bits")]
    pub bits: u32,
}

const fn bits() -> u32 {
    256
}

/// The one kind of a generator.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'g> {
    /// Random characters.
    Random(&'g RandomText),
    /// An age identity.
    Age,
    /// An OpenSSH private key.
    Ssh(&'g SshKey),
    /// A line of an htpasswd file.
    Htpasswd(&'g Htpasswd),
    /// A key and its certificate.
    Tls(&'g TlsSelfSigned),
    /// A key of random bytes.
    Hmac(&'g HmacKey),
    /// What a forge makes.
    Forge(&'g FromForge),
}

impl Kind<'_> {
    /// The name of its field.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Random(_) => "random",
            Self::Age => "age_key",
            Self::Ssh(_) => "ssh_key",
            Self::Htpasswd(_) => "htpasswd",
            Self::Tls(_) => "tls_self_signed",
            Self::Hmac(_) => "hmac_key",
            Self::Forge(_) => "forge",
        }
    }
}

impl Generator {
    /// Every kind that is set; a checked manifest has exactly one.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind<'_>> {
        let kinds = [
            self.random.as_ref().map(Kind::Random),
            self.age_key.as_ref().map(|_| Kind::Age),
            self.ssh_key.as_ref().map(Kind::Ssh),
            self.htpasswd.as_ref().map(Kind::Htpasswd),
            self.tls_self_signed.as_ref().map(Kind::Tls),
            self.hmac_key.as_ref().map(Kind::Hmac),
            self.forge.as_ref().map(Kind::Forge),
        ];
        kinds.into_iter().flatten().collect()
    }

    /// The secret that it needs the value of.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.htpasswd.as_ref().map(|htpasswd| htpasswd.password.secret.as_str())
    }

    /// After how many days it is due to be made anew.
    #[must_use]
    pub fn due_after(&self) -> Option<u32> {
        let certificate = self.tls_self_signed.as_ref().map(|tls| tls.days - tls.days / 3);
        self.renew_after_days.or(certificate)
    }
}
