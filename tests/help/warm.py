"""Programs of ours that start from a process which has loaded everything already.

A test that starts `python -m askwise` waits a second or two until its libraries are loaded, and so does each process
that the program starts itself. Where `install()` was called, such a program is a fork of one that has loaded them: a
process of its own, that has its own arguments, surroundings, folder, pipes and session, can be signaled and killed, and
runs the same code from `main` on. So are the processes that `multiprocessing` spawns. Everything else is started as
ever, and so is all where the system cannot fork, or where a test asks for it (`cold`).
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import io
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from multiprocessing import popen_spawn_posix, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Several modules run at a time, and two threads for each product of small matrices only stand in each other's way. This
# is read when NumPy loads its library: by this process, if `conftest.py` comes first, and by all that tests start.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

PLACE = "ASKWISE_TEST_WARM"
"""In the environment: the socket at which such a process is asked for."""
LOADED = (
    "askwise.cli", "askwise.session", "askwise.apart", "askwise.verification", "askwise.model", "askwise.simulation",
    "askwise.report", "askwise.app.serve", "askwise.app.team", "askwise.app.projects", "askwise.app.uploads",
    "askwise.app.reading", "askwise.app.accounts", "argon2", "sklearn.feature_extraction.text", "sklearn.utils.extmath",
    "charset_normalizer", "rispy", "zstandard", "pyarrow.parquet", "openpyxl", "PIL.Image", "PIL.PngImagePlugin",
    "PIL.JpegImagePlugin", "psycopg", "rich.text",
)  # fmt: skip
CODES = (
    "from askwise import apart; apart.serve()",
    "reading.wait_for_a_file()",
    "from askwise.cli import main; main()",
)
"""How the code ends that our own programs, and tests, give to `python -c`."""
MARK = "# A process that has loaded everything may run this.\n"
"""How other code begins that tests give to `python -c`, and that is not about its own start."""
_numbers = struct.Struct("!i")
_cold, _cold_spawn = subprocess.Popen, util.spawnv_passfds


def fits(args: Any) -> list[str] | None:
    """The arguments where a warm process can stand for this command."""
    if isinstance(args, (str, bytes, os.PathLike)) or not isinstance(args, (list, tuple)) or len(args) < 3:
        return None
    command = [os.fspath(one) for one in args]
    if not all(isinstance(one, str) for one in command) or command[0] != sys.executable:
        return None
    module = command[1:3] == ["-m", "askwise"]
    ours = len(command) == 3 and command[2].endswith(CODES)
    code = command[1] == "-c" and (ours or command[2].startswith(MARK))
    return command[1:] if module or code else None


def _python(env: Mapping[str, str]) -> dict[str, str]:
    """What Python is told there. It reads that at its start alone."""
    return {name: value for name, value in env.items() if name.startswith("PYTHON")}


class Warm:
    """What this process knows of the one that has loaded everything."""

    place = os.environ.get(PLACE, "")
    """Its socket; empty where there is none yet."""
    starts = False
    """Whether it may be started from here."""
    wanted = True


class Popen(_cold):
    """`subprocess.Popen`, warm where it can be."""

    _line: socket.socket | None = None

    def _execute_child(self, *given: Any) -> None:
        taken = inspect.signature(_cold._execute_child).bind(self, *given).arguments  # type: ignore[attr-defined]
        command, env = fits(taken["args"]), taken["env"]
        env = dict(os.environ if env is None else env)
        plain = taken["preexec_fn"] is None and not (taken["pass_fds"] or taken["shell"])
        if command is None or not plain or not Warm.wanted or _python(env) != _python(os.environ) or not there():
            super()._execute_child(*given)  # type: ignore[misc]
            return
        wanted = {
            "args": command, "cwd": os.fspath(taken["cwd"] or Path.cwd()), "env": env | {PLACE: Warm.place},
            "session": taken["start_new_session"],
        }  # fmt: skip
        ours = [taken[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        self._line = asked(Warm.place, wanted, [i if one == -1 else one for i, one in enumerate(ours)])
        self.pid = _number(self._line)
        self._child_created = True
        self._close_pipe_fds(*(taken[n] for n in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")))  # type: ignore[attr-defined]

    def _ended(self, seconds: float | None) -> bool:
        """Whether it has, after so many seconds at most."""
        if self.returncode is not None or self._line is None:
            return self.returncode is not None
        if not select.select([self._line], [], [], seconds)[0]:
            return False
        with self._waitpid_lock:  # type: ignore[attr-defined]
            if self.returncode is None:
                self.returncode = _number(self._line)
                self._line.close()
        return True

    def _internal_poll(self, *args: Any, **more: Any) -> int | None:
        if self._line is None:
            return super()._internal_poll(*args, **more)  # type: ignore[misc,no-any-return]
        self._ended(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int | None:
        if self._line is None:
            return super()._wait(timeout)  # type: ignore[misc,no-any-return]
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode


class Spawned(popen_spawn_posix.Popen):
    """A process that `multiprocessing` spawns, warm where it can be."""

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        line = _spawned.get(self.pid)
        if line is None:
            return super().poll(flag)  # type: ignore[no-any-return]
        if flag == os.WNOHANG and not select.select([line], [], [], 0)[0]:
            return None
        self.returncode = _number(line)
        _spawned.pop(self.pid).close()
        return self.returncode


_spawned: dict[int, socket.socket] = {}
"""The lines of warm processes that `multiprocessing` knows by their number."""


def spawned(path: bytes, args: Sequence[str], passfds: Sequence[int]) -> int:
    """`multiprocessing.util.spawnv_passfds`, warm where the program is a process of `multiprocessing`."""
    command = [os.fsdecode(one) for one in args]
    if not Warm.wanted or command[-1] != "--multiprocessing-fork" or os.fsdecode(path) != sys.executable or not there():
        return _cold_spawn(path, args, passfds)  # type: ignore[no-any-return]
    wanted = {
        "args": command[command.index("-c") :], "cwd": str(Path.cwd()), "env": {**os.environ, PLACE: Warm.place},
        "session": False, "kept": list(passfds),
    }  # fmt: skip
    line = asked(Warm.place, wanted, [0, 1, 2, *passfds])
    pid = _number(line)
    _spawned[pid] = line
    return pid


def asked(place: str, wanted: dict[str, Any], fds: list[int]) -> socket.socket:
    """A line to a new process; it says its number, then how it ended."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(place)
    packed = json.dumps(wanted).encode()
    socket.send_fds(line, [_numbers.pack(len(packed))], fds)
    line.sendall(packed)
    return line


