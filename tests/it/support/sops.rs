//! The real sops, age and SSH keys to encrypt with, and a folder for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use holdfast::manifest;
use holdfast::secrets::{Identities, IdentityEnv, SecretBytes};
use tempfile::TempDir;

/// The sops that output is compared with.
pub(crate) const VERSION: &str = "3.13.2";

/// The oldest sops that is tested with.
pub(crate) const OLD_VERSION: &str = "3.9.4";

/// Where `make setup` puts the pinned sops.
pub(crate) fn binary() -> PathBuf {
    binary_of(VERSION)
}

/// Where `make setup` puts a version of sops.
pub(crate) fn binary_of(version: &str) -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let path = Path::new(&home).join(format!(".cache/holdfast/sops-{version}/sops"));
    assert!(path.is_file(), "the real sops is missing at {}: run `make setup`", path.display());
    path
}

/// Runs a program that must succeed and gives its standard output.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{} cannot be started ({error}): run `make setup`", command.get_program().display())
    });
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    stdout
}

/// How a file is encrypted and opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An age recipient, its identity in a file.
    AgeFile,
    /// An age recipient, its identity in the environment.
    AgeEnv,
    /// An SSH recipient.
    Ssh,
    /// The age recipient that ssh-to-age makes of an SSH key.
    Converted,
}

/// Every form.
pub(crate) const FORMS: [Form; 4] = [Form::AgeFile, Form::AgeEnv, Form::Ssh, Form::Converted];

/// Fresh keys.
pub(crate) struct Keys {
    /// The folder that holds them; tests put their own files there too.
    pub(crate) dir: TempDir,
    age_identity: String,
    age_recipient: String,
    ssh_recipient: String,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let identity = age::x25519::Identity::generate();
        let age_recipient = identity.to_public().to_string();
        let age_identity = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
        fs::write(dir.path().join("age.txt"), format!("# a key\n{age_identity}\n")).expect("age.txt");
        let ssh = dir.path().join("ssh_host_ed25519_key");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&ssh));
        let public = fs::read_to_string(ssh.with_extension("pub")).expect("the public key");
        let ssh_recipient = public.split(' ').take(2).collect::<Vec<_>>().join(" ").trim().to_owned();
        Self { dir, age_identity, age_recipient, ssh_recipient }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The recipient to encrypt for.
    pub(crate) fn recipient(&self, form: Form) -> String {
        match form {
            Form::AgeFile | Form::AgeEnv => self.age_recipient.clone(),
            Form::Ssh => self.ssh_recipient.clone(),
            Form::Converted => converted_recipient(&self.ssh_recipient),
        }
    }

    /// What a manifest says.
    pub(crate) fn config(&self, form: Form) -> manifest::Identities {
        let mut config = manifest::Identities { ssh_key_files: Vec::new(), ..Default::default() };
        match form {
            Form::AgeFile => config.age_key_files.push(self.path("age.txt")),
            Form::AgeEnv => {}
            Form::Ssh | Form::Converted => config.ssh_key_files.push(self.path("ssh_host_ed25519_key")),
        }
        config
    }

    /// The identities that open a file of this form.
    pub(crate) fn identities(&self, form: Form) -> Identities {
        let age_key =
            (form == Form::AgeEnv).then(|| SecretBytes::new(self.age_identity.clone().into_bytes()));
        Identities::load(&self.config(form), &IdentityEnv { age_key, ..Default::default() })
    }

    /// Encrypts `plain` with the real sops; `name` decides the store.
    pub(crate) fn encrypt(&self, name: &str, plain: &[u8], recipient: &str, flags: &[&str]) -> Vec<u8> {
        self.encrypt_by(name, plain, &[&["--age", recipient], flags].concat())
    }

    /// The same with another `PATH`, where plugins are.
    pub(crate) fn encrypt_with_path(&self, name: &str, plain: &[u8], recipient: &str, path: &str) -> Vec<u8> {
        let input = self.path(name);
        fs::write(&input, plain).expect("the plaintext");
        run(self.sops().env("PATH", path).args(["encrypt", "--age", recipient]).arg(&input))
    }

    /// Encrypts as the folder's `.sops.yaml` says.
    pub(crate) fn encrypt_by_config(&self, name: &str, plain: &[u8]) -> Vec<u8> {
        self.encrypt_by(name, plain, &[])
    }

    fn encrypt_by(&self, name: &str, plain: &[u8], flags: &[&str]) -> Vec<u8> {
        let input = self.path(name);
        fs::write(&input, plain).expect("the plaintext");
        let sealed = run(self.sops().arg("encrypt").args(flags).arg(&input));
        fs::write(&input, &sealed).expect("the sealed file");
        sealed
    }

    /// What the real sops prints for a file that was encrypted for the age key.
    pub(crate) fn decrypt(&self, name: &str, extra: &[&str]) -> Vec<u8> {
        run(self.sops().arg("decrypt").args(extra).arg(self.path(name)))
    }

    /// A program in the folder that finds the age identity and the SSH key where sops looks for them.
    pub(crate) fn opening(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.dir.path()).env("SOPS_AGE_KEY", &self.age_identity);
        command.env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", self.path("ssh_host_ed25519_key"));
        command.current_dir(self.dir.path());
        command
    }

    /// The real sops with the age identity, in the folder.
    pub(crate) fn sops(&self) -> Command {
        let mut command = Command::new(binary());
        command.env_clear().env("HOME", self.dir.path()).env("SOPS_AGE_KEY", &self.age_identity);
        command.current_dir(self.dir.path());
        command
    }
}

/// ssh-to-age's public half, made here from the curve's own words and not from the code under test.
fn converted_recipient(ssh: &str) -> String {
    let key = ssh_key::PublicKey::from_openssh(ssh).expect("an SSH public key");
    let bytes = key.key_data().ed25519().expect("an ed25519 key").0;
    let point = curve25519_dalek::edwards::CompressedEdwardsY(bytes).decompress().expect("a point");
    let hrp = bech32::Hrp::parse("age").expect("a prefix");
    bech32::encode::<bech32::Bech32>(hrp, &point.to_montgomery().0).expect("bech32")
}
