//! What is ours beside docker: images, secrets and configs of the manifest, explicit variables, warnings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use holdfast::compose::{Input, Output, compile};
use holdfast::desired::ImageSpec;
use holdfast::manifest::Stack;
use holdfast::pins::Pins;
use holdfast::source::Problem;

use super::harness::{Case, golden, requests};

/// Compiles `/web/compose.yml` beside other files, with the image `site`, the secrets `pw` and `tpl` and the network
/// `proxy`.
fn run(stack: &Stack, files: &[(&str, &str)]) -> Result<Output, Vec<Problem>> {
    let reference = "holdfast.invalid/site:0123456789ab".to_owned();
    let images = BTreeMap::from([("site".to_owned(), ImageSpec { reference, source: None })]);
    let secrets: BTreeSet<String> = ["pw", "tpl"].map(str::to_owned).into();
    let networks: BTreeSet<String> = ["proxy".to_owned()].into();
    let input = Input {
        name: "web",
        stack,
        images: &images,
        secrets: &secrets,
        networks: &networks,
        pins: &Pins::default(),
    };
    let files: BTreeMap<&Path, &str> = files.iter().map(|(path, text)| (Path::new(*path), *text)).collect();
    compile(&input, &|path| {
        files.get(path).map(|text| text.as_bytes().to_vec()).ok_or(ErrorKind::NotFound.into())
    })
}

fn stack() -> Stack {
    let images = BTreeMap::from([("app".to_owned(), "site".to_owned())]);
    Stack { compose: vec!["/web/compose.yml".into()], images, ..Stack::default() }
}

fn messages(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.message.as_str()).collect()
}

#[test]
fn the_manifest_gives_images_secrets_and_networks() {
    let text = "services:\n  app:\n    image: ignored\n    networks: [proxy, own, other]\n    secrets: [pw, {source: t, target: x}]\n\
                networks: {proxy: {external: true}, other: {external: true}, own: }\n\
                secrets: {pw: {external: true}, t: {external: true, name: tpl}}\n";
    let out = run(&stack(), &[("/web/compose.yml", text)]).unwrap().stack;
    let app = &out.services["app"];
    let container = &app.body["TaskTemplate"]["ContainerSpec"];
    assert_eq!(app.image.as_deref(), Some("site"));
    assert_eq!(container["Image"], "holdfast.invalid/site:0123456789ab");
    assert_eq!(app.body["Labels"]["com.docker.stack.image"], "holdfast.invalid/site:0123456789ab");
    assert!(container.get("Secrets").is_none(), "references are bound later");
    let secrets: Vec<_> =
        out.secrets.iter().map(|(key, spec)| (&**key, &*spec.base, &*spec.source)).collect();
    assert_eq!(secrets, [("pw", "web_pw", "pw"), ("t", "web_tpl", "tpl")]);
    let refs: Vec<_> = app.secrets.iter().map(|item| (&*item.key, &*item.file.name, item.external)).collect();
    assert_eq!(refs, [("pw", "pw", false), ("t", "x", false)]);
    // A network of the manifest is there by then; another external one must be.
    let external: Vec<_> = out.external_networks.iter().map(|network| &*network.name).collect();
    assert_eq!(external, ["other"]);
    assert_eq!(out.networks.keys().collect::<Vec<_>>(), ["own"]);
}

#[test]
fn names_of_the_manifest_that_do_not_fit_are_refused() {
    let mut stack = stack();
    stack.images.insert("ap".to_owned(), "site".to_owned());
    stack.images.insert("app".to_owned(), "sight".to_owned());
    let problems = run(&stack, &[("/web/compose.yml", "services: {app: {}}")]).unwrap_err();
    assert_eq!(
        messages(&problems),
        [
            "`images` of the stack names the service `ap`, which no file has",
            "`images` of the stack names `sight`, which is no image of the manifest",
        ]
    );
}

