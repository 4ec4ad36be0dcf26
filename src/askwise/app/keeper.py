"""The monitor of a project: a file beside the one of its session, which outlives the server."""

from __future__ import annotations

import itertools
import secrets
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askwise.core import BadInput

if TYPE_CHECKING:
    from askwise.monitor import Kept
    from askwise.session import Session

SUFFIX = ".monitor.json"
"""`mail.askwise` → `mail.monitor.json`, and `mail.monitor.skops` for its model."""


class Keeper:
    """Finds, begins and ends the monitor of a session.

    Args:
        session: An open session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._last: Kept | None = None

    @property
    def refused(self) -> str:
        """Why no monitor can be begun here, in a sentence; "" where one can be."""
        kind = self._session.pool.item_kind
        if self.place is None:
            return (
                "This session lies in no file that a monitor could lie beside. Watch its model from the command line: "
                "askwise monitor begin SESSION monitor.json"
            )
        if not kind.in_json:
            return (
                f"New items of the kind {kind.name!r} cannot be sent as JSON. Watch the model from the command line: "
                "askwise monitor begin SESSION monitor.json"
            )
        return ""

    @property
    def place(self) -> Path | None:
        """Where the monitor lies, if there is one; None where the session is no file."""
        path = getattr(self._session._store, "path", None)
        return path.with_suffix(SUFFIX) if isinstance(path, Path) else None

    def open(self) -> Kept | None:
        """The monitor as it is now, for one thread; None where there is none.

        Raises:
            BadInput: It is damaged, or its model is gone or another.
        """
        from askwise.monitor import Kept

        place = self.place
        if place is None or not place.exists():
            return None
        with self._lock:  # who comes while its model is loaded waits for it
            self._last = Kept.open(place, like=self._last)
            return self._last

    def needed(self) -> Kept:
        """The monitor.

        Raises:
            BadInput: There is none.
        """
        found = self.open()
        if found is None:
            raise BadInput(self.refused or "This project has no monitor yet. An owner begins one on the page Models.")
        return found

    def begin(self, reference: int | None, **terms: Any) -> Kept:
        """Begin one; see `monitor.of_session`.

        Raises:
            BadInput: There is one, or none can be.
        """
        from askwise import monitor

        place = self.place
        if place is None or self.refused:
            raise BadInput(self.refused)
        if place.exists():
            raise BadInput("This project has a monitor. End it before you begin another one.")
        with self._lock:
            return monitor.of_session(self._session, place, reference, seed=secrets.randbelow(1 << 32), **terms)

    def end(self) -> str:
        """Put it aside, under the first name that is free; gives that name.

        Raises:
            BadInput: There is none.
        """
        found = self.needed()
        with found.changing():
            for number in itertools.count(1):
                place = found.place.with_suffix(f".{number}.json")
                model = place.with_suffix(".skops")
                if not place.exists() and not model.exists():
                    break
            saved = found.place.parent / found.model_file
            shutil.copyfile(saved, model)  # first, so that a kill leaves a monitor with its model, whichever name
            found.model_file = model.name
        saved.unlink()
        found.place.rename(place)
        return place.name
