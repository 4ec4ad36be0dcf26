"""Delimited files in the dialects and encodings that people have: the cells come back, or it is said what to do."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askwise import cli
from askwise.core import BadInput
from askwise.pool import Pool, load_pool
from askwise.session import Session
from askwise.tables import file_format, read_file

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Pool]:
    """`load(content, name, **options)` writes a file and loads it."""

    def write_and_load(content: bytes | str, name: str = "data.csv", **options: Any) -> Pool:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_pool(path, **options)

    return write_and_load


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`run(*arguments)` is what a command printed; its exit status is in `run.status`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASKWISE_ENCODER", "tfidf")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdin", io.StringIO("q"))

    def command(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        command.status = ended.value.code or 0  # type: ignore[attr-defined]
        printed = capsys.readouterr()
        return printed.out + printed.err

    return command


# ── delimiters ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("sign", "said"), [("|", "'|'"), (";", "';'"), ("\t", "a tab")])
def test_a_delimiter_is_found_and_said(load: Callable[..., Pool], sign: str, said: str) -> None:
    pool = load(f"id{sign}text{sign}label\n1{sign}hello, you{sign}ham\n2{sign}win{sign}spam\n", label="label", id="id")
    assert pool.contents == ["hello, you", "win"]
    assert pool.given == {0: "ham", 1: "spam"}
    assert any(f"separated by {said}" in note for note in pool.notes)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("text (a|b|c),y\none,a\ntwo,b\n", ["text (a|b|c)", "y"]),  # signs of others in the header
        ("text;y, or n\na, b;y\nc;n\n", ["text", "y, or n"]),
        ("text\na|b\nc|d\n", ["text"]),  # one column stays one
        ("a,b\n1;2,3\n4;5,6\n", ["a", "b"]),
        ("id||text\n1||x\n2||y\n", ["id", "text"]),
    ],
)
def test_signs_in_headers_and_texts_are_no_delimiters(tmp_path: Path, content: str, columns: list[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    table = read_file(path, "csv")
    assert list(table.columns) == columns
    assert table.bad == {}


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;", "sep=;;;"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_of_excel_that_names_the_delimiter(load: Callable[..., Pool], first: str, end: str) -> None:
    pool = load(end.join([first, "text;y", "hello, you;a", "bye;b", ""]), label="y")
    assert pool.contents == ["hello, you", "bye"]
    assert pool.given == {0: "a", 1: "b"}
    assert any("as its first line says" in note for note in pool.notes)
    assert pool.record is not None
    pool = load("sep=|\ntext|y\n|b\nx|c\n", label="y")
    assert [p.line for p in pool.problems] == [3]


@pytest.mark.parametrize("sign", ["^", "~", " ", "#", "tab", "pipe", "semicolon"])
def test_a_delimiter_may_be_named(load: Callable[..., Pool], sign: str) -> None:
    between = {"tab": "\t", "pipe": "|", "semicolon": ";"}.get(sign, sign)
    pool = load(f"text{between}y\nhello,you{between}a\n", label="y", delimiter=sign)
    assert pool.contents == ["hello,you"]
    assert pool.address["delimiter"] == sign
    for wrong in ("||", '"', "", "\n", "nothing"):
        with pytest.raises(BadInput, match="A delimiter is one sign"):
            load("text,y\na,b\n", delimiter=wrong)


# ── at the ends of rows, and before quotes ──────────────────────────────────────────────────


@pytest.mark.parametrize("sign", [",", ";", "|"])
@pytest.mark.parametrize("more", [1, 2, 5])
def test_delimiters_at_the_end_of_every_line(tmp_path: Path, sign: str, more: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "".join(f"{line.replace(',', sign)}{sign * more}\n" for line in ("text,y", "hello,ham", "bye,spam"))
    )
    table = read_file(path, "csv")
    assert table.columns == {"text": ["hello", "bye"], "y": ["ham", "spam"]}
    assert table.bad == {}


def test_delimiters_at_the_end_of_the_rows_or_of_the_header_alone(load: Callable[..., Pool]) -> None:
    pool = load("text,label\nhello,ham,\nbye,spam,\n", label="label")
    assert pool.given == {0: "ham", 1: "spam"}
    assert any("rows end in commas" in note for note in pool.notes)
    assert load("text,label,,\nhello,ham\nbye,spam\n", label="label").given == {0: "ham", 1: "spam"}


def test_an_unquoted_comma_in_few_rows_stays_a_problem(load: Callable[..., Pool]) -> None:
    rows = "".join(f"fine {n},a\n" for n in range(10))
    pool = load("text,label\n" + rows + "Hello, world,\n", label="label")  # not text 'Hello' with the label 'world'
    assert len(pool) == 10
    assert [p.row for p in pool.problems] == [11]
    assert "has 3 cells, the header has 2" in pool.problems[0].what


def test_columns_without_a_name_that_hold_something_are_kept_or_refused(load: Callable[..., Pool]) -> None:
    pool = load(",text,\n0,a,\n1,b,\n", text="text")
    assert pool.columns == ["", "text"]
    with pytest.raises(BadInput, match="columns without a name"):
        load("text,,\na,1,2\n", text="text")


def test_blanks_before_quotes(load: Callable[..., Pool]) -> None:
    pool = load(
        'id, text, label\n1, "b, c", ham\n2, "two\nlines", spam\n3, "say ""hi""", ham\n4, plain, spam\n', id="id"
    )
    assert pool.contents == ["b, c", "two\nlines", 'say "hi"', "plain"]
    assert pool.problems == []
    pool = load(' "text", "label"\n "a, b", "x"\n', label="label")
    assert (pool.contents, pool.given) == (["a, b"], {0: "x"})
    pool = load('text,n\nhe said, "quoted" word\n', text="n")  # a quote inside a cell that is not quoted
    assert pool.contents == [' "quoted" word']


