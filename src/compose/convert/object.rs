//! Secrets and configs of the stack, and the references of services to them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::desired::{ConfigSpec, FileTarget, ObjectRef, SecretSpec, StackSpec};

use super::super::Input;
use super::super::load::Loader;
use super::super::model::{FileRef, Object, Service, is_true};
use super::super::place::{At, Log, Place};
use super::super::rules::Rule;
use super::{Scope, object_of, put, strings, undefined};

/// The engine takes configs and secrets of fewer bytes than these, and none that is empty.
const CONFIG_BYTES: usize = 1_024_000;
const SECRET_BYTES: usize = 512_000;

/// What the engine takes as a name, in characters.
const LONGEST_NAME: usize = 64;

fn name_of(object: &Object) -> Option<&At<String>> {
    object.name.as_ref().filter(|name| !name.value.is_empty())
}

/// The name in the engine before a content digest goes behind it.
fn base(scope: &Scope<'_>, key: &str, object: &Object) -> String {
    match name_of(object) {
        Some(name) => name.value.clone(),
        None if is_true(&object.external) => key.to_owned(),
        None => scope.full(key),
    }
}

/// Every config that is not external, as docker creates them, used or not.
pub(super) fn configs(scope: &Scope<'_>, out: &mut StackSpec, loader: &mut Loader<'_>) {
    for (key, at) in &scope.file.configs {
        let config = &at.value;
        if is_true(&config.external) || config.broken {
            continue;
        }
        let Some((data, place)) = content(("config", key), at, loader) else { continue };
        check_size(("config", key), data.len(), place, &mut loader.log);
        let base = base(scope, key, config);
        let fixed_name = name_of(config).is_some() || loader.log.exact();
        if fixed_name && base.chars().count() > LONGEST_NAME {
            let message = format!("`{base}` is longer than {LONGEST_NAME} characters");
            loader.log.rule(Rule::NameLength, at.place, message, "choose a shorter `name`, or remove it");
        }
        let driver = config.template_driver.as_ref().filter(|driver| !driver.value.is_empty());
        let spec = ConfigSpec {
            base,
            fixed_name,
            digest: digest(&data),
            data: STANDARD.encode(data),
            labels: scope.labels(&config.labels),
            templating: driver.map(|driver| json!({ "Name": driver.value })),
        };
        out.configs.insert(key.clone(), spec);
    }
}

/// The bytes of a config or secret, and the place that says where they come from.
fn content((kind, key): (&str, &str), at: &At<Object>, loader: &mut Loader<'_>) -> Option<(Vec<u8>, Place)> {
    if let Some(content) = &at.value.content {
        return Some((content.value.clone().into_bytes(), content.place));
    }
    let Some(file) = at.value.file.as_ref().filter(|file| !file.value.is_empty()) else {
        let message = format!("the {kind} `{key}` has no `file`");
        loader.log.rule(Rule::ObjectFile, at.place, message, "add `file: PATH`, or `external: true`");
        return None;
    };
    loader.bytes(file).map(|data| (data, file.place))
}

/// The engine takes no config and no secret that is empty or too large.
fn check_size((kind, key): (&str, &str), bytes: usize, place: Place, log: &mut Log) {
    let limit = if kind == "config" { CONFIG_BYTES } else { SECRET_BYTES };
    if bytes == 0 {
        let message = format!("the {kind} `{key}` is empty, which the engine does not take");
        log.rule(Rule::ObjectSize, place, message, "write at least the end of a line into it");
    } else if bytes >= limit {
        let message = format!("the {kind} `{key}` has {bytes} bytes, the engine takes {}", limit - 1);
        log.rule(Rule::ObjectSize, place, message, "make it smaller, or mount it from the host");
    }
}

/// First 12 hex digits of the content's SHA-256.
fn digest(data: &[u8]) -> String {
    format!("{:x}", Sha256::digest(data)).chars().take(12).collect()
}

/// Every secret: each is external and bound to a secret or template of the manifest.
pub(super) fn secrets(scope: &Scope<'_>, input: &Input<'_>, out: &mut StackSpec, loader: &mut Loader<'_>) {
    if loader.log.exact() {
        return plain_secrets(scope, out, loader);
    }
    let log = &mut loader.log;
    let used: BTreeSet<&str> = scope
        .file
        .services
        .values()
        .flat_map(|service| service.secrets.iter().map(|at| at.value.source.as_str()))
        .collect();
    for (key, at) in &scope.file.secrets {
        let secret = &at.value;
        if secret.broken {
            continue;
        }
        if !is_true(&secret.external) {
            let place = secret.file.as_ref().map_or(at.place, |file| file.place);
            let message = match secret.file {
                Some(_) => format!("the secret `{key}` would be read from a plaintext file"),
                None => format!("the secret `{key}` is not external"),
            };
            log.rule(
                Rule::SecretPlain,
                place,
                message,
                format!("declare `{key}` in `secrets` of the manifest and write `external: true`"),
            );
            continue;
        }
        let source = base(scope, key, secret);
        if log.alone {
            continue;
        }
        if !input.secrets.contains(&source) {
            let place = name_of(secret).map_or(at.place, |name| name.place);
            let known: Vec<&str> = input.secrets.iter().map(String::as_str).collect();
            let fix = match super::nearest(&source, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare `{source}` in `secrets` or `templates` of the manifest"),
            };
            log.rule(Rule::SecretUnknown, place, format!("`{source}` is no secret of the manifest"), fix);
            continue;
        }
        if !used.contains(key.as_str()) {
            let message = format!("no service uses the secret `{key}`; it is not created");
            log.rule(Rule::Unused, at.place, message, "remove it, or name it in `secrets` of a service");
            continue;
        }
        let labels = scope.labels(&BTreeMap::new());
        let spec = SecretSpec { base: scope.full(&source), source, labels, ..SecretSpec::default() };
        out.secrets.insert(key.clone(), spec);
    }
}

