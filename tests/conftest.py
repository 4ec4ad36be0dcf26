"""Fixtures that every test may use."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import settings

from askwise.pool import kinds
from help import skips, warm

warm.install()

# Typer builds the program anew from all its verbs whenever it is called: what a person waits for once would be most of
# a test that calls it a hundred times. What is built does not depend on the call.
typer.main.get_command = functools.cache(typer.main.get_command)

os.environ.setdefault("ASKWISE_NO_RECENT", "1")  # tests leave nothing in the state of whoever runs them

# A shell that runs us in the background ignores Ctrl+C, and what we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The sentence encoder would be fetched; tests that want it ask for it by name.
os.environ["ASKWISE_ENCODER"] = "tfidf"

IN_MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free there."""


def _lies_in_memory() -> None:
    """Files of tests lie in memory where there is room for them.

    A session file waits for the disk with each answer, some ten thousand times in all. What kills and restarts leave is
    the same: processes end, the system goes on.
    """
    with contextlib.suppress(OSError):
        there = os.statvfs(IN_MEMORY)
        if not there.f_flag & os.ST_NOEXEC and there.f_bavail * there.f_frsize >= ROOM:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


if hasattr(os, "statvfs"):
    _lies_in_memory()

SHARED = Path(os.environ.get("ASKWISE_SHARED", Path(__file__).parents[2] / "shared"))


LONGEST = (
    "test_hostile_uploads", "test_pages", "test_axe", "test_audit", "test_threads", "test_session", "test_docs",
    "test_crafted_sessions", "test_team_api", "test_benchmark", "test_team", "test_outbox_faults", "test_label_page",
    "test_accounts_attacks", "test_kill", "test_withdrawing", "test_app", "test_model", "test_tutorials",
    "test_blindness", "test_new_project", "test_number", "test_handover", "test_cli", "test_watching",
    "test_many_labels", "test_phone", "test_demo", "test_verify", "test_serving", "test_growing", "test_numbers",
    "test_postgres", "test_apart", "test_hostile_text", "test_team_store", "test_own_parts", "test_audit_classes",
)  # fmt: skip
"""Modules that take longest begin first, so that no worker is left with one when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONGEST)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was not shown, why, and how to have it shown."""
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", ())]
    for line in skips.by_reason(reasons):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`shared("spam_sms/sms_spam.csv.gz")` is the path of a data file that is not ours to ship, or a skip."""

    def find(name: str) -> Path:
        path = SHARED / "data" / name
        if not path.exists():
            pytest.skip(f"shared data {name!r} is not here (set ASKWISE_SHARED to the folder that holds data/)")
        return path

    return find


@pytest.fixture(scope="module")
def linear() -> Iterator[None]:
    """Items of every kind are learned by one linear model where no learner is named.

    For modules whose matter is true of any learner: the portfolio, which is the usual one of arrays, tables, images and
    recordings, takes a hundred milliseconds a refresh instead of three, the two linear models that are mixed for texts
    some twenty, and both have tests of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        for kind in (kinds.ItemKind, kinds.Features, kinds.Rows, kinds.Images, kinds.Recordings):
            patch.setattr(kind, "learner", "linear")
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A real PostgreSQL server (`help.postgres.Server`), or a skip that says what is missing."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'askwise[postgres]'")
    from help.postgres import Server, programs

    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server programs (initdb, pg_ctl) are installed here")
    started = Server(found)
    yield started
    started.stop()


# A busy machine is no failure. Where changes are judged the examples are always the same; people look for new ones.
settings.register_profile("askwise", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("askwise")
