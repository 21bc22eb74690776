//! Which image a service runs.

use serde_json::{Value, json};

use super::super::Input;
use super::super::model::{File, Service};
use super::super::place::{At, Log};
use super::super::refused::nearest;
use super::super::rules::Rule;
use super::Scope;
use crate::pins::Reference;

/// The image of a service.
#[derive(Default)]
pub(super) struct Image {
    /// What docker would send: the familiar form.
    pub(super) reference: String,
    /// As it is written: the value of the label `com.docker.stack.image`.
    pub(super) written: String,
    /// The manifest image, when one is named.
    pub(super) name: Option<String>,
    /// `Placement.Platforms`; empty when the lock file does not know them.
    pub(super) platforms: Vec<Value>,
}

/// Every service and image that the manifest's stack names must be there.
pub(super) fn check_names(scope: &Scope<'_>, input: &Input<'_>, log: &mut Log) {
    for service in input.stack.images.keys() {
        if !scope.file.services.contains_key(service) {
            let known: Vec<&str> = scope.file.services.keys().map(String::as_str).collect();
            let fix = match nearest(service, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove it, or write one of: {}", known.join(", ")),
            };
            let message = format!("`images` of the stack names the service `{service}`, which no file has");
            log.rule(Rule::ImageUnknown, log.home, message, fix);
        }
    }
}

/// The image of the service `key`, or `None` after a problem: that of the manifest if one is named there, else the
/// file's, pinned by its own digest or by the lock file.
pub(super) fn of(key: &str, service: &Service, input: &Input<'_>, log: &mut Log) -> Option<Image> {
    if let Some(name) = input.stack.images.get(key) {
        let Some(image) = input.images.get(name) else {
            let message = format!("`images` of the stack names `{name}`, which is no image of the manifest");
            log.rule(
                Rule::ImageUnknown,
                service.place,
                message,
                format!("declare `{name}` in `images` of the manifest"),
            );
            return None;
        };
        let reference =
            Reference::parse(&image.reference).map_or_else(|| image.reference.clone(), |it| it.familiar());
        let written = image.reference.clone();
        return Some(Image {
            platforms: platforms(&reference, input),
            reference,
            written,
            name: Some(name.clone()),
        });
    }
    let Some(image) = service.image.as_ref() else {
        if service.broken {
            return None;
        }
        let message = format!("the service `{key}` has no image");
        log.rule(
            Rule::ImageMissing,
            service.place,
            message,
            "add `image`, or name one in `images` of the stack",
        );
        return None;
    };
    let text = image.value.as_str();
    if log.exact() {
        return as_written(image, log);
    }
    if let Err(wrong) = input.pins.allow(text) {
        log.rule(wrong_rule(text, Rule::ImagePolicy), image.place, wrong.message, wrong.fix);
        return None;
    }
    match input.pins.pin(text) {
        Ok(reference) => {
            let name =
                input.images.iter().find(|(_, spec)| spec.reference == text).map(|(name, _)| name.clone());
            Some(Image { platforms: platforms(&reference, input), reference, written: text.to_owned(), name })
        }
        Err(wrong) => {
            let fix = format!("{}; or name an image for `{key}` in `images` of the stack", wrong.fix);
            log.rule(wrong_rule(text, Rule::ImageNotPinned), image.place, wrong.message, fix);
            None
        }
    }
}

/// The image as docker sends it when it asks no registry: a name without tag and digest means `latest`.
fn as_written(image: &At<String>, log: &mut Log) -> Option<Image> {
    let text = image.value.as_str();
    let id = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let reference = match Reference::parse(text) {
        _ if id => text.to_owned(),
        Some(reference) if reference.digest.is_some() => reference.familiar(),
        Some(reference) => reference.tagged(),
        None => {
            let message = format!("`{text}` is not an image");
            log.rule(
                Rule::ImageInvalid,
                image.place,
                message,
                "write it like `registry.example.org/app:1.2`",
            );
            return None;
        }
    };
    Some(Image { reference, written: text.to_owned(), name: None, platforms: Vec::new() })
}

/// Text that is no reference at all breaks a rule of docker's, whoever looked first.
fn wrong_rule(text: &str, other: Rule) -> Rule {
    if Reference::parse(text).is_none() { Rule::ImageInvalid } else { other }
}

/// The images of a merged file that stand for themselves, and where they are written.
pub(in crate::compose) fn named<'f>(
    file: &'f File,
    input: &Input<'f>,
) -> impl Iterator<Item = &'f At<String>> {
    let own = file.services.iter().filter(|(key, _)| !input.stack.images.contains_key(*key));
    own.filter_map(|(_, service)| service.image.as_ref())
}

/// The engine's form of the platforms that the lock file gives for an image. An ARM architecture is left open, as
/// docker does, because nodes name its variants in another way than images do.
fn platforms(reference: &str, input: &Input<'_>) -> Vec<Value> {
    let mut out = Vec::new();
    for platform in input.pins.platforms(reference) {
        let mut parts = platform.split('/');
        let os = parts.next().unwrap_or_default();
        let platform = match parts.next().unwrap_or_default() {
            "arm" | "" => json!({ "OS": os }),
            architecture => json!({ "Architecture": architecture, "OS": os }),
        };
        if !out.contains(&platform) {
            out.push(platform);
        }
    }
    out
}
