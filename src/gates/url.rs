//! URLs: what to connect to, what to ask for, and where a redirect leads.

use hyper::Uri;

/// A URL that a request can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// True for `https`.
    pub(super) tls: bool,
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query.
    pub(super) path: String,
}

impl Target {
    /// Reads `http://` and `https://` URLs without user information.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.split('#').next().unwrap_or_default();
        let uri: Uri = text.parse().map_err(|error| format!("`{text}` is not a URL: {error}"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("`{text}` does not begin with `https://` or `http://`")),
        };
        let authority = uri.authority().ok_or_else(|| format!("`{text}` names no host"))?;
        if authority.as_str().contains('@') {
            return Err(format!("`{}` holds user information, which a gate does not send", authority.host()));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(format!("`{text}` names no host"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { tls, host, port, path })
    }

    /// What stands in the `Host` header: the port only where it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }

    /// True for the same host and port.
    pub(super) fn is_server_of(&self, other: &Self) -> bool {
        self.host.eq_ignore_ascii_case(&other.host) && self.port == other.port
    }

    /// The whole URL.
    pub(super) fn url(&self) -> String {
        format!("{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.path)
    }

    /// Where a `Location` leads from here.
    pub(super) fn join(&self, location: &str) -> Result<Self, String> {
        let scheme = if self.tls { "https" } else { "http" };
        if location.contains("://") {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        let base = format!("{scheme}://{}", self.authority());
        if location.starts_with('/') {
            return Self::parse(&format!("{base}{location}"));
        }
        let path = self.path.split('?').next().unwrap_or("/");
        if location.starts_with('?') {
            return Self::parse(&format!("{base}{path}{location}"));
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Self::parse(&format!("{base}{folder}/{location}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_request_needs() {
        let target = Target::parse("https://app.example.org:8443/a?b=c#d").unwrap();
        assert_eq!(
            target,
            Target { tls: true, host: "app.example.org".into(), port: 8443, path: "/a?b=c".into() }
        );
        assert_eq!(target.authority(), "app.example.org:8443");
        assert_eq!(Target::parse("http://[2001:db8::1]").unwrap().authority(), "[2001:db8::1]");
        assert_eq!(Target::parse("https://example.org?x").unwrap().path, "/?x");
    }

    #[test]
    fn refuses_what_no_request_can_be_sent_to() {
        for text in
            ["", "example.org", "ftp://example.org", "https://", "https://u:p@example.org/", "https://a b/"]
        {
            assert!(Target::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn follows_every_form_of_location() {
        let base = Target::parse("https://example.org:8443/a/b?q").unwrap();
        for (location, url) in [
            ("https://other.example.org/x", "https://other.example.org/x"),
            ("//other.example.org/x", "https://other.example.org/x"),
            ("/x", "https://example.org:8443/x"),
            ("x", "https://example.org:8443/a/x"),
            ("?y", "https://example.org:8443/a/b?y"),
        ] {
            assert_eq!(base.join(location).unwrap().url(), url);
        }
    }
}
