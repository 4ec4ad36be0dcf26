"""A team at work: many people answer through a real server, and the log is compared with what was acknowledged.

    python benchmarks/load.py                              # 50 people, 5 minutes, on a file and on PostgreSQL
    python benchmarks/load.py --minutes 1 --store file
    python benchmarks/load.py --docs                       # also write docs/load.md

Starts `askwise serve` as a process of its own with its training worker, and a PostgreSQL server of its own where the
programs are installed. Every person holds three questions as the page does, and gives one answer a second whether the
last reply has come or not: an answer that must wait for the one before counts from when it was due. Writes
out/load.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np

from askwise import Session
from askwise.app.accounts import Accounts
from askwise.app.roles import Role
from askwise.app.serve import ACCOUNTS
from askwise.store import place, read_log

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
from help.postgres import Server, programs  # noqa: E402
from latency import cpu_seconds, settle  # noqa: E402

AHEAD = 3
"""Questions that a tab of the page holds."""
AIM = 0.3
"""Seconds within which 99 of 100 answers should be acknowledged."""


@dataclass
class Person:
    """One annotator: what they hold, and what was acknowledged."""

    name: str
    token: str
    held: list[dict[str, Any]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    """(item, label) of each answer that was acknowledged."""
    seconds: list[float] = field(default_factory=list)
    """From when each answer was due to its acknowledgment."""
    trouble: list[str] = field(default_factory=list)


def texts(n: int) -> tuple[list[str], list[str]]:
    """Short texts of two kinds, with the kind of each; one in twenty says the other kind's words."""
    rng = random.Random(0)
    words = {kind: [f"{kind}{i}" for i in range(300)] for kind in ("ham", "spam", "both")}
    kinds = [rng.choice(("ham", "spam")) for _ in range(n)]
    found = []
    for i, kind in enumerate(kinds):
        says = kind if rng.random() < 0.95 else {"ham": "spam", "spam": "ham"}[kind]
        found.append(" ".join([*rng.choices(words[says], k=4), *rng.choices(words["both"], k=12), f"number{i}"]))
    return found, kinds


def prepare(where: Path | str, store: Path | str, people: int, items: int) -> tuple[dict[str, str], list[Person]]:
    """A session, an owner, and people with tokens; gives the label of each item, and the people."""
    contents, kinds = texts(items)
    with Session(contents, classes=["ham", "spam"], encoder="tfidf", store=store, title="load") as session:
        truth = dict(zip(session.pool.ids, kinds, strict=True))
    accounts = Accounts(where)
    found = []
    for number in range(people + 1):
        role = Role.ANNOTATOR if number else Role.OWNER
        _, invitation, _ = accounts.invite(role, by="load")
        joined = accounts.join(invitation, f"person {number}", secrets.token_urlsafe(16))
        assert joined is not None
        if number:
            found.append(Person(joined[1].name, accounts.make_token(joined[1], "load", role)["secret"]))
    accounts.close()
    return truth, found


