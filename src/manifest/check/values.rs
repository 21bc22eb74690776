//! Forms of single values.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::super::Duration;

/// Why a value is wrong, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) fix: String,
}

pub(super) type Verdict = Result<(), Wrong>;

/// A verdict from a condition.
pub(super) fn holds(condition: bool, message: impl Into<String>, fix: impl Into<String>) -> Verdict {
    if condition { Ok(()) } else { Err(Wrong { message: message.into(), fix: fix.into() }) }
}

/// Longest name of anything: it becomes part of file and object names.
const LONGEST_NAME: usize = 63;

/// `[A-Za-z0-9][A-Za-z0-9_.-]{0,62}`.
pub(super) fn name(text: &str) -> Verdict {
    let fits = text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    holds(
        fits,
        format!("`{text}` cannot be a name"),
        format!("letters, digits, `_`, `.` and `-`, a letter or digit first, at most {LONGEST_NAME} of them"),
    )
}

/// A name that the engine takes as part of an image reference.
pub(super) fn image_name(text: &str) -> Verdict {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = text.len() <= LONGEST_NAME
        && text.starts_with(lower)
        && text.ends_with(lower)
        && text.chars().all(|c| lower(c) || matches!(c, '_' | '.' | '-'))
        && !["..", "._", "_.", ".-", "-.", "_-", "-_", "___"].iter().any(|pair| text.contains(pair));
    holds(
        fits,
        format!("`{text}` cannot be the name of an image"),
        "lower-case letters and digits, joined by single `_`, `.` or `-`",
    )
}

/// An octal file mode as a string.
pub(super) fn mode(text: &str) -> Verdict {
    let fits = matches!(text.len(), 3 | 4) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    holds(fits, format!("`{text}` is not an octal mode"), "write it like `\"0400\"`")
}

/// A text with something in it.
pub(super) fn filled(text: &str, what: &str) -> Verdict {
    holds(!text.trim().is_empty(), format!("{what} is empty"), format!("say {what}"))
}

/// A path with something in it.
pub(super) fn path(path: &Path) -> Verdict {
    let text = path.to_string_lossy();
    holds(!text.is_empty() && !text.contains('\0'), "the path is empty", "write a path")
}

/// A regular expression.
pub(super) fn pattern(text: &str) -> Verdict {
    match regex::bytes::Regex::new(text) {
        Ok(_) => Ok(()),
        Err(regex::Error::Syntax(why)) => {
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let fix = "see https://docs.rs/regex/#syntax; a backslash is written twice in JSON".to_owned();
            Err(Wrong { message: format!("this is not a regular expression: {why}"), fix })
        }
        Err(_) => holds(false, "this regular expression is too large", "write a simpler one"),
    }
}

/// A time to wait.
pub(super) fn wait(duration: Duration) -> Verdict {
    holds(duration > Duration::seconds(0), "this must be longer than nothing", "write it like `90s`")?;
    most(duration)
}

/// A time that may be nothing.
pub(super) fn most(duration: Duration) -> Verdict {
    holds(
        duration <= Duration::seconds(86_400),
        format!("`{duration}` is longer than a day"),
        "write at most `24h`",
    )
}

/// An address or interface with an optional port.
pub(super) fn endpoint(text: &str) -> Verdict {
    let interface = match text.split_once(':') {
        Some((name, port)) => is_interface(name) && port.parse::<u16>().is_ok(),
        None => is_interface(text),
    };
    holds(
        text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok() || interface,
        format!("`{text}` is neither an address nor an interface"),
        "write it like `198.51.100.7`, `198.51.100.7:2377`, `[2001:db8::1]:2377` or `eth0`",
    )
}

/// An address or interface without a port.
pub(super) fn address(text: &str) -> Verdict {
    holds(
        text.parse::<IpAddr>().is_ok() || is_interface(text),
        format!("`{text}` is neither an address nor an interface"),
        "write it like `198.51.100.7` or `eth0`",
    )
}

/// The name of a network interface: not made of digits and dots only, which would be a slip in an address.
fn is_interface(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@'))
        && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
}

