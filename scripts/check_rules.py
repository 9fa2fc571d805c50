#!/usr/bin/env python3
"""Compare the rules of layer rates with NumPy transcriptions of their papers and original systems.

    python3 scripts/check_rules.py --seed 7       # fresh numbers, then `cargo test --release --test rules`
    python3 scripts/check_rules.py --write        # renews tests/data/rules.json

A small net of convolutions, linear layers and a batch norm gets 30 steps of random gradients that
remember the one before; plain gradient steps move its weights, so that both sides see the same
weights, gradients, directions and curvatures. Numbers are rounded to a few decimals before they are
used, so the file holds exactly what was computed with. For every rule the file has the rates of every
layer and step, for Layca also corrected weights and for L-DoG averaged ones; tests/rules.rs compares
them with ours to 1e-5. Needs NumPy; exits 1 on a difference.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

STEPS = 30
PER_EPOCH = 10
LAYERS = [
    {"name": "conv1", "kind": "conv", "inputs": 1, "outputs": 2, "kernel": 2, "bias": False},
    {"name": "conv2", "kind": "conv", "inputs": 2, "outputs": 3, "kernel": 3, "bias": False},
    {"name": "bn2", "kind": "norm", "channels": 3},
    {"name": "conv3", "kind": "conv", "inputs": 3, "outputs": 2, "kernel": 2, "bias": True},
    {"name": "fc1", "kind": "linear", "inputs": 6, "outputs": 5},
    {"name": "fc2", "kind": "linear", "inputs": 4, "outputs": 3},
]
SAMPLED = range(0, STEPS, 3)  # steps whose corrected weights are kept


def weight_shape(layer):
    """Shape in memory of a layer's weight."""
    if layer["kind"] == "conv":
        return (layer["outputs"], layer["inputs"], layer["kernel"], layer["kernel"])
    if layer["kind"] == "linear":
        return (layer["inputs"], layer["outputs"])
    return (layer["channels"],)


def bias_size(layer):
    if layer["kind"] == "conv":
        return layer["outputs"] if layer["bias"] else 0
    return layer["outputs"] if layer["kind"] == "linear" else layer["channels"]


def rounded(values, decimals):
    """As the file will hold them: a short decimal, read as f32."""
    return np.round(values, decimals).astype(np.float32).astype(np.float64)


def draw_run(seed):
    """Weights (one more than steps), gradients, directions, curvatures, factors, bases, decays."""
    draws = np.random.default_rng(seed)
    sizes = [int(np.prod(weight_shape(layer))) + bias_size(layer) for layer in LAYERS]
    decay = [round(float(draws.choice([0.0, 5e-4, 0.01])), 6) for _ in LAYERS]
    base = [round(float(draws.uniform(0.01, 1.0)), 3) for _ in LAYERS]
    w = [rounded(draws.normal(0, draws.uniform(0.1, 1.0), size), 4) for size in sizes]
    g = [np.zeros(size) for size in sizes]
    d = [np.zeros(size) for size in sizes]
    run = {"weights": [w], "gradients": [], "directions": [], "curvatures": [], "factors": []}
    for step in range(STEPS):
        keeps = draws.uniform(-0.6, 0.9, len(LAYERS))
        scale = draws.uniform(0.05, 1.0, len(LAYERS))
        g = [rounded(k * old + s * draws.normal(0, 1, old.size), 3) for k, s, old in zip(keeps, scale, g)]
        d = [rounded(0.9 * old + new + l * x, 3) for old, new, l, x in zip(d, g, decay, w)]
        w = [rounded(x - 0.05 * new, 4) for x, new in zip(w, g)]
        looks = step % 3 == 0
        along = [
            round(float(x @ x * (draws.uniform(1, 20) if draws.random() < 0.7 else -draws.random())), 5)
            for x in g
        ]
        run["gradients"].append(g)
        run["directions"].append(d)
        run["weights"].append(w)
        run["curvatures"].append(along if looks else [None] * len(LAYERS))
        run["factors"].append(round(float(draws.uniform(0.1, 1.0)), 3))
    return run, base, decay


def lars(run, base, decay, values):
    """timm `optim/lars.py`, always_adapt: the factor on the gradient, times the rate."""
    trust_coefficient, eps = 0.001, 1e-8
    rates = []
    for w, g in zip(run["weights"], run["gradients"]):
        w_norm = np.array([np.linalg.norm(x) for x in w])
        g_norm = np.array([np.linalg.norm(x) for x in g])
        trust = trust_coefficient * w_norm / (g_norm + w_norm * np.array(decay) + eps)
        rates.append(np.where((w_norm > 0) & (g_norm > 0), trust, 1.0) * base)
    return rates, {}


