"""The tables of a team: accounts, logins, invitations, tokens, webhooks; in SQLite or PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, String, Text

from askwise.core import BadStore, Unreachable
from askwise.store import postgres, trouble

FORMAT = 1
"""Version of these tables; a database written by a newer one is refused."""
metadata = sa.MetaData()

about = sa.Table("team_about", metadata, Column("key", String(40), primary_key=True), Column("value", Text))
accounts = sa.Table(
    "team_accounts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("folded", String(200), nullable=False, unique=True),  # two names that look the same are one
    Column("role", Integer, nullable=False),
    Column("password", String(400), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created", Float, nullable=False),
    Column("seen", Float),
)
_owner = ForeignKey("team_accounts.number", ondelete="CASCADE")
logins = sa.Table(
    "team_logins",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("account", Integer, _owner, nullable=False, index=True),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
)
invitations = sa.Table(
    "team_invitations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("role", Integer, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires", Float, nullable=False),
    Column("resets", Integer, ForeignKey("team_accounts.number", ondelete="CASCADE")),
    Column("used", Float),
)
tokens = sa.Table(
    "team_tokens",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("account", Integer, ForeignKey("team_accounts.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("role", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Column("used", Float),
)
acts = sa.Table(
    "team_acts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("who", String(64), nullable=False),  # "" = the terminal, or nobody who was let in
    Column("act", String(40), nullable=False, index=True),
    Column("about", String(200), nullable=False),
    Column("detail", String(200), nullable=False),
    Column("address", String(64), nullable=False),
)
webhooks = sa.Table(
    "team_webhooks",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("secret", String(100), nullable=False),  # as it is: signing needs it
    Column("created", Float, nullable=False),
)
deliveries = sa.Table(
    "team_deliveries",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("webhook", Integer, ForeignKey("team_webhooks.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("project", String(200), nullable=False),
    Column("event", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("due", Float, nullable=False, index=True),
    Column("status", String(10), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("code", Integer),
    Column("trouble", Text, nullable=False),
)
seen = sa.Table(
    "team_seen",
    metadata,
    Column("project", String(200), primary_key=True),
    Column("what", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)


def connect(where: Path | str) -> sa.Engine:
    """Open the team's database, and make the tables where there are none.

    Args:
        where: The path of a SQLite file, or `postgresql://USER@HOST/DATABASE`.

    Raises:
        BadStore: It cannot be reached, or a newer version wrote it.
    """
    shown = str(where)
    # What is asked for holds hashes and names; it must not end in an error message.
    if isinstance(where, str):
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        address = postgres.Address.of(f"{where}#accounts")
        shown = address.shown.removesuffix("#accounts")
        manners: dict[str, Any] = postgres.DEFAULTS | conninfo_to_dict(address.server)
        # libpq reads the address, with all that SQLAlchemy does not know of it.
        # A connection that a restart of the database has cut is made anew.
        engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(**manners),
            hide_parameters=True,
            pool_pre_ping=True,
        )
    else:
        engine = sa.create_engine(sa.URL.create("sqlite", database=str(where)), hide_parameters=True)
        _sqlite(engine, where)
    try:
        with writing(engine) as db:
            if engine.dialect.name == "postgresql":  # two processes may start at once
                db.execute(sa.text("SELECT pg_advisory_xact_lock(714921)"))
            metadata.create_all(db)
            found = db.execute(sa.select(about.c.value).where(about.c.key == "format")).scalar()
            if found is None:
                db.execute(about.insert().values(key="format", value=str(FORMAT)))
    except sa.exc.DBAPIError as error:
        raise BadStore(f"The accounts cannot be opened in {shown}: {error.orig}.") from error
    if found is not None and int(found) > FORMAT:
        raise BadStore(
            f"The accounts in {shown} were written by a newer Askwise. Upgrade with `pip install --upgrade askwise`."
        )
    _faults(engine, shown)
    return engine


def _faults(engine: sa.Engine, shown: str) -> None:
    """A database that is down, full or locked is `Unreachable` for all who use it, like a session's store."""

    @sa.event.listens_for(engine, "handle_error")
    def fault(context: sa.ExceptionContext) -> None:
        if context.is_pre_ping:  # a connection that was cut: another one is made
            return
        error, wrapped = context.original_exception, context.sqlalchemy_exception
        asked_wrongly = sqlite3.IntegrityError | sqlite3.ProgrammingError
        if isinstance(error, sqlite3.Error) and not isinstance(error, asked_wrongly):
            raise trouble(f"The accounts in {shown!r}", error) from error
        if isinstance(wrapped, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError):
            said = " ".join(str(error).split())
            raise Unreachable(
                f"The database of the accounts, {shown}, does not answer: {said}. What was saved is safe; start the "
                "database, or make room for it."
            ) from None


def _sqlite(engine: sa.Engine, path: Path) -> None:
    # For the owner's eyes: made here, before SQLite would make it for everybody.
    path.touch(mode=0o600)
    if os.name == "posix":
        path.chmod(0o600)

    @sa.event.listens_for(engine, "connect")
    def settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # Who reads first and writes later would find the file locked in between.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes: all of it or nothing."""
    with engine.execution_options(writes=True).begin() as db:
        yield db
