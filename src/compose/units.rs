//! Durations, sizes and processor shares, as docker reads them.

use super::rules::Rule;

/// The rule that such a value breaks.
pub(super) fn rule(key: &str) -> Rule {
    match key {
        "cpus" => Rule::CpusInvalid,
        "memory" => Rule::SizeInvalid,
        "command" | "entrypoint" => Rule::CommandQuote,
        _ => Rule::DurationInvalid,
    }
}

/// What to write for a key whose value could not be read.
pub(super) fn fix(key: &str) -> &'static str {
    match key {
        "cpus" => "write a decimal in quotes, such as `\"0.5\"`",
        "memory" => "write a size such as `64M` or `1G`",
        "command" | "entrypoint" => "close the quote, or write a list",
        _ => "write a duration such as `10s` or `1m30s`",
    }
}

/// A Go duration in nanoseconds.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    const WRONG: &str = "is not a duration";
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(WRONG.to_owned());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or(WRONG)?;
        let (number, tail) = rest.split_at(end);
        let (unit, nanos) = [
            ("ns", 1_i128),
            ("us", 1_000),
            ("µs", 1_000),
            ("μs", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ]
        .into_iter()
        .find(|(unit, _)| tail.starts_with(unit))
        .ok_or(WRONG)?;
        total = decimal(number, nanos).and_then(|part| total.checked_add(part)).ok_or(WRONG)?;
        rest = tail.get(unit.len()..).unwrap_or_default();
        if !rest.is_empty() && !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Err(WRONG.to_owned());
        }
    }
    i64::try_from(total * sign).map_err(|_| "is too long".to_owned())
}

/// `12.5` of something that has `scale` parts, rounded down.
fn decimal(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..fraction.len().min(18))?;
    let digits = u32::try_from(fraction.len()).ok()?;
    let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.checked_mul(scale)?.checked_add(part.checked_mul(scale)? / 10_i128.checked_pow(digits)?)
}

/// A size in bytes: a number and `b`, `k`, `m`, `g`, `t`, `p`, each also with `b` or `ib` behind it.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before, the fraction falls away")]
pub(super) fn bytes(text: &str) -> Result<i64, String> {
    let wrong = || "is not a size".to_owned();
    let last = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').ok_or_else(wrong)?;
    let (number, suffix) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '+') {
        return Err(wrong());
    }
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let scale: f64 = match suffix.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1_048_576.0,
        "g" | "gb" | "gib" => 1_073_741_824.0,
        "t" | "tb" | "tib" => 1_099_511_627_776.0,
        "p" | "pb" | "pib" => 1_125_899_906_842_624.0,
        _ => return Err(wrong()),
    };
    let size = number * scale;
    if size.is_finite() && size < 9.0e18 { Ok(size as i64) } else { Err("is too large".to_owned()) }
}

/// A share of processors in billionths.
pub(super) fn cpus(text: &str) -> Result<i64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction).trim_end_matches('0');
    if !digits || text.len() > 30 {
        return Err("is not a number of processors".to_owned());
    }
    if fraction.len() > 9 {
        return Err("is more precise than a billionth".to_owned());
    }
    decimal(text, 1_000_000_000)
        .and_then(|value| i64::try_from(value).ok())
        .ok_or_else(|| "is not a number of processors".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_as_go_does() {
        for (text, want) in [
            ("0", 0),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("-5s", -5_000_000_000),
            ("1h2m3.004s", 3_723_004_000_000),
            ("10us", 10_000),
        ] {
            assert_eq!(duration(text), Ok(want), "{text}");
        }
        for text in ["", "5", "--5s", "s", "1x", "1s ", "1..5s", "99999999999h", "."] {
            assert!(duration(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn reads_sizes_and_shares_as_docker_does() {
        for (text, want) in
            [("64M", 67_108_864), ("1.5gb", 1_610_612_736), ("512", 512), ("10 KiB", 10_240), ("32b", 32)]
        {
            assert_eq!(bytes(text), Ok(want), "{text}");
        }
        for text in ["", "M", "-1M", "1x", "1kbb", "1.2.3M", "inf"] {
            assert!(bytes(text).is_err(), "{text:?} was accepted");
        }
        assert_eq!(cpus("0.25"), Ok(250_000_000));
        assert_eq!(cpus("2"), Ok(2_000_000_000));
        assert!(cpus("0.0000000001").is_err());
        assert!(cpus("half").is_err());
    }
}
