//! Probes of real runs.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::data::synthetic::{Size, dataset};
use crate::data::{Augmentation, Dataset, Order, Split};
use crate::device::{ComputeDevice, DeviceKind};
use crate::net::{Architecture, NetOptions, Parameters, Pass, build, rescale};
use crate::rates::LayerRates;
use crate::train::optimizer::{Optimizer, OptimizerSettings};
use crate::train::{EpochEnd, RunInputs, RunSettings, Schedule, Start};

const ALL: &[ProbeKind] = &[
    ProbeKind::NoiseScale,
    ProbeKind::HessianTrace,
    ProbeKind::Headroom,
    ProbeKind::LossSlices,
    ProbeKind::Robustness,
];

fn data() -> &'static (Dataset, Split, ComputeDevice) {
    static DATA: OnceLock<(Dataset, Split, ComputeDevice)> = OnceLock::new();
    DATA.get_or_init(|| {
        let data = dataset(Size { train: 1_800, test: 1 });
        let split = Split::stratified(&data.train.labels, Some(1_600), Some(200), 0).unwrap();
        (data, split, ComputeDevice::open(DeviceKind::Cpu).unwrap())
    })
}

fn run_of(net: &dyn Architecture, batch_size: usize) -> TrainingRun<'_> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let (dataset, split, device) = data();
    let settings = RunSettings {
        epochs: 8,
        batch_size,
        optimizer: OptimizerSettings::default(),
        schedule: Schedule::Constant,
        rates: LayerRates::uniform(0.02, &net.layers()).unwrap(),
        rule: None,
        start: Start::default(),
        seed: 1,
        order: Order::Shuffled,
        augmentation: Augmentation::None,
        diagnostics_every: Some(10),
    };
    TrainingRun::new(RunInputs { dataset, split, net, device, stop: &STOP }, settings).unwrap()
}

fn tutorial() -> Box<dyn Architecture> {
    build("tutorial", &NetOptions::default()).unwrap()
}

/// A net that has begun to learn.
fn trained(net: &dyn Architecture) -> TrainingRun<'_> {
    let mut run = run_of(net, 20);
    for _ in 0..5 {
        assert!(matches!(run.epoch(), EpochEnd::Done(_)));
    }
    run
}

fn figures<'r>(rows: &'r [ProbeRow], probe: &str) -> Vec<&'r ProbeRow> {
    rows.iter().filter(|row| row.probe == probe).collect()
}

fn value(rows: &[ProbeRow], probe: &str) -> f64 {
    let found = rows.iter().find(|row| row.probe == probe && row.layer.is_none()).unwrap();
    found.value.unwrap()
}

#[test]
fn probes_leave_the_run_as_it_was_and_send_a_bill() {
    let net = tutorial();
    let (mut plain, mut probed) = (run_of(net.as_ref(), 20), run_of(net.as_ref(), 20));
    let mut bill = 0.0;
    for epoch in 0..2 {
        let rows = probed.probe(ALL).unwrap();
        bill += figures(&rows, "cost").iter().map(|row| row.value.unwrap()).sum::<f64>();
        let (EpochEnd::Done(a), EpochEnd::Done(b)) = (plain.epoch(), probed.epoch()) else {
            panic!("nobody stopped it")
        };
        assert_eq!((a.train, a.validation, a.layers), (b.train, b.validation, b.layers), "{epoch}");
    }
    assert_eq!(plain.parameters.to_host(), probed.parameters.to_host());
    assert_eq!(probed.progress.probe_images as f64, bill);
    assert_eq!(probed.progress.images_trained, plain.progress.images_trained);
    // Noise 10·8·20; traces 2·2·8 and headroom 1+1+2·5 gradients of 512 images; slices 1 gradient and
    // 1+9·6 passes of 512 images; robustness 1+2·5 validations of 200.
    let costs =
        [1_600, 32 * 512, 12 * 512, 512 + (55 * 512_u64).div_ceil(3), 2_200_u64.div_ceil(3)];
    assert_eq!(probed.progress.probe_images, 2 * costs.iter().sum::<u64>());
    // Again at the same weights, again the same.
    let first = probed.probe(ALL).unwrap();
    assert_eq!(first, probed.probe(ALL).unwrap());
}

