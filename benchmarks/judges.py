"""How few answers tell how often people prefer the first of two, when a model has judged all pairs.

    python benchmarks/judges.py [--runs 100] [--docs]     # docs/check.md

500 pairs of answers with the verdicts of three models and one person (shared/data/judges; Jung et al., 2025). Each run
draws pairs at random and asks the person; after 100, 200 and 300 the width between the bounds is compared with that of
`audit.count_in_file`, which is told no verdict and was drawn the same pairs, and with the same bets without verdicts.
Looked at every 10 answers: "ever outside" counts runs in which the truth was outside at any look.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np

from askwise import audit

SHARED = Path(__file__).parents[2] / "shared" / "data" / "judges" / "judges.csv.gz"
DOCS = Path("docs/check.md")
JUDGES = ("gpt-4", "gpt-3.5", "mistral-7b")
LOOKS, SHOWN, ALPHA = range(10, 301, 10), (100, 200, 300), 0.05


def strata_of(first: np.ndarray) -> np.ndarray:
    """(n,) as `askwise check` makes them: the verdict, in thirds by how sure it is."""
    given = first > 0.5
    third = np.zeros(len(first), int)
    for part in (given, ~given):
        rows = np.flatnonzero(part)
        sure = np.abs(first[rows] - 0.5)
        third[rows[np.argsort(sure, kind="stable")]] = np.arange(len(rows)) * 3 // max(len(rows), 1)
    return 3 * given + third


def measured(runs: int) -> list[str]:
    """The table."""
    csv.field_size_limit(10**8)
    with gzip.open(SHARED, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    z = np.array([row["label"] == "first" for row in rows])
    lines = [
        "| judge (agrees with the person) | answers | points between the bounds | told nothing | the same bets, told "
        "nothing | worth so many times the answers | ever outside |",
        "|---|---|---|---|---|---|---|",
    ]
    for judge in JUDGES:
        first = np.array([float(row[f"{judge}_first"]) for row in rows])
        strata = strata_of(first)
        sizes, none = np.bincount(strata, minlength=6), np.zeros(len(z), int)
        widths: dict[int, list[tuple[int, int, int]]] = {look: [] for look in SHOWN}
        outside = 0
        for seed in range(runs):
            order = np.random.default_rng([seed, 21]).permutation(len(z))
            off = False
            for look in LOOKS:
                own = order[:look]
                told = audit.count_by_strata(sizes, strata[own], z[own], ALPHA)
                off |= not told.least <= z.sum() <= told.most
                if look in SHOWN:
                    low, high = audit.count_in_file(len(z), look, int(z[own].sum()), ALPHA)
                    bets = audit.count_by_strata(np.array([len(z)]), none[own], z[own], ALPHA)
                    widths[look].append((told.most - told.least, high - low, bets.most - bets.least))
            outside += off
        for look in SHOWN:
            mean = np.mean(widths[look], axis=0)
            told, untold, bets = 100 * mean / len(z)
            agrees = f"{judge} ({100 * np.mean((first > 0.5) == z):.0f} %)" if look == SHOWN[0] else ""
            ever = f"{outside} of {runs}" if look == SHOWN[0] else ""
            lines.append(
                f"| {agrees} | {look} | **{told:.1f}** | {untold:.1f} | {bets:.1f} | {(untold / told) ** 2:.2f}; "
                f"{(bets / told) ** 2:.2f} | {ever} |"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--docs", action="store_true", help="write the table into docs/check.md")
    options = parser.parse_args()
    table = "\n".join(measured(options.runs))
    print(table)
    if options.docs:
        text = DOCS.read_text("utf-8")
        begin, end = "<!-- judges -->\n", "\n<!-- end of judges -->"
        DOCS.write_text(text.split(begin)[0] + begin + table + end + text.split(end)[1], "utf-8")


if __name__ == "__main__":
    main()
