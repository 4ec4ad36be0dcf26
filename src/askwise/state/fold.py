"""What each event does to the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from askwise import relabeling
from askwise.audit import UNKNOWN, WEIGHTS
from askwise.core import Answer, Array, BadStore, Control, CurvePoint, Event, Label, promise
from askwise.state.in_log import unpack
from askwise.state.records import DOUBTED, OVERLAP, Ask, Attempt, Draw, Lease, Ranking, Word
from askwise.state.withdrawn import on_withdrawn
from askwise.tasks import recorded

if TYPE_CHECKING:
    from askwise.state.state import State


def _on_opened(s: State, e: Event) -> None:
    s.opened = e.data
    s.n = s.ranked = int(e.data["n"])
    s.rows = int(e.data["rows"])
    s.task = recorded(e.data)
    for name in e.data["classes"]:
        _add_label(s, name)
    s.labeled_mask, s.auto_mask = np.zeros(s.n, bool), np.zeros(s.n, bool)
    s.codes, s.answer_rounds = np.full(s.n, UNKNOWN, np.int32), np.zeros(s.n, np.int32)
    s.eligible_mask, s.rest_mask = np.ones(s.n, bool), np.ones(s.n, bool)
    s.shown_mask = np.zeros(s.n, bool)
    goal = e.data.get("goal")
    if goal is not None and not {goal["relevant"], goal["irrelevant"]} <= set(s.labels):
        raise ValueError("it searches for a class that there is not")
    for row, label in e.data["given"].items():
        s._meet(_known(s, label))
        s.given[int(row)] = Answer(int(row), "given", label, "", e.seq, e.at)
        s._settle(int(row))
    s.last_answer = e.seq


def _on_added(s: State, e: Event) -> None:
    """Items that came later: no check item could have been one of them, and no model has guessed them yet."""
    d, before, more = e.data, s.n, int(e.data["n"])
    if int(d["start"]) != before:
        raise ValueError(f"its items begin with row {d['start']}, and {before:,} are there")
    if s.opened.get("goal"):
        raise ValueError("a search does not grow")
    s.n, s.rows = before + more, s.rows + int(d["rows"])
    s.additions.append(more)
    s.labeled_mask, s.auto_mask = _longer(s.labeled_mask, s.n), _longer(s.auto_mask, s.n)
    s.shown_mask, s.eligible_mask = _longer(s.shown_mask, s.n), _longer(s.eligible_mask, s.n)
    s.rest_mask, s.codes = _longer(s.rest_mask, s.n, True), _longer(s.codes, s.n, UNKNOWN)
    s.answer_rounds = _longer(s.answer_rounds, s.n)
    # What stands for the guesses on them, 0, nobody looks at: they are in no draw, and in no region before a ranking.
    if s.predictions is not None:
        s.predictions = _longer(s.predictions, s.n)
    s.past = {round_: _longer(guesses, s.n) for round_, guesses in s.past.items()}
    if s.written is not None:
        s.written = _longer(s.written, s.n)
    models = {id(draw.guesses): draw.guesses for draw in s.draws if draw.guesses is not None}
    longer = {key: _longer(guesses, s.n) for key, guesses in models.items()}  # many draws share one
    s.draws = [
        replace(draw, eligible=_longer(draw.eligible, -(-s.n // 8)), guesses=longer.get(id(draw.guesses)))
        for draw in s.draws
    ]
    for row, label in d["given"].items():
        if not before <= int(row) < s.n:
            raise ValueError(f"it gives a label to row {row}, which is none of its own")
        s._meet(_known(s, label))
        s.given[int(row)] = Answer(int(row), "given", label, "", e.seq, e.at)
        s._settle(int(row))
    s.last_answer = e.seq


def _longer(values: Array, n: int, fill: Any = 0) -> Array:
    """A copy with n entries, the new ones as given: what a still has of the old one must not change."""
    found = np.full(n, fill, values.dtype)
    found[: len(values)] = values
    return found


def _add_label(s: State, name: Label) -> None:
    s.labels.append(name)
    if s.task.closed:
        s._number(name)


def _on_class(s: State, e: Event) -> None:
    if s.numbers.get(e.data["name"]) in s.removed:
        relabeling.on_restored(s, e)
        return
    if e.data["name"] in s.labels:
        raise ValueError(f"there is a class {e.data['name']!r} already")
    _add_label(s, e.data["name"])


def _on_asked(s: State, e: Event) -> None:
    for q in e.data["items"]:
        row = int(q["row"])
        if q.get("audit") and q.get("drawn", True) and not s.guessed_in(int(e.data["round"])):
            raise ValueError(f"it draws a check item for model {e.data['round']}, which is not the current one")
        audit, check = bool(q.get("audit")), bool(q.get("check"))
        if audit and q.get("drawn", True):
            drawn = Draw(row, e.seq, int(e.data["round"]), np.packbits(s.eligible_mask), q.get("confidence"))
            s.draws.append(replace(drawn, guesses=s.predictions, system=s.system, removed=s.removed))
            if s.predictions is not None:
                s.past.setdefault(int(e.data["round"]), s.predictions)
        elif q.get("drawn", True) and not check and q.get("probability") is not None:
            s.at_random.append(Draw(row, e.seq, int(e.data["round"]), np.packbits(s.eligible_mask), None))
        if q.get("strategy") == DOUBTED and not q.get("drawn", True):
            s.doubted.add(row)
        if s.model and not (audit or check or q.get("strategy") in (OVERLAP, DOUBTED)):
            s._show([row], e.data["annotator"])  # also where it goes back unanswered
        s.slots += not check and q.get("drawn", True)
        s.handed[e.data["annotator"]] += not check
        s.asks[row] = Ask(
            e.seq, e.data["annotator"], int(e.data["round"]), audit, q.get("probability"), q.get("score"),
            q.get("strategy", ""), check,
        )  # fmt: skip
        s.asked_of.setdefault(row, {})[e.data["annotator"]] = e.seq
        s.leases[row] = Lease(e.data["annotator"], float(e.data["until"]), e.seq)
        s._refresh_eligible(row)


def _on_released(s: State, e: Event) -> None:
    for row in e.data["rows"]:
        s.leases.pop(int(row), None)
        s._refresh_eligible(int(row))


_KINDS: dict[str, Literal["label", "skip", "unsure"]] = {"told": "label", "skipped": "skip", "unsure": "unsure"}


def _known(s: State, label: Label) -> Label:
    """The label, if it is one, or a set of such."""
    strange = next((part for part in s.parts(label) if part not in s.labels), None)
    if strange is None and s.removed and s.numbers.get(label) in s.removed:
        strange = label
    if strange is not None:
        raise ValueError(f"there is no class {strange!r}")
    return label


def _on_answer(s: State, e: Event) -> None:
    row, kind, annotator = int(e.data["row"]), _KINDS[e.kind], e.data["annotator"]
    ask = s.asks.get(row)
    old = s.before[e.seq] = s.votes.get(row, {}).get(annotator)
    if old is not None:
        s.after[old.seq] = e.seq
    s.trail.setdefault(annotator, []).append((e.seq, row))
    if "batch" in e.data:
        s.batches.setdefault(int(e.data["batch"]), []).append((e.seq, row, annotator))
    ruling = s.rulings.get(row)
    if ruling is not None and ruling.annotator == annotator and kind != "skip":
        del s.rulings[row]  # who decided has changed their mind
    s.leases.pop(row, None)
    s.told += 1
    if kind == "skip":
        s.skips[row] = s.told
    else:
        s.skips.pop(row, None)
    if kind == "label":
        s._meet(_known(s, e.data["label"]))
    answer = Answer(
        row=row,
        kind=kind,
        label=e.data.get("label"),
        annotator=annotator,
        seq=e.seq,
        at=e.at,
        seconds=e.data.get("seconds"),
        round=ask.round if ask else 0,
        probability=ask.probability if ask else None,
        audit=bool(ask and (ask.audit or ask.check)),
        strategy=ask.strategy if ask else "volunteered",
        flag=s.flags.get(row),
        seen=s.was_shown(row, annotator),
        late=bool(e.data.get("late")),
    )
    s._vote(row, annotator, answer)
    s.last_answer = e.seq


def _on_consensus(s: State, e: Event) -> None:
    """What `people.consensus` made of the answers: the labels of the rows that several people labeled."""
    s.unsettled = False
    for row, label in e.data["labels"].items():
        before = s.label_of(int(row))
        s._meet(_known(s, label))
        s.consensus[int(row)] = label
        s._settle(int(row))
        if s.label_of(int(row)) != before:
            s.last_answer = e.seq


def _on_flagged(s: State, e: Event) -> None:
    s.flags[int(e.data["row"])] = e.data.get("note", "")


def _on_unflagged(s: State, e: Event) -> None:
    s.flags.pop(int(e.data["row"]), None)


def _on_adjudicated(s: State, e: Event) -> None:
    row, label = int(e.data["row"]), e.data["label"]
    if label is None:
        s.rulings.pop(row, None)
    else:  # a blind check stays one: what was known when it was answered has not changed
        s._meet(_known(s, label))
        before, who = s.answers[row], e.data["annotator"]
        s.rulings[row] = replace(
            before, kind="label", label=label, annotator=who, seq=e.seq, at=e.at, seconds=None,
            seen=before.seen or s.was_shown(row, who),
        )  # fmt: skip
    s._settle(row)
    s.last_answer = e.seq


def _on_retracted(s: State, e: Event) -> None:
    row, of = int(e.data["row"]), int(e.data["of"])
    trail = s.trail.get(e.data["annotator"], [])
    place = next((i for i in range(len(trail) - 1, -1, -1) if trail[i] == (of, row)), None)
    if place is not None:
        del trail[place]
    current = s.votes.get(row, {}).get(e.data["annotator"])
    if current is not None and current.seq == of and "rewind" in e.data:
        ask = s.asks.get(row)
        s.rewound.setdefault(int(e.data["rewind"]), []).append((current, ask.seq if ask else 0))
    if current is not None and current.seq == of:
        s._vote(row, e.data["annotator"], s.before.get(of))
        s.skips.pop(row, None)
    later, earlier = s.after.pop(of, None), s.before.get(of)
    if later is not None:  # taking the later answer back must not bring this one back
        s.before[later] = earlier
        if earlier is not None:
            s.after[earlier.seq] = later
    s.last_answer = e.seq


def _on_ranked(s: State, e: Event) -> None:
    d = e.data
    ranking = Ranking(
        int(d["round"]), int(d["trained_on"]), [int(r) for r in d["queue"]], list(d["scores"]), list(d["parts"]),
        d["strategy"], int(d["planned"]), [(int(r), float(x)) for r, x in d.get("again", ())],
        {str(name): float(q) for name, q in d.get("quality", {}).items()},
    )  # fmt: skip
    if not len(ranking.queue) == len(ranking.scores) == len(ranking.parts) >= ranking.planned:
        raise ValueError("'queue', 'scores', 'parts' and 'planned' do not go together")
    for name in d.get("sets", ()):
        s._meet(_known(s, name))
    known = int(d.get("known", s.n))
    if not s.ranked <= known <= s.n:
        raise ValueError(f"it knows {known:,} items of {s.n:,}, and the last ranking knew {s.ranked:,}")
    if d.get("predictions") is None and s.predictions is not None and known > s.ranked:
        raise ValueError("there is a model, and it guesses nothing of the items that came later")
    if d.get("predictions") is not None:
        change = np.frombuffer(unpack(d["predictions"]), np.int32)
        if len(change) != known:
            raise ValueError(f"it guesses {len(change):,} items and knows {known:,}")
        change = _longer(change, s.n)
        base = s.predictions if s.predictions is not None else np.zeros(s.n, np.int32)
        guesses = base ^ change
        if not 0 <= guesses.min() <= guesses.max() < len(s.classes):
            raise ValueError("'predictions' names a class that there is not")
        s.predictions = s.written = guesses
    s.ranking = ranking
    if known > s.ranked:
        come = np.flatnonzero(s.waiting()[:known])
        s.ranked = known
        s.eligible_mask[come] = True
    s.word = Word.after(s.word, d, s.system, s.removed)
    if "point" in d:
        s.points.append(CurvePoint(**d["point"]))
        s.learned.append(ranking.trained_on)
        s.standings.append(d.get("learner"))
    if d.get("control") is not None:
        s.control = Control(**d["control"])
    if d.get("cost") is not None:
        while s.costs and s.costs[-1][0] > int(d["cost"][0]):
            s.costs.pop()  # projected from answers that were taken back since
        s.costs.append((int(d["cost"][0]), float(d["cost"][1]), int(d["cost"][2])))
        s.floor = float(d["cost"][3]) if len(d["cost"]) > 3 else 0.0


def _on_frozen(s: State, e: Event) -> None:
    d = e.data
    order = np.frombuffer(unpack(d["order"]), np.int64).astype(np.intp)
    confidences = np.frombuffer(unpack(d["confidences"]), np.float32)
    if int(d["attempt"]) != len(s.attempts) + 1:
        raise ValueError(f"it is attempt {d['attempt']} after {len(s.attempts)}")
    if not len(order) or not 0 <= order.min() <= order.max() < s.n or len(np.unique(order)) < len(order):
        raise ValueError("'order' must be rows of the session, each once")
    if len(confidences) != len(order) or not np.isfinite(confidences).all():
        raise ValueError("'confidences' must be a number for each row of 'order'")
    levels = None
    if "levels" in d:
        levels = np.frombuffer(unpack(d["levels"]), np.uint8)
        if len(levels) != len(order) or levels.max() >= len(WEIGHTS):
            raise ValueError("'levels' must be a level of weights for each row of 'order'")
        if promise(d["target"]).search or d["needed"] or "share" not in d:
            raise ValueError("checks by weights have a 'share', and no numbers of checks 'needed'; a search has none")
    elif not d["needed"]:
        raise ValueError("'needed' must be a list of numbers of checks, got []")
    if d.get("label") is not None:
        _known(s, d["label"])
    if promise(d["target"]).search and not s.opened.get("goal"):
        raise ValueError("its target is a recall, but nothing is searched for")
    s.attempts.append(
        Attempt(
            number=int(d["attempt"]),
            alpha=float(d["alpha"]),
            max_error=float(d["max_error"]),
            confidence=float(d["confidence"]),
            target=d["target"],
            round=int(d["round"]),
            order=order,
            position={int(r): i for i, r in enumerate(order)},
            seq=e.seq,
            needed=tuple(d["needed"]),
            risk=float(d["risk"]),
            expected_error=float(d["expected_error"]),
            confidences=confidences,
            group=int(d.get("group", d["attempt"])),
            label=d.get("label"),
            allowed=int(d.get("allowed", 0)),
            found=int(d.get("found", 0)),
            items=s.n,
            guesses=s.predictions,
            system=s.system,
            removed=s.removed,
            names=tuple(s.labels),
            called=d.get("label"),
            gone=len(s.withdrawn),
            levels=levels,
            share=float(d["share"]) if levels is not None else 0.0,
            begun=e.seq,
        )
    )
    if s.predictions is None:
        raise BadStore("This session is damaged: a region was frozen before there was a model.")
    if not s.guessed_in(int(d["round"])):
        raise ValueError(f"it freezes the guesses of model {d['round']}, which is not the current one")
    s.past.setdefault(int(d["round"]), s.predictions)


def _on_closed(s: State, e: Event) -> None:
    attempt = s.attempts[int(e.data["attempt"]) - 1]
    if not int(e.data["wrong"]) <= int(e.data["checks"]) <= len(attempt.order):
        raise ValueError(
            f"it counts {e.data['checks']} checks, {e.data['wrong']} of them wrong, of {len(attempt.order)}"
        )
    attempt.outcome, attempt.reason = e.data["outcome"], e.data["reason"]
    attempt.checks, attempt.wrong = int(e.data["checks"]), int(e.data["wrong"])
    attempt.fingerprint = e.digest


def _on_resumed(s: State, e: Event) -> None:
    attempt = s.attempts[int(e.data["attempt"]) - 1]
    if why := s.why_not_resumed(attempt):
        raise ValueError(f"its attempt cannot go on: {why}")
    attempt.blown, attempt.kept = s.unblind(attempt), {}
    attempt.outcome, attempt.reason, attempt.fingerprint = "open", "", ""
    attempt.checks = attempt.wrong = 0
    attempt.begun = e.seq
    _reopen(s, attempt)


def _on_autolabeled(s: State, e: Event) -> None:
    attempt = s.attempts[int(e.data["attempt"]) - 1]
    guesses = s.guesses_of(attempt)
    for position in range(attempt.checks, len(attempt.order)):
        row = int(attempt.order[position])
        if row in s.withdrawn:
            continue
        s.auto[row] = (int(guesses[row]), attempt.round, float(attempt.confidences[position]))
        s._refresh_eligible(row)


def _on_taken_back(s: State, e: Event) -> None:
    attempt = s.attempts[int(e.data["attempt"]) - 1]
    attempt.taken_back = True
    _reopen(s, attempt)


def _reopen(s: State, attempt: Attempt) -> None:
    for row in attempt.order.tolist():
        s.auto.pop(row, None)
        s._refresh_eligible(row)


def _on_shown(s: State, e: Event) -> None:
    rows = e.data["rows"]
    s._show(np.flatnonzero(s.rest_mask).tolist() if rows == "rest" else [int(row) for row in rows], e.data["annotator"])


def _on_exported(s: State, _: Event) -> None:
    """Who will read a file is not known; its labels by the model are guesses again if they are taken back."""
    s._show(s.auto, "")


def _on_nothing(s: State, e: Event) -> None:
    pass


BY_PEOPLE = frozenset({"told", "skipped", "unsure", "flagged", "unflagged", "adjudicated", "retracted"})
HANDLERS: dict[str, Callable[[State, Event], None]] = {
    "opened": _on_opened,
    "items": _on_nothing,  # read by pool_from_log
    "added": _on_added,  # its items are read by growing.extend
    "withdrawn": on_withdrawn,  # its items are taken out of the pool by growing.Items
    "class_added": _on_class,
    **relabeling.HANDLERS,
    "asked": _on_asked,
    "released": _on_released,
    "told": _on_answer,
    "skipped": _on_answer,
    "unsure": _on_answer,
    "consensus": _on_consensus,
    "flagged": _on_flagged,
    "unflagged": _on_unflagged,
    "adjudicated": _on_adjudicated,
    "retracted": _on_retracted,
    "ranked": _on_ranked,
    "frozen": _on_frozen,
    "closed": _on_closed,
    "autolabeled": _on_autolabeled,
    "taken_back": _on_taken_back,
    "resumed": _on_resumed,
    "stopped": _on_nothing,
    "shown": _on_shown,
    "exported": _on_exported,
}
