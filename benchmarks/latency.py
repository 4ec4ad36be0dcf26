"""Times the labeling page in a real Chromium: key pressed → next question painted, while the model retrains.

    python benchmarks/latency.py                 # 10,000 texts, 150 answers at a person's pace, 100 in a row
    python benchmarks/latency.py --texts 100000 --beside --docs     # ASReview's page in the same run; docs/latency.md
    python benchmarks/latency.py --beside --quick                   # does it work (a minute or two)

The server is `askwise label` as people start it, a process of its own; so is `asreview lab`. Keys are real input events
of a browser of its own each. Both get the same file, with five answers of each label to begin with, and are asked for
the same labels in turns: a block of answers here, a block there, then the other way around. Measured in the page:

painted    key event → the first frame with the next question has been made
visible    key event → nothing of that question is transparent any more
event      key event → the first frame after it, by the browser's own Event Timing, in steps of 8 ms
saved      key event → the whole reply to the request that saves the answer has come
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from latency_asreview import ASReview, free_port

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("ASKWISE_SHARED", Path(__file__).parents[2] / "shared")) / "data"
SOURCES = {  # kind of text → file, text column
    "message": ("spam_sms/sms_spam.csv.gz", "text"),
    "banking": ("intent_banking77/banking77.csv.gz", "text"),
    "question": ("text_trec6/trec6.csv.gz", "text"),
}
YES = "question"
"""The kind of text that is labeled yes; the others are labeled no."""
GIVEN = 5
"""Labels of each kind that the file brings along: ASReview ranks at random until it has both."""
HEAD = 8
"""Words of a text that are its title; the rest is its abstract."""
PACE, ROW = (0.3, 1.0), (0.09, 0.11)
"""Seconds between a question and its answer: a person's, and as fast as keys can be pressed."""
WINDOW = {"width": 1280, "height": 800}
CHROMIUM = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic",
    "--no-first-run", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]  # fmt: skip
MEANING = {
    "painted": "next question painted",
    "visible": "… fully visible",
    "event": "first frame after the key",
    "saved": "answer saved",
}
PROBE = """() => {
  const shown = SHOWN; // the element that holds the question, null while there is none
  const text = () => shown()?.textContent ?? null;
  const log = (window.probe = { keyed: [], painted: [], visible: [], event: [], saved: [], text });
  const channel = new MessageChannel();
  let pressed = null;
  let before = null;
  const opacity = (node) => (node ? Number(getComputedStyle(node).opacity) * opacity(node.parentElement) : 1);
  channel.port1.onmessage = () => {
    const now = text();
    if (pressed === null || now === null || now === before) return; // still waiting
    const from = pressed;
    log.painted.push(performance.now() - from);
    pressed = null;
    const look = () => {
      if (pressed !== null) return; // the next key came first
      if (opacity(shown()) < 0.99) requestAnimationFrame(look);
      else log.visible.push(performance.now() - from);
    };
    look();
  };
  addEventListener("keydown", (event) => {
    if (pressed !== null) return; // pressed again, as nothing came
    before = text();
    pressed = event.timeStamp;
    log.keyed.push(pressed);
  }, true);
  new MutationObserver(() => pressed !== null && requestAnimationFrame(() => channel.port2.postMessage(0)))
    .observe(document.body, { childList: true, characterData: true, subtree: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "keydown") log.event.push(entry.duration);
  }).observe({ type: "event", durationThreshold: 16 });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (SAVES.test(entry.name) && entry.responseStatus < 400) log.saved.push(entry.responseEnd);
    }
  }).observe({ type: "resource" });
}"""


class App(Protocol):
    """A labeling app: a process that serves a page which asks one question after the other."""

    name: str
    version: str
    encoder: str
    """What its texts are read with, in words."""
    keys: dict[str, str]
    """yes and no → the key that answers so."""
    shown: str
    """JavaScript: () => the element that holds the question, null while there is none."""
    saves: str
    """JavaScript: a pattern of the address that an answer is sent to."""
    process: subprocess.Popen[str] | None

    def open(self, file: Path) -> str:
        """Start on a file of title, abstract, included; the address of the page that asks."""

    def rankings(self) -> int:
        """How many rankings questions have come from so far."""

    def answers(self) -> int:
        """How many answers are saved."""


