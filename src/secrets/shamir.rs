//! Shamir's secret sharing in the layout that sops took from Vault: GF(2^8) with 0x11B; a share is one byte of
//! each polynomial followed by x. Multiplication takes the same time for every operand.

use std::io;

use zeroize::Zeroizing;

use super::random;

/// Most parts that a field of 256 elements has room for: x is never zero.
const MOST_PARTS: usize = 255;

/// Why a secret cannot be split.
#[derive(Debug, thiserror::Error)]
pub(super) enum SplitError {
    /// Too few or too many parts, or a threshold outside of them.
    #[error(
        "{threshold} of {parts} key groups cannot be asked for: write 2 to 255 groups and a threshold from 2 to their number"
    )]
    Numbers {
        /// How many parts were asked for.
        parts: usize,
        /// How many of them shall give the secret.
        threshold: usize,
    },
    /// The kernel gave no random bytes.
    #[error("the kernel gave no random bytes: {0}")]
    Random(#[from] io::Error),
}

/// Splits a secret into `parts` shares, any `threshold` of which give it back; x is 1 for the first, 2 for the next.
pub(super) fn split(
    secret: &[u8],
    parts: usize,
    threshold: usize,
) -> Result<Vec<Zeroizing<Vec<u8>>>, SplitError> {
    let numbers = SplitError::Numbers { parts, threshold };
    let Some(last) = u8::try_from(parts).ok().filter(|_| parts <= MOST_PARTS) else { return Err(numbers) };
    if threshold < 2 || threshold > parts || secret.is_empty() {
        return Err(numbers);
    }
    // The coefficients above the constant one, highest first, for all bytes of the secret at once.
    let mut slopes = Zeroizing::new(vec![0_u8; secret.len() * (threshold - 1)]);
    random::fill(&mut slopes)?;
    let share = |x: u8| {
        let mut ys = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
        ys.resize(secret.len(), 0_u8);
        for row in slopes.chunks(secret.len()).chain([secret]) {
            for (y, coefficient) in ys.iter_mut().zip(row) {
                *y = mul(*y, x) ^ coefficient;
            }
        }
        ys.push(x);
        ys
    };
    Ok((1..=last).map(share).collect())
}

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

    #[test]
    fn impossible_numbers_are_refused() {
        for (parts, threshold) in [(1, 1), (2, 1), (2, 3), (0, 0), (256, 2), (2, 0)] {
            assert!(
                matches!(split(&[1], parts, threshold), Err(SplitError::Numbers { .. })),
                "{parts} {threshold}"
            );
        }
        assert_eq!(split(&[7; 32], 255, 255).unwrap().len(), 255);
    }

    #[test]
    fn fewer_than_the_threshold_say_nothing_of_the_secret() {
        // Each value of one byte is as likely as any other to come from one share of two.
        let mut seen = [0_u32; 256];
        for _ in 0..8192 {
            seen[usize::from(split(&[0x42], 2, 2).unwrap()[0][0])] += 1;
        }
        assert!(seen.iter().all(|count| *count > 4 && *count < 96), "{seen:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_shares_from_the_threshold_on_give_the_secret(
            secret in proptest::collection::vec(0_u8.., 1..40),
            parts in 2_usize..9,
            threshold in 2_usize..9,
            order in proptest::collection::vec(0_usize..9, 9),
        ) {
            let threshold = threshold.min(parts);
            let mut shares = split(&secret, parts, threshold).unwrap();
            for (at, with) in order.into_iter().enumerate() {
                shares.swap(at % parts, with % parts);
            }
            for count in threshold..=parts {
                assert_eq!(*combine(&shares[..count]).unwrap(), secret);
            }
            if secret.len() > 7 {
                let few = combine(&shares[..threshold - 1]);
                assert!(few.is_none_or(|few| *few != secret));
            }
        }
    }
}
