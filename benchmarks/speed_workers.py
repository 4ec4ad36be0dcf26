"""One library of the speed benchmark in one process: requests as JSON lines on stdin, answers on stdout.

Runs in the environment of its library and imports nothing else of the benchmark; `speed.py` starts it. A method of a
class is a workload; what it returns are the rows it picked. Every library works as its own documentation shows, on a
logistic regression fitted on the labeled rows beforehand, except where training is part of the strategy.
"""

# ruff: noqa: D101, D102 -- a method is a workload, named as such
from __future__ import annotations

import contextlib
import functools
import json
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

warnings.filterwarnings("ignore")
Array = np.ndarray
CLASSES = 10


class Library:
    """Data and model of a workload."""

    def load(self, folder: str, n: int, labeled: int) -> None:
        self.folder = folder
        X = np.load(Path(folder) / "X.npy", mmap_mode="r")[:n]
        # a million rows stay on disk, where all processes share them
        self.X = X if n > 200_000 else np.array(X)
        self.y = np.load(Path(folder) / "y.npy")[:n]
        self.labeled = np.arange(labeled)
        self.free = np.arange(labeled, n)
        self.X_l, self.y_l = np.array(self.X[:labeled]), self.y[:labeled]
        self.prepare()

    def prepare(self) -> None:
        from sklearn.linear_model import LogisticRegression

        self.model = LogisticRegression(C=3).fit(self.X_l, self.y_l)

    def teach(self) -> Any:
        """A generator: each `next` tells one more label, learns and chooses the next row."""
        raise NotImplementedError

    def members(self, count: int = 10) -> list[Any]:
        """Bootstrap models: what a committee costs to train."""
        from sklearn.linear_model import LogisticRegression

        rng = np.random.default_rng(0)
        first = np.unique(self.y_l, return_index=True)[1]
        draws = [np.concatenate([first, rng.integers(0, len(self.y_l), len(self.y_l))]) for _ in range(count)]
        return [LogisticRegression(C=3).fit(self.X_l[rows], self.y_l[rows]) for rows in draws]

    def interactive(self, steps: int) -> dict[str, list[float]]:
        """Seconds of each step: tell, learn again, score every row, choose the next."""
        loop = self.teach()
        next(loop)
        cpu, wall = [], []
        for _ in range(steps):
            c, w = time.process_time(), time.perf_counter()
            next(loop)
            cpu.append(time.process_time() - c)
            wall.append(time.perf_counter() - w)
        return {"cpu": cpu, "wall": wall}

    def digits(self, strategy: str, seed: int, queries: int = 100) -> float:
        """Mean accuracy on held-out digits over that many queries of one row each."""
        X, y = all_digits()
        order = np.random.default_rng(seed).permutation(len(y))
        X, y = X[order], y[order]
        test, pool = slice(0, 540), slice(540, None)
        start = np.unique(y[pool], return_index=True)[1]
        scores = [
            np.mean(guess == y[test])
            for guess in self.simulate(X[pool], y[pool], start, X[test], strategy, seed, queries)
        ]
        return float(np.mean(scores))

    def simulate(self, X: Array, y: Array, start: Array, T: Array, strategy: str, seed: int, queries: int) -> Any:
        raise NotImplementedError


