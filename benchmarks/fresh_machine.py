"""Does a saved model say on a fresh machine what its session says, to the last digit?

    python benchmarks/fresh_machine.py            # builds a wheel, installs it elsewhere, compares; some minutes
    python benchmarks/fresh_machine.py --keep     # leaves the folder, and says where it is

Sessions of each kind are begun here, from files: texts, table rows with the portfolio, sets, spans, numbers, and rows
of features for ONNX. Each saves its model, and what it says of its own items. Then a wheel of this working tree
is built and installed into a virtual environment of its own, with nothing but what `askwise[model,spans]` asks for, in
the versions of NumPy, SciPy and scikit-learn that are here (a model is the same to the last digit only then). There
`askwise predict MODEL FILE` runs in another folder, with no PYTHONPATH. Labels must be equal, confidences equal.
An ONNX graph is asked by onnxruntime alone, without Askwise; of it labels and the largest difference are said.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from askwise import Session

ROOT = Path(__file__).parents[1]
N = 240
TRUST = {"spans": "askwise.learners.crf.ConditionalRandomField"}
WORDS = {"ham": ("see you at lunch", "the train is late"), "spam": ("win a cash prize", "claim it now free")}
Say = Callable[[Any], Any]


def messages() -> list[str]:
    draw = random.Random(0)
    kinds = [draw.choice(["ham", "spam"]) for _ in range(N)]
    return [f"{draw.choice(WORDS[kind])} {draw.choice('abcdefgh')} number {n}" for n, kind in enumerate(kinds)]


def cases(folder: Path) -> Iterator[tuple[str, Path, dict[str, Any], Say]]:
    """(name, file, how its session begins, what a person says)."""
    texts = messages()
    spam: Say = lambda text: "spam" if "prize" in text or "claim" in text else "ham"  # noqa: E731
    words: Say = lambda text: [w for w in ("lunch", "train", "free", "prize") if w in text]  # noqa: E731
    plain = write(folder / "texts.csv", [{"id": n, "text": text} for n, text in enumerate(texts)])
    yield "texts, linear", plain, {"classes": ["ham", "spam"], "encoder": "tfidf"}, spam
    yield (
        "sets of labels",
        plain,
        {"classes": ["lunch", "train", "free", "prize"], "multilabel": True, "encoder": "tfidf"},
        words,
    )
    yield "numbers", plain, {"task": "number:tolerance=0.5", "encoder": "tfidf"}, lambda text: len(text) / 10
    draw = random.Random(1)
    rows = [
        {"size": round(draw.random(), 3), "weight": draw.randrange(100), "color": draw.choice(["red", "blue", "green"])}
        for _ in range(N)
    ]
    table = write(folder / "rows.csv", rows)
    yield (
        "table, portfolio",
        table,
        {"kind": "table", "classes": ["big", "small"], "learner": "portfolio"},
        lambda row: "big" if float(row["size"]) + float(row["weight"]) / 200 > 0.7 else "small",
    )
    people = ["Ada Lovelace", "Bob", "Grace Hopper"]
    where = [f"{who} was in Oslo {n}" for n in range(N // 3) for who in people]
    spans = write(folder / "spans.csv", [{"text": text} for text in where])
    mark: Say = lambda text: [[0, text.index(" was"), "PER"]]  # noqa: E731
    yield "spans", spans, {"task": "spans", "classes": ["PER"], "encoder": "tfidf"}, mark


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    return path


def label(session: Session, say: Say) -> None:
    for _ in range(6):
        for query in session.ask(8):
            session.tell(query, say(query.content))
        session.refresh()


def saved(folder: Path) -> list[tuple[str, Path, Path, list[str], list[float]]]:
    """(name, data, model, labels, confidences) of each kind, the last two as the session says them."""
    found = []
    for name, data, how, say in cases(folder):
        how = dict(how)
        if "kind" not in how:
            how["text"] = "text"
        with Session(data, **how) as session:
            label(session, say)
            model = folder / f"{name.replace(', ', '-').replace(' ', '-')}.skops"
            session.model().save(model)
            labels, sure = session.predictions()
            found.append((name, data, model, labels, [float(x) for x in sure]))
    return found


def features(folder: Path) -> tuple[list[str], list[float]]:
    """A model of rows of features as ONNX, and what its session says."""
    X = np.random.default_rng(2).normal(size=(N, 6)).astype(np.float32)
    with Session(X, classes=["no", "yes"], learner="linear") as session:
        label(session, lambda x: "yes" if float(np.ravel(x)[0]) > 0 else "no")
        session.model().save(folder / "features.onnx")
        np.save(folder / "features.npy", X)
        labels, sure = session.predictions()
    return labels, [float(x) for x in sure]


def environment(folder: Path) -> Path:
    """The program of a new virtual environment that holds a wheel of this working tree."""
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder, ROOT)
    (wheel,) = folder.glob("askwise-*.whl")
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    same = [f"{package}=={version(package)}" for package in ("numpy", "scipy", "scikit-learn")]
    for package in ("skops", "python-crfsuite", "onnxruntime"):
        try:
            same.append(f"{package}=={version(package)}")
        except PackageNotFoundError:
            same.append(package)
    run(python, "-m", "pip", "install", "-q", f"{wheel}[model,spans]", *same)
    return python


def run(*command: Any, cwd: Path | None = None) -> str:
    """What a command prints, run without PYTHONPATH."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


ASK_ONNX = """
import json, sys
import numpy as np, onnxruntime
there = onnxruntime.InferenceSession(sys.argv[1])
labels, proba = there.run(None, {"features": np.load(sys.argv[2])})
print(json.dumps([[str(x) for x in labels], np.asarray(proba, np.float64).max(1).tolist()]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    keep = parser.parse_args().keep
    folder = Path(tempfile.mkdtemp(prefix="askwise-fresh-"))
    wrong = 0
    try:
        kinds, (onnx_labels, onnx_sure) = saved(folder), features(folder)
        python = environment(folder)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        at = run(python, "-c", "import askwise; print(askwise.__file__)", cwd=elsewhere)
        if str(folder) not in at:
            raise SystemExit(f"Another Askwise was asked: {at}")
        for name, data, model, labels, sure in kinds:
            trust = ["--trust", TRUST[name]] if name in TRUST else []
            said = run(python, "-m", "askwise", "predict", model, data, "--to", "jsonl", *trust, cwd=elsewhere)
            rows = [json.loads(line) for line in said.splitlines()]
            same = sum(row["label"] == label_ for row, label_ in zip(rows, labels, strict=True))
            to_the_bit = sum(
                np.float32(row["confidence"]) == np.float32(one) for row, one in zip(rows, sure, strict=True)
            )
            wrong += same < len(rows) or to_the_bit < len(rows)
            print(f"{name}: {same} of {len(rows)} labels, {to_the_bit} of {len(rows)} confidences to the last digit")
        said = run(python, "-c", ASK_ONNX, folder / "features.onnx", folder / "features.npy", cwd=elsewhere)
        there, surely = json.loads(said)
        same = sum(a == b for a, b in zip(there, onnx_labels, strict=True))
        most = max(abs(a - b) for a, b in zip(surely, onnx_sure, strict=True))
        wrong += same < N
        print(f"features, ONNX: {same} of {N} labels, confidences at most {most:.1g} apart")
    finally:
        if keep:
            print(f"left in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
