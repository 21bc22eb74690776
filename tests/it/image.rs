//! Images: two digests known without an engine, the same whatever the packing, and a real engine agrees.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use holdfast::desired::ImageSpec;
use holdfast::image::{ImageError, describe, write_archive};
use holdfast::manifest::{Image, ImageConfig};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::engine::{Engine, busybox_rootfs};

#[test]
fn a_real_engine_loads_a_root_file_system_under_the_id_that_was_foretold_and_runs_it() {
    let folder = TempDir::new().unwrap();
    let input = put(&folder, "busybox.tar.gz", &gzip(&busybox_rootfs()));
    let config = ImageConfig {
        entrypoint: vec!["/bin/sh".into(), "-c".into()],
        cmd: vec!["echo \"$WHO\"; id -u; stat -c %a /tmp".into()],
        env: vec!["WHO=holdfast".into(), "PATH=/bin".into()],
        workdir: Some("/run".into()),
        user: Some("12:34".into()),
        ports: vec!["8080/tcp".into()],
        labels: BTreeMap::from([("a".into(), "b".into())]),
        architecture: None,
    };
    let spec = describe("busybox", &rootfs(&input, config)).unwrap();
    let engine = Engine::start();
    load(&engine, "busybox", &spec, &folder);
    let source = spec.source.as_ref().unwrap();
    assert_eq!(engine.docker(&["image", "inspect", "-f", "{{.Id}}", &spec.reference]), source.config_digest);
    let short: String = source.config_digest.chars().skip(7).take(12).collect();
    assert_eq!(spec.reference, format!("holdfast.invalid/busybox:{short}"));
    let said = engine.docker(&["run", "--rm", "--network", "none", &spec.reference]);
    assert_eq!(said, "holdfast\n12\n1777");

    // What docker saves of it keeps its id on the way through us, in each form that is in use.
    let saved = folder.path().join("saved.tar");
    engine.docker(&["save", "-o", saved.to_str().unwrap(), &spec.reference]);
    let again = describe("again", &archive(&saved)).unwrap();
    assert_eq!(again.source.as_ref().unwrap().config_digest, source.config_digest);
    assert_eq!(again.source.as_ref().unwrap().manifest_digest, source.manifest_digest);
    let packed = put(&folder, "saved.tar.gz", &gzip(&std::fs::read(&saved).unwrap()));
    let packed = describe("packed", &archive(&packed)).unwrap();
    assert_eq!(packed.source.as_ref().unwrap().manifest_digest, source.manifest_digest);
    engine.docker(&["image", "rm", &spec.reference]);
    load(&engine, "packed", &packed, &folder);
    assert_eq!(
        engine.docker(&["image", "inspect", "-f", "{{.Id}}", &packed.reference]),
        source.config_digest
    );
}

#[test]
fn an_image_of_two_layers_with_a_shared_one_goes_through_a_real_engine() {
    let folder = TempDir::new().unwrap();
    let engine = Engine::start();
    engine.load_busybox();
    // Committing twice gives layers that `docker save` of this engine writes in its old form.
    engine.docker(&[
        "run",
        "--name",
        "one",
        crate::support::engine::BUSYBOX,
        "/bin/sh",
        "-c",
        "echo 1 >/etc/one",
    ]);
    engine.docker(&["commit", "one", "holdfast-test/two:1"]);
    let id = engine.docker(&["image", "inspect", "-f", "{{.Id}}", "holdfast-test/two:1"]);
    let saved = folder.path().join("two.tar");
    engine.docker(&["save", "-o", saved.to_str().unwrap(), "holdfast-test/two:1"]);
    let spec = describe("two", &archive(&saved)).unwrap();
    assert_eq!(spec.source.as_ref().unwrap().config_digest, id);
    engine.docker(&["rm", "one"]);
    engine.docker(&["image", "rm", "holdfast-test/two:1"]);
    load(&engine, "two", &spec, &folder);
    assert_eq!(engine.docker(&["image", "inspect", "-f", "{{.Id}}", &spec.reference]), id);
    let said = engine.docker(&["run", "--rm", "--network", "none", &spec.reference, "/bin/cat", "/etc/one"]);
    assert_eq!(said, "1");
}

