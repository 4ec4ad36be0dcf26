"""The verb `screen`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from askwise import completion
from askwise.commands import asking, beginning
from askwise.commands.opening import (
    SESSION_SUFFIX,
    check_writable,
    is_session,
    load,
    open_session,
    read_text,
    refuse_options,
    session_path,
)
from askwise.commands.options import (
    NOTHING_SAID,
    FirstSeed,
    Guidelines,
    IdColumn,
    LabelColumn,
    NewSession,
    NoBrowser,
    Port,
    Reading,
    ShownColumns,
    flags,
    place,
    reads_file,
)
from askwise.commands.saying import say

if TYPE_CHECKING:
    from askwise.pool import Pool
    from askwise.session import Session
    from askwise.store import Place


@reads_file
def screen(
    file: Annotated[
        Any,
        typer.Argument(
            metavar="FILE",
            parser=place,
            autocompletion=completion.data,
            help="Records to screen, or a session to go on with.",
        ),
    ],
    relevant: Annotated[
        str | None, typer.Option("--relevant", metavar="LABEL", help="The label of what is searched, such as 1.")
    ] = None,
    irrelevant: Annotated[
        str | None, typer.Option("--irrelevant", metavar="LABEL", help="The other label; default from --label.")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="COLUMN", help="Column of texts; again for more; default title, abstract."),
    ] = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    show: ShownColumns = None,
    how: Reading = NOTHING_SAID,
    recall: Annotated[
        float | None, typer.Option("--recall", help="Share of the relevant ones to find; default 0.95.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option("--confidence", help="Of every statement about it; default 0.95.")
    ] = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="WORDS", help="Ask first what is most like these words.")
    ] = None,
    checks: Annotated[
        float | None, typer.Option("--checks", help="Share of random check items while searching; default 0.05.")
    ] = None,
    simulate_it: Annotated[
        bool, typer.Option("--simulate", help="Replay a file that --label knows completely; ask nobody.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="With --simulate: plot, CSV.")] = None,
    session_file: NewSession = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Screen here instead of in the browser.")] = False,
    port: Port = None,
    no_browser: NoBrowser = False,
    guidelines: Guidelines = None,
    seed: FirstSeed = None,
) -> None:
    """Find nearly all of the few relevant records in FILE, and say when enough are found.

    With a session of `askwise label` and --relevant LABEL: all items of that label, begun with what people have said.
    """
    from askwise import screening
    from askwise.store import exists

    advice = read_text(guidelines) if guidelines else ""
    ask = partial(asking.ask_person, terminal=terminal, guidelines=advice, port=port, no_browser=no_browser)
    meanwhile = partial(asking.meanwhile, terminal=terminal, port=port, no_browser=no_browser)
    if relevant is not None and is_session(file):
        given = {"--irrelevant": irrelevant, "--text": text, "--label": label_column, "--show": show or None,
                 "--id": id_column, "--query": query, "--seed": seed, "--guidelines": guidelines,
                 "--simulate": simulate_it or None, **flags(how)}  # fmt: skip
        _refuse_reading(file, given)
        wanted = {"recall": recall, "confidence": confidence, "audit_share": checks}
        with meanwhile() as waiting:
            session, path = _of_session(file, relevant, session_file, wanted)
        ask(session, path, waiting=waiting)
        return
    if is_session(file):
        given = {"--relevant": relevant, "--irrelevant": irrelevant, "--text": text, "--label": label_column,
                 "--show": show or None, "--id": id_column, "--query": query, "--session": session_file,
                 "--seed": seed, "--recall": recall, "--confidence": confidence, "--checks": checks,
                 "--simulate": simulate_it or None, **flags(how)}  # fmt: skip
        _refuse_reading(file, given)
        with meanwhile() as waiting:
            session = open_session(file)
        ask(session, file, waiting=waiting)
        return
    columns = text or screening.text_columns(file, **how)
    pool = load(file, text=columns, id_column=id_column, label_column=label_column, show=show or None, how=how)
    names = screening.two_classes(relevant, irrelevant, pool.given.values())
    terms = (
        0.95 if recall is None else recall,
        0.95 if confidence is None else confidence,
        0.05 if checks is None else checks,
    )
    if simulate_it:
        _simulate_screening(pool, names, *terms, query, seed or 0, out)
        return
    path = session_file or session_path(file)
    with meanwhile() as waiting:
        if exists(path):
            session = beginning.go_on(path, pool, list(names), strategy=None, encoder=None, seed=seed)
            given = {"--recall": recall, "--confidence": confidence, "--checks": checks, "--query": query}
            _same_search(session, path, {name: value for name, value in given.items() if value is not None})
        else:
            first = screening.closest([str(c) for c in pool.contents], query) if query else []
            session = beginning.begin(
                path, pool, list(names), strategy="auto", encoder=None, seed=seed or 0, relevant=names[0], first=first,
                recall=terms[0], confidence=terms[1], audit_share=terms[2], guidelines=advice, apart=True,
            )  # fmt: skip
    ask(session, path, waiting=waiting)


def _refuse_reading(file: Place, given: dict[str, Any]) -> None:
    """Refuse options about a file where a session is given."""
    refuse_options(file, [name for name, value in given.items() if value is not None])


def _of_session(
    file: Place, relevant: str, session_file: Place | None, wanted: dict[str, float | None]
) -> tuple[Session, Place]:
    """A search begun with what people have said in a session, which is not changed, and where it lies."""
    from askwise.core import BadInput
    from askwise.store import exists

    if session_file is not None:
        path: Place = session_file
    elif isinstance(file, Path):
        path = file.with_suffix(f".search{SESSION_SUFFIX}")
    else:
        raise BadInput(f"The search begun with {file} needs a place of its own: --session FILE{SESSION_SUFFIX}")
    if exists(path):
        raise BadInput(
            f"{path} exists. Go on with it:  askwise screen {path}\nor begin another:  --session OTHER{SESSION_SUFFIX}"
        )
    with open_session(file) as labeled:
        if labeled.recall() is not None:
            refuse_options(file, ["--relevant"])
        terms: dict[str, Any] = {name: share for name, share in wanted.items() if share is not None}
        found = labeled.search(relevant, store=path, apart=True, **terms)
    known = found.recall()
    if known is not None:
        say(f"A search for {relevant!r}, begun with {known.read:,} labels by people: {known.found:,} are found.")
    return found, path


def _same_search(session: Session, path: str | Path, given: dict[str, Any]) -> None:
    """Refuse what cannot go on as asked for."""
    from askwise.core import BadInput

    search = session.recall()
    now: dict[str, Any] = {"--checks": session.settings["audit_share"]}
    if search is not None:
        now |= {"--recall": search.target, "--confidence": search.confidence}
    changed = [name for name, value in given.items() if now.get(name) != value]
    if search is not None and not changed:
        return
    session.close()
    if search is None:
        raise BadInput(
            f"{path} is a session of `askwise label`, no search. Start one with --session OTHER{SESSION_SUFFIX}"
        )
    raise BadInput(f"{', '.join(changed)} cannot change a search that was begun ({path}); leave it out.")


def _simulate_screening(
    pool: Pool,
    names: tuple[str, str],
    recall: float,
    confidence: float,
    checks: float,
    query: str | None,
    seed: int,
    out: Path | None,
) -> None:
    from askwise.simulation import screening as replays

    if out is not None:
        check_writable(out)
    found = replays.replay(
        pool, names, recall=recall, confidence=confidence, audit_share=checks, query=query, seed=seed
    )
    say(*replays.sentences(found))
    if out is not None:
        for path in replays.write(found, out):
            say(f"wrote {path}")
