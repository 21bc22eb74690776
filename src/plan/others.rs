//! Fields of services that are left to others: the plan keeps what it finds, and says so where that differs.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::builder::Builder;
use super::stack::spec_of;
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
            let is = at(spec_of(existing), place(*field));
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
