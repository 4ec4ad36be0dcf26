"""The verb `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askwise import completion
from askwise.commands.opening import load, part
from askwise.commands.options import (
    NOTHING_SAID,
    DataFile,
    EncoderName,
    IdColumn,
    LearnerName,
    Reading,
    TextColumns,
    reads_file,
)
from askwise.commands.saying import console, say


@reads_file
def simulate(
    file: DataFile,
    labels_from: Annotated[str, typer.Option("--labels-from", metavar="COLUMN", help="Column of the true labels.")],
    text: TextColumns = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="KIND", autocompletion=completion.kinds, help="What an item is; default text."),
    ] = None,
    id_column: IdColumn = None,
    how: Reading = NOTHING_SAID,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            metavar="NAME",
            autocompletion=completion.strategies,
            help="A name, or module:object; repeat for several; default auto, margin, random.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each strategy.")] = 10,
    target: Annotated[
        list[float] | None, typer.Option("--target", help="Value to reach, 0..1; repeat for several; default 0.9.")
    ] = None,
    metric: Annotated[
        str,
        typer.Option("--metric", autocompletion=completion.metrics, help="accuracy, balanced_accuracy or macro_f1."),
    ] = ("balanced_accuracy"),
    budget: Annotated[int, typer.Option("--budget", min=2, help="Labels in each run.")] = 300,
    test_share: Annotated[float, typer.Option("--test-share", help="Share held out to measure on.")] = 0.3,
    hold: Annotated[
        int, typer.Option("--hold", min=1, help="Measurements in a row for which a target must be met; default 1.")
    ] = 1,
    duplicates: Annotated[
        str,
        typer.Option("--duplicates", metavar="HOW", help="merge: equal rows are one item; keep: as published tables."),
    ] = "merge",
    learner: LearnerName = None,
    encoder: EncoderName = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write plot, CSV and JSON here.")] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Default: one a core.")] = None,
) -> None:
    """Replay known labels: how many would each strategy have needed?"""
    from askwise import simulation
    from askwise.core import unknown
    from askwise.plugins import source_of

    if duplicates not in ("merge", "keep"):
        raise unknown("way with duplicates", duplicates, ("merge", "keep"))
    pool = load(file, kind=kind, text=text, id_column=id_column, label_column=labels_from, how=how)
    pool, truth = simulation.kept(pool) if duplicates == "keep" else (pool, pool.given)
    chosen = [source_of(part("strategy", name))[0] for name in strategy or []]
    result = simulation.simulate(
        pool,
        truth,
        strategies=chosen or ("auto", "margin", "random"),
        seeds=seeds,
        budget=budget,
        test_share=test_share,
        targets=[(metric, value) for value in target or [0.9]],
        encoder=part("encoder", encoder),
        learner=part("learner", learner),
        hold=hold,
        processes=processes,
        progress=True,
    )
    console().print(simulation.to_rich(result))
    if out is not None:
        for path in simulation.write(result, out):
            say(f"wrote {path}")
