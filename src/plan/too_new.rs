//! Fields that an engine is too old for: it would drop them without a word, and the service would differ for ever.

use serde_json::Value;

use super::Refusal;
use super::builder::Builder;
use super::choose::Service;
use crate::observed::at;
use crate::report::Exit;

/// Lists, and fields below each entry (or below the one value) that an engine knows from some API version on.
const SINCE: &[(&str, &str, (u32, u32), &str)] = &[
    ("/TaskTemplate/ContainerSpec/Mounts", "/ClusterOptions", (1, 42), "23.0"),
    ("/TaskTemplate/ContainerSpec/Mounts", "/BindOptions/CreateMountpoint", (1, 42), "23.0"),
    ("/TaskTemplate/ContainerSpec/Mounts", "/BindOptions/ReadOnlyNonRecursive", (1, 44), "25.0"),
    ("/TaskTemplate/ContainerSpec/Mounts", "/BindOptions/ReadOnlyForceRecursive", (1, 44), "25.0"),
    ("/TaskTemplate/ContainerSpec/Mounts", "/VolumeOptions/Subpath", (1, 45), "26.0"),
    ("/TaskTemplate/ContainerSpec/Mounts", "/TmpfsOptions/Options", (1, 46), "27.0"),
    ("/TaskTemplate/ContainerSpec", "/Healthcheck/StartInterval", (1, 44), "25.0"),
    ("/TaskTemplate/ContainerSpec", "/Privileges/NoNewPrivileges", (1, 44), "25.0"),
    ("/TaskTemplate/ContainerSpec", "/Privileges/Seccomp", (1, 44), "25.0"),
    ("/TaskTemplate/ContainerSpec", "/Privileges/AppArmor", (1, 44), "25.0"),
    ("/TaskTemplate/ContainerSpec", "/OomScoreAdj", (1, 46), "27.0"),
];

/// Refuses to make or change a service that asks for more than the engine knows. Of one that reads back as it
/// shall be nothing was dropped.
pub(super) fn refuse(builder: &mut Builder<'_>, service: &Service<'_>) {
    let engine = &builder.observed.engine;
    let Some(api) = version(&engine.api) else { return };
    let too_new = SINCE.iter().filter(|(place, field, since, _)| {
        api < *since && values(at(&service.spec.body, place)).iter().any(|value| asks(at(value, field)))
    });
    for (place, field, since, release) in too_new {
        let name = format!("{place}{field}").replace('/', ".");
        let name = name.trim_start_matches('.').to_owned();
        builder.refuse(Refusal {
            address: service.address(),
            reason: format!(
                "`{name}` is asked for, and the engine ({}, API {}) knows it from API {}.{} on; it would drop it",
                engine.version, engine.api, since.0, since.1
            ),
            fix: format!("use an engine of version {release} or later, or leave it out"),
            exit: Exit::BadConfig,
        });
    }
}

fn version(api: &str) -> Option<(u32, u32)> {
    let (major, minor) = api.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn values(value: &Value) -> &[Value] {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice)
}

/// True when a value says something.
fn asks(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(_) | Value::Bool(true) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::plan;
    use super::super::tests::{compiled, desired, manager, web};
    use crate::plan::Refusal;

    fn refused(api: &str) -> Vec<Refusal> {
        let mut stack = web();
        let container = &mut stack.services.get_mut("app").unwrap().body["TaskTemplate"]["ContainerSpec"];
        container["Healthcheck"] = json!({ "Test": ["CMD", "x"], "StartInterval": 5 });
        container["Privileges"] = json!({ "NoNewPrivileges": false });
        container["Mounts"] = json!([
            { "Type": "volume", "Target": "/a", "VolumeOptions": { "Subpath": "" } },
            { "Type": "volume", "Target": "/b", "VolumeOptions": { "Subpath": "x" } },
        ]);
        let mut observed = manager();
        observed.engine.api = api.to_owned();
        let compiled = compiled(&json!({}), &[stack]);
        plan(&desired(&compiled), &observed, None).err().unwrap_or_default()
    }

    #[test]
    fn what_the_engine_would_drop_is_refused_with_the_version_that_it_takes() {
        let refused_by = |api: &str| refused(api).len();
        assert_eq!(
            (refused_by("1.41"), refused_by("1.44"), refused_by("1.45"), refused_by("")),
            (2, 1, 0, 0)
        );
        let old = refused("1.41");
        assert!(
            old[0].reason.contains("Mounts.VolumeOptions.Subpath") && old[0].fix.contains("26.0"),
            "{old:?}"
        );
        assert!(old[1].reason.contains("1.44"), "{old:?}");
    }
}
