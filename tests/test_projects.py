"""New projects from the browser: what is sent, what is refused, what becomes of it."""

from __future__ import annotations

import functools
import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from askwise.app.projects import Intake, create_new
from askwise.app.uploads import ACCEPTED, describe, safe_name
from askwise.pool import load_pool
from askwise.session import Session

TOKEN = "a-token-of-some-length"
KEY = {"x-askwise-token": TOKEN, "host": "127.0.0.1"}
CSV = b"id,message,label\n" + b"".join(
    b"%d,see you at lunch %d,%s\n" % (i, i, b"ham" if i == 3 else b"") for i in range(40)
)
NAMES = [
    "../../../etc/cron.d/x.csv", "..\\..\\windows\\x.csv", "/etc/passwd.csv", "C:\\x.csv", "a/../../b.csv", ".csv",
    "..csv", "<img src=x onerror=alert(1)>.csv", "a\0b.csv", "x" * 900 + ".csv", "con.csv", "~root.csv",
    "%2e%2e%2fx.csv", "$(rm -rf x).csv", "\u202evsc.csv", "nul\n.csv", ".ssh/authorized_keys.csv", "名前.csv",
]  # fmt: skip


class Page:
    """What the page does, without the page."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        self.intake = Intake(root, **options)
        self.sessions: list[tuple[Session, Path]] = []
        self.app = create_new(self.intake, token=TOKEN, started=lambda s, path: self.sessions.append((s, path)))
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def send(self, data: bytes, name: str = "data.csv") -> Any:
        return self.client.put("/api/v1/new/file", params={"name": name}, content=data, headers=KEY)

    def post(self, verb: str, **body: Any) -> Any:
        return self.client.post(f"/api/v1/new/{verb}", json=body, headers=KEY)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    root = tmp_path / "root"
    root.mkdir()
    made = Page(root)
    yield made
    for session, _ in made.sessions:
        session.close()


def packed(files: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_from_a_file_to_a_session(page: Page) -> None:
    assert page.client.get("/", headers=KEY, follow_redirects=False).headers["location"] == "/new"
    assert "New project" in page.client.get("/new", headers=KEY).text
    found = page.send(CSV + b"40,,\n41,a,b,c\n", "messages.csv").json()
    assert [c["name"] for c in found["columns"]] == ["id", "message", "label"]
    assert found["columns"][1]["examples"][0] == "see you at lunch 0"
    assert found["proposal"] == {"kind": "text", "text": ["message"], "label": "label", "id": "id", "task": "one"}
    assert found["problems"] == [{"row": 42, "line": 43, "what": "has 4 cells, the header has 3"}]
    chosen = {"upload": found["upload"], "kind": "text", "text": ["message"], "label": "label", "id": "id"}
    seen = page.post("look", **chosen).json()
    assert (seen["items"], seen["rows"], seen["classes"]) == (40, 42, [["ham", 1]])
    assert [p["row"] for p in seen["problems"]] == [41, 42]
    begun = page.post("start", **chosen, classes=["ham", "spam"], title="Mail", guidelines="# Be kind")
    assert begun.json() == {"at": "/"}
    (session, path) = page.sessions[0]
    assert path == page.root / "messages" / "messages.askwise"
    assert session.title == "Mail"
    state = page.client.get("/api/v1/state", headers=KEY).json()
    assert state["guidelines"] == "# Be kind"
    assert state["pulse"]["classes"] == ["ham", "spam"]
    assert page.client.get("/new", headers=KEY, follow_redirects=False).headers["location"] == "/"
    page.intake.forget_all()
    assert path.exists()
    assert (path.parent / "messages.csv").exists()


def test_a_column_of_guesses(page: Page) -> None:
    data = b"message,llm\n" + b"".join(
        b"see you at lunch %d,%s\n" % (i, b"spam" if i % 3 else b"ham") for i in range(40)
    )
    body = {"upload": page.send(data).json()["upload"], "text": ["message"], "classes": ["ham", "spam"]}
    for guesses, word in ((["nowhere"], "'nowhere'"), (["message"], "is taken already")):
        reply = page.post("start", **body, guesses=guesses)
        assert reply.status_code == 400
        assert word in reply.json()["error"]
        assert "“guesses by a model”" in reply.json()["error"]
    assert not list(page.root.rglob("*.askwise*"))
    assert page.post("start", **body, guesses=["llm"], encoder="tfidf").status_code == 200
    assert page.sessions[0][0].look(lambda s: s.opened["guesses"]) == {"columns": ["llm"], "confidence": None}


def test_a_start_that_fails_leaves_no_session(page: Page) -> None:
    upload = page.send(CSV).json()["upload"]
    body = {"upload": upload, "text": ["message"], "label": "label"}
    for classes, word in (([], "two"), (["ham"], "two"), (["a", "b"], "'ham'"), (["ham", "ham"], "different")):
        reply = page.post("start", **body, classes=classes)
        assert reply.status_code == 400
        assert word in reply.json()["error"]
    assert not list(page.root.rglob("*.askwise*"))
    assert page.post("start", **body, classes=["ham", "spam"]).status_code == 200
    again = page.send(CSV).json()["upload"]
    assert page.post("start", upload=again, text=["message"], classes=["a", "b"]).status_code == 409


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leaves_the_folder(page: Page, name: str, tmp_path: Path) -> None:
    reply = page.send(CSV, name)
    assert reply.status_code in (200, 400), reply.text
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and not p.is_relative_to(page.root)]
    assert outside == []
    for path in page.root.rglob("*"):
        assert path.relative_to(page.root).parts[0] not in (".ssh", "etc")
        assert not path.name.startswith((".", "~"))
        assert path.resolve().is_relative_to(page.root)


@given(st.text(min_size=1, max_size=300))
def test_a_safe_name_is_one_name(name: str) -> None:
    safe = safe_name(name + ".csv")
    assert safe == Path(safe).name
    assert re.fullmatch(r"[\w .()-]+", safe)
    assert not safe.startswith(".")
    assert len(safe) <= 120


def test_names_and_cells_come_back_as_data(page: Page) -> None:
    attack = "<script>alert(1)</script>"
    data = f'"{attack}",label\n{attack},"<img src=x onerror=alert(1)>"\nother,b\n'.encode()
    reply = page.send(data, f"{attack}.csv")
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    found = reply.json()
    assert found["columns"][0]["name"] == attack
    assert "<" not in found["name"]
    seen = page.post("look", upload=found["upload"], text=[attack], label="label").json()
    assert seen["examples"][0] == attack
    assert "innerHTML" not in (Path(__file__).parents[1] / "src/askwise/app/static/team/new-project.js").read_text()


@functools.cache
def bombs() -> dict[str, bytes]:
    zeros = bytes(30 << 20)
    inner = packed({"x.csv": zeros}, zipfile.ZIP_DEFLATED)
    return {
        "a.zip": packed({"a.png": zeros}, zipfile.ZIP_DEFLATED),
        "b.csv.gz": gzip.compress(zeros),
        "c.xlsx": packed({"xl/worksheets/sheet1.xml": zeros}, zipfile.ZIP_DEFLATED),
        "d.zip": packed({f"{i}.zip": inner for i in range(3)}),  # nothing in it is ever opened
        "e.zip": b"PK\x03\x04" + bytes(100),
        "f.csv.gz": b"\x1f\x8b\x08" + bytes(40),
        "g.parquet": b"PAR1" + bytes(40) + b"PAR1",
        "h.xlsx": packed({"a.txt": b"no workbook"}),
    }


@pytest.mark.parametrize("name", list(bombs()))
def test_bombs_and_broken_files_are_refused_and_deleted(page: Page, name: str) -> None:
    reply = page.send(bombs()[name], name)
    if reply.status_code == 200:  # an archive without images opens, and holds nothing to label
        reply = page.post("look", upload=reply.json()["upload"], kind="image", text=["file"])
    assert reply.status_code == 400
    assert reply.json()["error"].endswith(".")
    page.intake.forget_all()
    assert list(page.root.iterdir()) == []


def test_what_is_too_large_stops_early(tmp_path: Path) -> None:
    page = Page(tmp_path, largest=10_000)
    assert page.client.get("/api/v1/new", headers=KEY).json()["largest"] == 10_000
    reply = page.send(b"x" * 10_001)
    assert reply.status_code == 413
    assert "askwise label FILE" in reply.json()["error"]

    def drip() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    reply = page.client.put("/api/v1/new/file", params={"name": "a.csv"}, content=drip(), headers=KEY)
    assert reply.status_code == 413
    assert list(tmp_path.iterdir()) == []


def test_a_huge_cell_is_refused_with_its_row(page: Page) -> None:
    upload = page.send(b"text\nshort\n" + b"x" * 1_000_001 + b"\nlast\n").json()["upload"]
    seen = page.post("look", upload=upload, text=["text"]).json()
    assert seen["items"] == 2
    assert (seen["problems"][0]["row"], seen["problems"][0]["line"]) == (2, 3)
    assert "1,000,001 characters" in seen["problems"][0]["what"]


@pytest.mark.parametrize("name", ["a.pkl", "a.exe", "a", "a.svg", "a.html", "a.askwise", "csv"])
def test_other_kinds_of_files_are_refused_by_name(page: Page, name: str) -> None:
    reply = page.send(CSV, name)
    assert reply.status_code == 400
    assert list(page.root.iterdir()) == []
    assert all(suffix in reply.json()["error"] for suffix in ACCEPTED)


def test_a_pickle_by_another_name_is_no_table(page: Page) -> None:
    reply = page.send(b"\x80\x04\x95" + bytes(100), "a.csv")
    assert reply.status_code in (200, 400)
    if reply.status_code == 200:
        found = reply.json()
        look = page.post("look", upload=found["upload"], text=[found["columns"][0]["name"]])
        assert look.status_code == 400


def test_odd_files_are_looked_at_or_refused_never_broken(page: Page) -> None:
    for name, data in {
        "a.zip": packed({}),
        "b.zip": packed({"folder/": b""}),
        "c.jsonl": b'{"id": [1], "text": {"a": 1}, "label": ["x"]}\n{"id": [1], "text": "b", "label": {}}\n[]\nno\n',
        "d.csv": b"\x00\xff\xfe\x00" * 50,
        "e.csv": b"a\n",
        "f.csv": b",\n,\n",
        "g.tsv": "\ufeffid\ttext\n1\tä\n".encode("utf-16"),
        "h.jsonl": b"[" * 100_000,
        "i.csv": b'text\n"never closed\n' * 3,
    }.items():
        reply = page.send(data, name)
        assert reply.status_code in (200, 400), (name, reply.text)
        if reply.status_code == 200:
            found = reply.json()
            body = {"kind": found["proposal"]["kind"], "text": found["proposal"]["text"]}
            assert page.post("look", upload=found["upload"], **body).status_code in (200, 400), name
        else:
            assert reply.json()["error"].endswith((".", ")")), reply.text


def test_uploads_that_became_no_project_go(page: Page) -> None:
    first = page.send(CSV, "same.csv").json()["upload"]
    for _ in range(4):
        page.send(CSV, "same.csv")
    assert len(list(page.root.iterdir())) == 4
    assert page.post("look", upload=first, text=["message"]).status_code == 400
    for body in ({"upload": "../x"}, {"upload": first, "kind": "video"}, {}, {"upload": 3}):
        assert page.post("look", **body).status_code == 400
    page.intake.forget_all()
    assert list(page.root.iterdir()) == []


def test_what_lies_there_is_never_overwritten(page: Page) -> None:
    (page.root / "data").mkdir()
    (page.root / "data" / "data.csv").write_text("mine")
    page.send(CSV, "data.csv")
    assert (page.root / "data" / "data.csv").read_text() == "mine"
    assert (page.root / "data-2" / "data.csv").read_bytes() == CSV


def test_without_the_key_nothing_is_taken(page: Page) -> None:
    there = {"host": "127.0.0.1"}
    for method, path in (
        ("GET", "/new"),
        ("GET", "/api/v1/new"),
        ("PUT", "/api/v1/new/file?name=a.csv"),
        ("POST", "/api/v1/new/look"),
        ("POST", "/api/v1/new/start"),
    ):
        assert page.client.request(method, path, headers=there).status_code == 401
    foreign = {"host": "127.0.0.1", "origin": "http://evil.example", "cookie": f"askwise={TOKEN}"}
    assert page.client.put("/api/v1/new/file?name=a.csv", content=CSV, headers=foreign).status_code == 401
    assert list(page.root.iterdir()) == []


def test_a_zip_of_images(page: Page) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    files = {}
    for i in range(12):
        out = io.BytesIO()
        image.new("RGB", (8, 8), (20 * i, 0, 0)).save(out, "PNG")
        files[f"{'red' if i > 5 else 'dark'}/{i}.png"] = out.getvalue()
    files["red/broken.png"] = b"no"
    found = page.send(packed(files), "photos.zip").json()
    assert found["proposal"] == {"kind": "image", "text": ["file"], "label": "folder", "id": None, "task": "one"}
    seen = page.post("look", upload=found["upload"], kind="image", text=["file"], label="folder").json()
    assert seen["items"] == 12
    assert dict(seen["classes"]) == {"red": 6, "dark": 6}
    assert "red/broken.png" in seen["problems"][0]["what"]
    body = {"upload": found["upload"], "kind": "image", "text": ["file"], "classes": ["red", "dark"]}
    assert page.post("start", **body).status_code == 200
    assert page.client.get("/api/v1/file?row=0", headers=KEY).content == files["dark/0.png"]
    assert not list(page.root.rglob("*.png"))  # never unpacked


@pytest.mark.parametrize(
    ("header", "row", "kind", "text"),
    [
        ("text", "hello there you", "text", ["text"]),
        ("a,b,c", "1,2,3", "table", ["a", "b", "c"]),
        ("title,price", "a fine long title of things,3", "text", ["title"]),
        ("id,path,y", "1,img/a.png,", "image", ["path"]),
        ("body,other", "a,a far longer text than that one", "text", ["body"]),
    ],
)
def test_proposals(page: Page, header: str, row: str, kind: str, text: list[str]) -> None:
    found = page.send(f"{header}\n{row}\n".encode()).json()["proposal"]
    assert (found["kind"], found["text"]) == (kind, text)


# ── how a file is read ──────────────────────────────────────────────────────────────────────


def read(page: Page, data: bytes, name: str, **how: Any) -> Any:
    return page.client.put("/api/v1/new/file", params={"name": name, **how}, content=data, headers=KEY)


def test_how_a_file_is_read_can_be_said_with_it(page: Page) -> None:
    data = "привет как дела^ham\nдо завтра друзья^spam\n".encode("cp1251")
    assert "“Format”" in read(page, data, "a.dat").json()["error"]
    how = {"format": "csv", "encoding": "cp1251", "delimiter": "^", "header": "false"}
    found = read(page, data, "a.dat", **how).json()
    assert found["read_as"] == {"format": "csv", "encoding": "cp1251", "delimiter": "^", "sheet": None, "sheets": []}
    assert [c["name"] for c in found["columns"]] == ["column_1", "column_2"]
    body = {"upload": found["upload"], "text": ["column_1"], "label": "column_2"}
    assert page.post("look", **body).json()["examples"] == ["привет как дела", "до завтра друзья"]
    assert page.post("start", **body, classes=["ham", "spam"]).status_code == 200
    address = page.sessions[0][0].pool.address
    assert (address["encoding"], address["delimiter"], address["header"]) == ("cp1251", "^", False)


def test_what_was_found_out_is_said_in_the_words_of_the_page(page: Page) -> None:
    western = read(page, "text\nGrüße\nplain\n".encode("cp1252"), "a.csv").json()
    assert western["read_as"]["encoding"] == "cp1252"
    other = read(page, "text\nпривет как дела\nплохо\n".encode("cp1251"), "b.csv").json()
    headless = read(page, b"See you at lunch\nWIN a prize\n", "c.csv").json()
    said = [" ".join(found["notes"]) for found in (western, other, headless)]
    for note, words in zip(said, ("“Encoding”", "“Encoding” (cp1251)", "“The first line names"), strict=True):
        assert words in note
        assert "=" not in note
        assert "--" not in note
    wrong = read(page, b"text\na\n", "d.csv", encoding="nix")
    assert wrong.status_code == 400
    assert "No text encoding named 'nix'" in wrong.json()["error"]
    assert read(page, b"text\na\n", "d.csv", sheet="x").status_code == 400
    for wrong_value in ({"encoding": "x" * 41}, {"header": "maybe"}):
        assert read(page, b"text\na\n", "d.csv", **wrong_value).status_code in (400, 422)


def test_packed_tables_objects_and_references(page: Page) -> None:
    found = read(page, packed({"t.csv": b"text,y\nhello there,a\nbye,b\n"}), "t.zip").json()
    assert found["proposal"]["kind"] == "text"
    look = {"upload": found["upload"], "kind": "text", "text": ["text"], "label": "y"}
    assert page.post("look", **look).json()["items"] == 2
    rows = b'{"message":{"body":"hello there you"},"id":1}\n{"message":{"body":"bye"},"id":2}\n'
    found = read(page, rows, "a.jsonl").json()
    assert found["proposal"]["text"] == ["message.body"]
    assert page.post("look", upload=found["upload"], text=["message.body"]).json()["examples"][0] == "hello there you"
    pytest.importorskip("rispy")
    found = read(page, b"TY  - JOUR\nTI  - One\nAB  - Two\nER  - \nTY  - JOUR\nTI  - Three\nER  - \n", "a.ris").json()
    assert found["proposal"]["text"] == ["title", "abstract"]
    assert page.post("look", upload=found["upload"], text=["title", "abstract"]).json()["items"] == 2


# ── spans ───────────────────────────────────────────────────────────────────────────────────

CONLL = b"Ada\tB-PER\nmet\tO\nBob\tB-PER\n\nOslo\tB-LOC\n\nnothing\tO\nhere\tO\n"
SPANS = {
    "few.conll": CONLL,
    "doccano.jsonl": b'{"id": 1, "text": "Ada met Bob", "label": [[0, 3, "PER"], [8, 11, "PER"]]}\n'
    b'{"id": 2, "text": "Oslo", "label": [[0, 4, "LOC"]]}\n{"id": 3, "text": "nothing here", "label": []}\n',
    "prodigy.jsonl": b'{"text": "Ada met Bob", "spans": [{"start": 0, "end": 3, "label": "PER"}, '
    b'{"start": 8, "end": 11, "label": "PER"}]}\n{"text": "Oslo", "spans": [{"start": 0, "end": 4, "label": "LOC"}]}\n'
    b'{"text": "nothing here", "spans": []}\n',
    "tags.jsonl": b'{"tokens": ["Ada", "met", "Bob"], "tags": ["B-PER", "O", "B-PER"]}\n'
    b'{"tokens": ["Oslo"], "tags": ["B-LOC"]}\n{"tokens": ["nothing", "here"], "tags": ["O", "O"]}\n',
}


@pytest.mark.parametrize("name", SPANS)
def test_marked_texts_are_recognised_shown_begun_with_and_taken_again(page: Page, name: str) -> None:
    pytest.importorskip("pycrfsuite")
    found = page.send(SPANS[name], name).json()
    proposal = found["proposal"]
    assert proposal["task"] == "spans"
    assert "Spans are marked in these texts." in found["notes"]
    chosen = {key: proposal[key] for key in ("kind", "text", "label", "id", "task")} | {"upload": found["upload"]}
    seen = page.post("look", **chosen).json()
    assert seen["classes"] == [["PER", 1], ["LOC", 1]], "texts with it"
    assert seen["examples"] == ["[Ada PER] met [Bob PER]", "[Oslo LOC]"]
    assert page.post("start", **chosen, classes=[]).status_code == 400, "one label is the fewest"
    assert page.post("start", **chosen, classes=["PER", "LOC"]).status_code == 200
    (session, _) = page.sessions[0]
    answers = [session.answers()[row].label for row in range(3)]
    assert answers == ['[[0,3,"PER"],[8,11,"PER"]]', '[[0,4,"LOC"]]', "[]"]
    for form in ("conll", "doccano", "prodigy"):
        reply = page.client.get("/api/v1/export", params={"format": form}, headers=KEY)
        assert reply.status_code == 200
        ending = form if form == "conll" else f"{form}.jsonl"
        assert f'filename="labels.{ending}"' in reply.headers["content-disposition"]
        again = page.root / f"again.{ending}"
        again.write_bytes(reply.content)
        assert [load_pool(again, answers="spans").given[row] for row in range(3)] == answers
    csv = page.client.get("/api/v1/export", params={"format": "csv"}, headers=KEY).content
    again = page.send(csv, "again.csv").json()
    assert again["proposal"]["task"] == "spans", "an export is recognised, too"


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        b'{"text": "a", "label": "x"}\n',
        b'{"text": "a", "labels": ["x", "y"]}\n{"text": "b", "labels": []}\n',
        b'{"text": "a", "label": [1, 2]}\n',
        b'{"a": 1, "b": 2}\n',
    ],
)
def test_other_labels_are_no_spans(data: bytes, tmp_path: Path) -> None:
    assert "task" not in describe(write(tmp_path / "data.jsonl", data))["proposal"]


def test_labels_go_into_no_file_of_spans(page: Page) -> None:
    found = page.send(CSV, "data.csv").json()
    chosen = {"upload": found["upload"], "kind": "text", "text": ["message"], "label": "label", "id": "id"}
    page.post("start", **chosen, classes=["ham", "spam"])
    reply = page.client.get("/api/v1/export", params={"format": "conll"}, headers=KEY)
    assert (reply.status_code, "asks for one label an item" in reply.json()["error"]) == (400, True)