#[test]
fn figures_of_a_trained_net_agree_with_each_other() {
    let net = tutorial();
    let mut run = trained(net.as_ref());
    let rows = run.probe(ALL).unwrap();
    for row in &rows {
        let ends = (row.low.unwrap_or(f64::MIN), row.high.unwrap_or(f64::MAX));
        // Of ratios, percentiles may lie to one side.
        let is_ratio =
            row.probe.starts_with("noise") || row.probe.contains("best") || row.probe == "headroom";
        let holds = row.value.is_none_or(|value| ends.0 <= value && value <= ends.1);
        assert!(holds || is_ratio, "{row:?}");
    }
    let names = run.parameters.layer_names();
    // The loss falls by what slopes and curvatures say, along each layer's short step.
    let slices = figures(&rows, "slice");
    let here = slices.iter().find(|row| row.other == "0").unwrap().value.unwrap();
    for name in &names {
        let of = |probe: &str, other: &str| {
            let mut found = figures(&rows, probe).into_iter();
            let found = found.find(|row| row.layer.as_ref() == Some(name) && row.other == other);
            found.unwrap().value.unwrap()
        };
        let (slope, curvature) = (of("slope", ""), of("curvature", name));
        let s = 0.25;
        let change = of("slice", "0.25") - here;
        let expected = s * slope + 0.5 * s * s * curvature;
        assert!(slope < 0.0 && (change / expected - 1.0).abs() < 0.1, "{name} {change} {expected}");
    }
    assert!(value(&rows, "noise_scale") > 1.0);
    assert!(value(&rows, "hessian_trace") > 0.0);
    let kept = value(&rows, "reinitialised");
    assert_eq!(kept, run.progress.validation.unwrap().accuracy);
    for probe in ["reinitialised", "rerandomised"] {
        let undone = figures(&rows, probe);
        assert_eq!(undone.len(), names.len() + 1);
        assert!(undone.iter().any(|row| row.value.unwrap() < kept), "{undone:?}");
    }
}

#[test]
fn the_curvature_along_the_gradient_hardly_depends_on_the_step() {
    let net = tutorial();
    let run = trained(net.as_ref());
    let (images, labels) = run.chunks(&run.inputs.split.train[..512], 512).unwrap().swap_remove(0);
    let curvature = |by: f64| {
        let gradients = layer_gradients(net.as_ref(), &run.parameters, images.clone(), &labels);
        let step = by * gradient::RELATIVE_STEP;
        let (parameters, images) = (&run.parameters, images.clone());
        gradient::curvature_along(
            net.as_ref(),
            parameters,
            images,
            &labels,
            &gradients.layers,
            step,
        )
    };
    for (whole, half) in curvature(1.0).into_iter().zip(curvature(0.5)) {
        assert!(whole > 0.0 && (whole / half - 1.0).abs() < 0.15, "{whole} {half}");
    }
    let straight = curvature_along_gradient(net.as_ref(), &run.parameters, images.clone(), &labels);
    assert_eq!(straight, curvature(1.0));
}

#[test]
fn weights_that_are_no_numbers_give_rows_without_values() {
    for name in ["tutorial", "vgg-bn"] {
        let net = build(name, &NetOptions::default()).unwrap();
        // Few images: this is not about figures, and no fast path takes values that are not finite.
        let few = Split { train: data().1.train[..4].to_vec(), validation: vec![0, 1] };
        let mut run = run_of(net.as_ref(), 2);
        run.inputs.split = &few;
        let slot = &mut run.parameters.trained[0].value;
        *slot = slot.clone().mul_scalar(f64::NAN);
        let rows = run.probe(ALL).unwrap();
        let valued = rows.iter().filter(|row| row.value.is_some() && row.probe != "cost");
        // Only a layer that is itself new again may have one.
        let whole =
            |row: &&ProbeRow| row.layer.as_deref() == Some("conv1") && row.probe.starts_with("re");
        assert_eq!(valued.clone().count(), valued.filter(whole).count(), "{rows:#?}");
        assert!(rows.iter().all(|row| row.low.is_none_or(f64::is_finite)));
    }
}

