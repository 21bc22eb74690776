//! Proves the sign-in against a Gitea and a Drone that do what they are told to, honest or not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that gives one answer after the other, and keeps what it was asked.
struct Scripted {
    client: Client,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn scripted(name: &str, answers: Vec<String>) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (keep, answers) = (Arc::clone(&asked), Mutex::new(VecDeque::from(answers)));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let text = String::from_utf8_lossy(&seen).into_owned();
                let body = text.split_once("\r\n\r\n").map(|(head, body)| (head.to_lowercase(), body.len()));
                let length = body.as_ref().and_then(|(head, _)| head.split("content-length: ").nth(1));
                let length = length.and_then(|rest| rest.lines().next()?.parse::<usize>().ok()).unwrap_or(0);
                if body.is_some_and(|(_, read)| read >= length) {
                    break;
                }
                let read = stream.read(&mut buffer).await.unwrap();
                seen.extend_from_slice(&buffer[..read]);
            }
            keep.lock().unwrap().push(String::from_utf8(seen).unwrap());
            let answer = answers.lock().unwrap().pop_front().unwrap_or_else(|| page(599, ""));
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Scripted { client: Client::new(&format!("http://{name}"), Some(&address), None).unwrap(), asked }
}

fn page(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn redirect(to: &str, cookie: &str) -> String {
    format!(
        "HTTP/1.1 303 See Other\r\nlocation: {to}\r\nset-cookie: {cookie}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
}

const AUTHORIZE: &str = "http://git.example/login/oauth/authorize?client_id=c-1&redirect_uri=http%3A%2F%2Fci.example%2Flogin&response_type=code&state=s-1";
const CONSENT: &str = r#"<form method="post" action="/login/oauth/grant"><input type="hidden" name="_csrf" value="csrf-1"><input type="hidden" name="client_id" value="c-1"><input type="hidden" name="state" value="s-1"><input type="hidden" name="scope" value=""><input type="hidden" name="nonce" value=""><input type="hidden" name="redirect_uri" value="http://ci.example/login"></form>"#;
const BACK: &str = "http://ci.example/login?code=code-1&state=s-1";

/// What an honest Drone answers, and an honest Gitea.
fn honest() -> (Vec<String>, Vec<String>) {
    let drone = vec![redirect(AUTHORIZE, "_oauth_state_=d-1; HttpOnly"), redirect("/", "_session_=d-2")];
    let login = page(200, "login").replace("\r\nconnection", "\r\nset-cookie: i_like=g-0\r\nconnection");
    let gitea = vec![
        login,
        redirect("/", "i_like=g-1; Path=/; Secure; Domain=ci.example"),
        page(200, CONSENT),
        redirect(BACK, "x=y"),
    ];
    (drone, gitea)
}

fn run((drone, gitea): (Vec<String>, Vec<String>)) -> (Result<(), String>, Vec<String>, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (drone, gitea) = (scripted("ci.example", drone).await, scripted("git.example", gitea).await);
        let ended = sign_in(&drone.client, &gitea.client, "bot", "p&w=1 ü").await;
        let (drone, gitea) = (drone.asked.lock().unwrap().clone(), gitea.asked.lock().unwrap().clone());
        (ended.map_err(|error| error.to_string()), drone, gitea)
    })
}

#[test]
fn an_honest_pair_is_signed_in_to_and_each_keeps_its_own_cookies() {
    let (ended, drone, gitea) = run(honest());
    ended.unwrap();
    assert_eq!((drone.len(), gitea.len()), (2, 4));
    assert!(drone[1].starts_with("GET /login?code=code-1&state=s-1 "), "{}", drone[1]);
    assert!(drone[1].contains("cookie: _oauth_state_=d-1\r\n"), "{}", drone[1]);
    assert!(gitea[2].contains("cookie: i_like=g-1\r\n"), "{}", gitea[2]);
    let body = gitea[3].split("\r\n\r\n").nth(1).unwrap();
    let wanted = "_csrf=csrf-1&client_id=c-1&nonce=&redirect_uri=http%3A%2F%2Fci.example%2Flogin&scope=&state=s-1&granted=true";
    assert_eq!(body, wanted);
    for request in gitea.iter().chain(&drone) {
        let head = request.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert!(!head.contains("origin:") && !head.contains("sec-fetch") && !head.contains("authorization"));
    }
    let with_password: Vec<&String> =
        gitea.iter().chain(&drone).filter(|request| request.contains("p%26w")).collect();
    assert_eq!(with_password.len(), 1, "the password was sent more than once");
    assert!(
        with_password[0].starts_with("POST /user/login ")
            && with_password[0].ends_with("user_name=bot&password=p%26w%3D1%20%C3%BC")
    );
}

#[test]
fn whoever_consented_before_is_not_asked_again() {
    let (drone, mut gitea) = honest();
    gitea.truncate(2);
    gitea.push(redirect(BACK, "x=y"));
    run((drone, gitea)).0.unwrap();
}

