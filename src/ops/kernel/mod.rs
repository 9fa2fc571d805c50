//! CPU kernels on plain `f32` slices: what the operations with a hand-written backward pass run.
//!
//! Nothing here knows Burn. Each kernel is written once as loops over `[f32; N]` and compiled for
//! every vector width (`width.rs`); slow definitions stand beside the fast paths and the tests
//! compare them.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over lanes and registers must unroll; iterators over their arrays may not"
)]

mod batch_norm;
mod conv_backward;
mod conv_block;
mod conv_dense;
mod conv_forward;
mod conv_narrow;
mod conv_narrow_fir;
#[cfg(target_arch = "x86_64")]
mod conv_narrow_rows;
#[cfg(target_arch = "x86_64")]
mod conv_narrow_rows_avx512;
mod conv_plain;
mod conv_slide;
mod conv_sparse;
mod conv_strips;
mod conv_wide;
mod conv_wide_fir;
mod cross_entropy;
mod fast_fir;
#[cfg(target_arch = "x86_64")]
mod fast_rows;
mod lanes;
mod matmul;
mod mlp;
mod norm_image;
mod optimiser;
mod pack;
mod parallel;
mod scratch;
mod shape;
mod transpose;
mod width;

#[cfg(test)]
mod conv_tests;
#[cfg(test)]
pub(super) mod testing;

pub use batch_norm::{Affine, BatchNorm, NormGradients, NormSaved, Statistics};
pub use conv_block::{ConvBlock, Gradients, Saved};
pub use cross_entropy::cross_entropy;
pub use mlp::{Linear, LinearGradient, Mlp};
pub use optimiser::{AdamW, Sgd};
pub use shape::{ConvShape, Layout};
pub use transpose::transpose_images;
pub use width::Width;
