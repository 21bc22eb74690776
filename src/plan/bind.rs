//! Binds a service spec to the objects that it refers to.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Kept;
use super::keep::Stored;
use crate::address::{Address, Kind};
use crate::desired::{Desired, ObjectRef, ServiceSpec, StackSpec};
use crate::manifest::RENDERED;
use crate::observed::{Object, Observed, at};

/// A service body with object names and, as far as they are known, ids.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BoundService<'a> {
    /// The engine's whole service spec.
    pub(super) body: Cow<'a, Value>,
    /// Ids that only another step can produce: field → address of what produces it.
    pub(super) after: BTreeMap<String, Address>,
    /// Names of the secrets and configs that it refers to.
    pub(super) names: Vec<String>,
    /// Those of them that have a name of docker's.
    pub(super) kept: Vec<Kept>,
}

/// What decides on names, beside what is wanted.
pub(super) struct Names<'n> {
    /// Steps that take down what is made anew, by what they take down.
    pub(super) anew: &'n BTreeMap<Address, usize>,
    /// Values that steps of forges make: secret or template → what makes it.
    pub(super) later: &'n BTreeMap<String, Address>,
    /// The service's spec in the engine, where the names in it are kept as long as they name what is wanted.
    pub(super) stored: Option<&'n Value>,
}

/// What stands in for an id or a value until the object is there; never sent.
pub(super) const UNKNOWN: &str = "known after apply";

/// What a plan shows of the name of a stack's secret whose value a forge will tell; nothing is ever called that.
pub(super) fn unknown_name(base: &str) -> String {
    format!("{base} ({UNKNOWN})")
}

/// What tells the value of a stack's secret in this very run, where a forge does.
pub(super) fn told_by<'l>(
    later: &'l BTreeMap<String, Address>,
    stack: &StackSpec,
    key: &str,
) -> Option<&'l Address> {
    if later.is_empty() {
        return None;
    }
    later.get(&stack.secrets.get(key)?.source)
}

/// True when a service uses a value that a forge will tell.
pub(super) fn waits_for_forge(
    later: &BTreeMap<String, Address>,
    stack: &StackSpec,
    service: &ServiceSpec,
) -> bool {
    service
        .secrets
        .iter()
        .any(|reference| !reference.external && told_by(later, stack, &reference.key).is_some())
}

/// Puts names and ids of secrets and configs into a service's body.
///
/// # Errors
/// The address of the manifest secret or generated file that is missing: the service is held back because of it.
pub(super) fn bind<'a>(
    desired: &Desired<'_>,
    observed: &Observed,
    stack: &StackSpec,
    service: &'a ServiceSpec,
    by: &Names<'_>,
) -> Result<BoundService<'a>, Address> {
    let mut after = BTreeMap::new();
    if let Some(secret) = desired.logins.missing(&desired.compiled.manifest, &service.body) {
        let told = by.later.get(secret).ok_or_else(|| Address::new(Kind::Secret, secret))?;
        after.insert("PullOptions.RegistryAuth".to_owned(), told.clone());
    }
    if let Some(file) = missing_file(desired, observed, service) {
        return Err(file);
    }
    let mut bound =
        BoundService { body: Cow::Borrowed(&service.body), after, names: Vec::new(), kept: Vec::new() };
    let there = Stored::of(by.stored, "Secret");
    let mut secrets = Vec::new();
    for reference in &service.secrets {
        let spec = stack.secrets.get(&reference.key).filter(|_| !reference.external);
        let later = spec.filter(|spec| !spec.fixed_name && by.later.contains_key(&spec.source));
        let name = match (reference.external, later, desired.secret_name(stack, &reference.key)) {
            (true, ..) => reference.key.clone(),
            (false, Some(spec), _) => unknown_name(&spec.base),
            (false, None, Some(name)) => name,
            (false, None, None) => return Err(missing(stack, reference)),
        };
        let address = Address::in_stack(&stack.name, Kind::Secret, &reference.key);
        let kept =
            if later.is_some() { None } else { there.secret(desired, observed, stack, (reference, &name)) };
        let name = bound.name(&address, name, kept, stack);
        let object = observed.secrets.get(&name);
        secrets.push(bound.reference(&Target { kind: "Secret", name: &name, object, address }, reference));
    }
    let there = Stored::of(by.stored, "Config");
    let mut configs = Vec::new();
    for reference in &service.configs {
        let own = Desired::config_name(stack, &reference.key);
        let name = if reference.external { None } else { own }.unwrap_or_else(|| reference.key.clone());
        let address = Address::in_stack(&stack.name, Kind::Config, &reference.key);
        let kept = if reference.external { None } else { there.config(observed, stack, reference) };
        let name = bound.name(&address, name, kept, stack);
        // One that is made anew will have another id.
        let object = observed.configs.get(&name).filter(|_| !by.anew.contains_key(&address));
        configs.push(bound.reference(&Target { kind: "Config", name: &name, object, address }, reference));
    }
    bound.put("Secrets", secrets);
    bound.put("Configs", configs);
    Ok(bound)
}

