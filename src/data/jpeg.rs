//! Whether images have been through JPEG: a result on re-encoded images has to say so.

use super::{Images, PLANE, SIDE};
use std::f32::consts::PI;

/// Side of JPEG's blocks.
const BLOCK: usize = 8;
/// Images looked at; on 100 images the fraction is already steady to .02.
const SAMPLE: usize = 256;
/// Fractions of vanishing coefficients. On CIFAR-10's first 1,000 images a file: .27 on JPEG's grid
/// and .21 off it in the original pixels, .92 and .20 after one JPEG round trip of 30 dB.
const LEAST: f64 = 0.6;
/// Smooth images have small coefficients too, but on any grid alike.
const LEAST_RATIO: f64 = 1.5;

/// Whether the luma of the images looks quantised on JPEG's 8×8 grid: most high frequencies vanish
/// there, and clearly fewer on a grid four pixels off. Finds common qualities, not the highest.
pub(super) fn looks_re_encoded(images: &Images) -> bool {
    if images.is_empty() {
        return false;
    }
    let basis = basis();
    let step = images.len().div_ceil(SAMPLE);
    let (mut on, mut off) = ([0_u32; 2], [0_u32; 2]);
    for index in (0..images.len()).step_by(step) {
        let luma = luma(images.image(index));
        count_vanishing(&luma, 0, &basis, &mut on);
        count_vanishing(&luma, BLOCK / 2, &basis, &mut off);
    }
    let fraction = |[vanishing, all]: [u32; 2]| f64::from(vanishing) / f64::from(all);
    // A flat image has no high frequencies on either grid, so its ratio is 1.
    fraction(on) > LEAST && fraction(on) > LEAST_RATIO * fraction(off)
}

/// JPEG's luma (ITU-R BT.601) of one image.
fn luma(image: &[u8]) -> Vec<f32> {
    let plane = |channel: usize| image[channel * PLANE..][..PLANE].iter().map(|&v| f32::from(v));
    plane(0)
        .zip(plane(1))
        .zip(plane(2))
        .map(|((r, g), b)| 0.299 * r + 0.587 * g + 0.114 * b)
        .collect()
}

/// The orthonormal DCT-II: row u, column x.
fn basis() -> [[f32; BLOCK]; BLOCK] {
    std::array::from_fn(|u| {
        let norm = if u == 0 { (1.0 / BLOCK as f32).sqrt() } else { (2.0 / BLOCK as f32).sqrt() };
        std::array::from_fn(|x| norm * (PI * ((2 * x + 1) * u) as f32 / (2 * BLOCK) as f32).cos())
    })
}

/// Adds to `counts` how many high-frequency coefficients (u + v ≥ 8) of the blocks of a grid that
/// starts at `(start, start)` are below 1, the noise of rounding to bytes, and how many there are.
fn count_vanishing(
    luma: &[f32],
    start: usize,
    basis: &[[f32; BLOCK]; BLOCK],
    counts: &mut [u32; 2],
) {
    for top in (start..=SIDE - BLOCK).step_by(BLOCK) {
        for left in (start..=SIDE - BLOCK).step_by(BLOCK) {
            for u in 1..BLOCK {
                let row: [f32; BLOCK] = std::array::from_fn(|x| {
                    (0..BLOCK).map(|y| basis[u][y] * luma[(top + y) * SIDE + left + x]).sum()
                });
                for wave in &basis[BLOCK - u..] {
                    let coefficient: f32 = row.iter().zip(wave).map(|(a, b)| a * b).sum();
                    counts[0] += u32::from(coefficient.abs() < 1.0);
                    counts[1] += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CHANNELS, IMAGE, synthetic};
    use super::*;

    /// Grey images whose blocks keep only multiples of `quantum` of each coefficient, as in JPEG.
    fn quantised(images: &Images, quantum: f32, shift: usize) -> Images {
        let basis = basis();
        let mut out = images.clone();
        for index in 0..images.len() {
            let mut luma = luma(images.image(index));
            for top in (shift..=SIDE - BLOCK).step_by(BLOCK) {
                for left in (shift..=SIDE - BLOCK).step_by(BLOCK) {
                    let mut block = [[0.0; BLOCK]; BLOCK];
                    for (u, row) in block.iter_mut().enumerate() {
                        for (v, value) in row.iter_mut().enumerate() {
                            for y in 0..BLOCK {
                                for x in 0..BLOCK {
                                    *value += basis[u][y]
                                        * basis[v][x]
                                        * luma[(top + y) * SIDE + left + x];
                                }
                            }
                            *value = (*value / quantum).round() * quantum;
                        }
                    }
                    for y in 0..BLOCK {
                        for x in 0..BLOCK {
                            luma[(top + y) * SIDE + left + x] = (0..BLOCK * BLOCK)
                                .map(|i| block[i / 8][i % 8] * basis[i / 8][y] * basis[i % 8][x])
                                .sum();
                        }
                    }
                }
            }
            for channel in 0..CHANNELS {
                for (to, &from) in
                    out.pixels[index * IMAGE + channel * PLANE..].iter_mut().zip(&luma)
                {
                    *to = from.round() as u8;
                }
            }
        }
        out
    }

    #[test]
    fn quantised_blocks_are_found_on_their_grid_only() {
        let images = synthetic::images(0, 0..60);
        assert!(!looks_re_encoded(&images));
        assert!(looks_re_encoded(&quantised(&images, 60.0, 0)));
        assert!(!looks_re_encoded(&quantised(&images, 60.0, 4)));
    }

    #[test]
    fn flat_images_and_no_images_are_not_called_jpeg() {
        assert!(!looks_re_encoded(&Images::default()));
        assert!(!looks_re_encoded(&Images { pixels: vec![77; 20 * IMAGE], labels: vec![0; 20] }));
    }
}
