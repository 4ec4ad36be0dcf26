"""Items that are no plain text: images, recordings, table rows, pairs."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import wave
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from askwise import cli, encoders, media
from askwise.app import kinds
from askwise.app.server import create_app
from askwise.app.wire import shown, view
from askwise.commands import beginning
from askwise.core import BadInput
from askwise.encoders.image import ImageEncoder
from askwise.encoders.pair import PairEncoder
from askwise.encoders.table import TableEncoder
from askwise.encoders.tfidf import TfidfEncoder
from askwise.pool import Pool, load_pool
from askwise.session import Session
from askwise.testing import check_encoder
from askwise.verification import verify

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

pytestmark = pytest.mark.usefixtures("linear")
TOKEN = "a-token-of-some-length"
KEY = {"x-askwise-token": TOKEN, "host": "127.0.0.1"}


def picture(seed: int, *, bright: int = 0, size: tuple[int, int] = (20, 30)) -> Any:
    pixels = np.random.default_rng(seed).integers(0, 60, (*size, 3), dtype=np.uint8)
    pixels[:, : size[1] // 2] += np.uint8(bright)
    return Image.fromarray(pixels)


def as_bytes(image: Any, form: str) -> bytes:
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "cats").mkdir(parents=True)
    (root / "dogs").mkdir()
    for at in range(12):
        picture(at, bright=150 * (at % 2)).save(root / ("dogs" if at % 2 else "cats") / f"{at:02}.png")
    return root


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is this large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def wav(pitch: float, seconds: float = 0.5, rate: int = 8000) -> bytes:
    sound = np.int16(8000 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound.tobytes())
    return out.getvalue()


# ── images ──────────────────────────────────────────────────────────────────────────────────


def test_a_folder_of_images(folder: Path) -> None:
    (folder / "drawing.svg").write_text("<svg onload='alert(1)'/>")
    (folder / ".hidden.png").write_bytes(b"no")
    pool = load_pool(folder, label="folder")
    assert pool.kind == "image"
    assert [str(c) for c in pool.contents[:2]] == ["cats/00.png", "cats/02.png"]
    assert len(pool) == 12
    assert pool.given == {i: "cats" if i < 6 else "dogs" for i in range(12)}
    assert any("1 .svg" in note for note in pool.notes)


def test_a_zip_holds_the_same_pool(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder))
    packed, loose = load_pool(tmp_path / "photos.zip"), load_pool(folder)
    assert packed.fingerprint == loose.fingerprint
    assert packed.contents[3].read() == loose.contents[3].read()
    again = pickle.loads(pickle.dumps(packed.contents[3]))  # a task of the simulation travels to other processes
    assert again.read() == loose.contents[3].read()


def test_a_column_of_paths_never_leaves_its_folder(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    picture(99).save(secret)
    (folder / "link.png").symlink_to(secret)
    rows = ["cats/00.png", "../secret.png", str(secret), "link.png", "gone.png", "a\0b.png", "cats", "dogs\\01.png"]
    (folder / "list.csv").write_text("path,y\n" + "".join(f'"{row}",\n' for row in rows if "\0" not in row))
    pool = load_pool(folder / "list.csv", kind="image", text="path")
    assert [str(c) for c in pool.contents] == ["cats/00.png", "dogs/01.png"]
    assert [problem.row for problem in pool.problems] == [2, 3, 4, 5, 6]
    assert all("outside" in problem.what for problem in pool.problems[:3])
    with pytest.raises(BadInput, match="cannot be read"):
        media.Folder(folder).read("a\0b.png")


def test_files_that_are_no_images_are_refused_by_row(folder: Path) -> None:
    (folder / "a-bomb.png").write_bytes(png_header(60_000, 60_000))
    (folder / "a-large.png").write_bytes(png_header(9_000, 9_000))
    (folder / "a-page.png").write_bytes(b"<html><script>alert(1)</script>")
    (folder / "a-svg.png").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "a-torn.jpg").write_bytes(as_bytes(picture(1, size=(200, 200)), "JPEG")[:900])
    (folder / "a-tiff.png").write_bytes(as_bytes(picture(1), "TIFF"))
    pool = load_pool(folder)
    assert len(pool) == 12
    what = {problem.what.split("'")[1]: problem.what for problem in pool.problems}
    assert "pixels" in what["a-bomb.png"]
    assert "9,000 × 9,000 pixels" in what["a-large.png"]
    for name in ("a-page.png", "a-svg.png", "a-tiff.png"):
        assert "no JPEG, PNG, GIF or WebP" in what[name]
    assert "damaged" in what["a-torn.jpg"]


def test_an_empty_folder_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="without images"):
        load_pool(tmp_path)
    with pytest.raises(BadInput, match="goes with a table"):
        load_pool(tmp_path, kind="pair")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_formats_and_their_types(form: str, tmp_path: Path) -> None:
    data = as_bytes(picture(1), form)
    assert media.image_type(data) == media.IMAGES[form]
    assert media.wrong_image(data) is None


WHOLE = {form: as_bytes(picture(1, size=(40, 40)), form) for form in media.IMAGES}


@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    st.floats(0.2, 1),
)
def test_damaged_images_are_told_never_raised(form: str, blows: list[tuple[float, int]], kept: float) -> None:
    data = bytearray(WHOLE[form])
    for where, value in blows:
        data[int(where * (len(data) - 1))] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong = media.wrong_image(bytes(data[: int(kept * len(data))]))
    assert wrong is None or wrong.startswith(("is ", "has "))


def test_a_session_about_images_is_reopened(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    with Session(load_pool(folder), classes=["cat", "dog"], store=path) as session:
        for row in range(0, 12, 2):
            session.tell(session.pool.ids[row], "cat" if row < 6 else "dog")
        session.refresh()
        features = session.features()
        assert session.settings["encoder"] == "image"
        assert session.nearest(1)
    with Session.open(path) as session:
        assert session.pool.kind == "image"
        assert session.pool.record is not None
        assert dict(session.pool.record[0]) == {"file": "cats/00.png", "folder": "cats"}
        assert np.array_equal(session.features(), features)
        session.export(tmp_path / "out.csv")
    assert "cats/00.png" in (tmp_path / "out.csv").read_text()
    assert verify(path).ok


def test_an_image_that_was_changed_or_moved_is_said(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    Session(load_pool(folder), classes=["cat", "dog"], store=path).close()
    picture(77).save(folder / "cats" / "00.png")
    (folder / "cats" / "02.png").unlink()
    with Session.open(path) as session:
        with pytest.raises(BadInput, match="was changed"):
            session.pool.contents[0].read()
        with pytest.raises(BadInput, match="is not in"):
            session.pool.contents[1].read()
        with TestClient(create_app(session, token=TOKEN)) as client:
            assert "was changed" in client.get("/api/v1/file?row=0", headers=KEY).json()["error"]


def test_the_command_line_goes_on_where_the_images_are_now(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = folder.parent / "photos.askwise"
    with pytest.raises(SystemExit) as left:
        cli.main(["label", str(folder), "--labels", "cat,dog", "--terminal"])
    assert left.value.code == 2
    assert "A terminal shows no images" in capsys.readouterr().err
    assert not store.exists()
    Session(load_pool(folder), classes=["cat", "dog"], store=store).close()
    moved = folder.rename(folder.parent / "elsewhere")
    with Session.open(store) as session, pytest.raises(BadInput, match="is not in"):
        session.pool.contents[0].read()
    session = beginning.go_on(store, load_pool(moved), None, strategy=None, encoder=None, seed=None)
    assert session.pool.contents[0].read() == (moved / "cats" / "00.png").read_bytes()
    assert session.features().shape[0] == 12
    session.close()
    with pytest.raises(SystemExit) as left:
        cli.main(["label", "--text", "message", "--kind", "pair"])
    assert left.value.code == 2
    assert "--text, --kind goes with a FILE" in capsys.readouterr().err


def test_the_app_serves_files_by_row_only(folder: Path) -> None:
    session = Session(load_pool(folder), classes=["cat", "dog"])
    with TestClient(create_app(session, token=TOKEN)) as client:
        reply = client.get("/api/v1/file?row=3", headers=KEY)
        assert reply.content == (folder / str(session.pool.contents[3])).read_bytes()
        assert reply.headers["content-type"] == "image/png"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in reply.headers["content-security-policy"]
        assert client.get("/api/v1/file?row=3", headers={"host": "127.0.0.1"}).status_code == 401
        for row in ("-1", "12", "999999999999", "../../etc/passwd", "cats/00.png", "3.5", ""):
            assert client.get("/api/v1/file", params={"row": row}, headers=KEY).status_code == 400
        question = client.post("/api/v1/ask", json={"tab": "t"}, headers=KEY).json()["next"][0]
        sha = session.pool.contents[question["row"]].sha256
        assert question["view"] == {"file": question["text"], "version": sha[:16]}
    session.close()
    texts = Session(["a", "b"], classes=["x", "y"])
    with TestClient(create_app(texts, token=TOKEN)) as client:
        assert client.get("/api/v1/file?row=0", headers=KEY).status_code == 404
    texts.close()


def test_image_features() -> None:
    items = [picture(at, bright=150 * (at % 2)) for at in range(30)]
    features = ImageEncoder().encode(items)
    assert features.dtype == np.float32
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    like = features @ features.T
    same = np.equal.outer(np.arange(30) % 2, np.arange(30) % 2) & ~np.eye(30, dtype=bool)
    assert like[same].mean() > like[~same & ~np.eye(30, dtype=bool)].mean() + 0.5
    again = ImageEncoder().fit(items)
    assert np.array_equal(again.encode(items), features)
    parts = np.vstack([again.encode(items[:7]), again.encode(items[7:])])
    assert np.allclose(parts, features, atol=1e-6)  # BLAS rounds blocks of another height otherwise


def test_wide_and_transparent_images_are_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65_535, 64).astype(np.uint16), (64, 1))
    clear = Image.fromarray(np.zeros((64, 64, 4), np.uint8))
    from askwise.encoders.image import _pixels

    wide = _pixels(Image.fromarray(ramp))[0, :, 0]
    assert np.abs(wide - np.linspace(0, 1, 64)).max() < 0.02
    assert _pixels(clear).min() == 1  # nothing on white


# ── archives ────────────────────────────────────────────────────────────────────────────────


def test_archives_made_to_harm_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"\0" * (30 << 20))
    with pytest.raises(BadInput, match="bomb"):
        load_pool(bomb)
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as archive:
        archive.writestr("a.png", as_bytes(picture(1), "PNG"))
        archive.writestr("../../escape.png", as_bytes(picture(2), "PNG"))
        archive.writestr("/etc/root.png", as_bytes(picture(3), "PNG"))
        archive.writestr("inner.zip", b"PK\x03\x04")
    pool = load_pool(many)  # names are only ever names: nothing is written anywhere
    assert len(pool) == 2
    assert not list(tmp_path.parent.glob("escape.png"))
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(BadInput, match="cannot be opened"):
        load_pool(tmp_path / "no.zip")


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "overlap.zip"
    data = np.random.default_rng(0).bytes(100_000)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.png", data)
        first = archive.filelist[0]
        for number in range(1, 50):
            twin = zipfile.ZipInfo(f"{number}.png")
            for name in ("header_offset", "compress_size", "file_size", "CRC"):
                setattr(twin, name, getattr(first, name))
            archive.filelist.append(twin)
    with pytest.raises(BadInput, match="overlap"):
        load_pool(path)


# ── recordings ──────────────────────────────────────────────────────────────────────────────


def test_recordings(tmp_path: Path) -> None:
    for at in range(10):
        (tmp_path / f"{at}.wav").write_bytes(wav(200 + 5 * at if at % 2 else 2000 + 50 * at))
    (tmp_path / "x.mp3").write_bytes(b"ID3" + bytes(50))
    (tmp_path / "y.ogg").write_bytes(b"not a recording")
    pool = load_pool(tmp_path)
    assert pool.kind == "audio"
    assert [problem.what for problem in pool.problems] == ["names 'y.ogg', which is no WAV, MP3 or OGG recording"]
    with Session(pool, classes=["low", "high"]) as session:
        features = session.features()
        assert features.shape == (11, 80)
        assert not features[10].any()  # an MP3 is played, not heard
        assert features[1] @ features[3] > features[1] @ features[2]
        with TestClient(create_app(session, token=TOKEN)) as client:
            assert client.get("/api/v1/file?row=0", headers=KEY).headers["content-type"] == "audio/wav"


# ── table rows ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    lines = [f"{i},{20 + i},{'red' if i % 2 else 'blue'},,{'yes' if i == 0 else ''}" for i in range(30)]
    path.write_text("id,age,color,nothing,y\n" + "\n".join(lines) + "\n30,,,,\n")
    return path


def test_table_rows_show_their_columns_and_are_reopened(people: Path, tmp_path: Path) -> None:
    pool = load_pool(people, kind="table", id="id", label="y")
    assert pool.contents[1] == {"age": "21", "color": "red", "nothing": ""}
    assert [str(problem) for problem in pool.problems] == ["row 31 (line 32): is empty"]
    assert view(pool.contents[1]) == {"cells": [["age", "21"], ["color", "red"], ["nothing", ""]]}
    assert shown(pool.contents[1]).splitlines()[0] == "age: 21"
    path = tmp_path / "t.askwise"
    with Session(pool, classes=["yes", "no"], store=path) as session:
        features = session.features()
    with Session.open(path) as session:
        assert session.pool.contents == pool.contents
        assert dict(session.pool.record[0]) == {"id": "0", "age": "20", "color": "blue", "nothing": "", "y": "yes"}
        assert np.array_equal(session.features(), features)
    assert verify(path).ok
    assert load_pool(people, kind="table", text=["color", "age"], id="id").contents[0] == {"color": "blue", "age": "20"}


def test_table_features() -> None:
    rows = [{"a": i, "b": "x" if i % 2 else "y", "c": None if i < 3 else 1.5, "d": f"name {i}"} for i in range(40)]
    encoder = TableEncoder().fit(rows)
    features = encoder.encode(rows)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert abs(np.corrcoef(features[:, 0], np.arange(40))[0, 1]) > 0.999
    other = encoder.encode([{"a": "", "b": "never seen", "c": "2", "d": ""}])
    assert other.shape == (1, features.shape[1])
    assert np.isfinite(other).all()


@given(
    st.lists(
        st.fixed_dictionaries(
            {"a": st.none() | st.integers() | st.floats() | st.text(), "b": st.none() | st.booleans() | st.text()}
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_table_is_encoded_or_refused(rows: list[dict[str, Any]]) -> None:
    features = TableEncoder().encode(rows)
    assert features.shape[0] == len(rows)
    assert np.isfinite(features).all()


# ── pairs ───────────────────────────────────────────────────────────────────────────────────


def test_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    rows = "".join(f"{i},good plain words {i},bad long noise {i}\n" for i in range(20))
    path.write_text("id,left,right\n" + rows + "20,only one,\n")
    pool = load_pool(path, kind="pair", text=["left", "right"], id="id")
    assert pool.contents[0] == ("good plain words 0", "bad long noise 0")
    assert [str(problem) for problem in pool.problems] == ["row 21 (line 22): has an empty text"]
    assert view(pool.contents[0]) == {"pair": ["good plain words 0", "bad long noise 0"]}
    store = tmp_path / "p.askwise"
    with Session(pool, classes=["first", "second"], store=store) as session:
        assert session.settings["encoder"] == "pair:tfidf"
        features = session.features()
    with Session.open(store) as session:
        assert session.pool.contents == pool.contents
        assert np.array_equal(session.features(), features)
        session.export(tmp_path / "out.csv")
    header = (tmp_path / "out.csv").read_text().split("\n")[0].split(",")
    assert sorted(header[:3]) == ["id", "left", "right"]
    assert verify(store).ok
    for text in (None, "left", ["left"], ["left", "right", "id"]):
        with pytest.raises(BadInput, match="two columns"):
            load_pool(path, kind="pair", text=text)


def test_turning_a_pair_around_turns_its_features_around() -> None:
    pairs = [("one two", "three four"), ("three", "one two three"), ("five", "five")]
    encoder = PairEncoder(TfidfEncoder()).fit(pairs)
    features = encoder.encode(pairs)
    assert np.allclose(features, -encoder.encode([(b, a) for a, b in pairs]))
    assert not features[2].any()


# ── kinds and encoders ──────────────────────────────────────────────────────────────────────


def test_kinds_and_encoders_that_do_not_fit_are_refused(folder: Path, people: Path) -> None:
    with pytest.raises(BadInput, match="Known"):
        load_pool(people, kind="video")
    with pytest.raises(BadInput, match="goes with a file or a frame"):
        load_pool(["a", "b"], kind="image")
    with pytest.raises(BadInput, match="No encoder 'tfidf'"):
        encoders.get("tfidf", "image")
    with pytest.raises(BadInput, match="Which column"):
        load_pool(people, kind="image")
    assert isinstance(encoders.get("table", "table"), TableEncoder)


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("image", [picture(i) for i in range(6)]),
        ("table", [{"a": i} for i in range(6)]),
        ("pair", [("a b", f"c {i}") for i in range(6)]),
    ],
)
def test_encoders_of_other_kinds_keep_the_contract(kind: str, items: list[Any]) -> None:
    check_encoder(encoders.get(None, kind), items)


def test_words_that_speak_for_a_class_and_never_on_a_check() -> None:
    texts = [f"{'win a prize' if i % 2 else 'see you at lunch'} number {i}" for i in range(60)]
    session = Session(texts, classes=["ham", "spam"], audit_share=0, encoder="tfidf")
    for row in range(20):
        session.tell(session.pool.ids[row], "spam" if row % 2 else "ham")
    session.refresh()
    with TestClient(create_app(session, token=TOKEN)) as client:
        found = client.get("/api/v1/words?row=11", headers=KEY).json()
        assert found[0]["label"] == "spam"
        assert {"prize", "win"} & {word for word, _ in found[0]["words"][:2]}
        assert all(less >= 0.1 for one in found for _, less in one["words"])
    session.close()
    blind = Session(texts, classes=["ham", "spam"], audit_share=1, encoder="tfidf")
    for row in range(20):
        blind.tell(blind.pool.ids[row], "spam" if row % 2 else "ham")
    blind.refresh()
    asked = blind.ask()[0]
    assert asked.audit
    with TestClient(create_app(blind, token=TOKEN)) as client:
        assert client.get(f"/api/v1/words?row={asked.row}", headers=KEY).json() == []
    blind.close()


def spots(folder: Path, n: int = 40, suffix: str = "png") -> Path:
    """Images of noise with one bright patch: of class "left" at the upper left, of "right" at the lower right."""
    folder.mkdir(exist_ok=True)
    for at in range(n):
        pixels = np.random.default_rng(at).integers(60, 90, (56, 70, 3), dtype=np.uint8)
        y, x = (8, 10) if at % 2 else (40, 50)
        pixels[y : y + 8, x : x + 10] = 250
        Image.fromarray(pixels).save(folder / f"{at:02}.{suffix}")
    return folder


def trained(folder: Path, **options: Any) -> Session:
    session = Session(load_pool(folder), classes=["right", "left"], **options)
    for row in range(20):
        session.tell(session.pool.ids[row], "left" if row % 2 else "right")
    session.refresh()
    return session


def test_regions_are_what_a_slow_reference_finds(tmp_path: Path) -> None:
    session = trained(spots(tmp_path / "spots"), audit_share=0)
    with session, TestClient(create_app(session, token=TOKEN)) as client:
        found = client.get("/api/v1/regions?row=11", headers=KEY).json()
        assert [one["label"] for one in found] == ["left", "right"]
        # One cell after the other, on arrays, by the textbook: cover it, ask the model again.
        pixels = np.asarray(Image.open(io.BytesIO(session.pool.contents[11].read())).convert("RGB"))
        mean = pixels.reshape(-1, 3).mean(0).round()

        def log_odds(image: Any) -> float:
            p = session._parts.learner.predict_proba(session._parts.encoder.encode([image]))[0]  # type: ignore[union-attr]
            p = p[list(session._parts.learner.classes_).index(1)].astype(float)
            return float(np.log(p / (1 - p)))

        want = np.empty((7, 7))
        for y in range(7):
            for x in range(7):
                image = pixels.copy()
                image[y * 8 : y * 8 + 8, x * 10 : x * 10 + 10] = mean
                want[y, x] = log_odds(pixels) - log_odds(image)
        assert np.allclose(found[0]["cells"], want, atol=2e-3)
        assert max(np.unravel_index(np.argmax(found[0]["cells"]), (7, 7))) <= 2
        assert found[0]["where"][0] == "upper left"
        assert np.allclose(found[1]["cells"], -want, atol=2e-3)
        assert client.get("/api/v1/regions?row=40", headers=KEY).status_code == 400


def test_regions_are_laid_as_the_image_is_shown(tmp_path: Path) -> None:
    from PIL import ImageOps

    cells = np.arange(6.0).reshape(2, 3)
    for turn in range(1, 9):
        stored = Image.fromarray(np.uint8(cells))
        stored.getexif()[kinds.ORIENTATION] = turn
        shown = np.asarray(ImageOps.exif_transpose(stored))
        assert np.array_equal(kinds.upright(cells, turn), shown), turn
        photo = picture(1, bright=100, size=(40, 90))
        exif = Image.Exif()
        exif[kinds.ORIENTATION] = turn
        photo.save(tmp_path / f"{turn}.jpg", exif=exif)
    assert np.array_equal(kinds.upright(cells, 77), cells), "an orientation that is none"
    for file in load_pool(tmp_path).contents:
        variants, shape, turn = kinds.covered(file, side=30, grid=5)
        assert (len(variants), shape, f"{turn}.jpg") == (26, (5, 5), file.name)
        image = Image.open(io.BytesIO(variants[7].read()))
        assert (image.size, image.getexif()[kinds.ORIENTATION]) == ((30, 13), turn)


def test_images_of_any_form_are_covered(tmp_path: Path) -> None:
    images = {
        "tiny.png": Image.new("RGB", (3, 1), "red"),
        "clear.png": Image.new("RGBA", (20, 20), (0, 0, 0, 0)),
        "wide.png": Image.fromarray(np.linspace(0, 60_000, 400).astype(np.uint16).reshape(20, 20)),
        "palette.gif": Image.new("P", (20, 20), 3),
        "gray.jpg": Image.new("L", (20, 20), 90),
    }
    for name, image in images.items():
        image.save(tmp_path / name)
    shapes = {}
    files = load_pool(tmp_path, kind="image").contents
    for file in files:
        variants, shapes[file.name], _ = kinds.covered(file)
        sizes = {Image.open(io.BytesIO(one.read())).size for one in variants}
        assert sizes == {images[file.name].size}
    assert shapes == {name: (1, 3) if name == "tiny.png" else (7, 7) for name in images}
    (tmp_path / "gray.jpg").write_bytes(b"changed")
    with pytest.raises(BadInput, match="changed"):
        kinds.covered(next(file for file in files if file.name == "gray.jpg"))


def test_places_in_words() -> None:
    cells = np.zeros((7, 7))
    assert kinds.places(cells) == []
    cells[0, 0] = 0.09
    assert kinds.places(cells) == [], "less than is worth naming"
    cells[3, 3], cells[6, 5], cells[6, 6], cells[0, 0] = 1.0, 0.6, 0.6, 0.49
    assert kinds.places(cells) == ["lower right", "center"]
    assert kinds.places(np.array([[0.3, 0.2, 0.0]])) == ["middle left", "center"]


def test_regions_and_words_of_a_blind_check_stay_hidden_until_it_is_answered(tmp_path: Path) -> None:
    session = trained(spots(tmp_path / "spots"), audit_share=1)
    with session, TestClient(create_app(session, token=TOKEN)) as client:

        def told() -> list[Any]:
            return client.get(f"/api/v1/regions?row={asked.row}", headers=KEY).json()

        asked = session.ask()[0]
        assert asked.audit
        assert told() == []
        session.skip(asked)
        assert told() == [], "put off, it may be asked again"
        session.release()
        assert told() == [], "the lease is over, the question may still be on a screen"
        session.tell(asked, "left")
        assert len(told()) == 2


def test_regions_wait_for_a_training_and_need_a_model(tmp_path: Path) -> None:
    folder = spots(tmp_path / "spots", 12)
    store = tmp_path / "s.askwise"
    session = Session(load_pool(folder), classes=["right", "left"], store=store, audit_share=0)
    with session, TestClient(create_app(session, token=TOKEN)) as client:
        assert client.get("/api/v1/regions?row=3", headers=KEY).json() == []
        for row in range(8):
            session.tell(session.pool.ids[row], "left" if row % 2 else "right")
        session.refresh()
        assert len(client.get("/api/v1/regions?row=7", headers=KEY).json()) == 2
        with session._trainer.refreshing:
            reply = client.get("/api/v1/regions?row=7", headers=KEY)
        assert (reply.status_code, "being trained" in reply.json()["error"]) == (503, True)
    with Session.open(store) as session, TestClient(create_app(session, token=TOKEN)) as client:
        assert client.get("/api/v1/regions?row=7", headers=KEY).json() == [], "reopened, not yet trained"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Pool]:
    def make(rows: list[list[Any]], **options: Any) -> Pool:
        openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / "book.xlsx")
        return load_pool(tmp_path / "book.xlsx", **options)

    return make


def test_workbooks(load: Callable[..., Pool], tmp_path: Path) -> None:
    pool = load([[], ["text", "n", None], ["مرحبا", 1, None], [], ["b", 2.5, None], ["c", 3, "beyond"]], label="n")
    assert pool.contents == ["مرحبا", "b"]
    assert pool.given == {0: "1", 1: "2.5"}
    assert [str(p) for p in pool.problems] == ["row 3 (line 6): has cells beyond the 2 columns of the header"]
    with pytest.raises(BadInput, match="no rows"):
        load([["text"]])
    with pytest.raises(BadInput, match="is empty"):
        load([])
    with pytest.raises(BadInput, match="several columns"):
        load([["a", "a"], [1, 2]])
    (tmp_path / "no.xlsx").write_bytes(b"PK\x03\x04 this is none")
    with pytest.raises(BadInput, match="no Excel workbook"):
        load_pool(tmp_path / "no.xlsx")


def test_a_text_nobody_would_read_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    path.write_text("text\nshort\n" + "x" * 1_000_001 + "\nalso short\n")
    pool = load_pool(path)
    assert len(pool) == 2
    assert str(pool.problems[0]) == "row 2 (line 3): has a text of 1,000,001 characters; 1,000,000 are the limit"
