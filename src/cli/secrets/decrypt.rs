//! `holdfast secrets decrypt [FILE]`: the clear text of a sops file, byte for byte what sops prints.

use std::fs::File;
use std::io::Read;

use super::file::FileArgs;
use super::rule::{Config, Indentation};
use super::stop;
use crate::cli::keys::Keys;
use crate::cli::settings::Settings;
use crate::report::Exit;
use crate::secrets::{Document, Opener, SecretBytes, SecretError, decrypt_with};

/// Arguments of `secrets decrypt`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    file: FileArgs,
    /// Print only what stands at this path: `["key"]["list"][0]`.
    #[arg(long, value_name = "PATH", conflicts_with = "in_place")]
    extract: Option<String>,
    /// Decrypt also what has no MAC or another one: nothing then tells whether values were added or exchanged.
    #[arg(long)]
    ignore_mac: bool,
    /// The data key itself, for forensics.
    #[arg(long, value_name = "HEX", hide = true)]
    data_key_hex: Option<String>,
    /// File descriptor to read the data key from: 32 bytes, or 64 hex digits.
    #[arg(long, value_name = "FD", hide = true, conflicts_with = "data_key_hex")]
    data_key_fd: Option<u32>,
    #[command(flatten)]
    indentation: Indentation,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    keys: Keys,
}

/// Runs `secrets decrypt`.
pub(crate) fn run(args: &Args) -> Exit {
    let bytes = match args.file.read() {
        Ok(bytes) => bytes,
        Err(text) => return stop(Exit::BadConfig, &text),
    };
    let layout = match args.config.layout(&args.indentation) {
        Ok(layout) => layout,
        Err(text) => return stop(Exit::BadConfig, &text),
    };
    let key = match data_key(args) {
        Ok(key) => key,
        Err(text) => return stop(Exit::Usage, &text),
    };
    if args.ignore_mac {
        Settings::say("warning: the MAC is not checked: values may have been added, removed or exchanged\n");
    }
    let opened = match key {
        Some(key) => open(args, &bytes, &Opener::DataKey(&key)),
        None => open(args, &bytes, &Opener::Identities(&args.keys.identities())),
    };
    let written = opened.and_then(|document| {
        for warning in document.warnings() {
            Settings::say(&format!("warning: {warning}\n"));
        }
        let (_, to) = args.file.forms();
        let document = document.with_layout(layout);
        match &args.extract {
            Some(path) => document.extract(path, to),
            None => document.written(to),
        }
    });
    match written {
        Ok(clear) => args.file.write(&clear),
        Err(error) => args.file.refuse(&error),
    }
}

fn open(args: &Args, bytes: &SecretBytes, opener: &Opener<'_>) -> Result<Document, SecretError> {
    decrypt_with(bytes.expose(), args.file.forms().0, opener, args.ignore_mac)
}

fn data_key(args: &Args) -> Result<Option<SecretBytes>, String> {
    let given = match (&args.data_key_hex, args.data_key_fd) {
        (Some(hex), _) => SecretBytes::new(hex.as_bytes().to_vec()),
        (None, Some(fd)) => {
            let mut bytes = Vec::with_capacity(128);
            let read = File::open(format!("/proc/self/fd/{fd}"))
                .and_then(|file| file.take(65).read_to_end(&mut bytes));
            read.map_err(|error| format!("failed to read the data key from file descriptor {fd}: {error}"))?;
            SecretBytes::new(bytes)
        }
        (None, None) => return Ok(None),
    };
    if given.expose().len() == 32 && args.data_key_fd.is_some() {
        return Ok(Some(given));
    }
    let digits = given.expose().trim_ascii();
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    let bytes = bytes.filter(|bytes| bytes.len() == 32).map(SecretBytes::new);
    bytes.map(Some).ok_or_else(|| "a data key is 64 hex digits".to_owned())
}
