"""Whether learning which strategy to follow pays: `albl` against equal shares, its parts and random, on digits.

    python benchmarks/learning.py                        # 100 questions one at a time, 20 seeds
    python benchmarks/learning.py --questions 200 --batch 5

For each strategy: mean accuracy on 600 held-out items over the questions, its standard deviation over the seeds, and
by how much `albl` with the same seeds is above it, ± one standard error.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
from sklearn.datasets import load_digits

from askwise import select
from askwise.learners import SoftmaxRegression
from askwise.strategies import Strategy, albl, get, mix

PARTS = ("margin", "k_center", "information_density")
FIRST, TEST = 10, 600


def run(strategy: Strategy, seed: int, questions: int, batch: int) -> tuple[float, Counter[str]]:
    """Mean accuracy over the questions, and how many each part chose."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    test, pool = order[:TEST], np.sort(order[TEST:])
    P, truth = X[pool], y[pool]  # one array for all calls: `select` knows the past by it
    labeled = rng.choice(len(pool), FIRST, replace=False)
    rounds = np.zeros(FIRST, np.intp)
    learner, accuracy, parts = SoftmaxRegression(), list[float](), Counter[str]()
    while True:
        learner.fit(P[labeled], truth[labeled])
        accuracy.append(float(np.mean(learner.predict(X[test]) == y[test])))
        if len(labeled) >= FIRST + questions:
            return float(np.mean(accuracy)), parts
        given = {"labeled_rows": labeled, "labeled_y": truth[labeled], "labeled_order": rounds}
        free = np.setdiff1d(np.arange(len(pool)), labeled)
        found = select(P, free, learner, strategy, k=batch, seed=seed, given=given)
        labeled = np.append(labeled, found.rows)
        rounds = np.append(rounds, np.full(len(found.rows), rounds[-1] + 1))
        parts.update(found.parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    learned = albl(*PARTS, horizon=args.questions // args.batch, name="albl")
    equal = mix(*((part, 1.0) for part in (*PARTS, "random")), name="equal shares")
    reference = np.zeros(0)
    for strategy in (learned, equal, get("random"), *(get(part) for part in PARTS)):
        runs = [run(strategy, seed, args.questions, args.batch) for seed in range(args.seeds)]
        accuracy = np.array([mean for mean, _ in runs])
        reference = reference if len(reference) else accuracy
        ahead = reference - accuracy
        error = ahead.std(ddof=1) / len(ahead) ** 0.5
        asked = sum((parts for _, parts in runs), Counter[str]())
        shares = ", ".join(f"{name} {asked[name] / asked.total():.0%}" for name in sorted(asked))
        print(
            f"{strategy.name:20} {accuracy.mean():.4f} (sd {accuracy.std(ddof=1):.4f})  "
            f"albl {ahead.mean():+.4f} ± {error:.4f}, ahead in {(ahead > 0).sum()} of {len(ahead)}  {shares}",
            flush=True,
        )


if __name__ == "__main__":
    main()
