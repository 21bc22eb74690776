//! `holdfast bridge ...`: from a comment on a pull request to a build and its answer.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::net::sockopt::socket_acceptconn;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use rustix::thread::disable_transparent_huge_pages;
use serde::{Deserialize, Serialize};

use super::anew::Handed;
use super::flags::ManifestArg;
use super::notify::{self, Notify};
use super::settings::Settings;
use super::{hygiene, input, logging, problems, told};
use crate::bridge::{self, Given, Moment};
use crate::manifest::{Bridge, Manifest, Password, load};
use crate::report::Exit;
use crate::secrets::SecretBytes;
use crate::source::Source;

/// Where systemd puts what it hands over.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// The first descriptor that systemd hands over.
const FIRST: i32 = 3;

/// Commands of `bridge`.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Take the signed deliveries of the forge, and work on them, until SIGTERM.
    ///
    /// Secrets are read from the files that systemd hands over (`LoadCredential=NAME:...`), else from the folder of
    /// installed secrets. Where the bot's token or Drone's is not there, deliveries are kept and wait.
    Serve(ServeArgs),
}

/// Arguments of `bridge serve`.
#[derive(clap::Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    manifest: ManifestArg,
    /// The folder of installed secrets, in place of `<paths.run>/secrets`.
    #[arg(long, value_name = "FOLDER")]
    secrets_dir: Option<PathBuf>,
}

/// How what `serve` needs is handed on.
const HANDED: Handed = Handed { memory: "holdfast-bridge", variable: "HOLDFAST_BRIDGE_FD" };

/// Runs a command of `bridge`.
pub(super) fn run(command: &Command, settings: &Settings) -> Exit {
    let Command::Serve(args) = command;
    match prepare(args, settings) {
        Ok(prepared) => prepared.anew(),
        Err(exit) => exit,
    }
}

/// What `serve` needs of its arguments and the manifest.
#[derive(Serialize, Deserialize)]
struct Prepared {
    bridge: Bridge,
    journal: PathBuf,
    secrets: Secrets,
    verbosity: u8,
    color: bool,
}

/// Serves, in a process that was started anew for it; none in any other.
pub(super) fn prepared() -> Option<Exit> {
    let handed = HANDED.take().ok().flatten()?;
    let prepared: Prepared = serde_json::from_slice(&handed).ok()?;
    hygiene::shut();
    logging::begin(prepared.verbosity, prepared.color);
    Some(prepared.serve())
}

impl Prepared {
    /// Serves in a process that has read neither arguments nor a manifest, which is most of what this one has in memory and
    /// does not need again. Huge pages, with which a run that ends is faster, are off there from the beginning: what serves
    /// for months would hold 2 MiB for each few KiB that it uses.
    fn anew(self) -> Exit {
        // It has been, and what was handed on could not be read.
        if std::env::var_os(HANDED.variable).is_some() {
            return self.serve();
        }
        if let Err(error) = disable_transparent_huge_pages(true) {
            tracing::debug!(%error, "huge pages stay on");
        }
        let bytes = serde_json::to_vec(&self).unwrap_or_default();
        let error = HANDED.start(&bytes, None);
        tracing::warn!(%error, "not started anew: it takes more memory");
        self.serve()
    }

    fn serve(self) -> Exit {
        match self.given() {
            Ok(given) => drive(self.bridge, &self.journal, given),
            Err(exit) => exit,
        }
    }

    fn given(&self) -> Result<Given, Exit> {
        let (bridge, secrets) = (&self.bridge, &self.secrets);
        let (bot, drone) = (secrets.may(&bridge.bot.token), secrets.may(&bridge.drone.token));
        Ok(Given {
            hook_secrets: bridge
                .forge
                .hook_secrets
                .iter()
                .map(|secret| secrets.must(secret))
                .collect::<Result<_, _>>()?,
            status: bridge.status_token.as_ref().map(|token| secrets.must(token)).transpose()?,
            drone_hook: bridge
                .drone
                .webhook_secret
                .as_ref()
                .map(|secret| secrets.must(secret))
                .transpose()?,
            watchdog: notify::watchdog(),
            manager: manager(lacks(bot.as_ref(), drone.as_ref())),
            bot,
            drone,
            listener: handed_over(),
        })
    }
}

fn prepare(args: &ServeArgs, settings: &Settings) -> Result<Prepared, Exit> {
    let file = args.manifest.file();
    let name = file.display().to_string();
    let bytes = input::read(&file).map_err(|error| {
        Settings::say(&format!("error: failed to read manifest `{name}`: {error}\n"));
        Exit::BadConfig
    })?;
    let source = Source::from_bytes(name.clone(), bytes).map_err(|problem| vec![problem]);
    let loaded = source.and_then(|source| load(&source, &input::base(&file)));
    let manifest = loaded.map_err(|found| problems::print(&found, settings))?.manifest;
    let Some(bridge) = manifest.bridge.as_deref().cloned() else {
        Settings::say(&format!("error: `{name}` has no section `bridge`\n"));
        return Err(Exit::BadConfig);
    };
    let state = settings.state_dir.as_ref().unwrap_or(&manifest.paths.state);
    Ok(Prepared {
        journal: bridge.journal.clone().unwrap_or_else(|| state.join("bridge/journal.db")),
        secrets: Secrets::of(args, &manifest, settings),
        verbosity: settings.verbosity,
        color: settings.color.stderr,
        bridge,
    })
}

