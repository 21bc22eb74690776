//! What a forge answered, and what it makes of a failure.

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::error::ForgeError;

/// Characters of a forge's words that an error shows.
const LONGEST_WORDS: usize = 300;

/// What was answered, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, of bounded length.
    pub body: Bytes,
    /// Method and URL without its query, for errors.
    pub(super) about: (String, String),
}

impl Answer {
    /// A header as text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The answer, if its status is 2xx.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] with the forge's own words.
    pub fn success(self) -> Result<Self, ForgeError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let message = words(self.status, &self.body);
        let (method, url) = self.about;
        Err(ForgeError::Refused { method, url, status: self.status.as_u16(), message })
    }

    /// The answer as JSON, if its status is 2xx.
    ///
    /// # Errors
    /// As [`Self::success`], or a body that is not the JSON of `T`.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, ForgeError> {
        let answer = self.success()?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            let (method, url) = answer.about;
            // The error's own words may quote a value of the body, which may be a token.
            let (line, column) = (error.line(), error.column());
            let what = match error.classify() {
                serde_json::error::Category::Data => "another form of JSON than expected",
                _ => "no JSON",
            };
            ForgeError::Answer { method, url, why: format!("it is {what} (line {line}, column {column})") }
        })
    }

    /// As [`Self::json`]; `None` where the forge answers 404.
    ///
    /// # Errors
    /// As [`Self::json`], but for 404.
    pub fn found<T: DeserializeOwned>(self) -> Result<Option<T>, ForgeError> {
        if self.status == StatusCode::NOT_FOUND { Ok(None) } else { self.json().map(Some) }
    }

    /// True where the status is 2xx; false where it is 404.
    ///
    /// # Errors
    /// Every other status.
    pub fn there(self) -> Result<bool, ForgeError> {
        if self.status == StatusCode::NOT_FOUND { Ok(false) } else { self.success().map(|_| true) }
    }
}

/// The first line of what a forge says about a failure: `message` of its JSON, or its text.
pub(super) fn words(status: StatusCode, body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        #[serde(default)]
        message: String,
    }
    let said = serde_json::from_slice::<Said>(body).map(|said| said.message).unwrap_or_default();
    let is_text = !body.starts_with(b"<") && !body.starts_with(b"{") && !body.contains(&0);
    let text = if said.is_empty() && is_text { String::from_utf8_lossy(body).into_owned() } else { said };
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect();
    if line.is_empty() {
        return status.canonical_reason().unwrap_or("no reason given").to_lowercase();
    }
    line
}
