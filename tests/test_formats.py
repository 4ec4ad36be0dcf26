"""Formats beside CSV: workbooks with all they may hold, JSON, references, packed files."""

from __future__ import annotations

import bz2
import datetime
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from askwise import screening
from askwise.core import BadInput, MissingExtra
from askwise.pool import Pool, load_pool
from askwise.tables import FORMATS, file_format, read_file


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Pool]:
    """`load(content, name, **options)` writes a file and loads it."""

    def write_and_load(content: bytes | str, name: str, **options: Any) -> Pool:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_pool(path, **options)

    return write_and_load


# ── workbooks ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Path]:
    """`book(rows, merge=…, more=…)` writes a workbook."""
    openpyxl = pytest.importorskip("openpyxl")

    def write(rows: list[Any], merge: tuple[str, ...] = (), more: dict[str, list[Any]] | None = None) -> Path:
        made = openpyxl.Workbook()
        for sheet, lines in {"Sheet": rows, **(more or {})}.items():
            page = made.active if sheet == "Sheet" else made.create_sheet(sheet)
            for line in lines:
                page.append(line)
        for cells in merge:
            made["Sheet"].merge_cells(cells)
        made.save(tmp_path / "book.xlsx")
        return tmp_path / "book.xlsx"

    return write


def test_formulas_that_were_never_computed_are_problems(book: Callable[..., Path]) -> None:
    path = book([["text", "y", "n"], ["hello", '="h"&"am"', 1], ["=A1", "spam", 2], ["bye", "spam", "=1+1"]])
    pool = load_pool(path, text="text", label="y")
    assert pool.contents == ["hello", "bye"]
    assert pool.given == {1: "spam"}
    assert [(p.row, "without a computed value" in p.what) for p in pool.problems] == [(1, True), (2, True)]
    assert "left open" in pool.problems[0].what
    pool = load_pool(path, kind="table", text=["text", "n"])
    assert [p.row for p in pool.problems] == [2, 3]
    assert pool.contents[-1] == {"text": "bye", "n": None}
    assert "taken as empty" in pool.problems[-1].what
    pool = load_pool(path, text=["text", "y"])  # one of the columns of a joined text
    assert [p.row for p in pool.problems] == [1, 2]


