//! Axes: the one place where ranges are made safe, ticks chosen and numbers written.

/// Linear or logarithmic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
}

/// A labelled position on an axis.
#[derive(Clone, Debug)]
pub(super) struct Tick {
    pub at: f64,
    pub label: String,
}

/// A strip at one end of an axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strip {
    /// The line between it and the data.
    pub edge: f64,
    /// Where its points belong.
    pub at: f64,
}

/// The end of an axis that a strip lies at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Low,
    High,
}

/// A range of values with its ticks; maps values to 0..1 and never fails to.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub label: String,
    pub ticks: Vec<Tick>,
    /// Second labels, on the far side: values beside bars.
    pub far: Vec<Tick>,
    /// A strip beside the data for what has no value.
    pub strip: Option<Strip>,
    /// Whether ticks are names: no grid lines, and room for long labels.
    pub names: bool,
    /// Whether only the labels are drawn: no line and no tick marks.
    pub bare: bool,
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    /// A linear axis around `values`, kept within `bounds` (such as 0 to 100 %).
    pub fn linear(label: &str, values: impl IntoIterator<Item = f64>, bounds: (f64, f64)) -> Self {
        let (low, high) = span(values, bounds);
        let pad = (high - low) * 0.05;
        let (low, high) = ((low - pad).max(bounds.0), (high + pad).min(bounds.1));
        Self::new(label, Scale::Linear, low, high)
    }

    /// A logarithmic axis around the positive ones of `values`.
    pub fn log(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let positive = values.into_iter().filter(|v| *v > 0.0).map(f64::log10);
        let (low, high) = span(positive, (-30.0, 30.0));
        let pad = (high - low) * 0.05;
        Self::new(label, Scale::Log, low - pad, high + pad)
    }

    /// A logarithmic axis of ratios around 1: ticks at powers of two, written `1/4`, `1`, `4`.
    pub fn ratios(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let mut axis = Self::log(label, values.into_iter().chain([0.5, 2.0]));
        let (low, high) = (axis.low / 2f64.log10(), axis.high / 2f64.log10());
        let stride = ((high - low) / 8.0).ceil().max(1.0) as i32;
        let exponents = (low.ceil() as i32..=high.floor() as i32).filter(|e| e % stride == 0);
        axis.ticks = exponents
            .map(|e| {
                let (at, size) = (2f64.powi(e), number(2f64.powi(e.abs())));
                Tick { at, label: if e < 0 { format!("1/{size}") } else { size } }
            })
            .collect();
        axis
    }

    /// One slot for each name, at 0, 1, 2 ….
    pub fn names(label: &str, names: impl IntoIterator<Item = String>) -> Self {
        let tick = |(i, label)| Tick { at: i as f64, label };
        let ticks: Vec<Tick> = names.into_iter().enumerate().map(tick).collect();
        let high = ticks.len().max(1) as f64 - 0.5;
        let axis = Self::new(label, Scale::Linear, -0.5, high);
        Self { ticks, names: true, ..axis }
    }

    /// The same axis the other way round: the first name at the top.
    pub fn downwards(mut self) -> Self {
        (self.low, self.high) = (self.high, self.low);
        self
    }

    /// A linear axis around whole numbers: no ticks between them.
    pub fn whole(label: &str, values: impl IntoIterator<Item = f64>, bounds: (f64, f64)) -> Self {
        Self::linear(label, values, bounds).with_whole_ticks()
    }

    /// The same axis without ticks between whole numbers, if any remain.
    pub fn with_whole_ticks(mut self) -> Self {
        if self.ticks.iter().any(|t| t.at.fract() == 0.0) {
            self.ticks.retain(|t| t.at.fract() == 0.0);
            for tick in self.ticks.iter_mut().filter(|t| t.at.abs() < 1e9) {
                tick.label = decimal(tick.at, 0);
            }
        }
        self
    }

    /// The same linear axis over another range, with the ticks it has.
    pub fn between(self, low: f64, high: f64) -> Self {
        Self { low, high, ..self }
    }

    /// The same axis with ticks at these values, as far as it reaches.
    pub fn with_ticks(mut self, values: impl IntoIterator<Item = f64>) -> Self {
        let inside = values.into_iter().filter(|v| self.covers(*v));
        self.ticks = inside.map(|at| Tick { at, label: number(at) }).collect();
        self
    }

    /// Adds a strip under the data, labelled `label`; returns where its points belong.
    pub fn add_strip(&mut self, label: &str) -> f64 {
        self.add_strip_at(End::Low, label, 0.11)
    }

    /// Adds a strip of a share of the axis at one end; returns where its points belong.
    pub fn add_strip_at(&mut self, end: End, label: &str, share: f64) -> f64 {
        let height = (self.high - self.low) * share;
        let (edge, at) = match end {
            End::Low => (self.low, self.low - height * 0.55),
            End::High => (self.high, self.high + height * 0.55),
        };
        match end {
            End::Low => self.low -= height,
            End::High => self.high += height,
        }
        let value = |position: f64| match self.scale {
            Scale::Linear => position,
            Scale::Log => 10f64.powf(position),
        };
        let strip = Strip { edge: value(edge), at: value(at) };
        self.strip = Some(strip);
        self.ticks.push(Tick { at: strip.at, label: label.to_owned() });
        strip.at
    }

    /// Whether `value` lies on the axis, its strip included, rather than beyond its ends.
    pub fn covers(&self, value: f64) -> bool {
        let value = if self.scale == Scale::Log { value.log10() } else { value };
        (self.low.min(self.high)..=self.low.max(self.high)).contains(&value)
    }

    /// The values at its two ends, the lower one first.
    pub fn ends(&self) -> (f64, f64) {
        let value = |position: f64| match self.scale {
            Scale::Linear => position,
            Scale::Log => 10f64.powf(position),
        };
        (value(self.low.min(self.high)), value(self.low.max(self.high)))
    }

    /// Where `value` lies: 0 at the start, 1 at the end; values outside are drawn at the edge.
    pub fn place(&self, value: f64) -> f64 {
        let value = if self.scale == Scale::Log { value.log10() } else { value };
        let share = (value - self.low) / (self.high - self.low);
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    fn new(label: &str, scale: Scale, low: f64, high: f64) -> Self {
        let ticks = match scale {
            Scale::Linear => linear_ticks(low, high),
            Scale::Log => log_ticks(low, high),
        };
        let (label, far) = (label.to_owned(), Vec::new());
        Self { label, ticks, far, strip: None, names: false, bare: false, scale, low, high }
    }
}

