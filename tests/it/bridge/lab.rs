//! A team's Gitea with its Drone and runner, and the bridge between them: the real programs.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde_json::{Value, json};

use super::gate::Gate;
use super::service::{SECRET, Service, ask, signed};
use super::sign_in::{self, Browser};
use crate::forge::peers::{ADMIN, DRONE_TOKEN, Drone, GITEAS, Gitea, Runner};
use crate::nix::step_shell;

/// Of everybody but the administrator.
const PASSWORD: &str = "user~pass-5b1e";
/// Who may write to the repository.
pub(super) const MAINTAINER: &str = "maria";
/// Who may by being in a team.
pub(super) const MEMBER: &str = "tim";
/// Who has a fork of it, and may not.
pub(super) const OUTSIDER: &str = "carol";
const BOT: &str = "bot";

/// Runs what the pull request brings, at the commit that was asked for.
const PIPELINE: &str = include_str!("../../../hosts/demo/ci/drone.yml");

/// All of it; dropping it ends everything.
pub(super) struct Lab {
    pub(super) bridge: Service,
    pub(super) drone: Drone,
    pub(super) gate: Gate,
    pub(super) gitea: Gitea,
    hook: i64,
    runners: Vec<Runner>,
}

/// A pull request of the outsider.
#[derive(Clone)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) head: String,
    branch: String,
}

/// Where a task of the bridge stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) state: String,
    pub(super) result: Option<String>,
    pub(super) build: Option<i64>,
}

impl Lab {
    /// A repository that is built, and a bridge that its forge calls.
    pub(super) fn start() -> Self {
        let mut lab = Self::on(GITEAS[0]);
        lab.work();
        lab
    }

    /// On a Gitea of this version: a repository that is built once there is a runner, and a bridge that its forge calls.
    pub(super) fn on(version: &str) -> Self {
        let gitea = Gitea::start(version);
        let admin =
            |method: &str, path: &str, body: Value| made(gitea.call(ADMIN, method, path, &body), path);
        for user in [MAINTAINER, MEMBER, OUTSIDER, BOT] {
            let email = format!("{user}@example.org");
            let body = json!({
                "username": user, "email": email, "password": PASSWORD, "must_change_password": false,
            });
            admin("POST", "/admin/users", body);
        }
        admin("PATCH", "/admin/users/bot", json!({ "login_name": BOT, "source_id": 0, "admin": true }));
        admin("POST", "/orgs", json!({ "username": "team" }));
        let repository = admin("POST", "/orgs/team/repos", json!({ "name": "app", "auto_init": true }));
        let pipeline = json!({ "content": STANDARD.encode(PIPELINE), "message": "build", "branch": "main" });
        admin("POST", "/repos/team/app/contents/.drone.yml", pipeline);
        let write = json!({ "permission": "write" });
        admin("PUT", &format!("/repos/team/app/collaborators/{MAINTAINER}"), write);
        let team = json!({
            "name": "builders", "includes_all_repositories": true,
            "units_map": { "repo.code": "write", "repo.pulls": "write", "repo.issues": "read" },
        });
        let team = admin("POST", "/orgs/team/teams", team);
        admin("PUT", &format!("/teams/{}/members/{MEMBER}", team["id"]), Value::Null);
        made(gitea.call((OUTSIDER, PASSWORD), "POST", "/repos/team/app/forks", &json!({})), "fork");
        let scopes = json!({ "name": "bridge", "scopes": ["write:issue", "write:repository"] });
        let token = made(gitea.call((BOT, PASSWORD), "POST", "/users/bot/tokens", &scopes), "token");
        let mut drone = sign_in::drone(&gitea);
        let gate = Gate::default();
        let secrets = [
            ("bot", token["sha1"].as_str().unwrap()),
            ("drone", DRONE_TOKEN),
            ("drone_hook", "drone-hook-5b1e"),
        ];
        let bridge = Service::with(&secrets, |bridge| {
            for (peer, url) in [("forge", &gitea.url), ("drone", &drone.url)] {
                bridge[peer]["url"] = url.clone().into();
                bridge[peer]["connect"] = gate.to(url).to_string().into();
            }
            bridge["drone"]["webhook_secret"] = json!({ "secret": "drone_hook" });
            bridge["bot"]["login"] = BOT.into();
            bridge["repositories"] = json!({ "team/app": { "id": repository["id"] } });
        });
        assert_eq!(bridge.page("/readyz"), (200, "ready\n".to_owned()));
        let hook = json!({
            "type": "gitea", "active": true, "events": ["pull_request_comment"],
            "config": { "url": format!("http://{}/hook", bridge.hook), "content_type": "json", "secret": SECRET },
        });
        let hook = admin("POST", "/repos/team/app/hooks", hook)["id"].as_i64().unwrap();
        drone.kill();
        drone.call_on_builds(&format!("http://{}/drone", bridge.hook), "drone-hook-5b1e");
        drone.resume();
        Self { bridge, drone, gate, gitea, hook, runners: Vec::new() }
    }

