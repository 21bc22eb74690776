//! Fields of services that are left to others: the plan keeps what it finds, and says so where that differs.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::builder::Builder;
use crate::address::{Address, Kind};
use crate::desired::StackSpec;
use crate::manifest::LeftField;
use crate::observed::at;

/// A field that is not what the compose files say, and stays so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Left {
    /// The service.
    pub address: Address,
    /// What of it is left to others.
    pub field: LeftField,
    /// What it is.
    pub is: String,
    /// What the compose files say.
    pub says: String,
}

/// The stack with what is left to others as it is found.
pub(super) fn leave<'s>(builder: &mut Builder<'_>, name: &str, stack: &'s StackSpec) -> Cow<'s, StackSpec> {
    let mut stack = Cow::Borrowed(stack);
    let Some(wanted) = builder.desired.compiled.manifest.stacks.get(name) else { return stack };
    for (key, fields) in &wanted.left_to_others {
        let Some(service) = stack.services.get(key) else { continue };
        let Some(existing) = builder.observed.services.get(&service.name) else { continue };
        for field in fields {
            let is = at(existing.spec(), place(*field));
            let says =
                stack.services.get(key).map_or(&Value::Null, |service| at(&service.body, place(*field)));
            // Where one of them has no such field, the mode differs, or the other knows nothing of it.
            if is == says || is.is_null() || says.is_null() {
                continue;
            }
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let address = Address::in_stack(name, Kind::Service, key);
            let left = Left { address, field: *field, is: text(is), says: text(says) };
            let service = stack.to_mut().services.get_mut(key);
            if let Some(value) = service.and_then(|service| service.body.pointer_mut(place(*field))) {
                value.clone_from(is);
                builder.leave(left);
            }
        }
    }
    stack
}

const fn place(field: LeftField) -> &'static str {
    match field {
        LeftField::Replicas => "/Mode/Replicated/Replicas",
        LeftField::Image => "/TaskTemplate/ContainerSpec/Image",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::tests::{compiled, desired, manager, object, web};
    use super::super::{Class, plan};
    use super::*;
    use crate::plan::Verb;

    type Changes = Vec<(Verb, Vec<String>)>;
    type Said = Vec<(LeftField, String, String)>;

    /// What the plan does to a service that was scaled and given another image by hand, and what it says of it.
    fn planned(left: &Value) -> (Changes, Said) {
        let mut compiled = compiled(
            &json!({ "stacks": { "web": { "compose": ["c.yml"], "left_to_others": { "app": left } } } }),
            &[web()],
        );
        let stack = compiled.stacks.get_mut("web").unwrap();
        let service = stack.services.get_mut("app").unwrap();
        (service.secrets, service.configs) = (Vec::new(), Vec::new());
        (stack.secrets, stack.configs) = (BTreeMap::new(), BTreeMap::new());
        let mut found = service.body.clone();
        found["Mode"]["Replicated"]["Replicas"] = json!(5);
        found["TaskTemplate"]["ContainerSpec"]["Image"] = json!("app:2");
        let mut observed = manager();
        observed.services.insert("web_app".into(), object("web_app", found));
        let plan = plan(&desired(&compiled), &observed, None).unwrap();
        let changes = plan.steps.iter().filter(|step| step.address.leaf().name == "app");
        let changes = changes.map(|step| {
            let effect = step.effect.as_ref().unwrap();
            assert!(effect.fields.values().all(|class| *class != Class::Recreate));
            (step.verb, effect.fields.keys().cloned().collect())
        });
        let left = plan.left.into_iter().map(|left| (left.field, left.is, left.says));
        (changes.collect(), left.collect())
    }

    #[test]
    fn only_what_is_left_stays_as_it_is_found() {
        let (replicas, image) =
            ("Mode.Replicated.Replicas".to_owned(), "TaskTemplate.ContainerSpec.Image".to_owned());
        assert_eq!(
            planned(&json!([])),
            (vec![(Verb::Update, vec![replicas.clone(), image.clone()])], vec![])
        );
        let is_replicas = (LeftField::Replicas, "5".to_owned(), "1".to_owned());
        let is_image = (LeftField::Image, "app:2".to_owned(), "app:1".to_owned());
        let only = |field: String| vec![(Verb::Update, vec![field])];
        assert_eq!(planned(&json!(["replicas"])), (only(image), vec![is_replicas.clone()]));
        assert_eq!(planned(&json!(["image"])), (only(replicas), vec![is_image.clone()]));
        assert_eq!(planned(&json!(["replicas", "image"])), (vec![], vec![is_replicas, is_image]));
    }
}
