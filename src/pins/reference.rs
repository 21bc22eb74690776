//! Image references, as docker reads and spells them.

/// Docker Hub, which a reference without a registry means.
pub const HUB: &str = "docker.io";

/// `[HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `docker.io`, `registry.example.org:5000`.
    pub registry: String,
    /// `library/nginx`.
    pub repository: String,
    /// As written.
    pub tag: Option<String>,
    /// `sha256:` and 64 hex digits.
    pub digest: Option<String>,
}

impl Reference {
    /// Takes a reference apart; `None` for what docker does not take for one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, digest) = text.split_once('@').map_or((text, None), |(name, rest)| (name, Some(rest)));
        if !digest.is_none_or(is_digest) {
            return None;
        }
        let (path, tag) = match name.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (name, None),
        };
        if path.len() > 255 || !tag.is_none_or(is_tag) {
            return None;
        }
        let (registry, repository) = match path.split_once('/') {
            Some((first, rest)) if names_host(first) => (is_host(first).then_some(first)?, rest),
            _ => (HUB, path),
        };
        if !repository.split('/').all(is_component) {
            return None;
        }
        let registry = if registry == "index.docker.io" { HUB } else { registry };
        let official = registry == HUB && !repository.contains('/');
        let repository = if official { format!("library/{repository}") } else { repository.to_owned() };
        Some(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The name as docker shortens it, without tag and digest: `nginx`, `grafana/grafana`, `registry.example.org/app`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.registry == HUB {
            self.repository.strip_prefix("library/").unwrap_or(&self.repository).to_owned()
        } else {
            format!("{}/{}", self.registry, self.repository)
        }
    }

    /// [`Self::name`] with the tag, which is `latest` when none is written: the key of the lock file.
    #[must_use]
    pub fn tagged(&self) -> String {
        format!("{}:{}", self.name(), self.tag.as_deref().unwrap_or("latest"))
    }

    /// The whole in docker's short spelling, with nothing added.
    #[must_use]
    pub fn familiar(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{}{tag}{digest}", self.name())
    }
}

/// `sha256:` and 64 lower-case hex digits.
pub(super) fn is_digest(text: &str) -> bool {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix("sha256:").is_some_and(|text| text.len() == 64 && text.bytes().all(hex))
}

fn is_tag(tag: &str) -> bool {
    let word = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
    (1..=128).contains(&tag.len()) && tag.bytes().all(word) && !tag.starts_with(['.', '-'])
}

/// True when what stands before the first slash is a registry and no part of a path.
fn names_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    !name.is_empty() && name.bytes().all(word) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Lower-case words joined by `.`, `_`, `__` or dashes.
fn is_component(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let joined = ["..", "___", "._", "_.", ".-", "-."];
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(word)
        && joined.iter().all(|pair| !text.contains(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_references() {
        let digest = "a".repeat(64);
        for good in [
            "nginx",
            "a/b:1.2",
            "localhost/x",
            "example.org:5000/a/b:v1",
            "a__b/c-d",
            "holdfast.invalid/x:0f",
        ] {
            assert!(Reference::parse(good).is_some(), "{good}");
            assert!(Reference::parse(&format!("{good}@sha256:{digest}")).is_some(), "{good}");
        }
        for bad in ["", "A", "a:", "a//b", "/a", "a@sha256:12", "a b", "-a", "a..b", "a:b:c", "a/"] {
            assert!(Reference::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn names_images_as_docker_does() {
        for (text, familiar, tagged) in [
            ("docker.io/library/nginx:1", "nginx:1", "nginx:1"),
            ("index.docker.io/a/b:1", "a/b:1", "a/b:1"),
            ("library/nginx", "nginx", "nginx:latest"),
            ("example.org/library/b:1", "example.org/library/b:1", "example.org/library/b:1"),
            ("localhost:5000/x", "localhost:5000/x", "localhost:5000/x:latest"),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!((reference.familiar().as_str(), reference.tagged().as_str()), (familiar, tagged));
        }
        let hub = Reference::parse("nginx").unwrap();
        assert_eq!((hub.registry.as_str(), hub.repository.as_str()), ("docker.io", "library/nginx"));
    }
}
