"""Files and sessions that a command is given: found, opened, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askwise.commands.options import NOTHING_SAID, Reading
from askwise.commands.saying import said, say

if TYPE_CHECKING:
    from askwise.plugins import What
    from askwise.pool import Pool
    from askwise.session import Session
    from askwise.store import Place


SESSION_SUFFIX = ".askwise"
_PACKED = {".gz", ".bz2", ".xz", ".zst", ".zip"}


def needed(session: Place | None, command: str) -> Place:
    """The session, or the error that says which there are."""
    if session is None:
        from askwise import recent
        from askwise.core import BadInput

        raise BadInput(recent.which(command, Path.cwd()))
    return session


def check_writable(path: Path) -> None:
    """Refuse a file, before the work, whose folder does not exist.

    Raises:
        BadInput: See above.
    """
    from askwise.core import BadInput

    if not path.parent.is_dir():
        raise BadInput(f"The folder {path.parent} does not exist; make it first, or choose another.")


def setting(option: str) -> str:
    """`--max-error` → `max_error`."""
    return option.removeprefix("--").replace("-", "_")


def examples_in(given: Sequence[str]) -> dict[str, list[str]]:
    """Label → texts of `--example TEXT=LABEL`.

    Raises:
        BadInput: One without `=`.
    """
    from askwise.core import BadInput

    found: dict[str, list[str]] = {}
    for one in given:
        text, sign, label = one.rpartition("=")
        if not sign:
            raise BadInput(f'--example is written TEXT=LABEL, such as "win cash now=spam"; got {one!r}.')
        found.setdefault(label.strip(), []).append(text)
    return found


def is_session(where: Place) -> bool:
    """Whether it is a session, by its name or by what lies there."""
    from askwise.store import is_session_file

    return not isinstance(where, Path) or where.suffix == SESSION_SUFFIX or is_session_file(where)


def session_path(file: Path) -> Path:
    """`mail.csv.gz` → `mail.askwise`, in the same folder; `.` → beside this folder, by its name."""
    from askwise.core import BadInput

    name = file if file.name else file.resolve()
    if not name.name:
        raise BadInput(f"{file} is the root of all files. Name a file, or a folder with images.")
    name = name.with_suffix("") if name.suffix.lower() in _PACKED else name
    return name.with_suffix(SESSION_SUFFIX)


def load(
    file: Path,
    *,
    text: str | Sequence[str] | None,
    id_column: str | None,
    label_column: str | None,
    kind: str | None = None,
    show: Sequence[str] | None = None,
    how: Reading = NOTHING_SAID,
) -> Pool:
    """The items of a file; what is wrong with it is said."""
    from askwise.pool import load_pool

    pool = load_pool(file, kind=kind, text=text, id=id_column, label=label_column, show=show, **how)
    for note in pool.notes:
        say(note)
    if pool.problems:
        shown = [f"  row {p.row}: {said(p.what)}" for p in pool.problems[:5]]
        more = [f"  … and {len(pool.problems) - 5:,} more"] if len(pool.problems) > 5 else []
        say(f"{len(pool.problems):,} problems in {file}; the rest is loaded ({len(pool):,} items):", *shown, *more)
    return pool


def open_session(
    path: Place, *, encoder: str | None = None, learner: str | None = None, strategy: str | None = None
) -> Session:
    """A session that exists, to go on with.

    Args:
        path: Where it lies.
        encoder: By name or `module:object`, as the following; None = as its log says.
        learner: See there.
        strategy: See there; a name is not looked at, as it stays what it was.
    """
    from askwise.session import Session

    parts = {"encoder": part("encoder", encoder), "learner": part("learner", learner)}
    if strategy is not None and is_code(strategy):
        parts["strategy"] = part("strategy", strategy)
    return Session.open(path, **parts)


def part(what: What, name: str | None) -> Any:
    """An encoder, learner or strategy as somebody at this machine named it: code by `module:object`, else the name.

    Raises:
        BadInput: There is no such module or object.
    """
    from askwise import plugins

    return plugins.code(what, name) if name is not None and plugins.is_code(name) else name


def is_code(name: str | None) -> bool:
    """Whether a part was named as `module:object`."""
    from askwise import plugins

    return plugins.is_code(name)


def refuse_options(path: Place, names: Sequence[str]) -> None:
    """Refuse what was given with a session that exists and cannot change it.

    Raises:
        BadInput: There are such options.
    """
    from askwise.core import BadInput

    if names:
        raise BadInput(f"{', '.join(names)} cannot change a session that exists ({path}); leave it out.")


def read_text(path: Path) -> str:
    """The guidelines of a file.

    Raises:
        BadInput: It cannot be read, or is not UTF-8.
    """
    from askwise.core import BadInput

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"Cannot read the guidelines {path}: {error}. Give a UTF-8 text file.") from error
