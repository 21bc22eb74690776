//! The first look of a run: everything is asked for at once, and read when it is wanted. The engine takes longest to
//! answer, and the program has work to do meanwhile that needs no answer.

use super::observe::{Answers, services_in};
use super::pipeline::Pipeline;
use super::transport::Transport;
use super::{Engine, EngineError, PING, engine_info, socket_of};
use crate::observed::Observed;

/// What takes the engine longest; it has a connection for itself.
const SERVICES: &str = "/services";
/// Everything else, in the order in which it is asked for.
const OTHERS: [&str; 7] = ["/swarm", "/nodes", "/tasks", "/networks", "/images/json", "/secrets", "/configs"];

/// A look that is under way. Dropped before its end, nobody hears of it.
pub struct Look {
    services: Pipeline,
    others: Pipeline,
}

impl Look {
    /// Connects to the engine, agrees on an API version, and asks for everything.
    ///
    /// # Errors
    /// Those of [`Engine::connect`].
    pub async fn begin(address: &str) -> Result<(Engine, Self), EngineError> {
        let transport = Transport::new(socket_of(address)?);
        let unreachable = |source| EngineError::Unreachable { address: address.to_owned(), source };
        let connect = async || Pipeline::connect(transport.path()).await.map_err(unreachable);
        let mut services = connect().await?;
        services.ask([PING.to_owned()].into_iter()).await.map_err(unreachable)?;
        let info = engine_info(&services.answer(PING).await?)?;
        let mut others = connect().await?;
        let versioned = |path: &str| format!("/v{}{path}", info.api);
        services.ask([versioned(SERVICES)].into_iter()).await.map_err(unreachable)?;
        others.ask(OTHERS.into_iter().map(versioned)).await.map_err(unreachable)?;
        Ok((Engine::new(transport, info)?, Self { services, others }))
    }

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
