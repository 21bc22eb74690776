//! `image lock` against a real registry with TLS and users.

use std::fs;

use serde_json::{Value, json};

use super::{Desk, texts};
use crate::support::registry::{FIRST, Registry, SECOND, USER};
use crate::support::sops::Form;

fn image_of(body: &Value) -> &Value {
    &body["TaskTemplate"]["ContainerSpec"]["Image"]
}

#[test]
fn tags_are_locked_once_and_move_only_when_told() {
    let (desk, registry) = (Desk::new(), Registry::start());
    let app =
        registry.push_index("team/app", "1.0", &["linux/amd64", "linux/arm/v7", "unknown/unknown"], "one");
    let tool = registry.push("tool", "2.1", "linux/arm64", "tool");
    let (app_name, tool_name) =
        (format!("{}/team/app:1.0", registry.name), format!("{}/tool:2.1", registry.name));
    desk.write(&[&app_name, "ignored"], |manifest| {
        Desk::login(&registry)(manifest);
        manifest["images"] = json!({ "tool": { "reference": tool_name } });
        manifest["stacks"]["web"]["images"] = json!({ "b": "tool" });
    });
    desk.lock(&[]).expect(0);
    let text = desk.locked();
    let lock: Value = serde_json::from_str(&text).unwrap();
    let wanted = json!({
        "version": 1,
        "images": {
            app_name.clone(): { "digest": app, "platforms": ["linux/amd64", "linux/arm/v7"] },
            tool_name.clone(): { "digest": tool, "platforms": ["linux/arm64"] },
        },
    });
    assert_eq!(lock, wanted);
    let body = desk.compiled("a");
    assert_eq!(image_of(&body), &format!("{app_name}@{app}"));
    assert_eq!(body["Labels"]["com.docker.stack.image"], app_name);
    // An ARM architecture is left open, as docker does.
    let platforms = json!([{ "Architecture": "amd64", "OS": "linux" }, { "OS": "linux" }]);
    assert_eq!(body["TaskTemplate"]["Placement"]["Platforms"], platforms);
    assert_eq!(image_of(&desk.compiled("b")), &format!("{tool_name}@{tool}"));

    let moved = registry.push_index("team/app", "1.0", &["linux/amd64"], "two");
    let other = registry.push("tool", "2.1", "linux/arm64", "other");
    assert!(moved != app && other != tool);
    let again = desk.lock(&["--json"]).expect(0).json();
    assert_eq!(again["written"], false);
    assert_eq!(desk.locked(), text, "a tag that moved must not matter");
    assert_eq!(image_of(&desk.compiled("a")), &format!("{app_name}@{app}"));

    let update = desk.lock(&["--json", "--update", &format!("{}/team/app", registry.name)]).expect(0).json();
    let outcomes: Vec<&str> =
        update["images"].as_array().unwrap().iter().map(|image| image["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["updated", "there"]);
    assert_eq!(image_of(&desk.compiled("a")), &format!("{app_name}@{moved}"));
    assert_eq!(image_of(&desk.compiled("b")), &format!("{tool_name}@{tool}"));
    let same = desk.lock(&["--json", "--update", &app_name]).expect(0).json();
    assert_eq!(same["images"][0]["outcome"], "same");
    let unknown = desk.lock(&["--update", "nginx"]).expect(64);
    assert!(unknown.err.contains("`nginx` is no image of the manifest"), "{}", unknown.err);
}

#[test]
fn a_registry_that_is_down_takes_nothing_away() {
    let (desk, mut registry) = (Desk::new(), Registry::start());
    registry.push("app", "1.0", "linux/amd64", "app");
    registry.push("app", "1.1", "linux/amd64", "app");
    let app = format!("{}/app:1.0", registry.name);
    desk.write(&[&app], Desk::login(&registry));
    desk.lock(&[]).expect(0);
    let before = desk.locked();
    registry.stop();

    let kept = desk.lock(&["--update-all"]).expect(75);
    assert!(kept.err.contains(&format!("`{}` cannot be reached", registry.name)), "{}", kept.err);
    assert!(kept.err.contains("the entry stays as it was"), "{}", kept.err);
    assert!(kept.out.contains(&format!("kept     {app}")), "{}", kept.out);
    assert_eq!(desk.locked(), before);

    let new = format!("{}/app:1.1", registry.name);
    desk.write(&[&app, &new], Desk::login(&registry));
    let missing = desk.lock(&[]).expect(75);
    assert!(missing.err.contains(&format!("error: {new}: the registry")), "{}", missing.err);
    assert!(missing.out.contains(&format!("missing  {new}")), "{}", missing.out);
    assert_eq!(desk.locked(), before);
    for command in
        [["image", "lock", "manifest.json", "--check"].as_slice(), &["compile", "manifest.json", "-o", "out"]]
    {
        let refused = desk.run(command).expect(78);
        assert!(refused.err.contains("web.yml:5:"), "{}", refused.err);
        assert!(refused.err.contains("run `holdfast image lock manifest.json`"), "{}", refused.err);
        assert!(!refused.err.contains(&format!("`{app}`")), "{}", refused.err);
    }

    registry.resume();
    desk.lock(&[]).expect(0);
    desk.lock(&["--check"]).expect(0);
    // What is not used is named, and goes when told to.
    desk.write(&[&new], Desk::login(&registry));
    let unused = desk.lock(&["--check"]).expect(0);
    assert!(unused.err.contains(&format!("`{app}` is in the lock file")), "{}", unused.err);
    desk.lock(&["--prune"]).expect(0);
    assert!(!desk.locked().contains(&app) && desk.locked().contains(&new));
}

#[test]
fn a_refused_login_says_whose_it_is_and_where_it_comes_from() {
    let (desk, registry) = (Desk::new(), Registry::start());
    registry.push("app", "1.0", "linux/amd64", "app");
    let app = format!("{}/app:1.0", registry.name);
    let login = || Desk::login(&registry);
    desk.write(&[&app], login());
    desk.seal(SECOND.0);
    let wrong = desk.lock(&[]).expect(5);
    let says = format!(
        "the registry `{}` refuses `{app}` to the user `{USER}` (check the password in the secret `pull`",
        registry.name
    );
    assert!(wrong.err.contains(&says), "{}", wrong.err);
    assert_eq!(desk.locked(), "", "nothing was locked");

    desk.write(&[&app], |manifest| {
        login()(manifest);
        let registry = manifest["registries"].as_object_mut().unwrap().values_mut().next().unwrap();
        registry.as_object_mut().unwrap().remove("username");
        registry.as_object_mut().unwrap().remove("password");
    });
    let nobody = desk.lock(&[]).expect(5);
    assert!(nobody.err.contains("to everybody without a login (give `registries`"), "{}", nobody.err);

    desk.write(&[&app], |manifest| {
        login()(manifest);
        manifest["registries"] = json!({ registry.name.clone(): { "ca": registry.path("config.yml") } });
    });
    let no_ca = desk.lock(&[]).expect(75);
    assert!(no_ca.err.contains("holds no certificate that can be a root"), "{}", no_ca.err);

    desk.write(&[&app], login());
    fs::write(desk.path("secrets.yaml"), "password: x\n").unwrap();
    let broken = desk.lock(&[]).expect(5);
    assert!(
        broken.err.contains(&format!("the login of `{}` cannot be opened: secret `pull`", registry.name)),
        "{}",
        broken.err
    );
    desk.seal("first~?>pass-5b1e");
    desk.lock(&[]).expect(0);

    desk.write(&[&format!("{}/app:9.9", registry.name)], login());
    let none = desk.lock(&[]).expect(78);
    assert!(none.err.contains("has no image") && none.err.contains("app:9.9"), "{}", none.err);
}

#[test]
fn the_policy_points_at_the_compose_line_before_anybody_is_asked() {
    let desk = Desk::new();
    let digest = "a".repeat(64);
    let pinned = format!("example.org/app:latest@sha256:{digest}");
    let policy = |manifest: &mut Value| {
        manifest["image_policy"] = json!({ "allow": ["redis:7"], "registries": ["docker.io"] });
    };
    desk.write(&["nginx", "redis:7", "redis:8", "docker.io/library/nginx:latest", &pinned], policy);
    for command in [["image", "lock", "manifest.json"].as_slice(), &["compile", "manifest.json", "-o", "out"]]
    {
        let refused = desk.run(command).expect(78);
        for (line, says) in [
            ("web.yml:3:", "the image `nginx` has no tag"),
            ("web.yml:7:", "the image `redis:8` floats"),
            ("web.yml:9:", "is whatever was pushed last"),
            ("web.yml:11:", "comes from `example.org`"),
        ] {
            assert!(
                refused.err.contains(line) && refused.err.contains(says),
                "{line} {says}\n{}",
                refused.err
            );
        }
        assert!(refused.err.contains(r#""image_policy": { "allow": ["nginx"] }"#), "{}", refused.err);
    }
}

#[test]
fn a_lock_file_that_was_damaged_by_hand_is_told_with_its_line() {
    let desk = Desk::new();
    desk.write(&["nginx:1.27"], |_| ());
    fs::write(desk.path("holdfast.lock.json"), "{\n  \"version\": 1,\n  \"images\": {\n    \"nginx:1.27\": { \"digest\": \"sha256:12\", \"platforms\": [] }\n  }\n}\n").unwrap();
    for command in [["image", "lock", "manifest.json"].as_slice(), &["compile", "manifest.json", "-o", "out"]]
    {
        let refused = desk.run(command).expect(78);
        assert!(refused.err.contains("holdfast.lock.json:4:31"), "{}", refused.err);
    }
}

#[test]
fn each_registry_gets_its_own_login_and_nothing_keeps_one() {
    let (desk, one, two) = (Desk::new(), Registry::start(), Registry::start());
    for registry in [&one, &two] {
        registry.push("app", "1.0", "linux/amd64", "app");
    }
    two.let_in(SECOND);
    let recipient = desk.keys.recipient(Form::AgeFile);
    let plain = format!("one: \"{}\"\ntwo: \"{}\"\n", FIRST.0, SECOND.0);
    desk.keys.encrypt("secrets.yaml", plain.as_bytes(), &recipient, &[]);
    let images = [format!("{}/app:1.0", one.name), format!("{}/app:1.0", two.name)];
    let write = |first: &str, second: &str| {
        desk.write(&[&images[0], &images[1]], |manifest| {
            manifest["secrets"] = json!({ "one": { "file": "secrets.yaml" }, "two": { "file": "secrets.yaml" } });
            let login = |registry: &Registry, secret: &str| {
                json!({ "username": USER, "password": { "secret": secret }, "ca": registry.path("ca.pem") })
            };
            manifest["registries"] =
                json!({ one.name.clone(): login(&one, first), two.name.clone(): login(&two, second) });
        });
    };
    write("two", "one");
    let swapped = desk.lock(&["-vv"]).expect(5);
    for (registry, secret) in [(&one, "two"), (&two, "one")] {
        let says = format!("the registry `{}` refuses", registry.name);
        let fix = format!("check the password in the secret `{secret}`");
        assert!(swapped.err.contains(&says) && swapped.err.contains(&fix), "{}", swapped.err);
    }
    write("one", "two");
    desk.lock(&["-vv"]).expect(0);
    for key in ["a", "b"] {
        assert!(image_of(&desk.compiled(key)).as_str().unwrap().contains("@sha256:"));
    }
    // What goes to the store is the compiled folder; the lock file goes to the repository.
    let files = texts(&desk.path("."));
    assert!(files.iter().any(|text| text.contains(&images[1])), "the search finds nothing at all");
    for text in files {
        assert!(!text.contains("pass-"), "a password is kept in:\n{text}");
    }
}