/// What is wrong, at whom, with which answer, and the words that tell it.
const LIES: [(&str, bool, usize, &str); 24] = [
    // Drone's first answer.
    (
        "http://evil.example/login/oauth/authorize?client_id=c-1",
        true,
        0,
        "does not lead to Gitea: the redirect leads to `http://evil.example`",
    ),
    ("http://git.example@evil.example/login/oauth/authorize", true, 0, "a user in it"),
    ("http://git.example:81/login/oauth/authorize", true, 0, "the redirect leads to `http://git.example:81`"),
    ("http://git.example/user/logout?response_type=code", true, 0, "does not ask Gitea for a code"),
    (
        "http://git.example/login/oauth/authorize?response_type=token",
        true,
        0,
        "does not ask Gitea for a code",
    ),
    (
        "http://git.example/login/oauth/authorize?response_type=code&client_id=a&client_id=b&state=s&redirect_uri=http%3A%2F%2Fci.example%2Flogin",
        true,
        0,
        "more than one `client_id`",
    ),
    (
        "http://git.example/login/oauth/authorize?response_type=code&client_id=a&state=s&redirect_uri=http%3A%2F%2Fevil.example%2Flogin",
        true,
        0,
        "called back elsewhere",
    ),
    (
        "http://git.example/login/oauth/authorize?response_type=code&client_id=a&state=s&redirect_uri=http%3A%2F%2Fci.example%2Fhook",
        true,
        0,
        "another path",
    ),
    ("/login/error?message=unauthorized_client", true, 0, "Drone says: unauthorized_client"),
    // Gitea's answer to the password.
    ("/user/two_factor", false, 1, "a second factor"),
    ("/user/webauthn", false, 1, "a second factor"),
    ("/user/settings/change_password", false, 1, "password changed first"),
    ("/user/login", false, 1, "keeps no session"),
    ("http://evil.example/", false, 1, "leads to `http://evil.example`"),
    // Its answer to the question.
    ("/user/settings/change_password", false, 2, "password changed first"),
    ("http://evil.example/login?code=code-1&state=s-1", false, 2, "does not lead back to Drone"),
    ("http://CI.example:8080/login?code=code-1&state=s-1", false, 2, "does not lead back to Drone"),
    // Its answer to the consent.
    ("http://evil.example/login?code=code-1&state=s-1", false, 3, "does not lead back to Drone"),
    ("http://ci.example/login?code=code-1&state=other", false, 3, "something else than what was asked for"),
    ("http://ci.example/hook?code=code-1&state=s-1", false, 3, "something else than what was asked for"),
    ("http://ci.example/login?state=s-1&error=access_denied", false, 3, "it refuses: access_denied"),
    ("http://ci.example/login?state=s-1", false, 3, "`code` is missing"),
    // Drone's second answer.
    ("/login/error?message=Invalid%20state", true, 1, "Drone says: Invalid state"),
    ("http://evil.example/", true, 1, "leads to `http://evil.example`"),
];

#[test]
fn every_redirect_that_lies_ends_the_sign_in_in_words() {
    for (to, at_drone, answer, words) in LIES {
        let (mut drone, mut gitea) = honest();
        if at_drone {
            drone[answer] = redirect(to, "a=b");
        } else {
            gitea[answer] = redirect(to, "a=b");
        }
        let (ended, drone, gitea) = run((drone, gitea));
        let error = ended.expect_err(to);
        assert!(error.contains(words), "{to}: {error}");
        assert!(!error.contains("code-1") && !error.contains("p&w"), "{error}");
        let asked = if at_drone { drone } else { gitea };
        assert_eq!(asked.len(), answer + 1, "{to} was followed");
    }
}

#[test]
fn a_page_that_is_not_the_right_one_ends_the_sign_in_in_words() {
    let other = |from: &str, to: &str| page(200, &CONSENT.replace(from, to));
    let twice = page(200, &format!("{CONSENT}{CONSENT}"));
    for (lie, answer, words) in [
        (page(200, "login again"), 1, "the name or the password is wrong"),
        (page(403, "forbidden"), 1, "the name or the password is wrong"),
        (page(400, "Client ID not registered"), 2, "does not know the application"),
        (page(200, "welcome"), 2, "does not ask whether Drone may"),
        (other("c-1", "c-2"), 2, "something else than what Drone asked for (`client_id`)"),
        (other("s-1", "s-2"), 2, "(`state`)"),
        (other("ci.example", "evil.example"), 2, "(`redirect_uri`)"),
        (other("/login/oauth/grant", "http://evil.example/login/oauth/grant"), 2, "does not ask whether"),
        (other("nonce", "admin"), 2, "a field that is not known: `admin`"),
        (twice, 2, "does not ask whether Drone may"),
        (page(400, "Invalid CSRF token."), 3, "does not take the consent (400)"),
        (page(200, "consent again"), 3, "a redirect was expected, and 200 came"),
        (page(502, "bad gateway"), 3, "was answered with 502"),
    ] {
        let (drone, mut gitea) = honest();
        gitea[answer] = lie;
        let (ended, drone, gitea) = run((drone, gitea));
        let error = ended.expect_err(words);
        assert!(error.contains(words), "{words}: {error}");
        assert_eq!((drone.len(), gitea.len()), (1, answer + 1), "{words}");
    }
}
