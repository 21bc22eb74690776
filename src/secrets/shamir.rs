//! Shamir's secret sharing in the layout that sops took from Vault: GF(2^8) with 0x11B; a share is one byte of
//! each polynomial followed by x. Multiplication takes the same time for every operand.

use zeroize::Zeroizing;

/// The secret behind the shares; `None` when they have unequal lengths, a zero x, or the same x twice.
pub(super) fn combine(shares: &[Zeroizing<Vec<u8>>]) -> Option<Zeroizing<Vec<u8>>> {
    let parts: Vec<(u8, &[u8])> =
        shares.iter().map(|share| share.split_last().map(|(x, ys)| (*x, ys))).collect::<Option<_>>()?;
    let length = parts.first()?.1.len();
    for (index, (x, ys)) in parts.iter().enumerate() {
        let twice = parts.iter().skip(index + 1).any(|(other, _)| other == x);
        if *x == 0 || twice || ys.len() != length {
            return None;
        }
    }
    let mut secret = Zeroizing::new(vec![0_u8; length]);
    for (x, ys) in &parts {
        // The Lagrange coefficient of this share at zero.
        let others = parts.iter().filter(|(other, _)| other != x);
        let weight = others.fold(1, |weight, (other, _)| mul(weight, mul(*other, inverse(other ^ x))));
        for (byte, y) in secret.iter_mut().zip(ys.iter()) {
            *byte ^= mul(weight, *y);
        }
    }
    Some(secret)
}

fn mul(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0_u8);
    for bit in 0..8 {
        product ^= a & 0_u8.wrapping_sub((b >> bit) & 1);
        let carry = 0_u8.wrapping_sub(a >> 7);
        a = (a << 1) ^ (carry & 0x1b);
    }
    product
}

/// a^254, which is 1/a.
fn inverse(a: u8) -> u8 {
    let mut result = 1;
    for _ in 0..254 {
        result = mul(result, a);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(secret: u8, slope: u8, x: u8) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(vec![secret ^ mul(slope, x), x])
    }

    #[test]
    fn inverse_is_inverse() {
        assert!((1..=255).all(|a| mul(a, inverse(a)) == 1));
        assert_eq!(mul(0x53, 0xca), 1, "the worked example of FIPS 197");
    }

    #[test]
    fn any_two_of_three_shares_give_the_secret_and_bad_ones_are_refused() {
        for (a, b) in [(1, 2), (1, 3), (3, 2)] {
            let secret = combine(&[share(0x42, 0x99, a), share(0x42, 0x99, b)]).expect("combined");
            assert_eq!(secret.as_slice(), [0x42]);
        }
        assert!(combine(&[share(1, 2, 1), share(1, 2, 1)]).is_none());
        assert!(combine(&[share(1, 2, 0), share(1, 2, 1)]).is_none());
    }
}
