//! What a switch that changes nothing costs, by systemd's own clock. A part of `make bench`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::host::Host;

const ROUNDS: usize = 11;

/// Unit → when its process started and ended, microseconds, of those that ran since and are done.
fn ran(host: &Host, since: u64) -> BTreeMap<String, (u64, u64)> {
    let show = "systemctl show --all --property=Id,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic \
                'holdfast-*.service'";
    let shown = host.machine.sh(show);
    let of = |unit: &str| {
        let value =
            |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
        let time = |key: &str| value(key).parse::<u64>().unwrap_or(0);
        let times = (time("ExecMainStartTimestampMonotonic="), time("ExecMainExitTimestampMonotonic="));
        (value("Id="), times)
    };
    shown.split("\n\n").map(of).filter(|(_, (start, end))| *start > since && end > start).collect()
}

fn now(host: &Host) -> u64 {
    let uptime = host.machine.sh("cut -d' ' -f1 /proc/uptime");
    uptime.replace('.', "").parse::<u64>().expect("hundredths of a second") * 10_000
}

/// Median and least, as cells.
fn cells(mut times: Vec<u64>) -> String {
    times.sort_unstable();
    let ms = |time: u64| format!("{}.{} ms", time / 1000, time % 1000 / 100);
    let at = |place: usize| times.get(place).map_or_else(String::new, |time| ms(*time));
    format!("{} | {}", at(times.len() / 2), at(0))
}

#[test]
#[ignore = "a measurement, which `make bench` takes"]
fn a_switch_that_changes_nothing() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let seen = host.seen();
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let since = now(host);
            host.green("first");
            ran(host, since)
        })
        .collect();
    assert_eq!(host.seen(), seen);
    let mut rows = String::new();
    for unit in rounds[0].keys() {
        let times = rounds.iter().map(|round| round[unit].1 - round[unit].0).collect();
        writeln!(rows, "| `{unit}` | {} |", cells(times)).expect("text");
    }
    let together: Vec<u64> =
        rounds.iter().map(|round| round.values().map(|(start, end)| end - start).sum()).collect();
    let span = |round: &BTreeMap<String, (u64, u64)>| {
        round.values().map(|(_, end)| *end).max().unwrap_or(0)
            - round.values().map(|(start, _)| *start).min().unwrap_or(0)
    };
    writeln!(rows, "| all together | {} |", cells(together.clone())).expect("text");
    let spans = rounds.iter().map(span).collect();
    writeln!(rows, "| from the first start to the last end | {} |", cells(spans)).expect("text");
    let place =
        std::env::var_os("HOLDFAST_BENCH_SWITCH").expect("HOLDFAST_BENCH_SWITCH names a file for the rows");
    std::fs::write(place, rows).expect("the rows");
}