# ── the first line ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("See you at lunch\nWIN a prize\n", {}),
        ("hello there you,ham\nwin cash,spam\nbye,ham\n", {}),
        ("1,hello\n2,bye\n", {}),
    ],
)
def test_a_first_line_that_looks_like_data_is_said(load: Callable[..., Pool], content: str, options: Any) -> None:
    try:
        said = " ".join(load(content, **options).notes)
    except BadInput as error:  # nothing says which column holds the text
        said = str(error)
    assert "Line 1 was taken as the header" in said
    assert "header=False" in said


@pytest.mark.parametrize("content", ["text,2020,2021\na,1,2\n", "id,Message,label\n1,a,b\n", "text\nhello\n"])
def test_a_usual_header_is_not_doubted(load: Callable[..., Pool], content: str) -> None:
    assert not any("header" in note for note in load(content, text=None if "2020" not in content else "text").notes)


def test_no_header(load: Callable[..., Pool]) -> None:
    pool = load("hello there,ham,,\nwin cash,spam,,\n", header=False, text="column_1", label="column_2")
    assert pool.contents == ["hello there", "win cash"]
    assert pool.given == {0: "ham", 1: "spam"}
    assert pool.columns == ["column_1", "column_2"]
    assert pool.address["header"] is False
    assert load("See you\nWIN\n", header=False).contents == ["See you", "WIN"]
    assert load("one;two\nthree\n", header=False, text="column_1").problems[0].what == "has 1 cell, the first row has 2"
    with pytest.raises(BadInput, match="A table without a header goes with csv, tsv, xlsx"):
        load('{"text": "a"}\n', "a.jsonl", header=False)


# ── encodings ───────────────────────────────────────────────────────────────────────────────

WESTERN = [
    ("Grüße aus Köln", "bis später"), ("où est l’élève créée ?", "voilà"), ("¿Dónde está el niño?", "mañana"),
    ("„So“ – sagte er … 5 €", "Straße"), ("blåbærsyltetøy på brød", "å"), ("não é difícil", "ação"),
    ("20 °C, 3 m²", "½"),
]  # fmt: skip
OTHERS = {
    "gb18030": "你好，今天的天气很好，我们去吃饭吧",
    "shift_jis": "こんにちは、元気ですか。明日会いましょう",
    "cp1251": "Привет, как дела? пойдём обедать завтра",
    "koi8_r": "Привет, как дела? пойдём обедать завтра",
    "cp1250": "Zażółć gęślą jaźń, był to zły dzień, część",
    "mac_roman": "Grüße aus Köln, très bien élève, à bientôt",
    "cp850": "Grüße aus Köln, très bien élève, à bientôt",
}


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "json"])
@pytest.mark.parametrize("texts", WESTERN)
def test_western_european_files_are_recognised_and_said(
    load: Callable[..., Pool], texts: tuple[str, str], form: str, encoding: str
) -> None:
    try:
        [text.encode(encoding) for text in texts]
    except UnicodeEncodeError:
        pytest.skip("signs that Latin-1 does not have")
    rows = [*texts, *(f"plain {n}" for n in range(20))]
    lines = {
        "csv": ["text", *(f'"{text}"' for text in rows)],
        "tsv": ["text", *rows],
        "jsonl": [f'{{"text": "{text}"}}' for text in rows],
        "json": ["[" + ",".join(f'{{"text": "{text}"}}' for text in rows) + "]"],
    }[form]
    pool = load("\n".join(lines).encode(encoding), f"a.{form}")
    assert pool.contents == rows
    assert pool.problems == []
    assert any("read as cp1252" in note and "encoding=" in note for note in pool.notes)
    assert pool.address["encoding"] == "cp1252"


