//! Times a no-op run of Holdfast beside docker's own and beside the bare requests. `make bench` prepares what it needs
//! and calls it; times are wall clock, from the start of the process to its end.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Rounds; each measures everything once, so that a slow moment of the machine hits all alike.
const ROUNDS: usize = 21;

#[expect(clippy::print_stdout, reason = "the result is what it is for")]
fn main() -> Result<()> {
    // Cargo hands `--bench` to every benchmark.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [socket, requests, apply, deploy, start] = args.as_slice() else {
        return Err(
            "usage: noop SOCKET REQUESTS APPLY DEPLOY START (the last three are command lines)".into()
        );
    };
    let requests = std::fs::read_to_string(requests)?;
    let requests: Vec<&str> = requests.lines().collect();
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let measured = [bare(socket, &requests)?, run(apply)?, run(deploy)?, run(start)?];
        for (all, one) in times.iter_mut().zip(measured) {
            all.push(one);
        }
    }
    for (name, all) in ["bare", "apply", "deploy", "start"].iter().zip(&mut times) {
        all.sort();
        let (Some(least), Some(median)) = (all.first(), all.get(all.len() / 2)) else { continue };
        println!("{name} {} {}", median.as_micros(), least.as_micros());
    }
    Ok(())
}

fn run(line: &str) -> Result<Duration> {
    let mut words = line.split(' ');
    let program = words.next().ok_or("empty command line")?;
    let started = Instant::now();
    let status = Command::new(program).args(words).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let took = started.elapsed();
    if status.success() { Ok(took) } else { Err(format!("`{line}` failed with {status}").into()) }
}

/// The same GETs over one connection; every answer is read to its end.
fn bare(socket: &str, requests: &[&str]) -> Result<Duration> {
    let started = Instant::now();
    let mut stream = UnixStream::connect(socket)?;
    let mut answers = BufReader::with_capacity(1 << 16, stream.try_clone()?);
    let mut body = Vec::new();
    for path in requests {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n").as_bytes())?;
        read_answer(&mut answers, &mut body)?;
    }
    Ok(started.elapsed())
}

fn read_answer(from: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let good = line.split(' ').nth(1).is_some_and(|code| code == "200" || code == "404");
    if !good {
        return Err(format!("the engine answered {line}").into());
    }
    let (mut length, mut chunked) = (0, false);
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        match header.split_once(": ") {
            Some(("content-length", value)) => length = value.parse()?,
            Some(("transfer-encoding", value)) => chunked = value == "chunked",
            _ if header.is_empty() => break,
            _ => {}
        }
    }
    body.clear();
    if !chunked {
        from.take(length).read_to_end(body)?;
        return Ok(());
    }
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim_end(), 16)?;
        // Each chunk, the last and empty one too, ends with a line break of its own.
        from.take(size + 2).read_to_end(body)?;
        if size == 0 {
            return Ok(());
        }
    }
}
