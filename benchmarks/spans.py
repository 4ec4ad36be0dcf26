"""Spans: which learner, which strategy, and whether bounds and certificates are true, on two public sets.

    python benchmarks/spans.py learners|strategies|bounds|certificates [--seeds 10] [--runs 100]

Results are printed, and kept as JSON in build/spans-SECTION.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from askwise import Session, load_pool, select, spans
from askwise.audit.entities import Counts, entity_counts, entity_metrics
from askwise.learners.crf import ConditionalRandomField, token_features
from askwise.tasks.spans import MOST

SETS = ("wikiann_en_dev", "wnut17_train")
Rows = list[tuple[str, str]]


def load(folder: Path, name: str) -> Rows:
    """(text, written answer) of each different sentence."""
    found = {}
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = list(file)
    for line in lines:
        row = json.loads(line)
        text, at = spans.join(row["tokens"])
        found.setdefault(text, spans.write(spans.from_tags(row["tags"], at)))
    return list(found.items())


def shuffled(rows: Rows, seed: int) -> Rows:
    return random.Random(seed).sample(rows, len(rows))


def f1(truths: Sequence[str], guesses: Sequence[str]) -> float:
    """Of entities, exact span and label, all labels together (CoNLL 2003)."""
    right = said = there = 0
    for truth, guess in zip(truths, guesses, strict=True):
        a, b = set(spans.parse(truth)), set(spans.parse(guess))
        right, said, there = right + len(a & b), said + len(b), there + len(a)
    return 2 * right / (said + there) if said + there else 1.0


def interval(values: Sequence[float]) -> str:
    """Mean and 95 % interval of Student's t."""
    mean, n = float(np.mean(values)), len(values)
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5) if n > 1 else float("nan")
    return f"{mean:.3f} ± {half:.3f}"


# ── learners ────────────────────────────────────────────────────────────────────────────────

Tagger = Callable[[list[Any], list[list[str]], list[Any]], tuple[float, list[list[str]]]]


def crfsuite(algorithm: str, **params: Any) -> Tagger:
    import pycrfsuite

    def run(X: list[Any], Y: list[list[str]], Z: list[Any]) -> tuple[float, list[list[str]]]:
        began = time.process_time()
        trainer = pycrfsuite.Trainer(algorithm=algorithm, params=params, verbose=False)
        for x, y in zip(X, Y, strict=True):
            trainer.append(x, y)
        with tempfile.TemporaryDirectory() as folder:
            trainer.train(f"{folder}/model")
            took = time.process_time() - began
            tagger = pycrfsuite.Tagger()
            tagger.open(f"{folder}/model")
            return took, [tagger.tag(z) for z in Z]

    return run


def chaine(X: list[Any], Y: list[list[str]], Z: list[Any]) -> tuple[float, list[list[str]]]:
    """Its own defaults, with as many steps: it takes features as mappings."""
    import chaine as package

    def named(rows: list[Any]) -> list[Any]:
        return [[dict.fromkeys(names, "1") for names in row] for row in rows]

    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        model = package.train(named(X), Y, model_filepath=f"{folder}/model", max_iterations=50, verbose=0)
        return time.process_time() - began, model.predict(named(Z))


