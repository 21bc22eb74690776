//! What a plain scalar means to docker's YAML reader, and how it prints the result as text.
//!
//! The rules are those of go-yaml v3 reading into untyped values: YAML 1.1 octals and underscores, YAML 1.2
//! booleans, timestamps. A value that lands in a text (an environment variable, a label) is printed as Go
//! prints it.

/// A plain scalar, typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    /// Nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A timestamp, as docker prints it.
    Time(String),
    /// Text, as it stands.
    Text(String),
}

/// Types a plain scalar.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes().first() {
        Some(b'+' | b'-' | b'0'..=b'9') => number(text),
        Some(b'.') if is_float(text) => text.parse().ok().map(Scalar::Float),
        _ => None,
    };
    number.unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

fn number(text: &str) -> Option<Scalar> {
    if let Some(time) = timestamp(text) {
        return Some(Scalar::Time(time));
    }
    let plain = text.replace('_', "");
    if let Some(value) = integer(&plain) {
        return Some(Scalar::Int(value));
    }
    if is_float(&plain) { plain.parse().ok().map(Scalar::Float) } else { None }
}

/// An integer that fits 64 bits, signed or not: decimal, `0x`, `0b`, `0o`, or octal by a leading zero.
fn integer(plain: &str) -> Option<i128> {
    let (negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, plain.get(1..)?),
        b'+' => (false, plain.get(1..)?),
        _ => (false, plain),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?)
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let size = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -size } else { size };
    let fits = value >= i128::from(i64::MIN) && value <= i128::from(u64::MAX);
    fits.then_some(value)
}

/// True for `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa && exponent.is_none_or(|part| digits(part.strip_prefix(['-', '+']).unwrap_or(part)))
}

/// A timestamp, printed as Go prints one: `2024-01-01 00:00:00 +0000 UTC`.
fn timestamp(text: &str) -> Option<String> {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at)?, Some((text.get(at..at + 1)?, text.get(at + 1..)?))),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let number = |part: &str, most: usize| -> Option<i16> {
        let fine = !part.is_empty() && part.len() <= most && part.bytes().all(|byte| byte.is_ascii_digit());
        if fine { part.parse().ok() } else { None }
    };
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let valid = jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let date = format!("{:04}-{:02}-{:02}", valid.year(), valid.month(), valid.day());
    let Some((separator, time)) = time else { return Some(format!("{date} 00:00:00 +0000 UTC")) };
    let (clock, zone) = if separator == " " { (time, "+0000 UTC".to_owned()) } else { zone(time)? };
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, second) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, parts.next()?);
    let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
    let second = number(second, 2)?;
    if hour > 23 || minute > 59 || second > 59 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.get(..fraction.len().min(9))?.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{date} {hour:02}:{minute:02}:{second:02}{dot}{fraction} {zone}"))
}

/// Splits `15:04:05Z` or `15:04:05+02:00`; the zone as Go prints it.
fn zone(time: &str) -> Option<(&str, String)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, "+0000 UTC".to_owned()));
    }
    let at = time.rfind(['+', '-'])?;
    let (clock, zone) = time.split_at(at);
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let offset = format!("{}{hours}{minutes}", zone.get(..1)?);
    let named = if offset.ends_with("0000") { "+0000 UTC".to_owned() } else { format!("{offset} {offset}") };
    Some((clock, named))
}

/// A float as Go's `%v` prints it: shortest digits, with an exponent below 1e-4 and from 1e6.
pub(super) fn go_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let short = format!("{value:e}");
    let (mantissa, exponent) = short.split_once('e').unwrap_or((&short, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::super::tree::Kind;
    use super::*;

    /// What docker puts into an environment variable for a plain scalar.
    fn printed(text: &str) -> String {
        Kind::from(resolve(text)).go_text().unwrap_or_else(|| "<nil>".to_owned())
    }

    #[test]
    fn prints_scalars_as_docker_does() {
        for (text, want) in [
            ("0440", "288"),
            ("1_000", "1000"),
            ("09", "9"),
            ("-0x1F", "-31"),
            ("0o17", "15"),
            ("0b101", "5"),
            ("1e6", "1e+06"),
            ("1.10", "1.1"),
            ("1.0", "1"),
            ("123456789.5", "1.234567895e+08"),
            ("0.00001", "1e-05"),
            ("2024-01-01", "2024-01-01 00:00:00 +0000 UTC"),
            ("2024-1-2T3:04:05.500Z", "2024-01-02 03:04:05.5 +0000 UTC"),
            ("2024-01-02T03:04:05+02:00", "2024-01-02 03:04:05 +0200 +0200"),
            ("yes", "yes"),
            ("off", "off"),
            ("1.2.3", "1.2.3"),
            ("10:30", "10:30"),
            ("12e", "12e"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "1.8446744073709552e+19"),
            ("~", "<nil>"),
        ] {
            assert_eq!(printed(text), want, "{text}");
        }
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        assert_eq!(resolve("True"), Scalar::Bool(true));
        for text in ["yes", "on", "y", "tRUE"] {
            assert_eq!(resolve(text), Scalar::Text(text.to_owned()), "{text}");
        }
    }
}