/// The generated file that a service mounts and that can be made neither now nor was before: without it the engine
/// would find no folder to mount.
fn missing_file(desired: &Desired<'_>, observed: &Observed, spec: &ServiceSpec) -> Option<Address> {
    let missing = desired.compiled.generated.iter().filter(|file| file.installed).filter(|file| {
        let path = file.path.display().to_string();
        !desired.generated.contains_key(&path) && !observed.generated.contains_key(&path)
    });
    let root = || desired.compiled.manifest.paths.run.join("generated");
    let mounts = || at(&spec.body, "/TaskTemplate/ContainerSpec/Mounts").as_array().into_iter().flatten();
    let mut held = missing.filter(|file| {
        let whole = root().join(&file.path);
        mounts().filter_map(|mount| mount.get("Source")?.as_str()).any(|source| whole.starts_with(source))
    });
    held.next().map(|file| Address::new(Kind::File, file.path.display().to_string()))
}

/// The secret or template that the value comes from.
pub(super) fn source_address(source: &str) -> Address {
    match source.strip_prefix(RENDERED).and_then(|rest| rest.strip_prefix('/')) {
        Some(template) => Address::new(Kind::Template, template),
        None => Address::new(Kind::Secret, source),
    }
}

fn missing(stack: &StackSpec, reference: &ObjectRef) -> Address {
    let source = stack.secrets.get(&reference.key).map_or(&reference.key, |spec| &spec.source);
    source_address(source)
}

/// What a reference points at.
struct Target<'a> {
    kind: &'static str,
    name: &'a str,
    object: Option<&'a Object>,
    address: Address,
}

impl BoundService<'_> {
    /// The name that is referred to: ours, or that of an object that is kept in its place.
    fn name(
        &mut self,
        address: &Address,
        wanted: String,
        kept: Option<&Object>,
        stack: &StackSpec,
    ) -> String {
        let Some(object) = kept.filter(|object| object.name != wanted) else { return wanted };
        let ours = object.stack() == Some(&stack.name);
        self.kept.push(Kept { address: address.clone(), name: object.name.clone(), wanted, ours });
        object.name.clone()
    }

    /// Puts references into the body; a body without any is not copied.
    fn put(&mut self, key: &str, references: Vec<Value>) {
        if references.is_empty() {
            return;
        }
        let container = self.body.to_mut().pointer_mut("/TaskTemplate/ContainerSpec");
        if let Some(container) = container.and_then(Value::as_object_mut) {
            container.insert(key.to_owned(), Value::Array(references));
        }
    }

    fn reference(&mut self, target: &Target<'_>, reference: &ObjectRef) -> Value {
        let Target { kind, name, object, address } = target;
        self.names.push((*name).to_owned());
        let id = object.map_or(UNKNOWN, |object| object.id.as_str());
        if object.is_none() {
            let field = format!("TaskTemplate.ContainerSpec.{kind}s.{name}.{kind}ID");
            self.after.insert(field, address.clone());
        }
        let file = &reference.file;
        json!({
            "File": { "Name": file.name, "UID": file.uid, "GID": file.gid, "Mode": file.mode },
            format!("{kind}ID"): id,
            format!("{kind}Name"): name,
        })
    }
}

/// Names of secrets and configs that a stored service spec refers to.
pub(super) fn referenced(spec: &Value) -> Vec<String> {
    let container = at(spec, "/TaskTemplate/ContainerSpec");
    let lists = [("/Secrets", "SecretName"), ("/Configs", "ConfigName")];
    let names = lists.into_iter().flat_map(|(list, key)| {
        let items = at(container, list).as_array().into_iter().flatten();
        items.filter_map(move |item| item.get(key)?.as_str().map(str::to_owned))
    });
    names.collect()
}