/// Least and greatest of `values` within `bounds`, never empty, equal or non-finite.
fn span(values: impl IntoIterator<Item = f64>, bounds: (f64, f64)) -> (f64, f64) {
    // Beyond this, ticks and pixels would lose their meaning before the sums overflow.
    let limit = 1e15;
    let bounds = (bounds.0.max(-limit), bounds.1.min(limit));
    let finite = values.into_iter().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        let v = v.clamp(bounds.0, bounds.1);
        (low.min(v), high.max(v))
    });
    if low > high {
        return if bounds.1 - bounds.0 <= 1000.0 { bounds } else { (0.0, 1.0) };
    }
    // Identical values get an axis of some width around them.
    let least = (low.abs().max(high.abs()) * 0.002).max(1e-9);
    if high - low >= least {
        return (low, high);
    }
    let middle = low.midpoint(high);
    let half = if middle == 0.0 { 0.5 } else { middle.abs() * 0.1 };
    (middle - half, middle + half)
}

/// Round steps, at most six of them.
fn linear_ticks(low: f64, high: f64) -> Vec<Tick> {
    let rough = (high - low) / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    let label = |at: f64| with_step(at, step);
    (first..=last).map(|i| i as f64 * step).map(|at| Tick { at, label: label(at) }).collect()
}

