//! `store`: a manifest and its image in a real Nix store, which is damaged by one byte.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::world::{Ran, World};

/// A store of its own: nothing of the machine's is touched.
fn private(command: &mut Command, root: &Path) {
    for (name, folder) in [
        ("NIX_STORE_DIR", "store"),
        ("NIX_STATE_DIR", "var/nix"),
        ("NIX_LOG_DIR", "var/log"),
        ("NIX_CONF_DIR", "etc"),
    ] {
        command.env(name, root.join(folder));
    }
    command.env("NIX_CONFIG", "build-users-group =\nsubstituters =").env_remove("NIX_REMOTE");
}

fn add(root: &Path, path: &Path) -> PathBuf {
    let mut nix = Command::new("nix-store");
    private(&mut nix, root);
    let output = nix.arg("--add").arg(path).output().expect("`nix-store` is there; `make setup` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a path").trim().into()
}

#[test]
fn a_damaged_byte_of_the_manifest_or_its_image_is_found() {
    let world = World::new();
    let root = world.path("nix").components().collect::<PathBuf>();
    fs::create_dir_all(&root).unwrap();
    let root = root.canonicalize().unwrap();
    let image = add(&root, &world.path("rootfs.tar"));
    world.edit(|manifest| {
        manifest["images"]["app"]["rootfs"] = json!(image);
        manifest["gates"] = json!({ "store": { "store": {} } });
    });
    let compiled = world.path("holdfast-manifest");
    world.run(&["compile", "-o", compiled.to_str().unwrap()]).expect(0);
    let manifest = add(&root, &compiled);

    let verify = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        private(&mut command, &root);
        command.args(["verify", "--json", "--only", "gate.store"]).arg(&manifest);
        Ran::new(&command.output().expect("the program runs"))
    };
    let gate = |code: i32| verify().expect(code).json()["gates"][0].clone();
    let seen = gate(0);
    for path in [&manifest, &image] {
        let hashes = &seen["observed"][path.to_str().unwrap()];
        assert!(hashes["actual"].as_str().unwrap().starts_with("sha256:"), "{seen}");
        assert_eq!(hashes["actual"], hashes["recorded"], "{seen}");
    }

    for path in [image.clone(), manifest.join("manifest.json")] {
        let flip = || {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            // A letter of the host's name, so that it is a manifest still.
            let bytes = fs::read(&path).unwrap();
            let is_name = |five: &[u8]| five.ends_with(b"est\"") && matches!(five[0], b't' | b'u');
            let name = bytes.windows(5).position(is_name);
            let at = if path == image { 700 } else { name.unwrap() };
            file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        };
        flip();
        let damaged = gate(3);
        let (summary, entry) =
            (damaged["summary"].as_str().unwrap(), if path == image { &image } else { &manifest });
        let hashes = &damaged["observed"][entry.to_str().unwrap()];
        assert_ne!(hashes["actual"], hashes["recorded"], "{damaged}");
        for hash in ["actual", "recorded"] {
            assert!(summary.contains(hashes[hash].as_str().unwrap()), "{summary}");
        }
        assert!(summary.contains(entry.to_str().unwrap()), "{summary}");
        flip();
        gate(0);
    }
}
