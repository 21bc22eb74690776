//! Servers on loopback that do as they are told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::pki::Leaf;
use crate::support::port;

/// How a TLS server behaves.
pub(super) struct Tls {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) leaf: Leaf,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// Signs with this leaf's key in place of its own.
    pub(super) other_key: Option<Leaf>,
    /// Answers a TLS 1.1 hello as a server that speaks it.
    pub(super) old: bool,
}

impl Tls {
    /// Serves the leaf, then these.
    pub(super) fn new(leaf: Leaf, others: &[&CertificateDer<'static>]) -> Self {
        let chain = std::iter::once(&leaf.der).chain(others.iter().copied()).cloned().collect();
        Self { chain, leaf, versions: rustls::ALL_VERSIONS.to_vec(), other_key: None, old: false }
    }

    pub(super) async fn start(self) -> SocketAddr {
        self.start_http(|_| Reply::close("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).await
    }

    pub(super) async fn start_http(
        self,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> SocketAddr {
        let provider = Arc::new(ring::default_provider());
        let key = self.other_key.as_ref().unwrap_or(&self.leaf).key();
        let key = ring::sign::any_supported_type(&key).unwrap();
        let certified = Arc::new(Fixed(Arc::new(CertifiedKey::new(self.chain, key))));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(certified);
        let (acceptor, old) = (TlsAcceptor::from(Arc::new(config)), self.old);
        let reply = Arc::new(reply);
        accept(move |stream| {
            let (acceptor, reply) = (acceptor.clone(), Arc::clone(&reply));
            async move {
                if old && is_tls_1_1(&stream).await {
                    return speak_tls_1_1(stream).await;
                }
                if let Ok(stream) = acceptor.accept(stream).await {
                    converse(stream, reply.as_ref()).await;
                }
            }
        })
        .await
    }
}

/// Serves one certificate whatever name is asked for, matching its key or not.
#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

async fn is_tls_1_1(stream: &TcpStream) -> bool {
    let mut head = [0; 11];
    while stream.peek(&mut head).await.unwrap_or(0) < head.len() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    head[9..] == [3, 2]
}

async fn speak_tls_1_1(mut stream: TcpStream) {
    let mut hello = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x14, 0]);
    drop(stream.write_all(&hello).await);
    drop(stream.read(&mut [0; 64]).await);
}

/// What an HTTP server answers.
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
}

/// What it does afterwards.
pub(super) enum Then {
    Close,
    /// Keeps the connection and says nothing.
    Hold,
    /// Sends this again and again until the client leaves.
    Repeat(Vec<u8>),
}

impl Reply {
    pub(super) fn close(text: &str) -> Self {
        Self { bytes: text.into(), then: Then::Close }
    }
}

/// An HTTP server without TLS; `reply` is given the request's head.
pub(super) async fn http(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    http_on(listener, reply)
}

pub(super) fn http_on(
    listener: TcpListener,
    reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> SocketAddr {
    let reply = Arc::new(reply);
    serve(listener, move |stream| {
        let reply = Arc::clone(&reply);
        async move { converse(stream, reply.as_ref()).await }
    })
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    reply: &(impl Fn(&str) -> Reply + ?Sized),
) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => head.extend_from_slice(buffer.get(..count).unwrap()),
            _ => return,
        }
    }
    let reply = reply(&String::from_utf8_lossy(&head));
    if stream.write_all(&reply.bytes).await.is_err() {
        return;
    }
    match reply.then {
        Then::Close => drop(stream.shutdown().await),
        Then::Hold => tokio::time::sleep(Duration::from_secs(20)).await,
        Then::Repeat(bytes) => while stream.write_all(&bytes).await.is_ok() {},
    }
}

/// A TCP server that says these bytes, then keeps the connection.
pub(super) async fn says(bytes: &'static [u8]) -> SocketAddr {
    accept(move |mut stream| async move {
        drop(stream.write_all(bytes).await);
        tokio::time::sleep(Duration::from_secs(20)).await;
    })
    .await
}

/// An address that nobody listens at.
pub(super) fn nobody() -> SocketAddr {
    port::own_address()
}

async fn accept<F>(handle: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), handle)
}

fn serve<F>(listener: TcpListener, handle: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}
