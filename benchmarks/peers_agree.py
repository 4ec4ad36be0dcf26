"""Whether the peers pick the same rows, where they are right: the same model, the same data, the same strategy.

    python benchmarks/speed.py --only margin --sizes 10000   # makes .venv-peers
    python benchmarks/peers_agree.py

Prints a table; ends with 1 where rows that must be the same are not.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from speed import OURS, PACKAGES, PEERS, Worker, make_data

SAME = {
    "margin": ("scikit-activeml", "modAL", "cardinal", "small-text"),
    "entropy": ("scikit-activeml", "modAL", "cardinal", "small-text"),
    "least_confidence": ("scikit-activeml", "modAL", "cardinal", "small-text"),
    "k_center": ("scikit-activeml", "cardinal", "ALiPy"),
    "ranked_batch": ("modAL", "cardinal"),
    "max_herding": ("scikit-activeml",),
    "contrastive": ("scikit-activeml",),
}
"""Strategy → peers that compute the same thing. Known to differ are two of small-text: its core-set takes positions
among the unlabeled rows for rows of the pool, its contrastive strategy has neighbors that are not labeled."""
ROWS, K, MEMORY = 3000, 30, 8 * 2**30


def main() -> None:
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        make_data(Path(folder), ROWS)
        workers = {name: Worker(name, PEERS / "bin" / "python", MEMORY) for name in PACKAGES}
        workers[OURS] = Worker(OURS, Path(sys.executable), MEMORY)
        try:
            for worker in workers.values():
                worker.ask("load", 120, folder=folder, n=ROWS, labeled=200)
            workers[OURS].ask("same_model", 120)
            for strategy, names in SAME.items():
                ours = workers[OURS].ask(strategy, 120, k=K)["rows"]
                for name in PACKAGES:
                    if not workers[name].ask("able", 120, workload=strategy).get("able"):
                        continue
                    reply = workers[name].ask(strategy, 120, k=K)
                    must = name in names
                    if "rows" not in reply:
                        print(f"{strategy:18} {name:16} broken: {reply['error']}")
                        wrong += must
                        continue
                    theirs = reply["rows"]
                    shared = len(set(ours) & set(theirs))
                    order = "same order" if ours == theirs else "same rows" if shared == K else f"{shared} of {K}"
                    wrong += must and shared < K
                    print(f"{strategy:18} {name:16} {order}{'' if must or shared == K else '   (known to differ)'}")
        finally:
            for worker in workers.values():
                worker.stop()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
