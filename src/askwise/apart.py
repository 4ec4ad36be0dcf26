"""Learning in a process of its own, so that a web server's threads need not wait for a model."""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np

from askwise import features, hints, notices, rounds, signals
from askwise.core import Array, AskwiseError, Learner, Matrix, Unreachable
from askwise.strategies import Strategy
from askwise.tasks import Opinion, Task

PARTS = ("data", "indices", "indptr")
"""Of a sparse matrix, each kept in a file of its own."""
BEAT = 1.0
"""Seconds between two signs of life of the process while it works."""
SILENCE = 30.0
"""Without one for so long it hangs: stopped, or stuck in code that lets nothing else run; then it is replaced."""
STARTING = 4.0
"""So many times as long may pass before the first of a process, which loads its libraries before."""
PATIENCE, TIMES = 3600.0, 20.0
"""Alive, it may take so many seconds for an answer, or so many times the longest that one of the kind has taken."""
NICE = 5
"""How much the process stands back where the processor is short: answers come first."""


class CannotTravel(AskwiseError):
    """An encoder, learner or strategy cannot be sent to another process."""


class Apart:
    """A process that encodes, fits, scores and ranks; the features lie in files that both processes map.

    The process is started by the first call and ends when this one closes it or is gone, whatever ended it. Where it
    ends by itself, or is ended because it hangs, the call under way raises `Unreachable` and the next one starts
    another, which is given twice the time: what is only slow gets through in the end.

    Args:
        learner: Fitted there; the one here stays as it is.
        strategy: Ranks.
        X: (n, d) features of the pool, dense or CSR; None = to be made there.
        encoder: Makes them of `contents`.
        contents: The items.
    """

    def __init__(
        self,
        learner: Learner,
        strategy: Strategy,
        *,
        X: Matrix | None = None,
        encoder: Any = None,
        contents: Sequence[Any] = (),
    ) -> None:
        self._parts = learner, strategy
        self._X, self._encoder, self._contents = X, encoder, contents
        self._encoded = X is None
        """Whether the encoder that knows the pool is there, not here."""
        self._folder: Path | None = None
        self._kept: Any = None  # where the features are
        self.waiting = False
        """Whether features are missing that the encoder there has put off."""
        self.blocks: Mapping[str, int] = {}
        """Columns of each encoder, where several stand side by side."""
        self._files = 0  # how often such files were written
        self._fit: int | None = None  # of how many items the encoder learned; None = of all
        self._sent = 0  # how many items it knows
        self._knows = False  # whether the encoder that runs has learned
        self._process: subprocess.Popen[bytes] | None = None
        self._pipes: tuple[IO[bytes], ...] = ()
        self._closed = False
        self._lock = threading.RLock()
        self._heard = 0.0  # when the last sign of life came
        self._hung = ""  # why it was ended here, if it was
        self._grace = 1.0  # times the patience, after it was ended for nothing
        self._longest: dict[str, float] = {}  # verb → seconds that one has taken

    def features(self, contents: Sequence[Any] | None = None, fit: int | None = None) -> Matrix:
        """(n, d) features of the pool, mapped from their files; encodes on the first call, and what came since.

        Args:
            contents: The items as they are now; None = as at the start.
            fit: How many of them, the first ones, an encoder learns from that does; None = all.

        Raises:
            CannotTravel: There is something that no other process can get.
            Unreachable: The process ended.
        """
        with self._lock:
            if contents is not None:
                self._contents = contents
            if self._kept is None:
                self._fit = fit
                self._answer("features")
            learns = hasattr(self._encoder, "fit") and self._encoded
            lost = self.waiting and self._process is None  # what the process that has ended was at
            anew = learns and fit is not None and (fit != self._fit or lost)
            have = cast(Matrix, self._X).shape[0]
            if contents is not None and self._encoded and (anew or have < len(contents)):
                if self._process is None:
                    self._answer("features")  # starts one, whose encoder has learned nothing
                old = 0 if anew else have
                learn = list(contents[:fit]) if learns and (anew or not self._knows) else None
                made: _Made = self._answer("grow", list(contents[old:]), learn, bool(old), self._next())
                self._moved(made.kept)
                self._fit, self._knows, self.waiting, self.blocks = fit, True, made.waiting, made.blocks
            found: Matrix = self._X
            return found

    def encode_on(self) -> bool:
        """Let it make some of what was put off; whether that was the last of it, and `features` are others now.

        Raises:
            CannotTravel, Unreachable: As `features`.
        """
        with self._lock:
            if self._process is None:
                return False  # `features` makes up for it
            made: _Made | None = self._answer("encode_on", self._next())
            if made is None:
                return False
            self._moved(made.kept)
            self.waiting, self.blocks = made.waiting, made.blocks
            return True

    def replace(self, X: Matrix) -> None:
        """Give it other features: those of a pool that has grown, where they are not made there.

        Args:
            X: (n, d), dense or CSR.

        Raises:
            CannotTravel, Unreachable: As `features`.
        """
        with self._lock:
            if self._kept is None:
                self._X = X
                return
            if self._folder is None:
                raise CannotTravel("The process was ended here.")
            kept = _keep(X, self._folder, self._next())
            self._moved(kept)
            if self._process is not None:
                self._answer("moved", kept)

    def _next(self) -> int:
        self._files += 1
        return self._files

    def _moved(self, kept: Any) -> None:
        """The features are in other files from now on; those before go when nobody has them open."""
        before, self._kept, self._X = self._kept, kept, _mapped(kept)
        if before is not None and before[0] != "there" and self._folder is not None:
            for path in _files(before, self._folder):
                with contextlib.suppress(OSError):  # Windows keeps them; they go with their folder
                    path.unlink()

    def learn(self, round_: rounds.Round) -> rounds.Learned:
        """`rounds.learn` on these features.

        Raises:
            CannotTravel, Unreachable: As `features`.
        """
        with self._lock:
            if self._process is not None and rounds.reads_items(self._parts[0]) and not self._encoded:
                self._answer("read_on", list(self._contents[self._sent :]))
                self._sent = len(self._contents)
            found: rounds.Learned = self._answer("learn", round_)
            return found

    def compute(self, task: Callable[..., Any], *args: Any) -> Any:
        """What a function of a module, or a method, makes of the arguments.

        Raises:
            CannotTravel, Unreachable: As `features`.
        """
        return self._answer("compute", task, *args)

    def compare(self, sample: Any, learner: Learner, seed: int) -> Any:
        """`advice.Sample.compare` on these features, with another learner.

        Raises:
            CannotTravel, Unreachable: As `features`.
        """
        return self._answer("compare", sample, learner, seed)

    def guess(self, contents: Sequence[Any], task: Task, labels: int) -> Opinion | None:
        """What the newest model says of other items; None where there is none.

        Args:
            contents: The items.
            task: What it learned to answer.
            labels: How many the session has.

        Raises:
            CannotTravel, Unreachable: As `features`.
        """
        if self._encoder is None:
            return None
        there = self._encoded or rounds.reads_items(self._parts[0])
        given = ("contents", list(contents)) if there else ("features", self._encoder.encode(list(contents)))
        found: Opinion | None = self._answer("guess", *given, task, labels)
        return found

    def encode(self, contents: Sequence[Any]) -> Matrix:
        """(m, d) features of other items.

        Raises:
            CannotTravel, Unreachable: As `features`.
        """
        if not self._encoded:
            return self._encoder.encode(list(contents))
        return self._answer("encode", list(contents))

    def guess_at(self, X: Matrix, task: Task, labels: int) -> Opinion | None:
        """As `guess`, of features."""
        found: Opinion | None = self._answer("guess", "features", X, task, labels)
        return found

    def guess_pool(self, task: Task, labels: int) -> Opinion | None:
        """As `guess`, of the features of the pool, in the blocks in which `learn` asks about them."""
        found: Opinion | None = self._answer("guess_pool", task, labels)
        return found

    def parts(self) -> tuple[Any, Any]:
        """(encoder that knows the pool, None where it is here; learner as it has learned, without its data)."""
        found: tuple[Any, Any] = self._answer("parts")
        return found

    def close(self) -> None:
        """End the process for good; its files go."""
        with self._lock:
            self._closed = True
            self._end()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = self._kept = None

    @property
    def makes(self) -> bool:
        """Whether the features are made there, not given to it."""
        return self._encoded

    @property
    def pid(self) -> int | None:
        """Number of the process; None where none runs."""
        return None if self._process is None else self._process.pid

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _answer(self, verb: str, *args: Any) -> Any:
        with self._lock:
            if self._process is None:
                begun = self._exchange(self._begin)
                if isinstance(begun, _Failed):
                    self._end()  # it knows nothing
                    raise begun.error
                if self._kept is None:
                    self._kept, self.waiting, self.blocks = begun
                    self._X = _mapped(self._kept)
            found = self._exchange(lambda: (verb, *args))
            if isinstance(found, _Failed):
                raise found.error
            return found

    def _begin(self) -> tuple[Any, ...]:
        """Start a process; gives what it is to know."""
        if self._closed:
            raise CannotTravel("The process was ended here.")
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="askwise-features-"))
        if self._kept is None and self._X is not None:
            self._kept = _keep(self._X, self._folder, self._next())
            self._X = _mapped(self._kept)
        process = subprocess.Popen(
            [sys.executable, "-c", "from askwise import apart; apart.serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl+C in the terminal is for this process, which ends that one when it has finished.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._process, self._pipes = process, (cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout))
        _send(self._pipes[0], pickle.dumps((sys.path, str(self._folder), BEAT)))  # before what lies on that path
        encoder = self._encoder if self._encoded else None
        contents = list(self._contents) if self._encoded or rounds.reads_items(self._parts[0]) else None
        self._sent = len(contents or ())
        self._knows = contents is not None
        return "begin", *self._parts, self._kept, encoder, contents, self._fit

    def _exchange(self, message: Callable[[], tuple[Any, ...]]) -> Any:
        """The answer; `_Failed` where the other process met an error."""
        try:
            try:
                said = message()
            except OSError as error:  # no room for the features, no file or process to be had
                self._end()
                raise Unreachable(
                    f"The process that trains the model cannot be started: {error.strerror}. Make room on the machine; "
                    "it is tried again. Answers are saved as before."
                ) from error
            try:
                packed = pickle.dumps(said, pickle.HIGHEST_PROTOCOL)
            except Exception as error:  # pickle raises whatever an object does
                raise CannotTravel(f"{type(error).__name__}: {error}") from error
            to, back = self._pipes
            with self._watched(said[0]):
                _send(to, packed)
                while True:
                    found = pickle.loads(_receive(back, self._beat))  # noqa: S301 - from the process that we started
                    if not isinstance(found, notices.Work):
                        return found
                    self._beat()
                    notices.tell(found)
        except (OSError, EOFError):
            code = self._end()
            what, self._hung = self._hung or f"has ended ({_said(code)})", ""
            raise Unreachable(
                f"The process that trains the model {what}; the next one starts by itself. Answers are saved as before."
            ) from None
        except BaseException:  # Ctrl+C, too: what comes next on the pipe would answer another question
            self._end()
            raise

    def _beat(self) -> None:
        self._heard = time.monotonic()

    @contextlib.contextmanager
    def _watched(self, verb: str) -> Iterator[None]:
        """End the process where it hangs: what waits at the pipe gets to know it by that."""
        process, done = self._process, threading.Event()
        started = self._heard = time.monotonic()
        silence = SILENCE * self._grace * (STARTING if verb == "begin" else 1.0)
        allowed = max(PATIENCE, TIMES * self._longest.get(verb, 0.0)) * self._grace

        def watch() -> None:
            while not done.wait(min(1.0, silence / 4)):
                now = time.monotonic()
                if now - self._heard > silence:
                    self._hung = f"gave no sign of life for {silence:.0f} seconds and was ended"
                elif now - started > allowed:
                    self._hung = f"took longer than {allowed:.0f} seconds and was ended"
                else:
                    continue
                self._grace *= 2
                if process is not None:
                    process.kill()
                return

        watcher = threading.Thread(target=watch, name="askwise-apart-watch", daemon=True)
        watcher.start()
        try:
            yield
            self._grace = 1.0
            self._longest[verb] = max(self._longest.get(verb, 0.0), time.monotonic() - started)
        finally:
            done.set()
            watcher.join()

    def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        for stream in self._pipes:
            with contextlib.suppress(OSError):  # what could not be sent to it any more
                stream.close()
        try:
            return process.wait(2)
        except subprocess.TimeoutExpired:  # in the middle of something that holds the interpreter
            process.kill()
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:  # the system itself does not let it go, as on a network drive that hangs
            return None


class _Made(NamedTuple):
    """Features that the other process has made."""

    kept: Any
    """Where they are."""
    waiting: bool
    """Whether some are missing that the encoder has put off."""
    blocks: Mapping[str, int]
    """Columns of each encoder, where several stand side by side."""


@dataclass(frozen=True)
class _Failed:
    """An error that the other process met."""

    error: Exception


def _said(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    return f"signal {-code}{', perhaps by the system for want of memory' if code == -9 else ''}"


# ── features in files ───────────────────────────────────────────────────────────────────────


def _keep(X: Any, folder: Path, number: int = 0) -> Any:
    """Put features where two processes can map them, into files of a number not used before; says where."""
    if isinstance(X, np.memmap) and isinstance(getattr(X, "base", None), mmap.mmap) and X.filename is not None:
        order = "C" if X.flags.c_contiguous else "F"
        return "there", str(X.filename), str(X.dtype), X.shape, int(X.offset), order
    if hasattr(X, "tocsr"):
        kept: Any = "sparse", number, str(folder), X.shape
        for path, name in zip(_files(kept, folder), PARTS, strict=True):
            np.save(path, getattr(X, name))
        return kept
    kept = "dense", number, str(folder)
    np.save(_files(kept, folder)[0], X)
    return kept


def _files(kept: Any, folder: Path) -> list[Path]:
    """The files that `_keep` has written."""
    return [folder / f"{name}-{kept[1]}.npy" for name in (PARTS if kept[0] == "sparse" else ("features",))]


def _mapped(kept: Any) -> Matrix:
    what, place, *more = kept
    if what == "there":
        dtype, shape, offset, order = more
        return np.memmap(place, dtype, "r", offset, shape, order)
    found = tuple(np.load(path, mmap_mode="r") for path in _files(kept, Path(more[0])))
    if what == "dense":
        return found[0]
    from scipy import sparse

    return sparse.csr_matrix(found, more[1])


# ── the other process ───────────────────────────────────────────────────────────────────────


class _There:
    """What the process knows."""

    learner: Learner
    strategy: Strategy
    encoder: Any
    X: Matrix
    contents: list[Any]
    """The items, where features are made here or the learner reads them."""
    learned_from: list[Any]
    """Items that the encoder learns from, if it does."""
    knows_pool = False
    dense: Array | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.near = hints.Nearest()

    def reply(self, packed: bytes) -> bytes:
        """The answer to a message."""
        try:
            verb, *args = pickle.loads(packed)  # noqa: S301 - from the process that started this one
        except Exception as error:  # noqa: BLE001 - what is not to be found here can be anything
            return pickle.dumps(_Failed(CannotTravel(f"{type(error).__name__}: {error}")))
        try:
            return pickle.dumps(getattr(self, verb)(*args), pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001 - it is raised where the question came from
            return pickle.dumps(_Failed(_sendable(error)))

    def begin(
        self,
        learner: Learner,
        strategy: Strategy,
        kept: Any,
        encoder: Any,
        contents: list[Any] | None,
        fit: int | None,
    ) -> _Made:
        self.learner, self.strategy, self.encoder = learner, strategy, encoder
        self.learned_from, self.contents = (contents or [])[:fit], contents or []
        if kept is None:
            made = rounds.encoded(encoder, contents or [], fit=fit, put_off=True)
            kept, self.knows_pool = _keep(made, self.folder), True
        self.X = _mapped(kept)
        return self._made(kept)

    def _made(self, kept: Any) -> _Made:
        return _Made(kept, bool(getattr(self.encoder, "waiting", False)), getattr(self.encoder, "blocks", {}))

    def encode_on(self, number: int) -> _Made | None:
        """Make some of what was put off; says where the features are once all of it is made."""
        X = self.encoder.encode_on(self.contents, self.X, rounds.SLICE)
        if X is None:
            return None
        kept = _keep(X, self.folder, number)
        self.moved(kept)
        return self._made(kept)

    def grow(self, new: list[Any], learn: list[Any] | None, behind: bool, number: int) -> _Made:
        """Encode items that came later, behind those that are there, or all anew; says where the features are."""
        if learn is not None:
            self.learned_from, self.knows_pool = learn, False
        self.contents = self.contents + new if behind else new
        X = self._fitted().encode(new)
        if behind:
            X = features.joined(self.X, X)
        kept = _keep(X, self.folder, number)
        self.moved(kept)
        return self._made(kept)

    def read_on(self, new: list[Any]) -> None:
        """Items that came later, whose features are made elsewhere."""
        self.contents += new

    def moved(self, kept: Any) -> None:
        """The features are in other files."""
        self.X, self.dense, self.near = _mapped(kept), None, hints.Nearest()

    def features(self) -> None:
        """They are there since `begin`."""

    def learn(self, round_: rounds.Round) -> rounds.Learned:
        near = partial(self.near, X=self.X, encode=self.encode)
        return rounds.learn(round_, self.X, self.learner, self.strategy, self._dense, self.contents, near)

    def compute(self, task: Callable[..., Any], *args: Any) -> Any:
        return task(*args)

    def compare(self, sample: Any, learner: Learner, seed: int) -> Any:
        return sample.compare(self.X, learner, seed)

    def guess(self, what: str, given: Any, task: Task, labels: int) -> Opinion | None:
        if not task.fitted(self.learner):
            return None
        items = rounds.reads_items(self.learner)
        if what == "contents":
            given = rounds.Read(given) if items else self.encode(given)
        return rounds.opinion_of(task, self.learner, given, labels)

    def guess_pool(self, task: Task, labels: int) -> Opinion | None:
        return rounds.opinion_of(task, self.learner, rounds.rows_for(self.learner, self.contents, self.X), labels)

    def encode(self, contents: list[Any]) -> Matrix:
        return self._fitted().encode(contents)

    def parts(self) -> tuple[Any, Any]:
        slim = self.learner.for_prediction() if hasattr(self.learner, "for_prediction") else self.learner
        return self._fitted(), slim

    def _fitted(self) -> Any:
        """The encoder, which learns anew where this process took over the features of one that has ended."""
        fit = getattr(self.encoder, "fit", None)
        if fit is not None and not self.knows_pool:
            fit(self.learned_from)
        self.knows_pool = True
        return self.encoder

    def _dense(self) -> Array:
        if self.dense is None:
            self.dense = signals.project(self.X)
        return self.dense


def serve() -> None:
    """Answer what comes in on standard input until it ends."""
    came, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what an encoder prints must not get between the answers
    if sys.platform != "win32":
        os.nice(NICE)
    sys.path[:], folder, beat = pickle.loads(_receive(came))  # noqa: S301 - from the process that started this one
    there, waiting = _There(Path(folder)), queue.SimpleQueue[bytes]()
    notices.quiet()
    lock, busy = threading.Lock(), threading.Event()

    def tell(work: notices.Work) -> None:
        with lock:  # an encoder may tell how far it is from a thread of its own
            if busy.is_set():  # else nobody listens: what comes next on the pipe would be taken for an answer
                _send(out, pickle.dumps(work))

    after = contextlib.ExitStack()
    after.enter_context(notices.following(tell))
    threading.Thread(target=_listen, args=(came, waiting, folder), daemon=True).start()
    alive = _Alive(out, beat, lock)
    while True:
        packed = waiting.get()
        try:
            with alive:
                busy.set()
                answer = there.reply(packed)
                busy.clear()
            with lock:
                _send(out, answer)
        except OSError:
            return


class _Alive:
    """Sends signs of life from a thread of its own while something is worked at; at other times nobody reads them."""

    def __init__(self, out: IO[bytes], every: float, lock: threading.Lock) -> None:
        self._out, self._every, self._lock = out, every, lock

    def __enter__(self) -> None:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _send(self) -> None:
        with contextlib.suppress(OSError):  # who is gone is noticed where messages come in
            while not self._done.wait(self._every):
                with self._lock:
                    _send(self._out, b"")


def _listen(came: IO[bytes], waiting: queue.SimpleQueue[bytes], folder: str) -> None:
    """Pass messages on; end the process where who sends them is gone, even in the middle of work."""
    with contextlib.suppress(EOFError):
        while True:
            waiting.put(_receive(came))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _send(stream: IO[bytes], packed: bytes) -> None:
    stream.write(len(packed).to_bytes(8, "big"))
    stream.write(packed)
    stream.flush()


def _receive(stream: IO[bytes], beat: Callable[[], None] = lambda: None) -> bytes:
    """What `_send` sent; calls `beat` for each sign of life that comes before it.

    Raises:
        EOFError: The stream has ended.
    """
    while (size := stream.read(8)) == bytes(8):
        beat()
    packed = stream.read(int.from_bytes(size, "big")) if len(size) == 8 else b""
    if not packed or len(packed) < int.from_bytes(size, "big"):
        raise EOFError
    return packed


def _sendable(error: Exception) -> Exception:
    """An error that arrives as what it was, with its traceback; else as its text."""
    error.add_note("In the process that trains the model:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - some errors cannot be made again from their arguments
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
