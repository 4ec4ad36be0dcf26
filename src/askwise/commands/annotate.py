"""The verb `annotate`: labels by a language model, a program or a function, as guesses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askwise import completion
from askwise.commands.opening import check_writable, load, read_text
from askwise.commands.options import NOTHING_SAID, ByteOrderMark, Guidelines, Raw, Reading, TextColumns, reads_file
from askwise.commands.saying import aside, say


@reads_file
def annotate(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", autocompletion=completion.data, help="A table of texts.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="ANNOTATOR",
            help="llm:NAME (OPENAI_BASE_URL, OPENAI_API_KEY), command:PROGRAM ARGUMENTS, or module:function.",
        ),
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="A,B,C", help="What an item may be labeled.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Ends in .csv, .tsv, .jsonl, .parquet or .xlsx.")
    ] = None,
    text: TextColumns = None,
    label_column: Annotated[
        str | None,
        typer.Option("--label", metavar="COLUMN", help="Labels by people: examples for a language model, not asked."),
    ] = None,
    guidelines: Guidelines = None,
    examples: Annotated[
        int, typer.Option("--examples", metavar="N", min=0, max=50, help="Labeled items shown with each, most alike.")
    ] = 8,
    first: Annotated[
        int | None, typer.Option("--first", metavar="N", min=1, help="Only so many items: what would it cost?")
    ] = None,
    confidence: Annotated[
        bool, typer.Option("--confidence", help="Ask for the probability of each answer; not every endpoint says it.")
    ] = False,
    price: Annotated[
        str | None,
        typer.Option("--price", metavar="IN,OUT", help="Of a million tokens sent, and of a million returned."),
    ] = None,
    most: Annotated[
        float | None,
        typer.Option("--max-cost", metavar="AMOUNT", help="What may be spent, in the currency of --price."),
    ] = None,
    per_minute: Annotated[
        float | None, typer.Option("--per-minute", metavar="N", help="Requests a minute, at most.")
    ] = None,
    parallel: Annotated[
        int, typer.Option("--parallel", metavar="N", min=1, max=64, help="Requests under way at a time.")
    ] = 4,
    replies: Annotated[
        Path | None,
        typer.Option("--replies", metavar="FILE", help="Where requests and replies are kept; default beside FILE."),
    ] = None,
    how: Reading = NOTHING_SAID,
    raw: Raw = False,
    bom: ByteOrderMark = False,
) -> None:
    """Let a language model, a program or a function guess labels; `askwise check` says how good they are."""
    from askwise import export
    from askwise.annotators import Money, door
    from askwise.core import BadInput
    from askwise.labelsets import labels_in_line

    if file is None or by is None or out is None:
        raise BadInput(
            "Give a table, an annotator and where to: askwise annotate FILE --by llm:NAME --labels a,b --out OUT.csv"
        )
    export.ending(out)
    check_writable(out)
    if out.exists() and out.resolve() == file.resolve():
        raise BadInput(f"{str(out)!r} is the data, which stays as it is. Write to another file.")
    if not by.startswith(door.MODEL):
        given = {
            "--confidence": confidence, "--price": price, "--max-cost": most, "--per-minute": per_minute,
            "--replies": replies, "--guidelines": guidelines,
        }  # fmt: skip
        strange = [name for name, value in given.items() if value]
        if strange:
            raise BadInput(f"{', '.join(strange)} goes with a language model, --by llm:NAME. Leave it out.")
    if most is not None and price is None:
        raise BadInput(
            "--max-cost is in the currency of the prices; give them too: --price IN,OUT for a million tokens each."
        )
    money = Money(*_prices(price), most=most)
    pool = load(file, text=text, id_column=None, label_column=label_column, how=how)
    wanted = labels_in_line(labels, "--labels") if labels else sorted(set(pool.given.values()))
    if len(wanted) < 2:
        raise BadInput("At least two labels are needed. Name them: --labels a,b,c")
    beside = replies or file.with_name(f"{file.name}.replies.sqlite")
    who = door.annotator_of(by, replies=beside, money=money, per_minute=per_minute, confidence=confidence)
    advice = read_text(guidelines) if guidelines else ""
    rows = door.annotate_pool(
        pool, wanted, who, guidelines=advice, examples=examples, first=first, parallel=parallel, tell=aside
    )
    export.write_table(rows, out, raw=raw, bom=bom)
    guess, sure, _ = door.columns_for(pool).values()
    say(f"Wrote {len(rows):,} rows to {out}. These are guesses; how good they are, and which may stay:")
    say(
        f"  askwise check {out} --guess {guess}"
        + (f" --confidence {sure}" if any(row[sure] is not None for row in rows) else "")
    )


def _prices(text: str | None) -> tuple[float, float]:
    """Prices of a million tokens, sent and returned."""
    from askwise.core import BadInput

    if text is None:
        return 0.0, 0.0
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != 2 or not all(0 <= one < float("inf") for one in found):
        raise BadInput(
            f"--price is two amounts, for a million tokens sent and returned: --price 0.15,0.6; got {text!r}."
        )
    return found[0], found[1]
