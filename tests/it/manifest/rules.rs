//! What types cannot say.

use std::path::Path;

use super::{BASE, FULL, load, replaced};

/// Replaces the first `from` in the full manifest; the one problem must underline `marked` and say `message`.
#[track_caller]
fn refused(from: &str, to: &str, marked: &str, message: &str) {
    let start = FULL.find(from).unwrap_or_else(|| panic!("`{from}` is not in the full manifest"));
    let (text, _) = replaced(FULL, &[(start, start + from.len(), to.to_owned())]);
    let problems = load(&text).err().unwrap_or_default();
    let told: Vec<_> =
        problems.iter().map(|p| (&text[p.span.start..p.span.end], p.message.as_str())).collect();
    assert!(
        matches!(told.as_slice(), [(place, said)] if *place == marked && said.contains(message)),
        "`{to}`: expected `{marked}`: {message}, told {told:?}"
    );
    assert!(problems[0].fix.is_some(), "`{message}` names no fix");
}

#[test]
fn version_host_and_engine() {
    refused(r#""version": 1"#, r#""version": 2"#, "2", "version 2 of the manifest is not known");
    refused(r#""instance": "main""#, r#""instance": "a/b""#, r#""a/b""#, "cannot be a name");
    refused("demo.example.org", "", r#""""#, "is not a server name");
    refused("unix:///run", "tcp://run", r#""tcp://run/docker.sock""#, "not the address of an engine");
}

#[test]
fn what_may_be_made_anew() {
    for wrong in ["volume.data", "app", "service", "stack.web/service.app"] {
        let place = format!("\"{wrong}\"");
        refused(r#""network.default""#, &place, &place, "nothing of a stack that can be made anew");
    }
}

#[test]
fn what_a_stack_may_wait_for() {
    let to = |wrong: &str, message: &str| {
        let place = format!("\"{wrong}\"");
        refused(r#""stack.traefik""#, &place, &place, message);
    };
    to("traefik", "nothing that a stack can depend on");
    to("network.proxy", "nothing that a stack can depend on");
    to("stack.traefik/config.a", "nothing that a stack can depend on");
    to("stack.web/service.app", "cannot wait for itself");
    to("stack.trafik", "`trafik` is not in `stacks`");
    let list = r#"["stack.traefik"]"#;
    let two = r#"["stack.b"] }, "b": { "compose": ["b.yml"], "depends_on": ["stack.web/service.app"]"#;
    let circle = "stacks wait for each other in a circle: `stack.b` -> `stack.web` -> `stack.b`";
    refused(list, two, r#"["stack.web/service.app"]"#, circle);
}

#[test]
fn links_and_units_of_secrets() {
    let path = r#""path": "/etc/app/password""#;
    for wrong in ["etc/password", "/etc/../password", "/etc/app/", "/", "/etc//a", ""] {
        let to = format!(r#""path": "{wrong}""#);
        refused(path, &to, &format!("\"{wrong}\""), "is not an absolute path in its shortest form");
    }
    let to = |wrong: &str| format!(r#""path": "{wrong}""#);
    refused(path, &to("/run/holdfast/x"), r#""/run/holdfast/x""#, "a folder of Holdfast's own");
    let twice = "is already the place of secret.db_password";
    refused(r#"["/srv/app/env"]"#, r#"["/srv/app/password"]"#, r#""/srv/app/password""#, twice);
    for wrong in ["app", "app.exe", "@.service", "app@.service", "a b.service", "../a.service", ".service"] {
        let to = format!(r#"["{wrong}"]"#);
        refused(r#"["app.service"]"#, &to, &format!("\"{wrong}\""), "is not the full name of a unit");
    }
    let both = r#"["app.service"]"#;
    refused(r#"["gateway.service"]"#, both, r#""app.service""#, "is restarted and reloaded by the same");
    let early = r#""needed_for_users": true, "owner": "app""#;
    refused(r#""needed_for_users": true"#, early, r#""app""#, "does not exist yet when users are made");
    refused(
        r#"["gateway.socket"]"#,
        r#"["gateway.timer"]"#,
        r#""gateway.timer""#,
        "cannot load a credential",
    );
    refused(
        r#""install": false"#,
        r#""install": false, "path": "/etc/a""#,
        "false",
        "no file of it is installed",
    );
    let own = FULL.replace(path, &to("/run/holdfast/secrets/db_password"));
    load(&own).expect("a path that is the file's own place is no link");
}

#[test]
fn swarm_and_networks() {
    refused("198.51.100.7:2377", "198.51.100.777", r#""198.51.100.777""#, "neither an address nor");
    refused(r#""data_path": "198.51.100.7""#, r#""data_path": "a:1""#, r#""a:1""#, "neither an address nor");
    refused("4789", "80", "80", "data path's port");
    refused("10.64.0.0/16", "10.64.0.1/16", r#""10.64.0.1/16""#, "bits are set behind the prefix");
    refused("10.64.0.0/16", "10.64.0.0", r#""10.64.0.0""#, "the `/` is missing");
    refused("10.64.0.0/16", "10.64.0.0/33", r#""10.64.0.0/33""#, "not a block of addresses");
    refused("10.65.0.0/16", "10.64.8.0/24", r#""10.64.8.0/24""#, "overlaps one before it");
    refused(r#""subnet_size": 24"#, r#""subnet_size": 15"#, "15", "no pool can be cut");
    refused(r#""back": {}"#, r#""host": {}"#, r#""host""#, "belongs to the engine itself");
    refused(r#""back": {}"#, r#""-b": {}"#, r#""-b""#, "cannot be a name");
    refused("10.66.0.1\"", "10.67.0.1\"", r#""10.67.0.1""#, "is no address of `10.66.0.0/24`");
    refused("10.66.0.128/25", "10.66.0.0/23", r#""10.66.0.0/23""#, "is no part of");
}

#[test]
fn images() {
    refused(
        r#""app": { "ref"#,
        r#""App": {"archive": "a"}, "app": { "ref"#,
        r#""App""#,
        "cannot be the name of an image",
    );
    refused(r#"{ "archive": "images/traefik.tar" }"#, "{}", r#""traefik""#, "has none");
    let both = r#"{ "archive": "a", "rootfs": "b" }"#;
    refused(r#"{ "archive": "images/traefik.tar" }"#, both, r#""traefik""#, "this one has 2");
    refused(r#""rootfs": "images"#, r#""archive": "images"#, r#""config""#, "only a `rootfs` has a `config`");
    refused("TZ=UTC", "TZ", r#""TZ""#, "not an assignment");
    refused("2375/tcp", "2375/tpc", r#""2375/tpc""#, "not a port");
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let reference = format!("registry.example.org:5000/team/app:1.2@{digest}");
    for (text, message) in [
        ("registry.example.org/app".to_owned(), "has no tag"),
        (format!("registry.example.org:5000/app@{digest}"), "has no tag"),
        (reference.replace("abcdef", "ABCDEF"), "has no digest of 64"),
        (reference.replace("/team/app", "/team/App"), "not an image reference"),
        (reference.replace("/team/", "//"), "not an image reference"),
    ] {
        refused(&reference, &text, &format!("\"{text}\""), message);
    }
}

#[test]
fn registries_and_policy() {
    let name = r#""registry.example.org:5000": {"#;
    for wrong in ["https://registry.example.org", "registry.example.org/team", "Registry.example.org", "a:b"]
    {
        let text = format!("\"{wrong}\": {{}}, {name}");
        refused(name, &text, &format!("\"{wrong}\""), "is not a registry");
    }
    refused(
        r#""username": "holdfast","#,
        "",
        r#""registry.example.org:5000""#,
        "is a `username` with a `password`",
    );
    refused(r#""username": "holdfast""#, r#""username": "a:b""#, r#""a:b""#, "cannot be a user name");
    let secret = r#"{ "secret": "registry_password" }"#;
    refused(secret, r#"{ "secret": "registry_pass" }"#, r#""registry_pass""#, "is not in `secrets`");
    refused(r#"["docker.io","#, r#"["hub/","#, r#""hub/""#, "is not a registry");
    refused(r#"["redis:7"]"#, r#"[""]"#, r#""""#, "the image is empty");
}

#[test]
fn secrets_and_templates() {
    refused(r#""naming_key": "naming""#, r#""naming_key": "namin""#, r#""namin""#, "is not in `secrets`");
    refused(
        r#""naming": {"#,
        r#""rendered": {"file": "a"}, "naming": {"#,
        r#""rendered""#,
        "folder of rendered",
    );
    refused(r#""app.env": {"#, r#""naming": {"#, r#""naming""#, "is a secret and a template");
    refused(r#""mode": "0440""#, r#""mode": "0480""#, r#""0480""#, "is not an octal mode");
    refused(r#""owner": "root""#, r#""owner": " ""#, r#"" ""#, "the owner is empty");
    refused("{{ db_password | env", "{{ db_passwd | env", "{{ db_passwd | env }}", "is not in `secrets`");
    refused("{{ db_password | env", "{{ db_password | en", "{{ db_password | en }}", "is not an escape");
    refused(
        "# Settings",
        "{{ naming }} {{",
        "{{\\nDB_PASSWORD={{ db_password | env }}",
        "is not a placeholder",
    );
}

#[test]
fn stacks_and_traefik() {
    refused(
        r#""web": {"#,
        r#""web site": {"compose": ["a"]}, "web": {"#,
        r#""web site""#,
        "cannot be a name",
    );
    let list = r#"["web/compose.yml", "web/compose.site.yml"]"#;
    refused(list, "[]", "[]", "has nothing to run");
    refused(list, r#"[""]"#, r#""""#, "the path is empty");
    refused(r#""DOMAIN""#, r#""DO-MAIN""#, r#""DO-MAIN""#, "cannot be a variable");
    refused(r#"{ "app": "app" }"#, r#"{ "app": "ap" }"#, r#""ap""#, "is not in `images`");
    refused(r#""3m""#, r#""0s""#, r#""0s""#, "longer than nothing");
    refused(r#""3m""#, r#""25h""#, r#""25h""#, "longer than a day");
    refused(r#""3m""#, r#""soon""#, r#""soon""#, "is not a duration");
    refused(r#""3m""#, r#""-3m""#, r#""-3m""#, "is not a duration");
    let another = r#""traefik": {"compose": ["a"]}, "web": {"#;
    refused(r#""web": {"#, another, r#""traefik""#, "makes a stack of this name");
    refused(r#""image": "traefik""#, r#""image": "traefig""#, r#""traefig""#, "is not in `images`");
    refused(r#""proxy_image": "holdfast""#, r#""proxy_image": "x""#, r#""x""#, "is not in `images`");
    refused(r#""network": "proxy""#, r#""network": "pxy""#, r#""pxy""#, "is not in `networks`");
    refused(r#"{ "secret": "wildcard_key" }"#, "{}", "{}", "has none");
    refused(r#"{ "secret": "wildcard_key" }"#, r#"{ "secret": "x" }"#, r#""x""#, "is not in `secrets`");
    refused(r#""web_port": 80"#, r#""web_port": 0"#, "0", "is not a port");
    refused(r#""web_port": 80"#, r#""web_port": 443"#, "443", "both entry points");
    refused(r#""INFO""#, r#""info""#, r#""info""#, "not a log level");
}

#[test]
fn a_default_that_refers_to_nothing_underlines_the_section() {
    let text = FULL.replace("    \"network\": \"proxy\",\n", "").replacen("\"proxy\": {", "\"other\": {", 1);
    let problems = load(&text).expect_err("the default network is not declared");
    assert_eq!(problems.len(), 1, "{problems:?}");
    let span = problems[0].span;
    assert_eq!(&text[span.start..span.end], "\"traefik\"");
}

#[test]
fn gates() {
    refused(r#""web_runs": { "swarm": "#, r#""web_runs": {}, "x": { "swarm": "#, r#""web_runs""#, "has none");
    let two = r#"{ "tcp": { "address": "198.51.100.7:1" }, "swarm": { "stack": "traefik" } }"#;
    refused(r#"{ "swarm": { "stack": "traefik" } }"#, two, r#""proxy_runs""#, "this one has 2");
    refused(r#""stack": "web", "service""#, r#""stack": "wob", "service""#, r#""wob""#, "is not in `stacks`");
    refused(r#""redirect": {"#, r#""redirect": null, "x": {"#, r#""x""#, "unknown field");
    let redirect = r#"{ "to": "https://app.example.org/", "status": 308 }"#;
    refused(redirect, "null", r#""https""#, "expects nothing");
    refused("308", "200", "200", "not the status of a redirect");
    refused("https://app.example.org/health", "ftp://x/health", r#""ftp://x/health?full=1""#, "is not a URL");
    refused(
        "https://app.example.org/health",
        "https://a:b@c/h",
        r#""https://a:b@c/h?full=1""#,
        "is not a URL",
    );
    refused(r#""2xx""#, r#""6xx""#, r#""6xx""#, "is not a status");
    refused(r#""404""#, r#""4040""#, r#""4040""#, "is not a status");
    refused(r#""method": "GET""#, r#""method": "GE T""#, r#""GE T""#, "not a word of HTTP");
    refused(r#""content-type""#, r#""content type""#, r#""content type""#, "not a word of HTTP");
    refused("^application/json", "(application", r#""(application""#, "unclosed group");
    refused("maintenance", "a{1000}{1000}", r#""a{1000}{1000}""#, "too large");
    refused(
        r#""name": "app.example.org""#,
        r#""name": "*.example.org""#,
        r#""*.example.org""#,
        "not a server name",
    );
    refused(r#""min_lifetime_percent": 10"#, r#""min_lifetime_percent": 100"#, "100", "100 %");
    refused(r#""*.example.org""#, r#""a.*.org""#, r#""a.*.org""#, "not a server name");
    refused(r#""closed": false"#, r#""closed": true"#, r#""^SSH-2.0-""#, "sends no banner");
    refused(r#""absent": false"#, r#""absent": true"#, "true", "no other property");
    refused(r#""0600""#, r#""rw""#, r#""rw""#, "is not an octal mode");
    refused(r#""listening on""#, r#""listening on[""#, r#""listening on[""#, "unclosed character class");
}

#[test]
fn a_file_gate_with_only_a_path_expects_nothing() {
    let text = r#"{"version": 1, "host": {"name": "a"}, "gates": {"f": {"file": {"path": "/a"}}}}"#;
    let problems = load(text).expect_err("nothing is expected");
    assert!(problems[0].message.contains("expects nothing"), "{problems:?}");
}

#[test]
fn folders() {
    refused(
        r#""/var/lib/holdfast" }"#,
        r#""/run/holdfast/state" }"#,
        r#""/run/holdfast/state""#,
        "no boot survives",
    );
}

#[test]
fn what_hangs_on_a_problem_is_not_told_too() {
    let text = FULL.replacen("\"images\": {", "\"imags\": {", 1);
    let problems = load(&text).expect_err("a misspelt section");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].message, "unknown field `imags`");
}

#[test]
fn rules_and_types_are_told_together_in_the_order_of_the_text() {
    let text =
        FULL.replace("\"0440\"", "\"0999\"").replacen("\"node\":", "\"nodes\":", 1).replace("308", "\"308\"");
    let problems = load(&text).expect_err("four mistakes");
    let lines: Vec<usize> = problems.iter().map(|p| p.source.line_column(p.span.start).0).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn paths_start_at_the_manifest_and_nothing_relative_is_left() {
    let loaded = load(FULL).expect("the full manifest is right");
    let text = serde_json::to_string(&loaded.manifest).expect("a manifest is JSON");
    for relative in ["images/", "secrets/app", "web/", "lab/"] {
        assert!(!text.contains(&format!("\"{relative}")), "`{relative}` stayed relative");
    }
    assert_eq!(loaded.manifest.secrets["db_password"].file, Path::new(BASE).join("secrets/app.yaml"));
    assert_eq!(loaded.manifest.paths.run, Path::new("/run/holdfast"));
    let again = load(&text).expect("what was read can be read again");
    assert_eq!(again.manifest, loaded.manifest);
}

#[test]
fn a_later_problem_points_by_json_pointer() {
    let loaded = load(FULL).expect("the full manifest is right");
    let marked = |pointer: &str| {
        let span = loaded.problem(pointer, "wrong").span;
        FULL[span.start..span.end].to_owned()
    };
    assert_eq!(marked("/stacks/web/compose/1"), "\"web/compose.site.yml\"");
    assert_eq!(marked("/stacks/web/compose/9"), "[\"web/compose.yml\", \"web/compose.site.yml\"]");
    assert_eq!(marked("/secrets/db_password/file"), "\"secrets/app.yaml\"");
}

#[test]
fn the_bridge() {
    refused(r#""kind": "gitea""#, r#""kind": "gitlab""#, r#""gitlab""#, "gitlab");
    refused(
        r#""url": "https://git.example.org""#,
        r#""url": "git.example.org""#,
        r#""git.example.org""#,
        "not a URL",
    );
    refused(
        r#"{ "secret": "hook_old" }"#,
        r#"{ "secret": "hook_odl" }"#,
        r#""hook_odl""#,
        "is not in `secrets`",
    );
    let three = r#"[{ "secret": "hook_new" }, { "secret": "hook_old" }, { "secret": "hook_old" }]"#;
    let two = r#"[{ "secret": "hook_new" }, { "secret": "hook_old" }]"#;
    refused(two, "[]", "[]", "a hook has one secret");
    refused(two, three, three, "a hook has one secret");
    refused("127.0.0.1:8788", "127.0.0.1:8787", r#""127.0.0.1:8787""#, "cannot share an address");
    refused("\"login\": \"testbot\"", "\"login\": \"\"", r#""""#, "cannot be a name");
    for wrong in ["team", "team/a/b", "team/", "/recipes", "team/..", "te am/a", "team/$(id)"] {
        refused("\"team/recipes\"", &format!("\"{wrong}\""), &format!("\"{wrong}\""), "is not a repository");
    }
    refused(r#""id": 7"#, r#""id": 0"#, "0", "the number of no repository");
    for wrong in ["$(id)", "-x", "a..b", "a b", "a;b", "`id`", "${PATH}"] {
        let marked = format!("\"{wrong}\"");
        refused(r#""branch": "main""#, &format!("\"branch\": {marked}"), &marked, "cannot be the branch");
        if wrong == "a..b" {
            continue;
        }
        refused(r#"["nextcloud","#, &format!("[{marked},"), &marked, "cannot be the value");
    }
    for wrong in ["recipe", "1RECIPE", "RE-CIPE"] {
        let marked = format!("\"{wrong}\"");
        refused(r#""RECIPE":"#, &format!("{marked}:"), &marked, "cannot be a parameter");
    }
    for wrong in ["PATH", "LD_PRELOAD", "BASH_ENV", "DRONE_BRANCH", "REF", "TESTME_ID", "HOME"] {
        let marked = format!("\"{wrong}\"");
        refused(r#""RECIPE":"#, &format!("{marked}:"), &marked, "means something to builds");
    }
    refused(
        r#"{ "min": 1, "max": 20 }"#,
        r#"{ "min": 21, "max": 20 }"#,
        r#"{ "min": 21, "max": 20 }"#,
        "no number",
    );
    refused(r#"{ "commit": true }"#, "{}", "{}", "a parameter");
    refused(r#""trigger": "!testme""#, r#""trigger": "! testme""#, r#""! testme""#, "cannot be a trigger");
    refused(r#""burst": 5"#, r#""burst": 0"#, "0", "nothing would be let through");
}

#[test]
fn what_a_gitea_shall_hold() {
    let is = |from: &str, to: &str, marked: &str, message: &str| refused(from, to, marked, message);
    is(r#""url": "https://git.example.org""#, r#""url": "git""#, r#""git""#, "is not a URL");
    is(
        r#""https://git.example.org""#,
        r#""https://git.example.org?a""#,
        r#""https://git.example.org?a""#,
        "more than where",
    );
    is(r#""127.0.0.1:3000""#, r#""127.0.0.1""#, r#""127.0.0.1""#, "cannot be dialled");
    is(
        r#""username": "holdfast", "password": { "secret": "db_password" }"#,
        r#""username": "holdfast", "password": { "secret": "db_passwort" }"#,
        r#""db_passwort""#,
        "is not in `secrets`",
    );
    is(r#""bot@example.org""#, r#""bot""#, r#""bot""#, "is not an address");
    is(r#""bot": {"#, r#""b..t": {"#, r#""b..t""#, "cannot be a name in Gitea");
    is(r#""team": {"#, r#""Bot": {"#, r#""Bot""#, "also in `users`");
    is(
        r#""repositories": {"#,
        r#""repositories": { "team/app.git": {}, "#,
        r#""team/app.git""#,
        "cannot be a repository",
    );
    is(r#"{ "bot": "write" }"#, r#"{ "team": "write" }"#, r#""team""#, "owns the repository");
    is(
        r#""repository": "team/app""#,
        r#""repository": "team/ap""#,
        r#""team/ap""#,
        "is not in `forge.gitea.repositories`",
    );
    is(
        r#""pull_request_comment""#,
        r#""pull_request_comments""#,
        r#""pull_request_comments""#,
        "no event of Gitea",
    );
    is(r#"["pull_request_comment", "push"]"#, "[]", "[]", "never calls");
    let twice = r#""webhooks": { "again": { "repository": "team/app", "url": "http://127.0.0.1:8090/hook", "events": ["push"], "secret": { "secret": "db_password" } },"#;
    is(r#""webhooks": {"#, twice, r#""http://127.0.0.1:8090/hook""#, "`again` calls this");
}

#[test]
fn forge_drone() {
    let is = refused;
    is(
        r#""https://drone.example.org",
      "connect": "127.0.0.1:3001",
      "ca": "lab/ca.pem",
      "hooks""#,
        r#""drone.example.org", "hooks""#,
        r#""drone.example.org""#,
        "is not a URL",
    );
    is(r#""username": "builder""#, r#""username": "b.x""#, r#""b.x""#, "cannot be a name in Drone");
    is(r#""robot": {"#, r#""Builder": {"#, r#""Builder""#, "is the `admin`");
    is(r#""90m""#, r#""90s""#, r#""90s""#, "not a number of minutes");
    is(r#""team/built""#, r#""built""#, r#""built""#, "cannot be a repository");
    is(r#""DEPLOY_KEY": {"#, r#""DEPLOY KEY": {"#, r#""DEPLOY KEY""#, "cannot be a secret in Drone");
    is(r#""nightly": {"#, r#""Nightly": {"#, r#""Nightly""#, "cannot be a clock in Drone");
    is(r#""0 0 2 * * *""#, r#""0 2 * * *""#, r#""0 2 * * *""#, "wants seconds first");
    is(r#""trunk""#, r#""$(id)""#, r#""$(id)""#, "cannot be a branch that is built by a clock");
    is(r#""internal","#, r#""secret","#, r#""secret""#, "secret");
    let own = "its own, it deletes one";
    is("http://drone.internal:8080", "http://127.0.0.1:8090", r#""http://127.0.0.1:8090/hook""#, own);
    for hook in ["https://drone.example.org/other", "https://Drone.Example.org:443/hook"] {
        let text = FULL.replacen("http://127.0.0.1:8090/hook", hook, 1);
        let text = text.replacen(r#""hooks": "http://drone.internal:8080","#, "", 1);
        let problems = load(&text).expect_err("Drone would delete the hook");
        assert!(problems.len() == 1 && problems[0].message.contains(own), "{problems:?}");
    }
}

#[test]
fn a_drone_is_nothing_without_its_gitea_and_its_gates_nothing_without_it() {
    let text = r#"{"version": 1, "host": {"name": "a"}, "secrets": {"s": {"file": "s.yaml"}},
        "forge": {"drone": {"url": "https://d.example.org",
            "admin": {"username": "a", "token": {"secret": "s"}, "password": {"secret": "s"}}}}}"#;
    let problems = load(text).expect_err("there is no Gitea");
    assert!(problems.len() == 1 && problems[0].message.contains("there is no `forge.gitea`"), "{problems:?}");
    let text = r#"{"version": 1, "host": {"name": "a"}, "gates": {"d": {"drone": {}}, "o": {"oauth": {}}}}"#;
    let problems = load(text).expect_err("there is no Drone");
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|problem| problem.message.contains("forge.drone")), "{problems:?}");
}