class Askwise(Library):
    name = "askwise"

    def prepare(self) -> None:
        from askwise.learners import SoftmaxRegression

        self.model = SoftmaxRegression().fit(self.X_l, self.y_l)

    def scale(self, strategy: str, k: int) -> dict[str, list[float]]:
        """Seconds to read the matrix once, and to select; a second and third time where it is quick."""
        self.X = np.load(Path(self.folder) / "X.npy")  # in memory, and not as pages of a map beside it
        column, out = np.ones(self.X.shape[1], np.float32), np.empty(8192, np.float32)
        small = type(self)()
        small.load(self.folder, LABELED + 300, LABELED)
        small.ask(strategy, 5)
        read: list[float] = []
        cpu: list[float] = []
        wall: list[float] = []
        while len(read) < 3:
            start = time.process_time()
            for first in range(0, len(self.X) - 8191, 8192):  # a product with a vector is bound by memory alone
                np.matmul(self.X[first : first + 8192], column, out=out)
            read.append(time.process_time() - start)
        while len(cpu) < 3 and sum(cpu) < 2:
            c, w = time.process_time(), time.perf_counter()
            self.ask(strategy, k)
            cpu.append(time.process_time() - c)
            wall.append(time.perf_counter() - w)
        return {"read": read, "cpu": cpu, "wall": wall}

    def same_model(self) -> None:
        """The peers' model, for comparing picks."""
        from sklearn.linear_model import LogisticRegression

        from askwise.learners import adapt

        self.model = adapt(LogisticRegression(C=3)).fit(self.X_l, self.y_l)

    def ask(self, strategy: Any, k: int, rows: Any = None, learner: Any = None, sample: Any = None) -> Array:
        from askwise.engine import select

        given = {"labeled_rows": self.labeled, "labeled_y": self.y_l} | ({} if sample is None else {"sample": sample})
        rows = self.free if rows is None else rows
        return select(self.X, rows, learner or self.model, strategy, k=k, given=given).rows

    def fresh(self) -> Any:
        """A model without anything kept from the last run, its training included."""
        from askwise.learners import SoftmaxRegression

        return SoftmaxRegression().fit(self.X_l, self.y_l)

    def margin(self, k: int) -> Array:
        return self.ask("margin", k)

    def entropy(self, k: int) -> Array:
        return self.ask("entropy", k)

    def least_confidence(self, k: int) -> Array:
        return self.ask("least_confidence", k)

    def vote_entropy(self, k: int) -> Array:
        return self.ask("vote_entropy", k, learner=self.fresh())

    def consensus_kl(self, k: int) -> Array:
        return self.ask("consensus_kl", k, learner=self.fresh())

    def expected_gradient_length(self, k: int) -> Array:
        return self.ask("expected_gradient_length", k)

    def k_center(self, k: int) -> Array:
        return self.ask("k_center", k)

    def badge(self, k: int) -> Array:
        return self.ask("badge", k)

    def typiclust(self, k: int) -> Array:
        return self.ask("typiclust", k)

    def prob_cover(self, k: int) -> Array:
        return self.ask("prob_cover", k)

    def information_density(self, k: int) -> Array:
        return self.ask("information_density", k)

    def ranked_batch(self, k: int) -> Array:
        return self.ask("ranked_batch", k)

    def contrastive(self, k: int) -> Array:
        return self.ask("contrastive", k)

    def discriminative(self, k: int) -> Array:
        return self.ask("discriminative", k)

    def clue(self, k: int) -> Array:
        return self.ask("clue", k)

    def falcun(self, k: int) -> Array:
        return self.ask("falcun", k)

    def drop_query(self, k: int) -> Array:
        return self.ask("drop_query", k)

    def max_herding(self, k: int) -> Array:
        return self.ask("max_herding", k)

    def diverse_margin(self, k: int) -> Array:
        return self.ask("diverse_margin", k)

    def batch_bald(self, k: int) -> Array:
        return self.ask("batch_bald", k, learner=self.fresh())

    def expected_error_reduction(self, k: int) -> Array:
        # every candidate is looked at, as the peers do, which are given only a few
        from dataclasses import replace

        from askwise import strategies

        eer = replace(strategies.get("expected_error_reduction"), shortlist=None)
        return self.ask(eer, k, rows=self.free[:CANDIDATES], sample=self.X[self.free[:1000]])

    def quire(self, k: int) -> Array:
        return self.ask("quire", k)

    def teach(self) -> Any:
        from askwise.engine import select
        from askwise.learners import SoftmaxRegression

        learner, labeled, free = SoftmaxRegression(), self.labeled, self.free
        while True:
            learner.fit(self.X[labeled], self.y[labeled])
            row = select(self.X, free, learner, "margin", k=1).rows[0]
            yield row
            labeled, free = np.append(labeled, row), free[free != row]

    def simulate(self, X: Array, y: Array, start: Array, T: Array, strategy: str, seed: int, queries: int) -> Any:
        from askwise.engine import select
        from askwise.learners import SoftmaxRegression

        learner, labeled = SoftmaxRegression(), start
        free = np.setdiff1d(np.arange(len(y)), start)
        for _ in range(queries):
            learner.fit(X[labeled], y[labeled])
            yield learner.predict(T)
            given = {"labeled_rows": labeled, "labeled_y": y[labeled]}
            row = select(X, free, learner, strategy, k=1, seed=seed, given=given).rows
            labeled, free = np.append(labeled, row), free[free != row]


