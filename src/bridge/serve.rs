//! The whole service: two listeners, the journal, and an end that loses nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::journal::{Journal, JournalError, Row};
use super::listen::Listen;
use super::receive::Receiver;
use super::signature::{Keys, KeysError};
use super::status::Status;
use super::wake::Wakes;
use super::worker::{Forge, Pulse, Worker};
use crate::forge::error::ForgeError;
use crate::forge::http::Client;
use crate::forge::{drone, gitea, github};
use crate::manifest::{Bridge, ForgeKind};
use crate::report::Exit;
use crate::secrets::SecretBytes;

/// Connections to the status listener at once.
const STATUS_CONNECTIONS: usize = 64;
/// How long requests that have begun are waited for at the end: the forge itself waits 5 s for an answer.
const DRAIN: Duration = Duration::from_secs(10);

/// Between two looks at the journal while nothing can be worked on.
const IDLE: Duration = Duration::from_secs(60);

/// What the service is given besides the manifest's section.
pub struct Given {
    /// The secrets that deliveries are signed with, in the section's order.
    pub hook_secrets: Vec<SecretBytes>,
    /// The bot's token, where it is there.
    pub bot: Option<SecretBytes>,
    /// The Drone token, where it is there.
    pub drone: Option<SecretBytes>,
    /// What has to be shown to read the status page.
    pub status: Option<SecretBytes>,
    /// What calls of Drone's are signed with.
    pub drone_hook: Option<SecretBytes>,
    /// The service manager wants a sign of life at least this often.
    pub watchdog: Option<Duration>,
    /// Tells the service manager.
    pub manager: Arc<dyn Fn(Moment) + Send + Sync>,
    /// A listener that the service manager handed over.
    pub listener: Option<std::net::TcpListener>,
}

/// What a service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Deliveries are taken from now on.
    Ready,
    /// The work goes on.
    Alive,
    /// It ends what it has begun.
    Stopping,
}

/// A bridge that cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// Deliveries could be anybody's.
    #[error("deliveries cannot be told from anybody's")]
    Keys(#[source] KeysError),
    /// Anybody could show an empty secret.
    #[error("the secret of `{0}` is empty")]
    Empty(&'static str),
    /// The journal cannot be used.
    #[error("deliveries cannot be kept")]
    Journal(#[source] JournalError),
    /// The forge or Drone cannot be asked at all.
    #[error("nobody can be asked")]
    Forge(#[source] ForgeError),
    /// A listening socket is of no use.
    #[error("failed to listen on `{listen}`")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

impl BridgeError {
    /// How the command ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Keys(_) | Self::Empty(_) => Exit::SecretFailed,
            Self::Journal(JournalError::Taken { .. }) => Exit::Locked,
            Self::Forge(error) => error.exit(),
            Self::Journal(_) | Self::Listen { .. } => Exit::Internal,
        }
    }

    /// What to do about it, where that can be told.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Keys(_) => Some(
                "give each secret of `bridge.forge.hook_secrets` a value; `holdfast secrets generate` makes one",
            ),
            Self::Empty(_) => Some("give it a value, or take its field out"),
            Self::Journal(JournalError::Taken { .. }) => {
                Some("`systemctl status holdfast-bridge` shows the other one")
            }
            Self::Journal(_) | Self::Forge(_) | Self::Listen { .. } => None,
        }
    }
}

