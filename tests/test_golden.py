"""Sessions of every format so far open, verify, say what they said, and go on as they would have.

What was computed when the files were made stands beside them. Whoever rebuilds the house runs this first.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askwise import Session
from askwise.store import chain, read_log
from askwise.verification import verify

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.askwise"))
OF_NOW = {"created", "at", "until", "today"}
"""Keys whose values are moments."""


def as_json(value: Any) -> Any:
    """As it comes back from a JSON file; objects by their fields, without moments."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in OF_NOW}
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items() if key not in OF_NOW}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(one) for one in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    assert isinstance(value, str | int | float | bool | None), f"a {type(value)} has no lasting form"
    return value


def differences(was: Any, now: Any, place: str = "") -> list[str]:
    """Where two such values differ; numbers may by what another processor rounds, and what is said besides is new."""
    if isinstance(was, dict) and isinstance(now, dict):
        return [d for key in was for d in differences(was[key], now.get(key, "nothing"), f"{place}.{key}")]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [d for i, pair in enumerate(zip(was, now, strict=True)) for d in differences(*pair, f"{place}[{i}]")]
    if isinstance(was, float) and isinstance(now, float | int) and math.isclose(was, now, rel_tol=1e-6, abs_tol=1e-9):
        return []
    return [] if was == now and type(was) is type(now) else [f"{place}: {str(was)[:200]!r} is now {str(now)[:200]!r}"]


def exported(session: Session, path: Path) -> list[list[str]]:
    """The table as written, numbers of the model to six digits."""
    session.export(path)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return [rows[0], *([_short(cell) for cell in row] for row in rows[1:])]


def _short(cell: str) -> str:
    return f"{float(cell):.6g}" if cell[:2] in ("0.", "1.") else cell


def of_log(path: Path) -> dict[str, Any]:
    """What a log is, without a session."""
    events = list(read_log(path))
    found = verify(path)
    return {
        "events": len(events),
        "kinds": dict(sorted(Counter(event.kind for event in events).items())),
        "digest": events[-1].digest,
        "chain": hashlib.sha256("".join(chain(events)).encode()).hexdigest(),
        "fingerprint": found.fingerprint,
        "verified": as_json(found.findings),
        "certificates": as_json(found.certificates),
    }


def computed(path: Path, folder: Path) -> dict[str, Any]:
    """All that is computed from a session, then what it does next."""
    copy = folder / path.name
    shutil.copy(path, copy)
    out = of_log(copy)
    with Session.open(copy) as session:
        out["session"] = {
            name: as_json(getattr(session, name))
            for name in ("classes", "settings", "title", "guidelines", "seed", "problems", "multilabel")
        }
        for name in (
            "answers", "counts", "history", "estimate", "metrics", "annotators", "agreement", "verdict", "series",
            "advice", "control", "recall", "autolabel_status", "certificates", "deferred", "report",
        ):  # fmt: skip
            out["session"][name] = as_json(getattr(session, name)())
        out["session"]["predictions"] = as_json(session.predictions())
        out["session"]["rows"] = as_json(session.rows())
        before = session.look(lambda state: state.seq)
        out["next"] = [[q.item, q.audit, q.reason] for q in session.ask(3, annotator="ann")] + [
            [q.item, q.audit, q.reason] for q in session.ask(2)
        ]
        for item, *_ in out["next"][:2]:
            session.tell(item, session.classes[:1] if session.multilabel else session.classes[0], annotator="ann")
        session.retract(annotator="ann")
        out["after"] = {"counts": as_json(session.counts()), "estimate": as_json(session.estimate())}
        out["table"] = exported(session, folder / "out.csv")
        news = [event for event in read_log(copy) if event.seq > before]
        out["news"] = [[event.kind, {k: v for k, v in as_json(event.data).items() if k != "path"}] for event in news]
    assert verify(copy).ok, "still true when it went on"
    return json.loads(json.dumps(out))


def read(name: str) -> Any:
    """What was computed of a session when its file was made."""
    return json.loads(gzip.decompress((GOLDEN / f"{name}.json.gz").read_bytes()))


def test_there_is_one_of_each_format_and_feature() -> None:
    assert Counter(path.name[:2] for path in FILES) == {"f1": 5, "f2": 10, "f3": 11}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_session_of_an_older_version_is_what_it_was(path: Path, tmp_path: Path) -> None:
    was = read(path.stem)
    now = computed(path, tmp_path)
    assert differences(was, now) == []


def test_a_change_would_be_seen(tmp_path: Path) -> None:
    was = read("f3_plain")
    changed = json.loads(json.dumps(was))
    changed["session"]["counts"]["labeled"] = 5
    changed["next"].pop()
    assert len(differences(was, changed)) == 2
