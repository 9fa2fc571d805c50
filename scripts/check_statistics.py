#!/usr/bin/env python3
"""Compare Strata's statistics with SciPy's on random data.

    python3 scripts/check_statistics.py                        # needs scipy >= 1.17; runs cargo test
    python3 scripts/check_statistics.py --write tests/data/statistics.json
    python3 scripts/check_statistics.py --coverage             # why no percentile or BCa interval

Draws values with ties, zeros and heavy tails, lets SciPy compute what it has (Wilcoxon's test with
method="auto", t-tests one- and two-sided, quantiles, noncentral t, Wilson's interval) and computes the
rest here from its definition (Holm; errors pooled over searches; the bootstrap-t over all resamples
there are). The numbers go to a JSON file, which `cargo test --release --test statistics`
reads by STRATA_STATISTICS_FIXTURE. Exits 1 on a difference.
"""
import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import numpy as np
    from scipy import stats
except ImportError as error:
    sys.exit(f"{error}: this check needs SciPy 1.17 or newer: python3 -m pip install 'scipy>=1.17'")

warnings.simplefilter("ignore")  # SciPy warns of small samples, which are what we want to compare
ROOT = Path(__file__).resolve().parent.parent


def draw_values(draws, n):
    """Differences of accuracies: continuous, on a grid of the test set, or with heavy tails."""
    kind = draws.integers(4)
    center = draws.choice([0.0, 0.001, 0.004])
    if kind == 0:
        return (center + 0.004 * draws.standard_normal(n)).tolist()
    if kind == 1:
        return (center + 0.004 * draws.standard_t(3, n)).tolist()
    grid = [0.0001, 0.001][kind - 2]
    values = np.round((center + 0.003 * draws.standard_normal(n)) / grid)
    return [float(int(value)) / round(1 / grid) for value in values]


def wilcoxon(values):
    if not any(values):
        return 1.0  # SciPy: 1 or NaN, by the number of zeros
    return stats.wilcoxon(values).pvalue


def holm(p):
    """By its definition: the smallest level at which step-down rejection reaches each p."""
    order = np.argsort(p, kind="stable")
    rejected_at = [p[index] * (len(p) - place) for place, index in enumerate(order)]
    adjusted = [0.0] * len(p)
    for place, index in enumerate(order):
        adjusted[index] = min(1.0, max(rejected_at[: place + 1]))
    return adjusted


def student(values, bound):
    test = stats.ttest_1samp(values, 0)
    interval = test.confidence_interval(0.95)
    return {
        "values": values,
        "bound": bound,
        "p": test.pvalue,
        "low": interval.low,
        "high": interval.high,
        "above": stats.ttest_1samp(values, bound, alternative="greater").pvalue,
        "below": stats.ttest_1samp(values, bound, alternative="less").pvalue,
        "equivalence": max(
            stats.ttest_1samp(values, -bound, alternative="greater").pvalue,
            stats.ttest_1samp(values, bound, alternative="less").pvalue,
        ),
    }


def comparison(searches, bound):
    """What a verdict on several searches reads, by the formulas of its documentation."""
    means = np.array([np.mean(search) for search in searches])
    counts = np.array([len(search) for search in searches])
    within = np.sqrt(sum(np.sum((np.array(s) - np.mean(s)) ** 2) for s in searches) / (counts - 1).sum())
    middle = means.mean()
    own = stats.ttest_1samp(means, 0)
    interval = own.confidence_interval(0.95)
    error = within * np.sqrt(np.mean(1 / counts) / len(means))
    t = stats.t((counts - 1).sum())
    winners = {
        "p": 2 * t.sf(abs(middle) / error),
        "equivalence": max(t.sf((middle + bound) / error), t.sf((bound - middle) / error)),
    }
    return {
        "searches": searches,
        "bound": bound,
        "difference": middle,
        "low": interval.low,
        "high": interval.high,
        "p": max(own.pvalue, winners["p"]),
        "equivalence": max(student(means.tolist(), bound)["equivalence"], winners["equivalence"]),
        "within": within,
        "between": np.std(means, ddof=1),
        "winners_low": middle - t.ppf(0.975) * error,
        "winners_high": middle + t.ppf(0.975) * error,
        "winners_rule": bool(winners["p"] > own.pvalue),
    }


