"""Several labels an item: keys put them into the set, Enter answers."""

from __future__ import annotations

from askwise.core import Label, Query
from askwise.labelsets import NONE
from askwise.terminal.widgets import ENTER, Keys
from askwise.terminal.widgets.one import OneLabel


class SetOfLabels(OneLabel):
    """Chooses labels one after the other."""

    help = (
        ("1 … 9, 0", "put the label with that key into the set, or take it out"),
        ("Enter", "answer with the set"),
        ("x", "none of these labels applies"),
        ("/", "find a label by name (or add a new one)"),
    )
    enters = True
    hint = "Enter answers · x none of these · "
    chosen: list[Label]

    def begin(self, query: Query) -> None:
        """With the empty set."""
        self.chosen = []

    def key(self, query: Query, key: str, keys: Keys) -> bool | None:
        """A digit, `/`, Enter or `x`."""
        if key in ENTER:
            return self._submit(query)
        if key == "x":
            return self.desk.tell(query, NONE)
        return super().key(query, key, keys)

    def choose(self, query: Query, name: Label) -> bool:
        """Put it into the set, or take it out."""
        if name in self.chosen:
            self.chosen.remove(name)
        else:
            self.chosen.append(name)
        return False

    def accept(self, query: Query) -> bool:
        """Begin with the set that the model takes it for."""
        self.chosen = list(self.desk.session.parts(str(query.suggestion)))
        return False

    def is_chosen(self, name: Label) -> bool:
        """Whether it is in the set."""
        return name in self.chosen

    def _submit(self, query: Query) -> bool:
        if not self.chosen:
            self.desk.message = "No label is chosen yet. Choose some, or press x if none of these applies."
            return False
        return self.desk.tell(query, self.chosen, ", ".join(self.chosen))
