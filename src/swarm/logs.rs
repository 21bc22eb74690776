//! What services and tasks wrote.

use std::pin::pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::{Stream, StreamExt};

use super::images::chain;
use super::{Engine, EngineError};

/// More of a log is not read: what a service writes may not fill this host's memory.
const MOST: usize = 16 << 20;
/// A line that is longer counts as several.
const LINE: usize = 1 << 20;
/// How long reading a log may take: the engine waits for nodes that do not answer.
const READ: Duration = Duration::from_secs(10);

impl Engine {
    /// The last `lines` lines of a task's or service's log, oldest first; empty where there are none or they cannot be
    /// had, since this only adds to an error that is being told already.
    pub async fn log_tail(&self, task_or_service: &str, lines: usize) -> Vec<String> {
        let options = || options().tail(&lines.to_string()).build();
        let task = read(task_or_service, self.docker.task_logs(task_or_service, Some(options()))).await;
        if let Ok(found) = task {
            return found;
        }
        let service = self.docker.service_logs(task_or_service, Some(options()));
        read(task_or_service, service).await.unwrap_or_default()
    }

    /// Hands on every line that a task wrote since `since`, in seconds since 1970, in time with the engine: nothing of
    /// it is kept. The caller says how long that may take.
    ///
    /// # Errors
    /// [`EngineError::Answer`] when the task is not there or its log cannot be read to the end.
    pub async fn task_log(
        &self,
        task: &str,
        since: i64,
        each: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), EngineError> {
        let since = i32::try_from(since.max(0)).unwrap_or(i32::MAX);
        let mut stream = pin!(self.docker.task_logs(task, Some(options().since(since).build())));
        let mut rest: [Vec<u8>; 2] = Default::default();
        while let Some(part) = stream.next().await {
            let call = || format!("the log of `{task}`");
            let part = part.map_err(|e| EngineError::Answer { call: call(), source: chain(&e).into() })?;
            let [out, err] = &mut rest;
            let rest = if matches!(part, LogOutput::StdErr { .. }) { err } else { out };
            rest.extend_from_slice(part.as_ref());
            hand_on(rest, each);
        }
        rest.iter().filter(|rest| !rest.is_empty()).for_each(|rest| each(&String::from_utf8_lossy(rest)));
        Ok(())
    }
}

/// Hands on the whole lines of what came so far, and keeps the rest; a line without an end is cut.
fn hand_on(came: &mut Vec<u8>, each: &mut (dyn FnMut(&str) + Send)) {
    while let Some(end) = came.iter().position(|byte| *byte == b'\n').or((came.len() > LINE).then_some(LINE))
    {
        let line: Vec<u8> = came.drain(..=end).collect();
        each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
    }
}

fn options() -> LogsOptionsBuilder {
    LogsOptionsBuilder::default().stdout(true).stderr(true)
}

async fn read<S, L>(of: &str, mut stream: S) -> Result<Vec<String>, EngineError>
where
    S: Stream<Item = Result<L, bollard::errors::Error>> + Unpin,
    L: AsRef<[u8]>,
{
    let call = || format!("the log of `{of}`");
    let mut text = Vec::new();
    let gather = async {
        while let Some(part) = stream.next().await {
            let part = part.map_err(|e| EngineError::Answer { call: call(), source: chain(&e).into() })?;
            if text.len() + part.as_ref().len() > MOST {
                let source = format!("it is longer than {MOST} bytes").into();
                return Err(EngineError::Answer { call: call(), source });
            }
            text.extend_from_slice(part.as_ref());
        }
        Ok(())
    };
    match tokio::time::timeout(READ, gather).await {
        Ok(read) => read?,
        Err(_) => return Err(EngineError::Timeout { call: call(), seconds: READ.as_secs() }),
    }
    Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_without_an_end_is_not_gathered_in_memory() {
        let endless = futures_util::stream::repeat_with(|| Ok(vec![b'x'; 1 << 20])).take(1000);
        let error = read("web_app", endless).await.unwrap_err();
        assert!(matches!(&error, EngineError::Answer { call, .. } if call.contains("`web_app`")), "{error}");
        let short = futures_util::stream::iter([Ok(b"one\ntw".to_vec()), Ok(b"o\n".to_vec())]);
        assert_eq!(read("web_app", short).await.unwrap(), ["one", "two"]);
    }
}