class ScikitActiveML(Library):
    name = "scikit-activeml"

    def prepare(self) -> None:
        from skactiveml.classifier import SklearnClassifier
        from sklearn.linear_model import LogisticRegression

        self.missing = np.full(len(self.y), np.nan)
        self.missing[self.labeled] = self.y_l
        self.model = SklearnClassifier(LogisticRegression(C=3), classes=range(CLASSES))
        self.model.fit(self.X_l, self.y_l)

    def ask(self, strategy: str, k: int, options: Any = None, candidates: Any = None, **more: Any) -> Array:
        from skactiveml import pool

        query = getattr(pool, strategy)(random_state=0, **(options or {}))
        return query.query(self.X, self.missing, candidates=candidates, batch_size=k, **more)

    def with_model(self, strategy: str, k: int, options: Any = None, **more: Any) -> Array:
        return self.ask(strategy, k, options, clf=self.model, fit_clf=False, **more)

    def ensemble(self) -> list[Any]:
        from skactiveml.classifier import SklearnClassifier

        return [SklearnClassifier(m, classes=range(CLASSES)).fit(self.X_l, self.y_l) for m in self.members()]

    def margin(self, k: int) -> Array:
        return self.with_model("UncertaintySampling", k, {"method": "margin_sampling"})

    def entropy(self, k: int) -> Array:
        return self.with_model("UncertaintySampling", k, {"method": "entropy"})

    def least_confidence(self, k: int) -> Array:
        return self.with_model("UncertaintySampling", k, {"method": "least_confident"})

    def vote_entropy(self, k: int) -> Array:
        return self.ask("QueryByCommittee", k, {"method": "vote_entropy"}, ensemble=self.ensemble(), fit_ensemble=False)

    def consensus_kl(self, k: int) -> Array:
        options = {"method": "KL_divergence"}
        return self.ask("QueryByCommittee", k, options, ensemble=self.ensemble(), fit_ensemble=False)

    def batch_bald(self, k: int) -> Array:
        return self.ask("BatchBALD", k, ensemble=self.ensemble(), fit_ensemble=False)

    def k_center(self, k: int) -> Array:
        return self.ask("CoreSet", k)

    def badge(self, k: int) -> Array:
        return self.with_model("Badge", k)

    def typiclust(self, k: int) -> Array:
        return self.ask("TypiClust", k)

    def prob_cover(self, k: int) -> Array:
        return self.ask("ProbCover", k, {"n_classes": CLASSES})

    def contrastive(self, k: int) -> Array:
        # as many neighbors as ours
        return self.with_model("ContrastiveAL", k, {"nearest_neighbors_dict": {"n_neighbors": 10}})

    def discriminative(self, k: int) -> Array:
        from skactiveml.classifier import SklearnClassifier
        from sklearn.linear_model import LogisticRegression

        return self.ask("DiscriminativeAL", k, discriminator=SklearnClassifier(LogisticRegression(), classes=[0, 1]))

    def clue(self, k: int) -> Array:
        return self.ask("Clue", k, estimator=self.model, fit_estimator=False)

    def falcun(self, k: int) -> Array:
        return self.with_model("Falcun", k)

    def drop_query(self, k: int) -> Array:
        return self.with_model("DropQuery", k)

    def max_herding(self, k: int) -> Array:
        return self.ask("MaxHerding", k)

    def expected_error_reduction(self, k: int) -> Array:
        candidates = self.free[:CANDIDATES]
        X_eval = self.X[self.free[:1000]]
        return self.ask("MonteCarloEER", k, {"method": "log_loss"}, candidates, clf=self.model, X_eval=X_eval)

    def quire(self, k: int) -> Array:
        return self.ask("Quire", k, {"classes": range(CLASSES)})

    def teach(self) -> Any:
        from skactiveml.pool import UncertaintySampling

        query = UncertaintySampling(method="margin_sampling", random_state=0)
        y = self.missing.copy()
        while True:
            row = query.query(self.X, y, clf=self.model, batch_size=1)[0]
            yield row
            y[row] = self.y[row]

    NAMES: ClassVar = {
        "random": ("RandomSampling", {}), "least_confidence": ("UncertaintySampling", {"method": "least_confident"}),
        "margin": ("UncertaintySampling", {"method": "margin_sampling"}),
        "entropy": ("UncertaintySampling", {"method": "entropy"}),
        "vote_entropy": ("QueryByCommittee", {"method": "vote_entropy"}), "k_center": ("CoreSet", {}),
        "badge": ("Badge", {}), "contrastive": ("ContrastiveAL", {}), "discriminative": ("DiscriminativeAL", {}),
        "typiclust": ("TypiClust", {}),
    }  # fmt: skip

    def simulate(self, X: Array, y: Array, start: Array, T: Array, strategy: str, seed: int, queries: int) -> Any:
        from skactiveml import pool
        from skactiveml.classifier import SklearnClassifier
        from sklearn.ensemble import BaggingClassifier
        from sklearn.linear_model import LogisticRegression

        kind, options = self.NAMES[strategy]
        query = getattr(pool, kind)(random_state=seed, **options)
        learner = SklearnClassifier(LogisticRegression(C=3), classes=range(10), random_state=seed)
        more: dict[str, Any] = {}
        if kind in ("UncertaintySampling", "Badge", "ContrastiveAL"):
            more = {"clf": learner, "fit_clf": False}
        elif kind == "QueryByCommittee":
            bag = BaggingClassifier(LogisticRegression(C=3), n_estimators=5, random_state=seed)
            more = {"ensemble": SklearnClassifier(bag, classes=range(10), random_state=seed)}
        elif kind == "DiscriminativeAL":
            more = {"discriminator": SklearnClassifier(LogisticRegression(), classes=[0, 1], random_state=seed)}
        known = np.full(len(y), np.nan)
        known[start] = y[start]
        for _ in range(queries):
            learner.fit(X, known)
            yield learner.predict(T)
            row = query.query(X, known, batch_size=1, **more)[0]
            known[row] = y[row]


