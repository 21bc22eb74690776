//! Numbers and times as Go prints them; MACs and `sops -d` are made of that text.

use jiff::civil::DateTime;

/// A float without an exponent, shortest form: `1234567.5`, `+Inf`. What the MAC hashes.
pub(super) fn plain_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    format!("{value}")
}

/// A float as go-yaml writes it: an exponent below 1e-4 and from 1e6 on, `1.2345675e+06`; `.inf`.
pub(super) fn yaml_float(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    match exponent(value) {
        exp if !(-4..6).contains(&exp) => with_exponent(value, true),
        _ => plain_float(value),
    }
}

/// A float as Go's JSON encoder writes it: an exponent below 1e-6 and from 1e21.
pub(super) fn json_float(value: f64) -> String {
    match exponent(value) {
        exp if !(-6..21).contains(&exp) => with_exponent(value, false),
        _ => plain_float(value),
    }
}

/// A float in a form that knows no types; never one that could be an integer.
pub(super) fn flat_float(value: f64) -> String {
    let text = if value.is_finite() { yaml_float(value).replace('e', "E") } else { plain_float(value) };
    let whole = value.is_finite() && !text.contains(['.', 'E']);
    if whole { format!("{text}.0") } else { text }
}

fn exponent(value: f64) -> i32 {
    let text = format!("{value:e}");
    text.rsplit('e').next().and_then(|exp| exp.parse().ok()).unwrap_or(0)
}

/// `1.5e+06`; Go pads the exponent to two digits, its JSON encoder takes a padded `e-07` back to `e-7`.
fn with_exponent(value: f64, pad: bool) -> String {
    let text = format!("{value:e}");
    let (mantissa, exp) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exp.strip_prefix('-').map_or(('+', exp), |digits| ('-', digits));
    let width = if pad || sign == '+' { 2 } else { 1 };
    format!("{mantissa}e{sign}{digits:0>width$}")
}

/// A time with its offset from UTC, as Go keeps it.
#[derive(Clone)]
pub(super) struct Time {
    civil: DateTime,
    offset_minutes: i32,
}

impl Time {
    /// Reads RFC 3339, and the shorter forms that YAML knows: `2024-1-2`, `2024-1-2 3:4:5.6`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, clock) = match text.find(['T', 't', ' ']) {
            None => (text, None),
            Some(at) => (text.get(..at)?, Some((text.get(at..=at)?, text.get(at + 1..)?))),
        };
        let mut parts = date.split('-');
        let year = parts.next().filter(|year| year.len() == 4).and_then(|year| digits(year, 4))?;
        let (month, day) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        if parts.next().is_some() {
            return None;
        }
        let (mut time, mut offset_minutes) = ((0, 0, 0, 0), 0);
        if let Some((mark, clock)) = clock {
            let at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
            let (clock, zone) = clock.split_at(at);
            // The form with a blank has no zone, the others must have one.
            if (mark == " ") != zone.is_empty() {
                return None;
            }
            offset_minutes = offset(zone)?;
            time = clock_parts(clock)?;
        }
        let civil = DateTime::new(
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
            time.0,
            time.1,
            time.2,
            time.3,
        )
        .ok()?;
        Some(Self { civil, offset_minutes })
    }

    /// Reads RFC 3339 alone, as sops reads `lastmodified`: each digit and sign in its place.
    pub(super) fn stamp(text: &str) -> Option<Self> {
        let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
        let fits = text.bytes().take(19).map(shape).eq(*b"0000-00-00T00:00:00");
        Self::parse(text).filter(|_| fits)
    }

    /// RFC 3339 without a fraction; a zero offset is `Z`. What the MAC is bound to.
    pub(super) fn seconds(&self) -> String {
        let time = &self.civil;
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            self.zone()
        )
    }

    /// RFC 3339 with as many digits of the fraction as there are.
    pub(super) fn nanoseconds(&self) -> String {
        let mut text = self.seconds();
        let nanos = self.civil.subsec_nanosecond();
        if nanos != 0 {
            let fraction = format!("{nanos:09}");
            text.insert_str(19, &format!(".{}", fraction.trim_end_matches('0')));
        }
        text
    }

    fn zone(&self) -> String {
        let minutes = self.offset_minutes.abs();
        match self.offset_minutes {
            0 => "Z".to_owned(),
            offset => {
                let sign = if offset < 0 { '-' } else { '+' };
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

fn digits(text: &str, most: usize) -> Option<i32> {
    let fits = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn clock_parts(clock: &str) -> Option<(i8, i8, i8, i32)> {
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, rest)| (clock, Some(rest)));
    let mut parts = clock.split(':').map(|part| digits(part, 2).and_then(|part| i8::try_from(part).ok()));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let nanos = match fraction {
        None => 0,
        Some(fraction) => digits(&format!("{fraction:0<9}"), 9)?,
    };
    if parts.next().is_some() { None } else { Some((hour, minute, second, nanos)) }
}

fn offset(zone: &str) -> Option<i32> {
    if zone.is_empty() || zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    Some(sign * (digits(hours, 2)? * 60 + digits(minutes, 2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_as_go_prints_them() {
        assert_eq!(plain_float(1e21), "1000000000000000000000");
        assert_eq!(plain_float(1.5), "1.5");
        assert_eq!(plain_float(-0.0), "-0");
        assert_eq!(json_float(1e21), "1e+21");
        assert_eq!(json_float(1e-7), "1e-7");
        assert_eq!(json_float(1_234_567.5), "1234567.5");
        assert_eq!(yaml_float(1_234_567.5), "1.2345675e+06");
        assert_eq!(yaml_float(123_456.0), "123456");
        assert_eq!(yaml_float(0.000_01), "1e-05");
        assert_eq!(yaml_float(f64::NEG_INFINITY), "-.inf");
    }

    #[test]
    fn times_keep_their_offset_and_lose_trailing_zeros() {
        let time = |text: &str| Time::parse(text).map(|time| (time.seconds(), time.nanoseconds()));
        let both = |seconds: &str, nanos: &str| Some((seconds.to_owned(), nanos.to_owned()));
        let utc = "2024-01-02T03:04:05Z";
        assert_eq!(time("2024-01-02T03:04:05.500+00:00"), both(utc, "2024-01-02T03:04:05.5Z"));
        assert_eq!(time("2024-1-2 3:4:5"), both(utc, utc));
        let east = "2024-01-02T03:04:05+05:30";
        assert_eq!(time(east), both(east, east));
        assert_eq!(time("2024-01-02"), both("2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z"));
        for bad in ["2024-13-01", "24-1-1", "2024-01-02T03:04:05", "2024-01-02 03:04:05Z", "2024-1-1-1"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