def with_sheet(path: Path, change: Callable[[str], str]) -> Path:
    """The workbook with the XML of its first sheet changed, as another program might have written it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data.decode()).encode() if name.endswith("sheet1.xml") else data)
    path.write_bytes(packed.getvalue())
    return path


def test_formulas_that_were_computed_are_their_values(book: Callable[..., Path]) -> None:
    path = book([["text", "y"], ["=A", "=B"], ["=C", "=D"]])

    def computed(xml: str) -> str:
        for formula, value in (("A", "hello"), ("B", "ham"), ("C", "bye")):
            xml = xml.replace(f"><f>{formula}</f><v></v>", f' t="str"><f>{formula}</f><v>{value}</v>')
            xml = xml.replace(f"><f>{formula}</f><v />", f' t="str"><f>{formula}</f><v>{value}</v>')
        return xml.replace("><f>D</f><v></v>", ' t="str"><f>D</f><v></v>').replace(
            "><f>D</f><v />", ' t="str"><f>D</f><v></v>'
        )

    pool = load_pool(with_sheet(path, computed), text="text", label="y")
    assert pool.contents == ["hello", "bye"]
    assert pool.given == {0: "ham"}  # the other was computed to be empty, which is no problem
    assert pool.problems == []


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#NAME?"])
def test_errors_of_excel_are_no_values(book: Callable[..., Path], error: str) -> None:
    pool = load_pool(book([["text", "y"], [error, "a"], ["hello", error], ["bye", "b"]]), text="text", label="y")
    assert pool.contents == ["hello", "bye"]
    assert pool.given == {1: "b"}
    assert [error in p.what for p in pool.problems] == [True, True]


def test_merged_cells_belong_to_each_of_their_rows(book: Callable[..., Path]) -> None:
    rows = [["text", "y"], ["one", "a"], ["two", None], ["three", None], ["four", "b"], ["five", None]]
    pool = load_pool(book(rows, merge=("B2:B4",)), text="text", label="y")
    assert pool.given == {0: "a", 1: "a", 2: "a", 3: "b"}
    assert any("merged" in note for note in pool.notes)
    # Beside its first column a range is empty: that is another column. Below a merged name there is no value.
    pool = load_pool(book([["text", "y"], ["one", None], ["two", "b"]], merge=("A2:B2",)), text="text", label="y")
    assert pool.given == {1: "b"}
    table = read_file(book([["text", "y"], [None, "a"], ["two", "b"]], merge=("A1:A2",)), "xlsx")
    assert table.columns["text"] == [None, "two"]
    assert load_pool(book(rows), text="text", label="y").given == {0: "a", 3: "b"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("line_x000D_\ntwo", "line\r\ntwo"),
        ("a_x005F_x000D_b", "a_x000D_b"),
        ("_xD83D__xDE00_", "😀"),
        ("file_xyz_1 and a_x00_", "file_xyz_1 and a_x00_"),
        ("_x0041_bc", "Abc"),
    ],
)
def test_escapes_of_excel(book: Callable[..., Path], written: str, meant: str) -> None:
    path = book([["te_x0078_t", "y"], [written, "ha_x006D_"]])
    assert load_pool(path, text="text", label="y").contents == [meant]
    assert load_pool(path, text="text", label="y").given == {0: "ham"}


def test_numbers_dates_and_truth_in_cells(book: Callable[..., Path]) -> None:
    day = datetime.datetime(2026, 3, 4)
    table = read_file(
        book([["a", "b", "c", "d", "e"], [1, 1.5, True, day, day.replace(hour=13)], [2.0, None, False, None, None]]),
        "xlsx",
    )
    assert [table.columns[name][0] for name in "abcde"] == [1, 1.5, True, "2026-03-04", "2026-03-04 13:00:00"]
    assert table.columns["a"][1] == 2


def test_sheets(book: Callable[..., Path]) -> None:
    path = book([["text"], ["one"]], more={"Data": [["text"], ["two"]], "2020": [["text"], ["three"]], "Empty": []})
    pool = load_pool(path)
    assert pool.contents == ["one"]
    assert any("'Sheet' is read" in note and "sheet='Data'" in note for note in pool.notes)
    for wanted, text in (("Data", "two"), ("data ", "two"), (2, "two"), ("2", "two"), ("2020", "three"), (3, "three")):
        pool = load_pool(path, sheet=wanted)
        assert pool.contents == [text]
        assert pool.address["sheet"] == wanted
        assert not any("is read" in note for note in pool.notes)
    for wrong in ("Date", 0, 9, "9"):
        with pytest.raises(BadInput, match=r"has no sheet.*'Sheet', 'Data', '2020', 'Empty'"):
            load_pool(path, sheet=wrong)
    with pytest.raises(BadInput, match=r"'Empty'.*is empty"):
        load_pool(path, sheet="Empty")


def test_a_sheet_without_a_header(book: Callable[..., Path]) -> None:
    path = book([["hello there", "ham"], ["bye", "spam"], ["hello you", "ham"]])
    pool = load_pool(path, header=False, text="column_1", label="column_2")
    assert pool.contents == ["hello there", "bye", "hello you"]
    with pytest.raises(BadInput, match="Line 1 was taken as the header"):
        load_pool(path)


# ── JSON ────────────────────────────────────────────────────────────────────────────────────

RECORDS = [{"text": "hello", "y": "ham", "n": 1}, {"text": "bye", "y": None}, 5, {"text": "win", "y": "spam"}]


@pytest.mark.parametrize(
    "wrap", [lambda rows: rows, lambda rows: {"data": rows}, lambda rows: {"v": 1, "a": [], "d": rows}]
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_records(load: Callable[..., Pool], wrap: Any, indent: int | None) -> None:
    pool = load(json.dumps(wrap(RECORDS), indent=indent), "a.json", label="y", text="text")
    assert pool.contents == ["hello", "bye", "win"]
    assert pool.given == {0: "ham", 2: "spam"}
    assert [(p.row, p.what) for p in pool.problems] == [(3, "is a JSON number, not an object")]
    assert pool.columns == ["text", "y", "n"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"text": "a"}\n{"text": "b"}\n', "format='jsonl'"),
        ('{"a": [{"x": 1}], "b": [{"x": 2}]}', "2 lists of objects"),
        ('{"a": 1}', "0 lists of objects"),
        ('"text"', "a JSON string"),
        ("[]", "empty list"),
        ("[1, 2]", "no JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('[{"text": "a"}', "not valid JSON"),
        ("", "is empty"),
    ],
)
def test_json_that_is_no_table(load: Callable[..., Pool], content: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load(content, "a.json")


def test_a_list_by_the_name_of_lines_says_so(load: Callable[..., Pool]) -> None:
    with pytest.raises(BadInput, match="format='json'"):
        load('[{"text": "a"},\n{"text": "b"}]\n', "a.jsonl")
    assert load('[{"text": "a"},\n{"text": "b"}]\n', "a.jsonl", format="json").contents == ["a", "b"]


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_key_that_stands_twice_is_a_problem_of_its_row(load: Callable[..., Pool], form: str) -> None:
    rows = ['{"text":"first","text":"second"}', '{"text":"x"}', '{"text":"y","m":[{"a":1,"a":2}]}']
    rows += ['{"text":"z","te\\u200bxt":"z"}']
    pool = load("\n".join(rows) if form == "jsonl" else f"[{','.join(rows)}]", f"a.{form}", text="text")
    assert pool.contents == ["x"]
    assert [p.row for p in pool.problems] == [1, 3, 4]
    assert "the key 'text' twice" in pool.problems[0].what
    assert "the key 'a' twice" in pool.problems[1].what


def test_what_lies_in_objects_has_a_path(load: Callable[..., Pool]) -> None:
    rows = [
        {"message": {"body": "hello", "meta": {"a.b": "x"}}, "turns": [{"text": "t0"}, {"text": "t1"}], "id": {"n": 7}},
        {"message": {"body": "bye"}, "turns": [], "id": {"n": 8}},
        {"message": None, "turns": None, "id": {"n": 9}},
    ]
    content = "\n".join(map(json.dumps, rows))
    pool = load(content, "a.jsonl", text="message.body", label="message.meta.a.b", id="id.n")
    assert pool.contents == ["hello", "bye"]
    assert (pool.ids, pool.given) == (["7", "8"], {0: "x"})
    assert pool.columns == ["message", "turns", "id"]
    assert load(content, "a.jsonl", text="turns.1.text").contents == ["t1"]
    assert load(content, "a.jsonl", text=["message.body", "turns.0.text"]).contents == ["hello\n\nt0", "bye"]
    with pytest.raises(BadInput, match=r"Did you mean 'message\.body'"):
        load(content, "a.jsonl", text="message.bod")
    with pytest.raises(BadInput, match=r"Which column.*'message\.body'"):
        load(content, "a.jsonl")
    flat = '{"message.body": "flat", "message": {"body": "deep"}}\n'
    assert load(flat, "b.jsonl", text="message.body").contents == ["flat"]
    polars = pytest.importorskip("polars")
    assert load_pool(polars.DataFrame({"m": [{"body": "hi"}]}), text="m.body").contents == ["hi"]


# ── packed ──────────────────────────────────────────────────────────────────────────────────


def zstd(data: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(data))


PACKS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKS)
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"text\nhello\nbye\n"),
        ("a.jsonl", b'{"text":"hello"}\n{"text":"bye"}'),
        ("a.json", b'[{"text":"hello"},{"text":"bye"}]'),
    ],
)
def test_packed_files(load: Callable[..., Pool], suffix: str, name: str, data: bytes) -> None:
    packed = PACKS[suffix](data)
    assert load(packed, name + suffix, text="text").contents == ["hello", "bye"]
    assert load(packed, name, text="text").contents == ["hello", "bye"]  # by content, whatever the name
    with pytest.raises(BadInput, match="damaged"):
        load(packed[: len(packed) - 6], name + suffix, text="text")


def test_packed_files_of_several_frames(load: Callable[..., Pool]) -> None:
    assert load(zstd(b"text\nhello\n") + zstd(b"bye\n"), "a.csv.zst").contents == ["hello", "bye"]
    assert load(bz2.compress(b"text\nhello\n") + bz2.compress(b"bye\n"), "a.csv.bz2").contents == ["hello", "bye"]


def test_zstandard_says_what_to_install(load: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(MissingExtra, match=r"pip install 'askwise\[zstd\]'"):
        load(b"\x28\xb5\x2f\xfd" + bytes(20), "a.csv.zst")


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("name", ["a.zip", "a.csv.zip"])
def test_one_table_in_an_archive(load: Callable[..., Pool], name: str) -> None:
    table = b"text;y\nhello;a\nbye;b\n"
    dust = {"__MACOSX/._t.csv": b"x", "in/.DS_Store": b"x", "README.md": b"# read me"}
    pool = load(zipped({"in/t.csv": table, **dust}), name, label="y")
    assert pool.contents == ["hello", "bye"]
    assert load(zipped({"t.jsonl": b'{"text":"a"}\n'}), name).contents == ["a"]
    with pytest.raises(BadInput, match=r"2 tables .*'a\.csv', 'b\.tsv'.*Unpack"):
        load(zipped({"a.csv": table, "b.tsv": table}), name)
    with pytest.raises(BadInput, match="damaged ZIP"):
        load(zipped({"t.csv": table})[:-30], name)
    with pytest.raises(BadInput, match="without images"):
        load(zipped({"t.txt": table}), name)


def test_an_archive_with_images_stays_one(load: Callable[..., Pool]) -> None:
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.new("RGB", (8, 8)).save(out, "PNG")
    pool = load(zipped({"a.png": out.getvalue(), "labels.csv": b"text\na\n"}), "a.zip")
    assert pool.kind == "image"
    with pytest.raises(BadInput, match="goes with a table"):
        load(zipped({"a.png": out.getvalue()}), "a.zip", encoding="utf-8")


# ── references ──────────────────────────────────────────────────────────────────────────────

RIS = """TY  - JOUR
T1  - First things, first
AU  - Doe, J.
AU  - Roe, R.
N2  - About <b>steel</b>
and copper
PY  - 2019
DO  - 10.1/x
KW  - steel
KW  - copper
XX  - odd
ER  -

