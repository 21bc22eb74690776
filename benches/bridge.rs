//! Sends signed deliveries to a bridge, each with a comment of its own, and counts nothing but 202. `tests/bench/bridge.sh`
//! makes what is sent and builds this by itself, so it uses nothing but the standard library.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Deliveries: the same text but for the comment's number.
struct Deliveries {
    before: Vec<u8>,
    after: Vec<u8>,
    /// Number and signature of each.
    each: Vec<(String, String)>,
}

#[expect(clippy::print_stdout, reason = "the result is what it is for")]
fn main() -> Result<()> {
    // Cargo hands `--bench` to every benchmark.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [address, folder, from, count, connections, rate] = args.as_slice() else {
        return Err("usage: bridge ADDRESS FOLDER FROM COUNT CONNECTIONS RATE (0: as fast as it goes)".into());
    };
    let (from, count): (usize, usize) = (from.parse()?, count.parse()?);
    let rate: u32 = rate.parse()?;
    let each = std::fs::read_to_string(format!("{folder}/each"))?;
    let each = each.lines().skip(from).take(count).filter_map(|line| {
        let (number, signature) = line.split_once(' ')?;
        Some((number.to_owned(), signature.to_owned()))
    });
    let deliveries = Deliveries {
        before: std::fs::read(format!("{folder}/before"))?,
        after: std::fs::read(format!("{folder}/after"))?,
        each: each.collect(),
    };
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let mut taken = Vec::new();
    let mut other = 0;
    std::thread::scope(|scope| -> Result<()> {
        let client = || client(address, &deliveries, &next, (start, rate));
        let clients: Vec<_> = (0..connections.parse()?).map(|_| scope.spawn(client)).collect();
        for client in clients {
            let (mine, refused) = client.join().map_err(|_| "a client died")??;
            taken.extend(mine);
            other += refused;
        }
        Ok(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    taken.sort_unstable();
    let at = |part: usize| taken.get((taken.len() * part / 1000).min(taken.len().saturating_sub(1)));
    let micros = |part| at(part).copied().unwrap_or_default().as_micros();
    let accepted = taken.len();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = accepted as f64 / seconds;
    println!(
        "accepted {accepted} other {other} seconds {seconds:.2} rate {rate:.0} p50 {} p99 {} p999 {} max {}",
        micros(500),
        micros(990),
        micros(999),
        micros(1000)
    );
    Ok(())
}

/// One connection that is kept; times run from when a delivery was due, so that a stall is not hidden by waiting for it.
fn client(
    address: &str,
    deliveries: &Deliveries,
    next: &AtomicUsize,
    (start, rate): (Instant, u32),
) -> Result<(Vec<Duration>, usize)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let length = deliveries.before.len() + deliveries.after.len();
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    let (mut taken, mut other) = (Vec::new(), 0);
    while let Some((place, (number, signature))) = {
        let place = next.fetch_add(1, Ordering::Relaxed);
        deliveries.each.get(place).map(|one| (place, one))
    } {
        let mut due = Instant::now();
        if rate > 0 {
            due = start + Duration::from_secs(1) / rate * u32::try_from(place)?;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        request.clear();
        write!(
            request,
            "POST /hook HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\nX-Gitea-Event: issue_comment\r\n\
             X-Gitea-Signature: {signature}\r\nContent-Length: {}\r\n\r\n",
            length + number.len()
        )?;
        request.extend_from_slice(&deliveries.before);
        request.extend_from_slice(number.as_bytes());
        request.extend_from_slice(&deliveries.after);
        stream.write_all(&request)?;
        if status(&mut stream, &mut answer)? == "202" {
            taken.push(due.elapsed());
        } else {
            other += 1;
        }
    }
    Ok((taken, other))
}

/// Reads one answer to its end.
fn status(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<String> {
    answer.clear();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
            if body.len() >= length.trim().parse()? {
                return Ok(head.split(' ').nth(1).unwrap_or_default().to_owned());
            }
        }
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        answer.extend_from_slice(chunk.get(..read).unwrap_or_default());
    }
}
