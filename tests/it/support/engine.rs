//! A private Docker engine for one test: `tests/engine/engine.sh` behind a guard that ends it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The image that [`Engine::load_busybox`] makes: busybox, statically linked, and nothing else.
pub(crate) const BUSYBOX: &str = "holdfast-test/busybox:1";

/// Which engine: two are tested with, the oldest that is supported and the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Debian's dockerd 20.10, API 1.41, images in its own store.
    Debian,
    /// moby 2.0.0-beta.24, API 1.56, images in containerd's store.
    Moby,
}

impl Flavour {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Debian, Self::Moby];

    /// The one that tests run on which do not say: `HOLDFAST_TEST_ENGINE`, else Debian's.
    pub(crate) fn usual() -> Self {
        let asked = std::env::var_os("HOLDFAST_TEST_ENGINE");
        match asked.as_ref().map(|asked| asked.to_string_lossy()).as_deref() {
            Some("moby") => Self::Moby,
            Some("debian") | None => Self::Debian,
            Some(other) => panic!("HOLDFAST_TEST_ENGINE is `{other}`: write debian or moby"),
        }
    }

    /// As `engine.sh up --engine` takes it.
    const fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Moby => "moby",
        }
    }

    /// How its version begins.
    const fn version(self) -> &'static str {
        match self {
            Self::Debian => "20.10.",
            Self::Moby => "2.0.0-beta.24",
        }
    }
}

/// A running engine in a network namespace of its own; dropping it ends it and fails when anything is left.
pub(crate) struct Engine {
    /// As in `engine.sh exec NAME`.
    pub(crate) name: String,
    /// The engine's socket.
    pub(crate) socket: PathBuf,
    /// The machine's end of the veth pair.
    pub(crate) host_ip: String,
    /// The engine's end: host-mode ports answer here, and a swarm advertises it.
    pub(crate) ip: String,
    /// Where its data lies.
    pub(crate) dir: PathBuf,
}

impl Engine {
    /// Starts an engine; about half a second. It needs root.
    ///
    /// # Panics
    /// When it does not come up; the text says why.
    pub(crate) fn start() -> Self {
        Self::start_flavour(Flavour::usual())
    }