    /// One more runner comes, with the shell that the module gives it. Each sleeps for 10 s when it has asked for work in vain
    /// for 30 s; one that has come later is awake then.
    pub(super) fn work(&mut self) {
        self.runners.push(Runner::with_shell(&self.drone, &step_shell()));
    }

    /// A pull request from the outsider's fork that brings `check.sh`.
    pub(super) fn pull(&self, branch: &str, script: &str) -> Pull {
        let head = self.commit(branch, "main", "check.sh", script);
        let body = json!({ "title": branch, "head": format!("{OUTSIDER}:{branch}"), "base": "main" });
        let pull = made(self.call(OUTSIDER, "POST", "/repos/team/app/pulls", &body), "pull request");
        assert_eq!(pull["head"]["sha"], head.as_str());
        Pull { number: pull["number"].as_u64().unwrap(), head, branch: branch.to_owned() }
    }

    /// One more commit on a pull request, which is returned as it is then.
    pub(super) fn push(&self, pull: &Pull) -> Pull {
        let head = self.commit(&pull.branch, &pull.branch, "more", "more");
        Pull { head, ..pull.clone() }
    }

    /// A commit with a new file on a branch of the outsider's fork; its name.
    fn commit(&self, branch: &str, from: &str, file: &str, text: &str) -> String {
        let mut body = json!({ "content": STANDARD.encode(text), "message": file, "branch": from });
        if branch != from {
            body["new_branch"] = branch.into();
        }
        let path = format!("/repos/{OUTSIDER}/app/contents/{file}");
        let commit = made(self.call(OUTSIDER, "POST", &path, &body), &path);
        commit["commit"]["sha"].as_str().unwrap().to_owned()
    }

    /// Somebody comments; the comment's number.
    pub(super) fn comment(&self, user: &str, pull: &Pull, text: &str) -> u64 {
        let path = format!("/repos/team/app/issues/{}/comments", pull.number);
        let made = made(self.call(user, "POST", &path, &json!({ "body": text })), &path);
        made["id"].as_u64().unwrap()
    }

    /// Changes a comment's text, or deletes it.
    pub(super) fn change(&self, user: &str, comment: u64, text: Option<&str>) {
        let path = format!("/repos/team/app/issues/comments/{comment}");
        let (method, body) = text.map_or(("DELETE", Value::Null), |text| ("PATCH", json!({ "body": text })));
        made(self.call(user, method, &path, &body), &path);
    }

    fn call(&self, user: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let password = if user == ADMIN.0 { ADMIN.1 } else { PASSWORD };
        self.gitea.call((user, password), method, path, body)
    }

    fn get(&self, path: &str) -> Value {
        made(self.gitea.get(path), path)
    }