/// Rescaling a layer and the next one changes no figure that does not depend on how the function is
/// written down, once the rates follow: c² times the old one for the layer, 1/c² for the next
/// layer's weight. (The next layer's bias keeps its size and would need its old rate: its layer's
/// own figures agree only where it counts for nothing, so they are compared by tensor.)
#[test]
fn gauge_invariant_figures_agree_in_a_rescaled_net() {
    let net = tutorial();
    let run = trained(net.as_ref());
    let (images, labels) = run.probe_batch().unwrap().swap_remove(0);
    let (c, layer) = (4.0, "conv2");
    let mut scaled = run.parameters.clone();
    rescale(&mut scaled, layer, c).unwrap();

    let rate = 0.01;
    let step = |parameters: &Parameters, factor: &dyn Fn(&str) -> f64| {
        let at = layer_gradients(net.as_ref(), parameters, images.clone(), &labels);
        let mut moved = parameters.clone();
        let mut figures = Vec::new();
        for (index, parameter) in parameters.trained.iter().enumerate() {
            let mut offset = 0;
            for earlier in &parameters.trained[..index] {
                offset +=
                    if earlier.layer == parameter.layer { earlier.value.dims()[0] } else { 0 };
            }
            let size = parameter.value.dims()[0];
            let gradient = at.layers[parameter.layer][offset..offset + size].to_vec();
            let by = crate::net::vector(gradient, &parameters.device);
            let slot = &mut moved.trained[index].value;
            *slot = slot.clone() - by.mul_scalar(rate * factor(&parameter.spec.name));
            let (old, new) = (host(&parameter.value), host(slot));
            let change: Vec<f32> = new.iter().zip(&old).map(|(new, old)| new - old).collect();
            let cosine = vector::dot(&old, &new) / (vector::norm(&old) * vector::norm(&new));
            figures.push((vector::norm(&change) / vector::norm(&old), cosine));
        }
        let output = |parameters: &Parameters| {
            let logits = net.forward(&mut Pass::evaluation(parameters), images.clone());
            logits.into_data().try_to_vec::<f32>().unwrap()
        };
        let (old, new) = (output(parameters), output(&moved));
        let change: Vec<f32> = new.iter().zip(old).map(|(new, old)| new - old).collect();
        (at.loss, figures, change)
    };
    let plain = step(&run.parameters, &|_| 1.0);
    let followed = step(&scaled, &|name| match name {
        "conv2.weight" | "conv2.bias" => c * c,
        "fc1.weight" => 1.0 / (c * c),
        _ => 1.0,
    });
    assert_eq!(plain.0, followed.0);
    for ((a, b), parameter) in plain.1.iter().zip(&followed.1).zip(&scaled.trained) {
        let name = &parameter.spec.name;
        assert!((a.0 / b.0 - 1.0).abs() < 1e-4 && (a.1 - b.1).abs() < 1e-9, "{name} {a:?} {b:?}");
    }
    let close = |a: &[f32], b: &[f32]| {
        let difference: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        vector::norm(&difference) / vector::norm(a)
    };
    assert!(close(&plain.2, &followed.2) < 1e-3);
    // With the old rates they do not.
    let unfollowed = step(&scaled, &|_| 1.0);
    assert!(close(&plain.2, &unfollowed.2) > 0.1);
}

#[test]
fn slopes_and_curvatures_are_the_same_in_a_rescaled_net_whose_rates_follow() {
    let net = tutorial();
    let c: f64 = 2.0;
    let probe = |rescaled: bool| {
        let mut run = trained(net.as_ref());
        if rescaled {
            rescale(&mut run.parameters, "fc1", c).unwrap();
            let factors = [("fc1".to_owned(), 0.02 * c * c), ("fc2".to_owned(), 0.02 / (c * c))];
            run.settings.rates = run.settings.rates.clone().with_overrides(&factors).unwrap();
            let settings = run.settings.optimizer.clone();
            run.optimizer = Optimizer::new(settings, &run.settings.rates, &run.parameters).unwrap();
        }
        run.probe(&[ProbeKind::Headroom]).unwrap()
    };
    let (plain, scaled) = (probe(false), probe(true));
    for (a, b) in plain.iter().zip(&scaled) {
        // The bias of fc2 does not follow: a small part of its layer's step.
        let tolerance =
            if a.layer.as_deref() == Some("fc2") || a.other == "fc2" { 0.1 } else { 0.02 };
        if matches!(a.probe, "slope" | "curvature") && a.layer.as_deref() == Some("fc1") {
            let (a, b) = (a.value.unwrap(), b.value.unwrap());
            assert!((a / b - 1.0).abs() < tolerance, "{a} {b}");
        }
    }
}