class ModAL(Library):
    name = "modAL"

    def prepare(self) -> None:
        from modAL.models import ActiveLearner
        from sklearn.linear_model import LogisticRegression

        self.model = ActiveLearner(LogisticRegression(C=3), X_training=self.X_l, y_training=self.y_l)

    def rows(self, found: Any) -> Array:
        return self.free[np.asarray(found[0] if isinstance(found, tuple) else found)]

    def margin(self, k: int) -> Array:
        from modAL.uncertainty import margin_sampling

        return self.rows(margin_sampling(self.model, self.X[self.free[0] :], n_instances=k))

    def entropy(self, k: int) -> Array:
        from modAL.uncertainty import entropy_sampling

        return self.rows(entropy_sampling(self.model, self.X[self.free[0] :], n_instances=k))

    def least_confidence(self, k: int) -> Array:
        from modAL.uncertainty import uncertainty_sampling

        return self.rows(uncertainty_sampling(self.model, self.X[self.free[0] :], n_instances=k))

    def vote_entropy(self, k: int) -> Array:
        from modAL.disagreement import vote_entropy_sampling
        from modAL.models import ActiveLearner, Committee

        committee = Committee([ActiveLearner(member) for member in self.members()])
        committee._set_classes()  # it learns them only from data of its own
        return self.rows(vote_entropy_sampling(committee, self.X[self.free[0] :], n_instances=k))

    def information_density(self, k: int) -> Array:
        from modAL.density import information_density
        from modAL.uncertainty import classifier_entropy

        pool = self.X[self.free[0] :]
        return self.rows(np.argsort(-classifier_entropy(self.model, pool) * information_density(pool, "cosine"))[:k])

    def ranked_batch(self, k: int) -> Array:
        from modAL.batch import uncertainty_batch_sampling

        return self.rows(uncertainty_batch_sampling(self.model, self.X[self.free[0] :], n_instances=k))

    def expected_error_reduction(self, k: int) -> Array:
        from modAL.expected_error import expected_error_reduction

        return self.rows(expected_error_reduction(self.model, self.X[self.free[:CANDIDATES]], "log", n_instances=k))

    def teach(self) -> Any:
        from modAL.models import ActiveLearner
        from modAL.uncertainty import margin_sampling
        from sklearn.linear_model import LogisticRegression

        learner = ActiveLearner(
            LogisticRegression(C=3), query_strategy=margin_sampling, X_training=self.X_l, y_training=self.y_l
        )
        # labeled rows stay in the pool: taking them out would copy it at every step
        while True:
            row = int(np.asarray(learner.query(self.X)[0]).ravel()[0])
            yield row
            learner.teach(self.X[[row]], self.y[[row]])

    def simulate(self, X: Array, y: Array, start: Array, T: Array, strategy: str, seed: int, queries: int) -> Any:
        del seed  # nothing random in these
        from modAL import uncertainty
        from modAL.models import ActiveLearner
        from sklearn.linear_model import LogisticRegression

        rule = {"margin": "margin_sampling", "entropy": "entropy_sampling", "least_confidence": "uncertainty_sampling"}
        learner = ActiveLearner(
            LogisticRegression(C=3), query_strategy=getattr(uncertainty, rule[strategy]),
            X_training=X[start], y_training=y[start],
        )  # fmt: skip
        free = np.setdiff1d(np.arange(len(y)), start)
        for _ in range(queries):
            yield learner.predict(T)
            at = int(np.asarray(learner.query(X[free])[0]).ravel()[0])
            learner.teach(X[free[[at]]], y[free[[at]]])
            free = np.delete(free, at)


