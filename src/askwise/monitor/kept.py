"""A monitor in one file, with the items that wait for a person: safe against kills, one writer at a time."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, CannotWrite, Label, Unreachable
from askwise.export import whole
from askwise.model import load, of, read_card, save
from askwise.monitor.watch import Monitor
from askwise.options import option

FORMAT = 1
"""Of the file; rises when a program of today would misread it."""
WAIT = 30.0
"""Seconds that a second writer waits for the first."""
LOTS = 1000
"""Lots by which it is known that one comes again; the oldest are forgotten."""


@dataclass(frozen=True)
class Check:
    """A random check that waits for a person."""

    number: int
    """Of the item among all that the monitor has taken."""
    item: Any
    """As a widget shows it: a text, two, column → value, or the name of a file."""
    row: Mapping[str, Any]
    """The row of the data that it came in."""
    digest: str
    """Of the item, hex: an equal one tells its guess."""


@dataclass(frozen=True)
class Lot:
    """What is said of items that came together; of checks, and of items equal to one that waits, nothing."""

    first: int
    """Number of the first of them."""
    labels: list[Label]
    """(n,) by the model; "" where nothing is said."""
    confidence: Array
    """(n,) in 0..1; NaN where nothing is said."""
    ask: Array
    """(n,) bool: a person is to label it."""
    checks: list[int | None]
    """(n,) number of the check that it is, or equals."""
    again: bool
    """The same lot was taken before: it is said again, and counted once."""


class Kept:
    """A monitor in a file; `begin` makes one, `open` finds it again.

    What changes it stands in `with kept.changing():`, which takes what other processes have written meanwhile, and
    writes the file whole when the block ends well.

    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from askwise.model import Model
    >>> texts = [f"{'win a prize' if i % 2 else 'see you'} {i}" for i in range(300)]
    >>> folder = Path(tempfile.mkdtemp())
    >>> model = Model("tfidf").fit(texts[:100], ["spam" if i % 2 else "ham" for i in range(100)])
    >>> _ = model.save(folder / "m.skops")
    >>> kept = Kept.begin(folder / "m.json", model, "m.skops", None, max_error=0.2, least=0.5, check_share=0.5)
    >>> with kept.changing():
    ...     lot = kept.take(texts[100:], [{} for _ in texts[100:]], "january")
    ...     for check in kept.waiting():
    ...         kept.tell(check.number, "spam" if "prize" in check.item else "ham")
    >>> kept.monitor.verdict
    'still holds'
    """

    def __init__(self, place: Path, model: Any, model_file: str, digest: str, title: str) -> None:
        self.place, self.model, self.model_file, self.digest, self.title = place, model, model_file, digest, title
        self.monitor: Monitor
        self._waiting: dict[int, Check] = {}
        self._lots: list[tuple[str, str, int]] = []
        """(name, digest, number of the first item) of the lots taken."""

    # ── in the file ─────────────────────────────────────────────────────────────────────────

    @classmethod
    def begin(
        cls, place: str | Path, model: Any, model_file: str, reference: Any, *, title: str = "", **terms: Any
    ) -> Kept:
        """Begin a monitor.

        Args:
            place: The file, which must not be there.
            model: Fitted, and saved.
            model_file: Where it lies, as seen from the file's folder.
            reference: See `Monitor`.
            title: For people.
            terms: See `Monitor`.

        Raises:
            BadInput: The file is there, or what `Monitor` raises.
            CannotWrite: No room, no permission, no such folder.
        """
        if model.item_kind.features:
            raise BadInput(
                "This model takes rows of features, which no person can look at in a file. Watch it from Python: "
                "askwise.monitor.Monitor(model, reference, …)."
            )
        place = Path(place)
        digest = read_card(place.parent / model_file).digest
        self = cls(place, model, model_file, digest, title or (model.card.title if model.card else ""))
        self.monitor = Monitor(model, reference, **terms)
        with _locked(self.place):
            free(self.place)
            self._write()
        return self

    @classmethod
    def open(cls, place: str | Path, *, trusted: Sequence[str] = (), like: Kept | None = None) -> Kept:
        """A monitor in a file, with its model, which lies where the file says.

        Args:
            place: The file.
            trusted: See `model.load`.
            like: The same monitor, open already: its model is taken, where the file still names it. One object is for
                one thread.

        Raises:
            BadInput: No such file, no monitor, damaged, or its model is another, not there, or not trusted.
        """
        place = Path(place)
        data = _read(place)
        file, digest = data["model"]["file"], data["model"]["digest"]
        if like is None or like.digest != digest:
            if read_card(place.parent / file).digest != digest:
                raise BadInput(f"{file!r} is not the model that {place.name!r} watches, which has another digest.")
            model = load(place.parent / file, trusted=trusted)
        else:
            model = like.model
        self = cls(place, model, file, digest, data["title"])
        self._take_in(data)
        return self

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Read what is there now, then change it, then write it; nothing is written where the block raises.

        Raises:
            Unreachable: Another process is changing it, and does not end.
            CannotWrite: No room, no permission.
        """
        with _locked(self.place):
            self._take_in(_read(self.place))
            yield
            self._write()

    def look(self) -> None:
        """Take in what others have written."""
        self._take_in(_read(self.place))

    def _write(self) -> None:
        data = {
            "askwise monitor": FORMAT,
            "title": self.title,
            "model": {"file": self.model_file, "digest": self.digest},
            "monitor": json.loads(self.monitor.to_json()),
            "waiting": [asdict(check) for check in self._waiting.values()],
            "lots": self._lots,
        }
        with whole(self.place) as file:
            json.dump(data, file, ensure_ascii=False)

    def _take_in(self, data: dict[str, Any]) -> None:
        monitor = Monitor.from_json(json.dumps(data["monitor"]), self.model)
        waiting = {one["number"]: Check(**one) for one in data["waiting"]}
        if list(waiting) != monitor.waiting():
            raise _damaged(self.place, "checks")
        self.monitor, self._waiting = monitor, waiting
        self._lots = [(name, digest, first) for name, digest, first in data["lots"]]

    # ── new items, and answers ──────────────────────────────────────────────────────────────

    def waiting(self) -> list[Check]:
        """The checks that nobody has answered, in the order of their numbers."""
        return list(self._waiting.values())

    def take(
        self, items: Sequence[Any], rows: Sequence[Mapping[str, Any]], name: str = "", *, again: bool = False
    ) -> Lot:
        """Take new items in; the same under the same name is taken once, so a kill costs nothing.

        Args:
            items: (n,) as the model takes them, in the order in which they came.
            rows: (n,) JSON-able, for who labels a check.
            name: Of the lot; "" = of none, and it is always taken.
            again: Take it as new items, though it has come before.

        Raises:
            BadInput: They are not what the model takes.
        """
        kind = self.model.item_kind
        digests = kind.digests(items)
        digest = hashlib.sha256(b"".join(digests)).hexdigest()
        before = next((lot for lot in self._lots if lot[:2] == (name, digest)), None) if name and not again else None
        if before is not None:
            taken = self.monitor.repeat(items, before[2])
        else:
            taken = self.monitor.take(items)
            self._lots = [*self._lots, (name, digest, taken.numbers.start)][-LOTS:] if name else self._lots
            for number in taken.checks:
                at = number - taken.numbers.start
                item = items[at].name if kind.files else kind.packed(items[at])
                self._waiting[number] = Check(number, item, rows[at], digests[at].hex())
        open_ = {check.digest: check.number for check in self._waiting.values()}
        checks: list[int | None] = [open_.get(one.hex()) for one in digests]
        for number in taken.checks:
            checks[number - taken.numbers.start] = number
        labels, sure, ask = list(taken.labels), taken.confidence.copy(), taken.ask.copy()
        for at, check in enumerate(checks):
            if check is not None:
                labels[at], sure[at], ask[at] = "", float("nan"), True
        return Lot(taken.numbers.start, labels, sure, ask, checks, before is not None)

    def hides(self, items: Sequence[Any]) -> Array:
        """(n,) bool: whether an item equals one that waits for a person, so that its guess is told to nobody."""
        open_ = {check.digest for check in self._waiting.values()}
        return np.array([one.hex() in open_ for one in self.model.item_kind.digests(items)], bool)

    def tell(self, number: int, label: Any, *, new: bool = False) -> None:
        """What a person who did not see the guess says of a check; see `Monitor.tell`.

        Raises:
            BadInput: It is no check, or no answer to it.
        """
        check = self._waiting.get(number)
        self.monitor.tell(number, label, new=new, content=None if check is None else check.item)
        self._waiting.pop(number, None)


