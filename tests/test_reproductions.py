"""Published experiments run again: that ours asks what the obvious loop asks, and that each part runs, in small."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import SVC

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def reproduce():
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    import reproduce

    yield reproduce
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]


def obvious(pool, y, test, truth, steps):
    """The loop that the paper's US-C is, line by line: (rows asked, accuracy after each)."""
    labeled, asked, accuracy = list(range(20)), [], []
    model = SVC(kernel="rbf", gamma="auto", C=1).fit(pool[labeled], y[labeled])
    for _ in range(steps):
        order = np.argsort(np.abs(model.decision_function(pool)), kind="stable")
        asked.append(next(int(row) for row in order if row not in labeled))
        labeled.append(asked[-1])
        rows = sorted(labeled)
        model = SVC(kernel="rbf", gamma="auto", C=1).fit(pool[rows], y[rows])
        accuracy.append(float(np.mean(model.predict(test) == truth)))
    return asked, accuracy


def made(seed=0, n=120):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, np.where(X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=n) > 0, 1, -1)


@pytest.mark.parametrize("name", ["made up", "heart"])
def test_margin_asks_what_the_obvious_loop_asks(reproduce, name, shared):
    lu = reproduce.part_of("lu")
    if name == "heart":
        shared("tabular_lu2023/heart.libsvm.gz")
        pool, y, test, truth = lu.division("heart", 0)
    else:
        X, y = made()
        pool, y, test, truth = X[:80], y[:80], X[80:], y[80:]
    asked, accuracy = obvious(pool, y, test, truth, 40)
    found = lu.theirs("margin", pool, y, test, truth, 40)
    assert (found["others"], found["ties"]) == (0, 0)
    assert found["area"] == lu.area(accuracy, 40)
    assert lu.theirs("uniform", pool, y, test, truth, 40)["area"] != found["area"]
    assert len(set(asked)) == 40


def test_another_choice_is_counted(reproduce, monkeypatch):
    """The check can fail: asked for the largest margins, every question is another."""
    lu = reproduce.part_of("lu")
    X, y = made(1)
    first = lu.select

    def last(X, free, learner, strategy, **more):
        found = first(X, free, learner, strategy, **(more | {"k": len(free)}))
        return type(found)(found.rows[::-1], found.scores[::-1], found.strategy, found.parts[::-1])

    monkeypatch.setattr(lu, "select", last)
    found = lu.theirs("margin", X[:80], y[:80], X[80:], y[80:], 10)
    assert found["others"] == 10


def test_the_division_and_the_area_are_those_of_the_paper(reproduce):
    """Shuffled twice with the same seed; trapezoids over the questions, divided by how many there are."""
    lu = reproduce.part_of("lu")
    rows = np.arange(50)
    np.random.default_rng(3).shuffle(rows)
    pool = rows[:30].copy()
    np.random.default_rng(3).shuffle(pool)
    ours = lu.shuffled(50, 3)
    assert (ours[0].tolist(), ours[1].tolist()) == (pool.tolist(), rows[30:].tolist())
    assert lu.area([0.5, 0.7, 0.9], 3) == round((0.6 + 0.8) / 3, 5)


NEEDS = {
    "lu": ("tabular_lu2023", "published_results/lu2023_table.csv"),
    "screening": ("screening", "published_results/ferdinands2023_per_run_json.tgz"),
    "trec": ("text_trec6/minilm.npy",),
    "lcmd": (),
    "peers": ("spam_sms", "tabular_lu2023"),
}


@pytest.mark.parametrize("name", list(NEEDS))
def test_each_part_runs_in_small_and_goes_on_where_it_was(reproduce, name, shared, tmp_path, capsys):
    for path in NEEDS[name]:
        shared(path)
    part = reproduce.part_of(name)
    if name == "peers" and (why := part.missing()):
        pytest.skip(why)
    sets = part.sets()[: part.QUICK]
    ways = list(part.WAYS)
    if name == "screening":  # ASReview's environment would be fetched
        ways.remove(part.PEER)
    arguments = [name, "--quick", "--out", str(tmp_path), "--ways", *ways]
    assert reproduce.main(arguments) == 0
    journal = tmp_path / f"{name}-quick.jsonl"
    runs = [json.loads(line) for line in journal.read_text().splitlines()]
    assert {(one["set"], one["way"]) for one in runs} == {(one, way) for one in sets for way in ways}
    first = capsys.readouterr().out
    assert f"{len(runs)} of {len(runs)}: " in first

    # a kill in the middle of a line costs that run, and no other is done again
    whole = journal.read_text()
    journal.write_text(whole[:-20])
    assert reproduce.main(arguments) == 0
    again = capsys.readouterr().out
    assert again.startswith("1 of 1: ")
    assert len(journal.read_text().splitlines()) == len(runs)


def test_what_is_missing_is_said(reproduce, monkeypatch, tmp_path, capsys):
    lu = reproduce.part_of("lu")
    monkeypatch.setattr(lu, "FOLDER", tmp_path / "nowhere")
    assert reproduce.main(["lu", "--quick", "--out", str(tmp_path)]) == 2
    assert "lu was not run: no " in capsys.readouterr().err


def test_a_quick_run_is_put_into_no_page(reproduce, capsys):
    assert reproduce.main(["lcmd", "--quick", "--docs"]) == 2
    assert "no measurement" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        reproduce.main(["lcmd", "--quick", "--sets", "nothing"])
    assert "no set or way nothing" in capsys.readouterr().err


def test_every_part_has_a_place_in_the_page(reproduce):
    text = reproduce.PAGE.read_text(encoding="utf-8")
    for name in reproduce.PARTS:
        assert "NEW" in reproduce.put(text, name, "NEW")
    with pytest.raises(SystemExit, match="no place"):
        reproduce.put(text, "nothing", "NEW")
