#!/usr/bin/env python3
"""Training throughput in eager PyTorch on the CPU: the yardstick of `benches/throughput.rs`.

    python3 scripts/pytorch_throughput.py --threads 1 --batch-sizes 4,16,64,128 --net tutorial

Prints a CSV row for each batch size: images trained per second and microseconds per step (forward,
cross-entropy, backward, SGD with momentum) after ten steps of warm-up, on random images in memory.
Needs torch.
"""
import argparse
import time

import torch
import torch.nn.functional as F

from check_parity import ResNet20, Tutorial, Vgg

NETS = {"tutorial": Tutorial, "vgg": Vgg, "vgg-bn": lambda: Vgg(batch_norm=True), "resnet20": ResNet20}


def measure(build, batch_size, seconds):
    """Steps done and the seconds they took."""
    net = build()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    images, labels = torch.randn(batch_size, 3, 32, 32), torch.arange(batch_size) % 10
    steps, started = -10, time.perf_counter()
    while steps <= 0 or time.perf_counter() - started < seconds:
        if steps == 0:
            started = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
        steps += 1
    return steps, time.perf_counter() - started


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--batch-sizes", default="4,16,64,128")
    arguments.add_argument("--seconds", type=float, default=3.0)
    arguments.add_argument("--net", choices=NETS, default="tutorial")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    print("framework,threads,batch_size,images_per_second,microseconds_per_step")
    for batch_size in map(int, options.batch_sizes.split(",")):
        steps, seconds = measure(NETS[options.net], batch_size, options.seconds)
        rate, step = steps * batch_size / seconds, seconds / steps * 1e6
        print(f"pytorch-{torch.__version__},{options.threads},{batch_size},{rate:.0f},{step:.0f}", flush=True)


if __name__ == "__main__":
    main()