    /// Starts an engine of this flavour.
    ///
    /// # Panics
    /// When it does not come up, or is of another version.
    pub(crate) fn start_flavour(flavour: Flavour) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let pid = std::process::id();
        let name = format!("it-{pid}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let said = script(&["up", &name, "--engine", flavour.name(), "--owner", &pid.to_string()]);
        let value = |key: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("engine.sh did not print {key}:\n{said}")).to_owned()
        };
        let engine = Self {
            socket: value("ENGINE_SOCKET").into(),
            host_ip: value("ENGINE_HOST_IP"),
            ip: value("ENGINE_IP"),
            dir: value("ENGINE_DIR").into(),
            name,
        };
        let version = engine.docker(&["version", "--format", "{{.Server.Version}}"]);
        assert!(version.starts_with(flavour.version()), "{flavour:?} is {version}: run `make setup`");
        engine
    }

    /// Starts an engine whose node is the only manager of a fresh swarm, advertised on [`Self::ip`].
    pub(crate) fn start_swarm() -> Self {
        Self::start_swarm_flavour(Flavour::usual())
    }

    /// The same on an engine of this flavour.
    pub(crate) fn start_swarm_flavour(flavour: Flavour) -> Self {
        let engine = Self::start_flavour(flavour);
        let listen = format!("{}:2377", engine.ip);
        engine.docker(&["swarm", "init", "--advertise-addr", &engine.ip, "--listen-addr", &listen]);
        engine
    }

    /// `unix:///...`, as manifests and `-H` take it.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Runs the docker CLI against this engine and returns what it printed, without the last line break.
    ///
    /// # Panics
    /// When docker fails.
    pub(crate) fn docker(&self, args: &[&str]) -> String {
        succeed(&format!("docker {}", args.join(" ")), &self.docker_output(args))
    }

    /// Runs the docker CLI against this engine, whatever comes of it.
    pub(crate) fn docker_output(&self, args: &[&str]) -> Output {
        Command::new("docker")
            .args(["--host", &self.address()])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("`docker` cannot be run; run `make setup`")
    }

    /// Makes an image of a root file system tarball; returns its ID.
    pub(crate) fn import(&self, tar: &[u8], name: &str) -> String {
        let mut child = Command::new("docker")
            .args(["--host", &self.address(), "import", "-", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`docker` cannot be run; run `make setup`");
        child.stdin.take().expect("piped").write_all(tar).expect("docker import reads its input");
        succeed("docker import", &child.wait_with_output().expect("docker import ends"))
    }

    /// Loads [`BUSYBOX`] and returns its name.
    pub(crate) fn load_busybox(&self) -> &'static str {
        self.import(&busybox_rootfs(), BUSYBOX);
        BUSYBOX
    }

    /// Ends dockerd alone, at once; its containers go on.
    pub(crate) fn kill(&self) {
        self.stop("KILL");
    }

    /// Ends dockerd alone, with this signal: `TERM` also ends its containers.
    pub(crate) fn stop(&self, signal: &str) {
        script(&["kill", &self.name, signal]);
    }

    /// Starts dockerd again after [`Self::kill`] or [`Self::stop`].
    pub(crate) fn restart(&self) {
        script(&["start", &self.name]);
    }

    /// A command that runs inside of the engine's network namespace with `DOCKER_HOST` set.
    pub(crate) fn inside(&self, program: &str) -> Command {
        let mut command = Command::new(script_path());
        command.args(["exec", &self.name, program]);
        command
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let output = Command::new(script_path()).args(["down", &self.name]).output();
        let output = output.expect("engine.sh can be run");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        // A second panic while one unwinds would abort the whole test binary.
        if !output.status.success() && std::thread::panicking() {
            eprintln!("{text}");
        } else {
            assert!(output.status.success(), "{text}");
        }
    }
}

/// A tarball with busybox and links for what tests run: a shell, `httpd`, `sleep` and the like.
pub(crate) fn busybox_rootfs() -> Vec<u8> {
    let busybox = Path::new("/bin/busybox");
    let busybox = if busybox.exists() { busybox } else { Path::new("/usr/bin/busybox") };
    let program = std::fs::read(busybox).expect("busybox-static is missing; run `make setup`");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    tar.append_data(&mut header, "bin/busybox", program.as_slice()).expect("in memory");
    for applet in ["sh", "httpd", "sleep", "cat", "ls", "echo", "true", "false", "wget", "nc", "id", "stat"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("in memory");
    }
    for (folder, mode) in [("tmp", 0o1777), ("www", 0o755), ("etc", 0o755), ("run", 0o755)] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(mode);
        header.set_size(0);
        tar.append_data(&mut header, folder, std::io::empty()).expect("in memory");
    }
    tar.into_inner().expect("in memory")
}

/// Connects as soon as somebody listens; a task needs about a second from its creation.
///
/// # Panics
/// When nobody does within two minutes.
pub(crate) fn connect(ip: &str, port: u16) -> std::net::TcpStream {
    for _ in 0..1200 {
        if let Ok(stream) = std::net::TcpStream::connect((ip, port)) {
            return stream;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("nobody listens on {ip}:{port}");
}

pub(crate) fn script_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/engine.sh")
}

fn script(args: &[&str]) -> String {
    let output = Command::new(script_path()).args(args).stdin(Stdio::null()).output();
    succeed(&format!("engine.sh {}", args.join(" ")), &output.expect("engine.sh can be run"))
}

fn succeed(what: &str, output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "`{what}` failed with {}:\n{out}{err}", output.status);
    out.trim_end().to_owned()
}
