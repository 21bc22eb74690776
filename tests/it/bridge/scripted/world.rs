//! What a scripted Gitea and Drone have, and what they say of it.

use std::net::TcpStream;
use std::sync::mpsc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Fault;
use crate::bridge::gate::Hold;

/// Repositories, names and numbers; what they have is in one heap.
const REPOSITORIES: [(&str, u64); 2] = [("team/app", 7), ("team/other", 8)];

/// What there is.
#[derive(Default)]
pub(in crate::bridge) struct World {
    /// Comments by number: text, writer, when written and when changed.
    pub(in crate::bridge) comments: Vec<(u64, String, String, String)>,
    /// What the bridge has written: the pull request and the text now.
    pub(in crate::bridge) answers: Vec<(u64, String)>,
    pub(in crate::bridge) statuses: Vec<(String, String)>,
    /// Builds: parameters and status, numbered from 1.
    pub(in crate::bridge) builds: Vec<(String, String)>,
    pub(in crate::bridge) head: String,
    /// Beginning of `METHOD path`, how many times it goes wrong, and how.
    pub(in crate::bridge) faults: Vec<(&'static str, usize, Fault)>,
    /// Every call, in order.
    pub(in crate::bridge) calls: Vec<String>,
    /// How many of them were no `GET`, and which of those is held for good.
    pub(in crate::bridge) writes: usize,
    pub(super) held: Option<(usize, Hold, mpsc::Sender<()>)>,
    /// Who listens to the stream.
    pub(super) streams: Vec<TcpStream>,
    /// True where the stream is not to be had.
    pub(in crate::bridge) no_stream: bool,
    /// True where a build that fails does so in a step.
    pub(in crate::bridge) fails_in_a_step: bool,
    /// What the API calls a permission.
    pub(in crate::bridge) permission: String,
}

impl World {
    pub(super) fn answer(&mut self, call: &str, body: &Value) -> (u16, Value) {
        let (method, target) = call.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path =
            path.trim_start_matches("/api/v1").trim_start_matches("/api/v3").trim_start_matches("/api");
        let repository = REPOSITORIES.iter().find_map(|(name, id)| {
            let rest = path.strip_prefix("/repos/")?.strip_prefix(name)?;
            Some((*name, *id, rest))
        });
        let Some((name, id, path)) = repository else { return (404, json!({ "message": path })) };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match (method, parts.as_slice()) {
            ("GET", []) => (200, json!({ "id": id, "full_name": name, "permissions": { "push": true } })),
            ("GET", ["collaborators", _, "permission"]) => (200, json!({ "permission": self.permission })),
            ("GET", ["pulls", number]) => {
                let number: u64 = number.parse().unwrap();
                let head = json!({ "ref": "change", "sha": self.head });
                (
                    200,
                    json!({ "number": number, "state": "open", "merged": false, "draft": false, "head": head }),
                )
            }
            ("GET", ["issues", _, "timeline"]) => (200, json!([])),
            ("GET", ["issues", "comments"]) => (200, self.list(query)),
            ("GET", ["issues", "comments", number]) => {
                let number: u64 = number.parse().unwrap();
                match self.comments.iter().find(|comment| comment.0 == number) {
                    Some(comment) => (200, shown(comment)),
                    None => (404, json!({})),
                }
            }
            ("POST", ["issues", "comments", _, "reactions"]) => (201, json!({})),
            ("POST", ["issues", pull, "comments"]) => {
                let text = body["body"].as_str().unwrap().to_owned();
                self.answers.push((pull.parse().unwrap(), text));
                (201, json!({ "id": 9000 + self.answers.len() }))
            }
            ("PATCH", ["issues", "comments", number]) => {
                let number: usize = number.parse().unwrap();
                body["body"].as_str().unwrap().clone_into(&mut self.answers[number - 9001].1);
                (200, json!({ "id": number }))
            }
            ("POST", ["statuses", sha]) => {
                self.statuses.push(((*sha).to_owned(), body["state"].as_str().unwrap().to_owned()));
                (201, json!({}))
            }
            ("POST", ["builds"]) => {
                self.builds.push((query.to_owned(), "pending".to_owned()));
                (200, self.build(self.builds.len()))
            }
            ("GET", ["builds"]) => {
                let all: Vec<Value> =
                    (1..=self.builds.len()).rev().map(|number| self.build(number)).collect();
                (200, all.into())
            }
            ("GET", ["builds", number]) => (200, self.build(number.parse().unwrap())),
            ("DELETE", ["builds", number]) => {
                "killed".clone_into(&mut self.builds[number.parse::<usize>().unwrap() - 1].1);
                (200, json!({}))
            }
            _ => (404, json!({ "message": path })),
        }
    }

    fn build(&self, number: usize) -> Value {
        let (query, status) = &self.builds[number - 1];
        let params: Value =
            query.split('&').filter_map(|pair| pair.split_once('=')).collect::<Vec<_>>().into_iter().fold(
                json!({}),
                |mut all, (name, value)| {
                    all[name] = value.into();
                    all
                },
            );
        let now = Timestamp::now().as_second();
        let when = |so: bool| if so { now } else { 0 };
        let failed = self.fails_in_a_step && status == "failure";
        let step = json!([{ "number": 1, "steps": [{ "number": 2, "name": "test", "status": "failure" }] }]);
        json!({
            "number": number, "status": status, "params": params, "created": now,
            "stages": if failed { step } else { json!([]) },
            "started": when(status != "pending"), "finished": when(!matches!(status.as_str(), "pending" | "running")),
        })
    }

    /// A page of everybody's comments since then, the bridge's own among them.
    fn list(&self, query: &str) -> Value {
        let field = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let count = |name: &str| field(name).and_then(|value| value.parse::<usize>().ok());
        let since: Timestamp = field("since").unwrap().replace("%3A", ":").parse().unwrap();
        let now = Timestamp::now().to_string();
        let ours = self
            .answers
            .iter()
            .zip(9001..)
            .map(|((_, text), number)| (number, text.clone(), "testbot".to_owned(), now.clone()));
        let ours: Vec<_> = ours.collect();
        let theirs = self.comments.iter().filter(|one| one.3.parse::<Timestamp>().unwrap() >= since);
        let most = count("limit").or(count("per_page")).unwrap();
        let page = theirs.chain(&ours).skip((count("page").unwrap() - 1) * most).take(most);
        page.map(shown).collect::<Vec<_>>().into()
    }
}

/// A comment, with what Gitea and what GitHub tell of it.
fn shown((number, body, login, created): &(u64, String, String, String)) -> Value {
    json!({
        "id": number, "body": body, "user": { "id": if login == "ana" { 8 } else { 3 }, "login": login }, "created_at": created, "updated_at": created,
        "pull_request_url": "http://x/team/app/pulls/12", "html_url": format!("http://x/team/app/pull/12#issuecomment-{number}"),
    })
}
