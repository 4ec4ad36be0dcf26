"""Parts of a session that are not ours: what the log notes of them at the beginning, and how they are found again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from askwise import encoders, learners, plugins, screening, strategies
from askwise.core import BadInput, ContractError
from askwise.options import named, option
from askwise.pool import ItemKind
from askwise.tasks import recorded


def noted(encoder: Any, learner: Any, strategy: Any, sources: dict[str, str]) -> tuple[Any, Any, Any]:
    """The parts of a new session; those found by the name of a plug-in, or by `module:object`, go into `sources`."""
    given = [encoder, learner_of(learner), strategy]
    for place, what in enumerate(("encoder", "learner", "strategy")):
        given[place], source = plugins.source_of(given[place])
        if source is not None:
            sources[what] = source
    return given[0], given[1], given[2]


def learner_of(given: Any) -> Any:
    """A learner by name, one of ours or a plug-in's, as the part and its name; what is no name as it is.

    Raises:
        BadInput, ContractError: As `plugins.plugin`.
    """
    if not isinstance(given, str):
        return given
    if given in learners.NAMES and given not in plugins.registered("learner"):
        return plugins.Found(learners.named(given), given)
    return plugins.plugin("learner", given, learners.NAMES)


class Again:
    """Finds the parts of a session again, as far as its log may name them.

    A plug-in that somebody installed is loaded by its name. Code by `module:object` never is: a session may come from
    a stranger, and loading it would run whatever it names.
    """

    def __init__(self, opened: Mapping[str, Any]) -> None:
        self.opened = opened
        self.sources: Mapping[str, str] = opened.get("sources") or {}
        self.missing: list[str] = []
        """What is to be given, as the sentence names it."""
        self.found: set[str] = set()
        """Parts that were found by name, not given."""
        self.encoder_source: str | None = opened["encoder_source"]

    def encoder(self, given: Any, kind: ItemKind) -> Any:
        """The encoder; None where it is one of ours by name, none is needed, or it is missing."""
        given, source = self._given("encoder", given), self.encoder_source
        search = self.opened.get("goal") is not None and self.opened["encoder"] == screening.WordsEncoder.name
        if given is not None or kind.features or search:
            return given
        if source is None:
            self._lacks("encoder")
        elif not encoders.found_by(source):
            if "/" in source or "\\" in source:
                return None  # a folder, whose error says that it is gone
            try:
                return encoders.get(source, kind.name)
            except (BadInput, ContractError):
                self.encoder_source = None
                self._lacks("encoder", source)
        return None

    def learner(self, given: Any) -> Any:
        """The learner; None where it is our own, or is missing."""
        given, source = self._given("learner", given), self.sources.get("learner")
        if given is not None:
            return given
        if self.opened["own_learner"]:
            return learners.again(str(self.opened["learner"])) if self.opened.get("goal") is None else None
        if source is None or plugins.is_code(source):
            self._lacks("learner")
            return None
        try:
            given = learner_of(source).part
            recorded(self.opened).learner(given)  # says what is wrong with it
        except (BadInput, ContractError):
            self._lacks("learner", source)
            return None
        self.found.add("learner")
        return given

    def strategy(self, given: Any) -> strategies.Strategy | None:
        """The strategy as given; None where it is found by its name, or is missing."""
        chosen: strategies.Strategy | None = self._given("strategy", given)
        name = self.opened["strategy"]
        if isinstance(given, plugins.Found) and chosen is not None and chosen.name != name:
            raise BadInput(
                f"This session was started with the strategy {name!r}, and {chosen.name!r} is given. Leave "
                f"{named('strategy')} out, give the same, or start a new session."
            )
        if chosen is None and ("strategy" in self.sources or name not in strategies.available()):
            self._lacks("strategy")
        return chosen

    def _given(self, what: plugins.What, given: Any) -> Any:
        if isinstance(given, plugins.Offered):
            given = given.of(self.sources.get(what))
        if what == "learner":
            given = learner_of(given)
        return plugins.source_of(given)[0]

    def _lacks(self, what: str, plugin: str | None = None) -> None:
        was = self.sources.get(what) or self.opened[what]
        why = "" if plugin is None else ", of a package that is not installed here or does not load"
        self.missing.append(f"{option(what)} (it was {plugin or was}{why})")
