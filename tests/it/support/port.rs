//! Ports for servers that are not ours: another process listens on them, and perhaps again after it was killed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Linux begins to give ports to whoever wants any (`net.ipv4.ip_local_port_range`): such a port, free a moment ago, may
/// be somebody's by the time that the server listens on it.
const FIRST: u32 = 10_000;
const GIVEN: u32 = 32_768;

/// A port of 127.0.0.1 that is told once.
pub(crate) fn own() -> u16 {
    static TOLD: AtomicU32 = AtomicU32::new(0);
    // Another test run at the same time begins elsewhere.
    let start = std::process::id().wrapping_mul(97);
    loop {
        let next = start.wrapping_add(TOLD.fetch_add(1, Ordering::SeqCst));
        let port = u16::try_from(FIRST + next % (GIVEN - FIRST)).expect("below 65 536");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// The same with its address.
pub(crate) fn own_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, own()))
}
