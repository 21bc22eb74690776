//! The socket of credentials: who asks says for whom, and nothing but an empty answer says no.

use std::io::Write as _;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde_json::json;

use super::{Host, ask};

const VALUE: &str = "CANARY-91d0";

fn host() -> Host {
    let host = Host::new(&json!({
        "token": { "file": "a.yaml", "credentials": ["app.service"], "install": false },
        "other": { "file": "a.yaml", "credentials": ["db.service"], "install": false },
        "plain": { "file": "a.yaml" },
    }));
    host.seal("a.yaml", &format!("token: {VALUE}\nother: {VALUE}-2\nplain: {VALUE}-3\n"));
    host
}

/// The obvious server: whoever connects and names a credential is given it.
fn naive(host: &Host) -> std::thread::JoinHandle<()> {
    let socket = UnixListener::bind(host.path("naive.sock")).expect("a socket");
    std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, peer) = socket.accept().expect("a peer");
            let asked = peer.as_abstract_name().map(<[u8]>::to_vec).unwrap_or_default();
            if asked.ends_with(b"/token") {
                stream.write_all(VALUE.as_bytes()).expect("answered");
            }
        }
    })
}

#[test]
fn another_unit_another_user_or_another_address_gets_nothing() {
    let host = host();
    let naive = naive(&host);
    let from_naive = |name: &str| ask(&host.path("naive.sock"), name).expect("an answer");
    assert_eq!(from_naive("a/unit/evil.service/token"), VALUE.as_bytes(), "the attack does not work");
    assert_eq!(from_naive("x/token"), VALUE.as_bytes(), "the attack does not work");
    naive.join().expect("ended");

    let serving = host.serve();
    assert_eq!(host.ask("a/unit/app.service/token"), VALUE.as_bytes(), "the unit itself is given it");
    for name in [
        "a/unit/evil.service/token",
        "a/unit/db.service/token",
        "a/unit/app.service/other",
        "a/unit/app.service/plain",
        "a/unit/app.service/absent",
        "a/unit/app.service/../token",
        "a/unit/app.service/token/more",
        "a/user/app.service/token",
        "x/token",
        "",
    ] {
        assert_eq!(host.ask(name), b"", "{name}");
    }
    // The socket is root's; should that ever not hold, the peer still has to be.
    let open = |path: std::path::PathBuf, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode");
    };
    open(host.path(""), 0o755);
    open(host.path("credentials.sock"), 0o777);
    let socket = host.path("credentials.sock");
    let stranger = std::thread::spawn(move || {
        set_thread_groups(&[]).expect("groups");
        let (user, group) = (Uid::from_raw(65534), Gid::from_raw(65534));
        set_thread_res_gid(group, group, group).expect("group");
        set_thread_res_uid(user, user, user).expect("user");
        ask(&socket, "b/unit/app.service/token").expect("an answer")
    });
    assert_eq!(stranger.join().expect("ended"), b"");
    assert_eq!(host.ask("c/unit/app.service/token"), VALUE.as_bytes(), "it goes on for others");
    let said = serving.end();
    assert!(said.contains("evil.service") && said.contains("65534") && !said.contains(VALUE), "{said}");
}