TY  - CONF
TI  - Zweitens
AB  - Grüße
ER  -
TY  - JOUR
TI  - Never ended
"""
NBIB = """
PMID- 123
OWN - NLM
TI  - A title that goes on
      over two lines.
LID - 10.2/y [doi]
AB  - An abstract.
FAU - Doe, Jane
AU  - Doe J
FAU - Roe, Rick
DP  - 2020 Jan 5
JT  - The Journal
OT  - steel
ZZZ - odd

PMID- 124
TI  - Another
"""
ENDNOTE = """<?xml version="1.0" encoding="UTF-8"?><xml><records><record><ref-type name="Journal Article">17</ref-type>
<contributors><authors><author><style face="normal">Doe, J.</style></author>
<author>Roe</author></authors></contributors>
<titles><title><style>One </style><style face="italic">title</style></title>
<secondary-title>J</secondary-title></titles>
<dates><year><style>2001</style></year></dates><abstract>An &lt;abstract&gt;</abstract>
<electronic-resource-num>10.3/z</electronic-resource-num><keywords><keyword>a</keyword><keyword>b</keyword></keywords>
</record><record><titles><title>Two</title></titles></record></records></xml>"""


def test_ris(load: Callable[..., Pool], tmp_path: Path) -> None:
    pytest.importorskip("rispy")
    pool = load(RIS, "a.ris")
    assert pool.contents == ["First things, first\n\nAbout <b>steel</b> and copper", "Zweitens\n\nGrüße", "Never ended"]
    assert pool.record is not None
    row = pool.record[0]
    assert (row["authors"], row["year"], row["doi"]) == ("Doe, J.; Roe, R.", "2019", "10.1/x")
    assert (row["keywords"], row["xx"], row["type_of_reference"]) == ("steel; copper", "odd", "JOUR")
    assert screening.text_columns(tmp_path / "a.ris") == ["title", "abstract"]
    assert load(RIS.encode("cp1252"), "b.ris").contents[1] == "Zweitens\n\nGrüße"
    assert load(("\ufeff" + RIS).replace("\n", "\r\n").encode("utf-16"), "c.ris").contents == pool.contents
    assert load(gzip.compress(RIS.encode()), "d.ris.gz").contents == pool.contents
    assert load(RIS, "e.txt").contents == pool.contents  # by its beginning
    with pytest.raises(BadInput, match="no record of the format RIS"):
        load("text\n", "f.ris")


def test_nbib(load: Callable[..., Pool]) -> None:
    pytest.importorskip("rispy")
    pool = load(NBIB, "a.nbib")
    assert pool.contents == ["A title that goes on over two lines.\n\nAn abstract.", "Another"]
    assert pool.record is not None
    row = pool.record[0]
    assert (row["pmid"], row["doi"], row["year"], row["journal"]) == ("123", "10.2/y", "2020", "The Journal")
    assert (row["authors"], row["keywords"], row["zzz"]) == ("Doe, Jane; Roe, Rick", "steel", "odd")
    assert load(NBIB, "pubmed-steel-set.txt").contents == pool.contents


def test_endnote(load: Callable[..., Pool]) -> None:
    pool = load(ENDNOTE, "a.xml")
    assert pool.contents == ["One title\n\nAn <abstract>", "Two"]
    assert pool.record is not None
    row = pool.record[0]
    assert (row["authors"], row["year"], row["journal"], row["doi"]) == ("Doe, J.; Roe", "2001", "J", "10.3/z")
    assert (row["keywords"], row["type_of_reference"]) == ("a; b", "Journal Article")
    assert load(ENDNOTE.replace("UTF-8", "UTF-16").encode("utf-16"), "b.xml").contents == pool.contents
    entity = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
    for content, words in (
        (ENDNOTE.replace("<xml>", entity + "<xml>"), "document type"),
        (ENDNOTE[:300], "no XML that can be read"),
        ("<html><body/></html>", "no record"),
        ("text", "no XML"),
    ):
        with pytest.raises(BadInput, match=words):
            load(content, "c.xml")


def test_references_say_what_to_install(load: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rispy", None)
    for name, content in (("a.ris", RIS), ("a.nbib", NBIB)):
        with pytest.raises(MissingExtra, match=r"pip install 'askwise\[references\]'"):
            load(content, name)


def test_options_that_change_nothing_are_refused(load: Callable[..., Pool]) -> None:
    for name, content, option in (
        ("a.ris", RIS, {"delimiter": ";"}), ("a.jsonl", '{"text":"a"}', {"delimiter": ";"}),
        ("a.csv", "text\na\n", {"sheet": 1}), ("a.json", '[{"text":"a"}]', {"header": False}),
    ):  # fmt: skip
        with pytest.raises(BadInput, match="goes with"):
            load(content, name, **option)


def test_formats_by_name(tmp_path: Path) -> None:
    for name, form in (("a.CSV", "csv"), ("a.b.json.xz", "json"), ("a.RIS", "ris"), ("a.nbib.zst", "nbib")):
        (tmp_path / name).write_text("x")
        assert file_format(tmp_path / name, None) == form
    (tmp_path / "a.dat").write_text("x\n")
    for form in FORMATS:
        assert file_format(tmp_path / "a.dat", form) == form
    with pytest.raises(BadInput, match="format='csv'"):
        file_format(tmp_path / "a.dat", None)
