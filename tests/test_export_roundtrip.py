"""What is exported holds every row and column of the input, and is loaded again as the same session."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askwise import Session, load_pool
from askwise.core import BadInput
from askwise.export import COLUMNS, exported, names_beside, runs, write_table
from askwise.values import written

pytestmark = pytest.mark.usefixtures("linear")

FORMATS = (".csv", ".tsv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet", ".xlsx")
NAMES = st.sampled_from(COLUMNS) | st.sampled_from(
    ("askwise_item", "askwise_label", "askwise_2_label", "askwise_7_source", "askwise_problem", "askwise_escaped")
)
NAMES |= st.sampled_from(("problem", "=SUM(1)", "'=x", "-a", "größe", "a,b", 'q"q', "n;m", "id", "+"))
RUN = st.sampled_from(("=1+1", "'=1+1", "''@x", "-5", "+3.2", "-5-3", "@me", "\tx", " =1", "＝1"))
ODD = st.sampled_from(("a\rb", "a\r\nb", "a\nb", '"', "'", "a,b;c\td", " blank ", "nan", "None", "true", "1.0", "[1]"))
ODD |= RUN | st.sampled_from(("\u00e9", "e\u0301", "\u200b", "_x000D_", "😀", "\x85", "\u2028"))
TEXTS = ODD | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
CELLS = TEXTS | st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=True) | st.just({})
CELLS |= st.lists(st.none() | st.booleans() | TEXTS, max_size=2) | st.dictionaries(TEXTS, TEXTS, max_size=2)
LABELS = st.sampled_from([None, "a", "-b", "=c", "café", "1.0", 0, "Food, drink"])


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = ["text", *draw(st.lists(NAMES, unique=True, max_size=4))]
    order = draw(st.permutations(names))
    rows = []
    for _ in range(draw(st.integers(2, 5))):
        row: dict[str, Any] = {name: draw(CELLS) for name in order}
        row["text"] = draw(TEXTS | st.sampled_from(["", "twice"]))
        rows.append(row)
    rows += [dict.fromkeys(order) | {"text": text} for text in ("one more", "twice", "twice")]
    return rows


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def human(pool: Any) -> dict[str, str]:
    return {pool.ids[row]: label for row, label in pool.given.items()}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=tables(), labels=st.lists(LABELS, min_size=8, max_size=8), suffix=st.sampled_from(FORMATS), raw=st.booleans()
)
def test_what_is_exported_is_loaded_again_as_the_same_session(
    rows: list[dict[str, Any]], labels: list[Any], suffix: str, raw: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("round")
    (folder / "in.jsonl").write_text(lines(rows), encoding="utf-8")
    pool = load_pool(folder / "in.jsonl", text="text")
    with Session(pool, encoder="tfidf", audit_share=0, store=folder / "s.askwise") as session:
        for item, label in zip(pool.ids, labels, strict=False):
            if label is not None:
                session.tell(item, label)
        before = session.rows()
        told = {pool.ids[row]: answer.label for row, answer in session.answers().items()}
    with Session.open(folder / "s.askwise", encoder="tfidf") as session:
        assert session.rows() == before  # the log holds all of it
        count = session.export(folder / f"out{suffix}", raw=raw)
    assert count == len(rows) == len(before)
    again = load_pool(folder / f"out{suffix}", text="text")
    assert again.ids == pool.ids
    assert human(again) == told
    if suffix == ".xlsx":
        return
    assert list(again.contents) == list(pool.contents)
    assert {p.row for p in again.problems} >= {row + 1 for row in pool.dropped}
    assert set(again.dropped) == set(pool.dropped)
    assert again.columns[: len(pool.columns)] == pool.columns
    # Every cell is there, as the text that it is (CSV knows no types).
    for row in range(len(rows)):
        now = again.dropped[row].cells if row in again.dropped else again.record[row]
        for name in pool.columns:
            assert written(now[name]) == written(rows[row][name]), (row, name)


@settings(max_examples=200, deadline=None)
@given(cells=st.lists(TEXTS, min_size=1, max_size=3), names=st.lists(NAMES, unique=True, min_size=3, max_size=3))
def test_no_cell_of_a_csv_would_run_and_none_is_damaged(
    cells: list[str], names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("csv") / "out.csv"
    ours = names_beside(names, COLUMNS)
    row = dict(zip(names, cells, strict=False)) | dict.fromkeys(ours.values())
    write_table([row], path)
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.reader(file))
    assert not any(cell[:1] != "'" and runs(cell) for line in read for cell in line)
    columns: dict[str, list[Any]] = {name: [cell] for name, cell in zip(*read, strict=True)}
    assert exported(columns) is not None
    for name, cell in zip(names, cells, strict=False):
        assert columns[name] == [cell]


@pytest.mark.parametrize("number", ["-5", "+3.2", "-1,000.5", "1e-5", "-.5", "+7 %", "-5%"])
def test_numbers_are_not_escaped(number: str) -> None:
    assert not runs(number)


@pytest.mark.parametrize(
    "formula", ["=1", "-5-3", "+49 170", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "-", "＝1", "'=1"]
)
def test_formulas_are_recognised(formula: str) -> None:
    assert runs(formula)


def test_raw_leaves_formulas_as_they_are(tmp_path: Path) -> None:
    session = Session(["=1+1", "b", "c"], classes=["x", "y"], encoder="tfidf")
    session.export(tmp_path / "safe.csv")
    session.export(tmp_path / "raw.csv", raw=True)
    session.export(tmp_path / "bom.csv", bom=True)
    assert (tmp_path / "safe.csv").read_text().splitlines()[1].startswith("'=1+1,")
    assert (tmp_path / "raw.csv").read_text().splitlines()[1].startswith("=1+1,")
    assert (tmp_path / "bom.csv").read_bytes().startswith(b"\xef\xbb\xbftext,")
    for name in ("safe", "raw", "bom"):
        assert load_pool(tmp_path / f"{name}.csv", text="text").contents == ["=1+1", "b", "c"]
    with pytest.raises(BadInput, match="byte order mark"):
        session.export(tmp_path / "out.jsonl", bom=True)


def test_a_file_that_only_begins_with_apostrophes_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text("text,label,escaped\n'=1+1,a,true\n'tis,b,true\n")
    assert load_pool(tmp_path / "theirs.csv", text="text").contents == ["'=1+1", "'tis"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_column_that_is_called_as_our_mark_is_kept(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.csv").write_text("text,askwise_escaped\n'=1,true\nb,true\n")
    session = Session(tmp_path / "in.csv", text="text", classes=["x", "y"], encoder="tfidf")
    session.export(tmp_path / f"o{suffix}")
    again = load_pool(tmp_path / f"o{suffix}", text="text")
    assert again.contents == ["'=1", "b"]
    assert [row["askwise_escaped"] for row in again.record] in (["true", "true"], [True, True])


def test_columns_of_the_input_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,item,askwise_item,label,askwise_label\nhello,7,8,ham,A\nbye,9,10,spam,B\n")
    session = Session(tmp_path / "in.csv", text="text", classes=["x", "y"], encoder="tfidf")
    session.tell(session.pool.ids[0], "x")
    session.export(tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        header, first, _ = csv.reader(file)
    assert header[:7] == ["text", "item", "askwise_item", "label", "askwise_label", "askwise_2_item", "askwise_2_label"]
    assert first[:7] == ["hello", "7", "8", "ham", "A", session.pool.ids[0], "x"]
    again = load_pool(tmp_path / "out.csv", text="text")
    assert again.given == {0: "x"}
    assert again.ids == session.pool.ids


def test_a_gap_in_the_numbers_of_the_prefix_does_not_mislead() -> None:
    assert names_beside(["askwise_3_item", "label"], ["item", "label"]) == {
        "item": "askwise_4_item",
        "label": "askwise_label",
    }


def test_the_order_of_the_columns_stays(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text,z\n1,hello,a\n2,bye,b\n")
    with Session(tmp_path / "in.csv", text="text", id="id", classes=["x", "y"], store=tmp_path / "s.askwise") as one:
        one.export(tmp_path / "a.csv")
    with Session.open(tmp_path / "s.askwise") as again:
        again.export(tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[0].startswith("id,text,z,item,")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_several_text_columns_make_no_column_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("title,abstract,n\nA,one,1\nB,two,2\n")
    with Session(
        tmp_path / "in.csv", text=["title", "abstract"], classes=["x", "y"], store=tmp_path / "s.askwise"
    ) as s:
        s.export(tmp_path / "a.csv")
        ids = s.pool.ids
    with Session.open(tmp_path / "s.askwise") as again:
        again.export(tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[0].startswith("title,abstract,n,item,")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert load_pool(tmp_path / "a.csv", text=["title", "abstract"]).ids == ids


def test_rows_that_could_not_be_loaded_are_exported_too(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(
        b"id,text,n\n1,hello,1\n2,,2\n3,too,many,cells\n4,few\n1,another text,5\n6,bye,6\n7,n\xffo,7\n"
    )
    pool = load_pool(tmp_path / "in.csv", id="id", text="text")
    assert len(pool) == 2
    with Session(pool, classes=["x", "y"], encoder="tfidf", store=tmp_path / "s.askwise") as session:
        session.tell("6", "y")
    with Session.open(tmp_path / "s.askwise") as session:
        assert session.export(tmp_path / "out.csv") == 7
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["text"], row["n"]) for row in rows] == [
        ("1", "hello", "1"),
        ("2", "", "2"),
        ("3", "too", "many"),
        ("4", "few", ""),
        ("1", "another text", "5"),
        ("6", "bye", "6"),
        ("7", "n\ufffdo", "7"),
    ]
    why = [row["askwise_problem"] for row in rows]
    assert why[0] == why[5] == ""
    assert why[1] == "has an empty text"
    assert '["cells"]' in why[2]
    assert "2 cells" in why[3]
    assert "which row 1 has already" in why[4]
    assert "not UTF-8" in why[6]
    again = load_pool(tmp_path / "out.csv", text="text")
    assert again.ids == ["1", "6"]
    assert again.given == {1: "y"}
    assert [problem.row for problem in again.problems] == [2, 3, 4, 5, 7]


def test_a_broken_line_of_jsonl_is_kept(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{"text": broken\n{"text": "b"}\n')
    session = Session(tmp_path / "in.jsonl", text="text", classes=["x", "y"], encoder="tfidf")
    session.export(tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[1]["askwise_problem"].endswith('{"text": broken')
    assert len(load_pool(tmp_path / "out.jsonl", text="text")) == 2


def test_labels_by_the_model_do_not_become_the_truth(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = [f"{'cash prize' if i % 2 else 'see you'} {rng.integers(10**9)}" for i in range(400)]
    truth = {text: "spam" if "cash" in text else "ham" for text in texts}
    session = Session(texts, classes=["ham", "spam"], encoder="tfidf", seed=1)
    for _ in range(60):
        for query in session.ask(1):
            session.tell(query, truth[query.text])
    session.refresh()
    session.autolabel(max_error=0.2, oracle=lambda queries: [truth[q.text] for q in queries])
    auto = session.counts()["auto"]
    assert auto > 0
    session.export(tmp_path / "out.csv")
    for label in (None, "label"):
        again = load_pool(tmp_path / "out.csv", text="text", label=label)
        assert len(again.given) == session.counts()["labeled"]
        assert any(f"{auto:,} rows were given by a model" in note for note in again.notes)


def test_values_of_jsonl_in_every_format(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(
        '{"text": "hello", "meta": {"src": "a\'b"}, "ok": true, "mixed": 1, "tags": ["a"], "big": '
        "1180591620717411303424}\n"
        '{"text": "bye", "meta": {}, "ok": null, "mixed": "x", "tags": [], "big": 1}\n'
        '{"text": "more", "meta": null, "ok": false, "mixed": null, "tags": null, "big": null}\n'
    )
    session = Session(tmp_path / "in.jsonl", text="text", classes=["x", "y"], encoder="tfidf")
    session.export(tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["meta"] for row in rows] == ['{"src": "a\'b"}', "{}", ""]
    assert [row["ok"] for row in rows] == ["true", "", "false"]
    assert [row["tags"] for row in rows] == ['["a"]', "[]", ""]
    pq = pytest.importorskip("pyarrow.parquet")
    session.export(tmp_path / "o.parquet")
    table = pq.read_table(tmp_path / "o.parquet").to_pydict()
    assert table["meta"] == ['{"src": "a\'b"}', "{}", None]
    assert table["ok"] == [True, None, False]
    assert table["mixed"] == ["1", "x", None]
    assert table["tags"] == [["a"], [], None]
    assert table["big"] == ["1180591620717411303424", "1", None]


def test_missing_values_of_frames_are_empty(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "text": list("abcd"),
            "label": [1.0, 0.0, None, None],
            "n": pd.array([1, None, 2, 3], "Int64"),
            "d": pd.to_datetime(["2024-01-01", None, None, None]),
        }
    )
    session = Session(load_pool(frame, label="label"), classes=["0", "1"], encoder="tfidf")
    session.export(tmp_path / "o.csv")
    again = load_pool(tmp_path / "o.csv", text="text", label="label")
    assert again.given == {0: "1", 1: "0"}
    assert (again.record[1]["n"], again.record[1]["d"]) == ("", "")
    assert again.record[0]["d"].startswith("2024-01-01")


def test_a_workbook_holds_texts_and_says_its_limits(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    texts = ["=1+1", "'=1", "5", "é 😀", "two\nlines", "#N/A", "=", "2024-01-01", "5%"]
    session = Session(texts, classes=["x", "y"], encoder="tfidf")
    session.tell(session.pool.ids[1], "y")
    session.export(tmp_path / "o.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "o.xlsx").active
    cells = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == texts
    assert all(cell.data_type == "s" for cell in cells)
    again = load_pool(tmp_path / "o.xlsx", text="text")
    assert again.ids == session.pool.ids
    assert again.given == {1: "y"}
    with pytest.raises(BadInput, match="32,767"):
        Session(["x" * 32_768, "b"], classes=["x", "y"], encoder="tfidf").export(tmp_path / "long.xlsx")
    assert not (tmp_path / "long.xlsx").exists()


def test_a_workbook_keeps_odd_characters(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    write_table([{"text": "a\rb\x01_x000D_"}], tmp_path / "o.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "o.xlsx").active
    assert sheet["A2"].value == "a_x000D_b_x0001__x005F_x000D_"  # as Excel writes them


def test_too_many_rows_for_a_sheet_are_refused_at_once(tmp_path: Path) -> None:
    class Many(list[dict[str, Any]]):
        def __len__(self) -> int:
            return 1_048_576

    pytest.importorskip("openpyxl")
    with pytest.raises(BadInput, match="1,048,576 rows"):
        write_table(Many([{"text": "a"}]), tmp_path / "o.xlsx")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".xlsx"])
def test_what_a_format_cannot_hold_is_said(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    with pytest.raises(BadInput, match=r"'note'.*Export to \.jsonl"):
        write_table([{"text": "a", "note": "half \ud800"}], tmp_path / f"o{suffix}")
    assert list(tmp_path.iterdir()) == []
    write_table([{"text": "a", "note": "half \ud800"}], tmp_path / "o.jsonl")
    assert json.loads((tmp_path / "o.jsonl").read_text())["note"] == "half \ud800"


def test_half_a_character_in_another_column_is_kept_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "n": "\\ud800"}\n{"text": "b", "n": "x"}\n')
    with Session(tmp_path / "in.jsonl", text="text", classes=["x", "y"], store=tmp_path / "s.askwise"):
        pass
    with Session.open(tmp_path / "s.askwise") as session:
        assert session.rows()[0]["n"] == "\ud800"


def test_nul_in_a_cell_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="NUL"):
        write_table([{"text": "a\0b"}], tmp_path / "o.csv")


def test_gzip_is_what_it_says(tmp_path: Path) -> None:
    write_table([{"text": "a"}], tmp_path / "o.csv.gz")
    assert gzip.decompress((tmp_path / "o.csv.gz").read_bytes()).decode() == "text\r\na\r\n"
    with pytest.raises(BadInput, match="allowed endings"):
        write_table([{"text": "a"}], tmp_path / "o.xlsx.gz")


def test_rows_added_by_hand_to_an_export_are_new_items(tmp_path: Path) -> None:
    session = Session(["a", "b"], classes=["x", "y"], encoder="tfidf")
    session.export(tmp_path / "o.csv")
    text = (tmp_path / "o.csv").read_text()
    commas = "," * (text.splitlines()[0].count(","))
    (tmp_path / "o.csv").write_text(f"{text}c{commas}\n")
    again = load_pool(tmp_path / "o.csv", text="text")
    assert list(again.contents) == ["a", "b", "c"]
    assert again.ids[2] == load_pool(["c"]).ids[0]


def test_a_table_is_not_learned_from_what_the_export_added(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("age,city\n31,Paris\n45,Rome\n")
    session = Session(load_pool(tmp_path / "in.csv", kind="table"), classes=["x", "y"])
    session.tell(session.pool.ids[0], "x")
    session.export(tmp_path / "o.csv")
    again = load_pool(tmp_path / "o.csv", kind="table")
    assert again.contents[0] == {"age": "31", "city": "Paris"}
    assert again.fingerprint == session.pool.fingerprint


def test_a_session_of_an_earlier_version_exports_as_before(tmp_path: Path) -> None:
    from askwise.state import pool_events, pool_from_log

    (tmp_path / "in.csv").write_text("id,text,z\n1,hello,a\n2,,b\n3,bye,c\n")
    pool = load_pool(tmp_path / "in.csv", text="text", id="id")
    events = list(pool_events(pool))
    for event in events:  # as they were written before
        event.data.pop("columns"), event.data.pop("dropped")
    opened = {
        "kind": "text", "n": len(pool), "pool": pool.address, "given": {}, "problems": [], "notes": [],
        "fingerprint": pool.fingerprint,
    }  # fmt: skip
    old = pool_from_log(opened, events)
    assert old is not None
    assert old.names() == ["text", "id", "z"]
    assert dict(old.record[2]) == {"text": "bye", "id": "3", "z": "c"}


# ── the command line ────────────────────────────────────────────────────────────────────────


def askwise(*args: object, keys: str = "q") -> tuple[int, str]:
    from typer.testing import CliRunner

    from askwise import cli

    reply = CliRunner().invoke(cli.app, [str(arg) for arg in args], input=keys)
    return reply.exit_code, reply.output if reply.exception is None else f"{reply.output}{reply.exception}"


def test_a_label_with_a_comma_from_the_command_to_the_export_and_back(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('id,text,y\n1,"=a b","Food, drink"\n2,c d,other\n3,e f,\n4,,other\n')
    label = ["label", tmp_path / "in.csv", "--text", "text", "--label", "y", "--show", "id", "--terminal"]
    code, said = askwise(*label, "--labels", '"Food, drink",other', "--encoder", "tfidf", keys="1q")
    assert code == 0, said
    assert "Food, drink" in said
    assert "id: 3" in said
    for name, options in (("a.csv", ()), ("b.csv", ("--bom",)), ("c.csv", ("--raw",)), ("d.tsv", ()), ("e.xlsx", ())):
        code, said = askwise("export", tmp_path / "in.askwise", tmp_path / name, *options)
        assert (code, "wrote 4 rows" in said) == (0, True), said
        pool = load_pool(tmp_path / name, text="text")
        assert pool.contents == ["=a b", "c d", "e f"]
        assert pool.given == {0: "Food, drink", 1: "other", 2: "Food, drink"}
    assert (tmp_path / "b.csv").read_bytes()[:3] == b"\xef\xbb\xbf"
    assert b"'=a b" in (tmp_path / "a.csv").read_bytes()
    assert b"'=a b" not in (tmp_path / "c.csv").read_bytes()
    code, said = askwise(*label, "--labels", '"Food, drink,other')
    assert (code, "quotes" in said) == (1, True)  # the error itself; main() makes 2 of it


def test_screening_of_labels_that_a_program_wrote_as_floats(tmp_path: Path) -> None:
    rows = [f"steel beam {i},{1.0 if i % 5 == 0 else 0.0}" for i in range(40)]
    (tmp_path / "full.csv").write_text("text,included\n" + "\n".join(rows) + "\n")
    screen = ["--relevant", "1", "--label", "included", "--text", "text"]
    code, said = askwise("screen", tmp_path / "full.csv", *screen, "--simulate")
    assert (code, "40 items, 8 of them relevant" in said) == (0, True), said
    known = "".join(f"steel beam {i},{'1.0' if i < 3 else ''}\n" for i in range(40))
    (tmp_path / "some.csv").write_text("text,included\n" + known)
    code, said = askwise("screen", tmp_path / "some.csv", *screen, "--terminal")
    assert (code, "3 relevant items among 3 read" in said) == (0, True), said
    with Session.open(tmp_path / "some.askwise") as session:
        assert session.classes == ("1", "0")
        assert set(session.pool.given.values()) == {"1"}
    (tmp_path / "words.csv").write_text("text,included\n" + known.replace("1.0", "included"))
    code, said = askwise("screen", tmp_path / "words.csv", *screen, "--terminal")
    assert code == 1
    assert "relevant='included'" in said  # the command line itself says --relevant


@pytest.mark.parametrize("cell", [', "x', '["a", "b"]', ' "x"', '"x", "y', "=SUM(1)"])
def test_what_stands_inside_a_cell_changes_no_other(cell: str, tmp_path: Path) -> None:
    rows = [{"text": " blank ", "more": cell, "=SUM(1)": "1"}, {"text": "ab", "more": "  x", "=SUM(1)": "2"}]
    (tmp_path / "in.jsonl").write_text(lines(rows), encoding="utf-8")
    pool = load_pool(tmp_path / "in.jsonl", text="text")
    with Session(pool, encoder="tfidf") as session:
        session.export(tmp_path / "out.csv")
    again = load_pool(tmp_path / "out.csv", text="text")
    assert list(again.contents) == [" blank ", "ab"]
    assert [{name: cells[name] for name in rows[0]} for cells in again.record] == rows