def every_resample(searches):
    """The bootstrap-t interval over all resamples there are, with a little leeway at each quantile."""
    strata = [np.array(search) for search in searches]
    freedom = sum(len(s) - 1 for s in strata)
    inverse = sum(1 / len(s) for s in strata) / len(strata) ** 2
    per_search = []
    for s in strata:
        drawn = s[np.array(list(itertools.product(range(len(s)), repeat=len(s))))]
        per_search.append((drawn.mean(1), drawn.var(1) * len(s)))
    mean, squares = per_search[0]
    for other_mean, other_squares in per_search[1:]:
        mean = np.add.outer(mean, other_mean).ravel()
        squares = np.add.outer(squares, other_squares).ravel()
    mean = mean / len(strata)
    center = np.mean([s.mean() for s in strata])
    error = np.sqrt(sum(((s - s.mean()) ** 2).sum() for s in strata) / freedom * inverse)
    errors = np.sqrt(squares / freedom * inverse)
    scores = (mean - center)[errors > 1e-9 * error] / errors[errors > 1e-9 * error]
    at = lambda share: float(center - np.quantile(scores, share) * error)
    leeway = 0.002
    return {
        "searches": searches,
        "low": [at(0.975 + leeway), at(0.975 - leeway)],
        "high": [at(0.025 + leeway), at(0.025 - leeway)],
    }


def power(effect, deviation, n):
    return stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, effect / deviation * np.sqrt(n))


def needed(effect, deviation):
    return next(n for n in itertools.count(2) if power(effect, deviation, n) >= 0.8)


def fixture(seed, cases):
    draws = np.random.default_rng(seed)
    some = lambda low, high: draw_values(draws, int(draws.integers(low, high)))
    grouped = lambda low, high: [some(low, high) for _ in range(draws.integers(2, 11))]
    p = lambda: (10.0 ** -draws.uniform(0, 4, draws.integers(1, 8))).tolist()
    data = {
        "made_by": f"scripts/check_statistics.py --seed {seed} --cases {cases}",
        "scipy": __import__("scipy").__version__,
        "wilcoxon": [{"values": v, "p": wilcoxon(v)} for v in (some(1, 70) for _ in range(4 * cases))],
        "student": [student(some(2, 40), float(draws.uniform(0.0005, 0.006))) for _ in range(cases)],
        "comparison": [comparison(grouped(2, 12), float(draws.uniform(0.0005, 0.006))) for _ in range(cases)],
        "quantile": [
            {"probability": q, "freedom": f, "value": stats.t.ppf(q, f)}
            for q, f in zip(draws.uniform(0.001, 0.999, cases).tolist(), draws.integers(1, 400, cases).tolist())
        ],
        "holm": [{"p": values, "adjusted": holm(values)} for values in (p() for _ in range(cases))],
        "wilson": [],
        "power": [],
        "bootstrap": [every_resample([some(6, 8)]) for _ in range(3)]
        + [every_resample([some(3, 5), some(4, 5)]) for _ in range(3)],
    }
    for _ in range(cases):
        n = int(draws.integers(1, 1001))
        hits = int(draws.integers(0, n + 1))
        interval = stats.binomtest(hits, n).proportion_ci(method="wilson")
        data["wilson"].append({"hits": hits, "n": n, "low": interval.low, "high": interval.high})
        effect, deviation = (float(x) for x in draws.uniform(0.001, 0.008, 2))
        n = int(draws.integers(2, 40))
        data["power"].append({
            "effect": effect, "deviation": deviation, "n": n,
            "power": power(effect, deviation, n), "needed": needed(effect, deviation),
        })
    # Where SciPy has no number (no spread at all) there is nothing to compare.
    data["student"] = [case for case in data["student"] if np.isfinite(case["p"])]
    data["bootstrap"] = [case for case in data["bootstrap"] if np.isfinite(case["low"] + case["high"]).all()]
    return data


def coverage(seed):
    """How often SciPy's percentile and BCa intervals and Student's miss the mean of normal noise."""
    draws = np.random.default_rng(seed)
    print("pairs  percentile  BCa  Student   (share of 2000 experiments whose 95 % interval misses)")
    for n in (6, 10, 20, 30):
        values = draws.standard_normal((2000, n))
        missed = []
        for method in ("percentile", "BCa"):
            interval = stats.bootstrap((values,), np.mean, axis=-1, method=method, n_resamples=999,
                                       batch=50, rng=draws).confidence_interval
            missed.append(np.mean((interval.low > 0) | (interval.high < 0)))
        missed.append(np.mean(stats.ttest_1samp(values, 0, axis=-1).pvalue < 0.05))
        print(f"{n:5}  " + "  ".join(f"{100 * share:.1f} %" for share in missed))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=200, help="random cases of each kind")
    parser.add_argument("--write", type=Path, help="only write the numbers to this file")
    parser.add_argument("--coverage", action="store_true", help="only measure bootstrap intervals")
    options = parser.parse_args()
    if options.coverage:
        return coverage(options.seed)
    text = json.dumps(fixture(options.seed, options.cases)) + "\n"
    if options.write:
        options.write.write_text(text)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "statistics.json"
        path.write_text(text)
        command = ["cargo", "test", "--release", "--test", "statistics"]
        environment = {**os.environ, "STRATA_STATISTICS_FIXTURE": str(path)}
        return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
