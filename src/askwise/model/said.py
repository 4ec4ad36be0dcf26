"""How a session gives its model away, and what it says through it: never a guess on what may be checked blind."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from askwise import answers, encoders, evidence, growing, rounds
from askwise.batch.distances import cosines
from askwise.core import Array, BadInput, ContractError, Matrix, Unreachable, promise
from askwise.export import PROBLEM, names_beside
from askwise.model.card import ASK, Card, Proved
from askwise.model.fitted import Model
from askwise.notices import progress
from askwise.pool import Dropped, ItemKind, Pool, columns_of, rows_beside
from askwise.pool.kinds import WORD
from askwise.state import Attempt, State
from askwise.tasks import Opinion

Session: TypeAlias = Any
"""An `askwise.session.Session`, whose file imports this one."""
ALIKE = 0.8
"""Cosine from which an item tells the guess on an item of the session. Of 400 text messages with a word changed or
left out, 99 % lie above it; of new messages 10 % are so like an old one."""
TRIES = 5
"""How often answers may come in while the model is taken."""
PROBED = 16
"""Items by which it is seen whether an encoder knows the pool."""
WAIT = 30.0
"""Seconds that a question about new items waits for a training that is under way."""
COLUMNS = ("label", "confidence", "advice")


@dataclass(frozen=True)
class Said:
    """What a model says of some items."""

    labels: list[str]
    """(n,) the likeliest; "" where it is hidden."""
    confidence: Array
    """(n,) in each, 0..1; NaN where it is hidden."""
    ask: Array
    """(n,) bool: less sure than of any item that was certified, or hidden."""
    hidden: Array
    """(n,) bool: alike to an item that waits for a blind check."""
    noted: int = 0
    """Items of the session to which some were alike: who got to know this is not blind to them."""


# ── taking the model ────────────────────────────────────────────────────────────────────────


def of(session: Session, *, shown: bool = True) -> Model:
    """See `Session.model`."""
    _without_guesses(session)
    for _ in range(TRIES):
        _settle(session)
        with session._trainer.refreshing:
            encoder, learner = _parts(session)
            with session._lock:
                if session._trainer.stale():
                    continue  # somebody answered meanwhile: counts would not be those of the model
                model = _made(session, encoder, learner)
                if shown and session._state.open_attempt is not None:
                    raise BadInput(
                        "Blind checks are under way, so the model, which knows the guesses, stays here. Finish the "
                        "checks first, or give them up."
                    )
                if shown:
                    session._ledger.write(answers.rest_shown)
                    ids = session.pool.ids
                    session.show_guesses([ids[row] for row in session._state.auto])
                return model
    raise Unreachable("Answers come in faster than the model learns. Take the model a moment later.")


def _without_guesses(session: Session) -> None:
    """Refuse a model that has learned from guesses: of new texts there are none, and without them it knows little."""
    if session.look(lambda s: s.opened.get("guesses")) is not None:
        raise BadInput(
            "This session has learned from guesses of its items, and of new ones there are none. Export it, and begin "
            "a session of that file without them: its model learns the labels from the texts alone."
        )


def save(session: Session, out: Path) -> Card:
    """Save a session's model to a file; gives its card.

    Raises:
        BadInput: No model, blind checks are under way, an ending that no model has, or parts that cannot be saved.
    """
    if out.suffix.lower() not in (".skops", ".onnx"):
        raise BadInput(f"A model is saved as .skops, or as .onnx where it is one of numbers; got {out.name!r}.")
    if not out.parent.is_dir():
        raise BadInput(f"The folder {out.parent} does not exist; make it first, or choose another.")
    with tempfile.TemporaryDirectory(prefix="askwise-") as folder:
        # Once it is taken, what is open cannot be certified any more; so it is tried first whether it can be saved.
        of(session, shown=False).save(Path(folder) / f"tried{out.suffix.lower()}")
    return of(session).save(out)


def card_now(session: Session) -> Card | None:
    """The card of the newest model as the log knows it, without the model; None before the first."""
    with session._lock:
        s = session._state
        return _card(session) if s.model and s.predictions is not None else None


_sound: WeakKeyDictionary[Any, tuple[Any, ...]] = WeakKeyDictionary()
"""Session → the ranking, and the process, of which it is known that the learner there made it."""


def _settle(session: Session) -> None:
    """See to it that the learner at hand is the one of the last ranking: it must say of the pool what the log says.

    It may be another where the process that learned has ended, or another process on the same store learns.

    Raises:
        BadInput: There is no model, or what the session learned with is not at hand.
        ContractError: The learner says one thing of an item, and another when asked again.
    """
    if session._parts.missing:
        raise BadInput(session._parts.missing)
    trainer = session._trainer
    for _ in range(TRIES):
        session.refresh()
        with trainer.refreshing:
            session.look(_check_model)
            key = trainer.round, None if trainer.apart is None else trainer.apart.pid
            if _sound.get(session) == key:
                return
            said = _of_pool(session)
            with session._lock:
                if said is not None and _as_logged(session._state, said):
                    _sound[session] = key
                    return
                trainer.round = -1  # the next refresh fits it anew, and the log says so
    raise ContractError("The learner does not say the same of the same items twice, so no model can be taken.")


def _of_pool(session: Session) -> Opinion | None:
    """What the learner at hand says of the pool."""
    trainer, learner = session._trainer, session._parts.learner
    X = session.features()
    task, labels = session.look(lambda s: (s.task, len(s.labels)))
    if trainer.apart is not None:
        found: Opinion | None = trainer.apart.guess_pool(task, labels)
        return found
    return rounds.opinion_of(task, learner, rounds.rows_for(learner, session.pool.contents, X), labels)


def _as_logged(state: State, said: Opinion) -> bool:
    """Whether a learner says of the pool what the log says of its last ranking."""
    assert state.predictions is not None  # noqa: S101 - looked at before
    known = min(len(said), state.ranked)  # others may have come since the ranking
    names, which = said.written(state.labels)
    numbers = np.array([state.numbers.get(name, -1) for name in names])
    return bool(np.array_equal(numbers[which[:known]], state.predictions[:known]))


def _check_model(state: State) -> None:
    if not state.model or state.predictions is None:
        raise BadInput("There is no model yet: it takes at least two different answers.")


def _parts(session: Session) -> tuple[Any, Any]:
    """(encoder, learner) as they have learned, the learner a copy; `Trainer.refreshing` is held."""
    if session._trainer.apart is None:
        learner: Any = session._parts.learner
        return encoders.copied(_encoder(session)), learner.for_prediction()
    encoder, learner = session._trainer.apart.parts()
    return (encoders.copied(_encoder(session)) if encoder is None else encoder), learner


def _encoder(session: Session) -> Any:
    """The encoder here, if need be taught the pool, as where another process has encoded it; None of given features."""
    encoder, pool = session._parts.encoder, session.pool
    if encoder is None or pool.item_kind.features:
        return None
    X, contents = session.features(), growing.to_encode(pool)
    some = list(contents[:PROBED])
    if hasattr(encoder, "fit"):
        now = encoder.encode(some)
        if now.shape[1] != X.shape[1] or not np.allclose(_dense(now), _dense(X[: len(some)]), atol=1e-4):
            began, additions = session.look(lambda s: (int(s.opened["n"]), list(s.additions)))
            encoder.fit(list(contents[: growing.learned_from(began, additions)]))
    return encoder


def _dense(X: Matrix) -> Array:
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X)


def _made(session: Session, encoder: Any, learner: Any) -> Model:
    s, pool = session._state, session.pool
    own = bool(s.opened["own_learner"])
    given = (s.opened["encoder_source"] or encoder, None if own else learner)
    return Model.fitted(
        encoder,
        learner,
        list(s.labels),
        _card(session),
        kind=pool.kind,
        task=repr(s.task),
        given=(None, given[1]) if pool.item_kind.features else given,
        features=None if pool.features is None else int(pool.features.shape[1]),
        gone=[name for name in s.labels if name not in s.shown_labels()],
    )


def _card(session: Session) -> Card:
    """The card of the current model; the lock is held, and nothing was answered since it learned."""
    s, pool = session._state, session.pool
    learned = s.ranking.trained_on if s.ranking else 0
    labels = [a for a in s.answers.values() if a.label is not None and (a.kind == "given" or a.seq <= learned)]
    by_class = dict.fromkeys(s.shown_labels(), 0)
    for answer in labels:
        for name in s.parts(s.current(str(answer.label))):
            by_class[name] = by_class.get(name, 0) + 1
    search = session.recall()
    newest = session._store.read(s.seq - 1)
    return Card(
        title=session.title,
        kind=pool.kind,
        columns=tuple(pool.made_of()),
        classes=tuple(s.shown_labels()),
        task=repr(s.task),
        encoder=session._parts.encoder_name,
        learner=session._parts.learner_name,
        labels=len(labels),
        by_class=by_class,
        people=sum(answer.kind == "label" for answer in labels),
        items=s.there,
        pool=pool.fingerprint,
        version=s.ranking.round if s.ranking else 0,
        log=newest[-1].digest if newest else "",
        bounds=session.estimate().sentence if search is None else search.sentence,
        certificates=tuple(_proved(s, session._trainer.confidences())) if search is None else (),
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        askwise=version_of("askwise"),
        with_={"python": platform.python_version()} | {p: version_of(p) for p in ("numpy", "scipy", "scikit-learn")},
    )


def version_of(package: str) -> str:
    """Of an installed package; "unknown" where it is none."""
    if package == "askwise":
        from askwise import __version__

        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _proved(state: State, sure: Array | None) -> list[Proved]:
    """The certificates that stand, with how sure the model is of what they are about.

    Args:
        state: Of the session.
        sure: (n,) confidence of the newest model; None = it is not at hand.
    """
    found = []
    for certificate in evidence.certificates(state):
        attempt = state.attempts[certificate.attempt - 1]
        if certificate.void or promise(attempt.target).search or state.predictions is None:
            continue
        rows = attempt.order[attempt.checks :]
        repeats = int(np.count_nonzero(state.predictions[rows] == state.today(state.guesses_of(attempt)[rows])))
        same = attempt.system is state.system  # else what was proved of a label is not of the one that holds it now
        found.append(
            Proved(
                sentence=certificate.sentence,
                unsaid=certificate.unsaid,
                label=attempt.label if same else certificate.label,
                least=_least(state, attempt, sure),
                repeats=repeats,
                certified=len(rows),
                fingerprint=certificate.fingerprint,
            )
        )
    return found


def _least(state: State, attempt: Attempt, sure: Array | None) -> float:
    """How sure the newest model is of as many of the items that were open at the freeze as were certified.

    Of the model that was frozen that is the least confidence among the certified items. A later one may be more or less
    sure of everything, so numbers of the two are not compared; which share of the items they are the surest of is.
    """
    ranking = state.ranking
    if sure is None or ranking is None or ranking.round == attempt.round:
        return float(attempt.confidences.min())
    known = [
        row for row, a in state.answers.items() if a.label is not None and (a.kind == "given" or a.seq < attempt.seq)
    ]
    open_ = np.ones(attempt.items or state.n, bool)
    open_[[row for row in known if row < len(open_)]] = False
    open_[attempt.order] = True
    if attempt.label is not None:
        guesses = state.guesses_of(attempt)[: len(open_)]
        open_ &= guesses == guesses[attempt.order[0]]
    of_these = np.sort(sure[: len(open_)][open_])
    return float(of_these[-len(attempt.order)])


# ── saying ──────────────────────────────────────────────────────────────────────────────────


def to_ask(labels: Sequence[str], confidence: Array, card: Card | None) -> Array:
    """(n,) bool: whether a person is to be asked, as no item of which the model was so unsure was ever certified."""
    least = {} if card is None else card.least
    limit = np.full(len(labels), np.inf, np.float32)
    if None in least:
        limit[:] = least[None]
    for label, value in least.items():
        if label is not None:
            here = np.array([name == label for name in labels], bool)
            limit[here] = np.minimum(limit[here], np.float32(value))
    return ~(confidence >= limit)


def say_of(model: Model, items: Any) -> Said:
    """What a model says of items that nobody checks."""
    labels, confidence = model.judged(items)
    return Said(labels, confidence, to_ask(labels, confidence, model.card), np.zeros(len(labels), bool))


def through(session: Session, items: Sequence[Any], *, annotator: str = "") -> Said:
    """What a session's model says of items, told to somebody who may answer questions of the session.

    Nothing is told of an item that waits for a blind check, nor of one like it: a text with a word changed has the same
    guess. What is told of items like others of the session is noted in its log, as `Session.show_guesses` does.

    Args:
        session: With a model.
        items: As its encoder takes them.
        annotator: Who gets to know it; "" = it is not known who.

    Raises:
        BadInput: No model yet, blind checks for a certificate are under way, or items of another kind.
        Unreachable: The model is being trained.
    """
    _without_guesses(session)
    if session.look(lambda s: s.open_attempt is not None):
        raise BadInput(
            "Blind checks are under way, so the model says nothing until they are answered or given up: what it says "
            "of an item could be what a check is to find out."
        )
    _settle(session)
    pool = session.pool
    checked = _records(session, items) if pool.item_kind.cells else Model(kind=pool.kind)._items(items)
    if not session._trainer.refreshing.acquire(timeout=WAIT):
        raise Unreachable("The model is being trained; ask again in a moment.")
    try:
        features = _features(session, checked)
        guessed = _guessed(session, checked, features)
    finally:
        session._trainer.refreshing.release()
    if guessed is None:
        raise Unreachable("The model is being trained; ask again in a moment.")
    search = session.look(lambda s: "goal" in s.opened)  # it has no blind checks, only a random order
    like = [] if search else _alike(session, checked, features)
    with session._lock:
        s = session._state
        if s.open_attempt is not None:
            raise BadInput("Blind checks have begun meanwhile, so the model says nothing until they are answered.")
        waiting = s.checks_waiting()
        hidden = np.zeros(len(checked), bool)
        told: set[int] = set()
        for at, rows in like:
            hidden[at] = bool(waiting.intersection(rows))
            told.update(() if hidden[at] else rows)
        if told:
            session.show_guesses([session.pool.ids[row] for row in sorted(told)], annotator=annotator)
        names, which = guessed.written(s.labels)
        labels, confidence = [names[one] for one in which.tolist()], guessed.certainty()
        ask = to_ask(labels, confidence, _limits(s, session._trainer.confidences()))
    labels = ["" if hide else name for name, hide in zip(labels, hidden.tolist(), strict=True)]
    return Said(labels, np.where(hidden, np.nan, confidence), ask | hidden, hidden, len(told))


def _limits(state: State, sure: Array | None) -> Any:
    """What `to_ask` reads of a card."""
    certificates = tuple(_proved(state, sure)) if "goal" not in state.opened else ()
    return Card(title="", kind="", classes=(), encoder="", learner="", labels=0, made="", certificates=certificates)


def _records(session: Session, items: Sequence[Any]) -> list[Any]:
    model = Model(kind=session.pool.kind)
    found: list[Any] = model._items(items)
    for row, record in enumerate(found):
        if lacking := [name for name in session.pool.contents[0] if name not in record]:
            raise BadInput(
                f"Row {row} has no column {lacking[0]!r}, which the model learned from. Give null if unknown."
            )
    return found


def _features(session: Session, items: Any) -> Matrix:
    if session._parts.encoder is None:
        return items
    if session._trainer.apart is not None:
        return session._trainer.apart.encode(items)
    return _encoder(session).encode(items)


def _guessed(session: Session, items: Any, features: Matrix) -> Opinion | None:
    """What the newest model says of items with these features."""
    trainer, learner = session._trainer, session._parts.learner
    task, labels = session.look(lambda s: (s.task, len(s.labels)))
    given = rounds.rows_for(learner, items, features)
    if trainer.apart is None:
        return rounds.opinion_of(task, learner, given, labels)
    found: Opinion | None = trainer.apart.guess_at(given, task, labels)
    return found


_texts: WeakKeyDictionary[Any, tuple[int, int, dict[Any, list[int]]]] = WeakKeyDictionary()
"""Session → (how many of its items are taken in; how many were withdrawn; text as `_key` has it → rows)."""


def _alike(session: Session, items: Sequence[Any], features: Matrix) -> list[tuple[int, set[int]]]:
    """(place, rows of the session that an item is like), for those that are like any."""
    pool, X = session.pool, session.features()
    known, gone, by_text = _texts.get(session, (0, 0, {}))
    kind = pool.item_kind
    if gone != len(pool.withdrawn):
        known, by_text = 0, {}
    for row in range(known, len(pool) if kind.prose else 0):
        by_text.setdefault(_key(kind, pool.contents[row]), []).append(row)
    _texts[session] = len(pool), len(pool.withdrawn), by_text
    found = []
    n, step = features.shape[0], max(1, (1 << 24) // max(1, X.shape[0]))
    with progress("looking for items of the session", n, whole=True) as advance:
        for start in range(0, n, step):
            near = cosines(features[start : start + step], X) >= ALIKE
            for place, row in zip(range(start, min(n, start + step)), near, strict=True):
                same = by_text.get(_key(kind, items[place]), ()) if by_text else ()
                rows = {*np.flatnonzero(row).tolist(), *same}
                if rows:
                    found.append((place, rows))
            advance(len(near))
    return found


def _key(kind: ItemKind, content: Any) -> tuple[str, ...]:
    """The same for items whose texts are of the same words, in whatever order, case and punctuation."""
    return tuple(" ".join(sorted(WORD.findall(text.casefold()))) or text.strip() for text in kind.texts(content))


# ── beside the data ─────────────────────────────────────────────────────────────────────────


def beside(pool: Pool, said: Said) -> list[dict[str, Any]]:
    """A record for each row of the data with what a model says of it; rows that could not be read are for people.

    Args:
        pool: The data; (n,) items.
        said: Of these items.
    """
    columns = columns_of(pool)
    names = names_beside(columns, COLUMNS)
    if pool.dropped:
        names |= names_beside(columns, [PROBLEM], prefixed=True)

    def ours(told: Mapping[str, Any]) -> dict[str, Any]:
        return {name: told[what] for what, name in names.items()}

    def of_item(row: int) -> dict[str, Any]:
        sure = float(said.confidence[row])
        return ours(
            {
                "label": said.labels[row] or None,
                "confidence": None if np.isnan(sure) else float(str(np.float32(sure))),  # the shortest that is the same
                "advice": ASK if said.ask[row] else "",
                PROBLEM: "",
            }
        )

    def of_dropped(dropped: Dropped) -> dict[str, Any]:
        return ours({"label": None, "confidence": None, "advice": ASK, PROBLEM: dropped.why})

    return rows_beside(pool, of_item, of_dropped)
