"""Language models behind an endpoint that speaks OpenAI's chat protocol: hosted ones, vLLM, Ollama, llama.cpp."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from askwise.annotators import prompts
from askwise.annotators.kept import Replies, Reply, key_of
from askwise.annotators.said import Annotation, label_in
from askwise.core import AskwiseError, BadInput, Label, MissingExtra, Unreachable

BASE_URL, API_KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
"""Environment variables, as the client of the protocol reads them."""
MOST_OUT = 200
"""Tokens of an answer, at most: a label needs some ten."""
MILLION = 1_000_000


class Spent(AskwiseError):
    """The next request could cost more than may be spent."""


@dataclass
class Money:
    """What requests cost, and may cost. Amounts are in the currency of the prices.

    Args:
        price_in: Of a million tokens that are sent, 0 or more.
        price_out: Of a million tokens that come back, 0 or more.
        most: What may be spent; None = any amount.
    """

    price_in: float = 0.0
    price_out: float = 0.0
    most: float | None = None
    spent: float = 0.0
    _held: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, letters: int) -> float:
        """Set aside what a request of so many characters may cost at most.

        Raises:
            Spent: That could be more than is left.
        """
        worst = (letters * self.price_in + MOST_OUT * self.price_out) / MILLION  # no token is shorter than a byte
        with self._lock:
            if self.most is not None and self.spent + self._held + worst > self.most:
                raise Spent(
                    f"{self.spent:.4g} of {self.most:.4g} are spent, and the next request may cost {worst:.4g}."
                )
            self._held += worst
        return worst

    def pay(self, held: float, reply: Reply | None) -> None:
        """What was set aside is free again, and what the reply cost is spent."""
        with self._lock:
            self._held -= held
            if reply is not None:
                self.spent += (reply.tokens_in * self.price_in + reply.tokens_out * self.price_out) / MILLION


class Pace:
    """Lets so many requests a minute through; None = any number."""

    def __init__(self, per_minute: float | None) -> None:
        self._each = 0.0 if per_minute is None else 60.0 / per_minute
        self._next, self._lock = 0.0, threading.Lock()

    def wait(self) -> None:
        """Until the next request may go out."""
        with self._lock:
            now = time.monotonic()
            due = max(now, self._next)
            self._next = due + self._each
        time.sleep(max(0.0, due - now))


class LanguageModel:
    """A model behind an OpenAI-compatible chat endpoint.

    Args:
        name: As the endpoint calls it.
        replies: What it said before, and says now; None = in memory.
        money: Prices and limit; None = free.
        per_minute: Requests a minute, at most.
        confidence: Ask for the probability of the answer, which not every endpoint says.
        base_url: None = `OPENAI_BASE_URL` of the environment, else OpenAI itself.
        api_key: None = `OPENAI_API_KEY` of the environment; endpoints of one's own mostly need none.
        tries: Repeats of a request that failed on its way or was refused for the moment (408, 409, 429, 5xx), with
            growing waits or those that the endpoint asks for.
        timeout: Seconds for a reply.

    Raises:
        MissingExtra: The package `openai` is not installed.
        BadInput: There is neither a key nor an address.
    """

    def __init__(
        self,
        name: str,
        *,
        replies: Replies | None = None,
        money: Money | None = None,
        per_minute: float | None = None,
        confidence: bool = False,
        base_url: str | None = None,
        api_key: str | None = None,
        tries: int = 5,
        timeout: float = 60.0,
    ) -> None:
        try:
            import openai
        except ImportError:
            raise MissingExtra("Language models need the package openai: pip install 'askwise[llm]'.") from None
        if not name:
            raise BadInput("A language model has a name: llm:NAME, as its endpoint calls it.")
        if per_minute is not None and not per_minute > 0:
            raise BadInput(f"Requests per minute are more than 0; got {per_minute!r}.")
        url, key = base_url or os.environ.get(BASE_URL), api_key or os.environ.get(API_KEY)
        if not url and not key:
            raise BadInput(
                f"Where is {name!r}? Set {BASE_URL} to the address of an endpoint (such as http://localhost:11434/v1), "
                f"or {API_KEY} to a key for OpenAI's."
            )
        self.name, self.confidence = name, confidence
        self.replies = Replies(None) if replies is None else replies  # one that holds nothing yet counts as False
        self.money = Money() if money is None else money
        self._pace, self._openai = Pace(per_minute), openai
        self._client = openai.OpenAI(base_url=url, api_key=key or "none", max_retries=tries, timeout=timeout)
        self.url = str(self._client.base_url)

    def annotate(
        self,
        item: str,
        labels: Sequence[Label],
        *,
        guidelines: str = "",
        descriptions: Mapping[Label, str] | None = None,
        examples: Sequence[tuple[str, Label]] = (),
    ) -> Annotation:
        """What the model says of one item; it is asked once more where its answer is no label. See `prompts.messages`.

        Raises:
            Unreachable: The endpoint does not answer, also after several tries.
            BadInput: It refuses the request.
            Spent: The request may cost more than is left.
        """
        asked = prompts.messages(item, labels, guidelines=guidelines, descriptions=descriptions, examples=examples)
        answer = ""
        for _ in range(2):
            reply = self._reply(asked)
            answer = reply.answer
            label = label_in(answer, labels)
            if label is not None:
                sure = None if reply.logprob is None else math.exp(min(0.0, reply.logprob))
                return Annotation(label, sure)
            asked = prompts.again(asked, answer, labels)
        return Annotation(None, why=f"no label, but {answer[:60]!r}")

    def _reply(self, asked: list[prompts.Message]) -> Reply:
        request: dict[str, Any] = {"model": self.name, "messages": asked, "temperature": 0, "max_tokens": MOST_OUT}
        request |= {"logprobs": True} if self.confidence else {}
        key = key_of({"url": self.url, **request})
        known = self.replies.get(key)
        if known is not None:
            return known
        held = self.money.hold(sum(len(one["content"].encode()) + 16 for one in asked))
        reply = None
        try:
            self._pace.wait()
            reply = self._ask(request)
            self.replies.put(key, {"url": self.url, **request}, reply)
        finally:
            self.money.pay(held, reply)
        return reply

    def _ask(self, request: dict[str, Any]) -> Reply:
        openai = self._openai
        try:
            found = self._client.chat.completions.create(**request)
        except openai.APIStatusError as error:
            said = f"{self.url} refuses {self.name!r} ({error.status_code}): {str(error.message)[:300]}"
            if error.status_code in (408, 409, 429) or error.status_code >= 500:
                raise Unreachable(f"{said}, also after several tries. What it said before is kept.") from error
            raise BadInput(f"{said}. Look at the name of the model, the key and the options.") from error
        except (openai.APIConnectionError, openai.APIResponseValidationError) as error:
            raise Unreachable(f"{self.url} does not answer ({error}), also after several tries.") from error
        except ValueError as error:
            raise Unreachable(f"{self.url} answers with what is no reply of such an endpoint ({error}).") from error
        choices: Any = getattr(found, "choices", None)  # what came is not looked at by the client
        message = getattr(choices[0], "message", None) if choices else None
        usage = getattr(found, "usage", None)
        if message is None:
            raise Unreachable(f"{self.url} answers with what is no reply of such an endpoint: no message is in it.")
        tokens = getattr(getattr(choices[0], "logprobs", None), "content", None)
        logprob = sum(float(token.logprob) for token in tokens) if tokens else None
        return Reply(
            message.content or "", getattr(usage, "prompt_tokens", 0) or 0, getattr(usage, "completion_tokens", 0) or 0,
            logprob, time.time(),
        )  # fmt: skip