impl Cidr {
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |why: &str| Wrong {
            message: format!("`{text}` is not a block of addresses{why}"),
            fix: "write it like `198.51.100.0/24`".to_owned(),
        };
        let (address, prefix) = text.split_once('/').ok_or_else(|| wrong(": the `/` is missing"))?;
        let address: IpAddr = address.parse().map_err(|_| wrong(""))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u8 = prefix.parse().ok().filter(|&p| digits && p <= most).ok_or_else(|| wrong(""))?;
        let block = Self { address, prefix };
        if block.masked_own() == bits(address) {
            Ok(block)
        } else {
            Err(wrong(": bits are set behind the prefix"))
        }
    }

    fn masked_own(self) -> u128 {
        self.masked(self.address)
    }

    fn masked(self, address: IpAddr) -> u128 {
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let hidden = width.saturating_sub(u32::from(self.prefix));
        if hidden >= 128 { 0 } else { bits(address) >> hidden << hidden }
    }

    /// True when the address lies in the block.
    pub(super) fn holds(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && self.masked(address) == self.masked_own()
    }

    /// True when the blocks share an address.
    pub(super) fn meets(self, other: Self) -> bool {
        self.holds(other.address) || other.holds(self.address)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// `name:tag`, with or without `@sha256:<64 hex>`.
pub(super) fn reference(text: &str) -> Verdict {
    let wrong = |why: &str| {
        Wrong {
        message: format!("`{text}` {why}"),
        fix: "write it like `registry.example.org/app:1.2`, with its digest behind `@sha256:` or in the lock file"
            .to_owned(),
    }
    };
    let (tagged, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = |digest: &str| {
        digest
            .strip_prefix("sha256:")
            .is_some_and(|hex_text| hex_text.len() == 64 && hex_text.bytes().all(hex))
    };
    if !digest.is_none_or(is_digest) {
        return Err(wrong("has no digest of 64 lower-case hex digits"));
    }
    // A port of the registry stands before a slash, a tag after the last one.
    let last = tagged.rsplit('/').next().unwrap_or_default();
    let (name, tag) = last.split_once(':').ok_or_else(|| wrong("has no tag"))?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let path = tagged.strip_suffix(last).unwrap_or_default();
    let fits = !name.is_empty()
        && !name.contains(|c: char| c.is_ascii_uppercase())
        && (1..=128).contains(&tag.len())
        && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().chain(tag.chars()).all(word)
        && path.chars().all(|c| word(c) || matches!(c, '/' | ':'))
        && !path.starts_with('/')
        && !path.contains("//");
    if fits { Ok(()) } else { Err(wrong("is not an image reference")) }
}

/// `KEY=VALUE`.
pub(super) fn assignment(text: &str) -> Verdict {
    let fits =
        text.split_once('=').is_some_and(|(key, _)| !key.is_empty() && !key.contains(char::is_whitespace));
    holds(fits, format!("`{text}` is not an assignment"), "write it like `KEY=VALUE`")
}

/// A variable's name.
pub(super) fn variable(text: &str) -> Verdict {
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    holds(fits, format!("`{text}` cannot be a variable"), "letters, digits and `_`, no digit first")
}

/// `8080/tcp`.
pub(super) fn port(text: &str) -> Verdict {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let fits = number.parse::<u16>().is_ok_and(|port| port > 0) && matches!(protocol, "tcp" | "udp" | "sctp");
    holds(fits, format!("`{text}` is not a port"), "write it like `8080/tcp`")
}

/// The name of an HTTP header, or a request method.
pub(super) fn token(text: &str) -> Verdict {
    let fits = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    holds(fits, format!("`{text}` is not a word of HTTP"), "letters, digits and `-`")
}

/// `200` or `2xx`.
pub(super) fn status(text: &str) -> Verdict {
    let class = text.strip_suffix("xx").is_some_and(|digit| matches!(digit, "1" | "2" | "3" | "4" | "5"));
    let exact = text.len() == 3 && text.parse::<u16>().is_ok_and(|status| (100..600).contains(&status));
    holds(class || exact, format!("`{text}` is not a status"), "write it like `\"200\"` or `\"2xx\"`")
}

/// A DNS name or an address, as TLS asks for it.
pub(super) fn server_name(text: &str) -> Verdict {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = text.parse::<IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(label));
    holds(fits, format!("`{text}` is not a server name"), "write it like `app.example.org`")
}

/// `http://` or `https://`, a host, an optional port, no user.
pub(super) fn url(text: &str) -> Verdict {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, _) = rest.split_at(end);
    let fits = match authority.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((address, port)) => address.parse::<std::net::Ipv6Addr>().is_ok() && is_port(port),
        None => match authority.find(':') {
            Some(at) => {
                let (host, port) = authority.split_at(at);
                server_name(host).is_ok() && is_port(port)
            }
            None => server_name(authority).is_ok(),
        },
    };
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    holds(fits && plain, format!("`{text}` is not a URL"), "write it like `https://app.example.org/health`")
}

/// Nothing, or `:443`.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 0)
}

/// `HOST[:PORT]` of a registry.
pub(super) fn registry(text: &str) -> Verdict {
    let (host, port) = text.split_once(':').map_or((text, ""), |(host, _)| text.split_at(host.len()));
    holds(
        server_name(host).is_ok() && is_port(port) && !text.contains(|c: char| c.is_ascii_uppercase()),
        format!("`{text}` is not a registry"),
        "write its host and port alone, like `registry.example.org:5000`; Docker Hub is `docker.io`",
    )
}