@contextmanager
def serving(*args: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`askwise serve …` as a process; gives its address."""
    command = [sys.executable, "-m", "askwise", "serve", *args, "--port", "0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            yield address, process
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()


async def work(me: Person, http: httpx.AsyncClient, truth: dict[str, str], start: float, end: float) -> None:
    """One answer a second from `start` to `end`."""
    headers, tab = {"authorization": f"Bearer {me.token}"}, secrets.token_hex(8)

    async def send(verb: str, **more: Any) -> bool:
        have = [one["item"] for one in me.held]
        reply = await http.post(verb, json={"tab": tab, "have": have, "want": AHEAD, **more}, headers=headers)
        if reply.status_code != 200:
            me.trouble.append(f"{reply.status_code}: {reply.text[:200]}")
            return False
        me.held += reply.json()["next"]
        return True

    await asyncio.sleep(max(0.0, start - time.perf_counter() - 1))
    await send("ask")
    due = start
    while due < end:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if me.held or (await send("ask") and me.held):
            one = me.held.pop(0)
            item, label = one["item"], truth[one["item"]]
            key = secrets.token_hex(8)
            if await send("tell", key=key, item=item, asked=one["asked"], label=label, seconds=1.0):
                me.told.append((item, label))
                me.seconds.append(time.perf_counter() - due)
        due += 1.0


async def crowd(address: str, people: list[Person], truth: dict[str, str], seconds: float) -> None:
    """Everybody at once, spread over the second."""
    limits = httpx.Limits(max_connections=len(people), max_keepalive_connections=len(people))
    base = f"{address}p/load/api/v1/"
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=60, trust_env=False) as http:
        start = time.perf_counter() + 2
        starts = [start + i / len(people) for i in range(len(people))]
        await asyncio.gather(*(work(me, http, truth, at, at + seconds) for me, at in zip(people, starts, strict=True)))


def measure(kind: str, minutes: float, people: int) -> dict[str, Any]:
    """One run on a store: how long acknowledgments took, and what the log holds."""
    items = int(people * minutes * 60 * 1.1) + 2_000
    with ExitStack() as after:
        if kind == "postgresql":
            found = programs()
            assert found is not None
            server = Server(found, durable=True)
            after.callback(server.stop)
            accounts: Path | str = server.address("load").partition("#")[0]
            store, args = server.address("load"), ["--store", str(accounts)]
        else:
            folder = after.enter_context(tempfile.TemporaryDirectory(prefix="askwise-load-"))
            accounts, store, args = Path(folder) / ACCOUNTS, f"{folder}/load.askwise", [folder]
        truth, crew = prepare(accounts, store, people, items)
        with serving(*args) as (address, process):
            seen = Path("/proc").exists()
            if seen:
                settle(process.pid, 120)
            before = cpu_seconds(process.pid) if seen else 0.0
            asyncio.run(crowd(address, crew, truth, minutes * 60))
            cpu = cpu_seconds(process.pid) - before if seen else None
        log = list(read_log(place(store)))
    return compared(kind, minutes, items, crew, log, cpu)


def compared(
    kind: str, minutes: float, items: int, crew: list[Person], log: list[Any], cpu: float | None
) -> dict[str, Any]:
    """What was acknowledged beside what is in the log."""
    ids = [one[0] for e in log if e.kind == "items" for one in _items(e)]
    said = Counter((me.name, *one) for me in crew for one in me.told)
    held = Counter((e.data["annotator"], ids[e.data["row"]], e.data["label"]) for e in log if e.kind == "told")
    asked: dict[int, set[str]] = {}
    for event in log:
        if event.kind == "asked":
            for one in event.data["items"]:
                asked.setdefault(one["row"], set()).add(event.data["annotator"])
    waits = np.array([s for me in crew for s in me.seconds])
    quantiles = np.quantile(waits, (0.5, 0.95, 0.99, 1.0))
    due = len(crew) * int(minutes * 60)
    return {
        "store": kind,
        "people": len(crew),
        "minutes": minutes,
        "items": items,
        "due": due,
        "acknowledged": sum(said.values()),
        **{name: round(float(q), 4) for name, q in zip(("p50", "p95", "p99", "longest"), quantiles, strict=True)},
        "lost": sum((said - held).values()),
        "doubled": sum(n - 1 for n in held.values()),
        "unacknowledged": sum((held - said).values()) - sum(n - 1 for n in held.values()),
        "asked_of_two": sum(len(names) > 1 for names in asked.values()),
        "rankings": sum(e.kind == "ranked" for e in log),
        "trouble": [t for me in crew for t in me.trouble][:20],
        "troubles": sum(len(me.trouble) for me in crew),
        "server_cpu_share": None if cpu is None else round(cpu / (minutes * 60), 3),
    }


def _items(event: Any) -> list[Any]:
    from askwise.state import unpack

    found: list[Any] = json.loads(unpack(event.data["packed"]))
    return found


# ── docs ────────────────────────────────────────────────────────────────────────────────────


def page(found: dict[str, Any]) -> str:
    """docs/load.md."""
    columns = (
        "store", "people", "minutes", "answers due", "acknowledged", "median", "95 %", "99 %", "longest", "lost",
        "doubled", "asked of two", "rankings", "CPU, training included",
    )  # fmt: skip
    lines = [
        f"""# A team at work: many people at once

Written by `python benchmarks/load.py --docs`. Simulated people answer once a second each through a real `askwise serve`
process on the loopback, which trains meanwhile in a process of its own; they begin when the server has turned the items
into features, some seconds after its start. Each holds three questions, as the page does. An answer is acknowledged
when the reply comes, and is on the disk then. The time runs from when the answer was due: one that must wait for the
reply before it counts the wait. Afterwards the log is compared with what was acknowledged. The aim: 99 of 100 answers
within {AIM * 1000:.0f} ms, none lost, none doubled, no item asked of two people (no overlap is set).

Measured {found["when"]} on {found["machine"]}, load average {found["load"]} at the start. The simulated people and,
where there is one, the database share the machine with the server.
""",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    for run in found["runs"]:
        ms = [f"{run[name] * 1000:,.0f} ms" for name in ("p50", "p95", "p99", "longest")]
        cpu = "" if run["server_cpu_share"] is None else f"{run['server_cpu_share']:.0%} of a core"
        lines.append(
            f"| {run['store']} | {run['people']} | {run['minutes']:g} | {run['due']:,} | {run['acknowledged']:,} | "
            f"{' | '.join(ms)} | {run['lost']} | {run['doubled']} | {run['asked_of_two']} | {run['rankings']} | {cpu} |"
        )
    missed = [
        f"{run['store']}: {run['p99'] * 1000:,.0f} ms for 99 of 100" for run in found["runs"] if run["p99"] >= AIM
    ]
    lines += ["", f"Missed: {'; '.join(missed)}." if missed else "Every aim is met."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--store", choices=("file", "postgresql"), action="append")
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--docs", action="store_true", help="write docs/load.md")
    options = parser.parse_args()
    busy = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    stores = options.store or ["file", *(["postgresql"] if programs() else [])]
    runs = []
    for kind in stores:
        runs.append(measure(kind, options.minutes, options.people))
        print(json.dumps(runs[-1], indent=1))
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    found = {"when": time.strftime("%Y-%m-%d"), "machine": machine, "load": busy, "runs": runs}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "load.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.docs:
        (ROOT / "docs" / "load.md").write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
