"""The people of a team: accounts, logins, invitations and tokens. Secrets are kept as hashes only."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from askwise.app import schema
from askwise.app.roles import OWNER, Role, Who
from askwise.app.schema import writing
from askwise.core import BadInput

DAY = 86_400.0
LOGIN_DAYS = 14
"""A login ends after so many days."""
SHORTEST, LONGEST = 10, 200
"""Characters of a password."""
RESERVED = frozenset({"me", "oracle", "model", "given", "nobody"})
"""Names that the log uses for others than accounts."""
_NAME = re.compile(r"[\w.@+-]+(?: [\w.@+-]+)*")
_LATELY = 60.0  # seconds in which being seen again is no news


def digest(secret: str) -> str:
    """What is stored of a random secret; it has too many bits to be guessed, so it needs no salt."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Accounts:
    """Who may come in, and as what.

    Args:
        where: The database; see `schema.connect`.
        hasher: Of passwords; default: Argon2id with the library's recommended cost (RFC 9106, low memory).
        clock: Unix seconds.
    """

    def __init__(
        self, where: Path | str, *, hasher: PasswordHasher | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.engine = schema.connect(where)
        self.clock = clock
        self._hasher = hasher or PasswordHasher()
        # Each hash takes tens of megabytes; more at once would let a stranger fill the memory.
        self._hashing = threading.Semaphore(2)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    # ── passwords and logins ────────────────────────────────────────────────────────────────

    def login(self, name: str, password: str) -> tuple[str, Who] | None:
        """A new login's secret and its person; None if the name or the password is wrong.

        It takes equally long whether the name exists or not.
        """
        with self.engine.begin() as db:
            found = db.execute(sa.select(schema.accounts).where(schema.accounts.c.folded == fold(name))).one_or_none()
        right = self._verify(found.password if found is not None else self._nobody, password)
        if found is None or not right or not found.active:
            return None
        if self._hasher.check_needs_rehash(found.password):
            self._set_password(found.number, password)
        return self._begin(found.number), Who(found.name, Role(found.role), found.number)

    def _begin(self, account: int) -> str:
        secret, now = secrets.token_urlsafe(32), self.clock()
        with writing(self.engine) as db:
            db.execute(schema.logins.delete().where(schema.logins.c.expires < now))
            db.execute(
                schema.logins.insert().values(
                    hash=digest(secret), account=account, created=now, expires=now + LOGIN_DAYS * DAY
                )
            )
            db.execute(schema.accounts.update().where(schema.accounts.c.number == account).values(seen=now))
        return secret

    def logout(self, secret: str) -> None:
        """End one login."""
        with writing(self.engine) as db:
            db.execute(schema.logins.delete().where(schema.logins.c.hash == digest(secret)))

    def logout_everywhere(self, account: int) -> None:
        """End every login of an account."""
        with writing(self.engine) as db:
            db.execute(schema.logins.delete().where(schema.logins.c.account == account))

    def by_login(self, secret: str) -> Who | None:
        """The person of a login; None if it ended."""
        a, s = schema.accounts, schema.logins
        return self._found(
            sa.select(a.c.number, a.c.name, a.c.role, a.c.seen)
            .join(s, s.c.account == a.c.number)
            .where(s.c.hash == digest(secret), s.c.expires > self.clock(), a.c.active)
        )

    def by_token(self, secret: str) -> Who | None:
        """The person whose token it is, in the token's role; None if it is none, or ended."""
        a, t = schema.accounts, schema.tokens
        now = self.clock()
        with self.engine.begin() as db:
            found = db.execute(
                sa.select(a.c.number, a.c.name, a.c.role, t.c.role.label("least"), t.c.used, t.c.number.label("token"))
                .join(t, t.c.account == a.c.number)
                .where(t.c.hash == digest(secret), sa.or_(t.c.expires.is_(None), t.c.expires > now), a.c.active)
            ).one_or_none()
        if found is None:
            return None
        if found.used is None or found.used < now - _LATELY:
            with writing(self.engine) as db:
                db.execute(t.update().where(t.c.number == found.token).values(used=now))
        return Who(found.name, Role(min(found.role, found.least)), found.number)

    def _found(self, query: sa.Select[Any]) -> Who | None:
        with self.engine.begin() as db:
            found = db.execute(query).one_or_none()
        if found is None:
            return None
        now = self.clock()
        if found.seen is None or found.seen < now - _LATELY:
            with writing(self.engine) as db:
                db.execute(schema.accounts.update().where(schema.accounts.c.number == found.number).values(seen=now))
        return Who(found.name, Role(found.role), found.number)

    def change_password(self, account: int, old: str, new: str) -> bool:
        """Set a new password and end every login; False if the old one is wrong.

        Raises:
            BadInput: The new password is too short.
        """
        with self.engine.begin() as db:
            found = db.execute(sa.select(schema.accounts).where(schema.accounts.c.number == account)).one()
        _check_password(new, found.name)
        if not self._verify(found.password, old):
            return False
        self._set_password(account, new)
        self.logout_everywhere(account)
        return True

    def _set_password(self, account: int, password: str) -> None:
        hashed = self._hash(password)
        with writing(self.engine) as db:
            db.execute(schema.accounts.update().where(schema.accounts.c.number == account).values(password=hashed))

    def _hash(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(_spelled(password))

    def _verify(self, hashed: str, password: str) -> bool:
        with self._hashing:
            try:
                return self._hasher.verify(hashed, _spelled(password))
            except VerifyMismatchError:
                return False

    # ── invitations ─────────────────────────────────────────────────────────────────────────

    def first_owner(self) -> str | None:
        """The secret of a link that makes the first owner; None where there is an owner already."""
        with self.engine.begin() as db:
            if db.execute(sa.select(sa.func.count()).where(schema.accounts.c.role == OWNER)).scalar_one():
                return None
        with writing(self.engine) as db:  # a link that an earlier start printed works no more
            db.execute(schema.invitations.delete().where(schema.invitations.c.created_by == ""))
        return self.invite(OWNER, by="", days=1)[1]

    def invite(self, role: Role, *, by: str, days: float = 7, resets: int | None = None) -> tuple[int, str, float]:
        """A link that works once: (number, secret, when it expires in Unix seconds).

        Args:
            role: Of the account it makes.
            by: Name of the account that invites.
            days: Until it expires.
            resets: It sets the password of this account anew instead.

        Raises:
            BadInput: No such account to reset.
        """
        secret, expires = secrets.token_urlsafe(24), self.clock() + days * DAY
        with writing(self.engine) as db:
            if resets is not None:
                _account(db, resets)
            made = db.execute(
                schema.invitations.insert().values(
                    hash=digest(secret), role=int(role), created_by=by, expires=expires, resets=resets
                )
            )
            row = made.inserted_primary_key
        return int(row[0]) if row else 0, secret, expires

    def invitations(self) -> list[dict[str, Any]]:
        """Those that can still be used, newest first."""
        i, a = schema.invitations, schema.accounts
        with self.engine.begin() as db:
            found = db.execute(
                sa.select(i.c.number, i.c.role, i.c.created_by, i.c.expires, a.c.name.label("resets"))
                .outerjoin(a, a.c.number == i.c.resets)
                .where(i.c.used.is_(None), i.c.expires > self.clock())
                .order_by(i.c.number.desc())
            ).all()
        return [dict(one._mapping) | {"role": Role(one.role).word} for one in found]

    def uninvite(self, number: int) -> bool:
        """Make an invitation useless; False if it was used or never was."""
        i = schema.invitations
        with writing(self.engine) as db:
            return db.execute(i.delete().where(i.c.number == number, i.c.used.is_(None))).rowcount == 1

    def join(self, secret: str, name: str | None, password: str) -> tuple[str, Who] | None:
        """Use an invitation: (login's secret, person); None if it was used, expired, or never was.

        Raises:
            BadInput: The name is taken or not usable, or the password too short; the invitation stays unused.
        """
        i, a = schema.invitations, schema.accounts
        usable = sa.and_(i.c.hash == digest(secret), i.c.used.is_(None), i.c.expires > self.clock())
        with self.engine.begin() as db:
            found = db.execute(sa.select(i.c.resets).where(usable)).one_or_none()
        if found is None:  # before the hash is made, which costs something
            return None
        if found.resets is None:
            name = checked_name(name)
        _check_password(password, name or "")
        hashed = self._hash(password)
        with writing(self.engine) as db:
            won = db.execute(sa.select(i).where(usable).with_for_update()).one_or_none()
            if won is None:
                return None
            db.execute(i.update().where(i.c.number == won.number).values(used=self.clock()))
            if won.resets is not None:
                db.execute(a.update().where(a.c.number == won.resets).values(password=hashed))
                db.execute(schema.logins.delete().where(schema.logins.c.account == won.resets))
                me = _account(db, won.resets)
                if not me.active:
                    raise BadInput("This account is disabled; ask an owner of the team.")
            else:
                if db.execute(sa.select(a.c.number).where(a.c.folded == fold(name or ""))).one_or_none():
                    raise BadInput(f"The name {name!r} is taken. Choose another.")
                values = {"name": name, "folded": fold(name or ""), "role": won.role, "password": hashed}
                made = db.execute(a.insert().values(**values, active=True, created=self.clock()))
                me = _account(db, int(made.inserted_primary_key[0]))  # type: ignore[index]
        return self._begin(me.number), Who(me.name, Role(me.role), me.number)

    # ── people ──────────────────────────────────────────────────────────────────────────────

    def people(self) -> list[dict[str, Any]]:
        """Every account, oldest first."""
        a = schema.accounts
        with self.engine.begin() as db:
            found = db.execute(
                sa.select(a.c.number, a.c.name, a.c.role, a.c.active, a.c.created, a.c.seen).order_by(a.c.number)
            ).all()
        return [dict(one._mapping) | {"role": Role(one.role).word} for one in found]

    def change(self, number: int, *, role: Role | None = None, active: bool | None = None) -> dict[str, Any]:
        """Give another role, disable or enable; a disabled account's logins and tokens end at once.

        Raises:
            BadInput: No such account, or nobody would be left as owner.
        """
        a = schema.accounts
        with writing(self.engine) as db:
            _account(db, number, lock=True)
            values: dict[str, Any] = {}
            if role is not None:
                values["role"] = int(role)
            if active is not None:
                values["active"] = active
            if values:
                db.execute(a.update().where(a.c.number == number).values(**values))
            owners = db.execute(sa.select(sa.func.count()).where(a.c.role == OWNER, a.c.active)).scalar_one()
            if owners == 0:
                raise BadInput("A team needs an owner who can log in. Make somebody else an owner first.")
            if active is False:
                db.execute(schema.logins.delete().where(schema.logins.c.account == number))
                db.execute(schema.tokens.delete().where(schema.tokens.c.account == number))
            found = _account(db, number)
        kept = ("number", "name", "active", "created", "seen")
        return {key: getattr(found, key) for key in kept} | {"role": Role(found.role).word}

    # ── tokens ──────────────────────────────────────────────────────────────────────────────

    def make_token(self, who: Who, name: str, role: Role, days: float | None = None) -> dict[str, Any]:
        """A token for a program: its record with the secret, which is never shown again.

        Raises:
            BadInput: The role is above the person's own.
        """
        if role > who.role:
            raise BadInput(f"A token has at most your own role, {who.role.word}; {role.word} was asked for.")
        secret, now = "askwise_" + secrets.token_urlsafe(32), self.clock()
        expires = None if days is None else now + days * DAY
        with writing(self.engine) as db:
            made = db.execute(
                schema.tokens.insert().values(
                    hash=digest(secret), account=who.account, name=name, role=int(role), created=now, expires=expires
                )
            )
            number = int(made.inserted_primary_key[0])  # type: ignore[index]
        return {
            "number": number, "name": name, "account": who.name, "role": role.word,
            "created": now, "expires": expires, "used": None, "secret": secret,
        }  # fmt: skip

    def tokens(self, who: Who) -> list[dict[str, Any]]:
        """One's own tokens; an owner sees everybody's."""
        t, a = schema.tokens, schema.accounts
        query = sa.select(
            t.c.number, t.c.name, a.c.name.label("account"), t.c.role, t.c.created, t.c.expires, t.c.used
        ).join(a, a.c.number == t.c.account)
        if who.role < OWNER:
            query = query.where(t.c.account == who.account)
        with self.engine.begin() as db:
            found = db.execute(query.order_by(t.c.number)).all()
        return [dict(one._mapping) | {"role": Role(one.role).word} for one in found]

    def revoke_token(self, who: Who, number: int) -> bool:
        """End a token: one's own, or as an owner anybody's; False if there is none such."""
        t = schema.tokens
        query = t.delete().where(t.c.number == number)
        if who.role < OWNER:
            query = query.where(t.c.account == who.account)
        with writing(self.engine) as db:
            return db.execute(query).rowcount == 1


def fold(name: str) -> str:
    """What two names that look the same have in common."""
    return unicodedata.normalize("NFKC", name).casefold()


def checked_name(name: str | None) -> str:
    """A usable account name.

    Raises:
        BadInput: It is none.
    """
    name = unicodedata.normalize("NFC", (name or "").strip())
    if not 1 <= len(name) <= 64 or not _NAME.fullmatch(name) or fold(name) in RESERVED:
        raise BadInput(
            f"The name {name[:80]!r} cannot be used. Give 1 to 64 letters, digits or any of . _ - @ +, with single "
            f"spaces at most, and none of: {', '.join(sorted(RESERVED))}."
        )
    return name


def _spelled(password: str) -> str:
    # The same keys give different code points on different systems (RFC 8265).
    return unicodedata.normalize("NFC", password)


def _check_password(password: str, name: str) -> None:
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}.")
    if fold(password) == fold(name) or len(set(password)) < 4:
        raise BadInput("This password is too easy to guess. Several words in a row are easy to keep in mind.")


def _account(db: sa.Connection, number: int, *, lock: bool = False) -> Any:
    a = schema.accounts
    # All of them: two owners who demote each other at once must not both win.
    rows = db.execute(sa.select(a).with_for_update() if lock else sa.select(a).where(a.c.number == number)).all()
    found = next((one for one in rows if one.number == number), None)
    if found is None:
        raise BadInput(f"There is no account with the number {number}.")
    return found
