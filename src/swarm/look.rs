//! The first look of a run: everything is asked for at once, and read when it is wanted. The engine takes longest to
//! answer, and the program has work to do meanwhile that needs no answer.

use super::observe::{Answers, services_in};
use super::pipeline::Pipeline;
use super::transport::Transport;
use super::{Engine, EngineError, PING, engine_info, own_version, socket_of};
use crate::observed::Observed;

/// What takes the engine longest; it has a connection for itself.
const SERVICES: &str = "/services";
/// Everything else, in the order in which it is asked for.
const OTHERS: [&str; 7] = ["/swarm", "/nodes", "/tasks", "/networks", "/images/json", "/secrets", "/configs"];

/// A look that was asked for, of an engine that is not known yet.
pub struct Asked {
    transport: Transport,
    services: Pipeline,
    others: Pipeline,
}

/// A look that is under way. Dropped before its end, nobody hears of it.
pub struct Look {
    services: Pipeline,
    others: Pipeline,
}

impl Asked {
    /// Connects to the engine and asks for everything, without a version: an engine answers that in its own, which is
    /// the one to agree on unless it is newer than what is known here.
    ///
    /// # Errors
    /// [`EngineError::Address`] and [`EngineError::Unreachable`], as of [`Engine::connect`].
    pub async fn of(address: &str) -> Result<Self, EngineError> {
        let transport = Transport::new(socket_of(address)?);
        let services = ask(&transport, [PING, SERVICES].map(str::to_owned)).await?;
        let others = ask(&transport, OTHERS.map(str::to_owned)).await?;
        Ok(Self { transport, services, others })
    }

    /// Agrees on an API version, and asks again where that is not the engine's own.
    ///
    /// # Errors
    /// Those of [`Engine::connect`].
    pub async fn agreed(mut self) -> Result<(Engine, Look), EngineError> {
        let answer = self.services.answer(PING).await?;
        let info = engine_info(&answer)?;
        let versioned = |path: &str| format!("/v{}{path}", info.api);
        if own_version(&answer) != info.api {
            self.services = ask(&self.transport, [versioned(SERVICES)]).await?;
            self.others = ask(&self.transport, OTHERS.map(versioned)).await?;
        }
        let look = Look { services: self.services, others: self.others };
        Ok((Engine::new(self.transport, info)?, look))
    }
}

/// A connection of its own on which these are asked for.
async fn ask(
    transport: &Transport,
    paths: impl IntoIterator<Item = String>,
) -> Result<Pipeline, EngineError> {
    let unreachable = |source| EngineError::Unreachable { address: transport.address(), source };
    let mut pipeline = Pipeline::connect(transport.path()).await.map_err(unreachable)?;
    pipeline.ask(paths.into_iter()).await.map_err(unreachable)?;
    Ok(pipeline)
}

impl Look {
    /// What was seen.
    ///
    /// # Errors
    /// Those of [`Engine::observe`].
    pub async fn seen(mut self, engine: &Engine) -> Result<Observed, EngineError> {
        // By far the longest answer: it is read while the engine still works on the others.
        let services = self.services.body(SERVICES).await?;
        let read = services_in(&services)?;
        let mut next = async |path| self.others.body(path).await;
        // In the order in which they were asked for.
        let answers = Answers {
            services,
            swarm: next("/swarm").await?,
            nodes: next("/nodes").await?,
            tasks: next("/tasks").await?,
            networks: next("/networks").await?,
            images: next("/images/json").await?,
            secrets: next("/secrets").await?,
            configs: next("/configs").await?,
        };
        engine.observed(read, answers).await
    }
}
