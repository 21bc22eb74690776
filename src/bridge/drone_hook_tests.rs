//! Each forged call is one byte or one minute away from a right one.

use super::*;

const BODY: &[u8] = b"{\"event\":\"build\"}";
const DATE: &str = "Sun, 01 Mar 2026 10:00:00 GMT";

fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

fn digest(body: &[u8]) -> String {
    format!("SHA-256={}", STANDARD.encode(Sha256::digest(body)))
}

fn mac(key: &str, date: &str, digest: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("date: {date}\ndigest: {digest}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn header(signature: &str) -> String {
    format!("keyId=\"hmac-key\",algorithm=\"hmac-sha256\",headers=\"date digest\",signature=\"{signature}\"")
}

fn judged(lines: &[(&'static str, &str)], body: &[u8], now: &str) -> Result<(), Unsigned> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    check(&secret("drone-hook"), &headers, body, now.parse().unwrap())
}

#[test]
fn a_call_is_drones_when_date_and_body_are_signed_and_it_is_young() {
    let (digest, now) = (digest(BODY), "2026-03-01T10:00:03Z");
    let right = header(&mac("drone-hook", DATE, &digest));
    let lines = [("date", DATE), ("digest", digest.as_str()), ("signature", right.as_str())];
    assert_eq!(judged(&lines, BODY, now), Ok(()));
    for (now, so) in [
        ("2026-03-01T10:04:59Z", Ok(())),
        ("2026-03-01T09:55:01Z", Ok(())),
        ("2026-03-01T10:05:01Z", Err(Unsigned::Old)),
        ("2026-03-01T09:54:59Z", Err(Unsigned::Old)),
        ("2030-01-01T00:00:00Z", Err(Unsigned::Old)),
    ] {
        assert_eq!(judged(&lines, BODY, now), so, "{now}");
    }
    assert_eq!(judged(&lines, b"{\"event\":\"user\"}", now), Err(Unsigned::Wrong), "another body");
    for gone in 0..3 {
        let rest: Vec<_> = (0..3).filter(|at| *at != gone).map(|at| lines[at]).collect();
        assert_eq!(judged(&rest, BODY, now), Err(Unsigned::Missing));
        let twice: Vec<_> = lines.iter().copied().chain([lines[gone]]).collect();
        assert_eq!(judged(&twice, BODY, now), Err(Unsigned::Twice));
    }
}

#[test]
fn nothing_but_drones_own_form_of_a_signature_is_taken() {
    let (digest, now) = (digest(BODY), "2026-03-01T10:00:00Z");
    let right = mac("drone-hook", DATE, &digest);
    let with =
        |signature: &str| judged(&[("date", DATE), ("digest", &digest), ("signature", signature)], BODY, now);
    assert_eq!(with(&header(&right)), Ok(()));
    let reordered = format!("signature=\"{right}\", headers=\"date digest\", algorithm=\"hmac-sha256\"");
    assert_eq!(with(&reordered), Ok(()));
    assert_eq!(with(&header(&mac("", DATE, &digest))), Err(Unsigned::Wrong), "an empty secret");
    assert_eq!(with(&header(&mac("other", DATE, &digest))), Err(Unsigned::Wrong));
    assert_eq!(with(&header("")), Err(Unsigned::Wrong));
    // A body whose digest is not signed, a hash that is none, a field that stands twice.
    for malformed in [
        "",
        &right,
        &header(&right).replace("date digest", "date"),
        &header(&right).replace("hmac-sha256", "none"),
        &format!("{},headers=\"date\"", header(&right)),
        &format!("{},signature=\"{right}\"", header(&right)),
        &header("%%%"),
    ] {
        assert_eq!(with(malformed), Err(Unsigned::Malformed), "{malformed}");
    }
}
