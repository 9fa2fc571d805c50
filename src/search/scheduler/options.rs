//! What schedulers are built with.

/// Which decisions asynchronous successive halving takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AshaMode {
    /// Those of Ray Tune 2.60's `ASHAScheduler`.
    #[default]
    Ray,
    /// Those of Optuna 5's `SuccessiveHalvingPruner`.
    Optuna,
    /// Those of the paper (Li et al., MLSys 2020, Algorithm 2): trials pause and are promoted.
    Promotion,
}

/// Options of all schedulers; each takes what it knows. Defaults are Ray Tune's and Optuna's where
/// these have one.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerOptions {
    /// Steps at most; every trial finishes there. Flag `--max-t`.
    pub max_t: u64,
    /// Steps that every trial gets: the first rung. Flag `--grace-period`.
    pub grace_period: u64,
    /// η: from rung to rung steps are multiplied by it and one trial in η goes on. Flag
    /// `--reduction-factor`.
    pub reduction_factor: f64,
    /// Flag `--mode`.
    pub mode: AshaMode,
    /// Brackets of `asha` in Ray's mode; later ones leave out the first rungs. Flag `--brackets`.
    pub brackets: u64,
    /// First rung of `asha` in Optuna's mode, as a power of η. Flag `--min-early-stopping-rate`.
    pub min_early_stopping_rate: u64,
    /// Optuna's mode and `hyperband`: a rung lets nobody pass before more trials than this have
    /// reached it. Flag `--bootstrap-count`.
    pub bootstrap_count: u64,
    /// Steps without improvement after which `patience` stops a trial. Flag `--patience`.
    pub patience: u64,
    /// Complete trials before `median` stops any. Flag `--startup-trials`.
    pub startup_trials: u64,
    /// Steps in which `median` stops no trial. Flag `--warm-up`.
    pub warm_up: u64,
    /// Trials of a population of `pbt`. Flag `--population`.
    pub population: u64,
    /// Trials of the study, if known: the last population of `pbt` may be smaller. Flag `--trials`.
    pub trials: Option<u64>,
    /// Steps between two perturbations of `pbt`. Flag `--perturbation-interval`.
    pub perturbation_interval: u64,
    /// Share of a population that takes over from the best such share. Flag `--quantile`.
    pub quantile: f64,
    /// Probability that `pbt` draws a value anew instead of changing it. Flag
    /// `--resample-probability`.
    pub resample_probability: f64,
    /// Hyperparameters that `pbt` takes over unchanged: a checkpoint of other values would not fit.
    pub fixed: Vec<String>,
}

/// [`SchedulerOptions::quantile`] unless told otherwise, as in Ray Tune.
pub const QUANTILE: f64 = 0.25;
/// [`SchedulerOptions::resample_probability`] unless told otherwise, as in Ray Tune.
pub const RESAMPLE_PROBABILITY: f64 = 0.25;

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            max_t: 100,
            grace_period: 1,
            reduction_factor: 4.0,
            mode: AshaMode::Ray,
            brackets: 1,
            min_early_stopping_rate: 0,
            bootstrap_count: 0,
            patience: 3,
            startup_trials: 5,
            warm_up: 0,
            population: 8,
            trials: None,
            perturbation_interval: 1,
            quantile: QUANTILE,
            resample_probability: RESAMPLE_PROBABILITY,
            fixed: Vec::new(),
        }
    }
}

/// Why there is no such scheduler.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchedulerError {
    /// No scheduler of that name.
    #[error("--scheduler {name}: there is {}", known())]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// An option that counts something is 0.
    #[error("{flag} must be at least 1")]
    Zero {
        /// The option's flag.
        flag: &'static str,
    },
    /// The reduction factor is under 2 or not a number.
    #[error("--reduction-factor must be at least 2, and finite; it is {0}")]
    ReductionFactor(f64),
    /// No trial would ever be compared.
    #[error(
        "{flag} {value} is above --max-t {max_t}: nothing would happen before trials end; lower \
         {flag} or raise --max-t"
    )]
    AboveMaximum {
        /// The option's flag.
        flag: &'static str,
        /// Its value, in steps.
        value: u64,
        /// Steps at most.
        max_t: u64,
    },
    /// A bracket would have no rung.
    #[error(
        "--brackets {brackets}: there are only {rungs} rungs with these --max-t, --grace-period \
         and --reduction-factor, and the last bracket needs one of its own"
    )]
    Brackets {
        /// Brackets asked for.
        brackets: u64,
        /// Rungs of the first bracket.
        rungs: u64,
    },
    /// Lower and upper part of a population would overlap.
    #[error("--quantile must be above 0 and at most 0.5; it is {0}")]
    Quantile(f64),
    /// Not a probability.
    #[error("--resample-probability must be between 0 and 1; it is {0}")]
    Probability(f64),
}