def lamb(run, base, decay, values):
    """LAMB, algorithm 2: the trust ratio of a step that includes decay."""
    rates = []
    for w, u in zip(run["weights"], run["directions"]):
        r1 = np.array([np.sqrt(np.sum(np.square(x))) for x in w])
        r2 = np.array([np.sqrt(np.sum(np.square(x))) for x in u])
        rates.append(r1 / r2 * base)
    return rates, {}


def hypergradient(run, base, decay, values):
    """Log-rates rise by β · cosine."""
    beta = values[1]
    ratio = np.ones(len(LAYERS))
    rates = []
    for step, g in enumerate(run["gradients"]):
        if step > 0:
            before = run["gradients"][step - 1]
            cos = [x @ y / np.sqrt((x @ x) * (y @ y)) for x, y in zip(g, before)]
            ratio = np.clip(ratio * np.exp(beta * np.array(cos)), 1 / 64, 64)
        rates.append(ratio * base)
    return rates, {}


def l_dog(run, base, decay, values):
    """formll/dog: LDoG and PolynomialDecayAverager."""
    reps_rel, eps, gamma = 1e-4, 1e-8, 8.0  # with batch norm
    first = run["weights"][0]
    rbar = np.array([reps_rel * (1 + np.linalg.norm(x)) for x in first])
    total = np.full(len(LAYERS), eps)
    average = [np.full(x.size, np.nan) for x in first]
    rates, averages = [], []
    for t, (w, g) in enumerate(zip(run["weights"], run["gradients"])):
        if t > 0:
            rbar = np.maximum(rbar, [np.linalg.norm(x - x0) for x, x0 in zip(w, first)])
        total = total + [np.sum((new + l * x) ** 2) for new, l, x in zip(g, decay, w)]
        rates.append(rbar / np.sqrt(total) * base)
        share = (gamma + 1) / (gamma + t + 1)
        after = run["weights"][t + 1]
        average = [x if t == 0 else old * (1 - share) + share * x for old, x in zip(average, after)]
        averages.append(average if t in (0, 14, STEPS - 1) else None)
    return rates, {"averages": averages}


def curvature(run, base, decay, values):
    """‖g‖²/(gᵀHg + δ‖g‖²) of averages over the looks with positive curvature, weights .8, .2."""
    damping = values[1]
    looks = [[] for _ in LAYERS]
    rates = []
    for g, along in zip(run["gradients"], run["curvatures"]):
        for layer, (x, c) in enumerate(zip(g, along)):
            if c is not None and c > 0:
                looks[layer].append((x @ x, c))
        known = {}
        for layer, seen in enumerate(looks):
            if seen:
                ages = 0.8 ** np.arange(len(seen))[::-1]
                n, c = (ages @ np.array(seen)) / ages.sum()
                known[layer] = n / (c + damping * n)
        least = min(known.values(), default=0.01)
        rates.append([known.get(layer, least) * b for layer, b in enumerate(base)])
    return rates, {}


def layca(run, base, decay, values):
    """`layca_optimizers.py`: kernels only. The rate is the factor on the optimiser's step."""
    rates, corrected = [], []
    for t, (w, d) in enumerate(zip(run["weights"], run["directions"])):
        now, moved = [], []
        for layer, p, step, lr in zip(LAYERS, w, d, np.array(base) * run["factors"][t]):
            size = 0 if layer["kind"] == "norm" else int(np.prod(weight_shape(layer)))
            kernel, s = p[:size], step[:size]
            if size == 0:
                now.append(0.0)
                moved.append(p)
                continue
            initial = np.linalg.norm(kernel)
            s = s - np.sum(s * kernel) * kernel / initial**2
            length = np.linalg.norm(s)
            new = kernel - lr * s / length * initial
            new = new / np.linalg.norm(new) * initial
            now.append(lr / run["factors"][t] * initial / length)
            moved.append(np.concatenate([new, p[size:]]))
        rates.append(now)
        corrected.append(moved if t in SAMPLED else None)
    return rates, {"corrected": corrected}


