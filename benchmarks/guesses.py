"""What guesses of somebody else's model beside the texts are worth to a session, in accuracy on what is left.

    python benchmarks/guesses.py [--seeds 20] [--encoder tfidf] [--only SET …]

Sets: `stance`, headlines with labels and confidences by GPT-4o (shared/data/ai_labels); `worthless`, the same with its
guesses dealt out at random; `trec6`, questions with made-up guesses, 70 % of them right. Sessions with nothing chosen,
ten questions at a time; the same seeds with and without guesses, so differences are paired.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np

from askwise import Session

SHARED = Path(__file__).parents[2] / "shared" / "data"
AT = (20, 50, 100, 200, 400)


def read(name: str) -> list[dict[str, str]]:
    with gzip.open(SHARED / name, "rt", encoding="utf-8") as file:
        return list({row["text"]: row for row in csv.DictReader(file)}.values())


def stance() -> dict[str, list[str]]:
    rows = read("ai_labels/stance.csv.gz")
    return {name: [row[name] for row in rows] for name in ("text", "label", "guess", "confidence")}


def worthless() -> dict[str, list[str]]:
    made = stance()
    order = np.random.default_rng(5).permutation(len(made["text"]))
    return made | {name: [made[name][at] for at in order] for name in ("guess", "confidence")}


def trec6() -> dict[str, list[str]]:
    rows, rng = read("text_trec6/trec6.csv.gz"), np.random.default_rng(6)
    rows = [rows[at] for at in rng.permutation(len(rows))[:2000]]
    names = sorted({row["label"] for row in rows})
    right = rng.random(len(rows)) < 0.7
    others = [rng.choice([name for name in names if name != row["label"]]) for row in rows]
    return {
        "text": [row["text"] for row in rows],
        "label": [row["label"] for row in rows],
        "guess": [row["label"] if ok else str(other) for row, ok, other in zip(rows, right, others, strict=True)],
    }


SETS = {"stance": stance, "worthless": worthless, "trec6": trec6}


def one(made: dict[str, list[str]], seed: int, encoder: str, **guesses: list[str]) -> list[float]:
    """Share right on the open items after each of `AT` labels."""
    truth = np.array(made["label"])
    found = []
    with Session(made["text"], classes=sorted(set(truth)), seed=seed, encoder=encoder, **guesses) as session:
        asked = 0
        for goal in AT:
            while asked < goal:
                for query in session.ask(10):
                    session.tell(query, str(truth[query.row]))
                    asked += 1
                session.refresh()
            rest = session._state.rest()
            found.append(float((np.array(session.predictions()[0]) == truth)[rest].mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--encoder", default="tfidf")
    parser.add_argument("--only", choices=list(SETS), nargs="+", default=list(SETS))
    args = parser.parse_args()
    print(
        f"| set | guesses right | way | {' | '.join(f'{n} labels' for n in AT)} |\n|---|---|---|{'---|' * len(AT)}",
        flush=True,
    )
    for name in args.only:
        made = SETS[name]()
        right = np.mean([a == b for a, b in zip(made["label"], made["guess"], strict=True)])
        ways: dict[str, dict[str, list[str]]] = {"texts alone": {}, "guesses": {"guesses": made["guess"]}}
        if "confidence" in made:
            ways["guesses, confidences"] = ways["guesses"] | {"guess_confidence": made["confidence"]}
        base = np.zeros(0)
        for way, guesses in ways.items():
            runs = 100 * np.array([one(made, seed, args.encoder, **guesses) for seed in range(args.seeds)])
            base = runs if way == "texts alone" else base
            gain, spread = (runs - base).mean(0), 1.96 * (runs - base).std(0, ddof=1) / np.sqrt(len(runs))
            cells = [f"{m:.1f}" for m in runs.mean(0)]
            if way != "texts alone":
                cells = [f"{c} ({g:+.1f} ± {s:.1f})" for c, g, s in zip(cells, gain, spread, strict=True)]
            print(f"| {name} | {100 * right:.0f} % | {way} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
