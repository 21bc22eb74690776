//! Bringing images in. The engine answers 200 first and tells of a failure in the stream, so the stream is read.

use std::io;

use bollard::models::ErrorDetail;
use bollard::query_parameters::{CreateImageOptionsBuilder, ImportImageOptionsBuilder};
use futures_util::{Stream, StreamExt};
use hyper::body::Bytes;

use super::{Engine, EngineError};

impl Engine {
    /// Streams a docker-archive into `POST /images/load`. `image` names it in errors.
    ///
    /// # Errors
    /// [`EngineError::Image`] with the engine's words when the archive is refused or breaks off.
    pub async fn load_image<S>(&self, image: &str, archive: S) -> Result<(), EngineError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let mut lines = self.docker.import_image_stream(options, archive, None);
        while let Some(line) = lines.next().await {
            settle(image, line.map(|line| line.error_detail))?;
        }
        Ok(())
    }

    /// Pulls `name:tag@sha256:…` from its registry.
    ///
    /// # Errors
    /// [`EngineError::Image`] with the engine's or the registry's words.
    pub async fn pull(&self, reference: &str) -> Result<(), EngineError> {
        let options = CreateImageOptionsBuilder::default().from_image(reference).build();
        let mut lines = self.docker.create_image(Some(options), None, None);
        while let Some(line) = lines.next().await {
            settle(reference, line.map(|line| line.error_detail))?;
        }
        Ok(())
    }
}

fn settle(image: &str, line: Result<Option<ErrorDetail>, bollard::errors::Error>) -> Result<(), EngineError> {
    let message = match line {
        Ok(None) => return Ok(()),
        Ok(Some(detail)) => detail.message.unwrap_or_else(|| "the engine gives no reason".to_owned()),
        Err(bollard::errors::Error::DockerStreamError { error }) => error,
        Err(bollard::errors::Error::DockerResponseServerError { message, .. }) => message,
        Err(other) => chain(&other),
    };
    Err(EngineError::Image { image: image.to_owned(), message })
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}
