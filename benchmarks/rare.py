"""How many labels until the first rare item is met, while only one class is known: before there is any model.

    python benchmarks/rare.py [--pools 60] [--only POOL …]

Orders of questions: at random; typical items alone, as `auto` began before; typical items and items unlike all that
were asked, as `auto` begins now. Data: messages and intents of shared/data, and made-up tables.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from askwise import batch
from askwise.encoders import get

SHARED = Path(__file__).parents[2] / "shared" / "data"
MOST = 400
"""Labels after which a run ends."""


def typical(X: np.ndarray, rng: np.random.Generator) -> list[int]:
    return _in_batches(batch.typical, X, rng)


def cold(X: np.ndarray, rng: np.random.Generator) -> list[int]:
    return _in_batches(batch.cold, X, rng)


def by_chance(X: np.ndarray, rng: np.random.Generator) -> list[int]:
    return rng.permutation(len(X)).tolist()


def _in_batches(rule: Callable[..., np.ndarray], X: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Ten at a time, as a person who is ahead of the model gets them."""
    asked: list[int] = []
    while len(asked) < MOST:
        left = np.setdiff1d(np.arange(len(X)), asked)
        found = rule(X[left], X[asked], rng.random(len(left)), 10, rng)
        asked += left[found].tolist()
    return asked


ORDERS = {"random": by_chance, "typical only": typical, "auto": cold}


def texts(name: str, text: str, label: str) -> tuple[list[str], np.ndarray]:
    with gzip.open(SHARED / name, "rt", encoding="utf-8") as file:
        found = {row[text]: row[label] for row in csv.DictReader(file)}
    return list(found), np.array(list(found.values()))


def spam(pools: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One message in a hundred is spam."""
    items, y = texts("spam_sms/sms_spam.csv.gz", "text", "label")
    X = np.asarray(get("tfidf").encode(items))
    for seed in range(pools):
        rng = np.random.default_rng([1, seed])
        ham = rng.permutation(np.flatnonzero(y == "ham"))[:2500]
        rows = np.concatenate([ham, rng.choice(np.flatnonzero(y == "spam"), 25, replace=False)])
        yield X[rows], y[rows] == "spam"


def intents(pools: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One of the intents against all others."""
    items, y = texts("intent_clinc150/clinc150.csv.gz", "text", "intent")
    X = np.asarray(get("tfidf").encode(items))
    names = np.unique(y)
    for seed in range(pools):
        rng = np.random.default_rng([2, seed])
        rows = rng.permutation(len(y))[:3000]
        wanted = y[rows] == names[rng.integers(len(names))]
        if wanted.any():
            yield X[rows], wanted


def scattered(pools: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One row in a hundred is far from everything, each by itself."""
    for seed in range(pools):
        rng = np.random.default_rng([3, seed])
        X, rare = rng.normal(size=(2000, 10)), np.arange(2000) % 100 == 0
        X[rare] *= 4
        yield X.astype(np.float32), rare


def junk(pools: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rare ones lie close together in the middle; one row in twenty is junk far out."""
    for seed in range(pools):
        rng = np.random.default_rng([4, seed])
        X, rare = rng.normal(size=(2000, 10)), np.arange(2000) % 100 == 0
        X[rare] *= 0.3
        X[rng.choice(np.flatnonzero(~rare), 100, replace=False)] *= 6
        yield X.astype(np.float32), rare


def around(pools: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Two Gaussians with means apart, one of them one in a hundred."""
    for seed in range(pools):
        rng = np.random.default_rng([5, seed])
        X, rare = rng.normal(size=(2000, 10)), np.arange(2000) % 100 == 0
        X[rare] += 1
        yield X.astype(np.float32), rare


POOLS = {
    "messages, 1 % spam": spam, "one intent of 151": intents, "scattered far out": scattered,
    "in the middle, 5 % junk far out": junk, "two Gaussians": around,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=int, default=60)
    parser.add_argument("--only", choices=list(POOLS), nargs="+", default=list(POOLS))
    args = parser.parse_args()
    print(f"| {args.pools} pools each | {' | '.join(ORDERS)} |\n|---|{'---|' * len(ORDERS)}", flush=True)
    for name in args.only:
        make = POOLS[name]
        found: dict[str, list[int]] = {order: [] for order in ORDERS}
        for seed, (X, rare) in enumerate(make(args.pools)):
            for order, ask in ORDERS.items():
                asked = ask(X, np.random.default_rng([6, seed]))[:MOST]
                hits = np.flatnonzero(rare[asked])
                found[order].append(int(hits[0]) + 1 if len(hits) else MOST)
        cells = [f"{np.median(n):.0f} / {np.quantile(n, 0.9):.0f}" for n in found.values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
