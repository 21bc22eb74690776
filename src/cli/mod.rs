//! Flags → settings; one file per command; no logic.
//!
//! A command is a file with two things: `pub(crate) struct Args` (what it adds to the command line) and
//! `pub(crate) fn run(args, &Settings) -> Exit`, or an `async fn` that [`wait`] drives. To add one: the file, a
//! variant of [`Command`], a line in [`dispatch`]. The process environment is read here and nowhere else.

mod anew;
mod apply;
mod bridge;
mod check;
mod collect;
mod compile;
mod completions;
mod credentials;
mod destroy;
mod doctor;
#[cfg(test)]
mod documented_tests;
mod flags;
mod group;
mod hygiene;
mod image;
mod input;
mod keys;
mod later;
mod logging;
mod notify;
mod order;
mod outcome;
mod plan;
mod probe;
mod problems;
mod progress;
mod rollback;
mod schema;
mod secrets;
mod settings;
mod socket_proxy;
mod stack;
mod status;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::report::Exit;
use group::Group;
use later::Later;
use settings::Settings;

/// Makes a Docker Swarm host equal to its manifest, and proves it.
#[derive(Parser)]
#[command(name = "holdfast", version, disable_help_subcommand = true, infer_subcommands = false)]
struct Cli {
    #[command(flatten)]
    flags: flags::Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a manifest and the files that it names; print every problem with its place and its fix.
    Check(Later<check::Args>),
    /// Resolve everything that needs no host, into a folder that every command takes.
    Compile(Later<compile::Args>),
    /// Show what would be done, and why.
    Plan(Later<plan::Args>),
    /// Make the host equal to the manifest, and prove it.
    Apply(Later<apply::Args>),
    /// Run the gates; nothing is written.
    Verify(Later<verify::Args>),
    /// Take the proofs anew that write: test deliveries of hooks, Drone's sign-in, a runner's build.
    Probe(Later<probe::Args>),
    /// Show what is there, and where it differs.
    Status(Later<status::Args>),
    /// Look at the host as a whole: who listens, units, disks, processes; nothing is written.
    Doctor(Later<doctor::Args>),
    /// Bring back a generation that was recorded, and prove it.
    Rollback(Later<rollback::Args>),
    /// Remove images and objects that earlier runs brought and nothing needs any more.
    Collect(Later<collect::Args>),
    /// Remove what is recorded as ours.
    Destroy(Later<destroy::Args>),
    /// Lock what images of registries stand for.
    Image(Later<Group<image::Command>>),
    /// Work with keys and sops files, and install what is in them.
    Secrets(Later<Group<secrets::Command>>),
    /// Give secrets to units of systemd, without a file.
    Credentials(Later<Group<credentials::Command>>),
    /// Show what compose files become.
    Stack(Later<Group<stack::Command>>),
    /// Print the JSON Schema of the manifest.
    Schema(Later<schema::Args>),
    /// Pass on the GET requests of Traefik's Swarm provider to the engine, and refuse everything else.
    SocketProxy(Later<socket_proxy::Args>),
    /// Build what a comment on a pull request asks for, and answer there.
    Bridge(Later<Group<bridge::Command>>),
    /// Print a completion script for a shell.
    Completions(Later<completions::Args>),
}

/// The whole program: reads the command line, runs the command, returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Err(text) = hygiene::scrub() {
        Settings::say(&format!("error: {text}\n"));
        return Exit::Internal.into();
    }
    if let Some(exit) = bridge::prepared() {
        return exit.into();
    }
    let cli = match command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage(&flags::with_next(error)).into(),
    };
    hygiene::shut();
    let settings = cli.flags.resolve();
    logging::init(&settings);
    dispatch(cli.command, &settings).into()
}

fn dispatch(command: Command, settings: &Settings) -> Exit {
    match command {
        Command::Check(Later(args)) => check::run(&args, settings),
        Command::Compile(Later(args)) => compile::run(&args, settings),
        Command::Plan(Later(args)) => wait(plan::run(&args, settings)),
        Command::Apply(Later(args)) => wait(apply::run(&args, settings)),
        Command::Verify(Later(args)) => wait(verify::run(&args, settings)),
        Command::Probe(Later(args)) => wait(probe::run(&args, settings)),
        Command::Status(Later(args)) => wait(status::run(&args, settings)),
        Command::Doctor(Later(args)) => wait(doctor::run(&args, settings)),
        Command::Rollback(Later(args)) => wait(rollback::run(&args, settings)),
        Command::Collect(Later(args)) => wait(collect::run(&args, settings)),
        Command::Destroy(Later(args)) => wait(destroy::run(&args, settings)),
        Command::Image(Later(Group { command })) => wait(image::run(&command, settings)),
        Command::Secrets(Later(Group { command })) if command.ends_with_another() => {
            drive(secrets::run(&command, settings))
        }
        Command::Secrets(Later(Group { command })) => wait(secrets::run(&command, settings)),
        Command::Credentials(Later(Group { command })) => wait(credentials::run(&command, settings)),
        Command::Stack(Later(Group { command })) => stack::run(command, settings),
        Command::Schema(Later(args)) => schema::run(&args, settings),
        Command::SocketProxy(Later(args)) => wait(socket_proxy::run(args)),
        Command::Bridge(Later(Group { command })) => bridge::run(&command, settings),
        Command::Completions(Later(args)) => completions::run(&args, settings),
    }
}

/// Drives an async command to its end or to a signal.
fn wait(command: impl Future<Output = Exit>) -> Exit {
    drive(until_signal(command))
}

/// Drives an async command on the program's only runtime, which is made here and on this thread.
fn drive(command: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            Settings::say(&format!("error: failed to start the runtime: {error}\n"));
            Exit::Internal
        }
    }
}

/// A signal ends the command where it stands: no step is left half-done that the next run would not find and finish.
async fn until_signal(command: impl Future<Output = Exit>) -> Exit {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return command.await;
    };
    let exit = tokio::select! {
        exit = command => return exit,
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    };
    Settings::say("\nstopped by a signal; nothing is lost: the same command goes on from what is there\n");
    exit
}

/// Ends with SIGTERM or SIGINT: what serves then finishes what it has begun.
async fn told() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}

/// The command line as clap sees it; completion scripts are made from it too.
fn command() -> clap::Command {
    Cli::command()
}

/// Help and version are a result; everything else that clap refuses is a usage error, which is 64 and not 2.
fn usage(error: &clap::Error) -> Exit {
    match error.print() {
        Ok(()) if error.use_stderr() => Exit::Usage,
        Ok(()) => Exit::Ok,
        Err(_) => Exit::Internal,
    }
}
