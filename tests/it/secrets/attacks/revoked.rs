//! Who is no longer a reader of a file goes on with the data key that he had.

use std::fs;
use std::process::Command;

use super::{Host, data_key};
use crate::support::sops::{Form, Keys, run};

/// The host with a file that both read, and the rule of a `.sops.yaml` that names only the host.
fn shared(host: &Host, removed: &Keys) -> String {
    let (ours, theirs) = (host.keys.recipient(Form::AgeFile), removed.recipient(Form::AgeFile));
    let sealed = host.keys.encrypt("a.yaml", b"pw: hunter2\n", &format!("{ours},{theirs}"), &[]);
    let config = format!("creation_rules:\n  - age: '{ours}'\n");
    fs::write(host.path(".sops.yaml"), config).expect(".sops.yaml");
    String::from_utf8(sealed).expect("text")
}

fn text(host: &Host) -> String {
    fs::read_to_string(host.path("a.yaml")).expect("the file")
}

#[test]
fn who_is_removed_cannot_go_on_with_the_data_key_that_he_kept() {
    let (host, removed) = (Host::new(&serde_json::json!({})), Keys::new());
    let kept = data_key(&removed, &shared(&host, &removed)).expect("he was a reader");
    run(host.keys.sops().args(["updatekeys", "-y"]).arg(host.path("a.yaml")));
    let after = text(&host);
    assert!(data_key(&removed, &after).is_none(), "he is no reader any more");
    assert_eq!(data_key(&host.keys, &after), Some(kept), "the attack does not work: his key is another one");

    let kept = data_key(&removed, &shared(&host, &removed)).expect("he was a reader");
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["secrets", "updatekeys", "--yes", "--age-key-file"]).arg(host.path("age.txt"));
    let output =
        command.arg(host.path("a.yaml")).current_dir(host.path("")).output().expect("the program runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let after = text(&host);
    assert!(data_key(&removed, &after).is_none());
    let now = data_key(&host.keys, &after).expect("the host reads it");
    assert!(now != kept, "he reads on with the key that he kept");
    // What he has read he knows: that is said, and only a new value helps.
    assert!(said.contains("pw"), "{said}");
    assert_eq!(host.keys.decrypt("a.yaml", &[]), b"pw: hunter2\n");
}
