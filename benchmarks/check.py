"""Which labels by a model may stay without a person: the tables of docs/check.md.

    python benchmarks/check.py published [--runs 100] [--only NAME]  # labels by models, published with the truth
    python benchmarks/check.py made [--runs 40] [--only NAME]  # made-up files: easy ones, and ones made to deceive
    python benchmarks/check.py --docs  # write the tables of what was measured

Published: stance on global warming by GPT-4o, and ImageNetV2 by ResNet-152 (shared/data/ai_labels), for which PAC
labels (Candès, Ilyas & Zrnic, 2025) were proposed. These are run beside, from the paper: draws at random with
replacement, the errors among those at most as doubtful as u are binomial, and everything below the first u whose upper
bound (Clopper & Pearson, 1934) is over the limit stays; the number of draws that does best is told, as if it had been
known.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta, rankdata

from askwise import LabelCheck
from askwise.encoders import get

SHARED = Path(__file__).parents[2] / "shared" / "data" / "ai_labels"
OUT = Path("build/check.json")
DOCS = Path("docs/check.md")
LIMITS = (0.05, 0.02)
DRAWS = (100, 200, 300, 500, 1000, 2000)
"""Of PAC labels."""


class Cells:
    """A file in memory, as `LabelCheck` takes frames."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> list[Any]:
        class Column(list):  # type: ignore[type-arg]
            def to_list(self) -> list[Any]:
                return list(self)

        return Column(self._columns[name])

    def __len__(self) -> int:
        return len(self._columns[self.columns[0]])

    def to_dict(self) -> dict[str, list[Any]]:
        """By which a frame is known."""
        return self._columns


