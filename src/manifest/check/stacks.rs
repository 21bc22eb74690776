//! Stacks and the reverse proxy.

use super::super::{Manifest, Material, Stack, Traefik};
use super::values::{self, Verdict, Wrong, holds};
use super::{Judge, Path, host, join};
use crate::address::{Address, Kind};
use crate::source::nearest;

/// The stack that the section `traefik` becomes.
pub(super) const TRAEFIK: &str = "traefik";

const LOG_LEVELS: [&str; 7] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "PANIC"];

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest) {
    judge.names(&["stacks"], manifest.stacks.keys(), values::name);
    for (name, stack) in &manifest.stacks {
        judge_stack(judge, &["stacks", name], stack);
    }
    if let Some(traefik) = &manifest.traefik {
        judge_traefik(judge, traefik);
        if manifest.stacks.contains_key(TRAEFIK) {
            let message = "the section `traefik` makes a stack of this name".to_owned();
            let fix = "rename the stack, or leave one of the two away".to_owned();
            judge.wrong_key(&["stacks", TRAEFIK], &["stacks", TRAEFIK], Wrong { message, fix });
        }
    }
}

fn judge_stack(judge: &mut Judge<'_>, at: &Path<'_>, stack: &Stack) {
    let some =
        holds(!stack.compose.is_empty(), "a stack without a compose file has nothing to run", "name one");
    judge.value(&join(at, &["compose"]), some);
    judge.each(&join(at, &["compose"]), &stack.compose, |path| values::path(path));
    judge.each(&join(at, &["env_files"]), &stack.env_files, |path| values::path(path));
    judge.names(&join(at, &["env"]), stack.env.keys(), values::variable);
    for (service, image) in &stack.images {
        judge.refers(&join(at, &["images", service]), image, "images");
    }
    judge.maybe(&join(at, &["deadline"]), stack.deadline, values::wait);
    judge.each(&join(at, &["allow_recreate"]), &stack.allow_recreate, |entry| recreatable(entry));
}

/// `service.app`, `network.internal` or `config.page`: the part of an address that stands inside a stack.
fn recreatable(entry: &str) -> Verdict {
    let address = format!("stack.x/{entry}").parse::<Address>();
    let known = address
        .is_ok_and(|address| matches!(address.leaf().kind, Kind::Service | Kind::Network | Kind::Config));
    let message = format!("`{entry}` is nothing of a stack that can be made anew");
    holds(known, message, "write `service.NAME`, `network.NAME` or `config.NAME`")
}

fn judge_traefik(judge: &mut Judge<'_>, traefik: &Traefik) {
    let at: &Path<'_> = &[TRAEFIK];
    judge.refers(&[TRAEFIK, "image"], &traefik.image, "images");
    judge.refers(&[TRAEFIK, "proxy_image"], &traefik.proxy_image, "images");
    judge.refers(&[TRAEFIK, "network"], &traefik.network, "networks");
    let message = "without a certificate nothing can be served";
    judge.value(
        &[TRAEFIK, "certificates"],
        holds(!traefik.certificates.is_empty(), message, "add `{ \"chain\": ..., \"key\": ... }`"),
    );
    for (index, certificate) in traefik.certificates.iter().enumerate() {
        let index = index.to_string();
        judge_material(judge, &[TRAEFIK, "certificates", &index, "chain"], &certificate.chain);
        judge_material(judge, &[TRAEFIK, "certificates", &index, "key"], &certificate.key);
    }
    judge.value(&[TRAEFIK, "web_port"], port(traefik.web_port));
    judge.value(&[TRAEFIK, "web_secure_port"], port(traefik.web_secure_port));
    let differ = traefik.web_port != traefik.web_secure_port;
    let message = format!("both entry points have the port {}", traefik.web_secure_port);
    judge.value(&[TRAEFIK, "web_secure_port"], holds(differ, message, "give them two ports"));
    judge.value(&[TRAEFIK, "log_level"], log_level(&traefik.log_level));
    judge.maybe(&join(at, &["engine_socket"]), traefik.engine_socket.as_deref(), values::path);
    judge.maybe(&join(at, &["deadline"]), traefik.deadline, values::wait);
}

fn port(port: u16) -> Verdict {
    holds(port > 0, "0 is not a port", "write one from 1 to 65535")
}

fn log_level(level: &str) -> Verdict {
    let message = format!("`{level}` is not a log level of Traefik");
    holds(LOG_LEVELS.contains(&level), message, nearest::fix(level, LOG_LEVELS))
}

fn judge_material(judge: &mut Judge<'_>, at: &Path<'_>, material: &Material) {
    let there = [material.secret.is_some(), material.file.is_some()];
    judge.value(at, host::one_of(&there, "PEM text", "`secret` and `file`"));
    if let Some(secret) = &material.secret {
        judge.refers(&join(at, &["secret"]), secret, "secrets");
    }
    judge.maybe(&join(at, &["file"]), material.file.as_deref(), values::path);
}