class Askwise:
    """`askwise label`."""

    name = "Askwise"
    shown = '() => (document.getElementById("why-row")?.hidden ?? true) ? null : document.getElementById("text")'
    saves = r"/\/api\/v1\/tell$/"
    process: subprocess.Popen[str] | None = None

    def __init__(self, encoder: str | None) -> None:
        from askwise import __version__

        self.keys = {"yes": "1", "no": "2"}
        self.version, self.encoder = __version__, encoder or "the best encoder installed"
        self.page: Any = None
        self.more = ["--encoder", encoder] if encoder else []

    def open(self, file: Path) -> str:
        """As `App.open`."""
        command = [str(Path(sys.executable).with_name("askwise")), "label", str(file), "--text", "title"]
        command += ["--text", "abstract", "--label", "included", "--labels", "yes,no", "--no-browser"]
        command += ["--port", str(free_port()), *self.more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "500"})
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.search(r"http://\S+", line):
                return match[0]
        raise SystemExit("askwise label ended before it printed an address")

    def _counts(self) -> dict[str, int]:
        # The page has the cookie that the server wants.
        return dict(self.page.evaluate("fetch('/api/v1/pulse').then(r => r.json())")["counts"])

    def rankings(self) -> int:
        """As `App.rankings`."""
        return self._counts()["round"]

    def answers(self) -> int:
        """As `App.answers`."""
        return self._counts()["labeled"]


# ── the same texts for both ─────────────────────────────────────────────────────────────────


def realistic(n: int, seed: int) -> tuple[list[tuple[list[str], str]], int]:
    """The words of n different texts with their labels, yes or no; and how many are real."""
    rng = random.Random(seed)
    real: dict[str, tuple[list[str], str]] = {}
    follow: dict[str, dict[str, list[str]]] = {kind: {} for kind in SOURCES}
    for kind, (name, column) in SOURCES.items():
        path = SHARED / name
        if path.exists():
            with gzip.open(path, "rt", encoding="utf-8") as file:
                texts = [row[column].split() for row in csv.DictReader(file) if row[column].strip()]
        else:
            texts = [[f"{kind[:3]}{int(rng.paretovariate(0.7)) % 4000}" for _ in range(20)] for _ in range(3000)]
        for words in texts:
            if path.exists():
                real["".join(words)] = (words, kind)
            for word, then in zip(["", *words], [*words, ""], strict=True):
                follow[kind].setdefault(word, []).append(then)
    found = list(real.items())
    rng.shuffle(found)
    pairs = dict(found[:n])
    many = len(pairs)
    if len(pairs) < n:
        print(
            f"{len(pairs):,} texts are in {SHARED}; the rest is made from which word follows which in them", flush=True
        )
    while len(pairs) < n:
        kind, words = rng.choice(list(SOURCES)), [""]
        while len(words) < 80 and (word := rng.choice(follow[kind][words[-1]])):
            words.append(word)
        if len(words) > 4:
            pairs.setdefault("".join(words), (words[1:], kind))
    return [(words, "yes" if kind == YES else "no") for words, kind in pairs.values()], many


def write(file: Path, texts: list[tuple[list[str], str]]) -> None:
    """A table that both apps read: title, abstract, and the first labels of each kind."""
    left = {"yes": GIVEN, "no": GIVEN}
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["title", "abstract", "included"])
        for words, label in texts:
            left[label] -= 1
            table.writerow([" ".join(words[:HEAD]), " ".join(words[HEAD:]), label if left[label] >= 0 else ""])


# ── processes ───────────────────────────────────────────────────────────────────────────────


def tree(root: int) -> list[int]:
    """A process and all its descendants that live."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended meanwhile
    found = [root]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def cpu_seconds(root: int) -> float:
    """Processor time of a process, its descendants, and those of them that have ended."""
    ticks = 0
    for pid in tree(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile: its time is its parent's now
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(root: int) -> float:
    """MB that a process and its descendants hold, memory that they share counted once."""
    total = 0
    for pid in tree(root):
        try:
            found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        except OSError:
            continue  # it ended meanwhile
        total += int(found[1]) if found else 0
    return total / 1024


def settle(root: int, patience: float = 15.0) -> None:
    """Wait until a server is idle, so that it does not work during the other's turn."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = cpu_seconds(root)
        time.sleep(1.2)
        if cpu_seconds(root) - before < 0.1:
            return
    print("a server was still at work when the other's turn began", flush=True)


