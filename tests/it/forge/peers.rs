//! The real programs as processes of an unprivileged user, each on a free port of loopback.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::machine::Machine;
use crate::support::{copy_program, port};

/// The versions that `tests/setup.sh` builds, newest first.
pub(crate) const GITEAS: [&str; 3] = ["1.26.4", "1.24.6", "1.22.3"];
const DRONE: &str = "1.10.1";
const RUNNER: &str = "1.0.0-beta.10";

/// Name and password of the one user of an empty Gitea.
pub(crate) const ADMIN: (&str, &str) = ("root-admin", "admin~pass-5b1e");

/// Gitea refuses to run as root; this user is on every Debian.
const USER: (&str, u32) = ("nobody", 65534);

/// A program with a folder of its own; dropping it ends it.
struct Process {
    folder: TempDir,
    child: Option<Child>,
    /// What its commands begin with, and those that ask it: nothing, or what puts them into the network of a machine.
    network: Vec<String>,
}

impl Process {
    fn new() -> Self {
        Self::within(Vec::new())
    }

    fn within(network: Vec<String>) -> Self {
        let folder = TempDir::new().expect("a folder");
        chown(folder.path(), Some(USER.1), Some(USER.1)).expect("run as root");
        Self { folder, child: None, network }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder of the program's user in its folder.
    fn make(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("a folder");
        chown(&path, Some(USER.1), Some(USER.1)).expect("run as root");
        path
    }

    /// A copy that its user can reach.
    fn bring(&self, program: &Path) -> PathBuf {
        let copy = self.path("program");
        copy_program(program, &copy);
        copy
    }

    /// The program as its user.
    fn command(&self, program: &Path) -> Command {
        let mut command = self.bare(program);
        command.uid(USER.1).gid(USER.1);
        command
    }

    /// The program with nothing of the test's environment but the path.
    fn bare(&self, program: &Path) -> Command {
        let mut command = within(&self.network, program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.folder.path()).env("USER", USER.0);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Starts it, and waits until `url` answers 200.
    fn run(&mut self, mut command: Command, url: &str) {
        let log = fs::File::options().append(true).create(true).open(self.path("log")).expect("log");
        command.stdout(log.try_clone().expect("log")).stderr(log);
        self.child = Some(command.spawn().expect("the program cannot be started; run `make setup`"));
        let started = Instant::now();
        while self.ask(&["-o", "/dev/null", url]).0 != 200 {
            assert!(started.elapsed() < Duration::from_secs(180), "{url} does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// [`ask`], in its network.
    fn ask(&self, args: &[&str]) -> (u16, String) {
        curl(within(&self.network, Path::new("curl")), args)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Ends it as a crash would; its folder stays.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command that begins with these words.
fn within(words: &[String], program: &Path) -> Command {
    let Some((first, rest)) = words.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// `curl ARGS`: the status, zero without an answer, and what was said.
pub(crate) fn ask(args: &[&str]) -> (u16, String) {
    curl(Command::new("curl"), args)
}

fn curl(mut command: Command, args: &[&str]) -> (u16, String) {
    command.args(["-sS", "-m", "90", "-w", "\n%{http_code}"]).args(args).stdin(Stdio::null());
    let output = command.output().expect("`curl` cannot be run; run `make setup`");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    (status.parse().unwrap_or(0), body.to_owned())
}

fn json(answer: (u16, String)) -> (u16, Value) {
    let body = if answer.1.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&answer.1).unwrap_or(answer.1.into())
    };
    (answer.0, body)
}

fn cached(folder: &str) -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let path = Path::new(&home).join(".cache/holdfast").join(folder);
    assert!(path.exists(), "{} is missing; run `make setup`", path.display());
    path
}

/// The Drone server.
pub(crate) fn drone_program() -> PathBuf {
    cached(&format!("drone-{DRONE}")).join("drone-server")
}

/// The exec runner.
pub(crate) fn runner_program() -> PathBuf {
    cached(&format!("drone-runner-{RUNNER}")).join("drone-runner-exec")
}

/// Configuration that listens on loopback, keeps its data in `folder`, and does nothing on its own.
fn app_ini(folder: &Path, port: u16, version: &str) -> String {
    let (folder, files) = (folder.display(), cached(&format!("gitea-{version}")).join("static"));
    let mut text = format!("RUN_MODE = prod\nRUN_USER = {}\nWORK_PATH = {folder}\n", USER.0);
    for (section, lines) in [
        (
            "server",
            format!(
                "PROTOCOL = http\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nROOT_URL = http://127.0.0.1:{port}/\nDISABLE_SSH = true\nSTATIC_ROOT_PATH = {}\nAPP_DATA_PATH = {folder}/data\nOFFLINE_MODE = true",
                files.display()
            ),
        ),
        ("database", format!("DB_TYPE = sqlite3\nPATH = {folder}/data/gitea.db")),
        ("repository", format!("ROOT = {folder}/repos\nDEFAULT_BRANCH = main")),
        (
            "security",
            format!(
                "INSTALL_LOCK = true\nPASSWORD_HASH_ALGO = pbkdf2_v1\nINTERNAL_TOKEN_URI = file:{folder}/sec/internal_token\nSECRET_KEY_URI = file:{folder}/sec/secret_key"
            ),
        ),
        ("oauth2", format!("JWT_SECRET_URI = file:{folder}/sec/jwt_secret")),
        ("service", "DISABLE_REGISTRATION = true".to_owned()),
        ("webhook", "ALLOWED_HOST_LIST = loopback\nPAGING_NUM = 100".to_owned()),
        ("queue.webhook_sender", "TYPE = channel".to_owned()),
        ("log", format!("MODE = console\nLEVEL = info\nROOT_PATH = {folder}/log.d")),
        ("cron", "ENABLED = false".to_owned()),
        ("actions", "ENABLED = false".to_owned()),
    ] {
        let _ = write!(text, "[{section}]\n{lines}\n");
    }
    text
}

/// A Gitea that has one user, its administrator, and nothing else.
pub(crate) struct Gitea {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    program: PathBuf,
    process: Process,
}

impl Gitea {
    /// Empty, on a free port.
    pub(crate) fn start(version: &str) -> Self {
        Self::made(version, Process::new(), port::own())
    }

    /// Empty, on this port of a machine.
    pub(crate) fn start_on(machine: &Machine, version: &str, port: u16) -> Self {
        Self::made(version, Process::within(machine.network()), port)
    }

    fn made(version: &str, process: Process, port: u16) -> Self {
        let program = cached(&format!("gitea-{version}")).join("gitea");
        let mut gitea = Self { url: format!("http://127.0.0.1:{port}"), program, process };
        let secrets = gitea.process.make("sec");
        for (file, kind) in
            [("internal_token", "INTERNAL_TOKEN"), ("secret_key", "SECRET_KEY"), ("jwt_secret", "JWT_SECRET")]
        {
            let made = gitea.cli(&["generate", "secret", kind]);
            let path = secrets.join(file);
            fs::write(&path, made.trim()).expect("a secret");
            chown(&path, Some(USER.1), Some(USER.1)).expect("run as root");
        }
        gitea.process.make("data");
        let ini = app_ini(gitea.process.folder.path(), port, version);
        fs::write(gitea.process.path("app.ini"), ini).expect("app.ini");
        gitea.cli(&["migrate"]);
        let (name, password) = ADMIN;
        gitea.cli(&[
            "admin",
            "user",
            "create",
            "--admin",
            "--must-change-password=false",
            &format!("--username={name}"),
            &format!("--password={password}"),
            &format!("--email={name}@example.org"),
        ]);
        gitea.resume();
        gitea
    }

    /// The cache may be in a home that only its owner enters, and Gitea's hooks call it by its path: it runs as a user
    /// of its own that may read everything.
    fn command(&self) -> Command {
        let mut command = self.process.bare(Path::new("setpriv"));
        let user = USER.1.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        command.args(["--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search"]);
        command.arg(&self.program).env("GITEA_WORK_DIR", self.process.folder.path());
        command
    }

    /// `gitea ARGS`; what it printed.
    fn cli(&self, args: &[&str]) -> String {
        let mut command = self.command();
        command.args(args);
        if args.first() != Some(&"generate") {
            command.arg("-c").arg(self.process.path("app.ini"));
        }
        let output = command.output().expect("`setpriv` cannot be run; run `make setup`");
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        assert!(output.status.success(), "gitea {args:?}: {}", String::from_utf8_lossy(&said));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Its database: SQLite, which others may read while it runs.
    pub(crate) fn database(&self) -> PathBuf {
        self.process.path("data/gitea.db")
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again.
    pub(crate) fn resume(&mut self) {
        let mut command = self.command();
        command.arg("web").arg("-c").arg(self.process.path("app.ini"));
        self.process.run(command, &format!("{}/api/healthz", self.url));
    }

    /// A call of the API as `user` (name, password): status and body.
    pub(crate) fn call(&self, user: (&str, &str), method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (login, url) = (format!("{}:{}", user.0, user.1), format!("{}/api/v1{path}", self.url));
        let text = body.to_string();
        let mut args = vec!["-u", &login, "-X", method, "-H", "content-type: application/json"];
        if !body.is_null() {
            args.extend(["--data-binary", &text]);
        }
        args.push(&url);
        json(self.process.ask(&args))
    }

    /// `curl ARGS` of a path: status and body.
    pub(crate) fn ask(&self, args: &[&str], path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.url);
        self.process.ask(&[args, &[url.as_str()]].concat())
    }

    /// `GET` as the administrator.
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.call(ADMIN, "GET", path, &Value::Null)
    }
}

/// A Drone server.
pub(crate) struct Drone {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    environment: Vec<(String, String)>,
    program: PathBuf,
    process: Process,
}

/// What the runner shares with the server.
pub(crate) const RPC: &str = "rpc-secret-5b1e";
/// Drone's token of the administrator.
pub(crate) const DRONE_TOKEN: &str = "5b1e5b1e5b1e5b1e5b1e5b1e5b1e5b1e";

impl Drone {
    /// Where one will listen: the application in Gitea wants to know before there is one.
    pub(crate) fn address() -> String {
        format!("127.0.0.1:{}", port::own())
    }

    /// At `address`, with an application of this Gitea (client id, client secret).
    pub(crate) fn start(address: &str, gitea: &Gitea, application: (&str, &str)) -> Self {
        let process = Process::new();
        let user = format!("username:{},machine:false,admin:true,token:{DRONE_TOKEN}", ADMIN.0);
        let environment = [
            ("DRONE_GITEA_SERVER", gitea.url.as_str()),
            ("DRONE_GITEA_CLIENT_ID", application.0),
            ("DRONE_GITEA_CLIENT_SECRET", application.1),
            ("DRONE_SERVER_HOST", address),
            ("DRONE_SERVER_PROTO", "http"),
            ("DRONE_SERVER_PORT", address),
            ("DRONE_RPC_SECRET", RPC),
            ("DRONE_COOKIE_SECRET", "cookie-secret-5b1e"),
            ("DRONE_DATABASE_DRIVER", "sqlite3"),
            ("DRONE_DATABASE_DATASOURCE", "core.sqlite"),
            ("DRONE_USER_CREATE", &user),
            ("DRONE_STATUS_DISABLED", "true"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let program = process.bring(&drone_program());
        let mut drone = Self { url: format!("http://{address}"), environment, program, process };
        drone.resume();
        drone
    }

    /// Its database: SQLite, which others may write while it runs.
    pub(crate) fn database(&self) -> PathBuf {
        self.process.path("core.sqlite")
    }

    /// What Gitea gave it is no good any more.
    pub(crate) fn forget_tokens(&self) {
        let database = Connection::open(self.database()).expect("Drone's database");
        database.busy_timeout(Duration::from_secs(10)).expect("a timeout");
        let change =
            "update users set user_oauth_token = 'x', user_oauth_refresh = 'y', user_oauth_expiry = 1";
        assert!(database.execute(change, []).expect("a change") > 0);
        assert_eq!(self.call("POST", "/api/user/repos").0, 500, "Drone is still let in");
    }

    /// Starts it again with another client id and secret.
    pub(crate) fn show(&mut self, (id, secret): (&str, &str)) {
        self.kill();
        for (name, value) in &mut self.environment {
            match name.as_str() {
                "DRONE_GITEA_CLIENT_ID" => id.clone_into(value),
                "DRONE_GITEA_CLIENT_SECRET" => secret.clone_into(value),
                _ => {}
            }
        }
        self.resume();
    }

    /// Starts it again without a secret for runners.
    pub(crate) fn forget_runners(&mut self) {
        self.kill();
        self.environment.retain(|(name, _)| name != "DRONE_RPC_SECRET");
        self.resume();
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again.
    pub(crate) fn resume(&mut self) {
        let mut command = self.process.command(&self.program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.process.run(command, &format!("{}/healthz", self.url));
    }

    /// From its next start on it tells this URL of every change of a build, signed with this secret.
    pub(crate) fn call_on_builds(&mut self, url: &str, secret: &str) {
        let pairs = [("ENDPOINT", url), ("SECRET", secret), ("EVENTS", "build:*")];
        let pairs = pairs.map(|(name, value)| (format!("DRONE_WEBHOOK_{name}"), value.to_owned()));
        self.environment.extend(pairs);
    }

    /// A call of the API with the administrator's token: status and body.
    pub(crate) fn call(&self, method: &str, path: &str) -> (u16, Value) {
        self.send(DRONE_TOKEN, method, path, &Value::Null)
    }

    /// A call of the API with a token and a body: status and body.
    pub(crate) fn send(&self, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (token, text) = (format!("authorization: Bearer {token}"), body.to_string());
        let url = format!("{}{path}", self.url);
        let mut args = vec!["-X", method, "-H", &token];
        if !body.is_null() {
            args.extend(["--data-binary", &text]);
        }
        args.push(&url);
        json(ask(&args))
    }
}

/// The exec runner: it runs the commands of builds on this machine.
pub(crate) struct Runner {
    process: Process,
}

impl Runner {
    /// For builds of this server, those that were asked for by name only (`custom`).
    pub(crate) fn start(drone: &Drone) -> Self {
        let process = Process::new();
        let program = process.bring(&runner_program());
        let command = process.command(&program);
        Self::run(process, command, drone)
    }

    /// The same where the shell of steps is the one in this folder, as the module has it: there alone is its credential,
    /// by which that shell knows that it is a step's.
    pub(crate) fn with_shell(drone: &Drone, shell: &Path) -> Self {
        let process = Process::new();
        let program = process.bring(&runner_program());
        let mut command = process.bare(Path::new("unshare"));
        let inside = r#"mount -t tmpfs none /run && mkdir -p $CREDENTIALS && touch $CREDENTIALS/drone_runner_env &&
            chown -R "$0" $CREDENTIALS && mount --bind "$1/bin/sh" /bin/sh || exit 1
            shift; exec setpriv --reuid "$0" --regid "$0" --clear-groups "$@""#;
        let inside = inside.replace("$CREDENTIALS", "/run/credentials/holdfast-runner.service");
        let user = USER.1.to_string();
        command.args(["--mount", "/bin/bash", "-c", &inside, &user]).arg(shell).arg(&program);
        Self::run(process, command, drone)
    }

    fn run(mut process: Process, mut command: Command, drone: &Drone) -> Self {
        let address = format!("127.0.0.1:{}", port::own());
        command.arg("daemon").envs([
            ("DRONE_RPC_PROTO", "http"),
            ("DRONE_RPC_HOST", drone.url.trim_start_matches("http://")),
            ("DRONE_RPC_SECRET", RPC),
            ("DRONE_RUNNER_NAME", "lab"),
            ("DRONE_RUNNER_CAPACITY", "4"),
            ("DRONE_HTTP_BIND", &address),
            ("DRONE_LIMIT_EVENTS", "custom"),
        ]);
        process.run(command, &format!("http://{address}/healthz"));
        Self { process }
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }
}