def learners(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Time of a fit and F1 on 1,000 other sentences, from 50, 200 and 1,000 sentences."""
    ours = {"c1": 0.1, "c2": 0.1, "max_iterations": 50, "feature.possible_transitions": True}
    tried: dict[str, Tagger] = {
        "crfsuite, L-BFGS, c1 = c2 = 0.1": crfsuite("lbfgs", **ours),
        "crfsuite, L-BFGS, c2 = 1": crfsuite("lbfgs", **{**ours, "c1": 0, "c2": 1.0}),
        "crfsuite, L2-SGD": crfsuite("l2sgd", c2=0.1, max_iterations=30),
        "crfsuite, averaged perceptron": crfsuite("ap", max_iterations=20),
        "crfsuite, passive aggressive": crfsuite("pa", max_iterations=20),
    }
    try:
        import chaine as _  # noqa: F401

        tried["chaine, its defaults"] = chaine
    except ImportError:
        print("chaine is not installed; it is left out")
    out = []
    for name in SETS:
        rows = load(args.data, name)
        for size in (50, 200, 1000):
            found: dict[str, list[tuple[float, float]]] = {which: [] for which in tried}
            for seed in range(args.seeds):
                mixed = shuffled(rows, seed)
                test, train = mixed[:1000], mixed[1000 : 1000 + size]
                X, Z = (
                    [token_features([t[a:b] for a, b in spans.tokens(t)]) for t, _ in part] for part in (train, test)
                )
                Y = [spans.to_tags(spans.parse(y), spans.tokens(t)) for t, y in train]
                for which, run in tried.items():
                    took, tags = run(X, Y, Z)
                    said = [
                        spans.write(spans.from_tags(list(g), spans.tokens(t)))
                        for (t, _), g in zip(test, tags, strict=True)
                    ]
                    found[which].append((took, f1([y for _, y in test], said)))
            for which, pairs in found.items():
                took, score = zip(*pairs, strict=True)
                out.append({"set": name, "sentences": size, "learner": which, "seconds": took, "f1": score})
                print(f"{name} {size:5} {which:34} F1 {interval(score)}  fit {np.mean(took):.2f} s", flush=True)
    return out


# ── strategies ──────────────────────────────────────────────────────────────────────────────

STRATEGIES = ("random", "token_entropy", "maximum_normalized_log_probability", "least_confident_sequence")


def curve(pool: Rows, test: Rows, strategy: str, seed: int, batch: int, most: int) -> list[tuple[int, int, float]]:
    """(sentences, tokens, F1) after each batch; the first batch is random."""
    texts, answers = [t for t, _ in pool], [y for _, y in pool]
    truths, asked = [y for _, y in test], list(range(batch))  # the pool is shuffled
    learner, out = ConditionalRandomField(calibrate=False), []  # which changes no order
    length = np.array([len(spans.tokens(t)) for t in texts])
    while True:
        learner.fit([texts[i] for i in asked], [answers[i] for i in asked])
        score = f1(truths, learner.predict([t for t, _ in test]))
        out.append((len(asked), int(length[asked].sum()), score))
        if len(asked) >= most:
            return out
        left = np.setdiff1d(np.arange(len(texts)), asked)
        if strategy == "random":
            asked += range(len(asked), len(asked) + batch)
            continue
        given = {name: np.zeros(len(texts)) for name in ("token_entropy", "mnlp", "sequence_doubt")}
        for name, value in learner.mark([texts[i] for i in left]).doubts().items():
            given[name][left] = value
        X = np.zeros((len(texts), 1), np.float32)
        asked += select(X, left, None, strategy, k=batch, seed=seed, given=given).rows.tolist()


def strategies(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Sentences, and words, until a strategy reaches the F1 of as many random sentences as `--most`."""
    out = []
    for name in args.sets:
        rows = load(args.data, name)
        for seed in range(args.first, args.first + args.seeds):
            mixed = shuffled(rows, seed)
            test, pool = mixed[:1000], mixed[1000 : 1000 + args.pool]
            for strategy in args.strategies:
                found = curve(pool, test, strategy, seed, args.batch, args.most)
                out.append({"set": name, "seed": seed, "strategy": strategy, "pool": len(pool), "curve": found})
                print(name, seed, strategy, *(f"{n}:{score:.3f}" for n, _, score in found[::4]), flush=True)
                args.keep(out)
    report_strategies(out, args.most)
    return out


def report_strategies(runs: list[dict[str, Any]], most: int) -> None:
    for name in SETS:
        mine = [run for run in runs if run["set"] == name]
        goals = {run["seed"]: run["curve"][-1] for run in mine if run["strategy"] == "random"}
        for strategy in STRATEGIES:
            sentences, words, last = [], [], []
            for run in mine:
                if run["strategy"] != strategy or run["seed"] not in goals:
                    continue
                goal = goals[run["seed"]]
                reached = next(((n, w) for n, w, score in run["curve"] if score >= goal[2]), None)
                sentences.append(reached[0] if reached else most)
                words.append((reached or (0, goal[1]))[1] / goal[1])
                last.append(run["curve"][-1][2])
            if sentences:
                print(
                    f"{name} {strategy:36} sentences {interval(sentences)}, share of the words {interval(words)}, "
                    f"F1 at {most}: {interval(last)} ({len(sentences)} seeds)"
                )


# ── bounds ──────────────────────────────────────────────────────────────────────────────────


def bounds(args: argparse.Namespace) -> list[dict[str, Any]]:
    """How often bounds on entities are ever wrong, looked at after every 20 checks, while the model learns.

    A model of 50, 100, 200 and 400 sentences; 50 checks of each, drawn from the same 1,000 sentences. What the bounds
    are about is known exactly: the sums of the expected counts over the draws.
    """
    out = []
    for name in args.sets:
        rows = load(args.data, name)
        for seed in range(args.first, args.first + args.seeds):
            mixed = shuffled(rows, seed)
            test, train = mixed[:1000], mixed[1000:1400]
            counts = []
            for size in (50, 100, 200, 400):
                learner = ConditionalRandomField().fit([t for t, _ in train[:size]], [y for _, y in train[:size]])
                found = entity_counts(learner.predict([t for t, _ in test]), [y for _, y in test], [])
                counts.append(np.stack([found.right[:, 0], found.said[:, 0], found.there[:, 0]], axis=1))
            rng = np.random.default_rng(seed)
            expected = np.cumsum(np.repeat([stage.mean(0) for stage in counts], 50, axis=0), axis=0)
            most_said = int(max(stage[:, 1].max() for stage in counts))
            most_there = MOST
            wrong, last = {"precision": 0, "recall": 0}, []
            for _ in range(args.runs):
                drawn = np.concatenate([stage[rng.integers(0, len(stage), 50)] for stage in counts])
                missed = {"precision": False, "recall": False}
                for m in range(20, 201, 20):
                    checks = Counts(*(drawn[:m, c : c + 1] for c in range(3)), np.zeros(m, bool))
                    line = entity_metrics(checks, [], most_said, most_there)[0]
                    true = expected[m - 1, 0] / expected[m - 1, 1:]
                    for what, value in zip(missed, true, strict=True):
                        found_ = getattr(line, what)
                        missed[what] |= not found_.low <= value <= found_.high
                last.append([line.precision.low, line.precision.high, line.recall.low, line.recall.high])
                for what in wrong:
                    wrong[what] += missed[what]
            true = (expected[-1, 0] / expected[-1, 1:]).tolist()
            out.append({"set": name, "seed": seed, "runs": args.runs, "wrong": wrong, "true": true,
                        "bounds": np.mean(last, axis=0).tolist()})  # fmt: skip
            print(out[-1], flush=True)
            args.keep(out)
    return out


# ── certificates ────────────────────────────────────────────────────────────────────────────


def certificates(args: argparse.Namespace) -> list[dict[str, Any]]:
    """How often a certificate on whole sentences is true: `--given` sentences labeled, then 60 random check items, by
    which the plan knows how good the model is; 340 open.
    """
    out = []
    for name in args.sets:
        rows = load(args.data, name)
        for seed in range(args.first, args.first + args.runs):
            mixed = shuffled(rows, seed)[: args.given + 400]
            truth = dict(mixed)
            given = [y if at < args.given else None for at, (_, y) in enumerate(mixed)]
            pool = load_pool([t for t, _ in mixed], label=given)
            flat: Any = lambda items: np.zeros((len(items), 1), np.float32)  # noqa: E731 - the learner reads texts
            with Session(pool, task="spans", encoder=flat, seed=seed, max_error=args.error, audit_share=1) as session:
                for query in session.ask(60):
                    session.tell(query, truth[query.content])
                session.refresh()
                found = session.autolabel()
                while found is not None and found.status == "checking":
                    query = session.ask(1)[0]
                    session.tell(query, truth[query.content])
                    found = session.autolabel_status()
                assert found is not None
                content = dict(zip(session.pool.ids, session.pool.contents, strict=True))
                wrong = sum(label != truth[content[item]] for item, label in found.labels.items())
                run = {"set": name, "seed": seed, "status": found.status, "labels": len(found.labels), "wrong": wrong,
                       "checks": found.checks_done}  # fmt: skip
            out.append(run)
            args.keep(out)
        mine = [run for run in out if run["set"] == name]
        given_ = [run for run in mine if run["status"] == "certified"]
        true = sum(run["wrong"] <= args.error * run["labels"] for run in given_)
        print(
            f"{name}: {len(mine)} runs, {len(given_)} certificates, {true} of them true; "
            f"{np.mean([run['labels'] for run in given_] or [0]):.0f} labels by the model, "
            f"{np.mean([run['checks'] for run in mine]):.0f} checks",
            flush=True,
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section", choices=["learners", "strategies", "bounds", "certificates"])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data" / "spans")
    parser.add_argument("--out", type=Path, default=Path("build"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--pool", type=int, default=2_300, help="sentences that may be asked")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--most", type=int, default=1_000)
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=STRATEGIES)
    parser.add_argument("--given", type=int, default=300, help="sentences labeled before a certificate is asked for")
    parser.add_argument("--error", type=float, default=0.2, help="share of wrong sentences that is certified")
    parser.add_argument("--runs", type=int, default=100, help="of bounds (for each seed) and of certificates")
    args = parser.parse_args()

    def keep(found: Any) -> None:
        args.out.mkdir(exist_ok=True)
        (args.out / f"spans-{args.section}.json").write_text(json.dumps(found))

    args.keep = keep
    keep(globals()[args.section](args))


if __name__ == "__main__":
    main()