def stop(process: subprocess.Popen[str] | None) -> None:
    """End a server as Ctrl+C does; what is left of it after a while is killed."""
    if process is None:
        return
    family = tree(process.pid) if Path("/proc").exists() else [process.pid]
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        for pid in reversed(family):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait(20)


@contextmanager
def watched(root: int) -> Iterator[dict[str, float]]:
    """Processor seconds while this is open, and the largest of the memory looked at every second."""
    found = {"cpu": 0.0, "memory": 0.0}
    if not Path("/proc/self/smaps_rollup").exists():
        yield found
        return
    over = threading.Event()

    def look() -> None:
        while True:
            found["memory"] = max(found["memory"], memory(root))
            if over.wait(1):
                return

    thread, before = threading.Thread(target=look), cpu_seconds(root)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
        found["cpu"] = cpu_seconds(root) - before


# ── labeling ────────────────────────────────────────────────────────────────────────────────


def enter(app: App, page: Any, file: Path) -> float:
    """Open the app on a file; seconds from the command to the first question on the screen."""
    began = time.perf_counter()
    page.goto(app.open(file))
    if isinstance(app, Askwise):
        app.page = page
    page.wait_for_function(f"() => ({app.shown})()?.textContent", timeout=600_000)
    took = time.perf_counter() - began
    page.evaluate(PROBE.replace("SHOWN", app.shown).replace("SAVES", app.saves))
    return took


def insist(app: App, page: Any, key: str, count: int) -> int:
    """Wait for the next question; where none comes, do what a person does. How often that was."""
    from playwright.sync_api import TimeoutError as Nothing

    for tries in range(8):
        try:
            page.wait_for_function("n => window.probe.painted.length >= n", arg=count, polling=10, timeout=8000)
            return tries
        except Nothing:
            button = page.get_by_role("button", name=re.compile("^Try "))
            if button.count():
                button.first.click()
            else:
                page.keyboard.press(key)
    shot = ROOT / "out" / "latency-stuck.png"
    page.screenshot(path=shot)
    raise SystemExit(f"{app.name}: no next question after a minute; what its page shows is in {shot}")


def label(app: App, page: Any, truth: dict[str, str], answers: int, pause: tuple[float, float], seed: int) -> Any:
    """A block of answers by keys; the times in milliseconds, and what the server did meanwhile."""
    rng = random.Random(seed)
    page.bring_to_front()
    page.evaluate("() => { for (const [k, list] of Object.entries(window.probe)) if (k !== 'text') list.length = 0 }")
    assert app.process is not None
    rankings, saved, again, began = app.rankings(), app.answers(), 0, time.perf_counter()
    with watched(app.process.pid) as load:
        for done in range(answers):
            text = re.sub(r"No abstract available$|\s+", "", page.evaluate("window.probe.text()"))
            time.sleep(rng.uniform(*pause))
            page.keyboard.press(app.keys[truth[text]])
            again += insist(app, page, app.keys[truth[text]], done + 1)
        page.wait_for_function("n => window.probe.saved.length >= n", arg=answers)
        page.wait_for_timeout(700)  # Event Timing reports late, and a question may still fade in
        seconds = time.perf_counter() - began
    log = page.evaluate("({ ...window.probe, text: null })")
    if app.answers() - saved != answers or len(log["saved"]) != answers:
        raise SystemExit(
            f"{app.name}: {answers} answers given, {app.answers() - saved} saved, {len(log['saved'])} sent"
        )
    # Event Timing leaves out what took less than its threshold. Both pages send one answer after the other.
    log["event"] += [16.0] * (answers - len(log["event"]))
    log["saved"] = [end - key for end, key in zip(log["saved"], log["keyed"], strict=True)]
    times = {key: log[key] for key in MEANING}
    return {
        "answers": answers,
        "seconds": seconds,
        "rankings": app.rankings() - rankings,
        "again": again,
        **load,
        "times": times,
    }


