//! `tcp` and `file`: what the host itself shows.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use holdfast::manifest::{FileGate, Gate, TcpGate};
use holdfast::report::GateResult;

use super::server::{nobody, says};
use super::{assert_fails, assert_passes, assert_unknown, run};

async fn tcp(address: std::net::SocketAddr, banner: Option<&str>, closed: bool) -> GateResult {
    let gate = TcpGate { address, banner: banner.map(str::to_owned), closed };
    run(Gate { tcp: Some(gate), ..Gate::default() }).await
}

#[tokio::test]
async fn a_port_is_open_or_closed() {
    let (open, shut) = (says(b"").await, nobody());
    assert_passes(&tcp(open, None, false).await);
    assert_passes(&tcp(shut, None, true).await);
    assert_fails(&tcp(shut, None, false).await, "refused the connection");
    assert_fails(&tcp(open, None, true).await, "accepts connections and must not");
}

#[tokio::test]
async fn a_banner_must_match() {
    let ssh = says(b"SSH-2.0-server\r\n").await;
    assert_passes(&tcp(ssh, Some("^SSH-2"), false).await);
    assert_fails(&tcp(ssh, Some("^220 "), false).await, r#"says "SSH-2.0-server\r\n", expected `^220 `"#);
    assert_fails(&tcp(says(b"").await, Some("^220 "), false).await, "says nothing");
    assert_unknown(&tcp(ssh, Some("("), false).await, "is not a regular expression");
}

async fn file(path: &Path, change: impl FnOnce(&mut FileGate)) -> GateResult {
    let mut gate = FileGate { path: path.to_owned(), ..FileGate::default() };
    change(&mut gate);
    run(Gate { file: Some(gate), ..Gate::default() }).await
}

#[tokio::test]
async fn a_file_has_its_mode_owner_and_shape_and_its_content_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "canary-0123456789").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    let full = |gate: &mut FileGate| {
        gate.mode = Some("0400".to_owned());
        gate.owner = Some("root".to_owned());
        gate.group = Some("0".to_owned());
        gate.size = Some(17);
        gate.shape = Some("canary-[0-9]{10}".to_owned());
    };
    assert_passes(&file(&path, full).await);
    assert_fails(&file(&path, |gate| gate.mode = Some("0440".to_owned())).await, "is 0400, expected 0440");
    assert_fails(
        &file(&path, |gate| gate.owner = Some("daemon".to_owned())).await,
        "owner is 0, expected `daemon`",
    );
    assert_fails(
        &file(&path, |gate| gate.group = Some("no-such".to_owned())).await,
        "not known on this host",
    );
    assert_fails(&file(&path, |gate| gate.size = Some(18)).await, "has 17 bytes, expected 18");
    let shape = file(&path, |gate| gate.shape = Some("canary".to_owned())).await;
    assert_fails(&shape, "(17 bytes) has not the shape `canary`");
    assert!(!serde_json::to_string(&shape).unwrap().contains("0123456789"), "the content is in the report");
}

#[tokio::test]
async fn absence_and_presence_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (there, missing) = (folder.path().join("there"), folder.path().join("missing"));
    std::fs::write(&there, "").unwrap();
    assert_passes(&file(&missing, |gate| gate.absent = true).await);
    assert_fails(&file(&there, |gate| gate.absent = true).await, "exists and must not");
    assert_fails(&file(&missing, |gate| gate.size = Some(0)).await, "does not exist");
    assert_unknown(&file(&there, |_| {}).await, "it expects nothing");
    let both = file(&there, |gate| {
        gate.absent = true;
        gate.size = Some(0);
    });
    assert_unknown(&both.await, "`absent` excludes every other expectation");
}