def of_session(
    session: Any,
    place: str | Path,
    reference: Any,
    *,
    max_error: float | None = None,
    least: float | None = None,
    planned: tuple[int, int] | None = None,
    trusted: Sequence[str] = (),
    **terms: Any,
) -> Kept:
    """Begin a monitor of a session's model, which is saved beside it (`.skops`) as `askwise model` does.

    Nobody is blind to the model's guesses from then on: no certificate can hand over what is open now.

    Args:
        session: With a model.
        place: The file of the monitor, which must not be there.
        reference: See `Monitor`.
        max_error: See `Monitor`; None = as the newest certificate that stands, else as the session plans with.
        least: See `Monitor`; None = as sure as of what was certified. Where no certificate stands: so sure that, by the
            model's own word, half as many of the session's open items would be wrong as may be. That is a plan.
        planned: See `Monitor`; None = of the newest certificate that stands.
        trusted: See `model.load`.
        terms: See `Monitor`.

    Raises:
        BadInput: No model, blind checks are under way, something lies there already, or what `Monitor` raises.
        CannotWrite: No room, no permission.
        MissingExtra: skops is not installed.
    """
    place = Path(place)
    saved = place.with_suffix(".skops")
    for path in (place, saved):
        free(path)
    standing = [one for one in session.certificates() if not one.void and one.target != "recall"]
    if max_error is None:
        max_error = standing[-1].max_error if standing else session.settings["max_error"]
    if planned is None:
        planned = (standing[-1].audits, standing[-1].wrong) if standing else (0, 0)
    with tempfile.TemporaryDirectory(prefix="askwise-") as folder:
        # Once the model is taken, what is open cannot be certified any more; so all of it is tried first.
        tried = Path(folder) / saved.name
        of(session, shown=False).save(tried)
        model = load(tried, trusted=trusted)
        if least is None and not standing:
            least = _planned_least(session, max_error)
        terms |= {"max_error": max_error, "least": least, "planned": planned}
        Kept.begin(Path(folder) / place.name, model, saved.name, reference, **terms)
    save(session, saved)
    return Kept.begin(place, load(saved, trusted=trusted), saved.name, reference, **terms)


