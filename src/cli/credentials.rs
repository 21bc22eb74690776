//! `holdfast credentials ...`: secrets for units of systemd, without a file.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use super::flags::ManifestArg;
use super::order::{self, Idle};
use super::settings::Settings;
use crate::report::Exit;
use crate::run;

/// Commands of `credentials`.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Answer `LoadCredential=NAME:SOCKET` of units, each with what the manifest gives it.
    ///
    /// The listening socket is standard input, as a unit with `StandardInput=socket` has it; systemd starts it with the
    /// first request.
    Serve(ServeArgs),
}

/// Arguments of `credentials serve`.
#[derive(clap::Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    manifest: ManifestArg,
    #[command(flatten)]
    idle: Idle,
}

/// Runs `credentials`.
pub(super) async fn run(command: &Command, settings: &Settings) -> Exit {
    match command {
        Command::Serve(args) => serve(args, settings).await,
    }
}

async fn serve(args: &ServeArgs, settings: &Settings) -> Exit {
    let socket = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(socket) => UnixListener::from(socket),
        Err(error) => {
            Settings::say(&format!("error: standard input cannot be used: {error}\n"));
            return Exit::Internal;
        }
    };
    if socket.local_addr().is_err() {
        Settings::say(
            "error: standard input is no listening unix socket; start this by a socket unit, with \
             `StandardInput=socket`\n",
        );
        return Exit::Usage;
    }
    let order = order::order(args.manifest.path(), settings);
    match run::serve_credentials(&order, socket, args.idle.duration()).await {
        Ok(()) => Exit::Ok,
        Err(stop) => {
            for line in stop.lines() {
                Settings::say(&format!("error: {line}\n"));
            }
            stop.exit()
        }
    }
}