#[test]
fn packing_order_and_times_of_a_root_file_system_change_nothing_but_owners_and_modes_do() {
    let folder = TempDir::new().unwrap();
    let long = format!("{}/file", "d".repeat(120));
    let files: &[(&str, u32, u64)] = &[("bin/a", 0o755, 0), ("etc/b", 0o644, 70_000_000), (&long, 0o600, 1)];
    let forward = put(&folder, "1.tar", &pack(files, 1, "bin/a"));
    let mut turned = files.to_vec();
    turned.reverse();
    let backward = put(&folder, "2.tar.gz", &gzip(&pack(&turned, 1_700_000_000, "./bin/a")));
    let of = |path: &Path| describe("x", &rootfs(path, ImageConfig::default())).unwrap().source.unwrap();
    let (one, two) = (of(&forward), of(&backward));
    assert_eq!(one.config_digest, two.config_digest);
    assert_eq!(one.manifest_digest, two.manifest_digest);
    assert_eq!(of(&forward), one, "reading twice gave two answers");

    // Which path of a hard-linked file the packer met first says nothing about the tree.
    let linked = |first: &str, second: &str| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o755);
        tar.append_data(&mut header, first, &b"abc"[..]).unwrap();
        header.set_entry_type(tar::EntryType::Link);
        header.set_size(0);
        tar.append_link(&mut header, second, first).unwrap();
        of(&put(&folder, "linked.tar", &tar.into_inner().unwrap())).manifest_digest
    };
    assert_eq!(linked("a/one", "b/two"), linked("b/two", "a/one"));

    let other_mode = put(&folder, "3.tar", &pack(&[("bin/a", 0o700, 0), files[1], files[2]], 1, "bin/a"));
    let other_owner = put(&folder, "4.tar", &pack(&[files[0], ("etc/b", 0o644, 7), files[2]], 1, "bin/a"));
    assert_ne!(of(&other_mode).config_digest, one.config_digest);
    assert_ne!(of(&other_owner).config_digest, one.config_digest);
}

#[test]
fn a_folder_and_a_tarball_of_it_are_one_image() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("bin/deep")).unwrap();
    std::fs::write(root.join("bin/deep/tool"), vec![7; 100_000]).unwrap();
    std::fs::set_permissions(root.join("bin/deep/tool"), PermissionsExt::from_mode(0o4755)).unwrap();
    std::os::unix::fs::symlink("/bin/deep/tool", root.join("bin/link")).unwrap();
    let tarball = folder.path().join("root.tar");
    let status = std::process::Command::new("tar")
        .args(["--create", "--file", tarball.to_str().unwrap(), "--numeric-owner", "-C"])
        .args([root.to_str().unwrap(), "."])
        .status();
    assert!(status.unwrap().success());
    let of = |path: &Path| describe("x", &rootfs(path, ImageConfig::default())).unwrap().source.unwrap();
    assert_eq!(of(&root).manifest_digest, of(&tarball).manifest_digest);
}

