//! Whether the receiver of a hook has its secret: Gitea sends a test, and the receiver counts what was signed right.

use std::time::Duration;

use hyper::Method;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::api::Api;
use super::execute::split;
use crate::forge::error::ForgeError;
use crate::forge::http::{Call, Client, bearer};
use crate::manifest::GiteaWebhook;
use crate::secrets::SecretBytes;

/// How often the receiver is asked.
const POLL: Duration = Duration::from_millis(200);
/// What a bridge counts of signed deliveries that are no comments; a test is a push.
const COUNTED: &str = "holdfast_bridge_verdicts_total{verdict=\"other\"";

/// A receiver counts deliveries and does not say of which hook they were: so one is asked for at a time.
static ONE: Mutex<()> = Mutex::const_new(());

/// Asks for a test delivery and waits until it was counted.
///
/// # Errors
/// Neither forge nor receiver answers; there is no such hook; nothing is counted in time.
pub(super) async fn attest(
    api: &Api,
    hook: &GiteaWebhook,
    token: Option<&str>,
    patience: Duration,
) -> Result<(), ForgeError> {
    let Some(attest) = &hook.attest else { return Ok(()) };
    let (owner, name) = split(&hook.repository);
    let receiver = Client::new(&attest.status, None, None)?;
    let unheard = || ForgeError::Unheard {
        url: hook.url.clone(),
        receiver: attest.status.clone(),
        seconds: patience.as_secs(),
    };
    let _one = ONE.lock().await;
    let until = Instant::now() + patience;
    // One that has just been started takes a moment.
    let mut before = loop {
        match counted(&receiver, token).await {
            Err(error) if error.is_passing() && Instant::now() < until => sleep(POLL).await,
            counted => break counted?,
        }
    };
    let hooks = api.hooks(owner, name).await?.unwrap_or_default();
    let here = hooks.iter().find(|one| one.config.url == hook.url).ok_or_else(unheard)?;
    api.test_hook(owner, name, here.id).await?;
    loop {
        let now = counted(&receiver, token).await?;
        if now > before {
            return Ok(());
        }
        // One that was started again meanwhile begins at nothing.
        before = now;
        if Instant::now() >= until {
            return Err(unheard());
        }
        sleep(POLL).await;
    }
}

/// How many signed deliveries of other events than comments there were.
async fn counted(receiver: &Client, token: Option<&str>) -> Result<u64, ForgeError> {
    let mut call = Call::new(Method::GET, "/metrics");
    if let Some(token) = token {
        call = call.authorized(bearer(&SecretBytes::new(token.as_bytes().to_vec())));
    }
    let answer = receiver.send(call).await?.success()?;
    let page = String::from_utf8_lossy(&answer.body).into_owned();
    let line = page.lines().find(|line| line.starts_with(COUNTED));
    let count = line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok());
    count.ok_or_else(|| ForgeError::Settings {
        url: receiver.base(),
        why: "what is there counts no signed deliveries as a bridge does".to_owned(),
    })
}
