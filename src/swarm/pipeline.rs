//! Several GETs that go out together on one connection and are answered in their order: the first look of a run.
//!
//! The engine works through them while the program does other things, and nothing in the program has to run for that:
//! what is answered waits in the socket until somebody wants it.

use std::io;
use std::path::Path;

use hyper::Response;
use hyper::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::error::EngineError;
use super::observe::Answered;
use super::transport::{Answer, MOST_READ, READ, refused};

/// More of the lines before a body is not read.
const MOST_HEAD: u64 = 1 << 16;

/// A connection of its own to the engine.
pub(super) struct Pipeline {
    stream: BufReader<UnixStream>,
}

/// Why an answer did not come whole.
enum Broken {
    Ended(io::Error),
    TooLong,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Ended(error)
    }
}

impl Pipeline {
    /// Connects to the socket at `path`.
    pub(super) async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self { stream: BufReader::with_capacity(1 << 14, UnixStream::connect(path).await?) })
    }

    /// Sends a GET for each path, in one piece.
    pub(super) async fn ask(&mut self, paths: impl Iterator<Item = String>) -> io::Result<()> {
        let mut text = String::new();
        for path in paths {
            text.extend(["GET ", &path, " HTTP/1.1\r\nHost: docker\r\n\r\n"]);
        }
        self.stream.write_all(text.as_bytes()).await
    }

    /// The body of the next answer, which is the one to this path, or what the engine says against it.
    ///
    /// # Errors
    /// The answer did not come: nothing that was asked for after it will.
    pub(super) async fn body(&mut self, path: &str) -> Result<Answered, EngineError> {
        let answer = self.answer(path).await?;
        if answer.head.status.is_success() {
            return Ok(Ok(answer.body));
        }
        Ok(Err(refused(format!("GET {path}"), &answer)))
    }

    /// The next answer, whatever its status.
    ///
    /// # Errors
    /// As [`Self::body`].
    pub(super) async fn answer(&mut self, path: &str) -> Result<Answer, EngineError> {
        let call = || format!("GET {path}");
        match timeout(READ, self.read()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Broken::Ended(source))) => Err(EngineError::Lost { call: call(), source: source.into() }),
            Ok(Err(Broken::TooLong)) => {
                let source = format!("it is longer than {} MiB", MOST_READ >> 20).into();
                Err(EngineError::Answer { call: call(), source })
            }
            Err(_) => Err(EngineError::Timeout { call: call(), seconds: READ.as_secs() }),
        }
    }

    async fn read(&mut self) -> Result<Answer, Broken> {
        let (head, ()) = self.head().await?.into_parts();
        let body = match length(&head.headers)? {
            Length::Bytes(length) => {
                let mut body = Vec::new();
                self.part(&mut body, length).await?;
                body
            }
            Length::Chunks => self.chunks().await?,
        };
        Ok(Answer { head, body: body.into() })
    }

    /// Everything up to the empty line.
    async fn head(&mut self) -> io::Result<Response<()>> {
        let mut lines = (&mut self.stream).take(MOST_HEAD);
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if lines.read_line(&mut text).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let mut head = Response::builder().status(status);
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header without a colon"))?;
            head = head.header(name, value.trim());
        }
        head.body(()).map_err(invalid)
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Broken> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default();
            match usize::from_str_radix(digits, 16).map_err(invalid)? {
                // Nothing, or more headers, up to an empty line.
                0 => while !self.line().await?.is_empty() {},
                size => {
                    self.part(&mut body, size).await?;
                    // Each chunk ends with a line break of its own.
                    self.line().await?;
                    continue;
                }
            }
            return Ok(body);
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(MOST_HEAD).read_line(&mut line).await?;
        let Some(text) = line.strip_suffix("\r\n") else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        Ok(text.to_owned())
    }

    /// Adds so many bytes to a body.
    async fn part(&mut self, body: &mut Vec<u8>, size: usize) -> Result<(), Broken> {
        if size > MOST_READ - body.len() {
            return Err(Broken::TooLong);
        }
        body.reserve(size);
        let read = (&mut self.stream).take(size as u64).read_to_end(body).await?;
        if read == size { Ok(()) } else { Err(Broken::Ended(io::ErrorKind::UnexpectedEof.into())) }
    }
}

/// How the end of a body is known.
enum Length {
    Bytes(usize),
    Chunks,
}

fn length(headers: &HeaderMap) -> io::Result<Length> {
    if headers.get(TRANSFER_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Ok(Length::Chunks);
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.map(Length::Bytes).ok_or_else(|| invalid("an answer without a length"))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of this many answers when the engine sends `said` and hangs up.
    async fn answers(said: &str, paths: &[&str]) -> Vec<Result<String, String>> {
        let (mut engine, stream) = UnixStream::pair().unwrap();
        engine.write_all(said.as_bytes()).await.unwrap();
        drop(engine);
        let mut pipeline = Pipeline { stream: BufReader::new(stream) };
        let mut seen = Vec::new();
        for path in paths {
            let answered = pipeline.body(path).await.and_then(|answered| answered);
            let body = answered.map(|body| String::from_utf8_lossy(&body).into_owned());
            seen.push(body.map_err(|error| error.to_string()));
        }
        seen
    }

    #[tokio::test]
    async fn answers_come_in_order_by_length_and_by_chunks_and_a_refusal_spoils_no_other() {
        let said = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none\
                    HTTP/1.1 503 Busy\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"message\":\"busy\"}\
                    HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nth\r\n3\r\nree\r\n0\r\nMore: x\r\n\r\n\
                    HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let seen = answers(said, &["/1", "/2", "/3", "/4"]).await;
        assert_eq!(seen[0].as_deref(), Ok("one"));
        assert!(
            seen[1].as_ref().is_err_and(|error| error.contains("GET /2") && error.contains("busy")),
            "{seen:?}"
        );
        assert_eq!((seen[2].as_deref(), seen[3].as_deref()), (Ok("three"), Ok("")));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_anywhere_or_makes_no_sense_is_lost_and_named() {
        let whole = [
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        ];
        for whole in whole {
            assert_eq!(answers(whole, &["/x"]).await, [Ok("body".to_owned())]);
            for end in 0..whole.len() {
                let seen = answers(&whole[..end], &["/x"]).await;
                assert_eq!(
                    seen,
                    [Err("the connection to the engine broke during GET /x".to_owned())],
                    "{end}"
                );
            }
        }
        for wrong in [
            "HTTP/1.1 200 OK\r\n\r\nbody",
            "HTTP/1.1 many OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nlots\r\n",
        ] {
            let seen = answers(wrong, &["/x"]).await;
            assert!(seen[0].as_ref().is_err_and(|error| error.contains("broke during GET /x")), "{wrong}");
        }
        // A length that no memory could hold is refused before anything is kept.
        let seen = answers("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", &["/x"]).await;
        assert!(seen[0].as_ref().is_err_and(|error| error.contains("GET /x")), "{seen:?}");
    }
}
