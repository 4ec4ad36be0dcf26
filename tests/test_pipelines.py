"""A scikit-learn pipeline on raw items is a learner: its first steps encode, its last one learns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from askwise import Session, load_pool, simulate
from askwise.core import BadInput, ContractError
from askwise.encoders.pipeline import PipelineEncoder, divided
from askwise.model import Model, load
from askwise.verification import verify

TEXTS = [f"{'a prize to win' if i % 2 else 'lunch at home'} {'abcdefgh'[i % 8]}{i}" for i in range(160)]


def truth(text: str) -> str:
    return "spam" if "prize" in text else "ham"


def on_texts(*between: Any) -> Any:
    return make_pipeline(TfidfVectorizer(sublinear_tf=True), *between, LogisticRegression(C=10))


def on_rows() -> Any:
    columns = [("size", StandardScaler(), ["size"]), ("color", OneHotEncoder(handle_unknown="ignore"), ["color"])]
    return make_pipeline(ColumnTransformer(columns), LogisticRegression())


def worked(pool: Any, learner: Any, say: Any = truth, **options: Any) -> Session:
    session = Session(pool, classes=["ham", "spam"], learner=learner, audit_share=0.2, **options)
    for _ in range(4):
        for query in session.ask(6):
            session.tell(query, say(query.content))
        session.refresh()
    return session


@pytest.mark.parametrize("between", [(), (TruncatedSVD(8, random_state=0),)], ids=["sparse", "dense"])
def test_texts_are_learned_by_the_last_step_from_what_the_others_make_of_them(between: Any) -> None:
    with worked(TEXTS, on_texts(*between)) as session:
        steps = make_pipeline(TfidfVectorizer(sublinear_tf=True), *between).fit(TEXTS)
        X = steps.transform(TEXTS)
        Z = session.features()
        dense = [np.asarray(M.toarray() if hasattr(M, "toarray") else M, np.float32) for M in (X, Z)]
        assert np.allclose(*dense, atol=1e-5)
        assert [label == truth(text) for label, text in zip(session.predictions()[0], TEXTS, strict=True)].count(
            False
        ) == 0
        assert session.settings["encoder"].startswith("Pipeline(steps=[('tfidfvectorizer', TfidfVectorizer(")
        assert session.settings["learner"].startswith("LogisticRegression(C=10)")
        assert verify(session._store).ok


def test_it_goes_on_after_reopening_with_the_same_pipeline(tmp_path: Path) -> None:
    worked(TEXTS, on_texts(), store=tmp_path / "s.askwise").close()
    with Session.open(tmp_path / "s.askwise", learner=on_texts()) as again:
        again.refresh()
        assert again.model(shown=False).judged(TEXTS)[0] == again.predictions()[0]
    with Session.open(tmp_path / "s.askwise") as bare, pytest.raises(BadInput, match="what its file cannot hold"):
        bare.refresh()
    other = make_pipeline(CountVectorizer(), LogisticRegression(C=10))
    with pytest.raises(BadInput, match="was started with the encoder"):
        Session.open(tmp_path / "s.askwise", learner=other)


def test_rows_of_a_table_are_a_frame(tmp_path: Path) -> None:
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        rng = np.random.default_rng(0)
        rows = [[i, round(float(rng.normal()), 2), ["red", "blue", ""][i % 3]] for i in range(90)]
        csv.writer(file).writerows([["id", "size", "color"], *rows])
    pool = load_pool(tmp_path / "rows.csv", kind="table", id="id")
    with worked(pool, on_rows(), say=lambda row: "spam" if float(row["size"]) > 0 else "ham") as session:
        session.model().save(tmp_path / "m.skops")
        found = load(tmp_path / "m.skops")
        said, sure = found.judged(list(pool.contents))
        assert said == session.predictions()[0]
        assert np.array_equal(sure, session.predictions()[1])
        assert found.predict([{"size": 3.0, "color": "green"}]).tolist() == ["spam"]


def test_a_saved_pipeline_says_what_the_session_said(tmp_path: Path) -> None:
    with worked(TEXTS, on_texts()) as session:
        session.model().save(tmp_path / "m.skops")
        said, sure = load(tmp_path / "m.skops").judged(TEXTS)
        assert said == session.predictions()[0]
        assert np.array_equal(sure, session.predictions()[1])
    model = Model(learner=on_texts()).fit(TEXTS, [truth(text) for text in TEXTS])
    assert model.predict(["win a prize"]).tolist() == ["spam"]


def test_it_learns_apart_and_in_simulations() -> None:
    with worked(TEXTS, on_texts(), apart=True) as session:
        assert session._trainer.apart is not None, "it travels"
        assert session.model(shown=False).judged(TEXTS)[0] == session.predictions()[0]
    pool = load_pool(TEXTS)
    found = simulate(
        pool,
        dict(enumerate(map(truth, TEXTS))),
        strategies=["margin"],
        seeds=1,
        budget=20,
        learner=on_texts(),
        processes=1,
    )
    assert "TfidfVectorizer" in found.settings["encoder"]
    assert found.settings["learner"].startswith("LogisticRegression(C=10)")


@pytest.mark.parametrize(
    ("pool", "learner", "options", "says"),
    [
        (TEXTS, on_texts(SelectKBest()), {}, r"learns from labels\. In a pipeline on raw items only the last step may"),
        (TEXTS, on_texts(LinearDiscriminantAnalysis()), {}, "LinearDiscriminantAnalysis learns from labels"),
        (TEXTS, on_texts(), {"encoder": "tfidf"}, "needs no encoder"),
        (TEXTS, on_rows(), {}, "takes items of the kind 'table'"),
        (np.random.default_rng(0).normal(size=(30, 2)), on_texts(), {}, "takes items of the kind 'text'"),
    ],
)
def test_what_cannot_be_divided_is_refused(pool: Any, learner: Any, options: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        Session(pool, classes=["ham", "spam"], learner=learner, **options)


def test_pipelines_on_features_stay_as_they_are() -> None:
    for learner in (None, LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        assert divided("tfidf", learner, "text") == ("tfidf", learner)
    by_place = make_pipeline(ColumnTransformer([("a", StandardScaler(), [0])]), LogisticRegression())
    assert divided(None, by_place, "array") == (None, by_place)


def test_a_step_that_fails_or_gives_no_features_is_told_in_a_sentence() -> None:
    with pytest.raises(ContractError, match="could not learn from the items: ValueError"):
        PipelineEncoder(make_pipeline(TfidfVectorizer(min_df=2)), "text").fit(["a1 b", "c2 d"])
    wrong = PipelineEncoder(make_pipeline(FunctionTransformer(lambda items: [[float("nan")] for _ in items])), "text")
    with pytest.raises(ContractError, match="NaN or infinity"):
        wrong.fit(["a"]).encode(["a", "b"])
