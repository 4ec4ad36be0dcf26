"""BARGAIN (Zeighami et al., 2025) on the published labels of docs/check.md, as its own package runs it.

    pip install bargain numpy
    python benchmarks/check_bargain.py [--runs 100]

Share of the labels that stay without a person, and the runs in which more than the limit of all labels were wrong,
where 5 % of the runs may be. It needs no Askwise; the numbers of ours stand in docs/check.md.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np
from BARGAIN import BARGAIN_A, Oracle, Proxy

SHARED = Path(__file__).parents[2] / "shared" / "data" / "ai_labels"
RUNS = {"stance": 1.0, "imagenetv2": 0.2}
"""Set → of the runs asked for, such a share."""


class Given(Proxy):
    """The labels of the file and their confidences; a record is the number of its row."""

    def __init__(self, guess: np.ndarray, sure: np.ndarray) -> None:
        super().__init__(verbose=False, max_workers=1)
        self.guess, self.sure = guess, sure

    def proxy_func(self, record: int) -> tuple[str, float]:
        """The label and how sure."""
        return self.guess[record], self.sure[record]


class People(Oracle):
    """Who knows the truth, and how often they were asked."""

    def __init__(self, truth: np.ndarray) -> None:
        super().__init__(verbose=False, max_workers=1)
        self.truth = truth

    def oracle_func(self, record: int, proxy_output: str) -> tuple[bool, str]:
        """Whether it is right, and what is."""
        return self.truth[record] == proxy_output, self.truth[record]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    args = parser.parse_args()
    print(
        "| set | limit | runs | stay without a person | more than the limit wrong |\n|---|---|---|---|---|", flush=True
    )
    for name, part in RUNS.items():
        with gzip.open(SHARED / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        guess, truth = (np.array([row[column] for row in rows]) for column in ("guess", "label"))
        sure = np.array([float(row["confidence"]) for row in rows])
        runs = max(1, round(args.runs * part))
        for limit in (0.05, 0.02):
            shares, false = [], 0
            for seed in range(runs):
                # Equal confidences in another order each time, or the file's would count as knowledge.
                order = np.random.default_rng(seed).permutation(len(rows))
                ours = Given(guess[order], sure[order])
                way = BARGAIN_A(ours, People(truth[order]), 1 - limit, 0.05, verbose=False, seed=seed)
                said, asked = way.process(list(range(len(rows))), return_oracle_usage=True)
                shares.append(1 - np.mean(asked))
                false += np.mean(np.array(said) != truth[order]) > limit
            print(
                f"| {name} | {limit} | {runs} | {100 * np.mean(shares):.1f} ± {100 * np.std(shares):.1f} % | {false} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
