"""A person is asked, on the page or in the terminal, until they stop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from askwise.commands.saying import aside, said, say

if TYPE_CHECKING:
    from askwise.app.waiting import Waiting
    from askwise.checking import LabelCheck
    from askwise.pool import Pool
    from askwise.session import Session
    from askwise.store import Place


def meanwhile(
    *, terminal: bool, port: int | None, no_browser: bool, what: str = "Label", tell: Callable[[str], None] = say
) -> AbstractContextManager[Waiting | None]:
    """A page that says how far a session is while it gets ready; nothing where people label in the terminal."""
    if terminal:
        return nullcontext()
    from askwise.app.waiting import Waiting

    def announce(url: str) -> None:
        tell(f"{what} at {url}")
        tell("It says there how far it is; the first question comes by itself.")

    return Waiting(port=port, open_browser=not no_browser, announce=announce)


def ask_person(
    session: Session,
    path: Place,
    *,
    terminal: bool,
    guidelines: str,
    port: int | None,
    no_browser: bool,
    waiting: Waiting | None = None,
) -> None:
    """Label until the person stops, then say how to go on; closes the session."""
    from askwise import notices, recent

    if isinstance(path, Path):
        recent.remember(path)
    notices.quiet()  # from here on a page, or the terminal's own, says what goes on
    with session:
        if terminal:
            from askwise import terminal as door

            check_terminal(session.pool)

            given_now = door.label(session, guidelines=guidelines or session.guidelines, said=said)
            say(f"{given_now:,} answers recorded, saved in {path}.")
        else:
            from askwise.app.serve import serve

            opened = waiting is not None and waiting.opened
            before = waiting if opened else None

            def announce(url: str) -> None:
                say(*([] if opened else [f"Label at {url}"]), f"Saved in {path} at every answer. Ctrl+C ends.")

            serve(
                session,
                guidelines=guidelines,
                port=waiting.port if waiting is not None else port,
                open_browser=not no_browser and not opened,
                announce=announce,
                token=before.token if before else None,
                codes=before.codes if before else None,
            )
        search = session.verdict().reason if session.recall() else None
    notices.quiet(False)
    if search:
        say(search)
    say(*ways_on(path))


def look_at_labels(
    check: LabelCheck, where: Place, *, rest: bool, terminal: bool, port: int | None, no_browser: bool,
    waiting: Waiting | None,
) -> None:  # fmt: skip
    """Ask blind about labels that exist already until the person stops; the check is left open."""
    from askwise import notices

    if terminal:
        from askwise import terminal as door

        answered = door.look(check, rest=rest, said=said)
    else:
        from askwise.app.checks.serve import serve_check

        notices.quiet()  # from here on the page says what goes on
        opened = waiting is not None and waiting.opened
        before = waiting if opened else None

        def announce(url: str) -> None:
            for line in (
                *([] if opened else [f"Check labels at {url}"]),
                f"Saved in {where} at every answer. Ctrl+C ends.",
            ):
                aside(line)

        answered = serve_check(
            check,
            rest=rest,
            port=waiting.port if waiting is not None else port,
            open_browser=not no_browser and not opened,
            announce=announce,
            token=before.token if before else None,
            codes=before.codes if before else None,
        )
        notices.quiet(False)
    aside(f"{answered:,} answers recorded, saved in {where}.")


def check_terminal(pool: Pool) -> None:
    """Refuse items that a terminal cannot show.

    Raises:
        BadInput: See above.
    """
    from askwise.core import BadInput

    if pool.item_kind.files:
        raise BadInput("A terminal shows no images and plays no recordings. Leave --terminal out.")


def ways_on(path: Place) -> list[str]:
    """The commands that go on with a session."""
    return [
        f"Go on:   askwise label {path}",
        f"Report:  askwise report {path}",
        f"Export:  askwise export {path} out.csv",
    ]
