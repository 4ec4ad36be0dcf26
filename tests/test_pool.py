"""The pool: what loads, what is reported, what is refused."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from askwise import tables
from askwise.core import AskwiseError, BadInput, MissingExtra
from askwise.pool import Pool, load_pool

FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda text: bool(text.strip())
)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Pool]:
    """`load(content, name, **options)` writes a file and loads it."""

    def write_and_load(content: bytes | str, name: str = "data.csv", **options: Any) -> Pool:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_pool(path, **options)

    return write_and_load


def problems(pool: Pool) -> dict[int, str]:
    return {problem.row: problem.what for problem in pool.problems}


def check_invariants(pool: Pool) -> None:
    assert len(pool) == len(pool.ids) == len(pool.contents) == len(pool.sources) > 0
    assert len(set(pool.ids)) == len(pool)
    rows = [row for sources in pool.sources for row in sources]
    assert len(set(rows)) == len(rows)
    assert all(0 <= row < pool.address["rows"] for row in rows)
    refused = set(range(pool.address["rows"])) - set(rows)
    assert refused <= {problem.row - 1 for problem in pool.problems}
    assert set(pool.given) <= set(range(len(pool)))
    json.dumps(pool.address)
    assert pool.address["fingerprint"] == pool.fingerprint


# ── the usual ───────────────────────────────────────────────────────────────────────────────


def test_csv_with_labels_and_ids(load: Callable[..., Pool]) -> None:
    pool = load("nr,text,label\n7,hello,ham\n8,win now,spam\n9,later,\n", id="nr", label="label")
    assert pool.ids == ["7", "8", "9"]
    assert list(pool.contents) == ["hello", "win now", "later"]
    assert pool.given == {0: "ham", 1: "spam"}
    assert pool.record is not None
    assert pool.record[1] == {"nr": "8", "text": "win now", "label": "spam"}
    assert [row["nr"] for row in pool.record[1:]] == ["8", "9"]
    assert pool.problems == []
    assert pool.address["format"] == "csv"
    assert pool.address["rows"] == 3
    check_invariants(pool)


def test_the_address_leads_back_to_the_same_pool(load: Callable[..., Pool]) -> None:
    pool = load("id;message;y\n1;a b;x\n2;c d;\n", id="id", label="y")
    back = pool.address
    again = load_pool(back["path"], text=back["text"], id=back["id"], label=back["label"], format=back["format"])
    assert again.fingerprint == back["fingerprint"]
    assert again.given == pool.given


def test_ids_are_a_hash_of_the_content() -> None:
    pool = load_pool(["hello", "grüße"])
    assert pool.ids == [hashlib.sha256(text.encode()).hexdigest()[:16] for text in ("hello", "grüße")]
    assert load_pool(["grüße", "hello"]).ids == pool.ids[::-1]


def test_exact_duplicates_are_one_item(load: Callable[..., Pool]) -> None:
    pool = load("text,label\nhi,\nyo,a\nhi,b\nhi,\n", label="label")
    assert list(pool.contents) == ["hi", "yo"]
    assert pool.sources == [[0, 2, 3], [1]]
    assert pool.given == {0: "b", 1: "a"}
    assert pool.problems == []


def test_conflicting_labels_of_duplicates_leave_the_item_open(load: Callable[..., Pool]) -> None:
    pool = load("text,label\nhi,a\nyo,a\nhi,b\nhi,a\n", label="label")
    assert pool.given == {1: "a"}
    assert list(problems(pool)) == [3]
    assert "'b'" in problems(pool)[3]
    assert "row 1" in problems(pool)[3]
    assert pool.sources[0] == [0, 2, 3]


def test_duplicate_and_empty_ids_are_reported(load: Callable[..., Pool]) -> None:
    pool = load("id,text\na,one\nb,two\na,three\n,four\na,one\n", id="id", text="text")
    assert pool.ids == ["a", "b"]
    assert pool.sources == [[0, 4], [1]]
    assert set(problems(pool)) == {3, 4}
    assert "row 1 has already" in problems(pool)[3]
    assert "empty id" in problems(pool)[4]


@pytest.mark.parametrize("name", ["data.csv.gz", "data.csv"])
def test_gzip_is_seen_by_content(load: Callable[..., Pool], name: str) -> None:
    assert list(load(gzip.compress(b"text\nhello\nworld\n"), name).contents) == ["hello", "world"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(load: Callable[..., Pool], encoding: str) -> None:
    pool = load("text,näme\ngrüße 你好 🎉,1\nzwei,2\n".encode(encoding), text="text", label="näme")
    assert list(pool.contents) == ["grüße 你好 🎉", "zwei"]
    assert pool.given == {0: "1", 1: "2"}
    assert pool.problems == []


@pytest.mark.parametrize(("delimiter", "shown"), [(";", "';'"), ("\t", "a tab")])
def test_other_delimiters_in_csv_are_seen_and_said(load: Callable[..., Pool], delimiter: str, shown: str) -> None:
    pool = load(f"id{delimiter}text\n1{delimiter}a, b\n")
    assert list(pool.contents) == ["a, b"]
    assert any(shown in note for note in pool.notes)


def test_tsv(load: Callable[..., Pool]) -> None:
    pool = load('id\ttext\n1\ta, b\n2\t"two\nlines"\n', "data.tsv")
    assert list(pool.contents) == ["a, b", "two\nlines"]
    assert not any("separated" in note for note in pool.notes)


def test_a_huge_cell_loads_and_the_limit_of_csv_is_put_back(load: Callable[..., Pool]) -> None:
    before = csv.field_size_limit()
    pool = load("text\n" + "x" * 500_000 + "\n")
    assert len(pool.contents[0]) == 500_000
    assert csv.field_size_limit() == before


def test_jsonl(load: Callable[..., Pool]) -> None:
    rows = [{"text": "eins"}, {"text": "zwei", "y": 3}, {"y": "b", "text": "drei", "more": [1, {}]}]
    pool = load("\n\n".join(json.dumps(row) for row in rows), "data.ndjson", label="y")
    assert list(pool.contents) == ["eins", "zwei", "drei"]
    assert pool.given == {1: "3", 2: "b"}
    assert pool.record is not None
    assert pool.record[2] == rows[2]
    assert pool.record[0] == {"text": "eins", "y": None, "more": None}


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "data.parquet"
    columns = {"text": ["a", None, "c"], "label": [1, 2, None]}
    parquet.write_table(pyarrow.table(columns), path)
    pool = load_pool(path, label="label")
    assert list(pool.contents) == ["a", "c"]
    assert pool.given == {0: "1"}
    assert problems(pool) == {2: "has an empty text"}
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(BadInput, match="damaged Parquet"):
        load_pool(path)


def test_parquet_without_pyarrow_names_the_command(load: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'askwise\[parquet\]'"):
        load(b"PAR1....PAR1", "data.parquet")


def test_pandas_frames() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["a", None, "c"], 7: [1, 2, None], "when": pandas.to_datetime(["2020"] * 3)})
    pool = load_pool(frame, text="text", label="7")
    assert list(pool.contents) == ["a", "c"]
    assert pool.given == {0: "1"}  # pandas made it 1.0
    assert problems(pool) == {2: "has an empty text"}
    with pytest.raises(BadInput, match="several columns of one name: '7'"):
        load_pool(pandas.DataFrame([["a", "b"]], columns=["7", 7]))
    assert list(load_pool(pandas.Series(["x", "y"])).contents) == ["x", "y"]
    assert load_pool(frame, text="text", label=pandas.Series(["u", "v", pandas.NA])).given == {0: "u"}


def test_polars_frames() -> None:
    polars = pytest.importorskip("polars")
    pool = load_pool(polars.DataFrame({"id": [1, 2, 3], "text": ["a", None, "c"]}), id="id")
    assert pool.ids == ["1", "3"]
    assert problems(pool) == {2: "has an empty text"}
    assert pool.record is not None
    assert pool.record[2] == {"id": 3, "text": "c"}
    with pytest.raises(BadInput, match="no rows"):
        load_pool(polars.DataFrame({"text": []}))


@pytest.mark.parametrize("source", [["a", "b"], ("a", "b"), iter(["a", "b"]), np.array(["a", "b"])])
def test_lists_of_strings(source: Any) -> None:
    pool = load_pool(source, label=["x", float("nan")])
    assert list(pool.contents) == ["a", "b"]
    assert pool.given == {0: "x"}
    assert pool.record is None
    check_invariants(pool)


def test_a_list_with_bad_entries() -> None:
    pool = load_pool(["good", None, 3, "  ", "\ud800", ["x"]], id=["a", "b", "c", "d", "e", "f"])
    assert pool.ids == ["a"]
    assert set(problems(pool)) == {2, 3, 4, 5, 6}
    assert "an int (3)" in problems(pool)[3]
    assert "surrogate" in problems(pool)[5]


@pytest.mark.parametrize(
    ("value", "given"),
    [
        *(("a", "a"), (" a ", "a"), ("", None), ("  ", None), (None, None), (float("nan"), None), (3, "3"), (2.0, "2")),
        *((0.5, "0.5"), (True, "True"), (np.int64(4), "4"), (np.float32("nan"), None), (np.str_("b"), "b")),
    ],
)
def test_labels_become_strings(value: Any, given: str | None) -> None:
    pool = load_pool(["text"], label=[value])
    assert pool.given == ({} if given is None else {0: given})
    assert pool.problems == []


def test_a_label_that_is_no_label_is_reported_and_the_item_loads() -> None:
    pool = load_pool(["text", "other"], label=[{"a": 1}, "b"])
    assert len(pool) == 2
    assert pool.given == {1: "b"}
    assert "a dict" in problems(pool)[1]


# ── which column ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "text", "why"),
    [
        ("anything\nhello\n", "anything", "the only column"),
        ("title,Message,n\na,b,1\n", "Message", "by its name"),
        ("n,x,words\n1,2.5,hello\n2,,world\n", "words", "the only one that does not hold numbers"),
    ],
)
def test_the_obvious_text_column_is_taken(load: Callable[..., Pool], content: str, text: str, why: str) -> None:
    pool = load(content)
    assert pool.address["text"] == text
    assert any(f"{text!r} ({why})" in note for note in pool.notes)


@pytest.mark.parametrize("content", ["a,b\nhello,world\n", "text,message\na,b\n", "x,y\n1,2\n"])
def test_no_obvious_text_column(load: Callable[..., Pool], content: str) -> None:
    with pytest.raises(BadInput, match="Which column holds the text"):
        load(content)


@pytest.mark.parametrize("option", ["text", "id", "label"])
def test_a_missing_column_lists_the_columns(load: Callable[..., Pool], option: str) -> None:
    options = {"text": "text"} | {option: "txet"}
    with pytest.raises(BadInput, match=rf"No column 'txet' for {option}.*'text', 'größe'.*Did you mean 'text'"):
        load("text,größe\na,b\n", **options)


# ── bad rows ────────────────────────────────────────────────────────────────────────────────


def test_every_kind_of_bad_row_is_reported_and_the_good_ones_load(load: Callable[..., Pool]) -> None:
    lines = [
        b"text,n",
        b"good one,1",
        b"  ,2",  # row 2: empty
        b"caf\xff\xfe,3",  # row 3: not UTF-8
        b"too,many,cells",  # row 4
        b"few",  # row 5
        b"nul\0,6",  # row 6
        b'"two',  # row 7, on lines 8 and 9, good
        b'lines",7',
        b'"closed"late,8',  # row 8
        b"good two,9",  # row 9, line 11
    ]
    pool = load(b"\n".join(lines), text="text")
    assert list(pool.contents) == ["good one", "two\nlines", "good two"]
    found = problems(pool)
    assert set(found) == {2, 3, 4, 5, 6, 8}
    for row, words in {2: "empty text", 3: "not UTF-8", 4: "has 3 cells, the header has 2", 5: "1 cell,"}.items():
        assert words in found[row]
    assert "NUL" in found[6]
    assert "after a closing quote" in found[8]
    assert {problem.row: problem.line for problem in pool.problems}[8] == 10
    assert str(pool.problems[0]) == "row 2 (line 3): has an empty text"
    check_invariants(pool)


@pytest.mark.parametrize("after", [0, 1, 2, 50])
def test_an_unclosed_quote_costs_its_own_row_only(load: Callable[..., Pool], after: int) -> None:
    rows = [f"text {number},{number}" for number in range(after)]
    pool = load("\n".join(["text,n", "first,0", '"open,1', *rows]), text="text")
    assert list(pool.contents) == ["first", *(f"text {number}" for number in range(after))]
    assert list(problems(pool)) == [2]
    assert "never closed" in problems(pool)[2]
    assert pool.problems[0].line == 3


def test_an_unclosed_quote_before_a_quoted_cell(load: Callable[..., Pool]) -> None:
    pool = load('text,n\n"open,1\n"a, b",2\nplain,3\n', text="text")
    assert list(pool.contents) == ["a, b", "plain"]
    assert list(problems(pool)) == [1]


def test_hostile_quotes_take_linear_time(load: Callable[..., Pool]) -> None:
    # Each line ends inside a quote whichever way it was begun; reading on from each would be quadratic.
    pool = load("text,n\nok,1\n" + 'x","\n' * 20_000 + '"z"z\n', text="text")
    assert list(pool.contents) == ["ok"]
    assert len(pool.problems) + 1 == pool.address["rows"] >= 20_000


def test_a_file_in_another_encoding_says_the_way_out(load: Callable[..., Pool]) -> None:
    content = "text;n\n" + "".join(f"größe {number};{number}\n" for number in range(30)) + "plain;0\n"
    content = content.replace("größe", "Рост этого человека большой, запись")
    pool = load(content.encode("cp1251"), text="text")
    assert list(pool.contents) == ["plain"]
    assert len(pool.problems) == 30
    assert any("encoding='cp1251'" in note for note in pool.notes)
    again = load(content.encode("cp1251"), text="text", encoding="cp1251")
    assert len(again) == 31
    assert again.problems == []
    with pytest.raises(BadInput, match="encoding='"):
        load("text\nбыл\nона\n".encode("cp1251"))
    with pytest.raises(BadInput, match=r"header.*encoding='"):
        load("рост человека\nон\n".encode("cp1251"))
    with pytest.raises(BadInput, match="No text encoding named 'cp-nix'"):
        load(content, encoding="cp-nix")


def test_bad_json_lines(load: Callable[..., Pool]) -> None:
    lines = [b'{"text": "good"}', b'{"text": ', b"[1]", b'{"text": 5}', b"{}", b'{"text": "\\ud800"}']
    lines += [b'{"text": "caf\xff\xfe"}', b"[" * 100_000, b'{"text": ' + b"9" * 5000 + b"}", b'{"text": "last"}']
    pool = load(b"\n".join(lines), "data.jsonl")
    assert list(pool.contents) == ["good", "last"]
    found = problems(pool)
    assert set(found) == set(range(2, 10))
    assert "not valid JSON" in found[2]
    assert "a JSON list" in found[3]
    assert "an int (5)" in found[4]
    assert "empty text" in found[5]
    assert "not UTF-8" in found[7]
    check_invariants(pool)


def test_old_mac_line_ends_and_blank_lines(load: Callable[..., Pool]) -> None:
    assert list(load("text,n\ra,1\rb,2\r").contents) == ["a", "b"]
    assert list(load("\n\ntext,n\r\n\r\na,1\r\n\n\nb,2").contents) == ["a", "b"]


# ── refusals ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "data.csv", "is empty"),
        (b"\n \n", "data.csv", "only blank lines"),
        (b"text,n\n", "data.csv", "no rows"),
        (b"text,text\na,b\n", "data.csv", "several columns of one name: 'text'"),
        (b"a,,\n1,2,3\n", "data.csv", "columns without a name"),
        (b"text\n \n\t\n", "data.csv", "None of the 2 rows"),
        (b'"never closed\n', "data.csv", "header"),
        (b"\x89PNG\r\n\x1a\n\0\0", "data.csv", "PNG image"),
        (b"\x89PNG\r\n\x1a\n\0\0", "photo.png", "PNG image"),
        (b"PK\x03\x04rest", "book.xlsx", "Excel"),
        (b"PK\x03\x04rest", "data.csv", "Excel"),
        (pickle.dumps(["text"]), "data.csv", "pickle, which is never opened"),
        (pickle.dumps(["text"]), "data.pkl", "pickle, which is never opened"),
        (b"PAR1....", "data.csv", "Parquet"),
        (b"text", "data.parquet", "no Parquet file"),
        (bytes(range(32)) * 20, "data.csv", "binary file"),
        ("text\nhello\n".encode("utf-16-le"), "data.csv", "UTF-16"),
        (b"\x1f\x8b\x08\0", "data.csv.gz", "damaged gzip"),
        (gzip.compress(b"text\n" + bytes(range(48, 120)) * 200)[:-40], "data.csv.gz", "damaged gzip"),
        (b"hello\n", "data.txt", "Cannot tell the format"),
        (b"hello\n", "data", "Cannot tell the format"),
        (b"[1]\n", "data.jsonl", "no JSON object"),
        (b"{}\n", "data.jsonl", "no JSON object"),
        (b"".join(b'{"k%d": 1}\n' % number for number in range(1500)), "data.jsonl", "different keys"),
    ],
)
def test_files_that_are_refused(load: Callable[..., Pool], content: bytes, name: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load(content, name)


def test_paths_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "messages.csv").write_text("text\nhi\n")
    with pytest.raises(BadInput, match=r"No file .*Did you mean .*messages\.csv"):
        load_pool(tmp_path / "mesages.csv")
    with pytest.raises(BadInput, match="is a folder"):
        load_pool(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(BadInput, match="pipe"):
        load_pool(tmp_path / "pipe.csv")
    for text in ("Dear all,\nhello", "x" * 5000):
        with pytest.raises(BadInput, match="in a list"):
            load_pool(text)
    with pytest.raises(BadInput, match=r"No format named 'jsnl'. Did you mean 'jsonl'"):
        load_pool(tmp_path / "messages.csv", format="jsnl")


@pytest.mark.parametrize("source", [5, None, {"text": ["a"]}, b"bytes", object(), 3.5])
def test_things_that_are_no_pool(source: Any) -> None:
    with pytest.raises(BadInput, match="Cannot make a pool from a"):
        load_pool(source)


def test_options_that_do_not_fit() -> None:
    with pytest.raises(BadInput, match="label='y' names a column"):
        load_pool(["a"], label="y")
    with pytest.raises(BadInput, match="text='t' names a column"):
        load_pool(np.ones((2, 2)), text="t")
    with pytest.raises(BadInput, match="holds 1 values for 2 rows"):
        load_pool(["a", "b"], label=["x"])
    with pytest.raises(BadInput, match="goes with a file"):
        load_pool(["a"], format="csv")
    with pytest.raises(BadInput, match="The pool is empty"):
        load_pool([])
    with pytest.raises(BadInput, match="is a Pool already"):
        load_pool(load_pool(["a"]))


# ── matrices ────────────────────────────────────────────────────────────────────────────────


def test_arrays_keep_their_matrix() -> None:
    X = np.arange(12.0).reshape(4, 3)
    pool = load_pool(X, label=["a", None, "b", ""])
    assert pool.kind == "array"
    assert pool.features is X
    assert pool.given == {0: "a", 2: "b"}
    assert pool.contents[1].tolist() == [3, 4, 5]
    assert pool.contents[-1].tolist() == [9, 10, 11]
    with pytest.raises(IndexError):
        pool.contents[4]
    check_invariants(pool)


def test_array_ids_depend_on_values_alone(tmp_path: Path) -> None:
    X = np.array([[1.0, 0.0], [2.0, 3.0]])
    ids = load_pool(X).ids
    assert load_pool(X.astype(">f8")).ids == ids
    assert load_pool(np.asfortranarray(X)).ids == ids
    assert load_pool(X * np.array([1.0, -1.0]) * np.array([1.0, -1.0])).ids == ids
    assert load_pool(np.array([[1.0, -0.0], [2.0, 3.0]])).ids == ids
    mapped = np.memmap(tmp_path / "x.dat", dtype=np.float64, mode="w+", shape=(2, 2))
    mapped[:] = X
    pool = load_pool(mapped)
    assert pool.ids == ids
    assert isinstance(pool.features, np.memmap)


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_duplicate_rows_of_a_matrix_are_one_item(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("askwise.pool.matrices.BLOCK", block)
    X = np.array([[1, 2], [3, 4], [1, 2], [5, 6]])
    for matrix in (X, sparse.csr_array(X), sparse.coo_matrix(X)):
        pool = load_pool(matrix)
        assert pool.sources == [[0, 2], [1], [3]]
        dense = pool.features.toarray() if sparse.issparse(pool.features) else pool.features
        assert dense.tolist() == [[1, 2], [3, 4], [5, 6]]
        check_invariants(pool)


def test_sparse_rows() -> None:
    X = sparse.random(6, 40, density=0.2, format="csc", random_state=0)
    pool = load_pool(X)
    assert pool.features.format == "csr"
    assert pool.contents[2].shape[-1] == 40
    messy = sparse.csr_matrix((np.array([1.0, 2.0, 0.0]), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 3))
    assert load_pool(messy).ids == load_pool(sparse.csr_matrix([[0.0, 3.0, 0.0]])).ids
    assert messy.nnz == 3, "the caller's matrix is left alone"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [np.array, sparse.csr_matrix])
def test_numbers_that_are_not_finite_are_refused_with_their_rows(bad: float, make: Any) -> None:
    with pytest.raises(BadInput, match=r"2 of 4 rows hold NaN or infinity \(rows 2, 4\)"):
        load_pool(make([[1.0, 2.0], [bad, 1.0], [3.0, 4.0], [0.0, bad]]))


@pytest.mark.parametrize(
    "array",
    [
        *(np.ones(3), np.ones((2, 2, 2)), np.ones((0, 3)), np.ones((3, 0)), np.array(5.0), np.ones((2, 2), complex)),
        *(np.array([[{}, {}]]), np.array([["a", "b"]]), np.ma.masked_array([[1.0]]), sparse.csr_matrix((0, 3))),
    ],
)
def test_arrays_that_are_refused(array: Any) -> None:
    with pytest.raises(BadInput):
        load_pool(array)


# ── whatever the bytes ──────────────────────────────────────────────────────────────────────

PIECES = st.sampled_from(
    [
        *(b"text", b"text,n\n", b'{"text":"x"}\n', b"a", b"1", b",", b";", b"\t", b'"', b'""', b"\n", b"\r\n", b"\r"),
        *(
            b"\0",
            b"\xff",
            b"\xc3\xa4",
            b"\xff\xfe",
            b"\xef\xbb\xbf",
            b"\xed\xa0\x80",
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b" ",
        ),
    ]
)
BYTES = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=25).map(b"".join))


NAMES = st.sampled_from(["f.csv", "f.tsv", "f.jsonl", "f.csv.gz", "f.parquet"])
ENCODINGS = st.sampled_from(["cp1252", "latin-1", "utf-16", "utf-16-le", "shift_jis", "utf-7", "hex", "idna"])


def load_or_refuse(path: Path, **options: Any) -> Pool | None:
    """Anything but a pool or one of our errors lets the test fail."""
    try:
        return load_pool(path, **options)
    except AskwiseError:
        return None


@FUZZ
@given(content=BYTES, name=NAMES, packed=st.booleans())
def test_any_bytes_load_or_are_refused_in_words(tmp_path: Path, content: bytes, name: str, packed: bool) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if packed else content)
    pool = load_or_refuse(path)
    if pool is not None:
        check_invariants(pool)
        assert load_pool(path).ids == pool.ids


@FUZZ
@given(content=BYTES, encoding=ENCODINGS)
def test_any_bytes_in_any_encoding(tmp_path: Path, content: bytes, encoding: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"text\n" + content)
    pool = load_or_refuse(path, encoding=encoding)
    if pool is not None:
        check_invariants(pool)


@FUZZ
@given(texts=st.lists(TEXTS, min_size=1, max_size=8), form=st.sampled_from(["csv", "tsv", "jsonl"]), data=st.data())
def test_good_rows_come_back_as_they_were(tmp_path: Path, texts: list[str], form: str, data: st.DataObject) -> None:
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    path = tmp_path / f"f.{form}"
    out = io.StringIO(newline="")
    if form == "jsonl":
        ascii_only = data.draw(st.booleans())
        out.write("".join(json.dumps({"n": 1, "text": text}, ensure_ascii=ascii_only) + "\n" for text in texts))
    else:
        writer = csv.writer(out, delimiter="\t" if form == "tsv" else ",", quoting=data.draw(st.sampled_from([0, 1])))
        writer.writerows([["n", "text"], *([1, text] for text in texts)])
    path.write_bytes(out.getvalue().encode(encoding))
    pool = load_pool(path, text="text")
    assert list(pool.contents) == list(dict.fromkeys(texts))
    assert pool.problems == []
    check_invariants(pool)


BAD_LINES = st.sampled_from([b"one", b"a,b,c", b" ,1", b"\xff\xfe,1", b"x\0,1", b'"a"b,1'])


@FUZZ
@given(lines=st.lists(st.one_of(BAD_LINES, st.integers(0, 50)), min_size=1, max_size=15))
def test_bad_rows_cost_nothing_but_themselves(tmp_path: Path, lines: list[bytes | int]) -> None:
    path = tmp_path / "f.csv"
    body = [line if isinstance(line, bytes) else b"text %d,1" % line for line in lines]
    path.write_bytes(b"\n".join([b"text,n", b"always,1", *body]))
    pool = load_pool(path, text="text")
    assert list(pool.contents) == ["always", *dict.fromkeys(f"text {line}" for line in lines if isinstance(line, int))]
    assert [problem.row for problem in pool.problems] == [
        row for row, line in enumerate(lines, 2) if isinstance(line, bytes)
    ]


@FUZZ
@given(rows=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "x", "y"])), min_size=1, max_size=12))
def test_merging_against_an_obvious_reference(rows: list[tuple[str, str]]) -> None:
    pool = load_pool([text for text, _ in rows], label=[label for _, label in rows])
    for item, text in enumerate(pool.contents):
        labels = {label for other, label in rows if other == text and label}
        assert pool.sources[item] == [row for row, (other, _) in enumerate(rows) if other == text]
        assert pool.given.get(item) == (labels.pop() if len(labels) == 1 else None)


# ── real files ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "label", "rows"),
    [("spam_sms/sms_spam.csv.gz", "label", 5575), ("intent_banking77/banking77.csv.gz", "intent", 13_083)],
)
def test_the_shared_files_load(shared: Callable[[str], Path], name: str, label: str, rows: int) -> None:
    pool = load_pool(shared(name), text="text", label=label)
    assert pool.address["rows"] == rows
    assert all("labeled" in problem.what for problem in pool.problems)
    assert len(pool.given) > 0.99 * len(pool)
    check_invariants(pool)


def test_formats_and_suffixes_agree() -> None:
    assert set(tables.SUFFIXES.values()) == set(tables.FORMATS)
