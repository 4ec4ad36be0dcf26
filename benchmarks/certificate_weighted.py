"""Weighted checks on frozen regions: are certificates ever false too often, and how many checks do they take.

    python benchmarks/certificate_weighted.py               # some minutes; out/certificate_weighted.jsonl

*Coverage*: somebody who wants a false certificate puts one error more than the limit allows where it hurts most; doubts
are smooth, tied, or those of items that occur ten times. *Cost*: errors are where the doubt is, as many as a share of
the limit; the plan whose checks are all alike beside three shares. Nobody gives up here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from askwise import audit
from askwise.core import Array

OUT = Path("out/certificate_weighted.jsonl")
DOUBTS = ("smooth", "tied", "ten copies")
PLACES = ("least doubt", "most doubt", "against doubt", "half and half", "anywhere")
SHARES = (0.3, 0.5, 0.7)
TRUE = (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)
N, LIMIT, ALPHA = 1000, 0.05, 0.05


def doubts(kind: str, rng: Any, n: int = N) -> Array:
    """(n,) doubt of each item."""
    if kind == "tied":
        return np.asarray(rng.choice([0.001, 0.2], n, p=[0.8, 0.2]))
    if kind == "ten copies":
        return np.repeat(rng.beta(0.6, 6, n // 10), 10)
    return np.asarray(rng.beta(0.6, 6, n))


def errors(place: str, doubt: Array, count: int, rng: Any) -> Array:
    """(n,) bool: where the errors are."""
    wrong, order = np.zeros(len(doubt), bool), np.argsort(doubt, kind="stable")
    if place == "least doubt":
        wrong[order[:count]] = True
    elif place == "most doubt":
        wrong[order[-count:]] = True
    elif place == "half and half":
        wrong[order[: count // 2]] = wrong[order[count // 2 - count :]] = True
    elif place == "anywhere":
        wrong[rng.choice(len(doubt), count, replace=False)] = True
    else:
        chance = doubt + 1e-6 if place == "by doubt" else 1 / (doubt + 0.01)
        wrong[rng.choice(len(doubt), count, replace=False, p=chance / chance.sum())] = True
    return wrong


def attempt(
    doubt: Array, wrong: Array, share: float, target: audit.Target, seed: int, alpha: float
) -> tuple[int, bool]:
    """(checks until it is certified, all where it never is; whether that is false)."""
    n = len(doubt)
    if share:
        levels = audit.levels_of(doubt, share)
        order = audit.order_of(levels, [29, seed])
        plan = audit.WeightedPlan(n, LIMIT, alpha, target, levels[order], share)
        t = plan.decided(wrong[order])
    else:
        order = np.random.default_rng([29, seed]).permutation(n)
        found = audit.audit_plan(n, LIMIT, alpha, target).judge(wrong[order].tolist())
        t = found.audits if found.status == "certified" else None
    if t is None:
        return n, False
    whole = n - t if target == "auto" else n
    return t, bool(wrong[order][t:].sum() > LIMIT * whole + 1e-9)


def coverage(kind: str, place: str, share: float, seeds: int) -> dict[str, Any]:
    """One cell: false certificates among so many attempts."""
    false = issued = 0
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 1])
        doubt = doubts(kind, rng)
        target: audit.Target = "auto" if seed % 2 else "dataset"
        t, bad = attempt(doubt, errors(place, doubt, int(LIMIT * N) + 1, rng), share, target, seed, ALPHA)
        false, issued = false + bad, issued + (t < N)
    return {"what": "coverage", "doubt": kind, "place": place, "share": share, "seeds": seeds, "false": false,
            "issued": issued}  # fmt: skip


def cost(share: float, true: float, seeds: int) -> dict[str, Any]:
    """One cell: checks until the certificate of a region of 4,000 items."""
    took = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 2])
        doubt = doubts("smooth", rng, 4000)
        wrong = errors("by doubt", doubt, round(true * LIMIT * 4000), rng)
        took.append(attempt(doubt, wrong, share, "auto", seed, 0.03)[0])
    return {"what": "cost", "share": share, "true": true, "seeds": seeds, "mean": float(np.mean(took)),
            "low": float(np.quantile(took, 0.1)), "high": float(np.quantile(took, 0.9))}  # fmt: skip


def tables(path: Path = OUT) -> str:
    """The tables for docs/certificate.md."""
    known = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [f"| doubts | errors | {' | '.join(f'{share:.0%} by doubt' for share in SHARES)} |", "|---" * 5 + "|"]
    for kind in DOUBTS:
        for place in PLACES:
            cells = []
            for share in SHARES:
                cell = {"what": "coverage", "doubt": kind, "place": place, "share": share}
                one = next((r for r in known if cell.items() <= r.items()), None)
                cells.append(f"{one['false'] / one['seeds']:.1%} of {one['seeds']}" if one else "–")
            lines.append(f"| {kind} | {place} | {' | '.join(cells)} |")
    lines += ["", "| true errors, share of the limit | checks all alike | 30% by doubt | 50% | 70% |", "|---" * 5 + "|"]
    for true in TRUE:
        cells = []
        for share in (0.0, *SHARES):
            one = next((r for r in known if r["what"] == "cost" and (r["share"], r["true"]) == (share, true)), None)
            never = one is not None and one["mean"] >= 4000
            cells.append(
                "–"
                if one is None
                else "never"
                if never
                else f"{one['mean']:,.0f} ({one['low']:,.0f} to {one['high']:,.0f})"
            )
        lines.append(f"| {true:.0%} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=300)
    options = parser.parse_args(arguments)
    OUT.parent.mkdir(exist_ok=True)
    cells = [(coverage, (kind, place, share)) for kind in DOUBTS for place in PLACES for share in SHARES]
    with OUT.open("w") as stream:
        for what, terms in [*cells, *[(cost, (share, true)) for share in (0.0, *SHARES) for true in TRUE]]:
            seeds = options.seeds if what is coverage else max(options.seeds // 15, 1)
            stream.write(json.dumps(what(*terms, seeds)) + "\n")
            stream.flush()
    print(tables())


if __name__ == "__main__":
    main()
