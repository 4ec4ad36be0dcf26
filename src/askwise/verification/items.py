"""What a session is about, looked at: its items, those added, its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askwise import growing, relabeling
from askwise.core import BadStore, Event
from askwise.pool import kinds
from askwise.state import State
from askwise.tasks import recorded

if TYPE_CHECKING:
    from askwise.verification.walk import Look, Walk


def _opened(w: Walk, e: Event) -> None:
    w.expect("events", w.last is None, e, "a session begins once.")
    d = e.data
    if not (type(d["n"]) is int and d["n"] > 0):
        raise BadStore(f"a session of {d['n']!r} items.")
    for name in ("confidence", "max_error"):
        w.expect("events", 0 < d[name] < 1, e, f"{name} is {d[name]!r}, which is no share.")
    w.expect("events", 0 <= d["audit_share"] <= 1, e, f"audit_share is {d['audit_share']!r}, which is no share.")
    w.rows([int(row) for row in d["given"]], d["n"])
    task, given = recorded(d), set(d["given"].values())
    strange = sorted(name for name in given if not task.is_written(name, d["classes"]))
    w.expect("events", not strange, e, f"the data came with labels that are no class: {strange[:3]}.")


def _items(w: Walk, e: Event) -> None:
    w.expect("events", w.last is not None and w.last.kind in ("opened", "items"), e, "items come at the start only.")


def _added(w: Walk, e: Event) -> None:
    """Items that came later are new, are those of the fingerprint, and take nothing from what was there."""
    s, d = w.state, e.data
    kind = kinds.recorded(s.opened["kind"])
    items = growing.unpacked_items(kind, d)
    w.expect("items", d["start"] == s.n, e, f"adds items behind {d['start']:,}; {s.n:,} are there.")
    w.rows([int(row) for row in d["given"]], s.n + d["n"])
    strange = sorted({name for name in d["given"].values() if not is_class(s, name)})
    w.expect("events", not strange, e, f"gives labels that are no class: {strange[:3]}.")
    w.expect("events", all(int(row) >= s.n for row in d["given"]), e, "gives a label to an item that was there before.")
    w.expect("events", not s.opened.get("goal"), e, "adds items to a search, which speaks of all that it began with.")
    w.done["items"] += len(items)
    if w.known is None:
        return
    ids, digests = [name for name, _, _, _ in items], kind.digests([content for _, content, _, _ in items])
    there = [row not in w.gone for row in range(s.n, s.n + len(items))]
    same = growing.fingerprint(ids, digests) == d["fingerprint"]
    w.expect("items", same, e, "holds other items than those of its fingerprint.")
    own = [(name, one) for name, one, is_there in zip(ids, digests, there, strict=True) if is_there]
    twice = [name for name, one in own if name in w.known.by_id or one in w.known.by_content]
    fresh = not twice and len(set(ids)) == len(ids) and len({one for _, one in own}) == len(own)
    w.expect("items", fresh, e, f"adds items that are there already: {twice[:3]}.")
    w.known.extend(ids, digests)


def _class_added(w: Walk, e: Event) -> None:
    name = e.data["name"]
    w.expect("events", isinstance(name, str) and not w.state.may_be(name), e, f"{name!r} is a class already.")
    w.expect("events", w.state.task.named, e, "adds a class where answers have none.")


def _relabeled(w: Walk, e: Event) -> None:
    """A change of labels is about labels that there are, alters no answer, and comes between attempts."""
    s, d = w.state, e.data
    there = s.shown_labels()
    own = [s.classes[number] for number in s.merged] if e.kind == "class_split" else there
    for key in ("name", "into"):
        w.expect("events", key not in d or d[key] in own, e, f"changes {d.get(key)!r}, which is no class.")
    taken = e.kind == "class_renamed" and d["to"] in s.labels
    w.expect("events", not taken, e, f"gives the name {d.get('to')!r}, which another class has.")
    if e.kind == "class_removed":
        held = relabeling.holders(s, d["name"]) if d["name"] in there else 0
        w.expect("events", not held, e, f"removes {d['name']!r}, which {held} answers hold.")
    if e.kind == "reordered":
        same = sorted(d["labels"]) == sorted(there)
        w.expect("events", same, e, "orders other labels than those there are.")
    if e.kind in ("class_renamed", "class_merged", "class_split", "class_removed"):
        w.expect("decisions", s.open_attempt is None, e, "changes classes while blind checks are under way.")
        single = e.kind == "class_renamed" or s.task.merges
        w.expect("events", single and not s.opened.get("goal"), e, "changes classes that are fixed here.")
    last = s.reversals[-1][0] if s.reversals else None
    w.expect("events", d.get("undoes") in (None, last), e, f"takes back event {d.get('undoes')}, not the last change.")


def is_class(s: State, name: object) -> bool:
    """Whether this is how an answer of the session is written."""
    return s.task.is_written(name, s.labels) and (not s.task.closed or s.may_be(str(name)))


LOOKS: dict[str, Look] = {
    "opened": _opened,
    "items": _items,
    "added": _added,
    "class_added": _class_added,
    **dict.fromkeys(relabeling.KINDS, _relabeled),
}
"""What is looked at in each kind of event."""
