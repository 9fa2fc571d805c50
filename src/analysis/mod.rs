//! From tables to statements: arms, statistics, the verdict and the answer in words.

mod answer;
pub mod arms;
pub mod statistics;
mod verdict;

pub use answer::{Answer, percent};
pub use verdict::{Comparison, Judgement, compare};
