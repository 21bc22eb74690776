//! `holdfast secrets encrypt [FILE]`: a sops file of a clear one, with sops's own arguments.

use jiff::Timestamp;

use super::file::FileArgs;
use super::rule::Config;
use super::stop;
use crate::cli::keys::{Asking, environment};
use crate::report::Exit;
use crate::secrets::{Policy, encrypt, split};

/// Arguments of `secrets encrypt`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    file: FileArgs,
    /// Recipients, in place of those of `.sops.yaml`: `age1...`, `ssh-ed25519 ...`, `ssh-rsa ...`, with commas between
    /// them; may be given again.
    #[arg(short, long, value_name = "RECIPIENTS", env = "SOPS_AGE_RECIPIENTS", hide_env_values = true)]
    age: Vec<String>,
    /// Leave values clear whose keys end so.
    #[arg(long, value_name = "SUFFIX")]
    unencrypted_suffix: Option<String>,
    /// Encrypt only values whose keys end so.
    #[arg(long, value_name = "SUFFIX")]
    encrypted_suffix: Option<String>,
    /// Leave values clear whose keys match.
    #[arg(long, value_name = "REGEX")]
    unencrypted_regex: Option<String>,
    /// Encrypt only values whose keys match.
    #[arg(long, value_name = "REGEX")]
    encrypted_regex: Option<String>,
    /// Leave values clear that stand below a comment that matches.
    #[arg(long, value_name = "REGEX")]
    unencrypted_comment_regex: Option<String>,
    /// Encrypt only values that stand below a comment that matches.
    #[arg(long, value_name = "REGEX")]
    encrypted_comment_regex: Option<String>,
    /// Leave clear values out of the MAC.
    #[arg(long)]
    mac_only_encrypted: bool,
    /// How many key groups must answer.
    #[arg(long, value_name = "COUNT")]
    shamir_secret_sharing_threshold: Option<usize>,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    asking: Asking,
}

/// Runs `secrets encrypt`.
pub(crate) fn run(args: &Args) -> Exit {
    let policy = match policy(args) {
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

/// What the flags and the creation rule come to together; flags win.
fn policy(args: &Args) -> Result<Policy, String> {
    let mut policy = args.config.rule(args.file.name())?.unwrap_or_default();
    let flags = [
        ("unencrypted_suffix", &args.unencrypted_suffix),
        ("encrypted_suffix", &args.encrypted_suffix),
        ("unencrypted_regex", &args.unencrypted_regex),
        ("encrypted_regex", &args.encrypted_regex),
        ("unencrypted_comment_regex", &args.unencrypted_comment_regex),
        ("encrypted_comment_regex", &args.encrypted_comment_regex),
    ];
    for (name, text) in flags {
        if let Some(text) = text {
            policy.rules.retain(|(set, _)| set != name);
            policy.rules.push((name.to_owned(), text.clone()));
        }
    }
    let recipients = split(&args.age.join(","));
    if !recipients.is_empty() {
        policy.groups = vec![recipients];
    }
    if policy.groups.iter().all(Vec::is_empty) {
        return Err("nobody is named who could open the file: give `--age RECIPIENT`, or a creation rule in `.sops.yaml`"
            .to_owned());
    }
    policy.layout = args.config.layout()?;
    policy.mac_only_encrypted |= args.mac_only_encrypted;
    policy.threshold = args.shamir_secret_sharing_threshold.unwrap_or(policy.threshold);
    Ok(policy)
}