/// Decades; within few of them also 2 and 5, and within half a one, round steps.
fn log_ticks(low: f64, high: f64) -> Vec<Tick> {
    let decades = high - low;
    if decades < 0.5 {
        let ticks = linear_ticks(10f64.powf(low), 10f64.powf(high));
        return ticks.into_iter().filter(|t| t.at > 0.0).collect();
    }
    let digits: &[f64] = match decades {
        d if d <= 1.0 => &[1.0, 2.0, 3.0, 5.0, 7.0],
        d if d <= 2.0 => &[1.0, 2.0, 5.0],
        d if d <= 3.0 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let stride = (decades / 8.0).ceil().max(1.0) as i32;
    let exponents = (low.floor() as i32..=high.ceil() as i32).filter(|e| e % stride == 0);
    let values = exponents.flat_map(|e| digits.iter().map(move |d| d * 10f64.powi(e)));
    let inside = values.filter(|v| (low..=high).contains(&v.log10()));
    inside.map(|at| Tick { at, label: number(at) }).collect()
}

/// A tick label with the decimals that its step needs, and no more.
fn with_step(value: f64, step: f64) -> String {
    if value != 0.0 && (value.abs() >= 1e9 || step < 1e-7) {
        return number(value);
    }
    let decimals = (0..10).find(|d| {
        let scaled = step * 10f64.powi(*d);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    decimal(value, decimals.unwrap_or(10) as usize)
}

/// A number for people: three digits, plain from a millionth to a billion, else a power of ten.
pub(super) fn number(value: f64) -> String {
    number_of(value, 3)
}

/// A number for people with so many digits.
pub(super) fn number_of(value: f64, count: u8) -> String {
    let count = usize::from(count.max(1));
    let size = value.abs();
    if !value.is_finite() {
        return "–".to_owned();
    }
    if size == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e9).contains(&size) {
        let rounded = format!("{value:.*e}", count - 1);
        let exponent: i32 = rounded.split_once('e').and_then(|e| e.1.parse().ok()).unwrap_or(0);
        return trim(&decimal(value, (count as i32 - 1 - exponent).clamp(0, 9) as usize))
            .to_owned();
    }
    scientific(value, count)
}

/// An estimate and the ends of its interval with the same decimals: so many that the interval's width has `count`
/// digits, for more are not known. None where the numbers are too large or too small to be written so.
pub fn estimate_in_words(value: f64, low: f64, high: f64, count: u8) -> Option<String> {
    estimate_with(value, low, high, decimals_of(high - low, count)?)
}

/// The same with so many decimals.
pub(super) fn estimate_with(value: f64, low: f64, high: f64, decimals: usize) -> Option<String> {
    let is_plain = [value, low, high].iter().all(|it| it.is_finite() && it.abs() < 1e7);
    let text = |value: f64| decimal(value, decimals);
    is_plain.then(|| format!("{} [{}, {}]", text(value), text(low), text(high)))
}

/// Decimals with which `width` has `count` digits; none if they would be too many, or it is no width.
pub(super) fn decimals_of(width: f64, count: u8) -> Option<usize> {
    let decimals = i32::from(count.max(1)) - 1 - width.log10().floor().clamp(-99.0, 99.0) as i32;
    (width > 0.0 && width.is_finite() && decimals <= 7).then_some(decimals.max(0) as usize)
}

/// A number as a power of ten, with so many digits before it: short where zeros would be many.
pub(super) fn scientific(value: f64, count: usize) -> String {
    let scientific = format!("{value:.*e}", count.max(1) - 1);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let raised: String = exponent.chars().map(superscript).collect();
    match trim(digits) {
        "1" => format!("10{raised}"),
        "-1" => format!("−10{raised}"),
        digits => format!("{}×10{raised}", digits.replace('-', "−")),
    }
}

/// `value` with so many decimals, thousands apart, and a true minus sign.
pub(super) fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    // "−0.0" is a rounding artefact, not a number.
    if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('−');
    }
    for (i, digit) in whole.chars().enumerate() {
        // Four digits read well without a comma.
        if i > 0 && whole.len() > 4 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// A fraction as a percentage: `64.1 %`.
pub(super) fn percent(fraction: f64) -> String {
    format!("{} %", decimal(fraction * 100.0, 1))
}

fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn superscript(digit: char) -> char {
    let raised = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    digit.to_digit(10).map_or('⁻', |d| raised[d as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn numbers_are_plain() {
        let cases = [
            (0.1 + 0.2, "0.3"),
            (0.001, "0.001"),
            (0.012_345, "0.0123"),
            (1e-6, "0.000001"),
            (3.2e-8, "3.2×10⁻⁸"),
            (1e-12, "10⁻¹²"),
            (50_000.0, "50,000"),
            (0.999_9, "1"),
            (-1.5, "−1.5"),
            (0.0, "0"),
            (-2.5e12, "−2.5×10¹²"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
        assert_eq!(decimal(-0.01, 1), "0.0");
        let words = |value, low, high| estimate_in_words(value, low, high, 2).unwrap_or_default();
        assert_eq!(words(0.1988, 0.0843, 0.2758), "0.20 [0.08, 0.28]");
        assert_eq!(words(0.00087, 0.00041, 0.0022), "0.0009 [0.0004, 0.0022]");
        assert_eq!(words(1234.5, 1200.0, 1300.25), "1234 [1200, 1300]");
        assert_eq!(
            (words(1.0, 1.0, 1.0), words(1.0, f64::NAN, 2.0)),
            (String::new(), String::new())
        );
        assert_eq!(percent(0.6412), "64.1 %");
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            labels(&Axis::linear("", [0.1, 0.52], FREE)),
            ["0.1", "0.2", "0.3", "0.4", "0.5"]
        );
        assert_eq!(labels(&Axis::linear("", [97.0, 100.0], (0.0, 100.0)))[0], "97");
        assert_eq!(labels(&Axis::log("", [0.0008, 1.1])), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(&Axis::log("", [0.009, 0.11])), ["0.01", "0.02", "0.05", "0.1"]);
    }

    #[test]
    fn no_input_makes_an_axis_unsafe() {
        let inputs: [&[f64]; 9] = [
            &[],
            &[f64::NAN, f64::INFINITY],
            &[0.5, 0.5],
            &[0.0],
            &[1e-300, 1e300],
            &[-1e308, 1e308],
            &[-5.0, -5.0],
            &[1e12, 1e12 + 1.0],
            &[100.0, 100.0],
        ];
        for values in inputs {
            for bounds in [FREE, (0.0, 100.0)] {
                let linear = Axis::linear("", values.iter().copied(), bounds);
                let log = Axis::log("", values.iter().copied());
                for axis in [linear, log] {
                    assert!(axis.low < axis.high && (axis.high - axis.low).is_finite());
                    assert!((1..=12).contains(&axis.ticks.len()), "{values:?} {axis:?}");
                    for value in values.iter().chain(&[0.0, -1.0, f64::NAN]) {
                        assert!((0.0..=1.0).contains(&axis.place(*value)));
                    }
                }
            }
        }
    }

    #[test]
    fn ratios_are_ticked_at_powers_of_two_and_always_at_one() {
        assert_eq!(labels(&Axis::ratios("", [0.3, 3.9])), ["1/2", "1", "2", "4"]);
        let wide = Axis::ratios("", [1e-4, 1e4]);
        assert!(wide.ticks.len() <= 10 && labels(&wide).contains(&"1"), "{wide:?}");
        assert_eq!(labels(&Axis::ratios("", [])), ["1/2", "1", "2"]);
    }

    #[test]
    fn a_strip_lies_under_the_data() {
        let mut axis = Axis::linear("", [10.0, 60.0], (0.0, 100.0));
        let at = axis.add_strip("diverged");
        let edge = axis.strip.unwrap().edge;
        assert!(axis.place(at) > 0.0 && axis.place(at) < axis.place(edge));
        assert!(axis.place(edge) < axis.place(10.0));
    }

    #[test]
    fn a_strip_may_lie_above_and_on_a_logarithmic_axis() {
        for mut axis in [Axis::linear("", [10.0, 60.0], FREE), Axis::log("", [1e-3, 60.0])] {
            let at = axis.add_strip_at(End::High, "no value", 0.2);
            let edge = axis.strip.unwrap().edge;
            assert!(axis.place(60.0) < axis.place(edge) && axis.place(edge) < axis.place(at));
            assert!(axis.place(at) < 1.0 && axis.covers(at) && !axis.covers(1e9));
        }
    }

    #[test]
    fn whole_axes_have_whole_ticks() {
        assert_eq!(labels(&Axis::whole("", [0.0, 2.0], FREE)), ["0", "1", "2"]);
        assert_eq!(number_of(1.21349, 4), "1.213");
    }
}
