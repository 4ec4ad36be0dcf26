"""Sessions as each version of the log's format wrote them, one for each feature.

    git worktree add ../f1 2b3d4b4 && PYTHONPATH=../f1/src python tests/golden/make.py sessions f1

writes the files of that version beside this file. They are written once and kept: no later version can write them.
`python tests/golden/make.py computed` writes what the present version computes of each into `<name>.json.gz`; a change
there is a change of behaviour and wants a reason in the commit that makes it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from askwise import Session

HERE = Path(__file__).parent
WORDS = {
    "billing": "invoice refund card charged twice money payment bank amount",
    "delivery": "parcel courier late address tracking box arrived street door",
    "login": "password account reset code email locked sign screen",
}


def texts(n: int, classes: int = 3) -> tuple[list[str], dict[str, str]]:
    """Messages that a model can tell apart, and what is right for each."""
    names = sorted(WORDS)[:classes]
    truth = {}
    for i in range(n):
        label = names[(i * i + i // 7) % classes]
        words = WORDS[label].split()
        other = WORDS[names[(i + 1) % classes]].split()
        truth[f"{words[i % 7]} {words[(i * 3 + 1) % 8]} {words[(i // 5) % 8]} {other[i % 8]} number {i}"] = label
    return list(truth), truth


def begin(path: Path, n: int = 90, classes: int = 3, **settings: Any) -> tuple[Session, Callable[[Any], str]]:
    """A session with a few answers still to come, and who knows them."""
    pool, truth = texts(n, classes)
    session = Session(pool, classes=sorted(set(truth.values())), encoder="tfidf", store=path, **settings)
    return session, lambda query: truth[query.content]


def label(session: Session, right: Callable[[Any], str], n: int, *, refresh: int = 5, **who: Any) -> None:
    """Answer `n` questions rightly."""
    for i in range(n):
        query = session.ask(**who)[0]
        session.tell(query, right(query), seconds=1.5, **who)
        if i % refresh == refresh - 1:
            session.refresh()
    session.refresh()


def plain(path: Path) -> None:
    """Answers, a skip, an unsure, a flag, a label taken back, a class that came later."""
    session, right = begin(path, seed=3, title="Messages")
    label(session, right, 24)
    session.skip(session.ask()[0])
    session.unsure(session.ask()[0], seconds=4.0)
    session.flag(session.ask()[0], "is this one of ours?")
    session.retract()
    session.add_class("other")
    session.tell(session.ask()[0], "other")
    session.refresh()
    session.ask(2)
    session.close()


def given(path: Path) -> None:
    """Labels that came with the data."""
    pool, truth = texts(90)
    known = [truth[text] if i % 4 == 0 else None for i, text in enumerate(pool)]
    rows = [{"text": text, "label": name} for text, name in zip(pool, known, strict=True)]
    import csv
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "messages.csv"
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, ["text", "label"])
            writer.writeheader()
            writer.writerows(rows)
        session = Session(str(file), label="label", encoder="tfidf", store=path, seed=5)
    label(session, lambda query: truth[query.content], 12)
    session.close()


def certified(path: Path) -> None:
    """A certificate, and the labels of the model; then one label changed."""
    session, right = begin(path, 400, 2, seed=1, max_error=0.1)
    label(session, right, 40, refresh=10)
    session.autolabel(max_error=0.1, confidence=0.9, oracle=lambda asked: [right(one) for one in asked])
    session.refresh()
    session.ask(1)
    session.close()


def checking(path: Path) -> None:
    """Blind checks under way."""
    session, right = begin(path, 400, 2, seed=2, max_error=0.1)
    label(session, right, 40, refresh=10)
    session.autolabel(max_error=0.1, confidence=0.9)
    for _ in range(5):
        query = session.ask()[0]
        session.tell(query, right(query))
    session.ask(1)
    session.close()


def undone(path: Path) -> None:
    """A certificate that was taken back."""
    session, right = begin(path, 400, 2, seed=4, max_error=0.1)
    label(session, right, 40, refresh=10)
    session.autolabel(max_error=0.1, confidence=0.9, oracle=lambda asked: [right(one) for one in asked])
    session.undo_autolabel()
    session.refresh()
    session.close()


def team(path: Path) -> None:
    """Two people, second opinions, a ruling, a flag taken off, labels by a key, a step back."""
    session, right = begin(path, 90, seed=6, overlap=0.3)
    for i in range(30):
        who = "ann" if i % 2 else "ben"
        query = session.ask(annotator=who)[0]
        said = right(query) if i % 7 else "login"
        session.tell(query, said, annotator=who, seconds=2.0)
        if i % 5 == 4:
            session.refresh()
    query = session.ask(annotator="ann")[0]
    session.flag(query, "odd", annotator="ann")
    session.unflag(query, annotator="olga")
    done = next(iter(session.answers()))
    session.adjudicate(session.pool.ids[done], "billing", annotator="olga")
    open_ids = [session.pool.ids[row] for row in range(len(session.pool)) if row not in session.answers()]
    session.tell_many(open_ids[:4], "delivery", annotator="ben")
    session.rewind(4, annotator="ben")
    session.refresh()
    session.close()


def sets(path: Path) -> None:
    """Several labels an item."""
    pool, truth = texts(90)
    session = Session(pool, classes=sorted(WORDS), multilabel=True, encoder="tfidf", store=path, seed=7)

    def right(query: Any) -> list[str]:
        words = query.content.split()
        return [truth[query.content], *(["login"] if "tracking" in words else [])][
            : 0 if "number 5" in query.content else 2
        ]

    for i in range(25):
        query = session.ask()[0]
        session.tell(query, sorted(set(right(query))))
        if i % 5 == 4:
            session.refresh()
    session.refresh()
    session.close()


def search(path: Path) -> None:
    """A search for rare items, until its recall is proved or the pile is read."""
    pool, truth = texts(120)
    session = Session(pool, classes=["yes", "no"], recall=0.9, relevant="yes", store=path, seed=8, encoder="tfidf")
    for i in range(60):
        questions = session.ask()
        if not questions:
            break
        rare = truth[questions[0].content] == "billing" and "invoice" in questions[0].content
        session.tell(questions[0], "yes" if rare else "no")
        if i % 10 == 9:
            session.refresh()
    session.refresh()
    session.close()


def handed_in(path: Path) -> None:
    """An answer and the next questions in one step, as the page does it."""
    session, right = begin(path, 90, seed=9)
    held = session.ask(3)
    for i in range(20):
        query = held.pop(0)
        held += session.hand_in(query, "label", right(query), ask=1, seconds=1.0)
        if i % 5 == 4:
            session.refresh()
    session.close()


def classes(path: Path) -> None:
    """A certificate class by class, whose checks are mixed with decoys from format 3 on."""
    session, right = begin(path, 500, 2, seed=10, max_error=0.1)
    label(session, right, 40, refresh=10)
    session.autolabel(
        max_error={"billing": 0.15, "delivery": 0.2}, confidence=0.9, oracle=lambda asked: [right(one) for one in asked]
    )
    session.refresh()
    session.close()


def shown(path: Path) -> None:
    """Guesses that somebody was shown; an answer that came late; a label changed after a certificate."""
    session, right = begin(path, 400, 2, seed=11, max_error=0.1)
    label(session, right, 40, refresh=10)
    open_ids = [session.pool.ids[row] for row in range(len(session.pool)) if row not in session.answers()]
    session.show_guesses(open_ids[:10], annotator="olga")
    first = session.ask(annotator="ann")[0]
    session.release(annotator="ann")
    second = next(q for q in session.ask(400, annotator="ben", most=400) if q.item == first.item)
    session.tell(second, right(second), annotator="ben")
    session.tell(first, right(first), annotator="ann")
    session.release(annotator="ben")
    session.autolabel(max_error=0.1, confidence=0.9, oracle=lambda asked: [right(one) for one in asked])
    session.close()


def table(path: Path) -> None:
    """Rows of a table, by the encoder of that name, which was the default."""
    import csv
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "people.csv"
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["age", "city", "income", "since"])
            for i in range(90):
                income = "" if i % 9 == 4 else 900 + (i * 7919) % 4000 * (40 if i % 30 == 7 else 1)
                city = ("Bonn", "Gent", "Lyon", "Turku")[i * i % 4]
                writer.writerow([20 + (i * 37) % 50, city, income, f"2024-03-{i % 28 + 1:02}"])
        session = Session(str(file), kind="table", classes=["no", "yes"], learner="linear", store=path, seed=12)
    label(session, lambda query: "yes" if int(query.content["age"]) > 45 else "no", 20)
    session.close()


SESSIONS = {
    "f1": [plain, given, certified, checking, undone],
    "f2": [plain, given, certified, checking, undone, team, sets, search, handed_in, classes],
    "f3": [plain, given, certified, checking, team, sets, search, handed_in, classes, shown, table],
}


def write_sessions(version: str) -> None:
    """The files of one format."""
    for scenario in SESSIONS[version]:
        path = HERE / f"{version}_{scenario.__name__}.askwise"
        path.unlink(missing_ok=True)
        scenario(path)


if __name__ == "__main__":
    if sys.argv[1] == "sessions":
        write_sessions(sys.argv[2])
    elif sys.argv[1] == "computed":
        import gzip
        import json
        import tempfile

        sys.path.append(str(HERE.parent))
        from test_golden import FILES, computed

        for file in FILES:
            with tempfile.TemporaryDirectory() as made:
                text = json.dumps(computed(file, Path(made)), ensure_ascii=False, separators=(",", ":"))
                file.with_suffix(".json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
