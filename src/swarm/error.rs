//! What can go wrong with the engine, each naming the object and the call.

use std::io;

use super::ConvergeError;
use crate::report::Exit;

/// Why a call to the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The address is not one that is spoken.
    #[error("`{address}` is not an engine address; it must look like `unix:///run/docker.sock`")]
    Address {
        /// What was given.
        address: String,
    },
    /// Nothing answers at the address.
    #[error("no Docker engine answers at `{address}` (check with `docker -H {address} version`)")]
    Unreachable {
        /// The engine's address.
        address: String,
        /// What the socket said.
        #[source]
        source: io::Error,
    },
    /// The connection ended before the answer was complete: whether the call took effect is not known.
    #[error("the connection to the engine broke during {call}")]
    Lost {
        /// The call, `POST /services/create`.
        call: String,
        /// What broke.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine did not answer in time.
    #[error("the engine did not answer {call} within {seconds} s")]
    Timeout {
        /// The call.
        call: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The engine speaks no API version that is known here.
    #[error(
        "the engine speaks no API version that Holdfast knows (it says `{said}`; 1.41 to {newest} will do)"
    )]
    Version {
        /// The version that it offers.
        said: String,
        /// The newest one that is known here.
        newest: String,
    },
    /// The answer is not what this call answers.
    #[error("the engine's answer to {call} cannot be read")]
    Answer {
        /// The call.
        call: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The node is no manager of a swarm, or the swarm has none that can write.
    #[error("{call} needs a swarm manager: {message}")]
    NotManager {
        /// The call.
        call: String,
        /// The engine's own words.
        message: String,
    },
    /// Somebody changed the object since it was read: look again.
    #[error("{call}: the object was changed by somebody else since it was read")]
    OutOfSequence {
        /// The call.
        call: String,
    },
    /// An object of that name is there already: look again.
    #[error("{call}: {message}")]
    AlreadyExists {
        /// The call.
        call: String,
        /// The engine's own words.
        message: String,
    },
    /// There is no such object.
    #[error("{call}: {message}")]
    NotFound {
        /// The call.
        call: String,
        /// The engine's own words.
        message: String,
    },
    /// The engine said no.
    #[error("{call} was refused ({status}): {message}")]
    Refused {
        /// The call.
        call: String,
        /// HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// An image could not be loaded or pulled.
    #[error("image `{image}` cannot be brought in: {message}")]
    Image {
        /// Its reference, or what is being loaded.
        image: String,
        /// The engine's own words.
        message: String,
    },
    /// A secret's value is not among the unlocked ones.
    #[error("secret `{name}` cannot be created, because `{source_name}` was not unlocked")]
    NoValue {
        /// Name of the Swarm secret.
        name: String,
        /// The manifest secret or template that holds its value.
        source_name: String,
    },
    /// What was removed is still there.
    #[error("{what} was still there after {seconds} s: {message}")]
    Stuck {
        /// The object.
        what: String,
        /// How long was waited.
        seconds: u64,
        /// What holds it, in the engine's own words.
        message: String,
    },
    /// Services did not converge.
    #[error("{0}")]
    NotConverged(Box<ConvergeError>),
}

impl EngineError {
    /// The exit code of a run that ends with this error.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } => Exit::BadConfig,
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::Version { .. }
            | Self::NotManager { .. }
            | Self::Refused { status: 502..=504, .. } => Exit::Unreachable,
            Self::Answer { .. } => Exit::Internal,
            Self::NoValue { .. } => Exit::SecretFailed,
            Self::OutOfSequence { .. }
            | Self::AlreadyExists { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Image { .. }
            | Self::Stuck { .. }
            | Self::NotConverged(_) => Exit::ApplyFailed,
        }
    }

    /// True where the engine may only be restarting or electing a leader, so that asking again can help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Lost { .. }
                | Self::Timeout { .. }
                | Self::NotManager { .. }
                | Self::Refused { status: 502..=504, .. }
        )
    }

    /// True where a write may have taken effect all the same: nobody knows before somebody looks.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. }
                | Self::Timeout { .. }
                | Self::Answer { .. }
                | Self::NotManager { .. }
                | Self::Refused { status: 500.., .. }
        )
    }

    /// True where the engine keeps what was to be removed because something uses it.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// True where the world is not as it was observed, so that observing and planning again can help.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        matches!(
            self,
            Self::OutOfSequence { .. }
                | Self::AlreadyExists { .. }
                | Self::NotFound { .. }
                | Self::Lost { .. }
        )
    }
}

/// Sorts an answer that is not a success into what can be done about it.
pub(crate) fn refusal(call: String, status: u16, message: String) -> EngineError {
    let says = |text: &str| message.contains(text);
    match status {
        503 | 500
            if says("swarm manager")
                || says("does not have a leader")
                || says("code = Unavailable")
                || says("code = DeadlineExceeded") =>
        {
            EngineError::NotManager { call, message }
        }
        _ if says("already part of a swarm") => EngineError::AlreadyExists { call, message },
        406 | 503 if says("swarm") || says("Swarm") => EngineError::NotManager { call, message },
        _ if says("update out of sequence") => EngineError::OutOfSequence { call },
        409 if says("already exists") || says("name conflicts") => {
            EngineError::AlreadyExists { call, message }
        }
        404 => EngineError::NotFound { call, message },
        _ => EngineError::Refused { call, status, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_what_can_be_done() {
        let kind = |status, text: &str| refusal("POST /x".into(), status, text.into());
        assert!(matches!(
            kind(500, "rpc error: code = Unknown desc = update out of sequence"),
            EngineError::OutOfSequence { .. }
        ));
        assert!(matches!(
            kind(
                409,
                "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service a already exists"
            ),
            EngineError::AlreadyExists { .. }
        ));
        assert!(matches!(
            kind(503, "This node is not a swarm manager. Use \"docker swarm init\""),
            EngineError::NotManager { .. }
        ));
        assert!(matches!(
            kind(500, "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible"),
            EngineError::NotManager { .. }
        ));
        assert!(matches!(kind(404, "service x not found"), EngineError::NotFound { .. }));
        assert!(matches!(kind(400, "invalid reference format"), EngineError::Refused { status: 400, .. }));
        assert_eq!(kind(503, "This node is not a swarm manager").exit(), Exit::Unreachable);
    }
}