#[test]
fn an_oci_layout_gives_the_image_of_this_machine_with_its_layers_unpacked() {
    let folder = TempDir::new().unwrap();
    let layout = Layout::new(&folder);
    let image = layout.image(&host_architecture());
    let other = layout.image("s390x");
    let attestation = json!({ "mediaType": MANIFEST, "digest": image["digest"], "size": 1,
        "platform": { "os": "unknown", "architecture": "unknown" } });
    layout.index(&[other.clone(), image, attestation]);
    let spec = describe("multi", &archive(&layout.root)).unwrap();
    let source = spec.source.as_ref().unwrap();
    let config = layout.config(&host_architecture());
    assert_eq!(source.config_digest, digest(&config));

    let mut written = Vec::new();
    write_archive("multi", &spec, &mut written).unwrap();
    let members = members(&written);
    let layer = format!("blobs/sha256/{}", hex(&layout.plain));
    assert_eq!(members[&layer], layout.plain, "the layer is not the unpacked one");
    let saved: Value = serde_json::from_slice(&members["manifest.json"]).unwrap();
    assert_eq!(saved[0]["Layers"], json!([layer]));
    assert_eq!(saved[0]["RepoTags"], json!([spec.reference]));
    let index: Value = serde_json::from_slice(&members["index.json"]).unwrap();
    assert_eq!(index["manifests"][0]["digest"], json!(source.manifest_digest));
    for (name, bytes) in &members {
        if let Some(named) = name.strip_prefix("blobs/sha256/") {
            assert_eq!(named, hex(bytes), "a blob is not what it is called");
        }
    }

    let tarball = folder.path().join("layout.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&tarball).unwrap());
    tar.append_dir_all("", &layout.root).unwrap();
    tar.finish().unwrap();
    assert_eq!(
        describe("multi", &archive(&tarball)).unwrap().source.unwrap().config_digest,
        source.config_digest
    );

    layout.index(&[
        other.clone(),
        json!({ "mediaType": MANIFEST, "digest": other["digest"], "size": 1,
        "platform": { "os": "linux", "architecture": "riscv64" } }),
    ]);
    let error = describe("multi", &archive(&layout.root)).unwrap_err().to_string();
    assert!(error.contains("no image for linux/"), "{error}");
    assert!(error.contains("linux/s390x, linux/riscv64"), "{error}");
}

#[test]
fn what_is_not_an_image_is_refused_by_file_and_member() {
    let folder = TempDir::new().unwrap();
    let case = |name: &str, bytes: &[u8]| {
        let path = put(&folder, name, bytes);
        chain(&describe("x", &archive(&path)).unwrap_err(), &path)
    };
    let layer = tarball(&[("a", b"1")]);
    let config = json!({ "os": "linux", "architecture": host_architecture(), "rootfs": { "type": "layers",
        "diff_ids": [digest(&layer)] } });
    let config = config.to_string().into_bytes();
    let manifest =
        |layers: Value| json!([{ "Config": "c.json", "RepoTags": [], "Layers": layers }]).to_string();
    let save = |manifest: &str, layer: &[u8]| {
        tarball(&[("manifest.json", manifest.as_bytes()), ("c.json", &config), ("l/layer.tar", layer)])
    };
    let good = put(&folder, "good.tar", &save(&manifest(json!(["l/layer.tar"])), &layer));
    describe("x", &archive(&good)).unwrap();

    let said = case("missing.tar", &save(&manifest(json!(["m/layer.tar"])), &layer));
    assert!(said.contains("member `m/layer.tar`") && said.contains("not in the archive"), "{said}");
    let said = case("flipped.tar", &save(&manifest(json!(["l/layer.tar"])), &tarball(&[("a", b"2")])));
    assert!(said.contains("member `l/layer.tar`") && said.contains("the config says"), "{said}");
    let said = case("up.tar", &save(&manifest(json!(["../../etc/passwd"])), &layer));
    assert!(said.contains("leads out of the archive"), "{said}");
    let said = case("count.tar", &save(&manifest(json!([])), &layer));
    assert!(said.contains("names 1 layers, the manifest 0"), "{said}");
    let one: Value = serde_json::from_str(&manifest(json!(["l/layer.tar"]))).unwrap();
    let said = case("two.tar", &save(&json!([one[0], one[0]]).to_string(), &layer));
    assert!(said.contains("2 images"), "{said}");
    let name = format!("blobs/sha256/{}", "0".repeat(64));
    let said = case("blob.tar", &tarball(&[("index.json", b"{}"), (&name, b"x")]));
    assert!(said.contains(&name) && said.contains("its content has the digest"), "{said}");
    let said = case("nothing.tar", &tarball(&[("readme", b"hello")]));
    assert!(said.contains("so it is no image"), "{said}");
    let said = case("zstd.tar", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0]);
    assert!(said.contains("zstd"), "{said}");
    let said = case("cut.tar", &std::fs::read(&good).unwrap()[..1200]);
    assert!(said.contains("failed to read") || said.contains("no image"), "{said}");
    let said = case("dots.tar", &raw_name("../manifest.json", b"[]"));
    assert!(said.contains("../manifest.json") && said.contains("leads out"), "{said}");
    let gone = folder.path().join("gone.tar");
    assert!(matches!(describe("x", &archive(&gone)).unwrap_err(), ImageError::Read { .. }));
}