    /// What Gitea has sent the bridge of a comment, in order: the delivery's name, and its body byte for byte.
    pub(super) fn deliveries(&self, comment: u64) -> Vec<(String, String)> {
        let database = look_into(&self.gitea.database());
        let sql = "SELECT uuid, payload_content FROM hook_task WHERE hook_id = ? AND is_succeed ORDER BY id";
        let mut all = database.prepare(sql).unwrap();
        let all = all.query_map([self.hook], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
        let of = |body: &str| serde_json::from_str::<Value>(body).unwrap()["comment"]["id"] == comment;
        all.map(Result::unwrap).filter(|(_, body)| of(body)).collect()
    }

    /// Sends a delivery once more; the status of the answer.
    pub(super) fn replay(&self, delivery: &str) -> u16 {
        ask(self.bridge.hook, &signed(delivery.as_bytes())).0
    }

    /// Presses the button on the page of the hook in Gitea that sends a delivery once more.
    pub(super) fn press(&self, delivery: &str) {
        let browser = Browser::signed_in(&self.gitea);
        let page = format!("{}/team/app/settings/hooks/{}", self.gitea.url, self.hook);
        assert_eq!(browser.open(&page, &[]).0, 200);
        assert!(browser.page().contains(&format!("/replay/{delivery}")), "no button for {delivery}");
        let pressed = browser.open(&format!("{page}/replay/{delivery}"), &[("", "")]);
        assert!((200..400).contains(&pressed.0), "{pressed:?} {}", browser.page());
    }

    /// Where the task of a comment stands; `None` before there is one.
    pub(super) fn stand(&self, comment: u64) -> Option<Stand> {
        let journal = Connection::open(self.bridge.file("state/bridge/journal.db")).unwrap();
        journal.busy_timeout(Duration::from_secs(5)).unwrap();
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Stand { state: row.get(0)?, result: row.get(1)?, build: row.get(2)? })
        };
        let sql = "SELECT state, result, build FROM task WHERE comment = ?";
        journal.query_row(sql, [comment], read).optional().unwrap()
    }

    /// Waits until the bridge has taken a comment, or has come further with it.
    pub(super) fn until(&self, comment: u64, states: &[&str]) -> Stand {
        let began = Instant::now();
        loop {
            let stand = self.stand(comment);
            if let Some(stand) = stand.clone().filter(|stand| states.contains(&stand.state.as_str())) {
                return stand;
            }
            assert!(began.elapsed() < Duration::from_secs(100), "comment {comment} is still at {stand:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of a comment's task.
    pub(super) fn end(&self, comment: u64) -> Stand {
        self.until(comment, &["done"])
    }

    /// How many builds of a comment there are in Drone's own database.
    pub(super) fn counted(&self, comment: u64) -> usize {
        let sql = "SELECT count(*) FROM builds WHERE json_extract(build_params, '$.TESTME_ID') = ?";
        let count = look_into(&self.drone.database())
            .query_row(sql, [comment.to_string()], |row| row.get::<_, i64>(0));
        count.unwrap().try_into().unwrap()
    }

    /// The builds that Drone tells of a comment.
    pub(super) fn builds(&self, comment: u64) -> Vec<Value> {
        let (status, builds) = self.drone.call("GET", "/api/repos/team/app/builds?per_page=100");
        assert_eq!(status, 200, "{builds}");
        let comment = comment.to_string();
        let of = |build: &&Value| build["params"]["TESTME_ID"] == comment.as_str();
        builds.as_array().unwrap().iter().filter(of).cloned().collect()
    }

    /// What the bridge has answered to a comment: all of its comments about it, without their marks.
    pub(super) fn answers(&self, pull: &Pull, comment: u64) -> Vec<String> {
        let mark = format!("\n<!-- holdfast-bridge:{comment} -->\n");
        let comments = self.get(&format!("/repos/team/app/issues/{}/comments", pull.number));
        let ours = comments.as_array().unwrap().iter().filter(|one| one["user"]["login"] == BOT);
        let texts = ours.map(|one| one["body"].as_str().unwrap().replace("\r\n", "\n"));
        texts.filter_map(|text| text.trim_end().strip_suffix(mark.trim_end()).map(str::to_owned)).collect()
    }

    /// What the bridge has told of a commit: states and links, the newest first.
    pub(super) fn statuses(&self, head: &str) -> Vec<(String, String)> {
        let all = self.get(&format!("/repos/team/app/commits/{head}/statuses?limit=50"));
        let mut ours = ours(&all);
        // The newest counts; the forge's own order by time knows no parts of a second.
        ours.sort_by_key(|one| std::cmp::Reverse(one["id"].as_i64()));
        let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
        ours.iter().map(|one| (text(one, "status"), text(one, "target_url"))).collect()
    }

    /// What Gitea shows of a commit, which is one status: state and description.
    pub(super) fn shown(&self, head: &str) -> (String, String) {
        let all = self.get(&format!("/repos/team/app/commits/{head}/status"));
        let ours = ours(&all["statuses"]);
        assert_eq!(ours.len(), 1, "{all}");
        let text = |field: &str| ours[0][field].as_str().unwrap().to_owned();
        (text("status"), text("description"))
    }

    /// Whether the bridge has shown that it has seen a comment.
    pub(super) fn seen(&self, comment: u64) -> bool {
        let all = self.get(&format!("/repos/team/app/issues/comments/{comment}/reactions"));
        all.as_array()
            .is_some_and(|all| all.iter().any(|one| one["content"] == "eyes" && one["user"]["login"] == BOT))
    }
}

/// The database of a program that runs.
fn look_into(file: &Path) -> Connection {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
}

/// Those of a list of statuses that are the bridge's.
fn ours(all: &Value) -> Vec<&Value> {
    all.as_array().unwrap().iter().filter(|one| one["context"] == "testme").collect()
}

/// The answer of a call that ended well.
pub(super) fn made((status, body): (u16, Value), what: &str) -> Value {
    assert!((200..300).contains(&status), "{what}: {status} {body}");
    body
}
