"""Replays a search for rare items over known labels: what was found when, where it stops, and what that would miss."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from askwise import screening
from askwise.core import BadInput, Label, Query, share
from askwise.export import whole
from askwise.options import option
from askwise.pool import Pool
from askwise.session import Session
from askwise.simulation.loop import schedule


@dataclass(frozen=True)
class Ending:
    """One way to end the search."""

    how: str
    """`checks` in random order, or on by `ranking`."""
    read: int
    recall: float
    """True recall at the end."""
    stopped: bool
    """False: everything was read without a reason to stop."""
    sentence: str
    """What the session said."""


@dataclass(frozen=True)
class Screened:
    """A replayed search."""

    items: int
    relevant: int
    target: float
    confidence: float
    curve: tuple[tuple[int, int], ...]
    """(read, relevant found) after every answer of the search by ranking."""
    advised: int | None
    """Answers after which the checks were first advised."""
    endings: tuple[Ending, ...]


def replay(
    pool: Pool,
    names: tuple[Label, Label],
    *,
    recall: float = 0.95,
    confidence: float = 0.95,
    audit_share: float = 0.05,
    query: str | None = None,
    seed: int = 0,
) -> Screened:
    """Answer a search from the labels that came with the data, once for each way to end it.

    Args:
        pool: Every item has a label.
        names: The relevant and the irrelevant label.
        recall: Share of the relevant items to find, in (0, 1).
        confidence: In (0, 1).
        audit_share: Share of random check items while searching.
        query: Words that the first questions are about.
        seed: Of the session.

    Raises:
        BadInput: An item has no label, or none is relevant.
    """
    truth = dict(pool.given)
    if len(truth) < len(pool) or names[0] not in truth.values():
        raise BadInput(
            f"A replay needs a label for every item, some of them {names[0]!r}; got {len(truth):,} labels for "
            f"{len(pool):,} items. Name the column of labels with {option('label')}."
        )
    first = screening.closest([str(c) for c in pool.contents], query) if query else []
    blank = Pool(
        ids=pool.ids, contents=pool.contents, kind=pool.kind, features=pool.features, sources=pool.sources,
        address=pool.address, record=pool.record, digest=pool.digest,
    )  # fmt: skip
    total = sum(label == names[0] for label in truth.values())
    curve: list[tuple[int, int]] = []
    endings, advised = [], None

    def oracle(queries: Sequence[Query]) -> list[Label]:
        return [truth[q.row] for q in queries]

    for how in ("checks", "ranking"):
        read: list[int] = []
        with Session(
            blank, classes=names, recall=recall, relevant=names[0], first=first, confidence=confidence,
            audit_share=audit_share, seed=seed,
        ) as session:  # fmt: skip
            for goal in schedule(len(pool), "auto"):
                while len(read) < goal and (queries := session.ask(goal - len(read))):
                    for q in queries:
                        session.tell(q, truth[q.row])
                        read.append(q.row)
                session.refresh()
                now, verdict = session.recall(), session.verdict()
                if now is None or now.unread == 0 or (how == "ranking" and now.reached_if_ranked):
                    break
                if how == "checks" and verdict.ready:
                    advised = len(read) if advised is None else advised
                    done = session.autolabel(oracle=oracle)
                    read = [*read, *(r for r in session.answers() if r not in set(read))]
                    if done.status == "certified":
                        break
            now, said = session.recall(), session.verdict()
        found = sum(truth[r] == names[0] for r in read)
        stopped = now is not None and now.unread > 0
        endings.append(Ending(how, len(read), found / total, stopped, said.reason))
        if how == "ranking":
            hits = [truth[r] == names[0] for r in read]
            curve = [(i, sum(hits[:i])) for i in range(len(hits) + 1)]
    return Screened(len(pool), total, recall, confidence, tuple(curve), advised, tuple(endings))


def sentences(found: Screened) -> list[str]:
    """What a replay has shown, a sentence each."""
    lines = [f"{found.items:,} items, {found.relevant:,} of them relevant."]
    for part in (0.1, 0.25, 0.5):
        at = round(part * found.items)
        if at < len(found.curve):
            lines.append(f"After reading {part:.0%}: {found.curve[at][1] / found.relevant:.1%} of the relevant found.")
    if found.advised is not None:
        lines.append(f"Checks in random order advised after {found.advised:,} answers.")
    for end in found.endings:
        basis = "proved by checks in random order" if end.how == "checks" else "by ranking alone, if it can be trusted"
        what = (
            f"stopped after reading {end.read:,} ({end.read / found.items:.0%})" if end.stopped else "everything read"
        )
        lines.append(f"{basis}: {what}, true recall {end.recall:.1%} (wanted {share(found.target)}).")
    return lines


def write(found: Screened, folder: Path) -> list[Path]:
    """Write the recall curve as CSV and SVG into a folder, made where it is missing; returns the paths."""
    from matplotlib.figure import Figure

    folder.mkdir(exist_ok=True)
    table, picture = folder / "recall.csv", folder / "recall.svg"
    with whole(table) as file:
        rows = csv.writer(file)
        rows.writerow(["read", "found", "recall"])
        rows.writerows((t, k, round(k / found.relevant, 6)) for t, k in found.curve)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([t for t, _ in found.curve], [k / found.relevant for _, k in found.curve], label="by ranking")
    axes.axhline(found.target, linestyle=":", color="gray", label=f"wanted {share(found.target)}")
    for end, style in zip(found.endings, ("--", "-."), strict=True):
        axes.axvline(end.read, linestyle=style, color="black", label=f"stop by {end.how}: {end.recall:.1%}")
    axes.set(xlabel="items read", ylabel="recall", xlim=(0, found.items), ylim=(0, 1.02))
    axes.legend(loc="lower right")
    with whole(picture) as file:
        figure.savefig(file, format="svg")
    return [table, picture]
