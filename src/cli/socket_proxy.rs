//! `holdfast socket-proxy`: the engine socket that Traefik is given.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::settings::Settings;
use super::told;
use crate::proxy;
use crate::report::Exit;

/// Arguments of `socket-proxy`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2375")]
    listen: SocketAddr,
    /// The engine's unix socket.
    #[arg(long, value_name = "SOCKET", default_value = "/var/run/docker.sock")]
    engine: PathBuf,
}

/// Runs `socket-proxy` until SIGTERM or SIGINT.
pub(crate) async fn run(args: Args) -> Exit {
    match proxy::serve(args.listen, args.engine, told()).await {
        Ok(()) => Exit::Ok,
        Err(error) => {
            let exit = error.exit();
            let cause =
                std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            Settings::say(&format!("error: {error}{cause}\n"));
            exit
        }
    }
}