#[test]
fn a_config_is_named_by_its_content_unless_it_has_a_name() {
    let text = "services: {app: {configs: [c, n]}}\nconfigs: {c: {file: ./sub/../c.txt}, n: {file: c.txt, name: fixed}}\n";
    let read =
        |content: &str| run(&stack(), &[("/web/compose.yml", text), ("/web/c.txt", content)]).unwrap().stack;
    let (one, same, two) = (read("one"), read("one"), read("two"));
    assert_eq!(one.configs, same.configs);
    assert_ne!(one.configs["c"].digest, two.configs["c"].digest);
    assert_eq!((&*one.configs["c"].base, one.configs["c"].fixed_name), ("web_c", false));
    assert_eq!((&*one.configs["n"].base, one.configs["n"].fixed_name), ("fixed", true));
}

#[test]
fn env_wins_over_env_files_and_the_process_environment_is_not_read() {
    let mut stack = stack();
    stack.env_files = vec!["/web/a.env".into(), "/web/b.env".into()];
    stack.env.insert("C".to_owned(), "env".to_owned());
    let text = "services: {app: {environment: [\"V=${A}${B}${C}\"]}}";
    let files = [("/web/compose.yml", text), ("/web/a.env", "A=a\nB=a\nC=a\n"), ("/web/b.env", "B=b\n")];
    let out = run(&stack, &files).unwrap().stack;
    assert_eq!(out.services["app"].body["TaskTemplate"]["ContainerSpec"]["Env"][0], "V=abenv");
    // PATH is in the environment of every test.
    let problems =
        run(&stack, &[("/web/compose.yml", "services: {app: {user: \"${PATH}\"}}"), files[1], files[2]]);
    assert_eq!(messages(&problems.unwrap_err()), ["the variable `PATH` is not set"]);
}

#[test]
fn what_is_passed_over_is_said() {
    let text = "services: {app: {environment: {A: 0440, B: 1.10}, env_file: a.env}}\nnetworks: {n: }\nvolumes: {data: }\n\
                secrets: {pw: {external: true}}\n";
    let out = run(&stack(), &[("/web/compose.yml", text), ("/web/a.env", "Q=\"x\"\n")]).unwrap();
    assert_eq!(
        messages(&out.warnings),
        [
            "the quotes of `Q` are part of its value, docker does not strip them",
            "docker reads `0440` as a whole number and sends `288`",
            "docker reads `1.10` as a number and sends `1.1`",
            "no service uses the network `n`; it is not created",
            "no service uses the secret `pw`; it is not created",
            "no service mounts the volume `data`; it is not created",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let problems = run(&stack(), &[]).unwrap_err();
    assert_eq!(messages(&problems), ["cannot read `/web/compose.yml`: entity not found"]);
    let problems = run(&Stack::default(), &[]).unwrap_err();
    assert_eq!(messages(&problems), ["the stack `web` names no compose file"]);
}

#[test]
fn an_alias_bomb_is_refused_in_time() {
    let mut text = "x0: &x0 [a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..12 {
        let item = format!("*x{}", level - 1);
        writeln!(text, "x{level}: &x{level} [{}]", [&*item; 9].join(", ")).unwrap();
    }
    let problems = run(&stack(), &[("/web/compose.yml", &text)]).unwrap_err();
    assert!(problems[0].message.contains("aliases are expanded"), "{}", problems[0]);
}

/// The comparison with docker would see a single changed field.
#[test]
fn the_comparison_sees_a_difference() {
    let case = Case::open(&golden().join("accepted/image-plain"));
    let mut spec = case.ours().unwrap().stack;
    let docker = case.docker(&spec).unwrap();
    assert_eq!(requests(&spec), docker);
    spec.services.get_mut("app").unwrap().body["TaskTemplate"]["ForceUpdate"] = 1.into();
    assert_ne!(requests(&spec), docker);
}

#[test]
fn a_comment_moves_places_and_changes_no_spec() {
    let text = "services:\n  app:\n    ports: [\"80:80\"]\n    networks: [other]\nnetworks: {other: {external: true}}\n";
    let out = |text: &str| run(&stack(), &[("/web/compose.yml", text)]).unwrap().stack;
    let (plain, moved) = (out(text), out(&format!("# a comment\n{text}")));
    assert_eq!(plain.places["port.80/tcp"], "/web/compose.yml:3:13");
    assert_eq!(moved.places["network.other"], "/web/compose.yml:6:12");
    assert_eq!(serde_json::to_string(&plain).unwrap(), serde_json::to_string(&moved).unwrap());
}
