"""How many short texts a minute a saved model labels, in a process of its own with nothing but the file.

    python benchmarks/predict.py                     # the demo's messages, repeated with changed digits to 100,000
    python benchmarks/predict.py --data FILE --text text --label label --texts 20000

A session learns from `--labels` answers on the messages, its model is saved, and another process loads the file and
labels the texts from a CSV to a CSV with `askwise predict`. Says seconds of the clock and of the processor, which
differ where others use it, and whether the labels of the session's own messages are the session's, to the last digit.
Writes out/predict.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from askwise import Session, datasets, load_pool
from askwise.model import load

AIM = 100_000
"""Short texts a minute, on two cores."""


def messages(arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    if arguments.data is not None:
        pool = load_pool(arguments.data, text=arguments.text, label=arguments.label)
        rows = sorted(pool.given)
        return [str(pool.contents[row]) for row in rows], [pool.given[row] for row in rows]
    found = datasets.spam()
    if found.kind != "text":
        raise SystemExit(f"This benchmark is about short texts. {found.note}")
    return [str(text) for text in found.texts], found.labels


def many(texts: list[str], n: int) -> list[str]:
    """The texts again and again, each time with another number at the end, so that no two are the same."""
    return [f"{texts[i % len(texts)]} {i // len(texts)}" for i in range(n)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--labels", type=int, default=200, help="answers that the session learns from")
    parser.add_argument("--texts", type=int, default=AIM)
    parser.add_argument("--encoder", default="tfidf")
    parser.add_argument("--out", type=Path, default=Path("out"))
    arguments = parser.parse_args()
    texts, labels = messages(arguments)
    truth = dict(zip(texts, labels, strict=True))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with Session(texts, classes=sorted(set(labels)), encoder=arguments.encoder) as session:
            while session.counts()["labeled"] < arguments.labels:
                for query in session.ask(20):
                    session.tell(query, truth[query.text])
                session.refresh()
            names, sure = session.predictions()
            session.model().save(folder / "m.skops")
            own = list(session.pool.contents)
        with (folder / "new.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["text"], *([text] for text in many(texts, arguments.texts))])
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "askwise", "predict", "m.skops", "new.csv", "--out", "labeled.csv"]
        subprocess.run(command, cwd=folder, check=True)
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        model = load(folder / "m.skops")
        began = time.perf_counter()
        said, confidence = model.judged(own)
        body = {
            "texts": arguments.texts,
            "characters": round(float(np.mean([len(text) for text in texts])), 1),
            "encoder": arguments.encoder,
            "labels": arguments.labels,
            "file_bytes": (folder / "m.skops").stat().st_size,
            "seconds": round(seconds, 2),
            "processor_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
            "a_minute": round(60 * arguments.texts / seconds),
            "own_messages": len(own),
            "own_seconds": round(time.perf_counter() - began, 2),
            "same_labels": said == names,
            "same_to_the_last_digit": bool(np.array_equal(confidence, sure)),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
        }
    arguments.out.mkdir(exist_ok=True)
    (arguments.out / "predict.json").write_text(json.dumps(body, indent=1), encoding="utf-8")
    print(json.dumps(body, indent=1))


if __name__ == "__main__":
    main()
