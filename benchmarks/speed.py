"""Speed beside the peers: the same work for every library, in turns, in one run, CPU and wall time.

    python benchmarks/speed.py --quick                      # a few minutes; writes docs/speed.md
    python benchmarks/speed.py                              # everything, up to a million rows
    python benchmarks/speed.py --only margin,badge --sizes 10000
    python benchmarks/speed.py --scale                      # ours alone on a million rows: time and memory

Every library runs in a process of its own (`speed_workers.py`) on one thread; they take turns within a run, so that
what else the machine does hits all alike. The peers live in `.venv-peers`, which is made here from `peers.txt`. What
cannot be installed, breaks, takes too long or too much memory is reported as such. Results are kept in
`out/speed.json`, so a run of some pieces renews only those in the page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers"
RESULTS = ROOT / "out" / "speed.json"
PAGE = ROOT / "docs" / "speed.md"
WIDTH, CLASSES, LABELED = 384, 10, 200
OURS = "askwise"
PACKAGES = {
    "scikit-activeml": "scikit-activeml", "modAL": "modAL-python", "cardinal": "cardinal", "small-text": "small-text",
    "ALiPy": "alipy",
}  # fmt: skip


@dataclass(frozen=True)
class Workload:
    """One row of the table for each size."""

    name: str
    what: str
    k: int = 100
    quick: tuple[int, ...] = (10_000,)
    full: tuple[int, ...] = (10_000, 100_000)


WORKLOADS = (
    Workload("margin", "smallest margin", quick=(10_000, 100_000), full=(10_000, 100_000, 1_000_000)),
    Workload("entropy", "entropy", full=(10_000, 100_000, 1_000_000)),
    Workload("least_confidence", "least confidence", full=(10_000, 100_000, 1_000_000)),
    Workload("vote_entropy", "committee of 10, votes, training included"),
    Workload("consensus_kl", "committee of 10, BALD, training included"),
    Workload("expected_gradient_length", "expected gradient length"),
    Workload("k_center", "core-set, k-center greedy", quick=(10_000, 100_000), full=(10_000, 100_000, 1_000_000)),
    Workload("typiclust", "TypiClust", full=(10_000, 100_000, 1_000_000)),
    Workload("badge", "BADGE", full=(10_000, 100_000, 1_000_000)),
    Workload("diverse_margin", "k-means weighted by margins", full=(10_000, 100_000, 1_000_000)),
    Workload("prob_cover", "ProbCover", k=10),
    Workload("max_herding", "MaxHerding", k=10),
    Workload("information_density", "information density", full=(10_000, 100_000, 1_000_000)),
    Workload("ranked_batch", "ranked batch", k=20),
    Workload("contrastive", "contrastive (CAL)"),
    Workload("discriminative", "discriminative (DAL)", k=10),
    Workload("clue", "CLUE"),
    Workload("falcun", "FALCUN"),
    Workload("drop_query", "DropQuery"),
    Workload("batch_bald", "BatchBALD, committee of 10", k=5, quick=(1_000,), full=(1_000, 10_000)),
    Workload("expected_error_reduction", "expected error reduction of 20 candidates", k=1, full=(10_000,)),
    Workload("quire", "QUIRE", k=1, quick=(500,), full=(500, 1_000)),
)
SIMULATED = (
    "random", "least_confidence", "margin", "entropy", "vote_entropy", "k_center", "badge", "contrastive",
    "discriminative", "typiclust",
)  # fmt: skip
SCALED = (
    "random", "margin", "entropy", "least_confidence", "decision_boundary", "power_margin", "information_density",
    "vote_entropy", "consensus_kl", "k_center", "k_means", "diverse_margin", "cluster_margin", "badge", "typiclust",
)  # fmt: skip
MILLION = 1_000_000
MODAL_CAN = ("least_confidence", "margin", "entropy")


class Worker:
    """A library's process."""

    def __init__(self, name: str, python: Path, memory: int) -> None:
        self.name, self.python, self.memory = name, python, memory
        self.process: subprocess.Popen[str] | None = None
        self.loaded: dict[str, Any] | None = None

    def ask(self, task: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        """The answer, or {"error": …}; a process that is too slow is ended."""
        if self.process is None:
            self._start()
            if self.loaded is not None and task != "load" and "error" in (reply := self._say("load", self.loaded, 120)):
                return reply
        if task == "load":
            self.loaded = arguments
        return self._say(task, arguments, timeout)

    def _start(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [str(self.python), str(Path(__file__).with_name("speed_workers.py")), self.name, str(self.memory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=os.environ | threads,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process.stdout, self.lines), daemon=True).start()

    @staticmethod
    def _listen(stream: Any, lines: queue.Queue[str]) -> None:
        for line in stream:
            lines.put(line)
        lines.put("")

    def _say(self, task: str, arguments: dict[str, Any], timeout: float) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps([task, arguments]) + "\n")
            self.process.stdin.flush()
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            self.stop()
            return {"error": f"more than {timeout:.0f} s"}
        except BrokenPipeError:
            line = ""
        if not line:
            self.stop()
            return {"error": "the process died (out of memory?)"}
        return dict(json.loads(line))

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def install_peers() -> dict[str, str]:
    """Make `.venv-peers` where it is missing; package → version, or what went wrong."""
    python = PEERS / "bin" / "python"
    wanted = [line.split("#")[0].strip() for line in (ROOT / "benchmarks" / "peers.txt").read_text().splitlines()]
    wanted = [line for line in wanted if line]
    pins = [line for line in wanted if any(sign in line for sign in "<>=")]
    record = PEERS / "installed.json"
    if not record.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        (PEERS / ".gitignore").write_text("*\n")
        failed = {}
        for package in wanted:
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package, *pins]
            done = subprocess.run(pip, capture_output=True, text=True, check=False)
            if done.returncode:
                failed[package] = done.stderr.strip().splitlines()[-1][:160]
        record.write_text(json.dumps(failed))
    failed = json.loads(record.read_text())
    code = "import importlib.metadata as m, json, sys; print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))"
    there = [package for package in PACKAGES.values() if package not in failed]
    shown = subprocess.run([str(python), "-c", code, *there], capture_output=True, text=True, check=True).stdout
    return json.loads(shown) | {package: f"cannot be installed: {why}" for package, why in failed.items()}


