//! Where a redirect leads: to a place below a URL that is known, or nowhere.

use crate::forge::http::Client;

/// Characters of a host that an error shows.
const LONGEST_WORDS: usize = 100;

/// A place below the base URL of a forge.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::forge) struct Place {
    /// Its path, from `/` on, without what the base URL ends with.
    pub(in crate::forge) path: String,
    /// Its query as it stands there, without `?`.
    query: String,
}

impl Place {
    /// What is asked for: path and query.
    pub(in crate::forge) fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// A field of the query that has to stand there once.
    pub(in crate::forge) fn one(&self, name: &str) -> Result<String, String> {
        match self.all(name)?.as_slice() {
            [value] => Ok(value.clone()),
            [] => Err(format!("its `{name}` is missing")),
            _ => Err(format!("it has more than one `{name}`")),
        }
    }

    /// A field of the query, empty where it is missing.
    pub(in crate::forge) fn maybe(&self, name: &str) -> Result<String, String> {
        let mut all = self.all(name)?;
        if all.len() > 1 {
            Err(format!("it has more than one `{name}`"))
        } else {
            Ok(all.pop().unwrap_or_default())
        }
    }

    fn all(&self, name: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decoded(key)? == name {
                found.push(decoded(value)?);
            }
        }
        Ok(found)
    }
}

/// The place that `location` names, if it is below the base URL of `client`: the same scheme, host and port, and its
/// path. Anything that two readers could read differently is refused.
///
/// # Errors
/// Where it leads instead; never a query, which may hold a code.
pub(in crate::forge) fn below(client: &Client, location: &str) -> Result<Place, String> {
    if location.is_empty() {
        return Err("the redirect names no place".to_owned());
    }
    if !location.bytes().all(|byte| byte.is_ascii_graphic()) || location.contains('\\') {
        return Err("the redirect has characters that no URL has".to_owned());
    }
    let rest = if location.starts_with('/') && !location.starts_with("//") {
        location
    } else {
        let (scheme, rest) = location.split_once("://").ok_or("the redirect is no URL")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err("the redirect has a user in it".to_owned());
        }
        let (own_scheme, own_authority) = client.origin().split_once("://").unwrap_or_default();
        if origin(scheme, authority)? != origin(own_scheme, own_authority)? {
            let shown: String = format!("{scheme}://{authority}").chars().take(LONGEST_WORDS).collect();
            return Err(format!("the redirect leads to `{shown}` and not to `{}`", client.origin()));
        }
        rest
    };
    let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let base = client.base();
    let prefix = base.strip_prefix(client.origin()).unwrap_or_default();
    let path = path.strip_prefix(prefix).filter(|path| path.is_empty() || path.starts_with('/'));
    let path = path.ok_or_else(|| format!("the redirect leads out of `{base}`"))?;
    if path.split('/').skip(1).any(is_odd) {
        return Err("the redirect has a path that is not read the same everywhere".to_owned());
    }
    let path = if path.is_empty() { "/" } else { path };
    Ok(Place { path: path.to_owned(), query: query.to_owned() })
}

/// Parts of a path that proxies and servers read differently.
fn is_odd(segment: &str) -> bool {
    matches!(segment, "." | "..") || segment.contains([';', '%'])
}

/// Scheme, host and port, in one spelling.
fn origin(scheme: &str, authority: &str) -> Result<(String, String, u16), String> {
    let wrong = || "the redirect is no URL".to_owned();
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return Err("the redirect is no URL of the web".to_owned()),
    };
    let after_host = if authority.starts_with('[') { authority.find(']').ok_or_else(wrong)? + 1 } else { 0 };
    let (v6, tail) = authority.split_at(after_host);
    let (host, port) = tail.split_once(':').unwrap_or((tail, ""));
    if !v6.is_empty() && !host.is_empty() {
        return Err(wrong());
    }
    let port = match port {
        "" if !authority.ends_with(':') => usual,
        // Digits only: a sign would be read by some.
        port if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let host = if v6.is_empty() { host } else { v6 };
    if host.is_empty() { Err(wrong()) } else { Ok((scheme, host.to_ascii_lowercase(), port)) }
}

