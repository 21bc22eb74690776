//! TLS clients: one connection, a constant load of new ones, and a hello of an old version.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// New connections per second of the load, all threads together.
const RATE: u32 = 300;
const THREADS: u32 = 12;

/// A client that trusts one root.
#[derive(Clone)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
    address: SocketAddr,
}

/// What one connection saw.
pub(super) struct Seen {
    /// DER of the leaf.
    pub(super) leaf: Vec<u8>,
    /// Status line and headers and body.
    pub(super) answer: String,
}

impl Client {
    pub(super) fn new(root: &[u8], address: SocketAddr) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(root.to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A resumed session would not show the certificate again.
        let mut config = config;
        config.resumption = rustls::client::Resumption::disabled();
        Self { config: Arc::new(config), address }
    }

    /// One new connection with the chain verified, and one request on it.
    pub(super) fn get(&self, host: &str) -> Result<Seen, String> {
        let fail = |error: &dyn std::fmt::Display| error.to_string();
        let stream =
            TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).map_err(|e| fail(&e))?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(|e| fail(&e))?;
        let name = ServerName::try_from(host.to_owned()).map_err(|e| fail(&e))?;
        let client = ClientConnection::new(Arc::clone(&self.config), name).map_err(|e| fail(&e))?;
        let mut tls = StreamOwned::new(client, stream);
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        tls.write_all(request.as_bytes()).map_err(|e| fail(&e))?;
        let mut answer = Vec::new();
        tls.read_to_end(&mut answer).map_err(|e| fail(&e))?;
        let leaf =
            tls.conn.peer_certificates().and_then(|chain| chain.first()).ok_or("no certificate")?.to_vec();
        Ok(Seen { leaf, answer: String::from_utf8_lossy(&answer).into_owned() })
    }

    /// Waits until a connection and its answer please.
    pub(super) fn wait(&self, host: &str, pleases: impl Fn(&Seen) -> bool) -> Seen {
        let mut last = String::new();
        for _ in 0..1200 {
            match self.get(host) {
                Ok(seen) if pleases(&seen) => return seen,
                Ok(seen) => last = seen.answer,
                Err(error) => last = error,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{host} did not come up within two minutes: {last}");
    }

    /// Opens new connections at a constant rate while `during` runs; returns what they saw, in order of time.
    pub(super) fn load(&self, host: &str, during: impl FnOnce()) -> Load {
        let (stop, seen) = (AtomicBool::new(false), Mutex::new(Load::default()));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let (start, mut count) = (Instant::now(), 0);
                    while !stop.load(Ordering::Relaxed) {
                        let result = self.get(host);
                        let mut load = seen.lock().unwrap();
                        match result {
                            Ok(seen) => load.leaves.push((Instant::now(), seen.leaf)),
                            Err(error) => load.failures.push(error),
                        }
                        drop(load);
                        count += 1;
                        let due = start + Duration::from_secs(1) * THREADS * count / RATE;
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                });
            }
            during();
            stop.store(true, Ordering::Relaxed);
        });
        seen.into_inner().unwrap()
    }
}

/// What a load saw.
#[derive(Default)]
pub(super) struct Load {
    pub(super) leaves: Vec<(Instant, Vec<u8>)>,
    pub(super) failures: Vec<String>,
}

impl Load {
    /// Rotates under load: `old` before, `new` after, no failure, and never `old` again once `new` was seen for good.
    pub(super) fn assert_rotated(&self, old: &[u8], new: &[u8], rotated: Instant) {
        assert_eq!(self.failures, Vec::<String>::new(), "connections failed");
        let count = |leaf: &[u8]| self.leaves.iter().filter(|(_, seen)| seen == leaf).count();
        let (before, after) = (count(old), count(new));
        assert_eq!(before + after, self.leaves.len(), "another certificate was served");
        assert!(before >= 50 && after >= 50, "too little load: {before} old, {after} new");
        let first = self.leaves.iter().find(|(_, seen)| seen == new).unwrap().0;
        let took = first.saturating_duration_since(rotated);
        let total = self.leaves.len();
        eprintln!("{total} connections, 0 failed, {before} old, {after} new; new one live after {took:?}");
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
}

/// First byte and, for an alert, its number, as answer to a hello of `version` (0x0302 is TLS 1.1).
pub(super) fn hello(address: SocketAddr, version: u16, host: &str) -> (u8, Option<u8>) {
    let extension = |kind: u16, body: &[u8]| [&kind.to_be_bytes(), &len16(body)[..], body].concat();
    let name = [&[0][..], &len16(host.as_bytes()), host.as_bytes()].concat();
    let extensions = [
        extension(0, &[&len16(&name)[..], &name].concat()),
        extension(10, &[0, 2, 0, 23]),
        extension(11, &[1, 0]),
        extension(13, &[0, 4, 4, 3, 4, 1]),
    ]
    .concat();
    let ciphers = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x09, 0xc0, 0x13, 0x00, 0x2f];
    let body = [
        &version.to_be_bytes()[..],
        &[7; 32],
        &[0],
        &len16(&ciphers),
        &ciphers,
        &[1, 0],
        &len16(&extensions),
        &extensions,
    ]
    .concat();
    let handshake = [&[1, 0][..], &len16(&body), &body].concat();
    let record = [&[0x16, 3, 1][..], &len16(&handshake), &handshake].concat();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(&record).unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    (answer[0], (answer[0] == 0x15).then_some(answer[6]))
}

fn len16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}
