//! Recipients: who a data key is wrapped for, one armored age file each, as sops writes it.

use std::io::Write;

use age::armor::{ArmoredWriter, Format};

use super::error::SecretError;
use super::identity::{PluginRecipient, Plugins, plugin_of};
use super::metadata::Wrap;
use super::shamir;
use super::token::DataKey;

/// A recipient that a data key can be wrapped for.
pub(super) struct Recipient {
    text: String,
    key: Box<dyn age::Recipient + Send + Sync>,
}

impl Recipient {
    /// Reads a recipient as sops spells it: `age1...`, `ssh-ed25519 ...`, `ssh-rsa ...`, and `age1NAME1...`
    /// of a plugin.
    ///
    /// # Errors
    /// A kind that is not known, or text that is damaged; the text is public and is in the message.
    pub(super) fn parse(text: &str, plugins: &Plugins) -> Result<Self, SecretError> {
        let text = text.trim();
        let wrong =
            |reason: &str| SecretError::Recipient { recipient: text.to_owned(), reason: reason.to_owned() };
        let key: Box<dyn age::Recipient + Send + Sync> = if text.starts_with("ssh-") {
            Box::new(text.parse::<age::ssh::Recipient>().map_err(|error| wrong(ssh_fault(&error)))?)
        } else if text.starts_with("age1pq1") {
            return Err(wrong(
                "is a post-quantum one, which is not supported: use an `age1...` recipient beside it",
            ));
        } else if text.starts_with("age1tag1") {
            Box::new(text.parse::<age::tag::Recipient>().map_err(|_| wrong("is damaged"))?)
        } else if plugin_of(text).is_some() {
            Box::new(PluginRecipient::parse(text, plugins).ok_or_else(|| wrong("is damaged"))?)
        } else {
            Box::new(text.parse::<age::x25519::Recipient>().map_err(|_| wrong("is no age or SSH recipient"))?)
        };
        Ok(Self { text: text.to_owned(), key })
    }

    /// Wraps a data key, or a share of one.
    fn wrap(&self, plain: &[u8]) -> Result<Wrap, SecretError> {
        let failed = |reason: String| SecretError::Recipient { recipient: self.text.clone(), reason };
        let recipient: &dyn age::Recipient = self.key.as_ref();
        let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient))
            .map_err(|error| failed(format!("takes no data key: {error}")))?;
        let written = || -> std::io::Result<Vec<u8>> {
            let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
            let mut writer = encryptor.wrap_output(armored)?;
            writer.write_all(plain)?;
            writer.finish()?.finish()
        };
        let enc = written().ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let enc = enc.ok_or_else(|| failed("takes no data key".to_owned()))?;
        Ok(Wrap { recipient: self.text.clone(), enc: Some(enc) })
    }
}

/// Wraps a data key for every recipient of every group. One group: each recipient gets the whole key. Several: each
/// group gets a Shamir share, and `threshold` of them give the key (0: all of them).
///
/// # Errors
/// No recipient at all, a group without one, numbers that cannot be, a recipient that takes no key.
pub(super) fn wrap(
    groups: &[Vec<Recipient>],
    threshold: usize,
    key: &DataKey,
) -> Result<Vec<Vec<Wrap>>, SecretError> {
    if groups.is_empty() || groups.iter().any(Vec::is_empty) {
        return Err(SecretError::Metadata("a key group without a recipient could never answer".to_owned()));
    }
    if let [only] = groups {
        return Ok(vec![
            only.iter().map(|recipient| recipient.wrap(key.expose())).collect::<Result<_, _>>()?,
        ]);
    }
    let threshold = if threshold == 0 { groups.len() } else { threshold };
    let shares = shamir::split(key.expose(), groups.len(), threshold)
        .map_err(|error| SecretError::Metadata(error.to_string()))?;
    let wrapped = groups.iter().zip(&shares).map(|(group, share)| {
        group.iter().map(|recipient| recipient.wrap(share)).collect::<Result<Vec<_>, _>>()
    });
    wrapped.collect()
}

