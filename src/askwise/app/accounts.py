"""The people of a team: accounts, logins, invitations and tokens. Secrets are kept as hashes only."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from askwise.app import schema
from askwise.app.names import RESERVED, checked_name, fold, like_another
from askwise.app.roles import OWNER, Role, Who
from askwise.app.schema import writing
from askwise.core import BadInput

DAY = 86_400.0
LOGIN_DAYS = 14
"""A login ends after so many days."""
SHORTEST, LONGEST = 10, 200
"""Characters of a password."""
FAILURES = 1_000
"""Wrong passwords that the record of acts keeps; of all else it keeps everything."""
_LATELY = 60.0  # seconds in which being seen again is no news


__all__ = ["RESERVED", "Accounts", "By", "checked_name", "digest", "fold"]


@dataclass(frozen=True)
class By:
    """Who does something to an account, for the record."""

    name: str = ""
    """Of their account; "" = the terminal that started the server, or somebody who was not let in."""
    address: str = ""
    """Where the request came from."""


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

    def login(self, name: str, password: str, address: str = "") -> tuple[str, Who] | None:
        """A new login's secret and its person; None if the name or the password is wrong.

        It takes equally long whether the name exists or not.
        """
        with self.engine.begin() as db:
            found = db.execute(sa.select(schema.accounts).where(schema.accounts.c.folded == fold(name))).one_or_none()
        right = self._verify(found.password if found is not None else self._nobody, password)
        secret = None
        if found is not None and right and found.active:
            if self._hasher.check_needs_rehash(found.password):
                found = self._rehashed(found, password)
            secret = self._begin(found.number, found.password, address)
        if secret is None or found is None:
            # An unknown name is not written down: it may be a password that was typed in the wrong field.
            self._failed(found.name if found is not None else "", address)
            return None
        return secret, Who(found.name, Role(found.role), found.number)

    def _begin(self, account: int, password: str | None = None, address: str = "", act: str = "login") -> str | None:
        """A new login's secret; None where the account was disabled, or got another password, since it was looked at.

        Args:
            account: Its number.
            password: Its hash as it was seen; None = whatever it is.
            address: For the record.
            act: For the record.
        """
        secret, now = secrets.token_urlsafe(32), self.clock()
        with writing(self.engine) as db:
            me = _account(db, account, lock=True)
            if not me.active or password not in (None, me.password):
                return None
            db.execute(schema.logins.delete().where(schema.logins.c.expires < now))
            db.execute(
                schema.logins.insert().values(
                    hash=digest(secret), account=account, created=now, expires=now + LOGIN_DAYS * DAY
                )
            )
            db.execute(schema.accounts.update().where(schema.accounts.c.number == account).values(seen=now))
            self._note(db, By(me.name, address), act, me.name)
        return secret

    def _rehashed(self, found: Any, password: str) -> Any:
        """The account, its password hashed at today's cost."""
        a, hashed = schema.accounts, self._hash(password)
        with writing(self.engine) as db:
            db.execute(
                a.update().where(a.c.number == found.number, a.c.password == found.password).values(password=hashed)
            )
            return _account(db, found.number)

    def logout(self, secret: str, address: str = "") -> None:
        """End one login."""
        s = schema.logins
        with writing(self.engine) as db:
            account = db.execute(sa.select(s.c.account).where(s.c.hash == digest(secret))).scalar()
            if account is None:
                return
            db.execute(s.delete().where(s.c.hash == digest(secret)))
            me = _account(db, account)
            self._note(db, By(me.name, address), "logout", me.name)

    def logout_everywhere(self, account: int, by: By = By()) -> None:
        """End every login of an account.

        Raises:
            BadInput: No such account, or who does it may no longer.
        """
        with writing(self.engine) as db:
            self._still_owner(db, by.name)
            me = _account(db, account)
            db.execute(schema.logins.delete().where(schema.logins.c.account == account))
            self._note(db, by, "logout.everywhere", me.name)

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
        return Who(found.name, Role(min(found.role, found.least)), found.number, by_token=True)

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

    def change_password(self, account: int, old: str, new: str, address: str = "") -> bool:
        """Set a new password, and end every login, token and link of the account; False if the old one is wrong.

        Raises:
            BadInput: The new password is too short.
        """
        a = schema.accounts
        with self.engine.begin() as db:
            found = _account(db, account)
        _check_password(new, found.name)
        if not self._verify(found.password, old):
            self._failed(found.name, address)
            return False
        hashed = self._hash(new)
        with writing(self.engine) as db:
            if _account(db, account, lock=True).password != found.password:
                return False  # it was set anew meanwhile
            db.execute(a.update().where(a.c.number == account).values(password=hashed))
            self._end(db, found, logins=True)
            self._note(db, By(found.name, address), "password.changed", found.name)
        return True

    def _end(self, db: sa.Connection, account: Any, *, logins: bool) -> None:
        """End what was given out by or to an account: tokens, links that it made or that set its password, logins."""
        i, t, s = schema.invitations, schema.tokens, schema.logins
        db.execute(t.delete().where(t.c.account == account.number))
        mine = sa.or_(i.c.resets == account.number, i.c.created_by == account.name)
        db.execute(i.delete().where(mine, i.c.used.is_(None)))
        if logins:
            db.execute(s.delete().where(s.c.account == account.number))

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

    def invite(
        self, role: Role, *, by: str, days: float = 7, resets: int | None = None, address: str = ""
    ) -> tuple[int, str, float]:
        """A link that works once: (number, secret, when it expires in Unix seconds).

        It dies with a later one for the same account, and when whoever made it is disabled, loses the role of an owner
        or gets a new password.

        Args:
            role: Of the account it makes.
            by: Name of the account that invites.
            days: Until it expires.
            resets: It sets the password of this account anew instead.
            address: For the record.

        Raises:
            BadInput: No such account to reset, it is disabled, or who invites may no longer.
        """
        i, secret, expires = schema.invitations, secrets.token_urlsafe(24), self.clock() + days * DAY
        with writing(self.engine) as db:
            self._still_owner(db, by)
            about = ""
            if resets is not None:
                them = _account(db, resets)
                if not them.active:
                    raise BadInput(f"The account {them.name!r} is disabled. Enable it first, then make the link.")
                about = them.name
                db.execute(i.delete().where(i.c.resets == resets, i.c.used.is_(None)))
            made = db.execute(
                i.insert().values(hash=digest(secret), role=int(role), created_by=by, expires=expires, resets=resets)
            )
            row = made.inserted_primary_key
            detail = "" if resets is not None else role.word
            self._note(db, By(by, address), "link.reset" if resets is not None else "link.invitation", about, detail)
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

    def uninvite(self, number: int, by: By = By()) -> bool:
        """Make an invitation useless; False if it was used or never was."""
        i = schema.invitations
        with writing(self.engine) as db:
            gone = db.execute(i.delete().where(i.c.number == number, i.c.used.is_(None))).rowcount == 1
            if gone:
                self._note(db, by, "link.withdrawn", f"link {number}")
        return gone

    def invited(self, secret: str) -> bool:
        """Whether the secret is of a link that works."""
        with self.engine.begin() as db:
            return db.execute(sa.select(schema.invitations.c.number).where(self._usable(secret))).first() is not None

    def _usable(self, secret: str) -> sa.ColumnElement[bool]:
        i = schema.invitations
        return sa.and_(i.c.hash == digest(secret), i.c.used.is_(None), i.c.expires > self.clock())

    def join(self, secret: str, name: str | None, password: str, address: str = "") -> tuple[str, Who] | None:
        """Use an invitation: (login's secret, person); None if it was used, expired, or never was.

        A reset ends every login, token and other link of the account.

        Raises:
            BadInput: The name is taken or not usable, or the password too short; the invitation stays unused.
        """
        i, a = schema.invitations, schema.accounts
        usable = self._usable(secret)
        with self.engine.begin() as db:
            found = db.execute(
                sa.select(i.c.resets, a.c.name).outerjoin(a, a.c.number == i.c.resets).where(usable)
            ).one_or_none()
        if found is None:  # before the hash is made, which costs something
            return None
        if found.resets is None:
            name = checked_name(name)
        _check_password(password, found.name or name or "")
        hashed = self._hash(password)
        with writing(self.engine) as db:
            won = db.execute(sa.select(i).where(usable).with_for_update()).one_or_none()
            if won is None:
                return None
            db.execute(i.update().where(i.c.number == won.number).values(used=self.clock()))
            if won.resets is not None:
                me = _account(db, won.resets, lock=True)
                if not me.active:
                    raise BadInput("This account is disabled; ask an owner of the team.")
                db.execute(a.update().where(a.c.number == won.resets).values(password=hashed))
                self._end(db, me, logins=True)
                self._note(db, By(me.name, address), "password.reset", me.name, f"link by {won.created_by}")
            else:
                me = self._new(db, name or "", won.role, hashed)
                by = won.created_by or "the terminal"
                self._note(db, By(me.name, address), "joined", me.name, f"{Role(won.role).word}, invited by {by}")
        begun = self._begin(me.number, hashed, address)
        return None if begun is None else (begun, Who(me.name, Role(me.role), me.number))

    def _new(self, db: sa.Connection, name: str, role: int, hashed: str) -> Any:
        """A new account; two whose names look the same never come to be."""
        a = schema.accounts
        if self.engine.dialect.name == "postgresql":  # of two at once the second is to see the first
            db.execute(sa.text("SELECT pg_advisory_xact_lock(714922)"))
        rows = db.execute(sa.select(a.c.name, a.c.folded)).all()
        if any(one.folded == fold(name) for one in rows):
            raise BadInput(f"The name {name!r} is taken. Choose another.")
        if like_another(name, [one.name for one in rows]):  # not said which: a link is not a list of the people
            raise BadInput(f"The name {name!r} is taken: it looks like that of somebody else here. Choose another.")
        values = {"name": name, "folded": fold(name), "role": role, "password": hashed}
        made = db.execute(a.insert().values(**values, active=True, created=self.clock()))
        return _account(db, int(made.inserted_primary_key[0]))  # type: ignore[index]

    # ── people ──────────────────────────────────────────────────────────────────────────────

    def people(self) -> list[dict[str, Any]]:
        """Every account, oldest first."""
        a = schema.accounts
        with self.engine.begin() as db:
            found = db.execute(
                sa.select(a.c.number, a.c.name, a.c.role, a.c.active, a.c.created, a.c.seen).order_by(a.c.number)
            ).all()
        return [dict(one._mapping) | {"role": Role(one.role).word} for one in found]

    def change(
        self, number: int, *, role: Role | None = None, active: bool | None = None, by: By = By()
    ) -> dict[str, Any]:
        """Give another role, disable or enable.

        Disabling ends logins, tokens and links of the account at once; a lower role ends its tokens and links.

        Raises:
            BadInput: No such account, nobody would be left as owner, or who does it may no longer.
        """
        a = schema.accounts
        with writing(self.engine) as db:
            before = _account(db, number, lock=True)
            self._still_owner(db, by.name)
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
            found = _account(db, number)
            if found.role < before.role or not found.active:
                self._end(db, found, logins=not found.active)
            if found.role != before.role:
                self._note(db, by, "role", found.name, f"{Role(before.role).word} → {Role(found.role).word}")
            if found.active != before.active:
                self._note(db, by, "enabled" if found.active else "disabled", found.name)
        kept = ("number", "name", "active", "created", "seen")
        return {key: getattr(found, key) for key in kept} | {"role": Role(found.role).word}

    def _still_owner(self, db: sa.Connection, name: str) -> None:
        """Refuse what somebody does who was an owner when the request came in, and is none now."""
        a = schema.accounts
        me = db.execute(sa.select(a.c.role, a.c.active).where(a.c.name == name)).one_or_none()
        if me is not None and not (me.active and me.role == OWNER):
            raise BadInput("You are no owner of this team any more.")

    # ── tokens ──────────────────────────────────────────────────────────────────────────────

    def make_token(
        self, who: Who, name: str, role: Role, days: float | None = None, address: str = ""
    ) -> dict[str, Any]:
        """A token for a program: its record with the secret, which is never shown again.

        Raises:
            BadInput: The role is above the person's own, or was taken from them meanwhile.
        """
        if role > who.role:
            raise BadInput(f"A token has at most your own role, {who.role.word}; {role.word} was asked for.")
        secret, now = "askwise_" + secrets.token_urlsafe(32), self.clock()
        expires = None if days is None else now + days * DAY
        with writing(self.engine) as db:
            me = _account(db, who.account, lock=True)
            if not me.active or me.role < role:
                raise BadInput("Your role has changed meanwhile. Load the page again.")
            made = db.execute(
                schema.tokens.insert().values(
                    hash=digest(secret), account=who.account, name=name, role=int(role), created=now, expires=expires
                )
            )
            number = int(made.inserted_primary_key[0])  # type: ignore[index]
            self._note(db, By(me.name, address), "token.made", me.name, f"{name}, {role.word}")
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

    def revoke_token(self, who: Who, number: int, address: str = "") -> bool:
        """End a token: one's own, or as an owner anybody's; False if there is none such.

        A token ends its own person's tokens only, whatever its role.
        """
        t = schema.tokens
        wanted = [t.c.number == number]
        if who.role < OWNER or who.by_token:
            wanted.append(t.c.account == who.account)
        with writing(self.engine) as db:
            found = db.execute(sa.select(t.c.name, t.c.account).where(*wanted)).one_or_none()
            if found is None:
                return False
            db.execute(t.delete().where(*wanted))
            self._note(db, By(who.name, address), "token.revoked", _account(db, found.account).name, found.name)
        return True

    # ── the record ──────────────────────────────────────────────────────────────────────────

    def note(self, by: By, act: str, about: str = "", detail: str = "") -> None:
        """Write down that somebody did something; never a secret."""
        with writing(self.engine) as db:
            self._note(db, by, act, about, detail)

    def _note(self, db: sa.Connection, by: By, act: str, about: str = "", detail: str = "") -> None:
        db.execute(
            schema.acts.insert().values(
                at=self.clock(), who=by.name[:64], act=act, about=about[:200], detail=detail[:200],
                address=by.address[:64],
            )
        )  # fmt: skip

    def _failed(self, name: str, address: str) -> None:
        """Write down a wrong password; only the newest are kept, so that nobody fills the disk with them."""
        c = schema.acts.c
        with writing(self.engine) as db:
            self._note(db, By("", address), "login.failed", name)
            older = sa.select(c.number).where(c.act == "login.failed").order_by(c.number.desc()).offset(FAILURES)
            db.execute(schema.acts.delete().where(c.number.in_(older)))

    def acts(self, offset: int = 0, limit: int = 100) -> tuple[int, list[dict[str, Any]]]:
        """(how many there are, a page of what was done to accounts, newest first)."""
        with self.engine.begin() as db:
            total = db.execute(sa.select(sa.func.count()).select_from(schema.acts)).scalar_one()
            found = db.execute(
                sa.select(schema.acts).order_by(schema.acts.c.number.desc()).offset(offset).limit(limit)
            ).all()
        return int(total), [dict(one._mapping) for one in found]


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
