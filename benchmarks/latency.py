"""Times the labeling page in a real Chromium: key pressed → next question painted, while the model retrains.

    python benchmarks/latency.py                 # 10,000 texts, 150 answers at a person's pace, 100 in a row
    python benchmarks/latency.py --answers 400 --json out/latency.json

The server is `askwise label` as people start it, a process of its own. Keys are real input events.
Measured in the page:

painted    key event → the next question is on the screen (a task after the frame that shows it)
event      the same by the browser's own Event Timing, in steps of 8 ms
saved      key event → the server's reply that the answer is on the disk, with the next questions in it
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
import time
from pathlib import Path
from typing import Any

import numpy as np

SHARED = Path(os.environ.get("ASKWISE_SHARED", Path(__file__).parents[2] / "shared")) / "data"
SOURCES = {  # label → file, text column
    "message": ("spam_sms/sms_spam.csv.gz", "text"),
    "banking": ("intent_banking77/banking77.csv.gz", "text"),
    "question": ("text_trec6/trec6.csv.gz", "text"),
}
CHROMIUM = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic",
    "--no-first-run", "--disable-component-update", "--disable-sync",
]  # fmt: skip
MEANING = {"painted": "next question painted", "events": "… by Event Timing", "saved": "answer saved"}
PROBE = """() => {
  const log = (window.probe = { painted: [], events: [], saved: [], keyed: 0 });
  const channel = new MessageChannel();
  let pressed = null;
  channel.port1.onmessage = () => {
    if (pressed === null || document.getElementById("why-row").hidden) return; // no question yet: still waiting
    log.painted.push(performance.now() - pressed);
    pressed = null;
  };
  addEventListener("keydown", (event) => { pressed = event.timeStamp; log.keyed = event.timeStamp; }, true);
  new MutationObserver(() => requestAnimationFrame(() => channel.port2.postMessage(0)))
    .observe(document.getElementById("text"), { childList: true, characterData: true, subtree: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "keydown") log.events.push(entry.duration);
  }).observe({ type: "event", durationThreshold: 16, buffered: true });
  const send = window.fetch;
  window.fetch = async (...args) => {
    const from = log.keyed;
    const reply = await send(...args);
    if (String(args[0]).endsWith("api/v1/tell")) log.saved.push(performance.now() - from);
    return reply;
  };
}"""


def realistic(n: int, seed: int) -> list[tuple[str, str]]:
    """Different texts with their labels, n of them, from the shared files, else made from words."""
    rng = random.Random(seed)
    found: dict[str, str] = {}
    for label, (name, column) in SOURCES.items():
        path = SHARED / name
        if path.exists():
            with gzip.open(path, "rt", encoding="utf-8") as file:
                found.update({row[column].strip(): label for row in csv.DictReader(file) if row[column].strip()})
    pairs = list(found.items())
    rng.shuffle(pairs)
    if len(pairs) < n:
        print(f"only {len(pairs):,} texts in {SHARED}: the rest is made from words")
    words = {label: [f"{label[:3]}{i}" for i in range(2000)] for label in SOURCES}
    while len(pairs) < n:
        label = rng.choice(list(SOURCES))
        pairs.append((" ".join(rng.choices(words[label], k=rng.randint(5, 30))) + f" {len(pairs)}", label))
    return pairs[:n]


def start(folder: Path, pairs: list[tuple[str, str]], more: list[str]) -> tuple[subprocess.Popen[str], str]:
    """`askwise label` on the texts, and the address it prints."""
    file = folder / "texts.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([["text"], *([text] for text, _ in pairs)])
    command = [str(Path(sys.executable).with_name("askwise")), "label", str(file), "--text", "text"]
    command += ["--labels", ",".join(SOURCES), "--no-browser", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "500"})
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(r"http://\S+", line):
            return process, match[0]
    raise SystemExit("askwise label ended before it printed an address")


def label(page: Any, truth: dict[str, str], answers: int, pause: tuple[float, float], seed: int) -> dict[str, Any]:
    """Answer with number keys; returns the times of this run in milliseconds."""
    rng = random.Random(seed)
    page.evaluate("() => { for (const list of ['painted', 'events', 'saved']) window.probe[list] = [] }")
    numbers = {name: str(i + 1) for i, name in enumerate(SOURCES)}
    before, training, began = page.evaluate("fetch('/api/v1/pulse').then(r => r.json())"), 0, time.perf_counter()
    for done in range(answers):
        text = page.evaluate("document.getElementById('text').textContent")
        time.sleep(rng.uniform(*pause))
        training += page.evaluate("document.querySelector('.model').classList.contains('training')")
        page.keyboard.press(numbers[truth[text.strip()]])
        page.wait_for_function("n => window.probe.painted.length >= n", arg=done + 1, polling=10)
    took = time.perf_counter() - began
    page.wait_for_function("n => window.probe.saved.length >= n", arg=answers)
    page.wait_for_timeout(300)  # Event Timing reports late
    after = page.evaluate("fetch('/api/v1/pulse').then(r => r.json())")
    if after["counts"]["labeled"] - before["counts"]["labeled"] != answers:
        raise SystemExit(f"answers were lost: {before['counts']} → {after['counts']}")
    times = page.evaluate("window.probe")
    # What Event Timing does not report took less than its threshold.
    times["events"] += [16.0] * (answers - len(times["events"]))
    return {
        "answers": answers,
        "seconds": took,
        "new rankings": after["counts"]["round"] - before["counts"]["round"],
        "answers while training": training,
        **{key: summary(times[key]) for key in ("painted", "events", "saved")},
    }


def summary(times: list[float]) -> dict[str, float]:
    """p50, p95 and the largest of some times, ms."""
    p50, p95 = np.percentile(times, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(max(times), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--answers", type=int, default=150, help="at a person's pace, 0.3 to 1 s each")
    parser.add_argument("--burst", type=int, default=100, help="then in a row, 0.1 s each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", default=None, help="as of `askwise label`")
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--json", type=Path, default=Path("out/latency.json"))
    args = parser.parse_args()
    if not args.chromium:
        raise SystemExit("No Chromium found; give its path with --chromium.")
    from playwright.sync_api import sync_playwright

    pairs = realistic(args.texts, args.seed)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        process, url = start(Path(folder), pairs, ["--encoder", args.encoder] if args.encoder else [])
        try:
            browser = play.chromium.launch(executable_path=args.chromium, args=CHROMIUM)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(url)
            page.wait_for_function("() => document.getElementById('why').textContent !== ''")
            page.evaluate(PROBE)
            truth = {text.strip(): name for text, name in pairs}
            runs = {
                "warm-up": label(page, truth, 10, (0.3, 1.0), args.seed),
                "a person's pace": label(page, truth, args.answers, (0.3, 1.0), args.seed + 1),
                "in a row": label(page, truth, args.burst, (0.09, 0.11), args.seed + 2),
            }
            version = browser.version
            browser.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
    result = {
        "texts": len(pairs),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "browser": f"Chromium {version}, headless",
        "runs": runs,
    }
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{len(pairs):,} texts · {result['machine']} · {result['browser']}")
    print(f"{'ms':18}{'':10}{'p50':>8}{'p95':>8}{'max':>8}")
    for name, run in runs.items():
        new, busy = run["new rankings"], run["answers while training"]
        print(f"{name}: {run['answers']} answers, {new} new rankings, {busy} keys pressed while training")
        for key, meaning in (
            ("painted", "next question painted"),
            ("events", "… by Event Timing"),
            ("saved", "answer saved"),
        ):
            print(f"  {meaning:26}" + "".join(f"{run[key][q]:8.1f}" for q in ("p50", "p95", "max")))


if __name__ == "__main__":
    main()
