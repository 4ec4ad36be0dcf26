"""A rare class under a certificate, and the search that proves it: 1 % of 2,500 messages are spam.

    python benchmarks/rare_certificates.py [--pools 20] [--recall 0.9] [--share 0.01]

A session with nothing chosen but words as features is labeled until its advice is to stop, and certified (at most 2 %
of the model's labels wrong). Is the certificate true; how much of the rare class is hidden under it; and does what
stands beside it say so? Then a search begins with what was labeled, and runs to its own certificate: is that true, and
what does it cost?
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from askwise import Query, Session
from askwise.simulation import schedule
from rare import Made, spam

RARE, COMMON = "spam", "ham"


@dataclass
class Outcome:
    """What one pool came to."""

    labels: int
    given: int
    false: int
    hidden: int
    """Rare items that the model labeled otherwise under its certificates."""
    unsaid: bool
    """Whether each certificate under which a rare item is hidden says that as many could be."""
    read: int
    """Items with a label by a person at the end of the search."""
    found: float
    """Share of the rare items that the search found."""
    proved: bool


def to_the_end(session: Session, answer: Callable[[Sequence[Query]], list[str]], pool: int) -> None:
    """Labeled as advised, certified when advised."""
    asked = 0
    for goal in schedule(pool, "auto"):
        while asked < goal and (queries := session.ask(goal - asked)):
            for query, label in zip(queries, answer(queries), strict=True):
                session.tell(query, label)
            asked += len(queries)
        session.refresh()
        nothing_left = session.counts()["rest"] == 0
        if nothing_left or (session.verdict().ready and session.autolabel(oracle=answer).status == "certified"):
            return


def one(made: Made, seed: int, recall: float) -> Outcome:
    def answer(queries: Sequence[Query]) -> list[str]:
        return [RARE if made.rare[query.row] else COMMON for query in queries]

    with Session(list(made.texts), classes=[RARE, COMMON], seed=seed, encoder="tfidf") as session:
        to_the_end(session, answer, len(made.rare))
        given = session.certificates()
        by_model = {row: one["label"] for row, one in enumerate(session.rows()) if one["source"] == "model"}
        wrong = [row for row, label in by_model.items() if (label == RARE) != made.rare[row]]
        hidden = sum(bool(made.rare[row]) for row in wrong)
        labels = session.counts()["labeled"]
        with session.search(RARE, recall=recall) as search:
            to_the_end(search, answer, len(made.rare))
            now = search.recall()
        assert now is not None
    allowed = sum(0.02 * one.certified for one in given)
    return Outcome(
        labels, len(given), int(len(wrong) > allowed), hidden,
        hidden == 0 or all(RARE in one.unsaid for one in given), now.read, now.found / made.rare.sum(), now.reached,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=int, default=20)
    parser.add_argument("--recall", type=float, default=0.9)
    parser.add_argument("--share", type=float, default=0.01)
    args = parser.parse_args()
    done: list[Outcome] = []
    print("| pool | labels | certificates | false | rare hidden | said | search: read | found | proved |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for seed, made in enumerate(spam(args.pools, args.share)):
        r = one(made, seed, args.recall)
        done.append(r)
        print(
            f"| {seed} | {r.labels:,} | {r.given} | {r.false} | {r.hidden} | {'yes' if r.unsaid else 'no'} "
            f"| {r.read:,} | {100 * r.found:.0f} % | {'yes' if r.proved else 'no'} |",
            flush=True,
        )
    middle = lambda values: f"{np.median(list(values)):,.0f}"  # noqa: E731 - used on the next lines only
    print(
        f"| all | {middle(r.labels for r in done)} | {sum(r.given for r in done)} | {sum(r.false for r in done)} "
        f"| {middle(r.hidden for r in done)} (most {max(r.hidden for r in done)}) "
        f"| {sum(r.unsaid for r in done)} of {len(done)} | {middle(r.read for r in done)} "
        f"| at least {100 * min(r.found for r in done):.0f} % "
        f"| {sum(r.proved for r in done)}, false {sum(r.proved and r.found < args.recall for r in done)} |"
    )


if __name__ == "__main__":
    main()
