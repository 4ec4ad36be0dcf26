"""Table rows as features, as a session gets them where nothing is chosen: cells, columns, models, old sessions."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import Session, encoders, load_pool
from askwise.core import BadInput
from askwise.encoders.blocks import BLOCKS
from askwise.encoders.cells import DATES, NUMBERS, cell, moments, numbers, reading_of
from askwise.encoders.rows import RowsEncoder
from askwise.encoders.table import TableEncoder
from askwise.model import load
from askwise.testing import check_encoder
from askwise.verification import verify

RNG = np.random.default_rng(0)
WORDS = ["late", "paid", "call", "soon", "never", "again", "nice", "rude", "angry", "calm", "ticket"]


def learned(column: list[Any]) -> tuple[str, np.ndarray]:
    """(what a column is taken for, its features); beside one that keeps the rows from being the same."""
    encoder = RowsEncoder().fit([{"x": one} for one in column])
    return encoder.taken["x"], np.asarray(encoder.encode([{"x": one} for one in column]))


def reading(cells: list[str]) -> str | None:
    return reading_of(cells, np.ones(len(cells), int), 3, 0.9)


# ── cells ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-0.5", -0.5), ("+3", 3), ("1e3", 1000), ("1,234", 1234), ("1,234,567.25", 1234567.25),
        ("1'234", 1234), ("1 234", 1234), ("1\u202f234", 1234), ("€ 5.20", 5.2), ("5.20 €", 5.2), ("-$1,000", -1000),
        ("$-3", -3), ("−4", -4), ("12 %", 12), ("12%", 12), ("true", 1), ("False", 0), (".5", 0.5),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(text: str, value: float) -> None:
    assert numbers([text], "number")[0] == value


@pytest.mark.parametrize(
    "text",
    ["", "a", "1,23", "1,2345", "12,34,567", "1.2.3", "5 kg", "1_000", "nan", "inf", "1e400", "--1", "€", "%", "1 2",
     "12:30", "2024-01-02"],
)  # fmt: skip
def test_what_is_no_number(text: str) -> None:
    assert np.isnan(numbers([text], "number")[0])


def test_a_comma_is_what_reads_more_of_the_column() -> None:
    assert reading(["1,234", "5,678"]) == NUMBERS[0], "thousands, where both read as many"
    assert reading(["1,234", "5,67", "12,5"]) == NUMBERS[1]
    assert numbers(["1,234", "1.234,5", "1.234", "7"], NUMBERS[1]).tolist() == [1.234, 1234.5, 1234, 7]


@pytest.mark.parametrize(
    ("cells", "name", "at"),
    [
        (["2024-03-31", "2024-12-01"], "year first", None),
        (["2024-03-31T14:30:00Z", "2024/12/01"], "year first", 14.5),
        (["2024-03", "2024-12"], "year first", None),
        (["31.03.2024 14:30", "1.12.2024"], "day first", 14.5),
        (["03/31/2024 2:30 pm", "12/1/2024"], "month first", 14.5),
        (["31 March 2024", "1 Dec 2024"], "month by name", None),
        (["Sunday, March 31, 2024", "Dec 1, 2024"], "month by name", None),
        (["14:30", "2:30 PM"], "time", 14.5),
    ],
)
def test_dates_and_hours(cells: list[str], name: str, at: float | None) -> None:
    assert reading(cells) == name
    days, hours = moments(cells, name)
    if name != "time":
        assert np.floor(days[1] - days[0]) in (244, 245, 275), "1 December less 31 March, or less 1 March"
    assert (hours[0] == at) if at is not None else np.isnan(hours).all()


def test_an_order_of_days_and_months_that_nothing_tells_is_not_guessed() -> None:
    assert reading(["01/02/2024", "03/04/2024", "12/12/2023"]) is None
    assert reading(["01/02/2024", "03/04/2024", "13/12/2023"]) == "day first"
    assert reading(["01/02/2024", "03/04/2024", "12/13/2023"]) == "month first"
    kind, features = learned(["01/02/2024", "03/04/2024"] * 20)
    assert kind == "words"
    assert features.shape[1] == 2


@pytest.mark.parametrize("text", ["2024-02-30", "0000-01-01", "2024-13-01", "31.02.2024", "25:00", "1:75", "13:00 pm"])
def test_what_is_no_moment(text: str) -> None:
    for name in DATES:
        assert np.isnan(moments([text], name)).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (float("nan"), ""), ("  a ", "a"), (True, "true"), (2, "2"), (2.0, "2.0"), (b"x", "x"), ([1], "[1]"),
     (np.float32(0.5), "0.5"), (np.datetime64("NaT"), ""), (1 << 2000, "0x1" + "0" * 500)],
)  # fmt: skip
def test_any_value_is_a_cell(value: Any, text: str) -> None:
    assert cell(value) == text


def test_an_integer_that_python_would_not_write_is_a_cell() -> None:
    assert cell(10**5000).startswith("0x")


# ── columns ─────────────────────────────────────────────────────────────────────────────────


def test_one_outlier_does_not_flatten_the_rest() -> None:
    values = RNG.normal(size=400)
    values[7] = 1e9
    kind, features = learned(values.tolist())
    rest = np.delete(features[:, 0], 7)
    assert kind == "numbers"
    assert rest.std() > 0.5
    assert features[7, 0] == features.max() <= 8


def test_heavy_tails_become_even_and_even_columns_stay_as_they_are() -> None:
    tail = RNG.lognormal(0, 3, 500)
    assert abs(np.corrcoef(learned(tail.tolist())[1][:, 0], np.log(tail))[0, 1]) > 0.98
    even = RNG.uniform(size=500)
    assert np.corrcoef(learned(even.tolist())[1][:, 0], even)[0, 1] > 0.999999
    both = RNG.normal(size=500) * RNG.lognormal(0, 2, 500)
    found = learned(both.tolist())[1][:, 0]
    assert (np.argsort(found, kind="stable") == np.argsort(both, kind="stable")).all()
    assert found.std() > 0.9


def test_missing_cells_are_marked_and_columns_that_lack_the_same_rows_say_so_once() -> None:
    rows = [
        {"a": "" if i % 3 == 0 else i * 7919 % 100, "b": None if i % 3 == 0 else i * 31 % 17, "c": i * 13 % 7}
        for i in range(90)
    ]
    features = RowsEncoder().fit(rows).encode(rows)
    assert features.shape[1] == 4
    lacking = np.arange(90) % 3 == 0
    assert len({tuple(row) for row in features[lacking][:, :3].round(6).tolist()}) == 1
    assert (features[:, 1] > 0).tolist() == lacking.tolist()


def test_marks_among_numbers_have_a_feature_and_the_numbers_stay_numbers() -> None:
    values = [("?" if i % 3 == 0 else str(i * 7919 % 100)) for i in range(90)]
    kind, features = learned(values)
    assert kind == "numbers"
    assert features.shape == (90, 2)
    assert features[:, 1].tolist() == [float(i % 3 == 0) for i in range(90)]


def test_words_get_a_feature_each_and_rare_ones_share_one() -> None:
    kind, features = learned([f"w{i % 40}" if i < 400 else f"once {i} times" for i in range(420)])
    assert kind == "words"
    assert features.shape[1] == 31
    assert features.sum(1).tolist() == [1.0] * 420
    kind, features = learned(["yes", "no"] * 20)
    assert features.shape[1] == 2


def test_names_that_share_words_are_alike() -> None:
    ranks, jobs = ["senior", "junior", "chief", "deputy"], ["nurse", "driver", "clerk", "teacher", "cook", "police"]
    column = [f"{ranks[i % 4]} {jobs[i % 6]} {i % 5 * 'north'}" for i in range(240)]
    encoder = RowsEncoder().fit([{"x": one} for one in column])
    assert encoder.taken == {"x": "names"}
    new = np.asarray(encoder.encode([{"x": one} for one in ("former nurse", "night nurse", "former driver")]))
    assert new[0] @ new[1] > new[0] @ new[2] - 1e-6
    assert np.linalg.norm(new[0] - new[1]) < np.linalg.norm(new[1] - new[2])


def test_free_text_counts_like_a_few_columns() -> None:
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(200)]
    rows = [{"text": " ".join(draw.choices(words, k=12)), "n": draw.gauss(0, 1)} for _ in range(300)]
    encoder = RowsEncoder().fit(rows)
    features = np.asarray(encoder.encode(rows))
    assert encoder.taken == {"text": "text", "n": "numbers"}
    assert 20 < features.shape[1] <= 33
    assert 3 < features[:, :-1].var(0).sum() < 5
    assert features[:, -1].var() == pytest.approx(1, abs=1e-3)


def test_what_says_nothing_is_left_out_but_never_all() -> None:
    rows = [
        {"id": f"A-{i * 104729 % 99991}", "row": i, "same": "x", "empty": "", "flat": 3, "n": i * 7919 % 97}
        for i in range(80)
    ]
    encoder = RowsEncoder().fit(rows)
    assert np.asarray(encoder.encode(rows)).shape == (80, 1)
    assert encoder.taken == {
        "id": "left out: it names the rows", "row": "left out: it counts the rows",
        "same": "left out: it says the same everywhere", "empty": "left out: it is empty",
        "flat": "left out: it says the same everywhere", "n": "numbers",
    }  # fmt: skip
    only = RowsEncoder().fit([{"row": i, "same": "x"} for i in range(80)])
    assert only.taken["row"] == "numbers"
    nothing = RowsEncoder().fit([{"same": "x"}] * 3).encode([{"same": "y"}])
    assert np.asarray(nothing).tolist() == [[0.0]]


def test_the_turns_of_a_date() -> None:
    rows = [{"when": f"{2020 + i % 4}-{i % 12 + 1:02}-{i % 28 + 1:02} {i % 24:02}:00"} for i in range(300)]
    encoder = RowsEncoder().fit(rows)
    features = np.asarray(encoder.encode(rows))
    assert encoder.taken == {"when": "dates, year first"}
    assert features.shape == (300, 7)
    spring, again = np.asarray(encoder.encode([{"when": "2021-03-01 05:00"}, {"when": "2023-03-01 05:00"}]))
    assert spring[0] < again[0]
    assert np.allclose(spring[1:3], again[1:3], atol=0.02), "the same season"
    assert np.allclose(spring[5:7], again[5:7]), "the same hour"


CELLS = st.none() | st.integers() | st.floats() | st.booleans() | st.text() | st.sampled_from(
    ["1,5", "€ 3", "2024-01-01", "1.2.2024", "?", "2024-13-13", "12:00", "x" * 300, "a b c d e f", "1e999", "\x00"]
)  # fmt: skip


@given(
    st.lists(st.fixed_dictionaries({"a": CELLS, "b": CELLS}), min_size=1, max_size=40),
    st.fixed_dictionaries({"a": CELLS, "b": CELLS, "c": CELLS}),
)
def test_any_table_is_encoded_and_any_row_after_it(rows: list[dict[str, Any]], odd: dict[str, Any]) -> None:
    encoder = RowsEncoder().fit(rows)
    features = np.asarray(encoder.encode(rows))
    assert features.shape[0] == len(rows)
    again = RowsEncoder()
    again.__setstate__(encoder.__getstate__())
    for later in (odd, {}, {"a": object(), "b": [1]}):
        one = np.asarray(encoder.encode([later]))
        assert one.dtype == np.float32
        assert one.shape == (1, features.shape[1])
        assert np.isfinite(one).all()
        assert (np.asarray(again.encode([later])) == one).all()
    assert np.isfinite(features).all()


def test_what_a_cell_becomes_depends_on_no_other_row() -> None:
    rows = [{"n": i * 7919 % 97, "w": f"city {i % 50}", "t": f"some words about {i % 13} and {i}"} for i in range(120)]
    encoder = RowsEncoder().fit(rows)
    whole = np.asarray(encoder.encode(rows))
    assert (np.concatenate([np.asarray(encoder.encode([row])) for row in rows]) == whole).all()
    assert (np.asarray(RowsEncoder().fit(rows).encode(rows)) == whole).all()
    check_encoder(RowsEncoder(), rows)


def test_no_row_at_all_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one row"):
        RowsEncoder().fit([])


@pytest.mark.parametrize(
    "state",
    [
        {"block": "measure", "reading": "code", "bend": "log", "center": 0, "width": 1, "least": 1, "mean": 0,
         "deviation": 1},
        {"block": "measure", "reading": "number", "bend": "log", "center": float("nan"), "width": 1, "least": 1,
         "mean": 0, "deviation": 1},
        {"block": "parts", "reading": "number", "turns": ["year"]},
        {"block": "parts", "reading": "time", "turns": ["century"]},
        {"block": "words", "words": '["a", "a"]', "rare": False, "reading": ""},
        {"block": "words", "words": '["a"]', "rare": False, "reading": "minutes"},
    ],
)  # fmt: skip
def test_a_saved_column_that_is_no_such_column_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="does not know"):
        BLOCKS[state["block"]].restored(state)


# ── sessions ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    draw = random.Random(3)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "income", "plan", "since", "note"])
        for i in range(160):
            income = f"€ {draw.lognormvariate(8, 1.5):,.2f}" if i % 9 else ""
            note = " ".join(
                draw.choices(
                    ["late", "paid", "call", "soon", "never", "again", "nice", "rude", "angry", "calm", "ticket"], k=6
                )
            )
            out.writerow([i, income, draw.choice(["basic", "pro"]), f"{i % 28 + 1}/{i % 12 + 1}/2024", note])
    return path


def rich(row: Any) -> str:
    return "yes" if row["income"] and float(row["income"][2:].replace(",", "")) > 3000 else "no"


def test_a_session_learns_from_rows_saves_a_model_and_predicts_the_same(people: Path, tmp_path: Path) -> None:
    pool = load_pool(people, kind="table", id="id")
    path = tmp_path / "p.askwise"
    with Session(pool, classes=["yes", "no"], store=path, seed=1) as session:
        assert session.settings["encoder"] == "rows"
        for _ in range(40):
            query = session.ask()[0]
            session.tell(query, rich(query.content))
        session.refresh()
        features, guesses = np.asarray(session.features()), session.predictions()[0]
        session.model().save(tmp_path / "m.skops")
    with Session.open(path) as session:
        assert np.array_equal(np.asarray(session.features()), features)
    assert verify(path).ok
    found = load(tmp_path / "m.skops")
    assert found.judged(list(pool.contents))[0] == guesses
    proba = found.proba(list(pool.contents))
    found.save(tmp_path / "again.skops")
    assert (load(tmp_path / "again.skops").proba(list(pool.contents)) == proba).all()
    odd = {"income": "a lot", "plan": "gold", "since": "31/31/2024", "note": None}
    assert np.isfinite(found.proba([odd])).all()
    assert {part for part, _ in found.explain([pool.contents[1]])[0].parts} <= {"income", "plan", "since", "note"}
    assert found.explain([pool.contents[1]])[0].parts[0][0] == "income"


def test_both_encoders_by_name_at_every_door(people: Path, tmp_path: Path) -> None:
    pool = load_pool(people, kind="table", id="id")
    assert isinstance(encoders.get(None, "table"), RowsEncoder)
    for name, kind in (("rows", RowsEncoder), ("table", TableEncoder)):
        assert isinstance(encoders.get(name, "table"), kind)
        path = tmp_path / f"{name}.askwise"
        with Session(pool, classes=["yes", "no"], encoder=name, store=path) as session:
            features = np.asarray(session.features())
        with Session.open(path) as session:
            assert session.settings["encoder"] == name
            assert np.array_equal(np.asarray(session.features()), features)
    with pytest.raises(BadInput, match="Give 'rows' or 'table'"):
        encoders.get("tfidf", "table")
    with pytest.raises(BadInput, match="Give 'image'"):
        encoders.get("rows", "image")
