//! What a service keeps of what docker made: its image text and the names of its configs and secrets.
//!
//! A name is no difference as long as what it names is the same. So a stack that `docker stack deploy` made is taken
//! over without an update; our own names come along with the next change that restarts the service anyway. What is the
//! same can be told from the engine alone, but for secrets, whose values it never gives back: there the manifest's
//! `trust_secrets` counts, once, and the record remembers for which value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::desired::{ConfigSpec, Desired, ObjectRef, StackSpec};
use crate::observed::{Object, Observed, at};

/// The label in which docker keeps the image as it was written.
const IMAGE_LABEL: &str = "com.docker.stack.image";

/// The image of a service spec.
pub(super) const IMAGE: &str = "/TaskTemplate/ContainerSpec/Image";

/// Names of secrets or configs of a stored service spec, by the file that a task sees them as.
pub(super) struct Stored<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Stored<'a> {
    /// `kind` is `Secret` or `Config`.
    pub(super) fn of(spec: Option<&'a Value>, kind: &str) -> Self {
        let Some(spec) = spec else { return Self(BTreeMap::new()) };
        let list = at(spec, &format!("/TaskTemplate/ContainerSpec/{kind}s"));
        let name = format!("{kind}Name");
        let pair =
            |item: &'a Value| Some((item.pointer("/File/Name")?.as_str()?, item.get(&name)?.as_str()?));
        Self(list.as_array().into_iter().flatten().filter_map(pair).collect())
    }

    fn name(&self, reference: &ObjectRef) -> Option<&'a str> {
        self.0.get(reference.file.name.as_str()).copied()
    }

    /// The config of the stack that the service already sees there, if it holds the same as `spec`.
    pub(super) fn config<'o>(
        &self,
        observed: &'o Observed,
        stack: &StackSpec,
        reference: &ObjectRef,
    ) -> Option<&'o Object> {
        let spec = stack.configs.get(&reference.key)?;
        let object = observed.configs.get(self.name(reference)?)?;
        same_config(object, stack, spec).then_some(object)
    }

    /// The secret that docker made and that the service already sees there, if the manifest says that it holds the
    /// same as `wanted`, the name that it has here, and if it was not said for another value before.
    pub(super) fn secret<'o>(
        &self,
        desired: &Desired<'_>,
        observed: &'o Observed,
        stack: &StackSpec,
        (reference, wanted): (&ObjectRef, &str),
    ) -> Option<&'o Object> {
        if !stack.trust_secrets.contains(&reference.key) {
            return None;
        }
        let object = self.docker_made(observed, stack, reference)?;
        let trusted = desired.recorded.trusted.get(&object.name);
        trusted.is_none_or(|trusted| trusted == wanted).then_some(object)
    }

    /// The secret under docker's own name that the service sees there: `<stack>_<key>`, or an external one.
    pub(super) fn docker_made<'o>(
        &self,
        observed: &'o Observed,
        stack: &StackSpec,
        reference: &ObjectRef,
    ) -> Option<&'o Object> {
        let spec = stack.secrets.get(&reference.key)?;
        let name = self.name(reference).filter(|name| [spec.base.as_str(), &spec.source].contains(name))?;
        observed.secrets.get(name)
    }
}

/// True when a config is one of the stack and holds what `spec` says.
pub(super) fn same_config(object: &Object, stack: &StackSpec, spec: &ConfigSpec) -> bool {
    let templating = at(&object.raw, "/Spec/Templating");
    object.stack() == Some(&stack.name)
        && at(&object.raw, "/Spec/Data").as_str().unwrap_or_default() == spec.data
        && templating.get("Name") == spec.templating.as_ref().and_then(|templating| templating.get("Name"))
}

/// How the image of a stored service compares with the one that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// One text.
    Equal,
    /// The same bytes under another text: it stays until the service restarts anyway.
    SameBytes,
    /// What is wanted names no digest, and docker has written one behind the same tag: it stays.
    Pinned,
    /// Another image, or one of which nothing is known.
    Other,
}

/// Compares image texts, with the engine's word for which texts name one image.
pub(super) fn likeness(desired: &Desired<'_>, observed: &Observed, stored: &str, wanted: &str) -> Likeness {
    if stored == wanted {
        return Likeness::Equal;
    }
    let (had, want) = (Parts::of(stored), Parts::of(wanted));
    match (had.digest, want.digest) {
        (Some(had_digest), Some(digest)) if had.name == want.name && had_digest == digest => {
            Likeness::SameBytes
        }
        (Some(_), Some(_)) => Likeness::Other,
        (Some(_), None) if had.name == want.name && had.tag == want.tag => Likeness::Pinned,
        (None, None) if had == want => Likeness::SameBytes,
        _ if same_on_engine(desired, observed, stored, wanted) => Likeness::SameBytes,
        _ => Likeness::Other,
    }
}

/// True when the engine holds one image under both texts. A text without a digest is what this engine has for it.
fn same_on_engine(desired: &Desired<'_>, observed: &Observed, stored: &str, wanted: &str) -> bool {
    let id = |text: &str| {
        let parts = Parts::of(text);
        let key = match parts.digest {
            Some(digest) => format!("{}@{digest}", parts.name),
            None => format!("{}:{}", parts.name, parts.tag),
        };
        observed.image_ids.get(&key).map(String::as_str)
    };
    let Some(had) = id(stored) else { return false };
    let image = desired.compiled.images.values().find(|image| image.reference == wanted);
    let source = image.and_then(|image| image.source.as_ref());
    id(wanted) == Some(had) || source.is_some_and(|it| it.config_digest == had || it.manifest_digest == had)
}

/// An image text, taken apart; the name in its familiar form.
#[derive(PartialEq)]
struct Parts<'a> {
    name: &'a str,
    tag: &'a str,
    digest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (rest, "latest"),
        };
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        Self { name: name.strip_prefix("library/").unwrap_or(name), tag, digest }
    }
}

/// The body with the image of the stored spec: its text, the platforms that docker found for it, and the label that
/// says how it was written.
pub(super) fn with_image<'b>(body: &Cow<'b, Value>, stored: &Value) -> Cow<'b, Value> {
    let mut body = body.clone();
    for (parent, key) in [
        ("/TaskTemplate/ContainerSpec", "Image"),
        ("/TaskTemplate/Placement", "Platforms"),
        ("/Labels", IMAGE_LABEL),
    ] {
        let had = stored.pointer(parent).and_then(|fields| fields.get(key));
        if body.pointer(parent).and_then(|fields| fields.get(key)) != had {
            put(body.to_mut(), parent, key, had);
        }
    }
    body
}

fn put(body: &mut Value, parent: &str, key: &str, value: Option<&Value>) {
    let Some(fields) = body.pointer_mut(parent) else { return };
    if fields.is_null() {
        *fields = Map::new().into();
    }
    if let Some(fields) = fields.as_object_mut() {
        match value {
            Some(value) => drop(fields.insert(key.to_owned(), value.clone())),
            None => drop(fields.remove(key)),
        }
    }
}
