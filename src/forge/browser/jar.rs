//! Cookies of one host, for as long as one sign-in takes.

use std::collections::BTreeMap;

use hyper::header::{HeaderMap, SET_COOKIE};
use zeroize::Zeroizing;

use crate::secrets::SecretBytes;

/// More cookies than this, or longer ones, no forge sets.
const MOST: usize = 32;
const LONGEST: usize = 8192;

/// The cookies of one host. `Domain` and `Path` count for nothing: they are sent back to this host and to no other.
/// Neither does `Secure`: the connection is the one that the manifest declares, whatever the forge thinks its URL is.
#[derive(Default)]
pub(in crate::forge) struct Jar(BTreeMap<String, Zeroizing<String>>);

impl Jar {
    /// Takes what an answer sets.
    pub(in crate::forge) fn take(&mut self, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            let Ok(text) = header.to_str() else { continue };
            let mut parts = text.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let plain =
                |text: &str| text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
            if name.is_empty() || !plain(name) || !plain(value) {
                continue;
            }
            if parts.any(ends) {
                self.0.remove(name);
            } else if self.0.len() < MOST || self.0.contains_key(name) {
                self.0.insert(name.to_owned(), Zeroizing::new(value.to_owned()));
            }
        }
    }

    /// The value of a `Cookie` header; `None` without any.
    pub(in crate::forge) fn header(&self) -> Option<SecretBytes> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
        for (name, value) in &self.0 {
            if !bytes.is_empty() {
                bytes.extend_from_slice(b"; ");
            }
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b'=');
            bytes.extend_from_slice(value.as_bytes());
        }
        (!self.0.is_empty()).then(|| SecretBytes::from(bytes))
    }
}

/// True for an attribute that takes a cookie away: no age left. The date of `Expires` is not looked at; forges set both.
fn ends(attribute: &str) -> bool {
    let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
    name.trim().eq_ignore_ascii_case("max-age")
        && (value.trim().starts_with('-') || value.trim().bytes().all(|byte| byte == b'0'))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn after(cookies: &[&str]) -> String {
        let mut jar = Jar::default();
        for cookie in cookies {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_str(cookie).unwrap());
            jar.take(&headers);
        }
        jar.header().map(|value| String::from_utf8(value.expose().to_vec()).unwrap()).unwrap_or_default()
    }

    #[test]
    fn cookies_are_kept_replaced_and_taken_away() {
        assert_eq!(after(&["a=1; Path=/; HttpOnly; Secure", "b=x=y; Max-Age=60"]), "a=1; b=x=y");
        assert_eq!(after(&["a=1", "a=2; SameSite=Lax"]), "a=2");
        assert_eq!(after(&["a=1", "b=2", "a=; Path=/; Max-Age=0"]), "b=2");
        assert_eq!(after(&["a=1", "a=x; max-age=-1"]), "");
        assert_eq!(after(&["novalue", "=x", "a=b c", "; Max-Age=0"]), "");
    }

    #[test]
    fn no_host_can_fill_the_memory_with_cookies() {
        let many: Vec<String> = (0..100).map(|number| format!("c{number}=1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(after(&many).split("; ").count(), MOST);
        assert_eq!(after(&[&format!("a={}", "x".repeat(LONGEST + 1))]), "");
    }
}
