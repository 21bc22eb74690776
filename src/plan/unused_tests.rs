//! Which images are ours, and which of them something needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Hoard, Plan, brought, engine_name, unused};
use crate::observed::{Container, Object, Observed, Ownership, Task};

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

fn pulled(tag: &str, letter: &str) -> String {
    format!("example.org/app:{tag}@{}", digest(letter))
}

/// An engine with these images: names of each id.
fn engine(images: &[(&str, &[&str])]) -> Observed {
    let mut observed = Observed::default();
    for (id, names) in images {
        observed.images.insert((*id).to_owned());
        for name in *names {
            observed.images.insert((*name).to_owned());
            observed.image_ids.insert((*name).to_owned(), (*id).to_owned());
        }
    }
    observed
}

fn service(observed: &mut Observed, name: &str, raw: Value) {
    let object = Object { id: name.to_owned(), name: name.to_owned(), raw, ..Object::default() };
    observed.services.insert(name.to_owned(), object);
}

fn spec(image: &str) -> Value {
    json!({ "TaskTemplate": { "ContainerSpec": { "Image": image } } })
}

fn hoard(images: &[&str]) -> Hoard {
    Hoard { images: images.iter().map(|image| (*image).to_owned()).collect(), ..Hoard::default() }
}

/// Addresses that go, and `name: why` of what stays.
fn told(plan: &Plan) -> (Vec<String>, Vec<String>) {
    let stays = plan.stays.iter().map(|one| format!("{}: {}", one.name, one.because));
    (plan.steps.iter().map(|step| step.address.to_string()).collect(), stays.collect())
}

#[test]
fn an_image_has_the_name_that_engines_list() {
    let digest = digest("a");
    for (reference, name) in [
        (format!("nginx:1.27@{digest}"), format!("nginx@{digest}")),
        (format!("docker.io/library/nginx@{digest}"), format!("nginx@{digest}")),
        ("registry.example.org:5000/a/b".to_owned(), "registry.example.org:5000/a/b:latest".to_owned()),
        ("holdfast.invalid/app:0123456789ab".to_owned(), "holdfast.invalid/app:0123456789ab".to_owned()),
        (digest.clone(), digest.clone()),
    ] {
        assert_eq!(engine_name(&reference), name, "{reference}");
    }
}

#[test]
fn an_image_goes_only_when_it_is_ours_and_nothing_needs_it() {
    let archive = "holdfast.invalid/app:0123456789ab";
    let names: Vec<String> = ["1", "2", "3", "4", "5", "6", "7"]
        .map(|letter| format!("example.org/app@{}", digest(letter)))
        .into();
    let mut observed = engine(&[
        ("i1", &[&names[0]]),
        ("i2", &[&names[1]]),
        ("i3", &[&names[2]]),
        ("i4", &[&names[3]]),
        ("i5", &[&names[4]]),
        ("i6", &[&names[5], "mine:1"]),
        ("i7", &[&names[6]]),
        // As the newest engine lists what was loaded.
        ("i8", &[archive, &format!("holdfast.invalid/app@{}", digest("8"))]),
        ("theirs", &["example.org/theirs:1"]),
    ]);
    let previous = json!({ "Spec": spec(&pulled("2", "2")), "PreviousSpec": spec(&pulled("3", "3")) });
    service(&mut observed, "web_app", previous);
    service(&mut observed, "jobs_once", json!({ "Spec": spec("nothing") }));
    let task = Task { image: pulled("4", "4"), ..Task::default() };
    observed.tasks.insert("jobs_once".to_owned(), vec![task]);
    let container = Container { name: "c".into(), image_id: "i5".into(), ..Container::default() };
    let ours: Vec<String> = (1..=7).map(|n| pulled(&n.to_string(), &n.to_string())).collect();
    let mut hoard = hoard(&ours.iter().map(String::as_str).chain([archive, "gone:1"]).collect::<Vec<_>>());
    hoard.kept_images = BTreeMap::from([(pulled("other", "1"), 4)]);

    let (goes, stays) = told(&unused(&hoard, &observed, &[container]));
    assert_eq!(goes, [format!("image.\"{}\"", names[6]), format!("image.\"{archive}\"")]);
    assert_eq!(
        stays,
        [
            format!("{}: the service `web_app` uses it", names[1]),
            format!("{}: the service `web_app` may go back to it", names[2]),
            format!("{}: a task of the service `jobs_once` uses it", names[3]),
            format!("{}: the container `c` uses it", names[4]),
            format!("{}: it is also called `mine:1`", names[5]),
        ]
    );
}

