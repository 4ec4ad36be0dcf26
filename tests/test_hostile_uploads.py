"""Files made to fill memory or time, at the door of a new project: a sentence or what they hold, and never for long."""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import json
import os
import struct
import threading
import time
import wave
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise import budget
from askwise.app import reading
from askwise.app.projects import Intake, create_new
from askwise.app.serve import _listen
from askwise.core import BadInput
from askwise.pool import load_pool
from help.warm import cold

httpx = pytest.importorskip("httpx2")
uvicorn = pytest.importorskip("uvicorn")

TOKEN = "a-token-of-some-length"
MEMORY = 512 << 20
SECONDS = 10.0
STATUS = Path("/proc/self/status")


# ── the files ───────────────────────────────────────────────────────────────────────────────


def packed(files: dict[str, bytes | str], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def workbook(rows: str, *, before: str = "", after: str = "", head: str = "", strings: str = "") -> bytes:
    """An .xlsx with this inside its one sheet."""
    files: dict[str, bytes | str] = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        '<Override PartName="/xl/sharedStrings.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
        "xl/worksheets/sheet1.xml": f'{head}<worksheet xmlns="{MAIN}">{before}<sheetData>{rows}</sheetData>{after}'
        "</worksheet>",
    }
    return packed(files)


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


GOOD_ROWS = (
    f'<row r="1">{text_cell("A1", "text")}</row><row r="2">{text_cell("A2", "one")}</row>'
    f'<row r="3">{text_cell("A3", "two")}</row>'
)
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{"&" + chr(97 + i) + ";"}{("&" + chr(97 + i) + ";") * 9}">' for i in range(12))
    + "]>"
)


def parquet(columns: dict[str, Any], **how: Any) -> bytes:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **how)
    return out.getvalue()


def repeated(count: int, text: str) -> Any:
    pa = pytest.importorskip("pyarrow")
    return pa.DictionaryArray.from_arrays(pa.array([0]).take(pa.array([0] * count)), [text])


def many_rows() -> bytes:
    pa = pytest.importorskip("pyarrow")
    values = pa.repeat(pa.scalar(1, pa.int8()), 20_000_000)
    return parquet({"text": values}, row_group_size=20_000_000, compression="zstd")


def long_list() -> bytes:
    pa = pytest.importorskip("pyarrow")
    values = pa.ListArray.from_arrays([0, 20_000_000], pa.repeat(pa.scalar(1, pa.int8()), 20_000_000))
    return parquet({"text": values}, compression="zstd")


def png(width: int, height: int, *, lines: int | None = None) -> bytes:
    """A black image of 8 bits, of which only so many lines are there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pack = zlib.compressobj(9)
    body = b"".join(pack.compress(bytes(width + 1)) for _ in range(height if lines is None else lines)) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def wav_of_hours() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2000))
    data = bytearray(out.getvalue())
    data[40:44] = struct.pack("<I", 0xFFFFFFF0)  # the length of the sound
    return packed({f"{i}.wav": bytes(data) for i in range(3)})


def overlapping() -> bytes:
    """A directory that names one member's bytes many times."""
    data = bytearray(packed({"a.png": zlib.compress(bytes(900_000)) * 40}, zipfile.ZIP_STORED))
    at = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = bytes(data[at:end])
    many = b"".join(entry.replace(b"a.png", b"%05d" % i) for i in range(5000))
    tail = bytearray(data[end:])
    tail[8:12] = struct.pack("<HH", 5000, 5000)
    tail[12:16] = struct.pack("<I", len(many))
    return bytes(data[:at]) + many + bytes(tail)


