//! A real unit loads a secret over the socket, and another one that the manifest does not name gets nothing.

use serde_json::json;

use super::Scenario;

const CANARY: &str = "canary-credential-90ab";

/// A unit that keeps what it was given, as long as it was.
fn reader(name: &str) -> String {
    format!(
        "[Service]\nType=exec\nLoadCredential=token:/run/credentials-test.sock\n\
         ExecStart=/bin/sh -c 'wc -c <${{CREDENTIALS_DIRECTORY}}/token >/run/{name}.size; \
         grep -c canary-cred ${{CREDENTIALS_DIRECTORY}}/token >/run/{name}.found; exec sleep infinity'\n"
    )
}

#[test]
fn a_unit_reads_its_credential_from_the_socket_and_others_get_nothing() {
    let host = Scenario::new("credentials");
    let machine = &host.machine;
    let _turn = machine.turn();
    let serve = format!("/srv/share/holdfast credentials serve {} --idle 2s", host.manifest());
    machine.unit(
        "credentials-test.socket",
        "[Socket]\nListenStream=/run/credentials-test.sock\nSocketMode=0600\n",
    );
    machine.unit("credentials-test.service", &format!("[Service]\nExecStart={serve}\nStandardInput=socket\nStandardOutput=journal\nStandardError=journal\n"));
    machine.unit("reader.service", &reader("reader"));
    machine.unit("stranger.service", &reader("stranger"));
    let secrets = json!({
        "token": { "credentials": ["reader.service"], "restart_units": ["reader.service"], "install": false },
    });
    host.write(&secrets, json!({}));
    host.seal(&[("token", CANARY)]);
    assert_eq!(host.install(), [""; 0], "there is no file to install");
    host.start(&["credentials-test.socket", "reader.service", "stranger.service"]);
    let read = |name: &str| {
        machine.wait(name, |machine| {
            machine.output(&["test", "-s", &format!("/run/{name}.found")]).status.success()
        });
        machine.sh(&format!("cat /run/{name}.size /run/{name}.found"))
    };
    assert_eq!(read("reader"), format!("{}\n1", CANARY.len()));
    assert_eq!(read("stranger"), "0\n0");

    // Who is not systemd gets nothing either: root that asks under the reader's name from another address, or none.
    let ask = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/credentials-test.sock'); \
               print(len(s.recv(99)))";
    if machine.output(&["python3", "--version"]).status.success() {
        assert_eq!(machine.sh(&format!("python3 -c \"{ask}\"")), "0");
    }
    let journal = machine.sh("journalctl -b -o cat -u credentials-test.service");
    assert!(journal.contains("stranger.service") && journal.contains("does not give it"), "{journal}");
    assert!(!journal.contains(CANARY), "{journal}");
    let found = machine.output(&[
        "grep",
        "-rlsF",
        CANARY,
        "/run/holdfast-credentials",
        "/var/lib/holdfast-credentials",
        "/etc",
        "/tmp",
    ]);
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "a plaintext file");

    // Nobody asks any more, so it ends; the next request starts it again.
    machine
        .wait("it ends", |machine| machine.property("credentials-test.service", "ActiveState") == "inactive");
    let given = |host: &Scenario| host.machine.sh("cat /run/holdfast-credentials/credentials.json");
    let first = given(&host);
    assert!(first.contains("reader.service") && !first.contains("stranger"), "{first}");

    // Another value is another id: the unit is told though there is no file, and is given the new one.
    let before = host.invocation("reader.service");
    host.seal(&[("token", &format!("{CANARY}-2"))]);
    machine.sh("rm /run/reader.found");
    assert_eq!(host.install(), [r#"unit."reader.service""#]);
    machine.wait("the reader restarts", |_| host.invocation("reader.service") != before);
    assert_eq!(read("reader"), format!("{}\n1", CANARY.len() + 2));
    machine.wait("the id is written down", |_| given(&host) != first);
    assert_eq!(host.install(), [""; 0]);
    machine.sh("systemctl stop credentials-test.socket reader.service stranger.service");
}
