//! Shamir's secret sharing over GF(2⁸), as sops took it from `HashiCorp` Vault (shamir/shamir.go).

use thiserror::Error;
use zeroize::Zeroizing;

/// Why shares cannot be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShamirError {
    /// Fewer than two shares.
    #[error("failed to combine fewer than two shares")]
    TooFew,
    /// Shares of different lengths, or of less than two bytes.
    #[error("failed to combine shares of different or impossible lengths")]
    Length,
    /// Two shares of the same point, or one of the point where the secret is.
    #[error("failed to combine shares: two are of the same point, or one is of point 0")]
    Point,
}

/// The secret: for each byte, the value at 0 of the polynomial through the shares. The last byte of a share is its
/// point.
pub(crate) fn combine(shares: &[Zeroizing<Vec<u8>>]) -> Result<Zeroizing<Vec<u8>>, ShamirError> {
    if shares.len() < 2 {
        return Err(ShamirError::TooFew);
    }
    let mut points = Vec::with_capacity(shares.len());
    let mut values = Vec::with_capacity(shares.len());
    for share in shares {
        let (point, bytes) = share.split_last().ok_or(ShamirError::Length)?;
        points.push(*point);
        values.push(bytes);
    }
    let length = values.first().map_or(0, |bytes| bytes.len());
    if length == 0 || values.iter().any(|bytes| bytes.len() != length) {
        return Err(ShamirError::Length);
    }
    let is_repeated =
        |(index, point): (usize, &u8)| points.iter().skip(index + 1).any(|other| other == point);
    if points.contains(&0) || points.iter().enumerate().any(is_repeated) {
        return Err(ShamirError::Point);
    }
    let mut secret = Zeroizing::new(vec![0; length]);
    for (point, bytes) in points.iter().zip(&values) {
        let weight = weight_at_zero(*point, &points);
        for (sum, value) in secret.iter_mut().zip(*bytes) {
            *sum ^= multiply(weight, *value);
        }
    }
    Ok(secret)
}

/// As many shares as are asked for, of which `threshold` make the secret, each with its point, from 1, as its last
/// byte. The secret is the value at 0 of random polynomials, one for each byte.
pub(crate) fn split(
    secret: &[u8],
    shares: usize,
    threshold: usize,
    random: &mut dyn FnMut(&mut [u8]),
) -> Vec<Zeroizing<Vec<u8>>> {
    let mut coefficients = Zeroizing::new(vec![0; secret.len() * threshold.saturating_sub(1)]);
    random(&mut coefficients);
    let of_byte = |index| coefficients.iter().skip(index).step_by(secret.len());
    let points = (1..=u8::MAX).take(shares);
    points
        .map(|point| {
            let mut share = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
            for (index, byte) in secret.iter().enumerate() {
                let above = of_byte(index)
                    .rev()
                    .fold(0, |value, coefficient| multiply(value ^ coefficient, point));
                share.push(byte ^ above);
            }
            share.push(point);
            share
        })
        .collect()
}

/// Lagrange's basis polynomial of a point, at 0: the product of x / (x - point) over the other points.
fn weight_at_zero(point: u8, points: &[u8]) -> u8 {
    points
        .iter()
        .filter(|other| **other != point)
        .fold(1, |product, other| {
            multiply(product, multiply(*other, invert(*other ^ point)))
        })
}

/// Multiplication in GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1, in constant time.
fn multiply(left: u8, right: u8) -> u8 {
    let (mut left, mut product) = (left, 0);
    for bit in 0..8 {
        product ^= left & ((right >> bit) & 1).wrapping_neg();
        left = (left << 1) ^ (0x1B & (left >> 7).wrapping_neg());
    }
    product
}

/// The inverse, by Fermat: value²⁵⁴. The inverse of 0 is 0; no caller asks for it.
fn invert(value: u8) -> u8 {
    let mut power = value;
    for _ in 0..6 {
        power = multiply(multiply(power, power), value);
    }
    multiply(power, power)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(bytes.to_vec())
    }

    /// The value at a point of the polynomial whose value at 0 is the first coefficient.
    fn evaluate(coefficients: &[u8], point: u8) -> u8 {
        coefficients
            .iter()
            .rev()
            .fold(0, |value, coefficient| multiply(value, point) ^ coefficient)
    }

    proptest! {
        #[test]
        fn enough_shares_make_the_secret(
            secret in prop::collection::vec(any::<u8>(), 1..40),
            (all, threshold) in (2_usize..12).prop_flat_map(|all| (Just(all), 2..=all)),
            seed in any::<u8>(),
        ) {
            let mut state = seed;
            let mut shares = split(&secret, all, threshold, &mut |bytes| {
                for byte in bytes {
                    state = state.wrapping_mul(141).wrapping_add(37);
                    *byte = state;
                }
            });
            prop_assert_eq!(shares.len(), all);
            shares.rotate_left(usize::from(seed) % all);
            prop_assert_eq!(&*combine(&shares[..threshold]).unwrap(), &secret);
            prop_assert_eq!(&*combine(&shares).unwrap(), &secret);
        }
    }

    #[test]
    fn the_field_is_that_of_aes() {
        // FIPS 197 §4.2
        assert_eq!(multiply(0x57, 0x83), 0xC1);
        assert_eq!(multiply(0x57, 0x13), 0xFE);
        for value in 1..=255 {
            assert_eq!(multiply(value, invert(value)), 1, "{value}");
        }
    }

    #[test]
    fn refuses_shares_that_do_not_fit() {
        let table = [
            (vec![share(&[1, 1])], ShamirError::TooFew),
            (vec![share(&[1, 1]), share(&[1, 1, 2])], ShamirError::Length),
            (vec![share(&[1]), share(&[2])], ShamirError::Length),
            (vec![share(&[]), share(&[2])], ShamirError::Length),
            (vec![share(&[1, 1]), share(&[2, 1])], ShamirError::Point),
            (vec![share(&[1, 0]), share(&[2, 1])], ShamirError::Point),
        ];
        for (shares, expected) in table {
            assert_eq!(combine(&shares).err(), Some(expected));
        }
    }

    proptest! {
        #[test]
        fn finds_the_secret_again(
            secret in prop::collection::vec(any::<u8>(), 1..40),
            coefficients in prop::collection::vec(any::<u8>(), 1..4),
            first in 1_u8..200,
        ) {
            let shares: Vec<_> = (0..=u8::try_from(coefficients.len()).unwrap())
                .map(|index| {
                    let point = first + index;
                    let mut bytes: Vec<u8> = secret
                        .iter()
                        .map(|byte| {
                            let polynomial: Vec<u8> =
                                std::iter::once(*byte).chain(coefficients.iter().copied()).collect();
                            evaluate(&polynomial, point)
                        })
                        .collect();
                    bytes.push(point);
                    Zeroizing::new(bytes)
                })
                .collect();
            prop_assert_eq!(&*combine(&shares).unwrap(), &secret);
        }
    }
}
