"""Encoders turn items into features; `get` finds one by name."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from askwise import plugins
from askwise.core import BadInput, Encoder, Matrix, unknown
from askwise.encoders.joined import BESIDE, JoinedEncoder
from askwise.encoders.pipeline import checked, divided
from askwise.options import only_python
from askwise.pool import kinds

__all__ = [
    "NAMES",
    "OF_KIND",
    "FunctionEncoder",
    "JoinedEncoder",
    "copied",
    "default_name",
    "divided",
    "found_by",
    "get",
    "packed",
    "unpacked",
]

NAMES = ("tfidf", "minilm")
"""Text encoders that `get` knows by name; a folder with model.onnx and tokenizer.json works as well."""
BOTH = BESIDE.join(NAMES)
"""Words and meaning side by side."""
OF_KIND = tuple(name for name, kind in kinds.REGISTRY.items() if kind.encoder)
"""Kinds of items with one encoder of their own, which has the name of the kind."""
EMBED_PACKAGES = ("onnxruntime", "tokenizers", "onnx", "safetensors")


def default_name() -> str:
    """What `get` takes by default: $ASKWISE_ENCODER, else "tfidf+minilm" where [embed] is installed, else "tfidf"."""
    if wanted := os.environ.get("ASKWISE_ENCODER"):
        return wanted
    return BOTH if all(find_spec(package) for package in EMBED_PACKAGES) else "tfidf"


def get(encoder: Encoder | Callable[[list[Any]], Any] | str | Path | None = None, kind: str = "text") -> Encoder:
    """An encoder by name, folder, or as given.

    Args:
        encoder: None for the default (`default_name`); "tfidf"; "minilm"; the name of an entry point in
            `askwise.encoders` of an installed package; a folder with `model.onnx` and `tokenizer.json`; several of
            these side by side, as "tfidf+minilm" (`JoinedEncoder`); an object with `name` and `encode`; or any callable
            `encode(list) -> (n, d) array`.
        kind: Of the items, see `Pool.kind`. Images, recordings and table rows have one encoder of ours by name, that
            of their kind; for pairs an encoder by name is one of texts, of which the difference is taken.

    Returns:
        An encoder; its `name` says which one was taken. Nothing is fetched before the first `encode`.

    Raises:
        BadInput: No such name or folder.
        ContractError: An installed package's encoder cannot be loaded.
        MissingExtra: A sentence encoder without the packages of [embed].
    """
    if kind == "pair" and (encoder is None or isinstance(encoder, str | Path)):
        from askwise.encoders.pair import PairEncoder

        return PairEncoder(get(str(encoder).removeprefix("pair:") if encoder else None))
    if encoder is None:
        encoder = kind if kind in OF_KIND else default_name()
    if kind in OF_KIND and isinstance(encoder, str | Path):
        return _own(str(encoder), kind)
    if isinstance(encoder, str | Path):
        return _by_name(encoder)
    if isinstance(encoder, type):
        raise BadInput(f"Got the class {encoder.__name__}; give an instance of it: {encoder.__name__}(…).")
    if isinstance(encoder, Encoder):
        return encoder
    if callable(encoder):
        return FunctionEncoder(encoder)
    raise BadInput(
        f"Got a {type(encoder).__name__} as encoder. Known: {', '.join(NAMES)}, a folder with model.onnx and "
        "tokenizer.json, an object with name and encode, or a callable encode(list) -> array."
    )


def copied(encoder: Any) -> Any:
    """An encoder that stays as it is when the one given learns anew, and the other way round."""
    if not hasattr(encoder, "fit"):
        return encoder
    return copy.copy(encoder) if type(encoder).__module__.startswith("askwise.") else copy.deepcopy(encoder)


def packed(encoder: Any) -> Any:
    """A fitted encoder as it is saved with a model: as it is, or as plain data that `unpacked` makes one of."""
    from askwise.encoders.minilm import SentenceEncoder
    from askwise.encoders.pair import PairEncoder

    if isinstance(encoder, PairEncoder) and isinstance(encoder.texts, SentenceEncoder | JoinedEncoder):
        return {"pair": packed(encoder.texts)}
    if isinstance(encoder, JoinedEncoder):
        used = [packed(part) for part in encoder.used]  # what was put off, the learner has not seen either
        return {"joined": used} if len(used) > 1 else used[0]
    return encoder.packed() if isinstance(encoder, SentenceEncoder) else encoder


def unpacked(kept: Any) -> Any:
    """The inverse of `packed`.

    Raises:
        BadInput: Not what `packed` gives.
        MissingExtra: A sentence encoder without the packages of [embed].
    """
    if not isinstance(kept, dict):
        return kept
    from askwise.encoders.minilm import SentenceEncoder
    from askwise.encoders.pair import PairEncoder

    if set(kept) == {"pair"}:
        return PairEncoder(unpacked(kept["pair"]))
    if set(kept) == {"joined"} and isinstance(kept["joined"], list):
        return JoinedEncoder([unpacked(part) for part in kept["joined"]])
    return SentenceEncoder.unpacked(kept)


def found_by(name: str) -> bool:
    """Whether `get` finds an encoder of ours by this name, or the folder of one; of texts, or of both of a pair."""
    text = name.removeprefix("pair:")
    return name in OF_KIND or all(part in NAMES or Path(part).is_dir() for part in _side_by_side(text))


def _side_by_side(name: str) -> list[str]:
    """The names of encoders side by side; of a folder or a plug-in that is called so, its own name."""
    if BESIDE not in name or Path(name).is_dir() or name in plugins.registered("encoder"):
        return [name]
    return name.split(BESIDE)


def _own(name: str, kind: str) -> Encoder:
    if name != kind and name in plugins.registered("encoder"):
        return get(plugins.plugin("encoder", name).part, kind)
    if name != kind:
        raise BadInput(
            f"No encoder {name!r} for items of the kind {kind!r}. Give {kind!r}"
            + only_python(", an object with name and encode, or a callable encode(list) -> array")
            + "."
        )
    made: Encoder = resolve_name(kinds.get(kind).encoder)()
    return made


def _by_name(name: str | Path) -> Encoder:
    if len(parts := _side_by_side(str(name))) > 1:
        return JoinedEncoder([_by_name(part) for part in parts])
    if name == "tfidf":
        from askwise.encoders.tfidf import TfidfEncoder

        return TfidfEncoder()
    if name == "minilm":
        from askwise.encoders.minilm import minilm

        return minilm()
    if name in plugins.registered("encoder"):
        return get(plugins.plugin("encoder", str(name)).part)
    if Path(name).is_dir():
        from askwise.encoders.minilm import SentenceEncoder

        return SentenceEncoder(Path(name))
    if plugins.is_code(name):
        plugins.plugin("encoder", str(name))  # says what to do instead
    if isinstance(name, Path) or "/" in name or "\\" in name:
        raise BadInput(f"No folder {str(name)!r}. A sentence encoder is a folder with model.onnx and tokenizer.json.")
    raise unknown("encoder", name, (*NAMES, *plugins.registered("encoder")))


class FunctionEncoder:
    """Any callable `encode(list) -> (n, d) array or sparse matrix` as an encoder."""

    def __init__(self, function: Callable[[list[Any]], Any]) -> None:
        self.function = function
        self.name = str(getattr(function, "__qualname__", type(function).__name__))
        self.version = ""

    def encode(self, items: Sequence[Any]) -> Matrix:
        """(n, d) float32 features, dense or CSR; `ContractError` where the callable returns anything else."""
        return checked(self.function(list(items)), len(items), self.name)
