//! Whatever a user gets wrong: status 2, one message that names the thing and what to do, and
//! nothing lost.

mod common;

use std::fs;
use std::path::Path;

use common::{contents, small_layer_lr, strata, write_cifar10};

/// A mistake: the binary, its flags (`@` stands for the test's folder), and what the message must
/// contain.
struct Mistake {
    binary: &'static str,
    flags: &'static str,
    message: &'static [&'static str],
}

const fn train(flags: &'static str, message: &'static [&'static str]) -> Mistake {
    Mistake { binary: "train", flags, message }
}

const fn layer_lr(flags: &'static str, message: &'static [&'static str]) -> Mistake {
    Mistake { binary: "layer_lr", flags, message }
}

const SMALL: &str = "--train-images 40 --validation-images 20 --batch-size 10 --epochs 1";

const MISTAKES: &[Mistake] = &[
    // Data.
    train("--dataset cifar10 --data-dir @/none", &["@/none", "--download"]),
    train("--dataset cifar10 --data-dir @/empty", &["@/empty", "--download"]),
    train("--dataset auto --data-dir @/none", &["@/none"]),
    train("--dataset cifar10 --data-dir @/file.txt", &["@/file.txt"]),
    train("--dataset cifar10 --data-dir @/truncated", &["data_batch_3.bin", "3073"]),
    train("--dataset cifar10 --data-dir @/label", &["data_batch_2.bin", "10"]),
    train("--dataset cifar10 --data-dir @/unreadable", &["test_batch.bin"]),
    train("--dataset cifar10 --data-dir @/incomplete", &["data_batch_5.bin"]),
    train("--dataset cifar100", &["cifar100", "synthetic"]),
    train("--dataset synthetic --train-images 0", &["--train-images", "at least 1"]),
    train("--dataset synthetic --validation-images 0", &["--validation-images", "at least 1"]),
    train("--dataset synthetic --train-images -5", &["-5"]),
    train("--dataset synthetic --train-images 1e3", &["--train-images", "1e3"]),
    train("--dataset synthetic --train-images 9000000", &["--train-images", "9000000"]),
    train("--dataset cifar10 --data-dir @/good --train-images 50", &["--train-images", "50"]),
    train("--dataset synthetic --train-images 40 --batch-size 41", &["--batch-size", "41", "40"]),
    train("--dataset synthetic --batch-size 0", &["--batch-size", "at least 1"]),
    train("--dataset synthetic --augment cutout", &["--augment", "cutout", "pad-crop-flip"]),
    train("--download --download-url nonsense --data-dir new", &["nonsense", "--download-url"]),
    // Net, device, rates.
    train("--dataset synthetic --net alexnet", &["alexnet", "tutorial, vgg, vgg-bn, resnet20"]),
    train("--dataset synthetic --l1 0", &["--l1", "at least 1"]),
    train("--dataset synthetic --device cuda", &["cuda", "--features cuda"]),
    train("--dataset synthetic --device wgpu", &["wgpu", "--features wgpu"]),
    train("--dataset synthetic --device ndarray", &["ndarray", "--features ndarray"]),
    train("--dataset synthetic --device tpu", &["tpu", "cuda"]),
    train("--dataset synthetic --lr 0", &["--lr", "positive"]),
    train("--dataset synthetic --lr=-0.1", &["--lr", "positive"]),
    train("--dataset synthetic --lr NaN", &["--lr", "positive"]),
    train("--dataset synthetic --lr inf", &["--lr", "positive"]),
    train("--dataset synthetic --lr fast", &["--lr", "fast"]),
    train("--dataset synthetic --layer-lr conv9=.1", &["--layer-lr", "conv9", "conv1, conv2, fc1"]),
    train("--dataset synthetic --layer-lr conv1", &["--layer-lr", "conv1=0.001"]),
    train("--dataset synthetic --layer-lr conv1=0", &["--layer-lr", "conv1", "positive"]),
    train("--dataset synthetic --layer-lr conv1=-1", &["--layer-lr", "conv1", "positive"]),
    train("--dataset synthetic --layer-lr conv1=NaN", &["--layer-lr", "conv1", "positive"]),
    train("--dataset synthetic --layer-lr conv1=inf", &["--layer-lr", "conv1", "positive"]),
    train("--dataset synthetic --layer-lr conv1=.1,conv1=.2", &["--layer-lr", "twice"]),
    train("--dataset synthetic --layer-lr conv1=.1;fc1=.2", &["--layer-lr"]),
    train("--dataset synthetic --scheme pyramid", &["--scheme", "pyramid", "depth-decay"]),
    train("--dataset synthetic --scheme global --decay .5", &["--scheme global", "decay"]),
    train("--dataset synthetic --scheme depth-decay --decay 0", &["--decay", "positive"]),
    train(
        "--dataset synthetic --scheme type-groups --coefficients head",
        &["--coefficients", "head"],
    ),
    train("--dataset synthetic --scheme type-groups --coefficients head=-1", &["positive"]),
    // Training.
    train("--dataset synthetic --epochs 0", &["--epochs", "at least 1"]),
    train("--dataset synthetic --momentum 1", &["--momentum", "below 1"]),
    train("--dataset synthetic --weight-decay=-1", &["--weight-decay"]),
    train("--dataset synthetic --optimizer lion", &["--optimizer", "lion", "sgd"]),
    train("--dataset synthetic --schedule spline", &["--schedule", "spline", "cosine"]),
    train("--dataset synthetic --epoch 3", &["--epoch"]),
    // Files.
    train("--config @/none.toml", &["@/none.toml"]),
    train("--config @/broken.toml", &["@/broken.toml"]),
    train("--config @/unknown.toml", &["@/unknown.toml", "epoch_count", "batch-size"]),
    train("--config @/invalid.toml", &["@/invalid.toml", "--epochs"]),
    train("--config @/switch.toml", &["@/switch.toml", "quiet", "true"]),
    train("--dataset synthetic --out @/file.txt/run", &["@/file.txt/run", "--out"]),
    train("--dataset synthetic --out @/file.txt", &["@/file.txt", "--out"]),
    train("--dataset synthetic --out @/good", &["@/good", "not empty"]),
    train("--dataset synthetic --out @/run", &["@/run", "--resume"]),
    train("--dataset synthetic --out @/fresh --resume", &["@/fresh", "no run"]),
    train("--dataset synthetic --import-weights @/none.safetensors", &["@/none.safetensors"]),
    train("--dataset synthetic --import-weights @/file.txt", &["@/file.txt", "safetensors"]),
    train(
        "--dataset synthetic --import-weights @/tutorial.safetensors --net vgg",
        &["tutorial.safetensors", "--net"],
    ),
    train(
        "--dataset synthetic --import-weights @/tutorial.safetensors --l1 99",
        &["fc1", "[120, 400]", "--l1"],
    ),
    train("--dataset synthetic --export-weights @/none/w.safetensors", &["@/none/w.safetensors"]),
    // The experiment's own.
    layer_lr("--dataset synthetic --trials 0", &["--trials", "at least 1"]),
    layer_lr("--dataset synthetic --retrains 0", &["--retrains", "at least 1"]),
    layer_lr("--dataset synthetic --rate-low .5 --rate-high .1", &["--rate-low", "--rate-high"]),
    layer_lr("--dataset synthetic --rate-low 0", &["--rate-low", "positive"]),
    layer_lr("--dataset synthetic --workers 0", &["--workers", "at least 1"]),
    layer_lr("--dataset synthetic --batch-size 41", &["--batch-size", "41"]),
    layer_lr("--dataset synthetic --out @/run", &["@/run", "--resume"]),
    layer_lr("--dataset synthetic --preset huge", &["--preset", "huge", "quick"]),
];

fn prepare(folder: &Path) {
    let path = |name: &str| folder.join(name);
    for name in ["good", "truncated", "label", "unreadable", "incomplete"] {
        write_cifar10(&path(name), 9);
    }
    fs::create_dir(path("empty")).unwrap();
    let bytes = fs::read(path("good/data_batch_3.bin")).unwrap();
    fs::write(path("truncated/data_batch_3.bin"), &bytes[..bytes.len() - 100]).unwrap();
    let mut bytes = bytes;
    bytes[3073 * 4] = 10;
    fs::write(path("label/data_batch_2.bin"), bytes).unwrap();
    fs::remove_file(path("unreadable/test_batch.bin")).unwrap();
    fs::create_dir(path("unreadable/test_batch.bin")).unwrap();
    fs::remove_file(path("incomplete/data_batch_5.bin")).unwrap();
    for (name, text) in [
        ("file.txt", "precious"),
        ("broken.toml", "epochs = "),
        ("unknown.toml", "epoch_count = 3\n"),
        ("invalid.toml", "epochs = 0\n"),
        ("switch.toml", "quiet = 3\n"),
    ] {
        fs::write(path(name), text).unwrap();
    }
    strata("train")
        .args(["--dataset", "synthetic", "--quiet"])
        .args(SMALL.split(' '))
        .arg("--export-weights")
        .arg(path("tutorial.safetensors"))
        .arg("--out")
        .arg(path("run"))
        .assert()
        .success();
}

#[test]
fn every_mistake_is_explained_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let before = contents(folder.path());
    let here = folder.path().to_str().unwrap();
    for Mistake { binary, flags, message } in MISTAKES {
        let outside = tempfile::tempdir().unwrap();
        let flags = flags.replace('@', here);
        let mut command = strata(binary);
        // Small sizes in front: the mistake's own flags come later and win.
        let given: Vec<_> = SMALL.split(' ').collect();
        for pair in given.chunks(2).filter(|pair| !flags.contains(pair[0])) {
            command.args(pair);
        }
        if !flags.contains("--out") {
            command.arg("--out").arg(outside.path().join("run"));
        }
        let assert = command.args(flags.split(' ')).current_dir(outside.path()).assert();
        let output = assert.get_output();
        let text = String::from_utf8_lossy(&output.stderr);
        let shown = format!("{binary} {flags}\n{text}");
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert_eq!(text.matches("error:").count(), 1, "{shown}");
        assert!(!text.contains("panicked"), "{shown}");
        for part in *message {
            assert!(text.contains(&part.replace('@', here)), "no {part:?} in:\n{shown}");
        }
        assert!(contents(folder.path()) == before, "files were changed by {shown}");
        assert!(!outside.path().join("run/trials.csv").exists(), "rows were written by {shown}");
    }
}

#[test]
fn a_damaged_checkpoint_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let train = |resume: &[&str]| {
        let mut command = strata("train");
        command.args(["--dataset", "synthetic", "--quiet"]).args(SMALL.split(' '));
        command.args(resume).arg("--out").arg(&out);
        command.assert()
    };
    train(&[]).success();
    let path = out.join("checkpoints/last.safetensors");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    // As if the run had not finished: only then is the checkpoint needed.
    let trials = fs::read_to_string(out.join("trials.csv")).unwrap();
    for damaged in [&flipped[..], &good[..good.len() / 3], b"", b"no safetensors"] {
        fs::write(out.join("trials.csv"), format!("{}\n", trials.lines().next().unwrap())).unwrap();
        fs::write(&path, damaged).unwrap();
        let before = contents(&out);
        let assert = train(&["--resume"]).failure();
        let output = assert.get_output();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("last.safetensors") && text.contains("Delete it"), "{text}");
        let kept = |files: &[(std::path::PathBuf, Vec<u8>)]| {
            files
                .iter()
                .filter(|(path, _)| !path.ends_with("manifest.json"))
                .cloned()
                .collect::<Vec<_>>()
        };
        assert!(kept(&contents(&out)) == kept(&before), "files were changed");
    }
    fs::write(&path, &good).unwrap();
    train(&["--resume"]).success();
}

#[test]
fn resuming_with_other_flags_names_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    small_layer_lr(&out).arg("--quiet").assert().success();
    let assert = small_layer_lr(&out).args(["--quiet", "--resume", "--momentum", "0.5"]).assert();
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert_eq!(assert.get_output().status.code(), Some(2), "{text}");
    assert!(text.contains("optimizer"), "{text}");
}