/// A part of a query as it was before it was encoded.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || "its query cannot be read".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let code = high.zip(low).map(|(high, low)| high * 16 + low).ok_or_else(wrong)?;
                u8::try_from(code).map_err(|_| wrong())?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Client {
        Client::new(url, Some("127.0.0.1:1"), None).unwrap()
    }

    fn led(base: &str, location: &str) -> Result<String, String> {
        below(&client(base), location).map(|place| place.target())
    }

    #[test]
    fn every_spelling_of_the_same_place_is_that_place() {
        for location in [
            "/login?code=1",
            "https://git.example.org/login?code=1",
            "https://git.example.org:443/login?code=1",
            "HTTPS://Git.Example.ORG/login?code=1#fragment",
        ] {
            assert_eq!(led("https://git.example.org", location).unwrap(), "/login?code=1", "{location}");
        }
        assert_eq!(led("http://[::1]:3000", "http://[::1]:3000").unwrap(), "/");
        assert_eq!(led("http://git.example.org/sub/", "/sub/user").unwrap(), "/user");
        assert_eq!(led("http://git.example.org/sub", "http://git.example.org/sub").unwrap(), "/");
    }

    #[test]
    fn an_attack_that_leads_elsewhere_is_not_followed() {
        for location in [
            "https://evil.example/login",
            "https://git.example.org.evil.example/login",
            "https://git.example.org@evil.example/login",
            "https://evil.example@git.example.org/login",
            "https://git.example.org:8443/login",
            "https://git.example.org:+443/login",
            "https://git.example.org:443:1/login",
            "https://git.example.org:/login",
            "https://git.example.org./login",
            "http://git.example.org/login",
            "http://git.example.org:443/login",
            "//evil.example/login",
            "/\\evil.example/login",
            "\\\\evil.example/login",
            "https:\\\\evil.example",
            "https:/evil.example",
            "https://git.example.org\\@evil.example/login",
            "https://git.example.org\t/login",
            "https://git.example.org/login\r\nx: y",
            "https://gıt.example.org/login",
            "javascript://git.example.org/login",
            "login",
            "",
            "https://",
            "https://[::1/login",
            "https://[::1]evil/login",
            "/login/../admin",
            "/login/%2e%2e/admin",
            "/login;x/admin",
        ] {
            let refused = led("https://git.example.org", location);
            assert!(refused.is_err(), "{location} was followed to {refused:?}");
        }
        for location in ["/login", "/subway/login", "http://git.example.org/", "/sub/../login"] {
            assert!(led("http://git.example.org/sub", location).is_err(), "{location} is not below");
        }
    }

    #[test]
    fn no_error_shows_a_query() {
        let error = led("https://git.example.org", "https://evil.example/login?code=hidden").unwrap_err();
        assert_eq!(
            error,
            "the redirect leads to `https://evil.example` and not to `https://git.example.org`"
        );
    }

    #[test]
    fn fields_of_a_query_are_read_once_and_decoded() {
        let place = below(&client("http://a.example"), "/x?a=1%2B+2&b=%3D&c&d=1&d=2&e=%zz&%66=6").unwrap();
        assert_eq!(place.one("a").unwrap(), "1+ 2");
        assert_eq!(place.one("b").unwrap(), "=");
        assert_eq!(place.maybe("c").unwrap(), "");
        assert!(place.one("d").is_err() && place.maybe("d").is_err(), "the second one was passed over");
        assert!(place.one("e").is_err());
        assert_eq!(place.one("f").unwrap(), "6");
        assert_eq!(place.maybe("none").unwrap(), "");
        assert!(place.one("none").is_err());
    }
}