/// Serves until `shutdown` is done.
///
/// # Errors
/// When it cannot begin.
pub async fn serve(
    bridge: Bridge,
    journal: &Path,
    mut given: Given,
    shutdown: impl Future<Output = ()>,
) -> Result<(), BridgeError> {
    let keys = Keys::new(&given.hook_secrets).map_err(BridgeError::Keys)?;
    for (what, secret) in
        [("bridge.status_token", &given.status), ("bridge.drone.webhook_secret", &given.drone_hook)]
    {
        if secret.as_ref().is_some_and(|secret| secret.expose().trim_ascii().is_empty()) {
            return Err(BridgeError::Empty(what));
        }
    }
    let (kept, thread) = Journal::open(journal).map_err(BridgeError::Journal)?;
    let pulse = Pulse { every: given.watchdog, manager: Arc::clone(&given.manager) };
    let wakes = Wakes::default();
    let ends = ends(&bridge, &given).map_err(BridgeError::Forge)?;
    let missing = missing(&given);
    let hook = match given.listener.take() {
        Some(listener) => adopt(listener, bridge.listen)?,
        None => bind(bridge.listen).await?,
    };
    let status = bind(bridge.status_listen).await?;
    for what in &missing {
        tracing::warn!(what, "missing: deliveries are kept, and wait");
    }
    let (stop, stopped) = watch::channel(false);
    let evicted = Arc::new(AtomicU64::new(0));
    let limits = bridge.limits.clone();
    let receiver = Arc::new(Receiver::new(bridge, keys, kept, (given.drone_hook.clone(), wakes.clone())));
    let worker = ends.map(|(forge, drone)| Worker {
        forge,
        drone,
        bridge: receiver.bridge.clone(),
        journal: receiver.journal.clone(),
        metrics: Arc::clone(&receiver.metrics),
        buckets: Arc::clone(&receiver.buckets),
        wakes,
        secrets: secrets(&given),
    });
    let listen = Listen {
        connections: limits.connections,
        read: limits.read.0,
        stop: stopped.clone(),
        evicted: Arc::clone(&evicted),
    };
    let serving = Arc::clone(&receiver);
    let hook = tokio::spawn(listen.clone().serve(hook, move |request, keep| {
        let receiver = Arc::clone(&serving);
        async move { receiver.answer(request, &keep).await }
    }));
    let working = match worker {
        Some(worker) => tokio::spawn(Arc::new(worker).run(stopped, pulse)),
        None => tokio::spawn(idle(receiver.journal.clone(), stopped, pulse)),
    };
    let told = Arc::new(Status { receiver, evicted, missing, token: given.status.take() });
    let telling = Arc::clone(&told);
    let listen = Listen { connections: STATUS_CONNECTIONS, evicted: Arc::default(), ..listen };
    let status = tokio::spawn(listen.serve(status, move |request, _| {
        let told = Arc::clone(&telling);
        async move { told.answer(&request).await }
    }));
    (given.manager)(Moment::Ready);
    shutdown.await;
    (given.manager)(Moment::Stopping);
    tracing::info!("stopping: what has begun is finished");
    let _ = stop.send(true);
    drop(working.await);
    drop(tokio::time::timeout(DRAIN, async { drop((hook.await, status.await)) }).await);
    drop(told);
    // The journal's thread ends when nobody can ask it any more.
    drop(tokio::task::spawn_blocking(move || thread.join()).await);
    Ok(())
}

/// The forge and Drone, where everything is there that the work needs.
fn ends(bridge: &Bridge, given: &Given) -> Result<Option<(Forge, drone::Api)>, ForgeError> {
    let client = |url: &str, connect: Option<SocketAddr>, ca: Option<&Path>| {
        Client::new(url, connect.map(|address| address.to_string()).as_deref(), ca)
    };
    let url = match bridge.forge.kind {
        ForgeKind::Gitea | ForgeKind::Forgejo => bridge.forge.url.clone(),
        ForgeKind::Github => github::api_url(&bridge.forge.url),
    };
    let forge = client(&url, bridge.forge.connect, bridge.forge.ca.as_deref())?;
    let builds = client(&bridge.drone.url, bridge.drone.connect, bridge.drone.ca.as_deref())?;
    let (Some(bot), Some(token)) = (&given.bot, &given.drone) else { return Ok(None) };
    let forge = match bridge.forge.kind {
        ForgeKind::Gitea | ForgeKind::Forgejo => Forge::Gitea(gitea::Api::with_token(forge, bot)),
        ForgeKind::Github => Forge::Github(github::Api::with_token(forge, bot)),
    };
    Ok(Some((forge, drone::Api::with_token(builds, token))))
}

/// What must never be said.
fn secrets(given: &Given) -> Vec<SecretBytes> {
    let others = [&given.bot, &given.drone, &given.status, &given.drone_hook];
    given.hook_secrets.iter().chain(others.into_iter().flatten()).cloned().collect()
}

/// A sign of life while there is no work: as long as the journal answers.
async fn idle(journal: Journal, mut stop: watch::Receiver<bool>, pulse: Pulse) {
    loop {
        drop(journal.ask(Row::standing).await);
        pulse.beat();
        tokio::select! {
            () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
            () = tokio::time::sleep(pulse.pause(IDLE)) => {}
        }
    }
}

/// What is not there, in the words of the readiness page.
fn missing(given: &Given) -> Vec<&'static str> {
    let all = [(given.bot.is_none(), "the bot's token"), (given.drone.is_none(), "the Drone token")];
    all.into_iter().filter_map(|(missing, what)| missing.then_some(what)).collect()
}

async fn bind(listen: SocketAddr) -> Result<TcpListener, BridgeError> {
    let listener =
        TcpListener::bind(listen).await.map_err(|source| BridgeError::Listen { listen, source })?;
    tracing::info!(listen = ?listener.local_addr().ok(), "listening");
    Ok(listener)
}

fn adopt(listener: std::net::TcpListener, listen: SocketAddr) -> Result<TcpListener, BridgeError> {
    let adopted = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
    adopted.map_err(|source| BridgeError::Listen { listen, source })
}
