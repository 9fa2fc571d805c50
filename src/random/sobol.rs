//! Sobol' points, Owen-scrambled by a seed or as they are.
//!
//! The sequence is that of Antonov and Saleev (Gray code) with the direction numbers of Joe and
//! Kuo, so unscrambled points equal those of SciPy's `qmc.Sobol(d, scramble=False)` exactly. The
//! scramble is Owen's nested uniform one (J. Complexity 14, 1998), with every node's bit a draw of
//! its own: the first 2^k points stay balanced, and each point alone is uniform.

use rand::{Rng, RngExt};

use super::sobol_directions::DIRECTIONS;
use super::{Purpose, stream};

/// Bits of a coordinate: 2^32 points.
const BITS: u32 = 32;

/// So many dimensions have direction numbers.
pub const MOST_DIMENSIONS: usize = DIRECTIONS.len() + 1;

/// Direction numbers of a dimension, the highest bit first.
fn directions(dimension: usize) -> [u32; BITS as usize] {
    let mut numbers = [0; BITS as usize];
    let Some(&(polynomial, initial)) = dimension.checked_sub(1).map(|place| &DIRECTIONS[place])
    else {
        return std::array::from_fn(|place| 1 << (BITS - 1 - place as u32));
    };
    let degree = initial.len();
    for place in 0..numbers.len() {
        numbers[place] = match initial.get(place) {
            Some(number) => number << (BITS - 1 - place as u32),
            None => {
                let first = numbers[place - degree];
                let coefficient = |lag: usize| (polynomial >> (degree - lag)) & 1;
                (1..degree)
                    .filter(|&lag| coefficient(lag) == 1)
                    .fold(first ^ (first >> degree), |number, lag| number ^ numbers[place - lag])
            }
        };
    }
    numbers
}

/// Coordinate of a point, in units of 2^-32.
fn coordinate(index: u32, dimension: usize) -> u32 {
    let gray = index ^ (index >> 1);
    let chosen = directions(dimension).into_iter().enumerate();
    chosen.filter(|(bit, _)| gray >> bit & 1 == 1).fold(0, |sum, (_, number)| sum ^ number)
}

/// Owen's scramble of a coordinate, and the bits below it: each bit is flipped by the draw that
/// belongs to the bits above it.
fn scrambled(coordinate: u32, seed: u64) -> f64 {
    let node = |depth: u32| {
        let above = u64::from(coordinate) >> (BITS - depth);
        stream(seed, Purpose::Sampler, 1 << depth | above)
    };
    let flips = (0..BITS).fold(0, |flips, depth| flips << 1 | (node(depth).next_u32() & 1));
    let below: f64 = node(BITS).random();
    (f64::from(coordinate ^ flips) + below) / 2.0_f64.powi(BITS as i32)
}

/// Coordinate `dimension` of the unscrambled point `index`, in [0, 1).
///
/// `dimension` must be below [`MOST_DIMENSIONS`].
pub fn sobol(index: u32, dimension: usize) -> f64 {
    f64::from(coordinate(index, dimension)) / 2.0_f64.powi(BITS as i32)
}

/// The same, scrambled; each dimension wants a seed of its own.
///
/// `dimension` must be below [`MOST_DIMENSIONS`].
pub fn scrambled_sobol(index: u32, dimension: usize, seed: u64) -> f64 {
    scrambled(coordinate(index, dimension), seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.x, `qmc.Sobol(100, scramble=False).random(64)`.
    #[test]
    fn unscrambled_points_equal_those_of_scipy() {
        let dimensions = [0, 1, 2, 7, 41, 99];
        let known = [
            (0, [0.0; 6]),
            (1, [0.5; 6]),
            (2, [0.75, 0.25, 0.25, 0.75, 0.75, 0.75]),
            (3, [0.25, 0.75, 0.75, 0.25, 0.25, 0.25]),
            (5, [0.875, 0.875, 0.125, 0.375, 0.125, 0.375]),
            (12, [0.3125, 0.1875, 0.3125, 0.0625, 0.6875, 0.0625]),
            (37, [0.921875, 0.640625, 0.578125, 0.796875, 0.640625, 0.171875]),
            (63, [0.015625, 0.796875, 0.359375, 0.140625, 0.171875, 0.078125]),
        ];
        for (index, expected) in known {
            assert_eq!(dimensions.map(|dimension| sobol(index, dimension)), expected, "{index}");
        }
    }

    /// A sum over the first 1,024 points of all dimensions with weights that no slip leaves alone.
    #[test]
    fn all_dimensions_equal_those_of_scipy() {
        let weight = |i: u32, j: usize| f64::from((i * 31 + j as u32 * 17) % 101);
        let dimensions = |i| (0..MOST_DIMENSIONS).map(move |j| sobol(i, j) * weight(i, j));
        let sum: f64 = (0..1024).flat_map(dimensions).sum();
        assert_eq!(MOST_DIMENSIONS, 100);
        assert_eq!(sum, 2558054.4384765625);
    }

    #[test]
    fn scrambled_points_stay_balanced() {
        for seed in 0..20 {
            let points: Vec<[f64; 2]> = (0..256)
                .map(|i| [0, 1].map(|j| scrambled(coordinate(i, j), seed * 2 + j as u64)))
                .collect();
            // Every elementary box of area 1/256 holds one point of the first 256.
            for power in 0..=8 {
                let (across, along) = (f64::from(1 << power), f64::from(256 >> power));
                let mut boxes: Vec<_> =
                    points.iter().map(|[x, y]| ((x * across) as u32, (y * along) as u32)).collect();
                boxes.sort_unstable();
                boxes.dedup();
                assert_eq!(boxes.len(), 256, "seed {seed}, {across} by {along}");
            }
        }
    }

    /// Unlike under a mere shift, what happens to a bit depends on the bits above it.
    #[test]
    fn the_scramble_is_nested() {
        let second_bit = |coordinate, seed| (scrambled(coordinate, seed) * 4.0) as u32 & 1;
        let alike = |seed: &u64| second_bit(0, *seed) == second_bit(1 << 31, *seed);
        let alike = (0..1000).filter(alike).count();
        assert!((430..570).contains(&alike), "{alike}");
    }

    #[test]
    fn a_scrambled_point_alone_is_uniform() {
        let first: Vec<f64> = (0..4000).map(|seed| scrambled(0, seed)).collect();
        let mean = |f: fn(f64) -> f64| first.iter().map(|x| f(*x)).sum::<f64>() / 4000.0;
        assert!((mean(|x| x) - 0.5).abs() < 0.02);
        assert!((mean(|x| x * x) - 1.0 / 3.0).abs() < 0.02);
    }
}