def make_data(folder: Path, n: int) -> None:
    """Rows of length 1 around ten centers, as sentence embeddings have them; the first ten rows show every class."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, n)
    y[:CLASSES] = np.arange(CLASSES)
    centers = 0.5 * rng.normal(size=(CLASSES, WIDTH))
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (n, WIDTH))
    for start in range(0, n, 50_000):
        part = slice(start, min(start + 50_000, n))
        block = centers[y[part]] + rng.normal(size=(part.stop - start, WIDTH))
        X[part] = block / np.linalg.norm(block, axis=1, keepdims=True)
    X.flush()
    np.save(folder / "y.npy", y)


# ── measuring ───────────────────────────────────────────────────────────────────────────────


def measure(
    workers: list[Worker], workload: Workload, n: int, repeats: int, timeout: float, patience: float
) -> dict[str, Any]:
    """Every library in turn, `repeats` times; one that took more than `patience` CPU seconds is asked only once."""
    runs: dict[str, Any] = {}
    racing = [w for w in workers if w.ask("able", 60, workload=workload.name).get("able")]
    for turn in range(repeats):
        for worker in racing[turn % len(racing) :] + racing[: turn % len(racing)]:
            past = runs.setdefault(worker.name, [])
            if past and ("error" in past[-1] or past[0]["cpu"] > patience):
                continue
            reply = worker.ask(workload.name, timeout, k=workload.k)
            reply.pop("rows", None)
            past.append(reply)
    return {"what": workload.what, "k": workload.k, "n": n, "runs": runs, "date": today()}


def interactive(
    workers: list[Worker], folder: Path, n: int, labeled: int, steps: int, timeout: float
) -> dict[str, Any]:
    runs = {}
    for worker in workers:
        worker.ask("load", 120, folder=str(folder), n=n, labeled=labeled)
        runs[worker.name] = worker.ask("interactive", timeout, steps=steps)
    return {"n": n, "labeled": labeled, "runs": runs, "date": today()}


def digits(workers: list[Worker], seeds: int, timeout: float) -> dict[str, Any]:
    """Strategy → library → [[cpu, accuracy], …] by seed, or an error."""
    table: dict[str, Any] = {strategy: {} for strategy in SIMULATED}
    for seed in range(seeds):
        for strategy in SIMULATED:
            for worker in workers:
                if worker.name == "modAL" and strategy not in MODAL_CAN:
                    continue
                past = table[strategy].setdefault(worker.name, [])
                if not past:  # what it imports is not the strategy's time
                    worker.ask("digits", timeout, strategy=strategy, seed=seed, queries=2)
                if past and isinstance(past[-1], str):
                    continue
                reply = worker.ask("digits", timeout, strategy=strategy, seed=seed)
                past.append(reply["error"] if "error" in reply else [reply["cpu"], reply["value"]])
    return {"seeds": seeds, "queries": 100, "table": table, "date": today()}


def scale(folder: Path, memory: int, timeout: float) -> dict[str, Any]:
    """Strategy → our time and memory on a million rows, each in a process of its own, whose peak is its alone."""
    found: dict[str, Any] = {}
    for strategy in SCALED:
        worker = Worker(OURS, Path(sys.executable), memory)
        reply = worker.ask("load", 120, folder=str(folder), n=MILLION, labeled=LABELED)
        if "error" not in reply:
            reply = worker.ask("scale", timeout, strategy=strategy, k=100)
        worker.stop()
        found[strategy] = reply
        print(f"{strategy:26} {reply.get('error') or reply['steps']['cpu']}", flush=True)
    return {"n": MILLION, "k": 100, "runs": found, "date": today()}


def today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


# ── the page ────────────────────────────────────────────────────────────────────────────────


def seconds(value: float) -> str:
    """Three digits at most."""
    if value < 0.0995:
        return f"{value * 1000:.2g} ms" if value < 0.00995 else f"{value * 1000:.0f} ms"
    return f"{value:.2g} s" if value < 9.95 else f"{value:,.0f} s"


def cell(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return ""
    if "error" in runs[-1]:
        return failure(runs[-1]["error"])
    cpu = sorted(run["cpu"] for run in runs)
    spread = f" ({seconds(cpu[0])} – {seconds(cpu[-1])})" if len(cpu) > 1 else " (once)"
    return seconds(statistics.median(cpu)) + spread


def failure(error: str) -> str:
    """Limits in the cell itself; what broke is told once, below the table."""
    return f"✗ {error}" if error.startswith(("more than", "out of memory")) else "✗ breaks"


def broken(results: dict[str, Any]) -> list[str]:
    """Each library's errors, once, with where they came up."""
    found: dict[tuple[str, str], list[str]] = {}
    for w in results.get("workloads", {}).values():
        for name, runs in w["runs"].items():
            if runs and "error" in runs[-1] and failure(runs[-1]["error"]) == "✗ breaks":
                found.setdefault((name, runs[-1]["error"]), []).append(w["what"])
    for r in results.get("interactive", {}).values():
        for name, run in r["runs"].items():
            if "error" in run and failure(run["error"]) == "✗ breaks":
                found.setdefault((name, run["error"]), []).append("one step with a person")
    lines = [
        f"- {name}: {', '.join(dict.fromkeys(where))}: `{error.split('. ')[0].replace('`', '')}`"
        for (name, error), where in found.items()
    ]
    return ["What breaks with these versions:", "", *lines, ""] if lines else []