@pytest.mark.parametrize("encoding", OTHERS)
def test_other_encodings_get_advice_that_works(load: Callable[..., Pool], encoding: str) -> None:
    content = "text\nplain one\n" + f'"{OTHERS[encoding]}"\n' * 5
    pool = load(content.encode(encoding), text="text")
    assert "plain one" in pool.contents
    assert not any("read as cp1252" in note for note in pool.notes)
    assert any("encoding='" in note for note in pool.notes)
    assert load(content.encode(encoding), text="text", encoding=encoding).contents == ["plain one", OTHERS[encoding]]


def test_few_broken_bytes_in_utf_8_cost_their_row_only(load: Callable[..., Pool]) -> None:
    rows = [f"Grüße {n}".encode() for n in range(30)]
    pool = load(b"\n".join([b"text", *rows, b"k\xf6ln", b"schl\xe4ft"]), text="text")
    assert pool.contents == [row.decode() for row in rows]
    assert [p.row for p in pool.problems] == [31, 32]
    assert any("several encodings" in note for note in pool.notes)
    torn = load(b"text\nplain\ndon\xe2\x80?t\n")  # a sign of UTF-8 that was cut
    assert torn.contents == ["plain"]


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["hello there", "你好，今天的天气很好"])
def test_utf_16_without_a_mark_is_named_with_its_order(load: Callable[..., Pool], order: str, text: str) -> None:
    content = f"text\n{text}\n".encode(order)
    with pytest.raises(BadInput, match=f"UTF-16.*encoding='{order}'"):
        load(content)
    assert load(content, encoding=order).contents == [text]


@pytest.mark.parametrize("asked", [None, "utf-8", "utf_8", "utf-8-sig", "cp1252", "latin-1", "ascii"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
def test_a_mark_of_utf_8_is_dropped_whatever_was_asked_for(
    load: Callable[..., Pool], asked: str | None, name: str
) -> None:
    content = {"l": '{"text":"hello"}\n{"text":"bye"}\n', "n": '[{"text":"hello"},{"text":"bye"}]'}.get(
        name[-1], "text\nhello\nbye\n"
    )
    assert load("\ufeff".encode() + content.encode(), name, text="text", encoding=asked).contents == ["hello", "bye"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "gb18030", "utf-7"])
def test_other_marks_are_dropped_too(load: Callable[..., Pool], encoding: str) -> None:
    content = ("" if encoding in ("utf-16", "utf-32") else "\ufeff") + "text,y\nhello,ä\n"
    assert load(content.encode(encoding), text="text", encoding=encoding).contents == ["hello"]
    if encoding.startswith("utf-16"):  # the mark says more than what was asked for
        pool = load(content.encode(encoding), text="text", encoding="utf-8")
        assert pool.contents == ["hello"]
        assert any("mark of UTF-16" in note for note in pool.notes)


def test_encodings_that_cannot_be(load: Callable[..., Pool], tmp_path: Path) -> None:
    for wrong in ("cp-nix", "hex", "rot13", "zlib"):
        with pytest.raises(BadInput, match="No text encoding named"):
            load("text\na\n", encoding=wrong)
    (tmp_path / "a.xml").write_text("<xml><records><record/></records></xml>")
    with pytest.raises(BadInput, match="encoding goes with csv"):
        load_pool(tmp_path / "a.xml", encoding="utf-8")


@pytest.mark.parametrize("name", ["\u200btext", "te\u2060xt", "text\ufeff", " text\u00a0", "te\u00adxt"])
def test_column_names_hold_nothing_that_cannot_be_seen(load: Callable[..., Pool], name: str) -> None:
    assert load(f"{name},y\na,b\n", text="text").columns == ["text", "y"]
    assert load(f'{{"{name.strip()}": "a"}}\n', "a.jsonl", text="text").contents == ["a"]
    decomposed = "gro\u0308ße"
    assert load(f"{decomposed},y\na,b\n", text="größe").contents == ["a"]
    assert load("größe,y\na,b\n", text=decomposed).contents == ["a"]
    with pytest.raises(BadInput, match="several columns of one name"):
        load(f"größe,{decomposed}\na,b\n")
    assert load("دست\u200cها,y\na,b\n", text="دست\u200cها").columns[0] == "دست\u200cها"  # a joiner that is needed


# ── any dialect ─────────────────────────────────────────────────────────────────────────────

LETTERS = st.characters(codec="latin-1", exclude_categories=("Cc", "Cf"))
CELLS = st.text(LETTERS | st.sampled_from(',;|"\n'), max_size=12).filter(lambda cell: cell == cell.strip())


@FUZZ
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    end=st.sampled_from(["\n", "\r\n"]),
    pack=st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress]),
    trailing=st.integers(0, 3),
    named=st.booleans(),
)
def test_what_was_written_in_any_dialect_is_read(
    tmp_path: Path,
    rows: Any,
    delimiter: str,
    quoting: Any,
    encoding: str,
    end: str,
    pack: Any,
    trailing: int,
    named: bool,
) -> None:
    out = io.StringIO(newline="")
    if named and encoding != "utf-16":
        out.write(f"sep={delimiter}{end}")
    for row in [("first", "second", "third"), *rows]:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=delimiter, quoting=quoting, lineterminator="\r\n").writerow(row)
        out.write(line.getvalue().removesuffix("\r\n") + delimiter * trailing + end)
    path = tmp_path / "a.csv"
    path.write_bytes(pack(out.getvalue().encode(encoding)))
    table = read_file(path, "csv")
    assert table.bad == {}
    assert list(zip(*table.columns.values(), strict=True)) == rows
    assert list(table.columns) == ["first", "second", "third"]