fn known() -> String {
    let names: Vec<_> = super::SCHEDULERS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl SchedulerOptions {
    /// Checks what can be checked without knowing the scheduler.
    ///
    /// # Errors
    /// Names the first flag that cannot be.
    pub fn validate(&self) -> Result<(), SchedulerError> {
        let counts = [
            ("--max-t", self.max_t),
            ("--grace-period", self.grace_period),
            ("--brackets", self.brackets),
            ("--patience", self.patience),
            ("--population", self.population),
            ("--perturbation-interval", self.perturbation_interval),
        ];
        if let Some((flag, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(SchedulerError::Zero { flag });
        }
        below_maximum("--grace-period", self.grace_period, self.max_t)?;
        // Ray takes any factor above 1; under 2 most trials of a rung would go on.
        if !(self.reduction_factor >= 2.0 && self.reduction_factor.is_finite()) {
            return Err(SchedulerError::ReductionFactor(self.reduction_factor));
        }
        if !(self.quantile > 0.0 && self.quantile <= 0.5) {
            return Err(SchedulerError::Quantile(self.quantile));
        }
        if !(0.0..=1.0).contains(&self.resample_probability) {
            return Err(SchedulerError::Probability(self.resample_probability));
        }
        Ok(())
    }
}

/// Checks that an option in steps lets something happen before trials end.
pub(super) fn below_maximum(
    flag: &'static str,
    value: u64,
    max_t: u64,
) -> Result<(), SchedulerError> {
    if value > max_t {
        return Err(SchedulerError::AboveMaximum { flag, value, max_t });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::scheduler::scheduler;

    fn refusal(name: &str, options: SchedulerOptions) -> String {
        scheduler(name, &options).err().expect("refused").to_string()
    }

    #[test]
    fn refusals_name_the_flag() {
        let defaults = SchedulerOptions::default;
        let grace = SchedulerOptions { grace_period: 5, max_t: 3, ..defaults() };
        assert!(refusal("asha", grace).starts_with("--grace-period 5 is above --max-t 3"));
        for factor in [1.9, 0.0, -3.0, f64::NAN, f64::INFINITY] {
            let options = SchedulerOptions { reduction_factor: factor, ..defaults() };
            assert!(refusal("asha", options).starts_with("--reduction-factor must be at least 2"));
        }
        let zeros = [
            ("--max-t", SchedulerOptions { max_t: 0, ..defaults() }),
            ("--grace-period", SchedulerOptions { grace_period: 0, ..defaults() }),
            ("--brackets", SchedulerOptions { brackets: 0, ..defaults() }),
            ("--patience", SchedulerOptions { patience: 0, ..defaults() }),
            ("--population", SchedulerOptions { population: 0, ..defaults() }),
            (
                "--perturbation-interval",
                SchedulerOptions { perturbation_interval: 0, ..defaults() },
            ),
        ];
        for (flag, options) in zeros {
            assert_eq!(refusal("none", options), format!("{flag} must be at least 1"));
        }
        let brackets = SchedulerOptions { brackets: 5, ..defaults() };
        assert!(refusal("asha", brackets).starts_with("--brackets 5: there are only 4 rungs"));
        let interval = SchedulerOptions { perturbation_interval: 101, ..defaults() };
        assert!(refusal("pbt", interval).starts_with("--perturbation-interval 101 is above"));
        for quantile in [0.0, 0.6, f64::NAN] {
            let options = SchedulerOptions { quantile, ..defaults() };
            assert!(refusal("pbt", options).starts_with("--quantile"));
        }
        let resample = SchedulerOptions { resample_probability: 1.5, ..defaults() };
        assert!(refusal("pbt", resample).starts_with("--resample-probability"));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = refusal("hyperbant", SchedulerOptions::default());
        assert_eq!(
            message,
            "--scheduler hyperbant: there is none, asha, hyperband, median, patience, pbt"
        );
    }
}