def pooled(blocks: list[Any]) -> dict[str, Any]:
    """All blocks of a kind in one."""
    times = {key: summary([t for b in blocks for t in b["times"][key]]) for key in MEANING}
    sums = {key: sum(b[key] for b in blocks) for key in ("answers", "seconds", "rankings", "again", "cpu")}
    return sums | {"memory": max(b["memory"] for b in blocks)} | times


def summary(times: list[float]) -> dict[str, float | None]:
    """p50, p95 and the largest of some times, ms."""
    if not times:
        return {"p50": None, "p95": None, "max": None}
    p50, p95 = np.percentile(times, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(max(times), 1)}


def measure(apps: list[App], n: int, pace: list[int], row: list[int], seed: int, chromium: str) -> dict[str, Any]:
    """Every app in turns, `pace` and `row` being the answers of each block."""
    from playwright.sync_api import sync_playwright

    texts, real = realistic(n, seed)
    truth = {"".join(words): answer for words, answer in texts}
    load, began = _load(), time.perf_counter()
    elsewhere: set[str] = set()
    blocks: dict[str, dict[str, list[Any]]] = {app.name: {"a person's pace": [], "in a row": []} for app in apps}
    with ExitStack() as after:
        play = after.enter_context(sync_playwright())
        folder = Path(after.enter_context(tempfile.TemporaryDirectory(prefix="latency-")))
        pages, opened, version = {}, {}, ""
        for app in apps:
            (folder / app.name).mkdir()
            write(folder / app.name / "texts.csv", texts)
            browser = play.chromium.launch(executable_path=chromium, args=CHROMIUM)
            after.callback(browser.close)
            version, page = browser.version, browser.new_page(viewport=WINDOW)
            page.on("request", lambda r: elsewhere.add(r.url) if not _local(r.url) else None)
            after.callback(lambda app=app: stop(app.process))
            for other in apps:
                if other.process is not None:
                    settle(other.process.pid)  # the one that is open already
            opened[app.name] = enter(app, page, folder / app.name / "texts.csv")
            pages[app.name] = page
            print(f"{app.name} {app.version}: first question after {opened[app.name]:.1f} s", flush=True)
        for app in apps:
            label(app, pages[app.name], truth, 5, PACE, seed)  # the first answers warm up browser and server
        turns = [("a person's pace", PACE, k) for k in pace] + [("in a row", ROW, k) for k in row]
        for turn, (kind, pause, answers) in enumerate(turns):
            for app in apps if turn % 2 == 0 else apps[::-1]:
                for other in apps:
                    assert other.process is not None
                    settle(other.process.pid)
                blocks[app.name][kind].append(label(app, pages[app.name], truth, answers, pause, seed + 1 + turn))
        idle = {app.name: memory(app.process.pid) for app in apps if app.process is not None}
    return {
        "texts": n,
        "real": real,
        "when": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "browser": f"Chromium {version}, headless, {WINDOW['width']} × {WINDOW['height']}",
        "load": [load, _load()],
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "elsewhere": sorted(elsewhere),
        "apps": {
            app.name: {
                "version": app.version,
                "encoder": app.encoder,
                "opened": round(opened[app.name], 1),
                "idle": round(idle[app.name]),
                "runs": {kind: pooled(found) for kind, found in blocks[app.name].items()},
            }
            for app in apps
        },
    }


def _local(url: str) -> bool:
    return bool(re.match(r"(http://(127\.0\.0\.1|localhost)[:/]|data:|blob:|about:)", url))


def _load() -> float | None:
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def show(found: dict[str, Any]) -> None:
    """The figures of a run on the terminal."""
    print(f"{found['texts']:,} texts · {found['machine']} · {found['browser']} · load {found['load']}")
    print(f"{'ms':40}{'p50':>8}{'p95':>8}{'max':>8}")
    for name, app in found["apps"].items():
        for kind, run in app["runs"].items():
            per = 1000 * run["cpu"] / run["answers"]
            print(
                f"{name}, {kind}: {run['answers']} answers in {run['seconds']:.0f} s, {run['rankings']} new rankings,"
            )
            print(f"  {per:.0f} ms of CPU an answer, {run['memory']:.0f} MB at most")
            for key, meaning in MEANING.items():
                if run[key]["p50"] is not None:
                    print(f"  {meaning:38}" + "".join(f"{run[key][q]:8.1f}" for q in ("p50", "p95", "max")))
    if found["elsewhere"]:
        print("asked for, and not reached:", *found["elsewhere"])


