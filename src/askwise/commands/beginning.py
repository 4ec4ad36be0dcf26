"""How a session of a file begins, and how the same command goes on with it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer

from askwise.commands.opening import SESSION_SUFFIX, is_code, open_session, setting
from askwise.commands.saying import say

if TYPE_CHECKING:
    from askwise.pool import Pool
    from askwise.session import Session
    from askwise.store import Place


def begin(
    path: Place,
    pool: Pool,
    wanted: list[str] | None,
    *,
    strategy: Any,
    encoder: Any,
    seed: int,
    **more: Any,
) -> Session:
    """A new session about the items of a file; where it cannot begin, nothing is left of it."""
    from askwise.core import BadInput, ContractError, MissingExtra
    from askwise.session import Session
    from askwise.store import discard
    from askwise.tasks import chosen

    task = chosen(more.pop("task", None) or "one", bool(more.pop("multilabel", False)))
    names = {name for said in task.in_data(pool.given, pool.contents).values() for name in task.labels_in(said)}
    if wanted is None and len(names) < task.fewest and task.named:
        found = f"the label column holds {len(names)}" if pool.given else "none is given"
        folders = pool.item_kind.files and not pool.given and "folder" in pool.columns
        hint = ", or take the folders that the files lie in: --label folder" if folders else ""
        least = "two labels are" if task.fewest > 1 else "one label is"
        raise BadInput(f"At least {least} needed, and {found}. Name them: --labels a,b,c{hint}")
    try:
        more |= {"strategy": strategy, "encoder": encoder, "seed": seed}
        return Session(pool, classes=wanted, task=task, store=path, **more)
    except (BadInput, ContractError, MissingExtra):
        # The caller has seen that there was no such session, so what lies there now is this command's own beginning.
        discard(path)
        raise


def go_on(
    path: Place,
    pool: Pool,
    wanted: list[str] | None,
    *,
    strategy: str | None,
    encoder: str | None,
    seed: int | None,
    learner: str | None = None,
    fixed: Mapping[str, Any] = MappingProxyType({}),
) -> Session:
    """The session that an earlier command left next to the file, if it is about the same items."""
    from askwise.core import BadInput
    from askwise.values import Spelling

    session = open_session(path, encoder=encoder, learner=learner, strategy=strategy)
    try:
        same = session.pool.fingerprint == pool.fingerprint or grows(session, path, pool)
        if not same:
            raise BadInput(
                f"{path} is a session about other items ({len(session.pool):,} there, {len(pool):,} here, or their "
                f"content differs). Start a new one with --session OTHER{SESSION_SUFFIX}, or go on with the old one: "
                f"askwise label {path}"
            )
        whole = session.pool.fingerprint == pool.fingerprint
        if whole:
            session.pool.contents = pool.contents  # the same items; images may have moved
        if pool.address.get("show") not in (None, session.pool.address.get("show")):
            raise BadInput(
                f"The columns to show are chosen at the start, and the session {path} was begun with others, or none. "
                f"Leave --show out, or start a new session with --session OTHER{SESSION_SUFFIX}"
            )
        spelling = Spelling(session.classes)  # an earlier version may have spelled them otherwise
        strange = [name for name in wanted or [] if spelling.of(name) not in session.classes]
        if strange:
            raise BadInput(
                f"The label {strange[0]!r} is not in the session {path}, which knows: {', '.join(session.classes)}. "
                "Leave --labels out to go on; new labels can be added while labeling."
            )
        if strategy is not None and not is_code(strategy) and strategy != session.settings["strategy"]:
            raise BadInput(
                f"The session {path} asks by {session.settings['strategy']!r}; a strategy is chosen at the start. "
                f"Leave --strategy out, or start a new session with --session OTHER{SESSION_SUFFIX}"
            )
        if seed is not None and seed != session.seed:
            raise BadInput(f"The session {path} has the seed {session.seed}, which stays. Leave --seed out.")
        stands = session.look(lambda state: {name: state.opened.get(setting(name)) for name in fixed})
        stands["--task"] = repr(session.task)
        for name, value in fixed.items():
            if value is not None and value != stands[name]:
                was = "its default" if stands[name] is None else stands[name]
                raise BadInput(
                    f"{name} is chosen at the start, and the session {path} was begun with {was}. Leave {name} out, or "
                    f"start a new session with --session OTHER{SESSION_SUFFIX}"
                )
        task, labels = session.task, session.look(lambda state: list(state.labels))
        told = task.in_data(pool.given, pool.contents, lambda part, *_: spelling.of(part))
        given = {row: task.write(said, labels) for row, said in told.items()}
        if whole and given and given != session.pool.given:
            raise BadInput(
                f"The session {path} was started with {len(session.pool.given):,} labels from the data; the column of "
                f"--label holds {len(pool.given):,}, or others. Leave --label out, or start a new session with "
                f"--session OTHER{SESSION_SUFFIX}"
            )
    except BadInput:
        session.close()
        raise
    return session


def grows(session: Session, path: Place, pool: Pool) -> bool:
    """Whether a session is about a file that has other items: it knows them all, or those that are new are added now.

    Raises:
        BadInput: Some are new, and nobody is there who could be asked.
    """
    from askwise.core import BadInput

    if pool.kind != session.pool.kind or pool.item_kind.features or session.recall() is not None:
        return False
    found = session.would_add(pool)
    if not found.items:
        return bool(found.known) and session.look(lambda s: s.grown)
    if 2 * found.known < len(session.pool):
        return False  # another file, with some of the same
    new = f"{found.items:,} of the {len(pool):,} items are new: the session {path} has the other {found.known:,}."
    if sys.stdin.isatty() and sys.stdout.isatty():
        say(new)
        if typer.confirm("Add them?", default=True):
            say(session.add(pool).sentence)
            return True
    raise BadInput(
        f"{new} Add them:  askwise add {path} {pool.address.get('path')}\nor go on without them:  askwise label {path}"
    )
