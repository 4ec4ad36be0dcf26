"""Sessions to go on with: those of a folder, and the paths of those opened lately, kept on this machine only."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from askwise import results
from askwise.core import AskwiseError
from askwise.state import State
from askwise.store import is_session_file, read_log

MOST = 20
"""Paths that are remembered."""
LISTED = 10
"""Sessions that are listed."""
LARGE = 200 << 20
"""Bytes of a session file beyond which its log is not read only to be listed."""
OFF = "ASKWISE_NO_RECENT"
"""Environment variable: not empty = nothing is remembered and nothing remembered is shown."""
CHECK = ".check.askwise"
"""How files of checks end where nobody named them."""


@dataclass(frozen=True)
class Glance:
    """A session as a list shows it."""

    path: Path
    title: str
    items: int | None
    """None where the file is too large to be counted for a list."""
    labeled: int | None
    """By people."""
    used: float
    """When its file was last written, Unix seconds."""


def remembered() -> Path:
    """The file of the paths: in the folder of this person's state, readable by nobody else."""
    import platformdirs

    return Path(platformdirs.user_state_dir("askwise", appauthor=False)) / "recent.json"


def remember(session: Path) -> None:
    """Note that a session was opened, unless that is switched off; where it cannot be noted, it is not."""
    if os.environ.get(OFF):
        return
    now = str(session.absolute())
    paths = [now, *(path for path in _paths() if path != now)][:MOST]
    target = remembered()
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # In one step and never readable by others: a temporary file has the mode 0600.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix="recent-")
        with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            json.dump({"paths": paths}, file, indent=1)
        Path(name).replace(target)
    except (OSError, UnicodeEncodeError):  # a convenience must not keep anybody from labeling
        return


def _paths() -> list[str]:
    """The paths noted, newest first; none where the file is missing or broken."""
    try:
        found = json.loads(remembered().read_text(encoding="utf-8"))["paths"]
        return [path for path in found if isinstance(path, str) and "\0" not in path]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def lately() -> list[Path]:
    """Session files opened lately that are still there, newest first."""
    if os.environ.get(OFF):
        return []
    return [path for path in map(Path, _paths()) if is_session_file(path)]


def here(folder: Path) -> list[Path]:
    """Session files of a folder and of the folders that the browser made in it, last written first.

    Checks of labels that exist already are gone on with by another command, and left out by their name.
    """
    try:
        names = [path for path in (*folder.iterdir(), *folder.glob("*/*.askwise")) if not path.name.endswith(CHECK)]
        found = {path for path in names if is_session_file(path)}
    except OSError:
        return []
    return sorted(found, key=_used, reverse=True)


def _used(path: Path) -> float:
    """When a file or what belongs to it was last written; 0 where nobody can say."""
    times = []
    for one in (path, path.with_name(path.name + "-wal")):
        try:
            times.append(one.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)


def glance(path: Path) -> Glance | None:
    """What a list shows of a session; None where it cannot be read."""
    try:
        if path.stat().st_size > LARGE:
            return Glance(path, path.stem, None, None, _used(path))
        state = State()
        for event in read_log(path):
            if event.kind != "items":
                state.apply(event)
        counts = results.counts(state)
        source = Path(str(state.opened["pool"].get("path") or path)).stem
        return Glance(path, str(state.title or source), counts["items"], counts["labeled"], _used(path))
    except (AskwiseError, OSError, LookupError, TypeError, ValueError, AttributeError):
        return None  # damaged: `askwise verify` says how


def listing(paths: Iterable[Path], folder: Path) -> list[str]:
    """Two lines a session: what it is, and the command that goes on with it."""
    lines: list[str] = []
    for found in filter(None, map(glance, list(paths)[:LISTED])):
        known = "" if found.items is None else f": {found.labeled:,} of {found.items:,} labeled"
        lines += [
            f"  {found.title}{known}, last used {_ago(found.used)}",
            f"    askwise label {_shown(found.path, folder)}",
        ]
    return lines


def _shown(path: Path, folder: Path) -> str:
    import shlex

    path, folder = path.absolute(), folder.absolute()
    return shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))


def _ago(at: float) -> str:
    seconds = max(0.0, time.time() - at)
    for below, unit, name in ((90, 1, "second"), (5_400, 60, "minute"), (129_600, 3_600, "hour")):
        if seconds < below:
            number = round(seconds / unit)
            return f"{number} {name}{'' if number == 1 else 's'} ago"
    days = round(seconds / 86_400)
    return f"{days} day{'' if days == 1 else 's'} ago" if days < 60 else time.strftime("%Y-%m-%d", time.localtime(at))


def sentences(folder: Path) -> list[str]:
    """What there is to go on with: the sessions of a folder, then those opened lately elsewhere; none = nothing."""
    mine = here(folder)
    known = {path.resolve() for path in mine}
    others = [path for path in lately() if path.resolve() not in known]
    said: list[str] = []
    for title, paths in (("Sessions in this folder:", mine), ("Opened lately:", others)):
        lines = listing(paths, folder)
        if lines:
            said += [title, *lines]
            more = len(paths) - LISTED
            said += [f"  … and {more:,} more"] if more > 0 else []
    return said


def which(command: str, folder: Path) -> str:
    """What to say where a command misses its session."""
    mine = here(folder)
    if len(mine) == 1:
        command = command.replace("SESSION", _shown(mine[0], folder))
        return f"Which session? There is one in this folder:  askwise {command}"
    said = sentences(folder)
    if not said:
        return f"Which session? There is none in this folder. Give its file: askwise {command}"
    return "\n".join([f"Which session? Give its file: askwise {command}", *said])
