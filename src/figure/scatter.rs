//! The trials of a search as points: marks by how each ended, thinned where they are many.

use std::collections::HashSet;

use super::axis::Axis;
use super::sheet::{Key, Mark};
use super::study::{self, STATUSES, Study};
use super::tables::{Status, Trial};
use super::theme::{self, Color, Marker};

/// Most points that are drawn as full markers; more become dots.
const FEW: usize = 900;
/// Most points of one figure: more cover each other, and files grow.
const MOST: usize = 5000;
/// Radius of the ring around the best trial.
const BEST: f64 = 7.5;

impl Study<'_> {
    /// The trials as points, by how they ended, the best one ringed; `place` says where.
    pub fn points(
        &self,
        x: &Axis,
        y: &Axis,
        panels: usize,
        place: impl Fn(&Trial) -> Option<(f64, f64)>,
    ) -> Vec<Mark> {
        let dotted = self.dotted(panels);
        let mut marks: Vec<Mark> = STATUSES
            .into_iter()
            .map(|status| {
                let of_status = self.trials.iter().filter(|t| t.status == status);
                let points = of_status.filter_map(|t| place(t)).collect();
                let most = self.most(status, panels);
                let (marker, color, radius) = marker(status, dotted);
                Mark::Points { points: thin(points, x, y, most), marker, color, radius }
            })
            .collect();
        if let Some(at) = self.best().and_then(|(trial, _)| place(trial)) {
            let (_, color, radius) = marker(Status::Complete, false);
            let points = vec![at];
            // Drawn again: it may lie under others, or have been thinned out.
            marks.push(Mark::Points {
                points: points.clone(),
                marker: Marker::Circle,
                color,
                radius,
            });
            marks.push(Mark::Points {
                points,
                marker: Marker::Ring,
                color: theme::INK,
                radius: BEST,
            });
        }
        marks
    }

    /// Whether a figure of so many panels shows its trials as dots.
    pub fn dotted(&self, panels: usize) -> bool {
        self.trials.len() * panels > FEW
    }

    /// Says that not every point is drawn, where that is so.
    pub fn thinned(&self, panels: usize) -> String {
        match STATUSES.into_iter().any(|status| self.count(status) > self.most(status, panels)) {
            true => "Not every mark is drawn: evenly spaced ones, and those that stand alone."
                .to_owned(),
            false => String::new(),
        }
    }

    /// Most points drawn of one status in one of so many panels: a fair share, and what the other
    /// statuses leave of theirs.
    fn most(&self, status: Status, panels: usize) -> usize {
        let all = MOST / panels.max(1);
        let share = all / STATUSES.len();
        let others = STATUSES.into_iter().filter(|other| *other != status);
        share.max(all - others.map(|other| self.count(other).min(share)).sum::<usize>())
    }

    /// Legend entries for what [`points`](Self::points) draws.
    pub fn keys(&self, panels: usize) -> Vec<Key> {
        let dotted = self.dotted(panels);
        let order = [Status::Complete, Status::Pruned, Status::Diverged, Status::Failed];
        let present = order.into_iter().filter(|status| self.count(*status) > 0);
        let mut keys: Vec<Key> = present
            .map(|status| {
                let (marker, color, radius) = marker(status, dotted);
                Key::sized(study::name(status), marker, color, radius)
            })
            .collect();
        if self.best().is_some() {
            keys.push(Key::sized("best", Marker::Ring, theme::INK, BEST));
        }
        keys
    }
}

/// Marker, colour and radius of a trial's point.
fn marker(status: Status, dotted: bool) -> (Marker, Color, f64) {
    let look = theme::status(status);
    match (status, dotted) {
        (Status::Complete, true) => (Marker::Dot, look.color, 2.3),
        (Status::Pruned, true) => (Marker::Speck, look.color, 2.0),
        (_, true) => (look.marker, look.color, 2.6),
        (Status::Pruned, false) => (look.marker, look.color, 2.9),
        (_, false) => (look.marker, look.color, 3.8),
    }
}

/// At most `most` of the points: most of them evenly spaced in their order, so that clouds keep
/// their shades, the rest such as would leave a part of the plot empty, so that outliers remain.
pub(super) fn thin(points: Vec<(f64, f64)>, x: &Axis, y: &Axis, most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most {
        return points;
    }
    let even = stride((0..points.len()).collect(), most * 3 / 4);
    let mut kept: Vec<usize> = Vec::new();
    let mut cells = 128.0;
    while cells >= 2.0 {
        let cell = |i: usize| {
            let (a, b) = points[i];
            ((x.place(a) * cells) as u32, (y.place(b) * cells / 2.0) as u32)
        };
        let mut taken: HashSet<(u32, u32)> = even.iter().map(|i| cell(*i)).collect();
        kept = (0..points.len()).filter(|i| taken.insert(cell(*i))).collect();
        if even.len() + kept.len() <= most {
            break;
        }
        kept.clear();
        cells /= 1.25;
    }
    kept.extend(even);
    kept.sort_unstable();
    kept.into_iter().map(|i| points[i]).collect()
}

/// At most `most` of the items, evenly spaced, first and last among them.
pub(super) fn stride<T>(items: Vec<T>, most: usize) -> Vec<T> {
    let (n, most) = (items.len(), most.max(2));
    if n <= most {
        return items;
    }
    let wanted: HashSet<usize> = (0..most).map(|i| i * (n - 1) / (most - 1)).collect();
    items
        .into_iter()
        .enumerate()
        .filter(|(i, _)| wanted.contains(i))
        .map(|(_, item)| item)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_clouds_keep_their_outliers() {
        let free = (f64::NEG_INFINITY, f64::INFINITY);
        let x = Axis::linear("", [0.0, 10_000.0], free);
        let y = Axis::linear("", [0.0, 10.0], free);
        let mut points: Vec<(f64, f64)> =
            (0..10_000).map(|i| (f64::from(i), f64::from(i % 7) / 7.0)).collect();
        points[4567].1 = 10.0;
        let kept = thin(points.clone(), &x, &y, 500);
        assert!(kept.len() <= 500 && kept.len() > 350 && kept.contains(&(4567.0, 10.0)));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(thin(points[..9].to_vec(), &x, &y, 9), points[..9]);
        assert_eq!(stride((0..100).collect(), 3), [0, 49, 99]);
    }
}
