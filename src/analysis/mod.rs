//! From tables to statements: arms, statistics, the verdict and the answer in words.

mod answer;
pub mod arms;
pub mod calibration;
pub mod importance;
pub mod priority;
pub mod range_test;
pub mod rate_map;
pub mod recorded;
pub mod sensitivity;
pub mod statistics;
mod verdict;

pub use answer::{Answer, ArmInWords, percent};
pub use calibration::{Calibration, Simulations, calibrate};
pub use verdict::{Comparison, GroupedPairs, Judgement, Unit, compare, compare_all};