/// Every secret that is not external, as docker creates them, used or not.
fn plain_secrets(scope: &Scope<'_>, out: &mut StackSpec, loader: &mut Loader<'_>) {
    for (key, at) in &scope.file.secrets {
        let secret = &at.value;
        if is_true(&secret.external) || secret.broken {
            continue;
        }
        let written = |text: &Option<At<String>>| {
            text.as_ref().map(|at| at.value.clone()).filter(|text| !text.is_empty())
        };
        let driver = written(&secret.driver);
        if driver.is_none() {
            let Some((data, place)) = content(("secret", key), at, loader) else { continue };
            check_size(("secret", key), data.len(), place, &mut loader.log);
            loader.values.insert(key.clone(), data);
        }
        let driver = driver.map(|name| {
            let mut map = Map::from_iter([("Name".to_owned(), json!(name))]);
            put(&mut map, "Options", object_of(strings(&secret.driver_opts)));
            Value::Object(map)
        });
        let spec = SecretSpec {
            base: base(scope, key, secret),
            fixed_name: true,
            source: key.clone(),
            labels: scope.labels(&secret.labels),
            driver,
            templating: written(&secret.template_driver).map(|name| json!({ "Name": name })),
        };
        out.secrets.insert(key.clone(), spec);
    }
}

/// Secrets whose object that docker made is trusted; each must be one of the file.
pub(super) fn trusted(scope: &Scope<'_>, input: &Input<'_>, out: &mut StackSpec, log: &mut Log) {
    for key in &input.stack.trust_secrets {
        if scope.file.secrets.contains_key(key) {
            out.trust_secrets.insert(key.clone());
            continue;
        }
        let known: Vec<&str> = scope.file.secrets.keys().map(String::as_str).collect();
        let fix = match super::nearest(key, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "remove it".to_owned(),
        };
        let message = format!("`trust_secrets` of the stack names the secret `{key}`, which no file has");
        log.rule(Rule::TrustUnknown, log.home, message, fix);
    }
}

/// The secrets that a service mounts, sorted by object name.
pub(super) fn secret_refs(scope: &Scope<'_>, service: &Service, log: &mut Log) -> Vec<ObjectRef> {
    references(scope, "secret", &service.secrets, &scope.file.secrets, log)
}

/// The configs that a service mounts, sorted by object name.
pub(super) fn config_refs(scope: &Scope<'_>, service: &Service, log: &mut Log) -> Vec<ObjectRef> {
    references(scope, "config", &service.configs, &scope.file.configs, log)
}

fn references(
    scope: &Scope<'_>,
    kind: &'static str,
    references: &[At<FileRef>],
    section: &BTreeMap<String, At<Object>>,
    log: &mut Log,
) -> Vec<ObjectRef> {
    let mut targets = BTreeSet::new();
    let mut out = Vec::new();
    for at in references {
        let reference = &at.value;
        let Some(object) = section.get(&reference.source) else {
            undefined(kind, &At::new(reference.source.clone(), at.place), section, log);
            continue;
        };
        let name = base(scope, &reference.source, &object.value);
        let target = reference.target.clone().unwrap_or_else(|| reference.source.clone());
        if !targets.insert(target.clone()) {
            let message = format!("two {kind}s are mounted at `{target}`");
            log.rule(Rule::TargetTwice, at.place, message, "give one of them another `target`");
        }
        // A secret is always ours where there is a manifest; an external config is not.
        let external = (kind == "config" || log.alone) && is_true(&object.value.external);
        let file = FileTarget {
            name: target,
            uid: reference.uid.clone().unwrap_or_else(|| "0".to_owned()),
            gid: reference.gid.clone().unwrap_or_else(|| "0".to_owned()),
            mode: reference.mode.unwrap_or(0o444),
        };
        let key = if external { name.clone() } else { reference.source.clone() };
        out.push((name, ObjectRef { key, external, file }));
    }
    out.sort_by(|left, right| (&left.0, &left.1.file.name).cmp(&(&right.0, &right.1.file.name)));
    out.into_iter().map(|(_, reference)| reference).collect()
}