# ── the command line ────────────────────────────────────────────────────────────────────────


def test_every_command_takes_how_a_file_is_read(run: Callable[..., str], tmp_path: Path) -> None:
    content = "".join(f"Привет {n} как дела^{'ham' if n % 2 else 'spam'}\n" for n in range(12))
    (tmp_path / "a.dat").write_bytes(content.encode("cp1251"))
    how = ["--format", "csv", "--encoding", "cp1251", "--delimiter", "^", "--no-header", "--text", "column_1"]
    said = run("label", "a.dat", *how, "--label", "column_2", "--terminal")
    assert run.status == 0, said  # type: ignore[attr-defined]
    with Session.open(tmp_path / "a.askwise") as session:
        assert session.pool.contents[0] == "Привет 0 как дела"
        assert len(session.pool) == len(session.pool.given) == 12
        address = session.pool.address
        assert (address["encoding"], address["delimiter"], address["header"]) == ("cp1251", "^", False)
    for refused in (["label", "a.askwise", "--encoding", "cp1251"], ["label", "--no-header"], ["screen", "a.askwise",
                    "--sheet", "1"]):  # fmt: skip
        said = run(*refused)
        assert run.status == 2  # type: ignore[attr-defined]
        assert refused[2 if len(refused) > 2 else 1] in said
    said = run("simulate", "a.dat", *how, "--labels-from", "column_2", "--encoding", "nix")
    assert "No text encoding named 'nix'" in said
    said = run("screen", "a.dat", *how, "--label", "column_2", "--relevant", "ham", "--delimiter", "||")
    assert "A delimiter is one sign" in said
    assert run.status == 2  # type: ignore[attr-defined]


def test_the_command_line_says_its_own_options(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("See you at lunch\nWIN a prize\nbye\n")
    assert "--no-header" in run("label", "a.csv", "--labels", "x,y", "--terminal")
    (tmp_path / "b.csv").write_bytes("text\nпривет как дела\nпока\n".encode("cp1251"))
    said = run("label", "b.csv", "--labels", "x,y", "--terminal")
    assert run.status == 2  # type: ignore[attr-defined]
    assert "--encoding " in said
    (tmp_path / "c.dat").write_text("text\na\n")
    assert "--format csv" in run("label", "c.dat", "--labels", "x,y")
    (tmp_path / "d.csv").write_bytes("text\nGrüße\nplain\n".encode("cp1252"))
    said = run("label", "d.csv", "--labels", "x,y", "--terminal")
    assert "read as cp1252" in said
    assert "--encoding" in said
    for text in (said,):
        assert "encoding=" not in text
        assert "pass " not in text


def test_a_session_takes_how_its_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello|x\nbye|y\n")
    with Session(tmp_path / "a.txt", format="csv", header=False, text="column_1", label="column_2") as session:
        assert session.pool.contents == ["hello", "bye"]
    with pytest.raises(BadInput, match="loaded already"):
        Session(load_pool(["a", "b"]), classes=["x", "y"], encoding="utf-8")


def test_the_address_leads_back(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Grüße;x\nspäter;y\n".encode("cp1252"))
    pool = load_pool(path, header=False, text="column_1", delimiter=";")
    kept = pool.address
    how = {name: kept[name] for name in ("text", "format", "encoding", "delimiter", "header")}
    assert load_pool(kept["path"], **how).fingerprint == pool.fingerprint
    assert file_format(path, None) == "csv"
