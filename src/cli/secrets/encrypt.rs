//! `holdfast secrets encrypt [FILE]`: a sops file of a clear one, with sops's own arguments.

use jiff::Timestamp;

use super::file::FileArgs;
use super::rule::Rules;
use super::stop;
use crate::cli::keys::{Asking, environment};
use crate::report::Exit;
use crate::secrets::encrypt;

/// Arguments of `secrets encrypt`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    asking: Asking,
}

/// Runs `secrets encrypt`.
pub(crate) fn run(args: &Args) -> Exit {
    let policy = match args.rules.policy(args.file.name()) {
        Ok(policy) => policy,
        Err(text) => return stop(Exit::BadConfig, &text),
    };
    let bytes = match args.file.read() {
        Ok(bytes) => bytes,
        Err(text) => return stop(Exit::BadConfig, &text),
    };
    match encrypt(
        bytes.expose(),
        args.file.forms(),
        &policy,
        Timestamp::now(),
        (environment(), args.asking.ask()),
    ) {
        Ok(sealed) => args.file.write(&sealed),
        Err(error) => args.file.refuse(&error),
    }
}
