//! What searches run on where no net is trained: the truth, and what a run shows of it.

use rand::RngExt;

use crate::random::{Purpose, normal, stream};
use crate::search::space::{Configuration, Distribution, Parameter, Space};

/// Ending of the name of a hyperparameter's copy.
const COPY: &str = "copy";

/// A known objective. Losses: smaller is better.
pub struct Landscape<'a> {
    /// What is searched.
    pub space: Space,
    /// The expected loss of a configuration.
    pub truth: Box<dyn Fn(&Configuration) -> f64 + Sync + 'a>,
    /// Standard deviation of what a run shows around an expected loss.
    pub noise: Box<dyn Fn(f64) -> f64 + Sync + 'a>,
    /// Probability that a run diverges.
    pub divergence: Box<dyn Fn(&Configuration) -> f64 + Sync + 'a>,
    /// The lowest expected loss in the box, where it is known.
    pub minimum: Option<f64>,
}

impl<'a> Landscape<'a> {
    /// A function with noise of one size.
    pub fn of_function(
        space: Space,
        truth: impl Fn(&Configuration) -> f64 + Sync + 'a,
        noise: f64,
        minimum: Option<f64>,
    ) -> Self {
        Self {
            space,
            truth: Box::new(truth),
            noise: Box::new(move |_| noise),
            divergence: Box::new(|_| 0.0),
            minimum,
        }
    }

    /// What a run with this seed shows; none if it diverges.
    pub fn observe(&self, at: &Configuration, seed: u64) -> Option<f64> {
        let mut draws = stream(seed, Purpose::Noise, 0);
        let [first, second, third]: [f64; 3] = draws.random();
        if first < (self.divergence)(at) {
            return None;
        }
        let truth = (self.truth)(at);
        let seen = truth + (self.noise)(truth) * normal(second, third);
        seen.is_finite().then_some(seen)
    }

    /// The same objective behind another space, whose configurations `back` takes to this one's.
    fn seen_from<'b>(
        &'b self,
        space: Space,
        back: impl Fn(&Configuration) -> Configuration + Clone + Sync + 'b,
    ) -> Landscape<'b> {
        let also_back = back.clone();
        Landscape {
            space,
            truth: Box::new(move |at| (self.truth)(&back(at))),
            noise: Box::new(|truth| (self.noise)(truth)),
            divergence: Box::new(move |at| (self.divergence)(&also_back(at))),
            minimum: self.minimum,
        }
    }

    /// The same in a smaller box: windows around a configuration, as wide as this `share` of each range in
    /// its own measure. Choices stay as they are.
    pub fn narrowed(&self, centre: &Configuration, share: f64) -> Landscape<'_> {
        let mut space = self.space.clone();
        space.points.clear();
        for parameter in &mut space.parameters {
            let whole = parameter.distribution.clone();
            let Some(middle) = centre.get(&parameter.name).map(|value| whole.position(value))
            else {
                continue;
            };
            let start = (middle - share / 2.0).clamp(0.0, 1.0 - share);
            let (from, to) = (whole.at(start), whole.at(start + share));
            match &mut parameter.distribution {
                Distribution::Float { low, high, .. } => (*low, *high) = (from, to),
                Distribution::Int { low, high, .. } => (*low, *high) = (from as i64, to as i64),
                Distribution::Normal { .. } | Distribution::Categorical { .. } => {}
            }
            let inside = |value: &f64| parameter.distribution.contains(*value);
            parameter.default = parameter.default.filter(inside);
        }
        // The least may lie outside.
        Landscape { minimum: None, ..self.seen_from(space, Configuration::clone) }
    }

    /// The same with one more hyperparameter, called `name`, that does nothing. A negative control:
    /// whoever searches it first loses what that costs.
    pub fn with_dummy<'b>(&'b self, name: &'b str) -> Landscape<'b> {
        let mut space = self.space.clone();
        space.points.clear();
        space.parameters.push(Parameter::unit(name));
        self.seen_from(space, |at| without(at, name))
    }

    /// The same with a second name for a hyperparameter: only the mean of their positions counts. A
    /// negative control: the two are alike, so their order cannot matter. Gives the copy's name too;
    /// none where the hyperparameter cannot have one, being a choice or tied to conditions.
    pub fn duplicated(&self, name: &str) -> Option<(Landscape<'_>, String)> {
        let original = self.space.parameter(name)?;
        let is_parent = |p: &Parameter| p.conditions.iter().any(|c| c.parameter == name);
        let is_tied =
            !original.conditions.is_empty() || self.space.parameters.iter().any(is_parent);
        if !original.distribution.is_ordered() || is_tied {
            return None;
        }
        let copy = Parameter { name: format!("{name}.{COPY}"), ..original.clone() };
        let mut space = self.space.clone();
        space.points.clear();
        space.parameters.push(copy.clone());
        let (name, distribution) = (name.to_owned(), original.distribution.clone());
        let second = copy.name.clone();
        let single = move |at: &Configuration| {
            let position = |name: &str| at.get(name).map(|value| distribution.position(value));
            let joint = position(&name).zip(position(&second)).map(|(a, b)| (a + b) / 2.0);
            let mut single = without(at, &second);
            if let Some(joint) = joint {
                single.set(&name, distribution.at(joint));
            }
            single
        };
        let landscape = self.seen_from(space, single);
        Some((landscape, copy.name))
    }
}

/// A configuration less one of its hyperparameters.
fn without(at: &Configuration, name: &str) -> Configuration {
    let others = at.iter().filter(|(known, _)| *known != name);
    others.map(|(known, value)| (known.to_owned(), value)).collect()
}
