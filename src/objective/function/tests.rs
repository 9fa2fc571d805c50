use super::*;
use crate::random::{Purpose, stream};
use rand::RngExt;

/// Every function, those of any dimension in several.
fn all() -> Vec<Function> {
    let names = FUNCTIONS.iter().flat_map(|family| match family.dimension {
        Dimension::Fixed(_) => vec![family.name.to_owned()],
        Dimension::From(least) => {
            [least, 2, 5, 10].map(|dimension| format!("{}-{dimension}", family.name)).to_vec()
        }
    });
    names.map(|name| function(&name).unwrap()).collect()
}

/// Values computed elsewhere: NumPy from the printed definitions, SciPy's `rosen`.
#[test]
fn known_values() {
    let half_pi = PI / 2.0;
    let known: &[(&str, &[f64], f64)] = &[
        ("branin", &[0.0, 0.0], 55.602112642270264),
        ("branin", &[-5.0, 0.0], 308.12909601160663),
        ("branin", &[10.0, 15.0], 145.87219087939556),
        ("branin", &[2.5, 7.5], 24.129964413622268),
        ("hartmann3", &[0.5, 0.5, 0.5], -0.6280220150705939),
        ("hartmann3", &[0.1, 0.2, 0.9], -1.0759017114901501),
        ("hartmann3", &[1.0, 0.0, 1.0], -0.08476938549649189),
        ("hartmann6", &[0.5; 6], -0.5053149917022332),
        ("hartmann6", &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], -1.4069105761385294),
        ("ackley", &[1.0, 1.0], 3.6253849384403627),
        ("ackley", &[-12.5, 30.25], 21.91643144918375),
        ("ackley-5", &[1.0, 2.0, 3.0, 4.0, 5.0], 9.697286414061546),
        ("rastrigin", &[0.5, 0.5], 40.5),
        ("rastrigin", &[1.25, -3.1], 23.082330056250516),
        ("rastrigin-5", &[1.0, 2.0, 3.0, 4.0, 5.0], 55.0),
        ("rosenbrock", &[0.0, 0.0], 1.0),
        ("rosenbrock", &[-1.2, 1.0], 24.2),
        ("rosenbrock-4", &[1.5, -2.0, 0.25, 3.0], 4085.203125),
        ("ishigami", &[1.0, 1.0, 1.0], 5.882132011203685),
        ("ishigami", &[-2.0, 0.5, 3.0], -6.6656646546521925),
        ("ishigami", &[half_pi, half_pi, PI], 17.74090910340024),
        ("sobol-g", &[0.0; 8], 4.058355639000001),
        ("sobol-g", &[0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], 1.594176230629571),
        ("sphere", &[1.0, 2.0], 5.0),
        ("sphere-3", &[3.0, -1.0, 0.5], 10.25),
        ("mixed", &[0.0, 0.1, 32.0, 0.3], 0.12),
        ("mixed", &[1.0, 1e-5, 1.0, 0.9], 1.70275),
        ("mixed", &[3.0, 1.0, 64.0, 0.0], 0.8426),
        ("bratley-3", &[0.5, 0.25, 0.5], -0.4375),
        ("bratley-5", &[0.9, 0.8, 0.7, 0.6, 0.5], -0.53280),
        ("linear-3", &[1.0, 0.5, 0.25], 0.65625),
        ("interaction", &[0.25, 1.0], -0.125),
        ("categorical-sum", &[2.0, 0.25], 3.25),
        ("log-check", &[0.1, 0.5], 5.5),
        ("steep-3", &[0.5, 0.25, 0.9], 0.1335371581547911),
        ("even-3", &[0.5, 0.25, 0.9], 0.46730000000000005),
        ("gated-3", &[0.5, 0.25, 0.9], 0.9281655581497718),
    ];
    for (name, point, expected) in known {
        let value = function(name).unwrap().evaluate(point);
        assert!((value - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{name} {point:?}");
    }
    for family in FUNCTIONS {
        let is_known = known.iter().any(|(name, ..)| name.starts_with(family.name));
        assert!(is_known, "{} has no known value", family.name);
    }
}

#[test]
fn minima_are_taken_where_declared() {
    for function in all() {
        let minimizers = function.minimizers();
        assert!(!minimizers.is_empty());
        for point in minimizers {
            let value = function.evaluate(&point);
            let error = (value - function.minimum()).abs();
            assert!(error < 1e-12, "{} {point:?} {value}", function.name());
            for (x, (low, high)) in point.iter().zip(function.bounds()) {
                assert!((low..=high).contains(x), "{} {x}", function.name());
            }
        }
    }
}

/// The points that the library prints, to its digits.
#[test]
fn printed_minima() {
    let hartmann3 = function("hartmann3").unwrap().evaluate(&[0.114614, 0.555649, 0.852547]);
    assert!((hartmann3 + 3.86278).abs() < 1e-5, "{hartmann3}");
    let point = [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573];
    let hartmann6 = function("hartmann6").unwrap().evaluate(&point);
    assert!((hartmann6 + 3.32237).abs() < 1e-5, "{hartmann6}");
    let branin = function("branin").unwrap().evaluate(&[9.42478, 2.475]);
    assert!((branin - 0.397887).abs() < 1e-6, "{branin}");
}

/// Half of the points near a minimum, where a wrong one would show.
#[test]
fn nothing_is_lower_than_the_minimum() {
    for function in all() {
        let space = function.space();
        let mut generator = stream(1, Purpose::Noise, 0);
        let minimizers = function.minimizers();
        for index in 0..20_000 {
            let near = (index % 2 == 1).then(|| &minimizers[index / 2 % minimizers.len()]);
            let width = 0.1_f64.powi((index / 2 % 5) as i32);
            let mut axis = 0;
            let configuration = space.configure(|parameter, _| {
                let mut u = generator.random::<f64>();
                if let Some(near) = near {
                    u = parameter.distribution.position(near[axis]) + width * (u - 0.5);
                }
                axis += 1;
                parameter.distribution.at(u)
            });
            assert!(space.contains(&configuration));
            let value = function.at(&configuration).unwrap();
            let lowest = function.minimum() - 1e-12;
            assert!(value >= lowest, "{} {configuration:?} {value}", function.name());
        }
    }
}

#[test]
fn spaces_have_the_bounds() {
    for function in all() {
        let space = function.space();
        assert_eq!(space.parameters.len(), function.dimension());
        for (parameter, (low, high)) in space.parameters.iter().zip(function.bounds()) {
            let ends = (parameter.distribution.at(0.0), parameter.distribution.at(1.0));
            assert!((ends.0 - low).abs() < 1e-12 && (ends.1 - high).abs() < 1e-12);
        }
        assert_eq!(function.at(&Configuration::default()), None);
    }
    let names: Vec<_> =
        function("mixed").unwrap().space().parameters.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["optimizer", "lr", "units", "dropout"]);
    assert_eq!(function("sphere-3").unwrap().space().parameters[2].name, "x3");
}

#[test]
fn names() {
    for (name, dimension) in
        [("ackley", 2), ("ackley-1", 1), ("rosenbrock-5", 5), ("sobol-g", 8), ("branin-2", 2)]
    {
        assert_eq!(function(name).unwrap().dimension(), dimension, "{name}");
    }
    for function in all() {
        assert_eq!(super::function(&function.name()).unwrap().name(), function.name());
    }
    for (name, expected) in [
        ("brannin", "known are branin, hartmann3, hartmann6, rosenbrock or rosenbrock-N, ackley"),
        ("", "unknown function \"\""),
        ("sobol", "sobol-g"),
        ("x-5", "unknown function \"x-5\""),
        ("branin-3", "branin always has 2 variables; write branin"),
        ("rosenbrock-1", "\"1\" is no number of variables for rosenbrock"),
        ("ackley-0", "from 1 to 1000"),
        ("ackley-1001", "from 1 to 1000"),
        ("ackley-x", "\"x\" is no number"),
        ("ackley-", "\"\" is no number"),
    ] {
        let message = function(name).unwrap_err().to_string();
        assert!(message.contains(expected), "{name}: {message}");
    }
}
