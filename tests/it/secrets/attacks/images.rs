//! What a manifest names as an image stands where somebody else can exchange it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use holdfast::image::{describe, write_archive};
use holdfast::manifest::Image;
use serde_json::{Value, json};

use super::Host;
use super::links::{PATIENCE, home};

/// A root file system of one file.
fn tarball(text: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "etc/told", text.as_bytes()).expect("a member");
    tar.into_inner().expect("a tarball")
}

fn rootfs(path: &Path) -> Image {
    Image { rootfs: Some(path.to_owned()), ..Image::default() }
}

fn pipe(path: &Path) {
    drop(fs::remove_file(path));
    drop(crate::support::sops::run(Command::new("mkfifo").arg(path)));
}

/// What `check` and `compile` say of a manifest with this image, each of which must end like this.
fn said(host: &Host, image: &Value, code: i32) -> String {
    host.write(&json!({}), &json!({ "images": { "app": image } }));
    let out = host.path("out").display().to_string();
    let run = |args: &[&str]| {
        let begun = Instant::now();
        let ran = host.run(args);
        let said = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.code, code, "{args:?}: {said}");
        assert!(begun.elapsed() < PATIENCE, "{args:?}");
        said
    };
    format!("{}{}", run(&["check"]), run(&["compile", "-o", &out]))
}

/// Nobody may ever write to a pipe; a device gives bytes for ever, or does something when it is opened.
#[test]
fn an_image_that_is_a_pipe_or_a_device_is_not_waited_for() {
    let host = Host::new(&json!({}));
    let path = host.path("app.tar");
    pipe(&path);
    let mut naive = Command::new("timeout");
    let naive = naive.args(["1", "cat"]).arg(&path).status().expect("timeout");
    assert_eq!(naive.code(), Some(124), "the attack does not work, so this shows nothing");
    for place in ["archive", "rootfs"] {
        let image = json!({ place: "app.tar" });
        pipe(&path);
        let told = said(&host, &image, 78);
        assert_eq!(told.matches("app.tar`: it is no regular file").count(), 2, "{told}");
        assert_eq!(told.matches("manifest.json:1:").count(), 2, "{told}");
        fs::remove_file(&path).expect("removed");
        symlink("/dev/zero", &path).expect("a link");
        assert!(said(&host, &image, 78).contains("it is no regular file"));
        fs::remove_file(&path).expect("removed");
    }

    // What was a file when the manifest was compiled is a pipe when the image is loaded.
    fs::write(&path, tarball("his\n")).expect("a tarball");
    assert!(!said(&host, &json!({ "rootfs": "app.tar" }), 0).contains("no regular file"));
    let spec = describe("app", &rootfs(&path)).expect("an image");
    pipe(&path);
    let mut written = Vec::new();
    let error = write_archive("app", &spec, &mut written).expect_err("a pipe is no image");
    assert!(error.to_string().contains("app.tar") && written.is_empty(), "{error}");
}

/// A service of somebody else would run on a root file system of root's.
#[test]
fn an_image_of_somebody_else_leads_root_to_no_other_file() {
    let (_folder, home, etc) = home();
    let (host, config) = (Host::new(&json!({})), home.join("config"));
    let roots = tarball("only-for-root\n");
    fs::write(etc.join("app.tar"), &roots).expect("a file of root");
    fs::create_dir(etc.join("tree")).expect("a folder");
    fs::write(etc.join("tree/told"), "only-for-root\n").expect("a file of root");
    for private in ["app.tar", "tree"] {
        fs::set_permissions(etc.join(private), fs::Permissions::from_mode(0o700)).expect("the mode");
    }
    fs::write(config.join("app.tar"), tarball("his\n")).expect("a file of his");
    fs::create_dir(config.join("tree")).expect("a folder of his");
    fs::write(config.join("tree/told"), "his\n").expect("a file of his");
    for name in ["app.tar", "tree"] {
        let (path, image) = (config.join(name), json!({ "rootfs": config.join(name) }));
        said(&host, &image, 0);
        fs::rename(&path, config.join("own")).expect("aside");
        symlink(etc.join(name), &path).expect("a link");
        let naive = if name == "tree" { fs::read(path.join("told")) } else { fs::read(&path) };
        let naive = String::from_utf8_lossy(&naive.expect("read")).into_owned();
        assert!(naive.contains("only-for-root"), "the attack does not work, so this shows nothing");
        let told = said(&host, &image, 78);
        assert!(told.contains("is a link") && told.contains(name), "{name}: {told}");
        fs::remove_file(&path).expect("removed");
        fs::rename(config.join("own"), &path).expect("back");
    }
    // Links of root are followed, as `result` of a build is one.
    symlink(etc.join("app.tar"), host.path("result")).expect("a link of root");
    said(&host, &json!({ "rootfs": "result" }), 0);
}