def published(name: str) -> Cells:
    with gzip.open(SHARED / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns: dict[str, list[Any]] = {key: [row[key] for row in rows] for key in rows[0]}
    columns["confidence"] = list(map(float, columns["confidence"]))
    return Cells(columns)


def made(name: str, seed: int, n: int = 2000) -> Cells:
    rng = np.random.default_rng(seed)
    sure = rng.beta(4, 1, n)
    rank = rankdata(-sure) / n
    wrong = {
        "2 % wrong anywhere": rng.random(n) < 0.02,
        "4.5 % wrong anywhere": rng.random(n) < 0.045,
        "as wrong as it says": rng.random(n) > sure,
        "wrong where it is surest": rank < 0.12,
        "9 % wrong in the surest half, no other": (rng.random(n) < 0.09) & (rank < 0.5),
        "10 % wrong, one confidence": rng.random(n) < 0.1,
        "surest where it is wrong": rng.random(n) < sure**6 * 0.5,
    }[name]
    sure = np.full(n, 0.9) if "one confidence" in name else sure
    truth = rng.choice(["a", "b", "c"], n)
    guess = np.where(wrong, np.where(truth == "a", "b", "a"), truth)
    return Cells({"guess": guess.tolist(), "confidence": sure.tolist(), "label": truth.tolist()})


MADE = (
    "2 % wrong anywhere", "4.5 % wrong anywhere", "as wrong as it says", "wrong where it is surest",
    "9 % wrong in the surest half, no other", "10 % wrong, one confidence", "surest where it is wrong",
)  # fmt: skip


class Ready:
    """Features that were made once."""

    name = "ready"

    def __init__(self, features: np.ndarray) -> None:
        self.features = features

    def encode(self, items: Sequence[Any]) -> np.ndarray:
        """They are those of the items."""
        assert len(items) == len(self.features)
        return self.features


def ours(cells: Cells, limit: float, seed: int, encoder: Any, text: Any) -> dict[str, float]:
    began = time.process_time()
    with LabelCheck(
        cells, "guess", "confidence", max_error=limit, text=text, truth="label", seed=seed, encoder=encoder
    ) as check:
        now = check.simulate()
        wrong = sum(check.state.guess(row) != cells["label"][row] for row in check.state.kept())
        return {
            "share": now.kept / now.size,
            "false": float(wrong > (now.limit or 0)),
            "order": float(check.state.certified),
            "looked": now.looked / now.size,
            "seconds": time.process_time() - began,
        }


def pac(sure: np.ndarray, wrong: np.ndarray, limit: float, seed: int, draws: int) -> dict[str, float]:
    """PAC labels, and whether more than the limit of all labels stay wrong."""
    rng = np.random.default_rng(seed)
    n = len(sure)
    drawn = rng.integers(0, n, draws)
    doubt = -sure
    levels = np.unique(doubt)
    errors = np.searchsorted(np.sort(doubt[drawn][wrong[drawn]]), levels, side="right")
    upper = beta.ppf(0.95, errors + 1, draws - errors)
    over = np.flatnonzero(np.nan_to_num(upper, nan=1.0) > limit)
    cut = levels[over[0]] if len(over) else np.inf
    stays = doubt < cut
    stays[drawn] = False
    return {"share": float(stays.mean()), "false": float((stays & wrong).mean() > limit)}


def clairvoyant(order: np.ndarray, wrong: np.ndarray, limit: float) -> float:
    """The largest share of an order whose errors are few enough."""
    found = np.flatnonzero(np.cumsum(wrong[order]) <= int(limit * len(wrong) + 1e-9))
    return float((found[-1] + 1) / len(wrong)) if len(found) else 0.0


def save(results: dict[str, Any]) -> None:
    OUT.parent.mkdir(exist_ok=True)
    before = json.loads(OUT.read_text()) if OUT.exists() else {}
    OUT.write_text(json.dumps(before | results, indent=1))


def measure_published(runs: int, only: str) -> None:
    stance, images = published("stance"), published("imagenetv2")
    features = get("minilm").encode(stance["text"])
    kinds: list[tuple[str, Cells, Any, Any, int]] = [
        ("stance, texts", stance, Ready(features), "text", max(20, runs // 4)),
        ("stance, no texts", stance, False, "text", runs),
        ("ImageNetV2", images, False, [], max(20, runs // 4)),
    ]
    for name, cells, encoder, text, times in kinds:
        if not name.startswith(only):
            continue
        sure = np.array(cells["confidence"])
        wrong = np.array(cells["guess"], object) != np.array(cells["label"], object)
        for limit in LIMITS:
            found = [ours(cells, limit, seed, encoder, text) for seed in range(times)]
            order = np.lexsort((np.random.default_rng(0).random(len(sure)), -sure))
            best: list[dict[str, float]] = []
            draws = 0
            for m in DRAWS:
                tried = [pac(sure, wrong, limit, seed, m) for seed in range(300)]
                if not best or np.mean([r["share"] for r in tried]) > np.mean([r["share"] for r in best]):
                    best, draws = tried, m
            save({f"{name}|{limit}": {"ours": found, "pac": best, "draws": draws,
                                      "clairvoyant": clairvoyant(order, wrong, limit), "wrong": float(wrong.mean()),
                                      "n": len(sure)}})  # fmt: skip
            shares = [r["share"] for r in found]
            false = sum(int(r["false"]) for r in found)
            print(f"{name} {limit}: {np.mean(shares):.3f} sd {np.std(shares):.3f}, false {false} of {times}; "
                  f"PAC {np.mean([r['share'] for r in best]):.3f} ({draws})", flush=True)  # fmt: skip


def measure_made(runs: int, only: str) -> None:
    for name in filter(lambda one: one.startswith(only), MADE):
        for limit in LIMITS:
            found = [ours(made(name, seed), limit, seed, False, []) for seed in range(runs)]
            save({f"{name}|{limit}": {"ours": found}})
            shares = [r["share"] for r in found]
            print(f"{name} {limit}: {np.mean(shares):.3f} sd {np.std(shares):.3f}, false "
                  f"{sum(r['false'] for r in found):.0f} of {runs}", flush=True)  # fmt: skip


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def tables(kept: dict[str, Any]) -> str:
    def mean(found: Sequence[dict[str, float]], key: str = "share") -> float:
        return float(np.mean([one[key] for one in found]))

    def spread(found: Sequence[dict[str, float]]) -> str:
        shares = [one["share"] for one in found]
        low, high = np.quantile(shares, [0.1, 0.9])
        return f"**{percent(mean(found))}** ({percent(low)} to {percent(high)})"

    def false(found: Sequence[dict[str, float]]) -> str:
        return f"{sum(int(one['false']) for one in found)} of {len(found)}"

    lines = ["| labels | limit | stay without a person, % | too many wrong | PAC labels (draws) | too many wrong "
             "| confidence order known by a clairvoyant |", "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name in ("stance, texts", "stance, no texts", "ImageNetV2"):
        for limit in LIMITS:
            if (one := kept.get(f"{name}|{limit}")) is None:
                continue
            what = f"{name} ({one['n']:,}; {percent(one['wrong'])} % wrong)"
            cells = [what, f"{100 * limit:g} %", spread(one["ours"]), false(one["ours"]),
                     f"{percent(mean(one['pac']))} ({one['draws']:,})", false(one["pac"]),
                     percent(one["clairvoyant"])]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| made-up file of 2,000 | limit | stay without a person, % | people looked at, % | by a random "
              "order | too many wrong |", "|---|---|---|---|---|---|"]  # fmt: skip
    for name in MADE:
        for limit in LIMITS:
            if f"{name}|{limit}" not in kept:
                continue
            found = kept[f"{name}|{limit}"]["ours"]
            lines.append(f"| {name} | {100 * limit:g} % | {spread(found)} | {percent(mean(found, 'looked'))} | "
                         f"{percent(mean(found, 'order'))} % | {false(found)} |")  # fmt: skip
    every = [run for one in kept.values() for run in one["ours"]]
    lines += ["", f"In all {len(every):,} runs too many wrong labels stayed in {sum(int(r['false']) for r in every)} "
              f"({percent(mean(every, 'false'))} %); 5 % are allowed."]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("published", "made"))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--only", help="files whose names begin so")
    parser.add_argument("--docs", action="store_true", help="write the tables of what was measured")
    options = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "published": lambda: measure_published(options.runs or 100, options.only or ""),
        "made": lambda: measure_made(options.runs or 40, options.only or ""),
    }
    if options.part:
        parts[options.part]()
    if options.docs:
        text = DOCS.read_text()
        begin, end = "<!-- check -->\n", "\n<!-- end of check -->"
        before, after = text.split(begin)[0], text.split(end)[1]
        DOCS.write_text(before + begin + tables(json.loads(OUT.read_text())) + end + after)


if __name__ == "__main__":
    main()
