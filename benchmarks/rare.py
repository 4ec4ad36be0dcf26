"""How many labels until rare items are met.

    python benchmarks/rare.py [--pools 60] [--only POOL …]            # the first, while only one class is known
    python benchmarks/rare.py --sessions [--pools 20] [--only POOL …] # the first and the fifth, and how many of 300

Orders of questions: at random; typical items alone, as `auto` began before; typical items and items unlike all that
were asked, as `auto` begins now. With --sessions whole sessions with nothing chosen are asked, of texts also with the
name of the rare label told, or with one example of it (a rare item that is not in the pool). Data: messages and
intents of shared/data, and made-up tables.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from askwise import Session, batch
from askwise.encoders import get

SHARED = Path(__file__).parents[2] / "shared" / "data"
MOST = 400
"""Labels after which a run ends."""


@dataclass(frozen=True)
class Made:
    """A pool with rare items."""

    X: np.ndarray
    rare: np.ndarray
    """(n,) bool."""
    texts: tuple[str, ...] = ()
    """The items, where they are texts."""
    name: str = ""
    """What the rare ones are called."""
    example: str = ""
    """One that is not in the pool."""


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


def spam(pools: int, share: float = 0.01) -> Iterator[Made]:
    """So many of the messages are spam."""
    items, y = texts("spam_sms/sms_spam.csv.gz", "text", "label")
    X = np.asarray(get("tfidf").encode(items))
    for seed in range(pools):
        rng = np.random.default_rng([1, seed])
        ham = rng.permutation(np.flatnonzero(y == "ham"))[:2500]
        chosen = rng.choice(np.flatnonzero(y == "spam"), round(2500 * share) + 1, replace=False)
        rows = np.concatenate([ham, chosen[1:]])
        yield Made(X[rows], y[rows] == "spam", tuple(items[row] for row in rows), "spam", items[chosen[0]])


def less_spam(pools: int) -> Iterator[Made]:
    """Three messages in a thousand are."""
    return spam(pools, 0.003)


def intents(pools: int) -> Iterator[Made]:
    """One of the intents against all others."""
    items, y = texts("intent_clinc150/clinc150.csv.gz", "text", "intent")
    X = np.asarray(get("tfidf").encode(items))
    names = np.unique(y)
    for seed in range(pools):
        rng = np.random.default_rng([2, seed])
        rows, name = rng.permutation(len(y)), names[rng.integers(len(names))]
        rows, others = rows[:3000], rows[3000:]
        example = items[int(others[y[others] == name][0])]
        yield Made(X[rows], y[rows] == name, tuple(items[row] for row in rows), str(name), example)


def scattered(pools: int) -> Iterator[Made]:
    """One row in a hundred is far from everything, each by itself."""
    for seed in range(pools):
        rng = np.random.default_rng([3, seed])
        X, rare = rng.normal(size=(2000, 10)), np.arange(2000) % 100 == 0
        X[rare] *= 4
        yield Made(X.astype(np.float32), rare)


def junk(pools: int) -> Iterator[Made]:
    """The rare ones lie close together in the middle; one row in twenty is junk far out."""
    for seed in range(pools):
        rng = np.random.default_rng([4, seed])
        X, rare = rng.normal(size=(2000, 10)), np.arange(2000) % 100 == 0
        X[rare] *= 0.3
        X[rng.choice(np.flatnonzero(~rare), 100, replace=False)] *= 6
        yield Made(X.astype(np.float32), rare)


def around(pools: int) -> Iterator[Made]:
    """Two Gaussians with means apart, one of them one in a hundred."""
    for seed in range(pools):
        rng = np.random.default_rng([5, seed])
        X, rare = rng.normal(size=(2000, 10)), np.arange(2000) % 100 == 0
        X[rare] += 1
        yield Made(X.astype(np.float32), rare)


POOLS = {
    "messages, 1 % spam": spam, "messages, 0.3 % spam": less_spam, "one intent of 151": intents,
    "scattered far out": scattered, "in the middle, 5 % junk far out": junk, "two Gaussians": around,
}  # fmt: skip


ENOUGH = 300
"""Labels of a whole session."""


def in_session(made: Made, seed: int, rare: str, **options: object) -> np.ndarray:
    """(labels,) bool, whether each question of a session with nothing chosen was about a rare item; five at a time."""
    hits: list[bool] = []
    with Session(list(made.texts) or made.X, classes=[rare, "0"], seed=seed, **options) as session:
        while len(hits) < ENOUGH:
            for query in session.ask(5):
                hits.append(bool(made.rare[session.pool.sources[query.row][0]]))
                session.tell(query, rare if hits[-1] else "0")
            session.refresh()
    return np.array(hits[:ENOUGH])


def sessions(pools: int, only: list[str]) -> None:
    """Print the first find, the fifth, and the share of all that was found."""
    print(f"| {pools} pools each | way | first | fifth | of all among {ENOUGH} |\n|---|---|---|---|---|", flush=True)
    for name in only:
        found: dict[str, list[np.ndarray]] = {}
        total: list[int] = []
        for seed, made in enumerate(POOLS[name](pools)):
            total.append(int(made.rare.sum()))
            order = np.random.default_rng([6, seed]).permutation(len(made.rare))
            ways = {"random": made.rare[order[:ENOUGH]], "auto": in_session(made, seed, "1")}
            if made.texts:
                ways["auto, its name"] = in_session(made, seed, made.name)
                ways["auto, one example"] = in_session(made, seed, "1", examples={"1": [made.example]})
            for way, hits in ways.items():
                found.setdefault(way, []).append(hits)
        for way, runs in found.items():
            cells = [_told([_when(hits, which) for hits in runs]) for which in (1, 5)]
            shares = [100 * hits.sum() / count for hits, count in zip(runs, total, strict=True)]
            print(f"| {name} | {way} | {cells[0]} | {cells[1]} | {np.mean(shares):.0f} % |", flush=True)


def _when(hits: np.ndarray, which: int) -> float:
    at = np.flatnonzero(hits)
    return float(at[which - 1]) + 1 if len(at) >= which else np.inf


def _told(numbers: list[float]) -> str:
    """Median / 90 % quantile."""
    cells = [np.quantile(numbers, q, method="higher") for q in (0.5, 0.9)]
    return " / ".join(f"{n:.0f}" if np.isfinite(n) else f"> {ENOUGH}" for n in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=int, default=60)
    parser.add_argument("--only", choices=list(POOLS), nargs="+", default=list(POOLS))
    parser.add_argument("--sessions", action="store_true", help="ask whole sessions instead")
    args = parser.parse_args()
    if args.sessions:
        sessions(args.pools, args.only)
        return
    print(f"| {args.pools} pools each | {' | '.join(ORDERS)} |\n|---|{'---|' * len(ORDERS)}", flush=True)
    for name in args.only:
        make = POOLS[name]
        found: dict[str, list[int]] = {order: [] for order in ORDERS}
        for seed, made in enumerate(make(args.pools)):
            for order, ask in ORDERS.items():
                asked = ask(made.X, np.random.default_rng([6, seed]))[:MOST]
                hits = np.flatnonzero(made.rare[asked])
                found[order].append(int(hits[0]) + 1 if len(hits) else MOST)
        cells = [f"{np.median(n):.0f} / {np.quantile(n, 0.9):.0f}" for n in found.values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
