"""One rule at every door for what a value is: missing, a label, refused."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import Session, load_pool, simulate
from askwise.app.server import create_app
from askwise.core import AskwiseError, BadInput
from askwise.labelsets import digit_keys, labels_in_line
from askwise.screening import Goal, two_classes
from askwise.values import Spelling, fold, label_name, missing, plain, written

pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.usefixtures("linear")

MISSING = {
    "None": None,
    "nan": float("nan"),
    "np.nan": np.float32("nan"),
    "pd.NA": pd.NA,
    "pd.NaT": pd.NaT,
    "NaT": np.datetime64("NaT"),
    "NaT of ns": np.datetime64("NaT", "ns"),
    "NaT of time": np.timedelta64("NaT", "D"),
    "masked": np.ma.masked,
    "Decimal": Decimal("NaN"),
    "array": np.array(float("nan")),
}
LABELS = {
    "text": ("ham", "ham"),
    "np.str_": (np.str_("ham"), "ham"),
    "bytes": (b"ham", "ham"),
    "np.bytes_": (np.bytes_("größe".encode()), "größe"),
    "int": (1, "1"),
    "np.int64": (np.int64(1), "1"),
    "np.uint8": (np.uint8(200), "200"),
    "float": (1.0, "1"),
    "np.float32": (np.float32(1), "1"),
    "no integer": (2.5, "2.5"),
    "np.float32, no integer": (np.float32(0.1), "0.1"),
    "bool": (True, "True"),
    "np.bool_": (np.True_, "True"),
    "Decimal": (Decimal("1.0"), "1"),
    "0-d array": (np.array(3), "3"),
    "date": (np.datetime64("2024-01-31"), "2024-01-31"),
    "float as text": ("1.0", "1"),
    "float as text, negative zero": ("-0.0", "0"),
    "version as text": ("1.10", "1.10"),
    "leading zeros": ("007.0", "007.0"),
    "decomposed": ("cafe\u0301", "caf\u00e9"),
    "zero-width space": ("\u200bh\u200bam\u200b ", "ham"),
    "byte order mark": ("\ufeffham", "ham"),
    "joiner at the end": ("ham\u200d", "ham"),
    "Persian with a non-joiner": ("نمی\u200cخواهم", "نمی\u200cخواهم"),
    "family": ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
    "flag of England": (
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ),
}
REFUSED = {
    "NUL": "a\0b",
    "line break": "a\nb",
    "tab": "a\tb",
    "escape": "\x1b[31mred",
    "line separator": "a\u2028b",
    "no UTF-8": b"\xff\xfe",
    "half a character": "\ud800",
    "infinity": float("inf"),
    "object": object(),
    "dict": {"a": 1},
}


def by_name(values: dict[str, Any]) -> Any:
    return pytest.mark.parametrize("value", values.values(), ids=values.keys())


# ── the rule ────────────────────────────────────────────────────────────────────────────────


@by_name(MISSING)
def test_missing_is_missing(value: Any) -> None:
    assert missing(value)
    assert label_name(value) == ""
    assert plain(value) is None
    assert written(value) == ""


@by_name(LABELS)
def test_labels_have_one_name(value: tuple[Any, str]) -> None:
    assert label_name(value[0]) == value[1]


@by_name(REFUSED)
def test_what_is_no_label(value: Any) -> None:
    assert label_name(value) is None


@given(st.text() | st.floats() | st.integers() | st.binary())
def test_a_name_is_its_own_name_and_can_be_written(value: Any) -> None:
    name = label_name(value)
    if name:
        assert label_name(name) == name
        assert name == name.strip()
        assert fold(name) == fold(fold(name))
        assert name.encode().decode() == name


@pytest.mark.parametrize(
    ("first", "second"),
    [("ab", "a\u200db"), ("می\u200cخ", "میخ"), ("❤", "❤\ufe0f"), ("a b", "a\u00a0b"), ("a b", "a  b"), ("1", "1.0")],
)
def test_labels_that_look_the_same_are_the_same(first: str, second: str) -> None:
    spelling = Spelling()
    assert spelling.of(label_name(first) or "") == spelling.of(label_name(second) or "") == label_name(first)
    pool = load_pool(["x", "y", "z"], label=[first, second, "another"])
    assert pool.given[0] == pool.given[1]


def test_cells_are_what_json_knows() -> None:
    value = {"a": np.int64(1), "b": [np.nan, np.True_], 3: (b"x", b"\xff"), "d": np.datetime64("2024-01-01")}
    assert plain(value) == {"a": 1, "b": [None, True], "3": ["x", "ff"], "d": "2024-01-01"}
    assert written({"a": "é'"}) == '{"a": "é\'"}'
    assert [written(v) for v in (True, False, 1, 1.5, "x", [])] == ["true", "false", "1", "1.5", "x", "[]"]


# ── the doors ───────────────────────────────────────────────────────────────────────────────


@by_name(MISSING)
def test_missing_values_are_open_items(value: Any) -> None:
    cells = ["a", value, "b"]
    assert load_pool(["x", "y", "z"], label=cells).given == {0: "a", 2: "b"}
    frame = pd.DataFrame({"text": ["x", "y", "z"], "label": pd.Series(cells, dtype=object)})
    assert load_pool(frame, text="text", label="label").given == {0: "a", 2: "b"}
    assert load_pool(["x", "y", "z"], label=pd.Series(cells, dtype=object)).given == {0: "a", 2: "b"}
    assert load_pool(pd.DataFrame({"text": ["x", value, "z"]}, dtype=object)).contents == ["x", "z"]


@by_name(MISSING)
def test_missing_values_are_no_answers_and_no_classes(value: Any) -> None:
    session = Session(["x", "y"], encoder="tfidf")
    with pytest.raises(BadInput, match="empty"):
        session.tell(session.ask(1)[0], value)
    with pytest.raises(BadInput, match="empty"):
        session.add_class(value)
    assert session.classes == ()
    with pytest.raises(BadInput, match="non-empty"):
        Session(["x", "y"], classes=["a", "b", value])


@by_name(LABELS)
def test_every_door_knows_a_label_by_one_name(value: tuple[Any, str]) -> None:
    given, name = value
    assert load_pool(["x", "y"], label=[given, None]).given == {0: name}
    frame = pd.DataFrame({"text": ["x", "y"], "label": pd.Series([given, None], dtype=object)})
    assert load_pool(frame, text="text", label="label").given == {0: name}
    declared = Session(["x", "y"], classes=[given, "other"], label=[given, None], encoder="tfidf")
    assert declared.classes == (name, "other")
    declared.tell(declared.pool.ids[1], given)
    assert declared.answers()[1].label == name
    found = Session(["x", "y"], encoder="tfidf")
    found.tell(found.ask(1)[0], given)
    assert found.classes == (name,)
    added = Session(["x", "y"], encoder="tfidf")
    added.add_class(given)
    assert added.classes == (name,)
    with pytest.raises(BadInput, match="one already"):
        added.add_class(name)
    assert Goal.of(0.9, given, [name, "other"], []).relevant == name
    assert two_classes(given, None, [name, "other"]) == (name, "other")


@by_name(REFUSED)
def test_what_is_no_label_is_refused_at_every_door(value: Any) -> None:
    pool = load_pool(["x", "y"], label=[value, "a"])
    assert pool.given == {1: "a"}
    assert "label" in pool.problems[0].what
    session = Session(["x", "y"], encoder="tfidf")
    with pytest.raises(BadInput):
        session.tell(session.ask(1)[0], value)
    with pytest.raises(BadInput):
        session.add_class(value)
    with pytest.raises(BadInput):
        Session(["x", "y"], classes=["a", value])
    with pytest.raises(BadInput):
        simulate(["x"] * 12, ["a", "b"] * 5 + ["a", value])
    assert session.classes == ()


@pytest.mark.parametrize("value", ["a\0b", "a\nb", "\u200b"])
def test_what_is_no_label_is_refused_over_http(value: str) -> None:
    from starlette.testclient import TestClient

    session = Session(["x", "y"], encoder="tfidf")
    client = TestClient(create_app(session, token="t" * 32), base_url="http://localhost")
    item = session.ask(1)[0].item
    headers = {"Authorization": "Bearer " + "t" * 32}
    for path, body in (
        ("tell", {"tab": "t", "key": "k", "item": item, "label": value}),
        ("classes", {"name": value}),
    ):
        reply = client.post(f"/api/v1/{path}", json=body, headers=headers)
        assert 400 <= reply.status_code < 500, reply.text
    assert session.classes == ()


def test_labels_over_http_are_named_as_elsewhere() -> None:
    from starlette.testclient import TestClient

    session = Session(["x", "y"], classes=["1", "caf\u00e9"], encoder="tfidf")
    client = TestClient(create_app(session, token="t" * 32), base_url="http://localhost")
    headers = {"Authorization": "Bearer " + "t" * 32}
    for item, said, name in zip(session.pool.ids, ("1.0", "cafe\u0301"), session.classes, strict=True):
        body = {"tab": "t", "key": item, "item": item, "label": said}
        assert client.post("/api/v1/tell", json=body, headers=headers).status_code == 200
        assert session.answers()[session._rows[item]].label == name


def test_arrays_of_labels() -> None:
    dates = np.array(["2024-01-01", "NaT"], "datetime64[D]")
    assert load_pool(["a", "b"], label=dates).given == {0: "2024-01-01"}
    assert load_pool(["a", "b"], label=np.array([b"spam", b"ham"])).given == {0: "spam", 1: "ham"}
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    assert load_pool(["a", "b"], label=masked).given == {0: "1"}
    y = np.array([0.0, 1.0] * 30)
    Z = np.random.default_rng(0).normal(size=(60, 2))
    assert Session(Z, classes=np.unique(y), label=y).classes == ("0", "1")
    assert load_pool(["a", "b"], label=pd.Categorical(["x", None])).given == {0: "x"}
    assert load_pool(["a", "b"], label=pd.array([1, None], "Int64")).given == {0: "1"}


def test_texts_of_bytes() -> None:
    pool = load_pool([b"gr\xc3\xb6\xc3\x9fe", b"\xff", np.str_("x")])
    assert pool.contents == ["größe", "x"]
    assert "bytes" in pool.problems[0].what
    assert load_pool(np.array([b"a", b"b"])).contents == ["a", "b"]


def test_columns_that_are_named_by_numbers() -> None:
    frame = pd.DataFrame({0: ["a", "b"], 1: ["x", "y"], 2: ["p", "q"]})
    pool = load_pool(frame, text=0, label=1, id=2, show=[1])
    assert (pool.contents, pool.given, pool.ids) == (["a", "b"], {0: "x", 1: "y"}, ["p", "q"])
    assert load_pool(frame, text=[0, 1]).contents == ["a\n\nx", "b\n\ny"]
    assert load_pool(frame, text=np.int64(0), label=[1, 2]).given == {0: "1", 1: "2"}
    two = pd.DataFrame({("t", 1): ["a", "b"], ("t", 2): ["x", "y"]})
    assert load_pool(two, text=("t", 1), label=("t", 2)).given == {0: "x", 1: "y"}
    for wrong in ({"text": 7}, {"text": 0, "label": 7}, {"text": 0, "show": 7}):
        with pytest.raises(BadInput, match="No column '7'"):
            load_pool(frame, **wrong)


def test_columns_are_found_however_their_name_is_composed(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("te\u200bxt,cafe\u0301\na,x\nb,y\n", encoding="utf-8")
    pool = load_pool(tmp_path / "in.csv", text="text", label="caf\u00e9")
    assert pool.given == {0: "x", 1: "y"}
    assert pool.columns == ["text", "caf\u00e9"]


# ── numbers in text files ───────────────────────────────────────────────────────────────────


def test_labels_of_a_float_column_are_integers(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,y\na,1.0\nb,0.0\nc,\nd,1\n")
    assert load_pool(tmp_path / "in.csv", text="text", label="y").given == {0: "1", 1: "0", 3: "1"}


def test_nan_among_numbers_is_no_label(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,y,food\na,1.0,nan\nb,nan,rice\nc,0.0,nan\n")
    pool = load_pool(tmp_path / "in.csv", text="text", label="y")
    assert pool.given == {0: "1", 2: "0"}
    assert any("'nan'" in note for note in pool.notes)
    assert load_pool(tmp_path / "in.csv", text="text", label="food").given == {0: "nan", 1: "rice", 2: "nan"}


@pytest.mark.parametrize(
    ("relevant", "irrelevant", "given", "expected"),
    [
        ("1", None, ["1"], ("1", "0")),
        ("1.0", None, ["1"], ("1", "0")),
        ("1", None, ["1", "0"], ("1", "0")),
        (1, None, ["1", "0"], ("1", "0")),
        ("1", None, ["0"], ("1", "0")),
        ("relevant", None, ["irrelevant"], ("relevant", "irrelevant")),
        ("yes", "maybe", ["maybe"], ("yes", "maybe")),
    ],
)
def test_two_classes_of_a_search(relevant: Any, irrelevant: Any, given: list[str], expected: tuple[str, str]) -> None:
    assert two_classes(relevant, irrelevant, given) == expected


@pytest.mark.parametrize(
    ("relevant", "given", "message"),
    [
        ("1", ["included"], "No row of the label column is '1'.*relevant='included'.*irrelevant='included'"),
        ("0", ["1"], "No row of the label column is '0'"),
        ("relevant", ["Relevant"], "Did you mean relevant='Relevant'"),
        ("x", ["a", "b"], "No row of the label column is 'x'"),
        ("a\0", ["a"], "control character"),
        (" ", ["a"], "empty"),
    ],
)
def test_a_column_without_the_relevant_label_is_no_search(relevant: str, given: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        two_classes(relevant, None, given)


@pytest.mark.parametrize("given", [["0", "1", "2"], ["1", "maybe", "no"]])
def test_nobody_is_told_to_turn_relevant_into_irrelevant(given: list[str]) -> None:
    with pytest.raises(BadInput, match="more than") as caught:
        two_classes("1", None, given)
    assert "'1' to" not in str(caught.value)


# ── old sessions ────────────────────────────────────────────────────────────────────────────


def test_a_session_that_spells_its_classes_the_old_way_goes_on(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from askwise import cli, verification

    data = tmp_path / "in.csv"
    data.write_text("text,y\n" + "".join(f"word{i} other,{i % 2}.0\n" for i in range(6)) + "open one,\nopen two,\n")
    pool = load_pool(data, text="text", label="y")
    session = Session(pool, encoder="tfidf", store=(store := rewriting_store()))
    assert session.classes == ("0.0", "1.0")
    with Session.open(store, encoder="tfidf") as again:
        assert again.classes == ("0.0", "1.0")
        for item, said in zip(again.pool.ids[6:], ("1", "1.0"), strict=True):
            again.tell(item, said)
        assert [answer.label for answer in again.answers().values()][-2:] == ["1.0", "1.0"]
        assert again.classes == ("0.0", "1.0")
        with pytest.raises(BadInput, match="one already"):
            again.add_class("1")
        again.export(tmp_path / "o.csv")
    assert verification.verify(store).ok
    # The command that began it goes on with it.
    path = tmp_path / "in.askwise"
    from askwise.store import open_store

    copy = open_store(path)
    copy.append(store.read(), after=0)
    copy.close()
    runner = CliRunner()
    reply = runner.invoke(cli.app, ["label", str(data), "--text", "text", "--label", "y", "--terminal"], input="q")
    assert reply.exit_code == 0, reply.output


def rewriting_store() -> Any:
    """A store whose first event is rewritten to what earlier versions took over."""
    from askwise.store import open_store

    store = open_store(None)
    append = store.append

    def old(events: Any, **more: Any) -> int:
        for event in events:
            if event.kind == "opened":
                event.data["classes"] = ["0.0", "1.0"]
                event.data["given"] = {row: f"{name}.0" for row, name in event.data["given"].items()}
        return append(events, **more)

    store.append = old  # type: ignore[method-assign]
    return store


# ── labels on the command line, keys ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("yes,no", ["yes", "no"]),
        ('"Food, drink",other', ["Food, drink", "other"]),
        (' "Food, drink" , other ', None),
        ('"5"" screen",other', ['5" screen', "other"]),
        ("a, b ,,c", ["a", "b", "c"]),
        ("1.0,0.0", ["1", "0"]),
        ('"Food, drink', None),
        ('"Food" drink,other', None),
        ('Food "x, y",other', None),
        ('5" screen,other', None),
        ("a,a", None),
        ("a,a\u200d", None),
        ("1,1.0", None),
        ("a", None),
        ("a,b\tc", None),
    ],
)
def test_labels_on_the_command_line_are_a_line_of_a_csv(line: str, labels: list[str] | None) -> None:
    if labels is None:
        with pytest.raises(BadInput, match="--labels"):
            labels_in_line(line, "--labels")
    else:
        assert labels_in_line(line, "--labels") == labels


@pytest.mark.parametrize(
    ("labels", "keys"),
    [
        (["ham", "spam"], {"1": "ham", "2": "spam"}),
        (["0", "1"], {"1": "1", "0": "0"}),
        ([str(i) for i in range(10)], {str(i): str(i) for i in range(10)}),
        ([str(i) for i in range(1, 13)], {**{str(i): str(i) for i in range(1, 10)}, "0": "10"}),
        ([str(i) for i in range(13)], {str(i): str(i) for i in range(10)}),
        (["spam", "1", "ham"], {"1": "1", "2": "spam", "3": "ham"}),
        (["5"], {"5": "5"}),
        ([f"c{i}" for i in range(12)], {k: f"c{i}" for i, k in enumerate("1234567890")}),
        (["²", "٣"], {"1": "²", "2": "٣"}),
    ],
)
def test_where_labels_are_digits_the_key_is_the_label(labels: list[str], keys: dict[str, str]) -> None:
    assert digit_keys(labels) == keys


def test_the_terminal_records_the_label_of_the_key() -> None:
    from rich.console import Console

    from askwise import terminal

    session = Session(["hello there", "win cash", "free prize"], classes=["0", "1", "10"], encoder="tfidf")
    pressed = iter("102q")
    console = Console(record=True, width=100)
    terminal.label(session, keys=lambda: next(pressed, ""), console=console)
    assert [one.label for one in session.history(3)][::-1] == ["1", "0", "10"]
    assert " 0  0" in console.export_text()


def test_what_has_no_order_is_not_one_value_for_each_row() -> None:
    for label in ({0: "x", 1: "y"}, {"x", "y"}):
        with pytest.raises(BadInput, match="one value for each row"):
            load_pool(["a", "b"], label=label)
    assert Session(["a", "b"], classes={"spam", "ham", "other"}, encoder="tfidf").classes == ("ham", "other", "spam")


# ── columns beside ──────────────────────────────────────────────────────────────────────────


def test_columns_beside_are_seen_and_not_learned_from(tmp_path: Path) -> None:
    from rich.console import Console
    from starlette.testclient import TestClient

    from askwise import terminal

    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps({"text": f"t{i}", "who": {"n": i}, "url": f"u{i}"}) + "\n" for i in range(4))
    )
    plain_pool = load_pool(tmp_path / "in.jsonl", text="text")
    path = tmp_path / "s.askwise"
    with Session(
        tmp_path / "in.jsonl", text="text", show=["who", "url"], classes=["a", "b"], encoder="tfidf", store=path
    ) as session:
        assert session.pool.fingerprint == plain_pool.fingerprint
    with Session.open(path, encoder="tfidf") as session:  # the file alone knows them
        row = session._rows[session.pool.ids[2]]
        assert session.pool.beside(row) == {"who": '{"n": 2}', "url": "u2"}
        console = Console(record=True, width=100)
        terminal.label(session, keys=lambda: "q", console=console)
        assert 'who: {"n": ' in console.export_text()
        client = TestClient(create_app(session, token="t" * 32), base_url="http://localhost")
        headers = {"Authorization": "Bearer " + "t" * 32}
        question = client.post("/api/v1/ask", json={"tab": "t", "want": 1}, headers=headers).json()["next"][0]
        number = question["text"][1:]
        assert question["beside"] == [["who", f'{{"n": {number}}}'], ["url", f"u{number}"]]
        page = client.get("/api/v1/items", params={"column": ["url", "text"]}, headers=headers).json()
        assert page["columns"] == ["text", "who", "url"]
        assert page["shown"] == ["who", "url"]
        assert [item["cells"] for item in page["items"]] == [[f"u{i}", f"t{i}"] for i in range(4)]
        assert client.get("/api/v1/items", params={"column": ["no"]}, headers=headers).status_code == 400
    table = load_pool(tmp_path / "in.jsonl", kind="table", show="url")
    assert list(table.contents[0]) == ["text", "who"]


@pytest.mark.parametrize("source", [["a", "b"], np.zeros((2, 2))])
def test_what_has_no_columns_shows_none(source: Any) -> None:
    with pytest.raises(BadInput, match="has no columns"):
        load_pool(source, show="x")


def test_a_column_to_show_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,url\na,b\n")
    with pytest.raises(AskwiseError, match="No column 'ulr' for show"):
        load_pool(tmp_path / "in.csv", text="text", show="ulr")


# ── folders ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("packed", ["folder", "flat", "in a folder"])
def test_a_folder_that_is_sorted_half_way_has_open_items(tmp_path: Path, packed: str) -> None:
    import zipfile

    image = pytest.importorskip("PIL.Image")
    names = ["1.png", "2.png", "cat/3.png", "dog/4.png"]
    for at, name in enumerate(names):
        (tmp_path / "pics" / name).parent.mkdir(parents=True, exist_ok=True)
        image.new("L", (16, 16), 40 * at).save(tmp_path / "pics" / name)
    source = tmp_path / "pics"
    if packed != "folder":
        source = tmp_path / "pics.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for name in names:
                archive.write(tmp_path / "pics" / name, name if packed == "flat" else f"pics/{name}")
    pool = load_pool(source, label="folder")
    assert len(pool) == 4
    assert pool.given == {2: "cat", 3: "dog"}
    assert any("2 of 4 files" in note for note in pool.notes)


def test_one_folder_of_all_files_is_no_class_but_one_of_some_is(tmp_path: Path) -> None:
    from askwise.media import folders

    assert folders(["a/1.png", "a/2.png"], packed=True) == ["a", "a"]
    assert folders(["a/x/1.png", "a/y/2.png"], packed=True) == ["x", "y"]
    assert folders(["a/x/1.png", "ab/2.png"], packed=True) == ["a/x", "ab"]
    assert folders(["a/x/1.png", "a/y/2.png"], packed=False) == ["a/x", "a/y"]
    assert folders([], packed=True) == []
