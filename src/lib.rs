//! Learning rates per layer and hyperparameter search on Burn.
//!
//! Strata answers two questions about training neural networks, with evidence that anyone can
//! reproduce: should the learning rate be the same in every layer of a model, and in what order
//! should hyperparameters be searched? ARCHITECTURE.md has the map of the modules.

#![warn(missing_docs)]

pub mod analysis;
pub mod cli;
pub mod data;
pub mod device;
pub mod figure;
pub mod net;
pub mod objective;
pub mod ops;
pub mod random;
pub mod rates;
pub mod record;
pub mod report;
pub mod search;
pub mod train;

/// A step frees what it allocated, some megabytes; glibc gives that back to the system from threads
/// other than the first, and the next step pays for the page faults: up to a third of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
