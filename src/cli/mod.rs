//! What all experiment binaries share: flags, configuration files, exit status, interrupts.

mod config;
mod exit;
mod flags;
mod groups;
mod interrupt;
mod rates;
mod search;
mod setup;
mod study;
mod study_run;
mod worker;

pub use config::parse_with_config;
pub use exit::{run, say};
pub use flags::{CommonFlags, LayerValues, Preset, not_negative, value_name};
pub use groups::GroupsFlag;
pub use interrupt::{STOPPED_STATUS, Stopped, stop_on_interrupt};
pub use rates::{Coefficients, RateFlags, ReplayAs};
pub use search::{SearchBudget, default_space};
pub use setup::{PresetImages, Setup, count, manifest_without_data, merge, positive_rate};
pub use study::{Mode, StudyFlags, Time, metric, metric_names};
pub use study_run::{JOURNAL, StudyOutcome, StudyPlan, StudyRun, draw};
pub use worker::{WorkerStopped, serve_worker};