class Cardinal(Library):
    name = "cardinal"

    def uncertain(self, sampler: str, k: int) -> Array:
        from cardinal import uncertainty

        rule = getattr(uncertainty, sampler)(self.model, batch_size=k, assume_fitted=True)
        rule.fit(self.X_l, self.y_l)
        return self.free[rule.select_samples(self.X[self.free[0] :])]

    def margin(self, k: int) -> Array:
        return self.uncertain("MarginSampler", k)

    def entropy(self, k: int) -> Array:
        return self.uncertain("EntropySampler", k)

    def least_confidence(self, k: int) -> Array:
        return self.uncertain("ConfidenceSampler", k)

    def k_center(self, k: int) -> Array:
        from cardinal.clustering import KCenterGreedy

        rule = KCenterGreedy(lambda X: X, batch_size=k).fit(self.X_l, self.y_l)
        return self.free[rule.select_samples(self.X[self.free[0] :])]

    def diverse_margin(self, k: int) -> Array:
        from cardinal.zhdanov2019 import TwoStepKMeansSampler

        rule = TwoStepKMeansSampler(10, self.model, batch_size=k, assume_fitted=True, random_state=0)
        rule.fit(self.X_l, self.y_l)
        return self.free[rule.select_samples(self.X[self.free[0] :])]

    def ranked_batch(self, k: int) -> Array:
        from cardinal.batch import RankedBatchSampler
        from cardinal.uncertainty import ConfidenceSampler

        pool = self.X[self.free[0] :]
        doubts = ConfidenceSampler(self.model, batch_size=k, assume_fitted=True).fit(self.X_l, self.y_l)
        rule = RankedBatchSampler(batch_size=k).fit(self.X_l, self.y_l)
        return self.free[rule.select_samples(pool, doubts.score_samples(pool))]


class SmallText(Library):
    name = "small-text"

    def prepare(self) -> None:
        super().prepare()
        from small_text import SklearnDataset

        model = self.model

        class Wrapped:
            """What its strategies ask of a classifier, on dense rows."""

            def predict_proba(self, data: Any) -> Array:
                return model.predict_proba(data.x)

            def embed(self, data: Any, return_proba: bool = False, **_: Any) -> Any:
                return (data.x, model.predict_proba(data.x)) if return_proba else data.x

        self.wrapped, self.data = Wrapped(), SklearnDataset(self.X, self.y)

    def ask(self, query: Any, k: int, **more: Any) -> Array:
        return query.query(self.wrapped, self.data, self.free, self.labeled, self.y_l, n=k, **more)

    def margin(self, k: int) -> Array:
        from small_text.query_strategies import BreakingTies

        return self.ask(BreakingTies(), k)

    def entropy(self, k: int) -> Array:
        from small_text.query_strategies import PredictionEntropy

        return self.ask(PredictionEntropy(), k)

    def least_confidence(self, k: int) -> Array:
        from small_text.query_strategies import LeastConfidence

        return self.ask(LeastConfidence(), k)

    def k_center(self, k: int) -> Array:
        from small_text.query_strategies import greedy_coreset

        return self.free[greedy_coreset(self.X, self.free, self.labeled, k, distance_metric="euclidean")]

    def contrastive(self, k: int) -> Array:
        from small_text.query_strategies import ContrastiveActiveLearning

        return self.ask(ContrastiveActiveLearning(pbar=None), k)

    def discriminative(self, k: int) -> Array:
        from sklearn.linear_model import LogisticRegression
        from small_text import SklearnClassifierFactory
        from small_text.query_strategies import DiscriminativeActiveLearning

        factory = SklearnClassifierFactory(LogisticRegression(), 2)
        return self.ask(DiscriminativeActiveLearning(factory, 10, pbar=None), k)

    def teach(self) -> Any:
        from sklearn.linear_model import LogisticRegression
        from small_text import PoolBasedActiveLearner, SklearnClassifierFactory
        from small_text.query_strategies import BreakingTies

        factory = SklearnClassifierFactory(LogisticRegression(C=3), CLASSES)
        learner = PoolBasedActiveLearner(factory, BreakingTies(), self.data)
        learner.initialize_data(self.labeled, self.y_l)
        while True:
            row = learner.query(1)[0]
            yield row
            learner.update(self.y[[row]])