#[test]
fn a_root_file_system_that_reaches_out_of_itself_is_refused() {
    let folder = TempDir::new().unwrap();
    let case = |name: &str, bytes: &[u8]| {
        let path = put(&folder, name, bytes);
        chain(&describe("x", &rootfs(&path, ImageConfig::default())).unwrap_err(), &path)
    };
    assert!(case("up.tar", &raw_name("a/../../b", b"")).contains("leads out"));
    assert!(case("root.tar", &raw_name("/etc/passwd", b"")).contains("leads out"));
    assert!(case("wh.tar", &tarball(&[("a/.wh.b", b"")])).contains("`.wh.`"));
    assert!(case("twice.tar", &tarball(&[("a", b"1"), ("./a", b"2")])).contains("there twice"));
    assert!(case("below.tar", &tarball(&[("a", b"1"), ("a/b", b"2")])).contains("not a folder"));
    assert!(case("empty.tar", &tarball(&[])).contains("nothing is in it"));
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    tar.append_link(&mut header, "a", "gone").unwrap();
    assert!(case("link.tar", &tar.into_inner().unwrap()).contains("hard link to nothing"));
}

#[test]
fn a_bomb_is_refused_before_it_has_unpacked() {
    // 768 MiB of zeros in less than 4 MiB, made by repeating one member of a multi-member stream.
    let folder = TempDir::new().unwrap();
    let block = gzip(&vec![0; 16 << 20]);
    let path = folder.path().join("bomb.tar.gz");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_path("big").unwrap();
    header.set_size(768 << 20);
    header.set_mode(0o644);
    header.set_cksum();
    file.write_all(&gzip(header.as_bytes())).unwrap();
    for _ in 0..48 {
        file.write_all(&block).unwrap();
    }
    drop(file);
    for image in [archive(&path), rootfs(&path, ImageConfig::default())] {
        let error = chain(&describe("bomb", &image).unwrap_err(), &path);
        assert!(error.contains("more than 200 times its size"), "{error}");
    }
}

#[test]
fn a_file_that_changed_since_compile_is_not_written() {
    let folder = TempDir::new().unwrap();
    let path = put(&folder, "root.tar", &tarball(&[("a", b"1")]));
    let spec = describe("x", &rootfs(&path, ImageConfig::default())).unwrap();
    std::fs::write(&path, tarball(&[("a", b"2")])).unwrap();
    let mut written = Vec::new();
    let error = write_archive("x", &spec, &mut written).unwrap_err();
    assert!(matches!(error, ImageError::Changed { .. }), "{error}");
    assert!(error.hint().unwrap().contains("holdfast compile"));
    assert_eq!(written.len(), 0, "bytes were written before the check");
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An OCI layout in a folder with one gzipped layer.
struct Layout {
    root: PathBuf,
    plain: Vec<u8>,
}

impl Layout {
    fn new(folder: &TempDir) -> Self {
        let root = folder.path().join("layout");
        std::fs::create_dir_all(root.join("blobs/sha256")).unwrap();
        std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { root, plain: tarball(&[("hello", b"world")]) }
    }

    fn config(&self, architecture: &str) -> Vec<u8> {
        let rootfs = json!({ "type": "layers", "diff_ids": [digest(&self.plain)] });
        json!({ "os": "linux", "architecture": architecture, "rootfs": rootfs }).to_string().into_bytes()
    }

    /// Adds an image; returns its descriptor.
    fn image(&self, architecture: &str) -> Value {
        let (config, layer) = (self.config(architecture), gzip(&self.plain));
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": "c", "digest": self.blob(&config), "size": config.len() },
            "layers": [{ "mediaType": "l", "digest": self.blob(&layer), "size": layer.len() }] });
        let manifest = manifest.to_string().into_bytes();
        json!({ "mediaType": MANIFEST, "digest": self.blob(&manifest), "size": manifest.len(),
            "platform": { "os": "linux", "architecture": architecture } })
    }

    fn blob(&self, bytes: &[u8]) -> String {
        std::fs::write(self.root.join("blobs/sha256").join(hex(bytes)), bytes).unwrap();
        digest(bytes)
    }

    /// `index.json` that names one index of these.
    fn index(&self, manifests: &[Value]) {
        let inner = json!({ "schemaVersion": 2, "manifests": manifests }).to_string().into_bytes();
        let media = "application/vnd.oci.image.index.v1+json";
        let outer = json!({ "schemaVersion": 2,
            "manifests": [{ "mediaType": media, "digest": self.blob(&inner), "size": inner.len() }] });
        std::fs::write(self.root.join("index.json"), outer.to_string()).unwrap();
    }
}

