//! What services and tasks wrote.

use std::pin::pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;

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

    /// Hands on every line that a task wrote, with when it did by the engine's clock, in time with the engine: nothing of it
    /// is kept. The caller says how long that may take.
    ///
    /// # Errors
    /// [`EngineError::Answer`] when the task is not there or its log cannot be read to the end.
    pub async fn task_log(
        &self,
        task: &str,
        each: &mut (dyn FnMut(&str, Option<Timestamp>) + Send),
    ) -> Result<(), EngineError> {
        let mut stream = pin!(self.docker.task_logs(task, Some(options().timestamps(true).build())));
        let [mut out, mut err] = [Came::default(), Came::default()];
        while let Some(part) = stream.next().await {
            let call = || format!("the log of `{task}`");
            let part = part.map_err(|e| EngineError::Answer { call: call(), source: chain(&e).into() })?;
            match part {
                LogOutput::StdErr { message } => err.message(&message, each),
                // A terminal's output comes in pieces of any size.
                LogOutput::Console { message } => out.piece(&message, each),
                LogOutput::StdOut { message } | LogOutput::StdIn { message } => out.message(&message, each),
            }
        }
        out.end(each);
        err.end(each);
        Ok(())
    }
}

/// What came of one stream and is no whole line yet.
#[derive(Default)]
struct Came {
    rest: Vec<u8>,
    /// When the rest was written, where its message said so.
    written: Option<Timestamp>,
}

type Each<'e> = dyn FnMut(&str, Option<Timestamp>) + Send + 'e;

impl Came {
    /// Takes one message: a time and a line, or a time and a part of a line that is too long for one message.
    fn message(&mut self, message: &[u8], each: &mut Each<'_>) {
        let (written, text) = stamped(message);
        if self.rest.is_empty() {
            self.written = written;
        }
        self.rest.extend_from_slice(text);
        while let Some(line) = self.line() {
            each(&line, self.written);
        }
    }

    /// Takes a piece of a text in which each line begins with a time.
    fn piece(&mut self, piece: &[u8], each: &mut Each<'_>) {
        self.rest.extend_from_slice(piece);
        while let Some(line) = self.line() {
            let (written, text) = stamped(line.as_bytes());
            each(&String::from_utf8_lossy(text), written);
        }
    }

    /// The next whole line; one without an end is cut.
    fn line(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let end = end.or((self.rest.len() > LINE).then_some(LINE))?;
        let line: Vec<u8> = self.rest.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Hands on a last line that has no end.
    fn end(&self, each: &mut Each<'_>) {
        if !self.rest.is_empty() {
            each(&String::from_utf8_lossy(&self.rest), self.written);
        }
    }
}

/// The time that a message begins with, and what follows; `None` and all of it where it begins with none.
fn stamped(message: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let Some((time, text)) = message.iter().position(|byte| *byte == b' ').and_then(|end| {
        let (time, text) = message.split_at_checked(end)?;
        Some((std::str::from_utf8(time).ok()?.parse::<Timestamp>().ok()?, text.get(1..)?))
    }) else {
        return (None, message);
    };
    (Some(time), text)
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

    #[test]
    fn each_line_carries_the_time_of_its_message() {
        let lines = |feed: &dyn Fn(&mut Came, &mut Each<'_>)| {
            let (mut came, mut lines) = (Came::default(), Vec::new());
            let mut each = |line: &str, written: Option<Timestamp>| {
                lines.push((line.to_owned(), written.map(Timestamp::as_second)));
            };
            feed(&mut came, &mut each);
            came.end(&mut each);
            lines
        };
        let told = lines(&|came, each| {
            came.message(b"1970-01-01T00:00:01.000000000Z one\n", each);
            // A long line comes in several messages.
            came.message(b"1970-01-01T00:00:02.000000000Z tw", each);
            came.message(b"1970-01-01T00:00:03.000000000Z o\n", each);
            came.message(b"no time\n", each);
            came.message(b"1970-01-01T00:00:04Z end", each);
        });
        let line = |text: &str, second| (text.to_owned(), second);
        assert_eq!(
            told,
            [line("one", Some(1)), line("two", Some(2)), line("no time", None), line("end", Some(4))]
        );
        let told = lines(&|came, each| {
            came.piece(b"1970-01-01T00:00:01Z one\r\n1970-01-01T00:", each);
            came.piece(b"00:02Z two\n", each);
        });
        assert_eq!(told, [line("one", Some(1)), line("two", Some(2))]);
    }
}
