//! Small multiples: many panels that share their axes.

use super::axis::Axis;
use super::panel;
use super::sheet::{Panel, Rows};
use super::theme::{MARGIN, WIDTH};

/// How many of `count` panels stand beside each other: few gaps in the last row, and few rows.
pub(super) fn columns(count: usize) -> usize {
    match count {
        0 | 1 => 1,
        2 | 4 => 2,
        3 | 5 | 6 | 9 => 3,
        _ => 4,
    }
}

/// The same for panels whose x axes differ and want room: three beside each other at most.
pub(super) fn wide_columns(count: usize) -> usize {
    match count {
        1 | 2 => count,
        4 => 2,
        _ => 3,
    }
}

/// Sets panels that share both axes in rows: only the first of a row labels the y axis, only the
/// last of a column names the x axis, and all plots are equally wide.
pub(super) fn arrange(mut panels: Vec<Panel>, columns: usize) -> (Vec<Panel>, Rows) {
    let (count, columns) = (panels.len(), columns.max(1));
    let Some(first) = panels.first() else { return (panels, Rows::Grid(columns)) };
    let shared = first.y.clone();
    let bare = without_labels(&shared);
    let across = WIDTH - MARGIN * (columns.min(count) + 1) as f64;
    let room = |y: &Axis| panel::near_room(y) + panel::far_room(y);
    let rooms = room(&shared) + room(&bare) * (columns.min(count) - 1) as f64;
    let plot = (across - rooms) / columns.min(count) as f64;
    for (i, panel) in panels.iter_mut().enumerate() {
        if i % columns > 0 {
            panel.y = without_labels(&panel.y);
        }
        // The panel below says what the axis is.
        if i + columns < count {
            panel.x.label.clear();
        }
        panel.weight = plot + room(if i % columns > 0 { &bare } else { &shared });
    }
    (panels, Rows::Grid(columns))
}

fn without_labels(axis: &Axis) -> Axis {
    let mut axis = axis.clone();
    axis.label.clear();
    axis.ticks.iter_mut().for_each(|tick| tick.label.clear());
    axis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_edges_of_a_grid_have_words() {
        super::super::theme::load_fonts().unwrap();
        let panel = || Panel {
            title: String::new(),
            subtitle: String::new(),
            x: Axis::linear("steps", [0.0, 1.0], (0.0, 1.0)),
            y: Axis::linear("loss", [0.0, 1.0], (0.0, 1.0)),
            marks: Vec::new(),
            height: 100.0,
            weight: 1.0,
        };
        let (panels, rows) = arrange((0..5).map(|_| panel()).collect(), columns(5));
        assert_eq!(rows, Rows::Grid(3));
        let named = |words: fn(&Panel) -> &str| -> Vec<bool> {
            panels.iter().map(|p| !words(p).is_empty()).collect()
        };
        assert_eq!(named(|p| &p.y.label), [true, false, false, true, false]);
        assert_eq!(named(|p| &p.x.label), [false, false, true, true, true]);
        assert!(panels[0].weight > panels[1].weight && panels[1].weight == panels[2].weight);
        assert!(arrange(Vec::new(), 3).0.is_empty());
    }
}
