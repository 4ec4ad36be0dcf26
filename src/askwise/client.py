"""A program's way to a server of Askwise: ask, answer, look, export over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from askwise.app.shapes import Judgement, Pulse, Question, State, Vote
from askwise.core import BadInput, Conflict, Label, MissingExtra, Unreachable
from askwise.export import whole

try:
    import httpx2 as httpx
except ModuleNotFoundError as error:
    raise MissingExtra("The client needs httpx2. Install: pip install 'askwise[client]'") from error

TRIES = 4
"""Of a request whose reply did not come, at growing distance."""


class Client:
    """One project on a server, as one person.

    Args:
        url: The project's page: `https://label.example.org/p/mail`, or that of `askwise label` without `?token=…`.
        token: An API token (on the team's page), or the key in the address that `askwise label` printed.
        timeout: Seconds for a reply.
        transport: Of the HTTP client; for tests.

    Raises:
        BadInput: The server understood and refused; the message is its sentence.
        Conflict: Somebody else was first.
        Unreachable: No answer, also after several tries; nothing that it acknowledged is lost.
    """

    def __init__(
        self, url: str, token: str, *, timeout: float = 30.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/api/v1/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
            transport=transport,
        )
        self._tab = uuid.uuid4().hex

    def ask(self, n: int = 1) -> list[Question]:
        """Up to n questions, 1 ≤ n ≤ 20: those that this client has open, then new ones; leased for ten minutes."""
        reply = self._call("POST", "ask", {"tab": self._tab, "want": n})
        return [Question.model_validate(one) for one in reply["next"]]

    def find(self, text: str, n: int = 5) -> list[Question]:
        """Up to n questions, 1 ≤ n ≤ 20, about open items that hold some words or are like them; for reviewers."""
        reply = self._call("POST", "find", {"tab": self._tab, "text": text, "n": n})
        return [Question.model_validate(one) for one in reply["next"]]

    def tell(self, question: Question | str, label: Label | Sequence[Label], *, seconds: float | None = None) -> None:
        """Answer with a label: on the server's disk when this returns, and once, whatever the network does.

        Where an item has several labels, a list of all that apply.
        """
        said = {"label": label} if isinstance(label, str) else {"labels": list(label)}
        self._act("tell", question, **said, seconds=seconds)

    def skip(self, question: Question | str, *, seconds: float | None = None) -> None:
        """Put an item off; it comes back later."""
        self._act("skip", question, seconds=seconds)

    def unsure(self, question: Question | str, *, seconds: float | None = None) -> None:
        """Say that one cannot tell."""
        self._act("unsure", question, seconds=seconds)

    def flag(self, question: Question | str, note: str = "") -> None:
        """Mark an item for a second look; the question stays open."""
        self._act("flag", question, note=note)

    def retract(self, question: Question | str) -> Question | None:
        """Take one's own answer back; the question that is open again, or None."""
        again = self._act("retract", question)["query"]
        return None if again is None else Question.model_validate(again)

    def state(self) -> State:
        """The project, oneself, one's last answers, how things stand."""
        return State.model_validate(self._call("GET", "state"))

    def pulse(self) -> Pulse:
        """How things stand: classes, counts, estimate, verdict."""
        return Pulse.model_validate(self._call("GET", "pulse"))

    def metrics(self) -> dict[str, Any] | None:
        """Precision, recall and the like, as `Session.metrics()`; needs the role reviewer."""
        found: dict[str, Any] | None = self._call("GET", "metrics")["metrics"]
        return found

    def predict(self, items: Sequence[str | Mapping[str, Any] | Sequence[str]]) -> Judgement:
        """What the newest model takes new items for; needs the role reviewer.

        A confidence is no promise; what is proved is proved of the project's own items. Of an item like one of the
        project the log notes that you know the guess, and what waits for a blind check stays hidden.

        Args:
            items: 1 to 1,000 of the project's kind: texts; table rows, column → value; or pairs of two texts.

        Returns:
            `items`, in the same order, with `label` (None where it is hidden), `confidence` (0 to 1), `advice` ("" or
            that a person be asked) and `hidden`; `version` of the model; `about`, what this is worth.

        Raises:
            BadInput: There is no model yet, blind checks are under way, the role does not allow it, or the items are
                too many or of another kind.
        """
        body = {"items": [dict(one) if isinstance(one, Mapping) else one for one in items]}
        return Judgement.model_validate(self._call("POST", "predict", body))

    def answers(self) -> Iterator[Vote]:
        """Everybody's current answers, in the order of the rows; needs the role reviewer."""
        offset, total = 0, 1
        while offset < total:
            page = self._call("GET", f"answers?offset={offset}&limit=1000")
            yield from map(Vote.model_validate, page["answers"])
            offset, total = offset + 1000, page["total"]

    def export(
        self,
        path: str | Path,
        *,
        format: Literal["csv", "tsv", "jsonl", "parquet", "xlsx"] = "csv",  # noqa: A002
        raw: bool = False,
        bom: bool = False,
    ) -> None:
        """Write the labeled table to a file; needs the role owner. `raw` and `bom` as for `Session.export`."""
        query = f"export?format={format}&raw={str(raw).lower()}&bom={str(bom).lower()}"
        content = self._send("GET", query, None).content
        with whole(path, binary=True) as file:
            file.write(content)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _act(self, verb: str, question: Question | str, **more: Any) -> dict[str, Any]:
        item, asked = (question, 0) if isinstance(question, str) else (question.item, question.asked)
        body = {"tab": self._tab, "want": 0, "key": uuid.uuid4().hex, "item": item, "asked": asked, **more}
        return self._call("POST", verb, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self._send(method, path, body).json()
        return found

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        for left in reversed(range(TRIES)):
            try:
                reply = self._http.request(method, path, json=body)
            except httpx.TransportError as error:
                if not left:
                    raise Unreachable(f"The server does not answer: {error}.") from error
            else:
                if reply.status_code < 500 or not left:
                    return _checked(reply)
            if body is not None and "key" in body:
                body["again"] = True  # the server looks first whether the earlier try arrived
            time.sleep(0.2 * 3 ** (TRIES - 1 - left))
        raise Unreachable("The server was not asked.")  # not reached: the last try returns or raises


def _checked(reply: httpx.Response) -> httpx.Response:
    if reply.is_success:
        return reply
    try:
        sentence = str(reply.json()["error"])
    except (ValueError, KeyError, TypeError):  # something between us and the server answered
        sentence = f"The server answered {reply.status_code}."
    if reply.status_code >= 500:
        raise Unreachable(sentence)
    raise (Conflict if reply.status_code == 409 else BadInput)(sentence)


def check_signature(secret: str, header: str, body: bytes, *, now: float | None = None, tolerance: float = 300) -> bool:
    """Whether a webhook's call is the server's, and fresh.

    Args:
        secret: Of the webhook, shown once when it was made.
        header: `Askwise-Signature` of the request: `t=Unix seconds,v1=HMAC-SHA256 of "t.body"`.
        body: Of the request, byte for byte.
        now: Unix seconds; None = the clock.
        tolerance: Seconds that a call may be old.
    """
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    stamp = parts.get("t", "")
    if not stamp.isdecimal() or len(stamp) > 12:
        return False
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    fresh = abs((time.time() if now is None else now) - int(stamp)) <= tolerance
    return hmac.compare_digest(mac.hexdigest().encode(), parts.get("v1", "").encode()) and fresh
