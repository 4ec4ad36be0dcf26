"""Arguments and options that several commands have, each written once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_type_hints

import typer

from askwise import completion

if TYPE_CHECKING:
    from askwise.store import Place


def place(text: str) -> Place:
    """A file, or a session in a database."""
    from askwise.store import place

    return place(text)


ADDRESS = "postgresql://USER@HOST/DATABASE#NAME"
DataFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV, TSV, JSONL, JSON, Parquet, Excel, RIS, PubMed, EndNote XML.")
]
FileFormat = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="Such as csv or jsonl; default by the name of FILE.")
]
FileEncoding = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="Of a text format, such as cp1252; default UTF-8.")
]
Delimiter = Annotated[
    str | None, typer.Option("--delimiter", metavar="SIGN", help="Between the cells of a CSV, such as ';' or tab.")
]
Sheet = Annotated[
    str | None, typer.Option("--sheet", metavar="NAME", help="Of an Excel workbook, name or number; default the first.")
]
NoHeader = Annotated[
    bool, typer.Option("--no-header", help="The first row is data; the columns are column_1, column_2, …")
]
SessionFile = Annotated[
    Any,  # a `Place`, whose type is not loaded here, or None
    typer.Argument(
        metavar="SESSION",
        parser=place,
        autocompletion=completion.sessions,
        help=f"A session file (*.askwise), or {ADDRESS}.",
    ),
]
NewSession = Annotated[
    Any,
    typer.Option(
        "--session", metavar="PATH", parser=place, help=f"Session file, or {ADDRESS}; default a file next to FILE."
    ),
]
TextColumns = Annotated[
    list[str] | None,
    typer.Option("--text", metavar="COLUMN", help="Column that holds the texts (or paths); again for more."),
]
IdColumn = Annotated[
    str | None, typer.Option("--id", metavar="COLUMN", help="Column that names the rows; default a hash of the text.")
]
ShownColumns = Annotated[
    list[str] | None,
    typer.Option("--show", metavar="COLUMN", help="Column to see with an item, not learned from; again for more."),
]
EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        autocompletion=completion.encoders,
        help="How items become numbers: a name, several as tfidf+minilm, or module:object; default the best installed.",
    ),
]
LearnerName = Annotated[
    str | None,
    typer.Option(
        "--learner",
        metavar="NAME",
        autocompletion=completion.learners,
        help="What learns: portfolio, linears, linear, kernel, gaussians, forest, a plug-in's name, or module:object; "
        "default linears for texts, portfolio for most else.",
    ),
]
TheStrategy = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        autocompletion=completion.strategies,
        help="How questions are chosen: a name, or module:object; default auto.",
    ),
]
_BEGAN = "module:object that the session began with."
BeganStrategy = Annotated[str | None, typer.Option("--strategy", metavar="CODE", help=f"Strategy: {_BEGAN}")]
BeganLearner = Annotated[str | None, typer.Option("--learner", metavar="CODE", help=f"Learner: {_BEGAN}")]
Trust = Annotated[
    list[str] | None,
    typer.Option(
        "--trust", metavar="NAME", help="A type, or function, that the model's file may hold; again for more."
    ),
]
BeganEncoder = Annotated[str | None, typer.Option("--encoder", metavar="CODE", help=f"Encoder: {_BEGAN}")]
Seed = Annotated[int, typer.Option("--seed", help="Every random draw derives from it.")]
FirstSeed = Annotated[int | None, typer.Option("--seed", help="Every random draw derives from it; default 0.")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port of the page; default a free one.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")]
Guidelines = Annotated[
    Path | None, typer.Option("--guidelines", metavar="FILE", help="Text or Markdown shown to the person.")
]
LabelColumn = Annotated[
    str | None, typer.Option("--label", metavar="COLUMN", help="Column of labels that some rows have already.")
]
TargetName = Annotated[
    str | None,
    typer.Option(
        "--target",
        autocompletion=completion.targets,
        help="Share of what: auto, the model's labels; dataset, the checked region; file, all items.",
    ),
]
Raw = Annotated[
    bool, typer.Option("--raw", help="CSV: no apostrophe before cells that a spreadsheet would run as formulas.")
]
ByteOrderMark = Annotated[
    bool, typer.Option("--bom", help="CSV: begin with a byte order mark, so that Excel reads it as UTF-8.")
]

Reading: TypeAlias = Mapping[str, Any]
"""How a file is to be read, as far as it was said, for `load_pool`: format, encoding, delimiter, sheet, header."""
NOTHING_SAID: Reading = MappingProxyType({})
_READING: dict[str, tuple[Any, Any]] = {
    "file_format": (FileFormat, None),
    "encoding": (FileEncoding, None),
    "delimiter": (Delimiter, None),
    "sheet": (Sheet, None),
    "no_header": (NoHeader, False),
}
"""Parameter → its option and its default."""


def reads_file(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb, in the place of its parameter `how`, the options that say how a file is read."""

    @functools.wraps(verb)
    def command(
        *,
        file_format: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        no_header: bool = False,
        **others: Any,
    ) -> None:
        said = {"format": file_format, "encoding": encoding, "delimiter": delimiter, "sheet": sheet}
        how: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        verb(**others, how=how | ({"header": False} if no_header else {}))

    wanted: list[inspect.Parameter] = []
    hints = get_type_hints(verb, include_extras=True)
    for parameter in inspect.signature(verb).parameters.values():
        if parameter.name == "how":
            wanted += [
                inspect.Parameter(name, parameter.kind, default=default, annotation=annotation)
                for name, (annotation, default) in _READING.items()
            ]
        else:
            wanted.append(parameter.replace(annotation=hints[parameter.name]))
    command.__signature__ = inspect.Signature(wanted)  # type: ignore[attr-defined]  # what Typer reads
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in wanted}
    return command


def flags(how: Reading) -> dict[str, Any]:
    """The same as options that a person gave: `--encoding` → cp1252."""
    return {"--no-header" if name == "header" else f"--{name}": value for name, value in how.items()}