def freezeout(run, base, decay, values):
    """FreezeOut's `densenet.py`, cubic and with scaled rates; batch norms share an index."""
    index, indices = -1, []
    for layer in LAYERS:
        index += layer["kind"] != "norm"
        indices.append(index)
    rates = []
    for j, factor in enumerate(run["factors"]):
        now = []
        for layer_index, b in zip(indices, base):
            ratio = (values[1] + (1 - values[1]) * layer_index / index) ** 3
            max_j = STEPS * ratio
            # The schedule's factor, which this rule ignores, is put on below.
            now.append(0.0 if j > max_j else 0.5 * b / ratio * (1 + np.cos(np.pi * j / max_j)) / factor)
        rates.append(now)
    return rates, {}


def temp_balance(run, base, decay, values):
    """TempBalance's `tempbalance.py` with its defaults: median, linear map, batch norms by name."""
    tuned = [i for i, layer in enumerate(LAYERS) if layer["kind"] != "norm"][1:-1]
    names = {LAYERS[i]["name"]: i for i in tuned}
    ratio, rates = None, []
    for t in range(STEPS):
        if t % PER_EPOCH == 0:
            alphas = {}
            for i in tuned:
                shape = weight_shape(LAYERS[i])
                matrix = run["weights"][t][i][: int(np.prod(shape))].reshape(shape)
                if LAYERS[i]["kind"] == "conv":
                    matrix = matrix.reshape(shape[0], shape[1], -1) * np.sqrt(0.5)
                    matrix = matrix.transpose(2, 0, 1)
                eigs = np.sort(np.square(np.linalg.svd(matrix, compute_uv=False)).flatten())
                start = len(eigs) // 2
                n, logs = len(eigs) - start, np.log(eigs)
                alphas[i] = 1 + n / (np.sum(logs[start:]) - n * logs[start])
            scores = list(alphas.values())
            lr = dict(zip(alphas, np.interp(scores, [min(scores), max(scores)], [0.5, 1.5])))
            ratio = [lr.get(names.get(layer["name"].replace("bn", "conv")), 1.0) for layer in LAYERS]
        rates.append(np.array(ratio) * base)
    return rates, {}


RULES = {
    "lars": (lars, [1.0]),
    "lamb": (lamb, [1.0]),
    "hypergradient": (hypergradient, [1.0, 0.7]),
    "l-dog": (l_dog, [1.0]),
    "curvature": (curvature, [1.0, 0.7]),
    "layca": (layca, [1.0]),
    "freezeout": (freezeout, [1.0, 0.8]),
    "temp-balance": (temp_balance, [1.0]),
}


def short(values, digits):
    """Nested numbers with so many significant digits."""
    if values is None:
        return None
    if isinstance(values, (list, np.ndarray)):
        return [short(value, digits) for value in values]
    return float(f"{values:.{digits}g}")


def fixture(seed):
    run, base, decay = draw_run(seed)
    file = {
        "seed": seed,
        "total": STEPS,
        "per_epoch": PER_EPOCH,
        "layers": LAYERS,
        "base": base,
        "decay": decay,
        **{key: short(values, 8 if key in ("curvatures", "factors") else 7) for key, values in run.items()},
        "rules": {},
    }
    for name, (transcription, values) in RULES.items():
        rates, more = transcription(run, base, decay, values)
        rates = [np.array(now) * factor for now, factor in zip(rates, run["factors"])]
        file["rules"][name] = {
            "values": values,
            "rates": short(rates, 8),
            **{key: short(steps, 7) for key, steps in more.items()},
        }
    return json.dumps(file, separators=(",", ":")) + "\n"


def main():
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default 1)")
    parser.add_argument("--runs", type=int, default=1, help="so many seeds, from --seed on (default 1)")
    parser.add_argument("--write", action="store_true", help="renew tests/data/rules.json, then check it")
    parser.add_argument("--project", type=Path, default=root, help="where cargo runs (default: here)")
    arguments = parser.parse_args()
    if arguments.write:
        (root / "tests/data/rules.json").write_text(fixture(arguments.seed))
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seed, arguments.seed + arguments.runs):
            path = Path(folder) / f"rules-{seed}.json"
            path.write_text(fixture(seed))
            command = ["cargo", "test", "--release", "--quiet", "--test", "rules"]
            environment = {**os.environ, "STRATA_RULES_FIXTURE": str(path)}
            if subprocess.run(command, cwd=arguments.project, env=environment).returncode:
                sys.exit(f"seed {seed}: rules differ from their transcriptions")
            print(f"seed {seed}: {len(RULES)} rules, {STEPS} steps, {len(LAYERS)} layers agree")


if __name__ == "__main__":
    main()
