"""Verbs about the model: `model`, `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from askwise import completion
from askwise.commands.opening import SESSION_SUFFIX, is_session, needed, open_session
from askwise.commands.options import (
    ADDRESS,
    NOTHING_SAID,
    BeganEncoder,
    BeganLearner,
    BeganStrategy,
    ByteOrderMark,
    Raw,
    Reading,
    Trust,
    place,
    reads_file,
)
from askwise.commands.saying import aside, say

if TYPE_CHECKING:
    from askwise.store import Place


def model(
    source: Annotated[
        Any,
        typer.Argument(
            metavar="SESSION",
            parser=place,
            autocompletion=completion.models,
            help="Or a saved model: shows its card.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="Ends in .skops; .onnx for rows of features.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
    strategy: BeganStrategy = None,
    learner: BeganLearner = None,
    encoder: BeganEncoder = None,
) -> None:
    """Save the session's model with its card, to predict elsewhere.

    Nobody is blind to its guesses any more: no certificate can hand over what is open now.
    """
    import json

    from askwise import model as models
    from askwise.core import BadInput

    source = needed(source, "model SESSION out.skops")
    if is_saved_model(source):
        if out is not None:
            raise BadInput(f"{source} is a saved model; copy it to have it elsewhere. Leave {out} out to see its card.")
        card = models.read_card(source)
    else:
        if out is None:
            raise BadInput(f"Where to? Give a file to write: askwise model {source} model.skops")
        with open_session(source, strategy=strategy, learner=learner, encoder=encoder) as session:
            card = models.save(session, out)
    if as_json:
        typer.echo(json.dumps(card.data(), ensure_ascii=False, indent=2))
        return
    say(*card.lines())
    if out is not None:
        say(f"wrote {out}", f"Next:  askwise predict {out} FILE")


@reads_file
def predict(
    source: Annotated[
        Any,
        typer.Argument(
            metavar="SESSION|MODEL",
            parser=place,
            autocompletion=completion.models,
            help=f"A session, {ADDRESS}, or a saved model (.skops).",
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Data as for `askwise label`; - for lines of text on standard input."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Ends in .csv, .tsv, .jsonl, .parquet or .xlsx; default prints."),
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="What to print: csv, tsv or jsonl.")] = "csv",
    text: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="COLUMN", help="Column of the texts (or paths); again for more."),
    ] = None,
    trust: Trust = None,
    how: Reading = NOTHING_SAID,
    raw: Raw = False,
    bom: ByteOrderMark = False,
    strategy: BeganStrategy = None,
    learner: BeganLearner = None,
    encoder: BeganEncoder = None,
) -> None:
    """Label new items: each row with the model's label, its confidence, and where a person should be asked."""
    from askwise import predict as door
    from askwise.core import BadInput, unknown

    source = needed(source, "predict SESSION FILE")
    if file is None:
        raise BadInput(f"What shall be labeled? Give a file, or - for standard input: askwise predict {source} FILE")
    if to not in door.TO:
        raise unknown("format for --to", to, door.TO)
    options: dict[str, Any] = {"out": out, "to": to, "text": text, "how": how, "raw": raw, "bom": bom, "tell": aside}
    options["trusted"] = trust or []
    if is_saved_model(source):
        door.predict(source, file, **options)
        return
    with open_session(source, strategy=strategy, learner=learner, encoder=encoder) as session:
        door.predict(session, file, **options)


def is_saved_model(source: Place) -> bool:
    """Whether it is no session; a file that is neither is refused.

    Raises:
        BadInput: See above.
    """
    from askwise.core import BadInput

    if not isinstance(source, Path) or (is_session(source) and source.suffix != ".skops"):
        return False
    if source.suffix == ".onnx":
        raise BadInput(f"{source} is a model for other programs; Askwise predicts with a .skops file.")
    if source.suffix != ".skops":
        raise BadInput(f"{source} is neither a session (*{SESSION_SUFFIX}) nor a saved model (*.skops).")
    return True
