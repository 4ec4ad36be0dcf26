"""A session that is served, with what lies beside it in the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askwise.app import wire
from askwise.app.desk import Desk
from askwise.app.keeper import Keeper

if TYPE_CHECKING:
    from askwise.session import Session
    from askwise.state import State


class Project:
    """A session that is served, with what lies open in its tabs.

    Args:
        session: An open session; its worker is started and stopped by the caller.
        guidelines: Text of the guidelines panel (headings, lists, **bold**, `code`); empty = those of the session, and
            none hide the panel.
        team: Whether several people with accounts work on it.
    """

    def __init__(self, session: Session, *, guidelines: str = "", team: bool = False) -> None:
        self.session = session
        self._given = guidelines
        self.team = team
        self.desk = Desk(session)
        self.figures = wire.Figures(session)
        self.keeper = Keeper(session)

    @property
    def guidelines(self) -> str:
        """Those that somebody has written while the session ran, else those given to the server, else the session's."""
        changed = self.session.look(lambda s: s.texts.get("guidelines"))
        return changed if changed is not None else self._given or self.session.guidelines

    def may_answer(self, annotator: str, item: str) -> bool:
        """Whether the annotator was asked about the item, and nobody else since, or has answered it before."""
        if self.desk.dealt(annotator, item):
            return True
        row = self.session._rows.get(item)
        if row is None:
            return False

        def theirs(state: State) -> bool:
            # By the log, not by what is in hand: the server may have ended while they answered.
            ask = state.asks.get(row)
            asked = ask is not None and ask.annotator == annotator
            return asked or any(row == mine for _, mine in state.trail.get(annotator, ()))

        return self.session.look(theirs)
