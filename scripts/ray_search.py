#!/usr/bin/env python3
"""The classic CIFAR search of Ray Tune with PyTorch: the yardstick of `benches/classic_search.rs`.

    python3 scripts/ray_search.py --data-dir DIR --trials 10 --epochs 10

Random search over l1, l2 in 2^{2..8}, lr log-uniform in [1e-4, 1e-1], batch size in {2, 4, 8, 16}; SGD
with momentum .9; ASHA (grace 1, factor 2) on validation loss; one CPU a trial. Prints trials, epochs,
seconds, trials per hour and images trained per second. Needs torch and "ray[tune]".
"""
import argparse
import os
import time
from pathlib import Path

import numpy as np
import ray
import torch
import torch.nn.functional as F
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from check_parity import Tutorial, read_images


def evaluate(net, images, labels):
    with torch.no_grad():
        logits = torch.cat([net(part) for part in images.split(250)])
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def train(config, data, epochs):
    torch.set_num_threads(1)
    images, labels, held_out, held_out_labels = data
    net = Tutorial(config["l1"], config["l2"])
    optimizer = torch.optim.SGD(net.parameters(), lr=config["lr"], momentum=0.9)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(config["batch_size"]):
            optimizer.zero_grad()
            F.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
        loss, accuracy = evaluate(net, held_out, held_out_labels)
        tune.report({"loss": loss, "accuracy": accuracy})


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data-dir", type=Path, required=True)
    arguments.add_argument("--trials", type=int, default=10)
    arguments.add_argument("--epochs", type=int, default=10)
    arguments.add_argument("--train-images", type=int, default=8000)
    arguments.add_argument("--validation-images", type=int, default=2000)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

    begun = time.perf_counter()
    ray.init(num_cpus=options.workers, include_dashboard=False, logging_level="ERROR")
    started = time.perf_counter()
    np.random.seed(options.seed)
    images, labels = read_images(options.data_dir)
    first, last = options.train_images, options.train_images + options.validation_images
    data = (images[:first], labels[:first], images[first:last], labels[first:last])
    trainable = tune.with_parameters(train, data=data, epochs=options.epochs)
    space = {
        "l1": tune.sample_from(lambda _: int(2 ** np.random.randint(2, 9))),
        "l2": tune.sample_from(lambda _: int(2 ** np.random.randint(2, 9))),
        "lr": tune.loguniform(1e-4, 1e-1),
        "batch_size": tune.choice([2, 4, 8, 16]),
    }
    scheduler = ASHAScheduler(max_t=options.epochs, grace_period=1, reduction_factor=2)
    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=options.trials, scheduler=scheduler),
        run_config=tune.RunConfig(verbose=0),
    ).fit()
    seconds = time.perf_counter() - started
    epochs = sum(int(result.metrics.get("training_iteration", 0)) for result in results)
    best = results.get_best_result("loss", "min").metrics
    print("trials,epochs_run,init_seconds,seconds,trials_per_hour,images_per_second,best_loss,best_accuracy")
    print(
        f"{len(results)},{epochs},{started - begun:.1f},{seconds:.1f},{len(results) * 3600 / seconds:.0f},"
        f"{epochs * options.train_images / seconds:.0f},{best['loss']:.4f},{best['accuracy']:.4f}"
    )


if __name__ == "__main__":
    main()