fn ssh_fault(error: &age::ssh::ParseRecipientKeyError) -> &'static str {
    match error {
        age::ssh::ParseRecipientKeyError::RsaModulusTooLarge => "is an RSA key of more than 4096 bits",
        age::ssh::ParseRecipientKeyError::RsaModulusTooSmall => "is an RSA key of less than 2048 bits",
        age::ssh::ParseRecipientKeyError::Unsupported(_) => {
            "is an SSH key of a kind that age does not know: only `ssh-ed25519` and `ssh-rsa` are"
        }
        _ => "is no SSH public key",
    }
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;
    use crate::secrets::identity::{Identities, IdentityEnv};
    use crate::secrets::metadata::Metadata;
    use crate::secrets::rules::Rules;
    use crate::secrets::value::SecretBytes;

    struct Reader {
        recipient: String,
        identities: Identities,
    }

    fn reader() -> Reader {
        let identity = age::x25519::Identity::generate();
        let text = identity.to_string().expose_secret().as_bytes().to_vec();
        let env = IdentityEnv { age_key: Some(SecretBytes::new(text)), ..IdentityEnv::default() };
        let none = crate::manifest::Identities { ssh_key_files: Vec::new(), ..Default::default() };
        Reader { recipient: identity.to_public().to_string(), identities: Identities::load(&none, &env) }
    }

    fn metadata(groups: Vec<Vec<Wrap>>, threshold: usize) -> Metadata {
        let (mac, lastmodified) = (String::new(), String::new());
        Metadata { groups, threshold, mac, lastmodified, mac_only_encrypted: false, rules: Rules::All }
    }

    fn group(readers: &[&Reader]) -> Vec<Recipient> {
        readers
            .iter()
            .map(|reader| Recipient::parse(&reader.recipient, &Plugins::default()).unwrap())
            .collect()
    }

    #[test]
    fn each_recipient_of_one_group_gets_the_whole_key() {
        let (one, two, other) = (reader(), reader(), reader());
        let key = DataKey::generate().unwrap();
        let wrapped = wrap(&[group(&[&one, &two])], 0, &key).unwrap();
        assert!(wrapped[0].iter().all(|wrap| {
            let enc = wrap.enc.as_deref().unwrap();
            enc.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n")
                && enc.ends_with("-----END AGE ENCRYPTED FILE-----\n")
        }));
        let metadata = metadata(wrapped, 0);
        for reader in [&one, &two] {
            assert_eq!(reader.identities.data_key(&metadata).ok().unwrap().expose(), key.expose());
        }
        assert!(other.identities.data_key(&metadata).is_err());
    }

    #[test]
    fn a_share_alone_is_not_the_key_and_as_many_as_the_threshold_are() {
        let readers = [reader(), reader(), reader()];
        let key = DataKey::generate().unwrap();
        let groups = || readers.iter().map(|reader| group(&[reader])).collect::<Vec<_>>();
        let all = metadata(wrap(&groups(), 2, &key).unwrap(), 2);
        assert!(
            readers.iter().all(|reader| reader.identities.data_key(&all).is_err()),
            "one of three is not two"
        );
        // The first reader is in two of three groups.
        let twice = [group(&[&readers[0]]), group(&[&readers[1], &readers[0]]), group(&[&readers[2]])];
        let twice = metadata(wrap(&twice, 2, &key).unwrap(), 2);
        assert_eq!(readers[0].identities.data_key(&twice).ok().unwrap().expose(), key.expose());
        assert!(readers[1].identities.data_key(&twice).is_err());
    }

    #[test]
    fn what_nobody_could_open_is_refused() {
        let key = DataKey::generate().unwrap();
        let one = reader();
        assert!(wrap(&[], 0, &key).is_err());
        assert!(wrap(&[group(&[&one]), Vec::new()], 2, &key).is_err());
        assert!(wrap(&[group(&[&one]), group(&[&one])], 3, &key).is_err());
        for (text, says) in [
            ("age1pq1qqqq", "post-quantum"),
            ("age1qqqq", "no age or SSH recipient"),
            ("ssh-dss AAAA", "no SSH public key"),
            ("", "no age or SSH recipient"),
        ] {
            let error = Recipient::parse(text, &Plugins::default()).err().unwrap().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