#[test]
fn former_objects_go_by_the_rules_of_an_apply() {
    let object = |name: &str, created: &str| {
        let raw = json!({ "CreatedAt": created });
        (name.to_owned(), Object { id: name.into(), name: name.into(), raw, ..Object::default() })
    };
    let names =
        ["web_page_00000000000a", "web_page_00000000000b", "web_page_00000000000c", "web_page_00000000000d"];
    let mut observed = Observed {
        configs: names.iter().zip(["1", "2", "3", "4"]).map(|(name, at)| object(name, at)).collect(),
        ..Observed::default()
    };
    service(
        &mut observed,
        "foreign",
        json!({ "Spec": { "TaskTemplate": { "ContainerSpec": { "Configs": [{ "ConfigName": names[0] }] } } } }),
    );
    let all: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let hoard = Hoard {
        recorded: Ownership { configs: all, ..Ownership::new("main") },
        kept_objects: [names[3].to_owned()].into(),
        current_objects: [names[3].to_owned()].into(),
        ..Hoard::default()
    };
    let gone = |hoard: &Hoard| told(&unused(hoard, &observed, &[])).0;
    assert_eq!(
        gone(&hoard),
        [format!("config.{}", names[1]), format!("config.{}", names[2])]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    assert_eq!(gone(&Hoard { versions: 1, ..hoard.clone() }), [format!("config.{}", names[1])]);
    assert_eq!(gone(&Hoard { kept_objects: names.map(str::to_owned).into(), ..hoard }), [""; 0]);
}

#[test]
fn what_was_there_before_is_not_brought() {
    use super::{Action, ImageAction, SwarmAction};
    use crate::desired::{ImageSource, ImageSpec};
    let source = ImageSource {
        path: "a.tar".into(),
        rootfs: None,
        config_digest: "i1".into(),
        manifest_digest: "m1".into(),
    };
    let reference = "holdfast.invalid/app:0123456789ab".to_owned();
    let load = Action::Image(ImageAction::Load {
        name: "app".into(),
        spec: Box::new(ImageSpec { reference: reference.clone(), source: Some(source) }),
    });
    let create = |image: &str| Action::Swarm(SwarmAction::CreateService(spec(image)));
    let brings = |action: Action, observed: &Observed, recorded: &[&str]| -> Vec<String> {
        let mut plan = Plan::default();
        super::unused::add(&mut plan, crate::address::Address::single(crate::address::Kind::Swarm), action);
        let recorded = recorded.iter().map(|one| (*one).to_owned()).collect();
        brought(&plan, observed, &recorded).into_iter().collect()
    };
    assert_eq!(brings(load.clone(), &engine(&[]), &[]), [reference.as_str()]);
    assert_eq!(brings(load.clone(), &engine(&[("i1", &["mine:1"])]), &[]), [""; 0]);
    assert_eq!(brings(load.clone(), &engine(&[("m1", &[])]), &[]), [""; 0], "also one without a name");
    let renamed = "holdfast.invalid/former:0123456789ab";
    assert_eq!(brings(load, &engine(&[("i1", &[renamed])]), &[renamed]), [reference.as_str()], "it was ours");
    let image = pulled("1", "1");
    assert_eq!(brings(create(&image), &engine(&[]), &[]), [image.as_str()], "the engine pulls it by itself");
    let held = format!("example.org/app@{}", digest("1"));
    assert_eq!(brings(create(&image), &engine(&[("i1", &[&held])]), &[]), [""; 0]);
    assert_eq!(brings(create(&reference), &engine(&[]), &[]), [""; 0], "a load brings it, or nothing does");
}
