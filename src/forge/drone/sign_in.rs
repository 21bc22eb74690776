//! Signs in to Drone as a person would with a browser: at Gitea, with a password, and with consent. Drone then holds
//! tokens of this user, with which it reads repositories and makes hooks.
//!
//! Nothing leaves the two hosts: a redirect anywhere else ends it, cookies of one host are never sent to the other, and
//! the password is in the body of one `POST` to Gitea's own login page.

use hyper::Method;
use hyper::header::COOKIE;

use crate::forge::browser::{Form, Jar, Place, below, forms};
use crate::forge::error::ForgeError;
use crate::forge::http::{Answer, Call, Client};

/// Characters of somebody else's words that an error shows.
const LONGEST_WORDS: usize = 200;

/// Signs `user` in to the Drone at `drone` through the Gitea at `gitea`, and lets Drone act for them.
///
/// # Errors
/// [`ForgeError::SignIn`] in words: a wrong password, a second factor, a password that has to be changed first, an
/// application that Gitea does not know, a redirect that leads elsewhere. Anything that keeps the two from answering.
pub async fn sign_in(drone: &Client, gitea: &Client, user: &str, password: &str) -> Result<(), ForgeError> {
    let (mut at_drone, mut at_gitea) = (Host::new(drone), Host::new(gitea));
    let answer = at_drone.get("/login").await?;
    let asked = asked(&answer, drone, gitea).map_err(|why| wrong(drone, why))?;
    log_in(&mut at_gitea, user, password).await?;
    let answer = at_gitea.get(&asked.target).await?;
    let back = match answer.status.as_u16() {
        200 => {
            let form = consent(&answer, &asked, gitea).map_err(|why| wrong(gitea, why))?;
            let mut fields: Vec<(&str, &str)> =
                form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            fields.push(("granted", "true"));
            at_gitea.post("/login/oauth/grant", &fields).await?
        }
        400 | 404 => {
            let why = "it does not know the application that Drone names, or not with Drone's address as its \
                       redirect; see `DRONE_GITEA_CLIENT_ID`";
            return Err(wrong(gitea, why.to_owned()));
        }
        _ => answer,
    };
    let callback = called_back(&back, &asked, (drone, gitea)).map_err(|why| wrong(gitea, why))?;
    let answer = at_drone.get(&callback).await?;
    arrived(&answer, drone).map_err(|why| wrong(drone, why))
}

fn wrong(client: &Client, why: String) -> ForgeError {
    ForgeError::SignIn { url: client.base(), why }
}

/// One of the two hosts, and what it wants to have back.
struct Host<'c> {
    client: &'c Client,
    jar: Jar,
}

impl<'c> Host<'c> {
    fn new(client: &'c Client) -> Self {
        Self { client, jar: Jar::default() }
    }

    async fn get(&mut self, target: &str) -> Result<Answer, ForgeError> {
        self.send(Call::new(Method::GET, target)).await
    }

    /// Neither `Origin` nor `Sec-Fetch-Site` is sent: Gitea 1.26 takes a form without them as one that no other site
    /// made a browser send.
    async fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Result<Answer, ForgeError> {
        self.send(Call::new(Method::POST, target).form(fields)).await
    }

    async fn send(&mut self, call: Call) -> Result<Answer, ForgeError> {
        let call = match self.jar.header() {
            Some(cookies) => call.header(COOKIE, cookies),
            None => call,
        };
        let answer = self.client.send(call).await?;
        self.jar.take(&answer.headers);
        // What is no page and no redirect is told in the server's own words.
        if answer.status.is_server_error() { answer.success() } else { Ok(answer) }
    }
}

/// Where an answer redirects to, below one of the hosts.
fn led(answer: &Answer, client: &Client) -> Result<Place, String> {
    if !answer.status.is_redirection() {
        return Err(format!("a redirect was expected, and {} came", answer.status.as_u16()));
    }
    below(client, answer.header("location"))
}

/// What Drone wants of Gitea.
struct Asked {
    /// Path and query at Gitea.
    target: String,
    client_id: String,
    state: String,
    redirect_uri: String,
}

fn asked(answer: &Answer, drone: &Client, gitea: &Client) -> Result<Asked, String> {
    if let Ok(place) = led(answer, drone)
        && place.path == "/login/error"
    {
        return Err(said("Drone says", &place));
    }
    let place = led(answer, gitea).map_err(|why| format!("its login does not lead to Gitea: {why}"))?;
    if place.path != "/login/oauth/authorize" || place.one("response_type")? != "code" {
        return Err("its login does not ask Gitea for a code".to_owned());
    }
    let redirect_uri = place.one("redirect_uri")?;
    let back =
        below(drone, &redirect_uri).map_err(|why| format!("it wants to be called back elsewhere: {why}"))?;
    if back.path != "/login" {
        return Err("it wants to be called back at another path than `/login`".to_owned());
    }
    Ok(Asked {
        client_id: place.one("client_id")?,
        state: place.one("state")?,
        redirect_uri,
        target: place.target(),
    })
}