fn host_architecture() -> String {
    let arch = std::env::consts::ARCH;
    if arch == "x86_64" { "amd64" } else { "arm64" }.to_owned()
}

fn rootfs(path: &Path, config: ImageConfig) -> Image {
    Image { rootfs: Some(path.to_owned()), config: Some(config), ..Image::default() }
}

fn archive(path: &Path) -> Image {
    Image { archive: Some(path.to_owned()), ..Image::default() }
}

fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn load(engine: &Engine, name: &str, spec: &ImageSpec, folder: &TempDir) {
    let path = folder.path().join(format!("{name}.load.tar"));
    let mut file = std::fs::File::create(&path).unwrap();
    write_archive(name, spec, &mut file).unwrap();
    drop(file);
    let said = engine.docker(&["load", "-i", path.to_str().unwrap()]);
    assert!(said.contains(&spec.reference), "{said}");
}

/// The whole error in one line; it must name the file.
fn chain(error: &ImageError, path: &Path) -> String {
    let mut text = error.to_string();
    let mut at: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(source) = at {
        text = format!("{text}: {source}");
        at = source.source();
    }
    assert!(text.contains(path.to_str().unwrap()), "the file is not named: {text}");
    text
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tarball(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A tarball with one name that a well-meaning writer would refuse.
fn raw_name(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    for (to, from) in header.as_old_mut().name.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, bytes).unwrap();
    tar.into_inner().unwrap()
}

/// Files with mode and owner, made at `time`, with their folders, and a hard link to `linked`.
fn pack(files: &[(&str, u32, u64)], time: u64, linked: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, mode, uid) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(name.len() as u64);
        header.set_mode(*mode);
        header.set_uid(*uid);
        header.set_mtime(time);
        tar.append_data(&mut header, name, name.as_bytes()).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_mtime(time);
    header.set_size(0);
    tar.append_link(&mut header, "usr/bin/zz", linked).unwrap();
    tar.into_inner().unwrap()
}

fn members(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut tar = tar::Archive::new(archive);
    let mut members = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        members.insert(entry.path().unwrap().display().to_string(), bytes);
    }
    members
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// One damaged byte or a cut, anywhere in an archive whose members are named by their digests, never gives
    /// another image: it is refused, or it did not matter.
    #[test]
    fn a_damaged_archive_is_never_taken_for_another_image(at in 0.0_f64..1.0, flip in 0_u8..=255) {
        let folder = TempDir::new().unwrap();
        let root = put(&folder, "root.tar", &tarball(&[("a", b"1"), ("b/c", &[9; 600])]));
        let spec = describe("x", &rootfs(&root, ImageConfig::default())).unwrap();
        let mut bytes = Vec::new();
        write_archive("x", &spec, &mut bytes).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "any place in the archive will do")]
        let at = (at * bytes.len() as f64) as usize;
        if flip == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] ^= flip;
        }
        let damaged = put(&folder, "damaged.tar", &bytes);
        if let Ok(found) = describe("x", &archive(&damaged)) {
            proptest::prop_assert_eq!(found.source.unwrap().manifest_digest, spec.source.unwrap().manifest_digest);
        }
    }
}