def _number(line: socket.socket) -> int:
    got = _exactly(line, _numbers.size)
    if len(got) < _numbers.size:
        raise ChildProcessError("the warm process is gone")
    return int(_numbers.unpack(got)[0])


def _exactly(line: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (more := line.recv(size - len(got))):
        got += more
    return got


# ── who asks ────────────────────────────────────────────────────────────────────────────────


def install() -> None:
    """From now on programs of ours that this process starts are warm, and so are those that they start."""
    if hasattr(os, "fork") and hasattr(socket, "send_fds") and sys.platform != "darwin":  # whose libraries bear no fork
        Warm.starts = True
        _take_over()
        atexit.register(_end)  # first of all, so that it comes last: others end their processes before


def _take_over() -> None:
    subprocess.Popen = Popen  # type: ignore[misc]
    popen_spawn_posix.Popen, util.spawnv_passfds = Spawned, spawned  # type: ignore[misc]


def there() -> bool:
    """Whether there is a process that has loaded everything; the first who asks starts it."""
    if Warm.starts and not Warm.place:
        folder = tempfile.mkdtemp(prefix="askwise-warm-", dir="/tmp")  # a socket's address must be short
        place = f"{folder}/line"
        process = _cold([sys.executable, __file__, place], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        _begun.append((process, folder))
        deadline = time.monotonic() + 60
        while not Path(place).exists():
            assert process.poll() is None, "the warm process did not come up"
            assert time.monotonic() < deadline, "the warm process takes too long"
            time.sleep(0.02)
        Warm.place = place
    return bool(Warm.place)


_begun: list[tuple[subprocess.Popen[bytes], str]] = []


def _end() -> None:
    for process, folder in _begun:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


COMMAND = """#!{python} -ESI
import json, os, socket, struct, sys
wanted = {{"args": ["-m", "askwise", *sys.argv[1:]], "cwd": os.getcwd(), "env": {{**os.environ, {name!r}: {place!r}}}}}
packed = json.dumps({{**wanted, "session": False}}).encode()
line = socket.socket(socket.AF_UNIX)
line.connect({place!r})
socket.send_fds(line, [struct.pack("!i", len(packed))], [0, 1, 2])
line.sendall(packed)
said = b""
while len(said) < 8:
    said += line.recv(8) or sys.exit("the warm process is gone")
code = struct.unpack("!ii", said)[1]
os.kill(os.getpid(), -code) if code < 0 else sys.exit(code)
"""


def command(folder: Path) -> Path:
    """Put a warm `askwise` into a folder, for the search path of a shell; gives the folder, empty where none can be."""
    if there():
        script = folder / "askwise"
        script.write_text(COMMAND.format(python=sys.executable, place=Warm.place, name=PLACE))
        script.chmod(0o755)
    return folder


@contextlib.contextmanager
def cold() -> Iterator[None]:
    """Programs that start meanwhile load everything themselves, as they do for a person."""
    before, Warm.wanted = Warm.wanted, False
    try:
        yield
    finally:
        Warm.wanted = before


# ── the process that has loaded everything ──────────────────────────────────────────────────


def serve(place: str) -> dict[str, Any] | None:
    """Fork whenever one is asked for; returns in each fork what it is to be, and None at the end."""
    import gc
    import importlib

    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _build_the_command_line()
    gc.collect()
    gc.freeze()
    ends, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{place}~")
        listener.listen(64)
        Path(f"{place}~").rename(place)
        while True:
            ready = select.select([0, ends, listener], [], [])[0]
            if ends in ready:
                os.read(ends, 4096)
                _tell(lines)
            if listener in ready:
                line = listener.accept()[0]
                head, fds, _, _ = socket.recv_fds(line, _numbers.size, 32)
                wanted: dict[str, Any] = json.loads(_exactly(line, _numbers.unpack(head)[0]))
                pid = os.fork()
                if pid == 0:
                    for one in (listener, line, *lines.values()):
                        one.detach()  # they are closed below, all at once
                    _become(wanted, fds)
                    return wanted
                for fd in fds:
                    os.close(fd)
                lines[pid] = line
                _said(line, pid)
            if 0 in ready:
                Path(place).unlink()
                return None


def _build_the_command_line() -> None:
    """Once for all who are forked; Typer does it with every call."""
    import functools

    import typer.main

    from askwise import cli

    typer.main.get_command = functools.cache(typer.main.get_command)
    typer.main.get_command(cli.app)


def _tell(lines: dict[int, socket.socket]) -> None:
    """Say of those that have ended how they did."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            line = lines.pop(found[0])
            _said(line, os.waitstatus_to_exitcode(found[1]))
            line.close()


def _said(line: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # who asked for it is gone
        line.sendall(_numbers.pack(number))


def _become(wanted: dict[str, Any], fds: Sequence[int]) -> None:
    """Be a process of one's own: what it was given and nothing else."""
    import fcntl

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    targets = [0, 1, 2, *wanted.get("kept", ())]
    free = max(targets) + 1
    kept = [fcntl.fcntl(fd, fcntl.F_DUPFD, free) for fd in fds]  # where no target is
    for target, fd in zip(targets, kept, strict=True):
        os.dup2(fd, target)
    begin = 3
    for target in sorted(targets[3:]):
        os.closerange(begin, target)
        begin = target + 1
    os.closerange(begin, 4096)
    if wanted["session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(wanted["env"])
    Warm.place = os.environ[PLACE]
    os.chdir(wanted["cwd"])
    tempfile.tempdir = None
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process runs
    for name, fd, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        raw = open(fd, "wb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
        buffered = fd == 1 and not os.isatty(fd)
        out = io.TextIOWrapper(raw, errors=errors, line_buffering=not buffered, write_through=unbuffered)
        setattr(sys, name, out)
        setattr(sys, f"__{name}__", out)
    sys.__stdin__ = sys.stdin  # type: ignore[misc]


def ended(wanted: dict[str, Any]) -> int:
    """How it ends, after all that Python does at an end but taking everything down, which would take a second."""
    code = 0
    try:
        run(wanted)
    except SystemExit as said:
        code = said.code if isinstance(said.code, int) else int(said.code is not None)
        if isinstance(said.code, str):
            sys.stderr.write(f"{said.code}\n")
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)  # as Python ends then
    except BaseException:  # noqa: BLE001 - as Python does with whatever is left
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for out in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more, or it was closed
            out.flush()
    return code


def run(wanted: dict[str, Any]) -> None:
    """What `python` would do with these arguments."""
    first, second, *more = wanted["args"]
    main = type(sys)("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    if first == "-c":
        sys.argv, sys.path[0] = ["-c", *more], ""
        exec(compile(second, "<string>", "exec"), main.__dict__)
        return
    from askwise import __main__ as entry
    from askwise import cli

    sys.argv, sys.path[0] = [str(entry.__file__), *more], wanted["cwd"]
    cli.main()


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    from help import warm  # under the name by which all others know it

    warm._take_over()
    if (meant := warm.serve(sys.argv[1])) is not None:
        os._exit(warm.ended(meant))
