//! A real image registry (`distribution`), with users and a certificate of a lab authority.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::engine::Engine;
use super::port;

/// The version that `tests/setup.sh` builds.
const VERSION: &str = "3.1.2";

/// The one user.
pub(crate) const USER: &str = "puller";
/// Two passwords for it, with what a registry keeps of them. Their base64 forms have `+` and `/`.
pub(crate) const FIRST: (&str, &str) =
    ("first~?>pass-5b1e", "$2b$05$A60atIwQOEmq8v/PVHHaC.zFJ.th/y94Crk2w12sQLuP4XvrcA3Yu");
/// See [`FIRST`].
pub(crate) const SECOND: (&str, &str) =
    ("second~?>pass-77aa", "$2b$05$P5LDa.d2NHf6i8oU9iiZpee6.W4WVRin45c9NWKizdN5T/N0aa3ou");

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A running registry; dropping it ends it.
pub(crate) struct Registry {
    /// `ADDRESS:PORT`: its name in image references.
    pub(crate) name: String,
    folder: TempDir,
    process: Option<Child>,
    engine: Option<String>,
}

impl Registry {
    /// On a free port of loopback.
    pub(crate) fn start() -> Self {
        Self::at(format!("127.0.0.1:{}", port::own()), None)
    }

    /// In an engine's network namespace, where the machine reaches it too.
    pub(crate) fn beside(engine: &Engine) -> Self {
        Self::at(format!("{}:5000", engine.ip), Some(engine))
    }

    fn at(name: String, engine: Option<&Engine>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut registry = Self { name, folder, process: None, engine: engine.map(|it| it.name.clone()) };
        registry.certify();
        registry.let_in(FIRST);
        let path = |name: &str| registry.path(name).display().to_string();
        // JSON is YAML.
        let config = json!({
            "version": 0.1,
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": path("data") } },
            "auth": { "htpasswd": { "realm": "lab", "path": path("htpasswd") } },
            "http": { "addr": registry.name, "tls": { "certificate": path("cert.pem"), "key": path("key.pem") } },
        });
        fs::write(registry.path("config.yml"), config.to_string()).expect("config.yml");
        registry.resume();
        registry
    }