# ── docs ────────────────────────────────────────────────────────────────────────────────────

AIM = {"painted": 50, "saved": 30}
"""What 95 of 100 answers should take at most, ms."""


def document(found: list[dict[str, Any]]) -> str:
    """docs/latency.md."""
    first = found[0]
    ours, theirs = first["apps"].values()
    sizes = " and ".join(f"{one['texts']:,}" for one in found)
    parts = [
        f"""# From a key to the next question, beside ASReview

Written by `make latency` (`python benchmarks/latency.py --beside --docs`). `askwise label` and `asreview lab`, each a
process of its own and open in a Chromium of its own, got the same file of {sizes} short texts, yes or no, with
{GIVEN} labels of each to begin with. A program presses the key of the right label, 0.3 to 1 s after a question came
(a person's pace), then 0.1 s after it (in a row), and the page itself notes the times. The two take turns, block by
block, each while the other's server is idle. Both train in the background meanwhile.

Measured on {first["machine"]}; {first["browser"]}. Askwise {ours["version"]} with the encoder
`{ours["encoder"]}`; ASReview LAB {theirs["version"]} with {theirs["encoder"]}.
"""
    ]
    parts += [_section(one) for one in found]
    parts.append(
        f"""## What is measured

- **Painted**: from the key event to a task after the first frame that holds the next text. **Fully visible**: until
  nothing of it is transparent any more. ASReview's page fades each record in over half a second, so it can be read
  somewhere between the two; an answer given before the fade ends is left out of that row.
- **Saved**: from the key event to the end of the reply to the request that saves the answer.
- **New rankings**: rankings that questions came from, of ASReview as noted in its results. **Memory**: all processes of
  the server, what they share counted once, looked at every second. **Processor time**: of all of them, the training
  included.
- **File to first question**: from the command to the first question on the screen: of a part of the pool, as it asks
  before it has read all. At ASReview the requests that its wizard sends are sent by a program, so nobody's clicks are
  in it; its page asks every 4 s whether the first ranking is there.

## Why they differ

ASReview's page sends the answer, waits for the reply, fades the card out for 0.1 s, asks for the next record, waits for
that, and fades it in. Askwise's page holds the next two questions already and shows the next one before it sends.
So the difference is in the pages more than in the servers, and the price is that Askwise's next two questions may come
from the ranking before the last.

## What to doubt

- {_doubt_load(found)}
- Chromium runs without a screen and a graphics card here; on a desk frames come at the screen's rate.
- The browsers share the processors with the servers, as on a laptop.
- {_doubt_texts(found)}
- The questions are not the same: each app asks what it holds best, ASReview the likeliest yes, Askwise what the model
  learns most from. Askwise's answers count toward a certificate, ASReview's toward finding all that is relevant.
- ASReview's trainer looks at its queue only when no answer came for a second. Faster answers put the next ranking off,
  which saves it work and leaves its questions to an older ranking; `in a row` shows it.
- Keys are pressed by a program on the same machine: no network, no person.
- The browsers know no other machine than this one, and ASReview is told not to look for updates. {_elsewhere(found)}
"""
    )
    return "\n".join(parts)


