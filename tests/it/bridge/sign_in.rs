//! What people do with a browser: let Drone into Gitea, and press buttons.

use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::lab::made;
use crate::forge::peers::{ADMIN, Drone, Gitea};

/// A Drone that the administrator has signed in to, and that builds `team/app`.
pub(super) fn drone(gitea: &Gitea) -> Drone {
    let address = Drone::address();
    let callback = format!("http://{address}/login");
    let application = json!({ "name": "drone", "redirect_uris": [callback], "confidential_client": true });
    let application =
        made(gitea.call(ADMIN, "POST", "/user/applications/oauth2", &application), "application");
    let field = |name: &str| application[name].as_str().unwrap();
    let drone = Drone::start(&address, gitea, (field("client_id"), field("client_secret")));
    let_in(gitea, &drone, field("client_id"), &callback);
    made(drone.call("POST", "/api/user/repos"), "sync");
    let repository = made(drone.call("POST", "/api/repos/team/app"), "activation");
    assert_eq!(repository["active"], true);
    drone
}

/// Cookies, and the page that is shown.
pub(crate) struct Browser(TempDir);

impl Browser {
    /// One in which the administrator has signed in to Gitea.
    pub(crate) fn signed_in(gitea: &Gitea) -> Self {
        let browser = Self(tempfile::tempdir().unwrap());
        let form = [("user_name", ADMIN.0), ("password", ADMIN.1)];
        assert_eq!(browser.open(&format!("{}/user/login", gitea.url), &form).0, 303);
        browser
    }

    /// Opens a page, or sends a form to it: status, and where that leads.
    pub(crate) fn open(&self, url: &str, form: &[(&str, &str)]) -> (u16, String) {
        let mut command = Command::new("curl");
        command.args(["-sS", "-m", "30", "-w", "%{http_code} %{redirect_url}"]);
        let jar = self.0.path().join("jar");
        command.arg("-o").arg(self.0.path().join("page"));
        command.arg("-b").arg(&jar).arg("-c").arg(&jar).stdin(Stdio::null());
        for (name, value) in form {
            command.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let output = command.arg(url).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (status, to) = text.split_once(' ').unwrap();
        (status.parse().unwrap(), to.to_owned())
    }

    /// What is shown.
    pub(crate) fn page(&self) -> String {
        std::fs::read_to_string(self.0.path().join("page")).unwrap()
    }
}

/// Signs in at Gitea, and lets Drone in.
fn let_in(gitea: &Gitea, drone: &Drone, client: &str, callback: &str) {
    let browser = Browser::signed_in(gitea);
    let (status, authorize) = browser.open(&format!("{}/login", drone.url), &[]);
    assert_eq!(status, 303, "{authorize}");
    let state = authorize.split(['?', '&']).find_map(|pair| pair.strip_prefix("state=")).unwrap();
    assert_eq!(browser.open(&authorize, &[]).0, 200, "the question whether Drone may");
    // Versions before 1.26 want a word of the page back.
    let asked = browser.page();
    let word = asked.split("name=\"_csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let mut form =
        vec![("client_id", client), ("state", state), ("redirect_uri", callback), ("granted", "true")];
    form.extend(word.map(|word| ("_csrf", word)));
    let (status, back) = browser.open(&format!("{}/login/oauth/grant", gitea.url), &form);
    assert!(status == 303 && back.contains("code="), "{status} {back}");
    let (status, home) = browser.open(&back, &[]);
    assert!(status == 303 && !home.contains("/login/error"), "{status} {home}");
}
