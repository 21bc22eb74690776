//! An answer that comes line by line, without an end in sight.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::error::ForgeError;
use super::http::LONGEST;

/// The lines of an answer, as they come.
pub struct Lines {
    body: Incoming,
    rest: Vec<u8>,
    /// So many bytes of `rest` hold no line break.
    scanned: usize,
    about: (String, String),
    patience: Duration,
}

impl Lines {
    pub(super) fn new(body: Incoming, about: (String, String), patience: Duration) -> Self {
        Self { body, rest: Vec::new(), scanned: 0, about, patience }
    }

    /// The next line without its end; `None` when the forge has ended the answer.
    ///
    /// # Errors
    /// The connection broke, nothing came for the client's whole patience, or a line is longer than [`LONGEST`].
    pub async fn next(&mut self) -> Result<Option<String>, ForgeError> {
        let (method, url) = self.about.clone();
        loop {
            let fresh = self.rest.get(self.scanned..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.rest.drain(..=self.scanned + end).collect();
                self.scanned = 0;
                line.pop();
                line.pop_if(|byte| *byte == b'\r');
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            self.scanned = self.rest.len();
            if self.scanned > LONGEST {
                let why = format!("a line is longer than {} MiB", LONGEST >> 20);
                return Err(ForgeError::Answer { method, url, why });
            }
            let seconds = self.patience.as_secs();
            match timeout(self.patience, self.body.frame()).await {
                Err(_) => return Err(ForgeError::Late { method, url, seconds }),
                Ok(Some(Err(error))) => {
                    let why = format!("the answer broke off: {error}");
                    return Err(ForgeError::Unreachable { method, url, why });
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
                Ok(None) if self.rest.is_empty() => return Ok(None),
                Ok(None) => {
                    let line = std::mem::take(&mut self.rest);
                    self.scanned = 0;
                    return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
                }
            }
        }
    }
}
