//! Analytic functions as objectives of a search.

use std::path::Path;
use std::time::Instant;

use rand::RngExt;

use super::function::{Function, UnknownFunction, function};
use crate::random::{Purpose, stream};
use crate::search::space::{Choice, Space};
use crate::search::{Command, Direction, Ending, Objective, ObjectiveError, Step, Task};

/// An analytic function, perhaps with noise and a learning curve.
///
/// At step t of T it reports `f(x) + ½ e^{−3 t/T} spread + noise`, where the spread in [0, 1) and the
/// normal noise of each step come from the trial's seed: so schedulers have something to decide on. With T = 1 and
/// without noise it reports f(x) alone.
#[derive(Debug)]
pub struct FunctionObjective {
    function: &'static Function,
    steps: u64,
    noise: f64,
}
