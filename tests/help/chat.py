"""A small server that speaks the chat protocol of OpenAI-compatible endpoints, with the faults of real ones."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], "str | tuple[int, dict[str, str], bytes] | float"]
"""Request → the text of the answer; or (status, headers, body); or seconds to wait before "ham"."""


class Endpoint:
    """What was asked, and where it runs."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.most, self._now, self._lock = 0, 0, threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with endpoint._lock:
                    endpoint._now += 1
                    endpoint.most = max(endpoint.most, endpoint._now)
                try:
                    self._serve()
                finally:
                    with endpoint._lock:
                        endpoint._now -= 1

            def _serve(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with endpoint._lock:
                    endpoint.requests.append(body)
                    endpoint.keys.append(self.headers.get("authorization"))
                said = endpoint.answer(body)
                if isinstance(said, float):
                    time.sleep(said)
                    said = "ham"
                if self.path != "/v1/chat/completions":
                    said = 404, {}, b'{"error": {"message": "no such path"}}'
                status, headers, data = said if isinstance(said, tuple) else (200, {}, reply(body, said))
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(OSError):  # who asked has given up
                    self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def items(self) -> list[str]:
        """The items of the requests, in their order."""
        return [item_in(body) for body in self.requests]


def item_in(body: dict[str, Any]) -> str:
    """The item that a request is about: that of its last message with one."""
    for message in reversed(body["messages"]):
        if message["role"] == "user" and message["content"].startswith("{"):
            return str(json.loads(message["content"])["item"])
    raise AssertionError("no item was sent")


def reply(body: dict[str, Any], text: str) -> bytes:
    """A reply as the protocol has it."""
    choice: dict[str, Any] = {
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}
    }  # fmt: skip
    if body.get("logprobs"):
        tokens = [{"token": token, "logprob": -0.05, "bytes": None, "top_logprobs": []} for token in text.split()]
        choice["logprobs"] = {"content": tokens, "refusal": None}
    sent = sum(len(one["content"]) for one in body["messages"]) // 4
    found = {
        "id": "x", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice],
        "usage": {"prompt_tokens": sent, "completion_tokens": 7, "total_tokens": sent + 7},
    }  # fmt: skip
    return json.dumps(found).encode()


@contextmanager
def serving(answer: Answer) -> Iterator[Endpoint]:
    """An endpoint while the block runs."""
    endpoint = Endpoint(answer)
    try:
        yield endpoint
    finally:
        endpoint.close()
