"""Models in files: skops and ONNX, with their card; nothing in them is ever unpickled."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from askwise import budget
from askwise.core import AskwiseError, BadInput, MissingExtra
from askwise.export import whole
from askwise.model.card import Card
from askwise.notices import say
from askwise.options import option
from askwise.pool import kinds
from askwise.tasks import get as get_task

if TYPE_CHECKING:
    from collections.abc import Iterable

CARD = "card.json"
"""Member of a saved model that holds its card; the others are those of skops."""
MOST_CARD = 4 << 20
"""Bytes of a card."""
MODEL = "askwise.model.fitted.Model"
"""Not imported here: that file imports this one."""
TRUSTED = (
    "askwise.encoders.audio.AudioEncoder",
    "askwise.encoders.image.ImageEncoder",
    "askwise.encoders.pair.PairEncoder",
    "askwise.encoders.pipeline.PipelineEncoder",
    "askwise.encoders.table.TableEncoder",
    "askwise.encoders.tfidf.TfidfEncoder",
    "askwise.learners.adapters.Adapted",
    "askwise.learners.calibration.Calibration",
    "askwise.learners.multilabel.MultiLabel",
    "askwise.learners.portfolio.parts.Forest",
    "askwise.learners.portfolio.parts.Kernel",
    "askwise.learners.portfolio.parts.Linear",
    "askwise.learners.portfolio.parts.Quadratic",
    "askwise.learners.portfolio.portfolio.Portfolio",
    "askwise.learners.portfolio.portfolio.Standing",
    "askwise.learners.portfolio.trees.Trees",
    "askwise.learners.portfolio.views.Block",
    "askwise.learners.portfolio.views.Scaling",
    "askwise.learners.regression.AdaptedRegressor",
    "askwise.learners.regression.RidgeRegression",
    "askwise.learners.softmax.SoftmaxRegression",
    "askwise.learners.whitening.Whitening",
    MODEL,
    "askwise.screening.LinearScreener",
    "askwise.screening.WordsEncoder",
    "numpy.dtype",
)
"""What a file may hold beside what skops trusts (numbers, arrays, the estimators of scikit-learn): no function, and no
type whose making or loading does more than keep what it is given."""


def save(model: Any, path: str | Path) -> Card:
    """Write a model to a file that appears whole or not at all; gives its card, with the digest.

    Args:
        model: Fitted.
        path: Ends in .skops, or in .onnx where the model is one of numbers.

    Raises:
        BadInput: Another ending, nothing learned, or parts that cannot be saved: a function without a name of its own,
            a type that skops does not know; for ONNX see `to_onnx`.
        CannotWrite: No room, no permission, no such folder.
        MissingExtra: skops, or onnx, is not installed.
    """
    path = Path(path)
    if not model.__sklearn_is_fitted__():
        raise BadInput("This model has learned nothing, so there is nothing to save.")
    if path.suffix.lower() == ".onnx":
        from askwise.model.network import to_onnx

        data, card = to_onnx(model)
    elif path.suffix.lower() == ".skops":
        data, card = dumped(model)
    else:
        raise BadInput(f"A model is saved as .skops, or as .onnx; got {path.name!r}.")
    with whole(path, binary=True) as file:
        file.write(data)
    return card


def dumped(model: Any) -> tuple[bytes, Card]:
    """A fitted model as the bytes of a .skops file, and its card with their digest.

    Raises:
        BadInput, MissingExtra: As `save`.
    """
    io_ = _skops()
    try:
        data = io_.dumps(model, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
        types = io_.get_untrusted_types(data=data)
    except AskwiseError:
        raise
    except Exception as error:  # skops raises whatever a type does
        raise BadInput(f"This model cannot be saved: {_said(error)}") from error
    if nameless := [name for name in types if "<" in name or name.startswith("__main__")]:
        raise BadInput(
            f"This model holds {nameless[0]}, which no other program can find: functions are saved by name. Put it "
            "into a module of its own, under a name."
        )
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        card = model.card or _unknown(model)
        card = replace(card, digest=_digest(archive))
        archive.writestr(CARD, json.dumps(card.data(), ensure_ascii=False, indent=1))
    return buffer.getvalue(), card


def _unknown(model: Any) -> Card:
    """The card of a model that was fitted by hand."""
    return Card(
        title="", kind=model.kind, classes=tuple(map(str, model.labels_)), task=model.task,
        encoder=str(getattr(model.encoder_, "name", "given features")), learner=type(model.learner_).__name__,
        labels=0, bounds="Nothing: it was fitted by hand, in no session.", made="",
    )  # fmt: skip


def read_card(path: str | Path) -> Card:
    """The card of a saved model, with the digest of what lies there; nothing else of it is loaded.

    Raises:
        BadInput: No such file, no saved model, or damaged.
    """
    with _opened(path) as file:
        return _card(file, Path(path).name)


def load(path: str | Path, *, trusted: Sequence[str] = ()) -> Any:
    """Read a saved model. Nothing is unpickled, and no type is loaded that is not trusted.

    Args:
        path: A .skops file.
        trusted: Full names of further types and functions that the file may hold, such as those of a learner of your
            own: loading them runs code of these modules. Trees and forests need `sklearn.tree._tree.Tree`: one made to
            deceive can read and write memory that is not its own.

    Raises:
        BadInput: No such file, no saved model, damaged, made to deceive, or with types that are not trusted.
        MissingExtra: skops is not installed, or a package that the encoder needs.
    """
    io_, name = _skops(), Path(path).name
    with _opened(path) as file:
        card = _card(file, name)
        file.seek(0)
        data = file.read()
    try:
        strange = sorted(set(io_.get_untrusted_types(data=data)) - set(TRUSTED) - set(trusted))
    except Exception as error:  # noqa: BLE001 - a file can be wrong in any way
        raise BadInput(f"{name!r} is no saved model that can be read ({_said(error)}).") from None
    if strange:
        shown = ", ".join(strange[:10]) + (", …" if len(strange) > 10 else "")
        raise BadInput(
            f"{name!r} holds types that are not trusted: {shown}. A file made to deceive could do harm with them; if "
            f"you know where it comes from, give {option('trusted', strange[:10])}."
        )
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model = io_.loads(data, trusted=[*TRUSTED, *trusted])
            _check(model, card, bool(trusted))
    except MissingExtra:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise BadInput(f"{name!r} is no saved model that can be used ({_said(error)}).") from None
    if any("version" in str(one.message) for one in said):
        made = ", ".join(f"{package} {at}" for package, at in card.with_.items())
        say(f"{name} was saved with other versions ({made}); what it says may differ in the last digits, or more.")
    model.card = card if card.made else None
    return model


def _check(model: Any, card: Card, more: bool) -> None:
    """Refuse what is no model, or none that answers.

    Args:
        model: What the file held.
        card: What its card says.
        more: Whether the caller trusts further types.
    """
    kind = type(model)
    if f"{kind.__module__}.{kind.__qualname__}" != MODEL or not model.__sklearn_is_fitted__():
        raise BadInput("it holds something else")
    state = model.__dict__
    labels, gone = state.get("labels_"), state.get("gone_")
    if type(model.task) is not str:
        raise BadInput("its parts do not belong together")
    if (
        model.kind not in kinds.REGISTRY
        or not isinstance(labels, list)
        or not (labels or not get_task(model.task).named)
        or not isinstance(gone, list)
    ):
        raise BadInput("its parts do not belong together")
    there = sorted(str(name) for name in labels if name not in gone)
    if (card.kind, card.task, sorted(card.classes)) != (model.kind, model.task, there):
        raise BadInput("its card is about another model")
    ours = {name.rpartition(".")[2] for name in TRUSTED if "Encoder" in name}
    ours |= {"SentenceEncoder", "JoinedEncoder"}  # which lie in a file as plain data
    encoder = state.get("encoder_")
    kind = model.item_kind
    if (encoder is None) != kind.features or (not more and type(encoder).__name__ not in {*ours, "NoneType"}):
        raise BadInput("its encoder is none")
    model._name(labels, gone)  # what is derived is not taken from the file
    numeric = getattr(encoder, "_numeric", None)  # steps of somebody's own may not take a row without a value
    row = dict.fromkeys(card.columns) | (
        {name: 0.0 if one else "" for name, one in numeric.items()} if isinstance(numeric, dict) else {}
    )
    example = kind.example(row)
    tried: Any = None if example is None else [example]
    if kind.features:
        tried = np.zeros((1, int(model.n_features_in_)))
    if tried is not None and not _answers(model, tried):
        raise BadInput("it does not answer")


def _answers(model: Any, tried: Any) -> bool:
    """Whether it says of one item what can be an answer."""
    if model.task_.named:
        proba = model.proba(tried)
        return bool(proba.shape == (1, len(model.labels_)) and np.isfinite(proba).all())
    written, sure = model.judged(tried)
    return len(written) == 1 and model.task_.is_written(written[0], ()) and bool(np.isfinite(sure).all())


# ── the file ────────────────────────────────────────────────────────────────────────────────


def _skops() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise MissingExtra('Saved models need skops: `pip install "askwise[model]"`.') from error
    return skops.io


def _opened(path: str | Path) -> BinaryIO:
    path = Path(path).expanduser()
    try:
        return path.open("rb")
    except OSError as error:
        raise BadInput(f"Cannot read the model {str(path)!r}: {error.strerror}. Give a .skops file.") from None


def _card(file: BinaryIO, name: str) -> Card:
    """The card of an open file, if the digest in it is that of the file."""
    try:
        with zipfile.ZipFile(file) as archive:
            _check_size(archive.infolist(), name)
            data = archive.read(CARD)
            digest = _digest(archive)
            found = json.loads(data)
    except BadInput:
        raise
    except KeyError:
        raise BadInput(f"{name!r} has no card, so it was not saved by Askwise. Load it with skops itself.") from None
    except Exception as error:  # noqa: BLE001 - a file can be wrong in any way
        raise BadInput(f"{name!r} is no saved model: {_said(error)}. Models are .skops files.") from None
    card = Card.of(found)
    if card.digest != digest:
        raise BadInput(f"{name!r} is damaged, or was changed: its contents have another digest than its card says.")
    return card


def _check_size(members: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Refuse what would fill the memory."""
    size, packed = sum(one.file_size for one in members), sum(one.compress_size for one in members)
    if size > budget.MAX_UNPACKED:
        raise BadInput(f"{name!r} holds {size:,} bytes when unpacked; {budget.MAX_UNPACKED:,} are the limit.")
    if size > max(budget.HONEST, budget.MAX_RATIO * packed):
        raise BadInput(f"{name!r} looks like a bomb: {packed:,} bytes become {size:,}.")
    if any(one.file_size > MOST_CARD for one in members if one.filename == CARD):
        raise BadInput(f"The card of {name!r} is larger than {MOST_CARD:,} bytes.")
    if len({one.filename for one in members}) < len(members):
        raise BadInput(f"{name!r} holds two members of one name.")


def _digest(archive: zipfile.ZipFile) -> str:
    """SHA-256 over the names and contents of all members but the card, hex."""
    return _digest_of((name, archive.read(name)) for name in sorted(archive.namelist()) if name != CARD)


def _digest_of(members: Iterable[tuple[str, bytes]]) -> str:
    found = hashlib.sha256()
    for name, data in members:
        found.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    return found.hexdigest()


def _said(error: BaseException) -> str:
    """What an error says, in one line."""
    text = " ".join(str(error).split())[:300].rstrip(".")
    return (
        text if isinstance(error, AskwiseError) else f"{type(error).__name__}: {text}" if text else type(error).__name__
    )
