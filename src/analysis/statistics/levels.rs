//! Paired differences at two levels: searches, and seeds within a search.
//!
//! A difference is d_rj = μ + S_r + e_rj: the procedures differ by μ, the winners of search r by
//! μ + S_r, and e is the noise of the seeds. What the winners found differ by, and what the
//! procedures differ by, are two questions; seeds answer the first, only searches the second.

use super::{Estimate, mean, squares, standard_deviation};

/// What differences grouped by search say about both levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    /// Mean difference of each search.
    pub means: Vec<f64>,
    /// Mean of the searches' means: every search weighs the same, however many pairs it lost.
    pub difference: f64,
    /// Deviation of the pairs around the mean of their search, pooled; none if every search has one.
    pub within: Option<f64>,
    /// Deviation of the searches' means; none for a single search.
    pub between: Option<f64>,
    /// Degrees of freedom of `within`: pairs less searches.
    freedom: usize,
    /// Mean of 1 / pairs over the searches.
    inverse_pairs: f64,
}

impl Levels {
    /// Reads differences grouped by search; empty searches are left out, none if all are empty.
    pub fn of(differences: &[Vec<f64>]) -> Option<Self> {
        let searches: Vec<_> = differences.iter().filter(|search| !search.is_empty()).collect();
        if searches.is_empty() {
            return None;
        }
        let means: Vec<f64> = searches.iter().map(|search| mean(search)).collect();
        let inverse: Vec<f64> = searches.iter().map(|search| 1.0 / search.len() as f64).collect();
        let freedom = searches.iter().map(|search| search.len() - 1).sum::<usize>();
        let sum: f64 = searches.iter().map(|search| squares(search)).sum();
        Some(Self {
            difference: mean(&means),
            within: (freedom > 0).then(|| (sum / freedom as f64).sqrt()),
            between: (means.len() > 1).then(|| standard_deviation(&means)),
            means,
            freedom,
            inverse_pairs: mean(&inverse),
        })
    }

    /// Of the winners found: the error is that of the seeds alone.
    pub fn winners(&self) -> Estimate {
        let error = self.seed_error() / (self.means.len() as f64).sqrt();
        Estimate { mean: self.difference, error, freedom: self.freedom }
    }

    /// Of the procedures: Student's t over the searches' means, R − 1 degrees of freedom; none for a
    /// single search.
    ///
    /// A bootstrap over so few searches is no way: with 3–5 clusters its intervals are far too short
    /// (Cameron, Gelbach & Miller 2008, "Bootstrap-based improvements for inference with clustered
    /// errors").
    pub fn procedures(&self) -> Option<Estimate> {
        let error = self.between? / (self.means.len() as f64).sqrt();
        Some(Estimate { mean: self.difference, error, freedom: self.means.len() - 1 })
    }

    /// Deviation of a search's mean, not below what its seeds make; none for a single search.
    pub fn search_deviation(&self) -> Option<f64> {
        Some(self.between?.max(self.seed_error()))
    }

    /// Deviation that the seeds alone give a search's mean; 0 where it cannot be known.
    pub fn seed_error(&self) -> f64 {
        self.within.unwrap_or(0.0) * self.inverse_pairs.sqrt()
    }

    /// Deviation of the searches themselves, the noise of the seeds taken out (at least 0); 0 for a
    /// single search.
    pub fn search_effect(&self) -> f64 {
        let between = self.between.unwrap_or(0.0);
        (between.powi(2) - self.seed_error().powi(2)).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_levels_by_hand() {
        let levels = Levels::of(&[vec![1.0, 3.0], vec![], vec![4.0, 8.0]]).unwrap();
        assert_eq!(levels.means, [2.0, 6.0]);
        assert_eq!(levels.difference, 4.0);
        // Squares 2 + 8 over 2 degrees of freedom.
        assert_eq!(levels.within, Some(5.0_f64.sqrt()));
        assert_eq!(levels.between, Some(8.0_f64.sqrt()));
        let error = levels.winners().error;
        assert!((error - (5.0_f64 / 4.0).sqrt()).abs() < 1e-15, "{error}");
        let searches = levels.procedures().unwrap();
        assert!((searches.error - 2.0).abs() < 1e-15 && searches.freedom == 1);
        assert!((levels.search_effect() - (8.0_f64 - 2.5).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn one_search_says_nothing_about_procedures() {
        let levels = Levels::of(&[vec![1.0, 2.0]]).unwrap();
        assert_eq!(
            (levels.between, levels.procedures(), levels.search_effect()),
            (None, None, 0.0)
        );
        // As Student's t over the pairs.
        let (ours, plain) = (levels.winners(), Estimate::of(&[1.0, 2.0]));
        assert!((ours.error - plain.error).abs() < 1e-15 && ours.freedom == plain.freedom);
        assert!(Levels::of(&[vec![], vec![]]).is_none());
    }
}