class ALiPy(Library):
    name = "ALiPy"

    def uncertain(self, measure: str, k: int) -> Array:
        from alipy.query_strategy import QueryInstanceUncertainty

        rule = QueryInstanceUncertainty(self.X, self.y, measure=measure)
        return np.asarray(rule.select(self.labeled, self.free, model=self.model, batch_size=k))

    def margin(self, k: int) -> Array:
        return self.uncertain("margin", k)

    def entropy(self, k: int) -> Array:
        return self.uncertain("entropy", k)

    def least_confidence(self, k: int) -> Array:
        return self.uncertain("least_confident", k)

    def vote_entropy(self, k: int) -> Array:
        from alipy.query_strategy import QueryInstanceQBC

        rule = QueryInstanceQBC(self.X, self.y, disagreement="vote_entropy")
        return np.asarray(rule.select(self.labeled, self.free, model=self.members(), batch_size=k))

    def k_center(self, k: int) -> Array:
        from alipy.query_strategy import QueryInstanceCoresetGreedy

        rule = QueryInstanceCoresetGreedy(self.X, self.y, np.arange(len(self.y)))
        return np.asarray(rule.select(self.labeled, self.free, batch_size=k))

    def quire(self, k: int) -> Array:
        from alipy.query_strategy import QueryInstanceQUIRE

        rule = QueryInstanceQUIRE(self.X, self.y, np.arange(len(self.y)))
        return np.asarray(rule.select(self.labeled, self.free, batch_size=k))

    def teach(self) -> Any:
        from alipy.query_strategy import QueryInstanceUncertainty
        from sklearn.linear_model import LogisticRegression

        rule = QueryInstanceUncertainty(self.X, self.y, measure="margin")
        labeled, free = self.labeled, self.free
        while True:
            model = LogisticRegression(C=3).fit(self.X[labeled], self.y[labeled])
            row = int(np.asarray(rule.select(labeled, free, model=model, batch_size=1))[0])
            yield row
            labeled, free = np.append(labeled, row), free[free != row]


CANDIDATES = 20
LABELED = 200
LIBRARIES = {kind.name: kind for kind in (Askwise, ScikitActiveML, ModAL, Cardinal, SmallText, ALiPy)}


def main() -> None:
    """Answer requests until stdin ends."""
    name, memory = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    library = LIBRARIES[name]()
    # what a library prints must not end up among the answers
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        task, arguments = json.loads(line)
        try:
            reply = answer(library, task, arguments)
        except MemoryError:
            reply = {"error": "out of memory"}
        except Exception as error:  # noqa: BLE001 -- a peer that breaks is a result, not a bug of ours
            reply = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"}
        print(json.dumps(reply), file=answers, flush=True)


@functools.cache
def all_digits() -> tuple[Array, Array]:
    """(1797, 64) float32 between 0 and 1 and the digits; read once, in the unmeasured first call."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.data / 16).astype(np.float32), data.target


def warm_up(library: Library, workload: str) -> None:
    """Import what the workload imports, on a few rows of its own."""
    small = type(library)()
    small.load(library.folder, LABELED + 100, LABELED)
    with contextlib.suppress(Exception):  # it will say so again where it counts
        getattr(small, workload)(k=5)


def answer(library: Library, task: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Do one task and time it."""
    if task == "load":
        library.load(**arguments)
        return {}
    if task == "able":
        able = hasattr(type(library), arguments["workload"])
        if able:
            warm_up(library, arguments["workload"])
        return {"able": able}
    cpu, wall = time.process_time(), time.perf_counter()
    value = getattr(library, task)(**arguments)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    reply: dict[str, Any] = {"cpu": cpu, "wall": wall}
    if isinstance(value, dict):
        reply |= {"steps": value}
    elif isinstance(value, float):
        reply |= {"value": value}
    elif value is not None:
        reply |= {"rows": [int(row) for row in np.asarray(value).ravel()]}
    reply["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return reply


if __name__ == "__main__":
    main()