def ratio(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> tuple[float, float, float] | None:
    """(median, least, most) of their CPU time over ours, within the same turn where both ran."""
    if not ours or not theirs or "error" in ours[-1] or "error" in theirs[-1]:
        return None
    # a run that took no measurable time counts as a tenth of a millisecond
    values = sorted(b["cpu"] / max(a["cpu"], 1e-4) for a, b in zip(ours, theirs, strict=False))
    return statistics.median(values), values[0], values[-1]


def best_peer(runs: dict[str, Any]) -> str:
    """The fastest peer and how many times our time it takes."""
    found = {name: ratio(runs[OURS], theirs) for name, theirs in runs.items() if name != OURS}
    valid = {name: r for name, r in found.items() if r is not None}
    if not valid:
        return "none finished" if found else "none has it"
    name = min(valid, key=lambda key: valid[key][0])
    middle, low, high = valid[name]
    return f"{name} **{times(middle)}** ({times(low)} – {times(high)})"


def times(value: float) -> str:
    return f"{value:.2g}x" if value < 10 else f"{value:,.0f}x"


def page(results: dict[str, Any]) -> str:
    """docs/speed.md."""
    about = results["about"]
    peers = [name for name in PACKAGES if PACKAGES[name] in about["peers"]]
    out = [
        "# Speed",
        "",
        "<!-- written by benchmarks/speed.py -->",
        "",
        f"Measured on {about['date']} on a shared virtual machine ({about['machine']}), {about['mode']}: Python "
        f"{about['python']}, NumPy {about['numpy']}, one thread for every library. CPU time of one call: median (least "
        "– most). The libraries take turns within a run, each in a process of its own; trust the ratios more than the "
        "milliseconds. A ratio above 1 means that the peer takes that many times our CPU time; ✗: it did not finish.",
        "",
        f"Data: float32 rows of length 1, {WIDTH} columns, {CLASSES} classes, {LABELED} labels, 100 rows asked for "
        "unless said. Every library scores with a logistic regression fitted beforehand: ours with its own, which is "
        "calibrated as well, the peers with scikit-learn's.",
        "",
        "Where ours is not the same computation: committees are drawn from a Laplace approximation, where the peers "
        "train ten models; expected error reduction takes one Newton step, where scikit-activeml trains again for "
        "every answer; clusterings learn their centers from a sample of the rows, DAL its discriminator from 5,000. "
        "Margin, entropy, least confidence, "
        "k-center, ranked batch, MaxHerding and CAL give the same rows as the peers that do them right "
        "(`tests/test_peers.py`).",
        "",
        "Peers: " + "; ".join(f"{name} {about['peers'][PACKAGES[name]]}" for name in peers) + ". "
        + "; ".join(about["left_out"]) + ".",
        "",
        "```sh",
        "python benchmarks/speed.py --quick              # a few minutes",
        "python benchmarks/speed.py                      # everything, up to a million rows",
        "python benchmarks/speed.py --only margin,badge  # some rows of the tables",
        "python benchmarks/speed.py --scale              # a million rows, Askwise alone",
        "```",
        "",
    ]  # fmt: skip
    out += selection_table(results.get("workloads", {}), peers)
    out += slower(results.get("workloads", {}))
    out += broken(results)
    out += scale_table(results.get("scale"))
    out += interactive_table(results.get("interactive", {}))
    out += digits_table(results.get("digits"))
    return "\n".join(out) + "\n"


def selection_table(workloads: dict[str, Any], peers: list[str]) -> list[str]:
    out = ["## One selection", "", f"| work | rows | Askwise | best peer | {' | '.join(peers)} |"]
    out.append("|" + "---|" * (4 + len(peers)))
    order = {w.name: i for i, w in enumerate(WORKLOADS)}
    for key in sorted(workloads, key=lambda key: (order[key.split()[0]], workloads[key]["n"])):
        w = workloads[key]
        asked = "" if w["k"] == 100 else f", k = {w['k']}"
        cells = [cell(w["runs"].get(name, [])) for name in peers]
        out.append(
            f"| {w['what']}{asked} | {w['n']:,} | {cell(w['runs'].get(OURS, []))} | {best_peer(w['runs'])} | "
            f"{' | '.join(cells)} |"
        )
    return [*out, ""]


def slower(workloads: dict[str, Any]) -> list[str]:
    """Where a peer is faster, in words."""
    found = []
    for w in workloads.values():
        for name, theirs in w["runs"].items():
            r = ratio(w["runs"][OURS], theirs) if name != OURS else None
            if r and r[0] < 1:
                found.append(f"- {w['what']}, {w['n']:,} rows: {name} takes {times(r[0])} our time.")
    intro = "Where a peer is faster:" if found else "No peer was faster in any row of this table."
    return [intro, "", *found, ""] if found else [intro, ""]


def interactive_table(results: dict[str, Any]) -> list[str]:
    if not results:
        return []
    out = [
        "## One step with a person",
        "",
        "Tell one label, learn again, score every row, choose the next by margin.",
        "",
    ]
    out += [
        "| library | rows | labels | CPU median | CPU 95 % | wall median | wall 95 % | times ours |",
        "|" + "---|" * 8,
    ]
    for r in results.values():
        ours = r["runs"][OURS]
        for name, run in r["runs"].items():
            where = f"| {name} | {r['n']:,} | {r['labeled']:,} |"
            if "error" in run:
                out.append(f"{where} {failure(run['error'])} | | | | |")
                continue
            shown = []
            for clock in ("cpu", "wall"):
                values = run["steps"][clock]
                shown += [seconds(float(np.median(values))), seconds(float(np.quantile(values, 0.95)))]
            share = "" if name == OURS or "error" in ours else times(
                float(np.median(run["steps"]["cpu"]) / np.median(ours["steps"]["cpu"]))
            )  # fmt: skip
            out.append(f"{where} {' | '.join(shown)} | {share} |")
    return [*out, ""]


def scale_table(results: dict[str, Any] | None) -> list[str]:
    if not results:
        return []
    n = results["n"]
    out = [
        "## A million rows", "",
        f"Askwise alone: {results['k']} of {n:,} rows × {WIDTH} columns in float32 ({n * WIDTH * 4 / 2**30:.1f} GiB), "
        "in memory, each strategy in a process of its own. A read is one product of the matrix with a vector, measured "
        "in the same process. Memory: the most the process ever held but for the matrix, interpreter and libraries "
        "included.", "",
        "| strategy | CPU | CPU over one read of the matrix | memory over the matrix |", "|" + "---|" * 4,
    ]  # fmt: skip
    for strategy, run in results["runs"].items():
        if "error" in run:
            out.append(f"| {strategy} | {failure(run['error'])} | | |")
            continue
        cpu, read = statistics.median(run["steps"]["cpu"]), statistics.median(run["steps"]["read"])
        over = (run["peak"] - n * WIDTH * 4) / 2**30
        out.append(f"| {strategy} | {seconds(cpu)} | {times(cpu / read)} | {over:.2f} GiB |")
    return [*out, ""]


def digits_table(results: dict[str, Any] | None) -> list[str]:
    if not results:
        return []
    seeds = results["seeds"]
    out = [
        "## A simulation", "",
        f"Digits: from one label of each class, {results['queries']} questions one by one, a refit and the accuracy on "
        f"540 held-out digits after each; CPU seconds a seed, median over {seeds} seed{'s' * (seeds > 1)}, and the "
        "mean accuracy along the way. Every library with its own defaults: CAL looks at a tenth of the labels here, at "
        "most 10, in scikit-activeml at 5 of them; a committee has ten members here, five there. Reading the data is "
        "not counted.", "",
    ]  # fmt: skip
    names = list(dict.fromkeys(name for row in results["table"].values() for name in row))
    out += [f"| strategy | {' | '.join(names)} | scikit-activeml / ours |", "|" + "---|" * (2 + len(names))]
    total: dict[str, float] = {}
    for strategy, row in results["table"].items():
        cells, medians = [], {}
        for name in names:
            runs = row.get(name, [])
            if not runs:
                cells.append("")
            elif isinstance(runs[-1], str):
                cells.append(failure(runs[-1]))
            else:
                medians[name] = statistics.median(run[0] for run in runs)
                total[name] = total.get(name, 0) + sum(run[0] for run in runs)
                cells.append(f"{seconds(medians[name])}, {statistics.mean(run[1] for run in runs):.1%}")
        share = times(medians["scikit-activeml"] / medians[OURS]) if {"scikit-activeml", OURS} <= medians.keys() else ""
        out.append(f"| {strategy} | {' | '.join(cells)} | {share} |")
    share = times(total["scikit-activeml"] / total[OURS]) if {"scikit-activeml", OURS} <= total.keys() else ""
    sums = [seconds(total[name]) if name in total else "" for name in names]
    out.append(f"| **all of the column** | {' | '.join(sums)} | {share} |")
    out += [
        "",
        "What bounds it (2026-11-22, CPU time of a step, of which there are 100 a seed): the aim was 15 times over all "
        "ten strategies, and they fall short of it.",
        "",
        "| strategy | a step | fit, of this calibration | choose | test |",
        "|---|---|---|---|---|",
        "| random | 0.71 ms | 0.48 ms, 0.17 ms | 0.15 ms | 0.04 ms |",
        "| margin | 0.92 ms | 0.55 ms, 0.18 ms | 0.30 ms | 0.04 ms |",
        "| badge | 1.1 ms | 0.54 ms, 0.17 ms | 0.43 ms | 0.04 ms |",
        "| k_center | 1.2 ms | 0.56 ms, 0.19 ms | 0.57 ms | 0.04 ms |",
        "| contrastive | 1.5 ms | 0.49 ms, 0.17 ms | 0.87 ms | 0.05 ms |",
        "| vote_entropy | 2.1 ms | 0.59 ms, 0.19 ms | 1.4 ms | 0.05 ms |",
        "| discriminative | 2.7 ms | 0.56 ms, 0.18 ms | 2.0 ms | 0.05 ms |",
        "| typiclust | 4.8 ms | 0.55 ms, 0.17 ms | 4.1 ms | 0.06 ms |",
        "",
        "- A fit is some 5 million multiplications and additions, 0.1 ms at the 50 Gflop/s of matrices this small; the "
        "other 0.4 ms are several hundred NumPy calls of 0.3 to 3 µs and the Python between them. Only a compiled loop "
        "would save those: a prototype in C took 0.08 ms for the whole step of margin.",
        "- TypiClust learns up to 110 clusters of 1,257 rows anew at each step, as in the paper: 106 Mflop, 1.1 ms, "
        "were every distance computed in every round, and 60 draws of first centers one after the other, 1.1 ms. "
        "Clusters kept from step to step would make a choice depend on what was chosen before, so none are.",
        "- DAL spends its time in SciPy's L-BFGS: 16 evaluations a step, and almost as much between them.",
        "- A vote takes 100 weight vectors drawn, 0.5 ms, 125,000 probabilities, 0.3 ms, and counting, 0.2 ms.",
    ]  # fmt: skip
    return [*out, ""]


# ── the run ─────────────────────────────────────────────────────────────────────────────────


def machine() -> str:
    """The kind of machine, without its name."""
    model = platform.machine()
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":")[1].strip()
                break
    return f"{os.cpu_count()} cores, {model}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, one seed")
    parser.add_argument("--scale", action="store_true", help="only ours on a million rows: time and memory")
    parser.add_argument("--only", default="", help="workloads, 'interactive', 'digits'; separated by commas")
    parser.add_argument("--sizes", default="", help="numbers of rows, separated by commas")
    parser.add_argument("--libraries", default="", help="names of peers, separated by commas; default all")
    parser.add_argument("--repeats", type=int, default=0, help="turns; default 3 with --quick, else 7")
    parser.add_argument("--seeds", type=int, default=0, help="of the simulation; default 1 with --quick, else 20")
    parser.add_argument(
        "--timeout", type=float, default=0, help="seconds for a call; default 25 with --quick, else 120"
    )
    parser.add_argument("--memory", type=float, default=8, help="GiB of address space for each library")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    quick = options.quick
    repeats, seeds = options.repeats or (3 if quick else 7), options.seeds or (1 if quick else 20)
    timeout = options.timeout or (25 if quick else 120)
    only = set(options.only.split(",")) - {""}
    only |= {"scale"} if options.scale else set()
    if strange := only - {w.name for w in WORKLOADS} - {"interactive", "digits", "scale"}:
        parser.error(f"no workload {', '.join(sorted(strange))}")

    versions = install_peers()
    chosen = set(options.libraries.split(",")) - {""} or set(PACKAGES)
    workers = [Worker(OURS, Path(sys.executable), int(options.memory * 2**30))]
    for name in PACKAGES:
        if name in chosen and not versions.get(PACKAGES[name], "cannot").startswith("cannot"):
            workers.append(Worker(name, PEERS / "bin" / "python", int(options.memory * 2**30)))
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["about"] = {
        "date": today(), "machine": machine(), "python": platform.python_version(), "numpy": np.__version__,
        "mode": "quick mode" if quick else "full run", "peers": versions,
        "left_out": ["baal is left out: it needs PyTorch, a download of gigabytes"],
    }  # fmt: skip
    RESULTS.parent.mkdir(exist_ok=True)

    def keep() -> None:
        RESULTS.write_text(json.dumps(results))
        options.out.write_text(page(results))

    try:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), workers, results, keep, options, quick, only, repeats, seeds, timeout)
    finally:
        for worker in workers:
            worker.stop()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{sum(u.ru_utime + u.ru_stime for u in used):.0f} CPU s; {options.out} is written")