async fn log_in(gitea: &mut Host<'_>, user: &str, password: &str) -> Result<(), ForgeError> {
    // A login page that was never opened has no session yet; older versions begin one here.
    gitea.get("/user/login").await?.success()?;
    let answer = gitea.post("/user/login", &[("user_name", user), ("password", password)]).await?;
    let client = gitea.client;
    let let_in = if answer.status.is_redirection() {
        led(&answer, client).and_then(|place| hindered(&place, user))
    } else {
        // Gitea shows its page again with 200.
        Err(format!(
            "it shows a page ({}) in place of letting `{user}` in: the name or the password is wrong, or the account may \
             not sign in",
            answer.status.as_u16()
        ))
    };
    let_in.map_err(|why| wrong(client, why))
}

/// Pages that stand between a password and a session.
fn hindered(place: &Place, user: &str) -> Result<(), String> {
    let why = match place.path.as_str() {
        "/user/two_factor" | "/user/two_factor/scratch" | "/user/webauthn" => {
            "asks for a second factor, which only a person has: use an account without one, that does nothing else"
        }
        "/user/settings/change_password" => {
            "wants its password changed first: `must_change_password` of the user has to be false"
        }
        "/user/settings/security" => "wants a second factor set up first: use an account that needs none",
        "/user/login" | "/user/login/openid" => "was let in and is not known any more: it keeps no session",
        "/user/activate" => "is not activated",
        _ => return Ok(()),
    };
    Err(format!("the account `{user}` {why}"))
}

/// The form that says yes, if it asks what Drone asked.
fn consent(answer: &Answer, asked: &Asked, gitea: &Client) -> Result<Form, String> {
    let page = String::from_utf8_lossy(&answer.body);
    let all = forms(&page).map_err(|why| format!("its question whether Drone may cannot be read: {why}"))?;
    let is_grant = |form: &Form| {
        let place = below(gitea, &form.action);
        form.method == "post" && place.is_ok_and(|place| place.target() == "/login/oauth/grant")
    };
    let mut grants: Vec<Form> = all.into_iter().filter(is_grant).collect();
    let (Some(form), true) = (grants.pop(), grants.is_empty()) else {
        return Err("it shows a page that does not ask whether Drone may".to_owned());
    };
    for (name, wanted) in
        [("client_id", &asked.client_id), ("state", &asked.state), ("redirect_uri", &asked.redirect_uri)]
    {
        if form.fields.get(name) != Some(wanted) {
            return Err(format!(
                "it asks for consent to something else than what Drone asked for (`{name}`)"
            ));
        }
    }
    if let Some(other) = form.fields.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(format!(
            "its question whether Drone may has a field that is not known: `{}`",
            other.escape_default()
        ));
    }
    Ok(form)
}

/// Fields of the question, over all versions.
const KNOWN: [&str; 6] = ["_csrf", "client_id", "state", "scope", "nonce", "redirect_uri"];

/// The way back to Drone, with a code for what was asked.
fn called_back(answer: &Answer, asked: &Asked, (drone, gitea): (&Client, &Client)) -> Result<String, String> {
    if answer.status.is_client_error() {
        return Err(format!("it does not take the consent ({})", answer.status.as_u16()));
    }
    // Both may be one host: what leads to a page of Gitea's own is told as that.
    if let Ok(place) = led(answer, gitea) {
        hindered(&place, "that signs in")?;
    }
    let place = led(answer, drone).map_err(|why| format!("it does not lead back to Drone: {why}"))?;
    if place.path != "/login" || place.maybe("state")? != asked.state {
        return Err("it leads back to Drone with something else than what was asked for".to_owned());
    }
    if !place.maybe("error")?.is_empty() {
        return Err(said("it refuses", &place));
    }
    place.one("code")?;
    Ok(place.target())
}

/// Drone tells a failure by a redirect too.
fn arrived(answer: &Answer, drone: &Client) -> Result<(), String> {
    let place = led(answer, drone)?;
    match place.path.as_str() {
        "/" | "/register" => Ok(()),
        "/login/error" => Err(said("Drone says", &place)),
        _ => Err("it leads neither home nor to an error".to_owned()),
    }
}

/// The words of an error that a query carries.
fn said(who: &str, place: &Place) -> String {
    let field = |name: &str| place.maybe(name).unwrap_or_default();
    let words = [field("message"), field("error_description"), field("error")];
    let words = words.iter().find(|words| !words.is_empty()).map_or("nothing more", String::as_str);
    let words: String = words.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect();
    format!("{who}: {words}")
}

#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod tests;
