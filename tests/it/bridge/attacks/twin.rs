//! A bridge as one writes it in an afternoon: a few handlers, each of which reads what it is told will come, for as long as
//! that takes, and keeps all of it.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Seen;
use crate::support::relay::head;

/// Serves until the test program ends.
pub(super) struct Twin {
    pub(super) address: SocketAddr,
    held: Arc<AtomicUsize>,
}

impl Twin {
    /// With so many handlers.
    pub(super) fn start(handlers: usize) -> Self {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        let held = Arc::new(AtomicUsize::new(0));
        for _ in 0..handlers {
            let (listener, held) = (Arc::clone(&listener), Arc::clone(&held));
            std::thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    drop(serve(client, &held));
                }
            });
        }
        Self { address, held }
    }

    /// Bytes of bodies that it holds now.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Whether a request is answered; who waits that long without an answer has waited in vain.
    pub(super) fn answers(&self, request: &[u8]) -> bool {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        drop(stream.write_all(request));
        stream.read_exact(&mut [0; 12]).is_ok()
    }
}

fn serve(mut client: TcpStream, held: &AtomicUsize) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let Some(lines) = head(&mut reader)? else { return Ok(()) };
    let headers: Vec<String> = lines.lines().map(str::to_owned).collect();
    let length: usize = Seen { headers: &headers, body: &[] }.first("content-length").parse().unwrap_or(0);
    let (mut body, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
    let mut ended = Ok(());
    while body.len() < length && ended.is_ok() {
        ended = match reader.read(&mut chunk) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                body.extend_from_slice(&chunk[..read]);
                held.fetch_add(read, Ordering::SeqCst);
                Ok(())
            }
            Err(error) => Err(error),
        };
    }
    held.fetch_sub(body.len(), Ordering::SeqCst);
    ended?;
    let seen = Seen { headers: &headers, body: &body };
    let status = if seen.signature() == seen.right() { 202 } else { 401 };
    write!(client, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}