def _planned_least(session: Any, max_error: float) -> float:
    """See `of_session`."""
    _, sure = session.predictions()
    rest = session.look(lambda s: s.rest())
    found = np.sort(sure[rest if rest.any() else slice(None)].astype(np.float64))[::-1]
    found = found[np.isfinite(found)]
    good = np.flatnonzero(np.cumsum(1 - found) <= max_error / 2 * np.arange(1, len(found) + 1))
    if not len(good):
        raise BadInput(
            "No certificate stands, and the model is sure enough of no item of the session to be let alone. Label "
            f"more, or say how sure it must be to label an item: {option('least', 0.9)}."
        )
    return float(found[good[-1]])


def free(place: Path) -> None:
    """Refuse a place where something lies.

    Raises:
        BadInput: See above.
    """
    if place.exists():
        raise BadInput(f"{str(place)!r} is there already, and stays as it is. Give another name, or remove it first.")


# ── small things ────────────────────────────────────────────────────────────────────────────


def _damaged(place: Path, what: object) -> BadInput:
    return BadInput(f"{place.name!r} is no monitor that can be read ({what}). Give the file that was begun with.")


def _read(place: Path) -> dict[str, Any]:
    """What lies in the file, as far as it can be used without the model."""
    try:
        data = json.loads(place.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"No file {str(place)!r}. Begin one: askwise monitor begin SESSION {place}") from None
    except OSError as error:
        raise BadInput(f"Cannot read {str(place)!r}: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise _damaged(place, "it is not JSON") from None
    if not isinstance(data, dict) or type(data.get("askwise monitor")) is not int:
        raise _damaged(place, "it says nothing of one")
    if data["askwise monitor"] > FORMAT:
        raise BadInput(f"{str(place)!r} was written by a newer Askwise. Upgrade: `pip install --upgrade askwise`.")
    try:
        fits = isinstance(data["title"], str) and isinstance(data["monitor"], dict)
        fits &= isinstance(data["waiting"], list) and isinstance(data["lots"], list)
        fits &= all(isinstance(data["model"][name], str) for name in ("file", "digest"))
        for one in data["waiting"]:
            fits &= (
                set(one) == {"number", "item", "row", "digest"}
                and type(one["number"]) is int
                and isinstance(one["row"], dict)
                and isinstance(one["digest"], str)
            )
        for name, digest, first in data["lots"]:
            fits &= isinstance(name, str) and isinstance(digest, str) and type(first) is int and first >= 0
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(place, error) from None
    if not fits:
        raise _damaged(place, "its parts do not belong together")
    return data


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Be the one who changes a file; what ends the process gives the lock back."""
    name = place.with_name(f".{place.name}.lock")
    try:
        handle = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise CannotWrite(
            f"Cannot write beside {place.name!r}: {error.strerror}. Choose a folder that is there and can be written."
        ) from error
    try:
        until = time.monotonic() + WAIT
        while not _lock(handle):
            if time.monotonic() > until:
                raise Unreachable(f"Another process works with {place.name!r}. Try again when it has ended.")
            time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
