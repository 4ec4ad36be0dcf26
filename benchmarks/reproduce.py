"""Published experiments run again, ours beside the figures that their authors printed, one command each.

    python benchmarks/reproduce.py lu                     # Lu, Li & Lin 2023: pool-based benchmark, 11 tables
    python benchmarks/reproduce.py screening              # Ferdinands et al. 2023, and ASReview's present engine
    python benchmarks/reproduce.py trec                   # TREC-6 with 32 to 128 labels
    python benchmarks/reproduce.py lcmd                   # Holzmüller et al. 2023: regression
    python benchmarks/reproduce.py peers                  # scikit-activeml, small-text, modAL beside ours (make peers)
    python benchmarks/reproduce.py lu --quick             # some seconds or minutes: other sizes, no page is written
    python benchmarks/reproduce.py lu --sets heart wdbc --ways uniform margin --seeds 10 --docs
    python benchmarks/reproduce.py lu --again --docs      # the tables of what was run, nothing more

Every finished run is a line of build/reproduce/NAME.jsonl, so what was stopped is gone on with, and what is there is
not run again; --docs puts the tables of all that is there into docs/reproductions.md. The data lie in shared/data
beside the repository; what is missing is named.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reproductions.md"
PARTS = ("lu", "screening", "trec", "lcmd", "peers")
Run = dict[str, Any]
"""What one run found, with the "set", "way" and "seed" that it is of."""


def part_of(name: str) -> Any:
    """Its module: WAYS, QUICK, sets(), missing(), seeds(set, way), run(set, way, seed, quick), tables(runs)."""
    return importlib.import_module(f"reproduce_{name}")


def kept(path: Path) -> list[Run]:
    """The runs of a journal; a last line that was cut off is dropped."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def keep(path: Path, runs: Sequence[Run]) -> None:
    """The journal anew, whole lines only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in runs), encoding="utf-8")


def spent() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def work(name: str, quick: bool, job: tuple[str, str, int]) -> Run:
    """One run, with its CPU seconds."""
    from threadpoolctl import threadpool_limits

    started = spent()
    with threadpool_limits(1):
        found = part_of(name).run(*job, quick)
    seconds = found.pop("spent", 0.0) + spent() - started  # of a process that goes on, and of this one
    return {"set": job[0], "way": job[1], "seed": job[2], "cpu": round(seconds, 2), **found}


def each(name: str, quick: bool, jobs: Sequence[tuple[str, str, int]], processes: int) -> Iterator[Run]:
    """The runs as they end."""
    if processes == 1:
        yield from map(partial(work, name, quick), jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(work, name, quick), jobs)


def measure(name: str, options: argparse.Namespace) -> list[Run]:
    """All runs of a part that were asked for, those that are there already with them."""
    part = part_of(name)
    path = options.out / f"{name}{'-quick' if options.quick else ''}.jsonl"
    runs = kept(path)
    if options.again:
        return runs
    keep(path, runs)
    there = {(one["set"], one["way"], one["seed"]) for one in runs}
    sets = [one for one in part.sets() if not options.sets or one in options.sets]
    ways = [one for one in part.WAYS if not options.ways or one in options.ways]
    if options.quick:
        sets = sets[: part.QUICK]
    most = 1 if options.quick else options.seeds
    jobs = [
        (one, way, seed) for one in sets for way in ways
        for seed in range(min(most or sys.maxsize, part.seeds(one, way))) if (one, way, seed) not in there
    ]  # fmt: skip
    jobs.sort(key=lambda job: (sets.index(job[0]), job[2]))  # whole seeds, all ways beside each other
    with path.open("a", encoding="utf-8") as journal:
        for done, one in enumerate(each(name, options.quick, jobs, options.processes), 1):
            if "left out" in one:
                print(f"{one['set']}, {one['way']}: {one['left out']}", file=sys.stderr)
                continue
            journal.write(json.dumps(one) + "\n")
            journal.flush()
            runs.append(one)
            print(
                f"{done} of {len(jobs)}: {one['set']}, {one['way']}, seed {one['seed']}, {one['cpu']:.1f} s", flush=True
            )
    return runs


def put(text: str, name: str, tables: str) -> str:
    """The text with these tables between the markers of a part, which stay."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if begin not in text or end not in text:
        raise SystemExit(f"{PAGE} has no place for the part {name!r}: add the lines {begin!r} and {end!r}.")
    new = f"{begin}\n\n{tables}\n\n{end}"
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: new, text, flags=re.DOTALL)


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("part", choices=PARTS)
    found.add_argument("--quick", action="store_true", help="one seed of a small piece, to see that it runs")
    found.add_argument("--seeds", type=int, default=None, help="at most so many of each; default those of the protocol")
    found.add_argument("--sets", nargs="+", help="only these")
    found.add_argument("--ways", nargs="+", help="only these")
    found.add_argument("--processes", type=int, default=1)
    found.add_argument("--out", type=Path, default=ROOT / "build" / "reproduce")
    found.add_argument("--again", action="store_true", help="only make the tables anew, of the runs that are there")
    found.add_argument("--docs", action="store_true", help="put the tables into docs/reproductions.md")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    part = part_of(options.part)
    if why := part.missing():
        print(f"{options.part} was not run: {why}", file=sys.stderr)
        return 2
    if options.docs and options.quick:
        print("A quick run is no measurement: leave out --docs or --quick.", file=sys.stderr)
        return 2
    for asked, known in ((options.sets, part.sets()), (options.ways, part.WAYS)):
        if strange := [one for one in asked or () if one not in known]:
            parser().error(f"{options.part} has no set or way {', '.join(strange)}; it has {'; '.join(known)}.")
    tables = part.tables(measure(options.part, options))
    print(tables)
    if options.docs:
        PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), options.part, tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
