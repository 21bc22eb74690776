//! Somebody in the place of the forge, or of Drone, with a certificate.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::bridge::scripted::{Scripted, until, wait};
use crate::bridge::service::{Service, delivery};
use crate::support::relay::head;

const NAME: &str = "git.example.org";

/// Speaks TLS in front of a scripted forge and Drone.
struct Front {
    address: SocketAddr,
    /// The root of its certificate.
    root: PathBuf,
    seen: Arc<Mutex<Seen>>,
    _folder: TempDir,
}

/// What it has seen.
#[derive(Default)]
struct Seen {
    /// Heads of requests.
    heads: Vec<String>,
    /// Connections that came to none.
    gone: usize,
}

impl Front {
    /// With a certificate for this name, of an authority of its own.
    fn start(name: &str, behind: SocketAddr) -> Self {
        let (config, root) = certified(name);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.pem");
        std::fs::write(&path, root).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = Self {
            address: listener.local_addr().unwrap(),
            root: path,
            seen: Arc::default(),
            _folder: folder,
        };
        let seen = Arc::clone(&front.seen);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                let (seen, tls) = (Arc::clone(&seen), StreamOwned::new(tls, client));
                std::thread::spawn(move || drop(pass(tls, behind, &seen)));
            }
        });
        front
    }

    fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    fn gone(&self) -> usize {
        self.seen.lock().unwrap().gone
    }
}

/// A configuration with a certificate, and the root to trust for it.
fn certified(name: &str) -> (Arc<ServerConfig>, String) {
    let (authority, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut root = CertificateParams::default();
    root.distinguished_name.push(DnType::CommonName, format!("Authority of {name}"));
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = root.self_signed(&authority).unwrap().pem();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(root, authority)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    (Arc::new(config), pem)
}

/// One request and its answer.
fn pass(
    mut tls: StreamOwned<ServerConnection, TcpStream>,
    behind: SocketAddr,
    seen: &Mutex<Seen>,
) -> io::Result<()> {
    let mut reader = BufReader::new(&mut tls);
    let Ok(Some(head)) = head(&mut reader) else {
        seen.lock().unwrap().gone += 1;
        return Ok(());
    };
    seen.lock().unwrap().heads.push(head.clone());
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.trim().parse().unwrap()];
    reader.read_exact(&mut body)?;
    let mut server = TcpStream::connect(behind)?;
    server.write_all(head.as_bytes())?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    tls.write_all(&answer)?;
    tls.conn.send_close_notify();
    tls.flush()
}

/// A bridge whose forge or Drone is behind a front, and what it is told to trust.
fn bridge(scripted: &Scripted, end: &str, front: &Front, root: &Path) -> Service {
    scripted.world().no_stream = true;
    scripted.bridge(|bridge| {
        bridge[end]["url"] = format!("https://{NAME}").into();
        bridge[end]["connect"] = front.address.to_string().into();
        bridge[end]["ca"] = root.to_str().unwrap().into();
    })
}

#[test]
fn whoever_has_a_certificate_of_another_authority_or_name_is_told_nothing() {
    std::thread::scope(|scope| {
        for end in ["forge", "drone"] {
            scope.spawn(move || trusted(end));
            scope.spawn(move || impostor(end, NAME, false));
            scope.spawn(move || impostor(end, "other.example.org", true));
        }
    });
}

fn trusted(end: &str) {
    let scripted = Scripted::start();
    let front = Front::start(NAME, scripted.address);
    let service = bridge(&scripted, end, &front, &front.root);
    scripted.comment(&service, 1, "!testme");
    until(&service, 1, "building");
    scripted.build_is(1, "success");
    assert_eq!(until(&service, 1, "done").as_deref(), Some("success"), "{end}");
    assert!(front.heads().iter().any(|head| head.contains("authorization: ")), "{end}: it was not asked");
}

/// Somebody with a certificate for this name, of an authority that is trusted or of another one.
fn impostor(end: &str, name: &str, trusted: bool) {
    let scripted = Scripted::start();
    let front = Front::start(name, scripted.address);
    let other = Front::start(NAME, scripted.address);
    let service = bridge(&scripted, end, &front, if trusted { &front.root } else { &other.root });
    scripted.comment(&service, 1, "!testme");
    wait("two connections that came to nothing", || front.gone() > 1);
    assert_eq!(front.heads(), Vec::<String>::new(), "{end}: it was told something");
    assert!(scripted.world().builds.is_empty());
    assert_eq!(service.deliver(&delivery(2)), 202, "{end}: deliveries are kept meanwhile");

    // Who does not look at the certificate tells everything.
    let mut curl = Command::new("curl");
    curl.args(["-sSk", "-m", "20", "-H", "authorization: token bot-token-5b1e", "--connect-to"]);
    curl.arg(format!("{NAME}:443:{}", front.address)).arg(format!("https://{NAME}/api/v1/user"));
    let output = curl.stdin(Stdio::null()).output().expect("`curl` cannot be run; run `make setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = front.heads().concat().contains("bot-token-5b1e");
    assert!(told, "the twin stands, so this proves nothing");
}

/// Somebody who answers every request with a way to somebody else, and counts them.
fn leading_to(address: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    answering(format!(
        "HTTP/1.1 307 x\r\nlocation: http://{address}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ))
}

/// Somebody who answers every request with this; the heads that were seen.
fn answering(answer: String) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let heads = Arc::clone(&seen);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut reader = BufReader::new(client.try_clone().unwrap());
            if let Ok(Some(head)) = head(&mut reader) {
                heads.lock().unwrap().push(head);
                drop(client.write_all(answer.as_bytes()));
            }
        }
    });
    (address, seen)
}

#[test]
fn a_way_to_somebody_else_is_not_followed_with_the_token() {
    let (stranger, told) =
        answering("HTTP/1.1 200 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".to_owned());
    let (forge, asked) = leading_to(stranger);
    let url = format!("http://{forge}");
    let service = Service::with(&[("bot", "bot-token-5b1e"), ("drone", "drone-token-5b1e")], |bridge| {
        bridge["forge"]["url"] = url.clone().into();
        bridge["drone"]["url"] = url.clone().into();
    });
    assert_eq!(service.deliver(&delivery(1)), 202);
    wait("the forge to be asked again", || asked.lock().unwrap().len() > 2);
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());

    let naive = format!(
        "import urllib.request as r; r.urlopen(r.Request('{url}', headers={{'Authorization': 'token bot-token-5b1e'}}))"
    );
    let python =
        Command::new("python3").args(["-c", &naive]).env("no_proxy", "*").stdin(Stdio::null()).status();
    assert!(python.expect("`python3` cannot be run; run `make setup`").success());
    let told = told.lock().unwrap().concat();
    assert!(told.contains("bot-token-5b1e"), "the twin stands, so this proves nothing: {told}");
}
