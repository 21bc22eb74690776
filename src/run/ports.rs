//! Ports that several stacks of a manifest want.

use serde_json::Value;

use super::pointer::pointer;
use crate::compose::Published;
use crate::desired::StackSpec;
use crate::manifest::Loaded;

/// The ports of a stack that the manifest itself makes; its section is their place.
pub(super) fn of_section(loaded: &Loaded, section: &str, stack: &StackSpec) -> Vec<Published> {
    let place = loaded.problem(&pointer(&[section]), String::new());
    let mut out = Vec::new();
    for service in stack.services.values() {
        let ports = service.body.pointer("/EndpointSpec/Ports").and_then(Value::as_array);
        let constraints = service.body.pointer("/TaskTemplate/Placement/Constraints");
        let texts = constraints.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let mut constraints: Vec<String> = texts.map(|text| text.replace(' ', "")).collect();
        constraints.sort();
        for port in ports.into_iter().flatten() {
            let text = |key: &str| port.get(key).and_then(Value::as_str);
            let Some(number) = port.get("PublishedPort").and_then(Value::as_u64) else { continue };
            out.push(Published {
                stack: stack.name.clone(),
                service: service.name.clone(),
                port: number,
                protocol: text("Protocol").unwrap_or("tcp").to_owned(),
                host: text("PublishMode") == Some("host"),
                global: service.body.pointer("/Mode/Global").is_some(),
                constraints: constraints.clone(),
                source: place.source.clone(),
                span: place.span,
            });
        }
    }
    out
}