def _section(one: dict[str, Any]) -> str:
    """The table for one number of texts."""
    apps = one["apps"]
    kinds = list(next(iter(apps.values()))["runs"])
    lines = [
        f"## {one['texts']:,} texts",
        "",
        f"{one['when']}, load average {one['load'][0]} at the start and {one['load'][1]} at the end, "
        f"{one['minutes']:g} minutes in all. Times in ms: half of the answers / 95 of 100 / the longest.",
        "",
        f"| | {' | '.join(apps)} |",
        "|---" * (len(apps) + 1) + "|",
    ]

    def row(name: str, cells: list[str]) -> None:
        lines.append(f"| {name} | {' | '.join(cells)} |")

    row("file to first question", [f"{app['opened']:.1f} s" for app in apps.values()])
    for kind in kinds:
        runs = [app["runs"][kind] for app in apps.values()]
        row(f"**{kind}**, {runs[0]['answers']} answers", [""] * len(apps))
        for key in ("painted", "visible", "saved"):
            row(MEANING[key], [_triple(run[key]) for run in runs])
        if any(run["again"] for run in runs):
            row("nothing came for 8 s, done again", [str(run["again"]) for run in runs])
        row("new rankings", [str(run["rankings"]) for run in runs])
        row("processor time an answer", [f"{1000 * run['cpu'] / run['answers']:.0f} ms" for run in runs])
        row("memory, at most", [f"{run['memory']:,.0f} MB" for run in runs])
    own = next(iter(apps.values()))["runs"]["a person's pace"]
    said = [
        f"{MEANING[key]} {own[key]['p95']:.0f} ms, aim {aim}: {'met' if own[key]['p95'] < aim else 'missed'}"
        for key, aim in AIM.items()
    ]
    lines += ["", f"Aims for Askwise, 95 of 100 at a person's pace: {'; '.join(said)}.", ""]
    return "\n".join(lines)


def _triple(times: dict[str, float | None]) -> str:
    if times["p50"] is None:
        return "every answer came first"
    return " / ".join(f"{times[q]:,.0f}" for q in ("p50", "p95", "max"))


def _doubt_load(found: list[dict[str, Any]]) -> str:
    loads = [one["load"][0] for one in found if one["load"][0] is not None]
    cores = os.cpu_count() or 1
    if loads and max(loads) > cores / 2:
        return (
            f"The machine was busy with other work (load average up to {max(loads):.1f} on {cores} cores before this "
            "began): these figures show that the comparison works, not how fast either page is."
        )
    return "One machine, one run. The load averages above say what else it did."


def _doubt_texts(found: list[dict[str, Any]]) -> str:
    real = max(one["real"] for one in found)
    if real >= max(one["texts"] for one in found):
        return "The texts are messages, requests and questions of a line or two; abstracts are longer."
    return (
        f"{real:,} texts are real (messages, requests, questions of a line or two), the rest is made from them, by "
        "which word follows which, so there are fewer different words than in as many real texts. Abstracts are longer."
    )


def _elsewhere(found: list[dict[str, Any]]) -> str:
    asked = sorted({url for one in found for url in one["elsewhere"]})
    return f"Asked for in vain: {', '.join(asked)}." if asked else "Neither page asked for anything else."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, nargs="+", default=[10_000])
    parser.add_argument("--answers", type=int, default=150, help="at a person's pace, 0.3 to 1 s each")
    parser.add_argument("--burst", type=int, default=100, help="then in a row, 0.1 s each")
    parser.add_argument("--beside", action="store_true", help="ASReview's page, too")
    parser.add_argument("--quick", action="store_true", help="20 answers at a person's pace, 20 in a row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", default=None, help="as of `askwise label`; tfidf with --beside, as ASReview's")
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--json", type=Path, default=Path("out/latency.json"))
    parser.add_argument("--docs", action="store_true", help="write docs/latency.md (with --beside)")
    args = parser.parse_args()
    if not args.chromium:
        raise SystemExit("No Chromium found; give its path with --chromium.")
    if args.docs and not args.beside:
        raise SystemExit("docs/latency.md shows both pages: add --beside.")
    pace, row = (20, 20) if args.quick else (args.answers, args.burst)
    found = []
    for n in args.texts:
        apps: list[App] = [Askwise(args.encoder or ("tfidf" if args.beside else None))]
        if args.beside:
            apps.append(ASReview())
        # Three and two blocks, so that what else the machine does meanwhile falls on both.
        found.append(measure(apps, n, _parts(pace, 3), _parts(row, 2), args.seed, args.chromium))
        show(found[-1])
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if args.docs:
        (ROOT / "docs" / "latency.md").write_text(document(found), encoding="utf-8")


def _parts(total: int, parts: int) -> list[int]:
    return [total // parts + (i < total % parts) for i in range(parts)]


if __name__ == "__main__":
    main()
