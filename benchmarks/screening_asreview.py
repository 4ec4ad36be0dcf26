"""Runs ASReview's default engine for benchmarks/screening.py, inside an environment of its own.

    .venv-screening/bin/python benchmarks/screening_asreview.py records.json orders.json orders [every]

Reads {"title": […], "abstract": […], "label": [0 or 1, …], "priors": [[relevant, irrelevant], …]}, writes for each
pair of priors the labels in the order in which the records were shown (up to the last relevant one), and what
BUSCAR says after every hundredth of the records. With `every` the engine learns anew after every single answer.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import asreview
import numpy as np
import pandas as pd
from asreview.learner import ActiveLearningCycle
from asreview.models.models import get_ai_config
from buscarpy import calculate_h0


def ahead(results: pd.DataFrame) -> int:
    """Records shown before the next fit; the same schedule as for Askwise."""
    shown = len(results)
    return 1 if shown < 50 else 2 if shown < 100 else 5 if shown < 300 else 10


def run(features: object, labels: np.ndarray, priors: list[int], cycle: ActiveLearningCycle) -> tuple[list[int], float]:
    """Labels in the order shown, priors left out, and seconds."""
    started = time.perf_counter()
    simulation = asreview.Simulate(features, labels, [cycle], skip_transform=True, print_progress=False)
    simulation.label(priors)
    simulation.review()
    shown = simulation._results["label"].astype(int).tolist()[len(priors) :]
    return shown, time.perf_counter() - started


def buscar(order: list[int], n: int, priors: int, recall: float, alpha: float) -> int:
    """Records read when BUSCAR first says stop, looked at after every hundredth of the records."""
    padded = np.array(order + [0] * (n - len(order)))
    for t in range(max(1, n // 100), n, max(1, n // 100)):
        seen = np.concatenate([[1] * priors, padded[:t]])
        if calculate_h0(seen, n + priors, recall_target=recall) < alpha:
            return t
    return n


def main() -> None:
    records, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    if sys.argv[3] == "buscar":
        stops = [buscar(o, records["n"], 1, records["recall"], records["alpha"]) for o in records["orders"]]
        out.write_text(json.dumps(stops))
        return
    frame = pd.DataFrame({"title": records["title"], "abstract": records["abstract"]})
    labels = np.array(records["label"])
    meta = get_ai_config("elas_u4")["value"]
    features = ActiveLearningCycle.from_meta(meta).transform(frame)
    found = []
    for priors in records["priors"]:
        cycle = ActiveLearningCycle.from_meta(meta)
        cycle.n_query = 1 if "every" in sys.argv else ahead
        order, seconds = run(features, labels, priors, cycle)
        found.append({"order": order, "seconds": seconds})
        print(f"asreview {asreview.__version__}: run {len(found)}, {len(order)} shown, {seconds:.0f} s", flush=True)
        out.write_text(json.dumps({"version": asreview.__version__, "runs": found}))


if __name__ == "__main__":
    main()