def run(
    folder: Path, workers: list[Worker], results: dict[str, Any], keep: Any, options: argparse.Namespace, quick: bool,
    only: set[str], repeats: int, seeds: int, timeout: float,
) -> None:  # fmt: skip
    """Size by size, workload by workload; what is measured is kept at once."""
    wanted = [int(size) for size in options.sizes.split(",") if size]
    plan = [
        (n, w) for w in WORKLOADS if not only or w.name in only
        for n in (wanted or (w.quick if quick else w.full))
    ]  # fmt: skip
    steps = not only or "interactive" in only
    largest = max([n for n, _ in plan] + [100_000] * steps, default=0)
    if largest:
        make_data(folder, largest)
    for n in sorted({n for n, _ in plan}):
        for worker in workers:
            worker.ask("load", 120, folder=str(folder), n=n, labeled=LABELED)
        for size, workload in plan:
            if size == n:
                found = measure(workers, workload, n, repeats, timeout, patience=4 if quick else 30)
                results.setdefault("workloads", {})[f"{workload.name} {n}"] = found
                keep()
                print(f"{workload.name:26} {n:9,} {best_peer(found['runs'])}", flush=True)
    if steps:
        able = [w for w in workers if w.name != "cardinal"]  # it has no loop
        for labeled in (200, 1000):
            found = interactive(able, folder, 100_000, labeled, 15 if quick else 60, 4 * timeout)
            results.setdefault("interactive", {})[str(labeled)] = found
            keep()
            print(f"interactive, {labeled} labels", flush=True)
    if "scale" in only:
        make_data(folder, MILLION)
        results["scale"] = scale(folder, int(options.memory * 2**30), timeout)
        keep()
    if not only or "digits" in only:
        able = [w for w in workers if w.name in (OURS, "scikit-activeml", "modAL")]
        results["digits"] = digits(able, seeds, 10 * timeout)
        keep()
        print("digits", flush=True)


if __name__ == "__main__":
    main()
