//! Streams an image into the engine while it is made.

use std::io::{self, Write};

use futures_util::stream;
use tokio::sync::mpsc;

use super::failure::Failure;
use crate::desired::ImageSpec;
use crate::image::{ImageError, write_archive};
use crate::report::Exit;
use crate::swarm::Engine;

/// Bytes that are handed on at once.
const CHUNK: usize = 256 << 10;
/// Chunks in flight: enough to keep both sides busy, little enough to stay under a megabyte or two.
const IN_FLIGHT: usize = 4;

/// Makes the deterministic archive on a thread of its own and sends it as it comes.
pub(super) async fn load(engine: &Engine, name: &str, spec: &ImageSpec) -> Result<(), Failure> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let (owned_name, owned_spec) = (name.to_owned(), spec.clone());
    let maker = tokio::task::spawn_blocking(move || {
        let mut out = Chunks { sender, chunk: Vec::with_capacity(CHUNK) };
        let made = write_archive(&owned_name, &owned_spec, &mut out);
        // Without the last flush the engine sees a cut archive and refuses it, as it should after an error.
        if made.is_ok() {
            drop(out.flush());
        } else {
            out.abort();
        }
        made
    });
    let chunks = stream::unfold(receiver, |mut receiver| async {
        let chunk: io::Result<Vec<u8>> = receiver.recv().await?;
        Some((chunk.map(Into::into), receiver))
    });
    let loaded = engine.load_image(&spec.reference, chunks).await;
    match maker.await {
        Ok(Ok(())) => loaded.map_err(|error| Failure::engine(&error)),
        // The archive's own error says more than the engine's about a cut stream.
        Ok(Err(error)) => match loaded {
            Err(engine_error) if matches!(error, ImageError::Write { .. }) => {
                Err(Failure::engine(&engine_error))
            }
            _ => Err(Failure::new(&error, error.exit())),
        },
        Err(error) => Err(Failure::new(&error, Exit::Internal)),
    }
}

/// A writer whose other end is a stream.
struct Chunks {
    sender: mpsc::Sender<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
}

impl Chunks {
    /// Ends the stream with an error, so that the request is not taken for complete.
    fn abort(&mut self) {
        drop(self.sender.blocking_send(Err(io::Error::other("the archive could not be made"))));
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