/// Where secrets are read from.
#[derive(Serialize, Deserialize)]
struct Secrets(Vec<PathBuf>);

impl Secrets {
    fn of(args: &ServeArgs, manifest: &Manifest, settings: &Settings) -> Self {
        let run = settings.run_dir.as_ref().unwrap_or(&manifest.paths.run);
        let installed = args.secrets_dir.clone().unwrap_or_else(|| run.join("secrets"));
        let handed = std::env::var_os(CREDENTIALS).map(PathBuf::from);
        Self(handed.into_iter().chain([installed]).collect())
    }

    /// A secret that nothing can begin without.
    fn must(&self, secret: &Password) -> Result<SecretBytes, Exit> {
        self.may(secret).ok_or_else(|| {
            let name = &secret.secret;
            Settings::say(&format!(
                "error: there is no secret `{name}` in {}\nhint: `LoadCredential={name}:...` of the unit, or `holdfast \
                 secrets install` first\n",
                self.places()
            ));
            Exit::SecretFailed
        })
    }

    /// A secret that may come later. A line break at its end is its editor's.
    fn may(&self, secret: &Password) -> Option<SecretBytes> {
        let read = |folder: &PathBuf| std::fs::read(folder.join(&secret.secret)).ok().map(SecretBytes::new);
        let line = |bytes: SecretBytes| {
            let text = bytes.expose();
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            SecretBytes::new(text.strip_suffix(b"\r").unwrap_or(text).to_vec())
        };
        // What nobody could give is an empty credential.
        self.0.iter().filter_map(read).map(line).find(|secret| !secret.expose().is_empty())
    }

    fn places(&self) -> String {
        let places: Vec<String> = self.0.iter().map(|place| format!("`{}`", Path::display(place))).collect();
        places.join(" or ")
    }
}

/// The socket that the service manager listens on for us: as standard input (`StandardInput=socket`), or as
/// `sd_listen_fds(3)` describes, which not every container lets us take.
fn handed_over() -> Option<std::net::TcpListener> {
    let input = std::io::stdin();
    if socket_acceptconn(&input).unwrap_or(false) {
        return input.as_fd().try_clone_to_owned().ok().map(std::net::TcpListener::from);
    }
    let number = |name: &str| std::env::var_os(name)?.to_str()?.parse::<i32>().ok();
    if number("LISTEN_PID")? != Pid::as_raw(Some(getpid())) || number("LISTEN_FDS")? < 1 {
        return None;
    }
    // Asked of the kernel: a descriptor that is not there is an error then, and not somebody else's.
    let own = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let socket = pidfd_getfd(own, FIRST, PidfdGetfdFlags::empty()).ok()?;
    Some(std::net::TcpListener::from(socket))
}

/// What `systemctl status` says of it.
fn lacks(bot: Option<&SecretBytes>, drone: Option<&SecretBytes>) -> String {
    let tokens = [(bot.is_none(), "the bot's token"), (drone.is_none(), "the Drone token")];
    let missing: Vec<&str> =
        tokens.into_iter().filter_map(|(missing, what)| missing.then_some(what)).collect();
    if missing.is_empty() {
        return "takes deliveries, and works on them".to_owned();
    }
    format!("deliveries are kept, and wait: missing {}", missing.join(" and "))
}

/// Who tells the service manager; `status` is what `systemctl status` says then.
fn manager(status: String) -> Arc<dyn Fn(Moment) + Send + Sync> {
    let notify = Notify::from_environment();
    Arc::new(move |moment| match moment {
        Moment::Ready => notify.say(&format!("READY=1\nSTATUS={status}")),
        Moment::Alive => notify.say("WATCHDOG=1"),
        Moment::Stopping => notify.say("STOPPING=1"),
    })
}

/// Serves on a runtime of its own: unlike every other command this one is to use more than one core.
fn drive(bridge: Bridge, journal: &Path, given: Given) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            Settings::say(&format!("error: failed to start the runtime: {error}\n"));
            return Exit::Internal;
        }
    };
    let served = runtime.block_on(async { bridge::serve(bridge, journal, given, told()).await });
    let Err(error) = served else { return Exit::Ok };
    let mut text = format!("error: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(one) = cause {
        text = format!("{text}: {one}");
        cause = one.source();
    }
    let hint = error.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    Settings::say(&format!("{text}\n{hint}"));
    error.exit()
}
