//! The first look of a run, on a thread of its own: the engine takes longest to answer, and the program has work to do
//! meanwhile that needs no answer.

use std::thread;

use hyper::body::Bytes;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::observe::{Answers, services_in};
use super::{Engine, EngineError};
use crate::observed::Observed;

/// A connection that is being made, with a look at once behind it.
pub struct Connecting {
    address: String,
    engine: oneshot::Receiver<Result<Engine, EngineError>>,
    look: Look,
}

/// A look that is under way. Dropped before its end, it ends by itself and nobody hears of it.
pub struct Look {
    services: oneshot::Receiver<Bytes>,
    answers: oneshot::Receiver<Result<Answers, EngineError>>,
}

impl Look {
    /// Connects to the engine and asks it for everything. Answers and errors wait until they are asked for.
    #[must_use]
    pub fn begin(address: &str) -> Connecting {
        let (connected, engine) = oneshot::channel();
        let (seen, answers) = oneshot::channel();
        let (early, services) = oneshot::channel();
        let asked = address.to_owned();
        let look = async move {
            // When the run has ended meanwhile nobody listens any more.
            match Engine::connect(&asked).await {
                Ok(engine) => {
                    drop(connected.send(Ok(engine.clone())));
                    drop(seen.send(engine.ask(early).await));
                }
                Err(error) => drop(connected.send(Err(error))),
            }
        };
        // Without a thread or a runtime the channels close, and whoever waits looks for itself.
        drop(thread::Builder::new().name("look".to_owned()).spawn(move || {
            if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
                runtime.block_on(look);
            }
        }));
        Connecting { address: address.to_owned(), engine, look: Self { services, answers } }
    }

    /// What was seen.
    ///
    /// # Errors
    /// Those of [`Engine::observe`].
    pub async fn seen(self, engine: &Engine) -> Result<Observed, EngineError> {
        let services = services_in(self.services).await?;
        match self.answers.await {
            Ok(answers) => answers?.read(services),
            Err(_) => engine.observe().await,
        }
    }
}

impl Connecting {
    /// The engine, once it is connected, and the look that goes on.
    ///
    /// # Errors
    /// Those of [`Engine::connect`].
    pub async fn done(self) -> Result<(Engine, Look), EngineError> {
        let engine = match self.engine.await {
            Ok(connected) => connected?,
            Err(_) => Engine::connect(&self.address).await?,
        };
        Ok((engine, self.look))
    }
}