def lying_size() -> bytes:
    """A member that says it is small, and is not."""
    data = bytearray(packed({"a.csv.png": bytes(50 << 20)}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = struct.pack("<I", 1000)
    return bytes(data)


def lines(*some: Any) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in some).encode()


FILES: dict[str, Callable[[], bytes]] = {
    # Parquet
    "rows that repeat.parquet": many_rows,
    "a long text that repeats.parquet": lambda: parquet({"text": repeated(3000, "x" * 1_000_000)}, compression="zstd"),
    "one long list.parquet": long_list,
    "many columns.parquet": lambda: parquet({f"c{i}": [1] for i in range(5000)}),
    "cut off.parquet": lambda: parquet({"text": ["a", "b"]})[:-20] + b"\x7f\xff\xff\xffPAR1",
    # workbooks
    "a row far off.xlsx": lambda: workbook(GOOD_ROWS + '<row r="2000000000"><c r="A2000000000"><v>1</v></c></row>'),
    "a row without end.xlsx": lambda: workbook(GOOD_ROWS + f'<row r="{"9" * 5000}"/>'),
    "cells far off.xlsx": lambda: workbook(
        "".join(f'<row r="{i}">{text_cell(f"A{i}", "a")}<c r="XFD{i}"><v>1</v></c></row>' for i in range(1, 20_001))
    ),
    "a column far off.xlsx": lambda: workbook(GOOD_ROWS + f'<row r="4"><c r="{"Z" * 12}4"><v>1</v></c></row>'),
    "all cells merged.xlsx": lambda: workbook(
        GOOD_ROWS, after='<mergeCells><mergeCell ref="A2:XFD1048576"/></mergeCells>'
    ),
    "a sheet that says it is large.xlsx": lambda: workbook(GOOD_ROWS, before='<dimension ref="A1:XFD1048576"/>'),
    "laughs.xlsx": lambda: workbook(f'<row r="1">{text_cell("A1", "&m;")}</row>', head=LAUGHS),
    "another file.xlsx": lambda: workbook(
        f'<row r="1">{text_cell("A1", "&x;")}</row>', head='<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    ),
    "one long string in all cells.xlsx": lambda: workbook(
        "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>0</v></c></row>' for i in range(1, 20_001)),
        strings=f"<si><t>{'long words ' * 80_000}</t></si>",
    ),
    "zeros.xlsx": lambda: packed({"xl/worksheets/sheet1.xml": bytes(30 << 20)}),
    # lines
    "ten million columns.csv": lambda: b"a," * 10_000_000 + b"\n1\n",
    "columns and rows.csv": lambda: b",".join(b"%d" % i for i in range(50_000)) + b"\n" + b"x\n" * 50_000,
    "a line without end.csv": lambda: b"text\n" + b"x" * (budget.MAX_LINE + (2 << 20)),
    "a name without end.csv": lambda: b"x" * 5_000_000 + b"\n1\n2\n",
    "quotes.csv": lambda: b"text,b\n" + b'"a","b""\n' * 200_000,
    "columns in sixteen bits.csv": lambda: ("a," * 1_000_000 + "\n1\n").encode("utf-16"),
    "zeros.csv.gz": lambda: gzip.compress(bytes(60 << 20)),
    "good rows that repeat.csv.gz": lambda: gzip.compress(b"text\n" + b"spam\n" * 20_000_000),
    "packed twice.csv.gz": lambda: gzip.compress(gzip.compress(bytes(200 << 20))),
    # JSON
    "deep.jsonl": lambda: b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b'}\n{"text": "a"}\n',
    "deep objects.jsonl": lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b'\n{"text": "a"}\n',
    "a large number.jsonl": lambda: b'{"text": "a", "n": ' + b"9" * 1_000_000 + b'}\n{"text": "b", "n": 1e400}\n',
    "few keys and many rows.jsonl": lambda: (
        lines({f"k{i}": 1 for i in range(1000)}) + b"{}\n" * 200_000 + b'{"text": "a"}\n'
    ),
    "many keys.jsonl": lambda: lines(*({f"k{i}": 1} for i in range(5000))),
    # archives
    "zeros.zip": lambda: packed({"a.png": bytes(60 << 20)}),
    "archives in it.zip": lambda: packed({f"{i}.zip": packed({"a.png": bytes(9 << 20)}) for i in range(20)}),
    "overlapping.zip": overlapping,
    "a size that is wrong.zip": lying_size,
    "very many files.zip": lambda: packed({f"{i}.png": b"" for i in range(30_000)}, zipfile.ZIP_STORED),
    "ways out.zip": lambda: packed({"../../out.png": png(4, 4), "/etc/out.png": png(4, 4), "in.png": png(4, 5)}),
    # images, recordings
    "a very large image.zip": lambda: packed({"a.png": png(60_000, 60_000, lines=1), "b.png": png(4, 4)}),
    "large images.zip": lambda: packed(
        {f"{i}.png": png(7000 - i, 7000, lines=7000) for i in range(8)}, zipfile.ZIP_STORED
    ),
    "hours.zip": wav_of_hours,
}


@functools.cache
def data_of(name: str) -> bytes:
    return FILES[name]()


# ── the door ────────────────────────────────────────────────────────────────────────────────


class Door:
    """A real server, and what it takes of time and memory."""

    def __init__(self, root: Path) -> None:
        self.intake = Intake(root)
        app = create_new(self.intake, token=TOKEN, started=lambda session, _: session.close())
        self.listener = _listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)
        self.thread.start()
        self.http = httpx.Client(base_url=self.url, headers={"x-askwise-token": TOKEN}, timeout=120, trust_env=False)

    def send(self, name: str, data: bytes) -> Any:
        return self.http.put("/api/v1/new/file", params={"name": name}, content=data)

    def look(self, found: dict[str, Any]) -> Any:
        wanted = {key: found["proposal"][key] for key in ("kind", "text", "label", "id")}
        return self.http.post("/api/v1/new/look", json={"upload": found["upload"], **wanted})

    def close(self) -> None:
        self.http.close()
        self.server.should_exit = True
        self.thread.join()
        self.listener.close()
        reading.stop()


@pytest.fixture(scope="module", autouse=True)
def as_for_a_person() -> Iterator[None]:
    """What a file may take is measured with a process that has loaded what it needs, and no more."""
    with cold():
        yield


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    made = Door(tmp_path_factory.mktemp("root"))
    assert made.send("warm.csv", b"text\na\nb\n").status_code == 200
    yield made
    made.close()


def resident(which: str, status: Path = STATUS) -> int:
    return next((int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith(which)), 0)


def heaviest_child() -> int:
    """The most that a process which reads has had in memory so far; what it had before `exec` was this process's."""
    pids = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            if b"wait_for_a_file" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found = max(found, resident("VmHWM", Path(f"/proc/{pid}/status")))
    return found


def computed() -> float:
    """Seconds of computing so far, of this process and of children that have ended; the same on a busy machine."""
    return sum(os.times()[:4])


class Meanwhile:
    """Asks the server for something small, again and again, and keeps how long each took."""

    def __init__(self, url: str) -> None:
        self.took: list[float] = []
        self.heaviest = 0
        self._end = threading.Event()
        self._url = url
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        with httpx.Client(base_url=self._url, headers={"x-askwise-token": TOKEN}, timeout=60, trust_env=False) as http:
            while not self._end.wait(0.05):
                if STATUS.exists():
                    self.heaviest = max(self.heaviest, heaviest_child())
                began = time.monotonic()
                assert http.get("/new").status_code == 200
                self.took.append(time.monotonic() - began)

    def __enter__(self) -> Meanwhile:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def test_there_are_as_many_as_were_asked_for() -> None:
    assert len(FILES) >= 27


@pytest.mark.parametrize("name", list(FILES))
def test_a_hostile_file_is_refused_or_read_within_its_budget(door: Door, name: str) -> None:
    data = data_of(name)
    data_of.cache_clear()
    watched = STATUS.exists()
    if watched:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest memory so far
    before, began, used = resident("VmRSS") if watched else 0, time.monotonic(), computed()
    with Meanwhile(door.url) as others:
        replies = [(door.send(name, data), time.monotonic() - began, computed() - used)]
        if replies[0][0].status_code == 200:
            began, used = time.monotonic(), computed()
            replies.append((door.look(replies[0][0].json()), time.monotonic() - began, computed() - used))
    for reply, took, work in replies:
        assert reply.status_code in (200, 400, 413), reply.text
        assert took < SECONDS or (work < SECONDS and took < 10 * SECONDS), (
            f"{took:.1f} seconds, {work:.1f} of them computing"
        )
        if reply.status_code != 200:
            sentence = reply.json()["error"]
            assert sentence.endswith((".", ")", "?", "FILE")), sentence
            assert len(sentence) < 1000, sentence
            assert "Traceback" not in sentence
    if watched:
        assert resident("VmHWM") - before < MEMORY
        assert others.heaviest < MEMORY
    if others.took:
        usual = sorted(others.took)[len(others.took) // 2]
        assert usual < 2, "the server answers others meanwhile"
    door.intake.forget_all()
    assert list(door.intake.root.iterdir()) == []


REFUSED = {
    "rows that repeat.parquet": "bomb", "a long text that repeats.parquet": "bomb", "one long list.parquet": "bomb",
    "a row far off.xlsx": "1,048,576 rows", "a row without end.xlsx": "1,048,576 rows",
    "cells far off.xlsx": "over 50,000,000 cells", "a column far off.xlsx": "16,384 columns",
    "all cells merged.xlsx": "over 50,000,000 cells", "laughs.xlsx": "entities", "another file.xlsx": "entities",
    "ten million columns.csv": "over 100,000 columns", "columns and rows.csv": "over 50,000,000 cells",
    "a line without end.csv": "line of over 64 MB", "columns in sixteen bits.csv": "over 100,000 columns",
    "good rows that repeat.csv.gz": "bomb",
    "few keys and many rows.jsonl": "over 50,000,000 cells",
}  # fmt: skip


FEWER_ROWS: dict[str, Callable[[], bytes]] = {
    "good rows that repeat.csv.gz": lambda: gzip.compress(b"text\n" + (b"spam " * 40 + b"\n") * 500_000),
    "few keys and many rows.jsonl": lambda: (
        lines({f"k{i}": 1 for i in range(1000)}) + b"{}\n" * 60_000 + b'{"text": "a"}\n'
    ),
}
"""Files with as many bytes or cells that are refused sooner: how long the worse ones take is looked at above."""


@pytest.mark.parametrize("name", list(REFUSED))
def test_from_python_the_same_files_are_refused_before_they_are_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes((FILES | FEWER_ROWS)[name]())
    with pytest.raises(BadInput, match=REFUSED[name]):
        load_pool(path)


GOOD = {
    "a sheet that says it is large.xlsx": ["one", "two"],
    "deep.jsonl": ["a"],
    "a large number.jsonl": ["b"],
}


@pytest.mark.parametrize("name", list(GOOD))
def test_what_can_be_read_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    assert list(load_pool(path, text="text").contents) == GOOD[name]


# ── the process that reads ──────────────────────────────────────────────────────────────────


def test_a_pool_that_was_read_elsewhere_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mail.csv"
    path.write_text("id,text,more,label\n1,a b,x,ham\n2,c d,,\n3,a b,y,\n4,,z,\n5,e,f\n")
    there, here = (
        reading.loaded(path, text=["text"], label="label", id="id"),
        load_pool(path, text=["text"], label="label", id="id"),
    )
    for name in ("ids", "sources", "given", "problems", "address", "notes", "kind", "digest", "fingerprint", "sets"):
        assert getattr(there, name) == getattr(here, name), name
    assert list(there.contents) == list(here.contents)
    assert [dict(there.record[row]) for row in (0, 1)] == [dict(here.record[row]) for row in (0, 1)]


def test_its_errors_are_the_readers_own(tmp_path: Path) -> None:
    path = tmp_path / "mail.csv"
    path.write_text("text\na\n")
    with pytest.raises(BadInput, match="No column 'txet'"):
        reading.loaded(path, text="txet")


@pytest.mark.parametrize(("memory", "seconds"), [(1 << 20, 60.0), (1 << 30, 0.05)])
def test_too_much_is_a_sentence_that_says_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, seconds: float
) -> None:
    if memory < 1 << 21 and not STATUS.exists():
        pytest.skip("a process cannot be held to its memory here")
    monkeypatch.setattr(reading, "MEMORY", memory)
    monkeypatch.setattr(reading, "SECONDS", seconds)
    monkeypatch.setattr(reading, "PER_BYTE", 0)
    monkeypatch.setattr(reading, "PER_MB", 0)
    path = tmp_path / "mail.csv"
    path.write_text("text\n" + "".join(f"a line with the number {i}\n" for i in range(300_000)))
    with pytest.raises(BadInput, match=f"over {memory >> 20:,} MB of memory or .* seconds"):
        reading.described(path)


def test_large_files_may_take_more(tmp_path: Path) -> None:
    small, large, dense = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.csv.gz"
    small.write_bytes(b"x")
    large.write_bytes(bytes(1 << 20))
    dense.write_bytes(bytes(1 << 20))
    one, two, three = map(reading.Allowed, (small, large, dense))
    assert one.memory < two.memory < three.memory
    assert one.seconds < two.seconds < three.seconds