    /// A file of its own folder: `ca.pem` is the root of its certificate.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn certify(&self) {
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "Lab Registry Root");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = ca.self_signed(&ca_key).expect("a root");
        let key = KeyPair::generate().expect("a key");
        let address = self.name.split(':').next().expect("an address").to_owned();
        let leaf = CertificateParams::new(vec![address]).expect("an address");
        let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a leaf");
        for (name, text) in
            [("ca.pem", root.pem()), ("cert.pem", leaf.pem()), ("key.pem", key.serialize_pem())]
        {
            fs::write(self.path(name), text).expect("a PEM file");
        }
    }

    /// From now on the user has this password and no other; the registry notices by the file's time.
    pub(crate) fn let_in(&self, password: (&str, &str)) {
        let file = self.path("htpasswd");
        let before = fs::metadata(&file).and_then(|meta| meta.modified()).ok();
        while fs::metadata(&file).and_then(|meta| meta.modified()).ok() == before {
            fs::write(&file, format!("{USER}:{}\n", password.1)).expect("htpasswd");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the process; the images stay.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// Starts it again.
    pub(crate) fn resume(&mut self) {
        let mut command = match &self.engine {
            None => Command::new(binary()),
            Some(name) => {
                let mut command = Command::new(super::engine::script_path());
                command.args(["exec", name]).arg(binary());
                command
            }
        };
        command.arg("serve").arg(self.path("config.yml"));
        let log = fs::File::create(self.path("log")).expect("log");
        command.env("OTEL_TRACES_EXPORTER", "none").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("the registry cannot be started; run `make setup`"));
        for _ in 0..1200 {
            if TcpStream::connect(&self.name).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the registry does not listen: {}", fs::read_to_string(self.path("log")).unwrap_or_default());
    }

    fn curl(&self, args: &[&str]) -> Output {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail-with-body", "-u", &format!("{USER}:{}", FIRST.0), "--cacert"]);
        command.arg(self.path("ca.pem")).args(args).stdin(Stdio::null());
        let output = command.output().expect("`curl` cannot be run; run `make setup`");
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        assert!(output.status.success(), "curl {args:?}: {}", String::from_utf8_lossy(&said));
        output
    }

    fn url(&self, repository: &str, rest: &str) -> String {
        format!("https://{}/v2/{repository}/{rest}", self.name)
    }

    /// Uploads bytes; returns what a manifest says of them.
    fn blob(&self, repository: &str, kind: &str, bytes: &[u8]) -> Value {
        let file = self.path("blob");
        fs::write(&file, bytes).expect("blob");
        let digest = digest(bytes);
        let begun =
            self.curl(&["-D", "-", "-o", "/dev/null", "-X", "POST", &self.url(repository, "blobs/uploads/")]);
        let head = String::from_utf8_lossy(&begun.stdout).into_owned();
        let location = head.lines().find(|line| line.to_ascii_lowercase().starts_with("location:"));
        let location =
            location.and_then(|line| line.split_once(':')).expect("a location").1.trim().to_owned();
        let join = if location.contains('?') { '&' } else { '?' };
        let data = format!("@{}", file.display());
        self.curl(&[
            "-X",
            "PUT",
            "-H",
            "content-type: application/octet-stream",
            "--data-binary",
            &data,
            &format!("{location}{join}digest={digest}"),
        ]);
        json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
    }

    fn put(&self, repository: &str, reference: &str, kind: &str, manifest: &Value) -> String {
        let file = self.path("manifest");
        fs::write(&file, manifest.to_string()).expect("manifest");
        let data = format!("@{}", file.display());
        let header = format!("content-type: {kind}");
        self.curl(&[
            "-X",
            "PUT",
            "-H",
            &header,
            "--data-binary",
            &data,
            &self.url(repository, &format!("manifests/{reference}")),
        ]);
        digest(manifest.to_string().as_bytes())
    }

    /// Pushes an image for one platform, `linux/arm/v7`, that holds nothing but `mark`; returns its digest.
    pub(crate) fn push(&self, repository: &str, tag: &str, platform: &str, mark: &str) -> String {
        let manifest = self.image(repository, platform, mark);
        self.put(repository, tag, MANIFEST, &manifest)
    }

    /// Pushes an index of such images; `unknown/unknown` stands for an attestation.
    pub(crate) fn push_index(&self, repository: &str, tag: &str, platforms: &[&str], mark: &str) -> String {
        let entries: Vec<Value> = platforms
            .iter()
            .map(|platform| {
                let manifest = self.image(repository, platform, mark);
                let digest = digest(manifest.to_string().as_bytes());
                self.put(repository, &digest, MANIFEST, &manifest);
                let size = manifest.to_string().len();
                json!({ "mediaType": MANIFEST, "digest": digest, "size": size, "platform": parts(platform) })
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        self.put(repository, tag, INDEX, &index)
    }

    fn image(&self, repository: &str, platform: &str, mark: &str) -> Value {
        let layer = self.blob(repository, "application/vnd.oci.image.layer.v1.tar", mark.as_bytes());
        let mut config = parts(platform);
        config["rootfs"] = json!({ "type": "layers", "diff_ids": [layer["digest"]] });
        let config =
            self.blob(repository, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

fn parts(platform: &str) -> Value {
    let mut parts = platform.split('/');
    let mut next = || parts.next().unwrap_or_default();
    let mut json = json!({ "os": next(), "architecture": next() });
    match next() {
        "" => {}
        variant => json["variant"] = json!(variant),
    }
    json
}

fn digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    format!("sha256:{:x}", sha2::Sha256::digest(bytes))
}

fn binary() -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let binary = Path::new(&home).join(format!(".cache/holdfast/registry-{VERSION}/registry"));
    assert!(binary.exists(), "{} is missing; run `make setup`", binary.display());
    binary
}
