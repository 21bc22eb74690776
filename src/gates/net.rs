//! Names and connections, and why there are none.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::course::words;
use super::seen::Trouble;

/// The time that an attempt has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// When it ends.
    pub(super) until: Instant,
    /// How long it was in all, for the words.
    pub(super) whole: Duration,
}

impl Budget {
    /// Runs a phase within what is left; `late` says what did not come.
    pub(super) async fn within<T>(
        self,
        phase: impl Future<Output = Result<T, Trouble>>,
        late: impl FnOnce(&str) -> String,
    ) -> Result<T, Trouble> {
        match timeout_at(self.until, phase).await {
            Ok(result) => result,
            Err(_) => Err(Trouble::fail(late(&words(self.whole)))),
        }
    }
}

/// The addresses of a name, in the resolver's order.
pub(super) async fn resolve(host: &str, port: u16, budget: Budget) -> Result<Vec<SocketAddr>, Trouble> {
    let look = async {
        let found = lookup_host((host, port)).await;
        let found: Vec<_> = found.map_err(|error| Trouble::fail(no_address(host, &error)))?.collect();
        if found.is_empty() { Err(Trouble::fail(format!("`{host}` has no address"))) } else { Ok(found) }
    };
    budget.within(look, |time| format!("`{host}` was not resolved within {time}")).await
}

fn no_address(host: &str, error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    format!("`{host}` does not resolve: {}", text.to_lowercase())
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct NoConnection {
    /// True only when the other side refused: the one answer that shows a closed port.
    pub(super) refused: bool,
    pub(super) trouble: Trouble,
}

impl From<NoConnection> for Trouble {
    fn from(error: NoConnection) -> Self {
        error.trouble
    }
}

/// A connection to exactly this address.
pub(super) async fn connect(address: SocketAddr, budget: Budget) -> Result<TcpStream, NoConnection> {
    match timeout_at(budget.until, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(NoConnection {
            refused: error.kind() == ErrorKind::ConnectionRefused,
            trouble: no_connection(address, &error),
        }),
        Err(_) => {
            let trouble = Trouble::fail(format!("{address} did not answer within {}", words(budget.whole)));
            Err(NoConnection { refused: false, trouble })
        }
    }
}

/// The first address that lets itself be connected to, as a client would do it; the last trouble when none does.
pub(super) async fn connect_any(addresses: &[SocketAddr], budget: Budget) -> Result<TcpStream, Trouble> {
    let share = budget.whole / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = Trouble::fail("there is no address to connect to");
    for &address in addresses {
        let until = budget.until.min(Instant::now() + share);
        match connect(address, Budget { until, whole: share }).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.trouble,
        }
    }
    Err(last)
}

fn no_connection(address: SocketAddr, error: &std::io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::ConnectionRefused => Trouble::fail(format!("{address} refused the connection")),
        ErrorKind::TimedOut => Trouble::fail(format!("{address} did not answer (the kernel gave up)")),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            Trouble::fail(format!("{address} is unreachable: no route to it"))
        }
        ErrorKind::ConnectionReset => Trouble::fail(format!("{address} reset the connection")),
        // Anything else is about this side: no file descriptors, no local address, a filter.
        _ => Trouble::unknown(format!("cannot connect to {address}: {}", error.to_string().to_lowercase())),
    }
}
