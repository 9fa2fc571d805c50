//! The manifest: what ran, on what, with what.

use std::fs;
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

/// Version of Burn that this crate is pinned to; a test compares it with `Cargo.toml`.
const BURN_VERSION: &str = "0.22.1";

/// The images of a run.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetRecord {
    /// Short name.
    pub name: String,
    /// As captions say it: synthetic, subset, re-encoded.
    pub description: String,
    /// SHA-256 over the bytes of all images and labels.
    pub digest: String,
    /// SHA-256 over the indices of the split.
    pub split_digest: String,
    /// Images that train.
    pub train_images: usize,
    /// Images that validate.
    pub validation_images: usize,
    /// Images that test.
    pub test_images: usize,
}

/// `manifest.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// `running`, `stopped` or `complete`.
    pub status: &'static str,
    /// The command line.
    pub command: String,
    /// Experiment: the binary's name.
    pub experiment: &'static str,
    /// Version of this crate.
    pub version: &'static str,
    /// Revision of the sources.
    pub source: SourceRevision,
    /// Version of Burn.
    pub burn: &'static str,
    /// Device by name.
    pub device: String,
    /// Which implementation of the operations ran.
    pub operations: String,
    /// Processor and its cores.
    pub machine: String,
    /// Trials at a time.
    pub workers: usize,
    /// Threads a trial.
    pub threads_per_trial: usize,
    /// Data; none for an analytic function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetRecord>,
    /// Net by name; none for an analytic function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net: Option<String>,
    /// The preset, where one was named.
    pub preset: Option<String>,
    /// Seed of everything.
    pub seed: u64,
    /// Every setting that results depend on.
    pub settings: Value,
    /// Wall-clock seconds so far, interruptions not counted.
    pub wall_seconds: f64,
    /// Finished trials.
    pub trials: u64,
    /// Finished trials per hour of wall-clock time.
    pub trials_per_hour: f64,
    /// Images trained per second of wall-clock time, all workers together.
    pub images_per_second: f64,
}

impl Manifest {
    /// Books the state of the run.
    pub fn update(&mut self, status: &'static str, wall_seconds: f64, trials: u64, images: u64) {
        self.status = status;
        self.wall_seconds = wall_seconds;
        self.trials = trials;
        self.trials_per_hour = trials as f64 * 3600.0 / wall_seconds.max(1e-9);
        self.images_per_second = images as f64 / wall_seconds.max(1e-9);
    }

    /// Version of Burn.
    pub const BURN: &'static str = BURN_VERSION;
}

/// Git's view of the sources that this program was built from, as they are now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceRevision {
    /// Commit; none outside a checkout.
    pub revision: Option<String>,
    /// Whether there are uncommitted changes, apart from results and documents.
    pub dirty: Option<bool>,
}

impl SourceRevision {
    /// Asks git; without git or a checkout nothing is known.
    pub fn current() -> Self {
        let git = |arguments: &[&str]| {
            let output = Command::new("git")
                .args(["-C", env!("CARGO_MANIFEST_DIR")])
                .args(arguments)
                .output()
                .ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            output.status.success().then(|| text.trim().to_owned())
        };
        Self {
            revision: git(&["rev-parse", "HEAD"]),
            // Results that a run rewrites make no other program.
            dirty: git(&[
                "status",
                "--porcelain",
                "--untracked-files=no",
                "--",
                ":!results",
                ":!docs",
                ":!*.md",
            ])
            .map(|s| !s.is_empty()),
        }
    }
}

/// The processor's name, where the system tells it, and the number of cores.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?.to_owned();
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!("{model}, {cores} cores")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_burn_is_the_pinned_one() {
        let cargo = include_str!("../../Cargo.toml");
        assert!(cargo.contains(&format!("burn = {{ version = \"={BURN_VERSION}\"")));
    }
}
