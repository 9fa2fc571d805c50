//! In what order hyperparameters are searched: given, drawn, or estimated from a study's own first
//! trials.

use std::fmt;

use rand::seq::SliceRandom;

use super::{Question, random};
use crate::search::space::{Configuration, Space};
use crate::search::trial::Observation;

/// Estimates the importance of hyperparameters from trials that it asks for.
///
/// Those in [`analysis::priority`](crate::analysis::priority) are the ones that there are: the search
/// knows estimators by their functions alone.
#[derive(Clone, Copy)]
pub struct Ranker {
    /// Name, as `--order` takes it.
    pub name: &'static str,
    /// Fewest trials that it can say anything from.
    pub fewest: fn(&Space) -> u64,
    /// So many configurations (or fewer) that it wants evaluated, by the seed.
    pub design: fn(&Space, u64, u64) -> Vec<Configuration>,
    /// An importance for each hyperparameter of the space from the trials of its design, by the seed;
    /// none where they do not suffice.
    pub importance: fn(&Space, u64, &[Observation]) -> Option<Vec<f64>>,
}

impl Ranker {
    /// Names of the hyperparameters by importance, the largest first, from trials of its design; as the
    /// space lists them where these do not suffice.
    pub fn order(&self, space: &Space, seed: u64, trials: &[Observation]) -> Vec<String> {
        let Ranking { order, .. } = self.ranking(space, seed, trials);
        order.into_iter().map(|place| space.parameters[place].name.clone()).collect()
    }

    fn ranking(&self, space: &Space, seed: u64, trials: &[Observation]) -> Ranking {
        let found = (self.importance)(space, seed, trials);
        match found.filter(|found| found.len() == space.parameters.len()) {
            Some(weights) => Ranking::of_weights(weights),
            None => Ranking::of_order((0..space.parameters.len()).collect()),
        }
    }
}

impl fmt::Debug for Ranker {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(self.name)
    }
}

impl PartialEq for Ranker {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// In what order hyperparameters are searched.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Order {
    /// As the space lists them.
    #[default]
    Space,
    /// A permutation by the study's seed.
    Random,
    /// These first; what is not named follows as the space lists it, and what the space lacks is passed
    /// over.
    Given(Vec<String>),
    /// By importance, estimated from the study's first trials. These count as any others do: the
    /// screening is paid for.
    Screened {
        /// Who estimates.
        ranker: Ranker,
        /// From how many trials.
        trials: u64,
    },
}

/// Places of hyperparameters in the space, the first to be searched first, and the weight of each
/// hyperparameter of the space; weights are at least 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ranking {
    pub order: Vec<usize>,
    pub weights: Vec<f64>,
}

impl Ranking {
    /// Places alone: each weighs as 1 / its rank.
    fn of_order(order: Vec<usize>) -> Self {
        let mut weights = vec![0.0; order.len()];
        for (rank, &place) in order.iter().enumerate() {
            weights[place] = 1.0 / (rank + 1) as f64;
        }
        Self { order, weights }
    }

    fn of_weights(weights: Vec<f64>) -> Self {
        let mut order: Vec<_> = (0..weights.len()).collect();
        // Stable: of equals the space's first comes first.
        order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
        Self { order, weights }
    }
}

impl Order {
    /// The order as tables and manifests have it.
    pub fn in_words(&self) -> String {
        match self {
            Self::Space => "space".to_owned(),
            Self::Random => "random".to_owned(),
            Self::Given(names) => names.join(" "),
            Self::Screened { ranker, trials } => format!("{} on {trials}", ranker.name),
        }
    }

    /// How many of a study's first trials belong to the screening.
    pub fn screening(&self) -> u64 {
        match self {
            Self::Screened { trials, .. } => *trials,
            _ => 0,
        }
    }

    /// Who comes first; the screening, where there is one, are the trials from number `first` on.
    pub(super) fn ranking(&self, question: &Question, first: u64) -> Ranking {
        let space = question.space;
        let as_listed = || (0..space.parameters.len()).collect::<Vec<_>>();
        match self {
            Self::Space => Ranking::of_order(as_listed()),
            Self::Random => {
                let mut order = as_listed();
                order.shuffle(&mut Question { number: 0, ..*question }.draws("order", ""));
                Ranking::of_order(order)
            }
            Self::Given(names) => {
                let place = |name: &String| space.parameters.iter().position(|p| p.name == *name);
                let mut order: Vec<usize> = Vec::new();
                for place in names.iter().filter_map(place).chain(as_listed()) {
                    if !order.contains(&place) {
                        order.push(place);
                    }
                }
                Ranking::of_order(order)
            }
            Self::Screened { ranker, trials } => {
                let screening = first..first + trials;
                let screened: Vec<_> = question
                    .history
                    .iter()
                    .filter(|trial| screening.contains(&trial.number))
                    .cloned()
                    .collect();
                ranker.ranking(space, question.seed, &screened)
            }
        }
    }
}

/// Remembers the design of a study's screening, and the ranking while the trials that it rests on stay as
/// they are.
#[derive(Default)]
pub(super) struct Remembered {
    design: Option<(u64, Vec<Configuration>)>,
    ranking: Option<(u64, Vec<Option<f64>>, Ranking)>,
}

impl Remembered {
    /// The configuration of a trial of the screening of `order`, counted from 0.
    pub(super) fn screen(
        &mut self,
        order: &Order,
        question: &Question,
        index: u64,
    ) -> Configuration {
        if self.design.as_ref().is_none_or(|(seed, _)| *seed != question.seed) {
            let design = match order {
                Order::Screened { ranker, trials } => {
                    (ranker.design)(question.space, question.seed, *trials)
                }
                _ => Vec::new(),
            };
            self.design = Some((question.seed, design));
        }
        let design = self.design.as_ref().map(|(_, design)| design);
        let point = design.and_then(|design| design.get(usize::try_from(index).ok()?));
        // A design may be smaller than the trials that are meant for it.
        point.cloned().unwrap_or_else(|| random::configuration(question))
    }

    /// The ranking of `order`; see [`Order::ranking`].
    pub(super) fn ranking(&mut self, order: &Order, question: &Question, first: u64) -> &Ranking {
        let screening = first..first + order.screening();
        let trials = question.history.iter().filter(|trial| screening.contains(&trial.number));
        let losses: Vec<_> = trials.map(|trial| trial.loss).collect();
        let is_known = |known: &(u64, Vec<Option<f64>>, Ranking)| {
            known.0 == question.seed && known.1 == losses
        };
        if !self.ranking.as_ref().is_some_and(is_known) {
            self.ranking = None;
        }
        let found = || (question.seed, losses, order.ranking(question, first));
        let (_, _, ranking) = self.ranking.get_or_insert_with(found);
        ranking
    }
}
