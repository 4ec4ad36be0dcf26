"""A server killed at any moment loses no answer that it acknowledged."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import select
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from askwise import Session
from askwise.store import SQLiteStore
from help.warm import cold

KILLS = 50


class Server:
    """`askwise label` in a process of its own."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "askwise", "label", str(path), "--no-browser", "--encoder", "tfidf"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.url, self.token = self._address()
        self._until_it_labels()

    def _until_it_labels(self) -> None:
        """A page that only says how far the session is may stand there first."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                request = urllib.request.Request(f"{self.url}/api/v1/pulse", headers={"x-askwise-token": self.token})
                with urllib.request.urlopen(request, timeout=20) as reply:
                    if reply.status == 200:
                        return
            time.sleep(0.02)
        raise AssertionError("the labeling page did not come up")

    def _address(self) -> tuple[str, str]:
        said = ""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if select.select([self.process.stdout], [], [], 1)[0]:
                line = self.process.stdout.readline()
                said += line
                if found := re.search(r"(http://127\.0\.0\.1:\d+)/\?token=([\w-]+)", line):
                    return found[1], found[2]
                if not line and self.process.poll() is not None:
                    break
        raise AssertionError(f"the server did not come up:\n{said}")

    def post(self, route: str, body: dict) -> dict:
        headers = {"Content-Type": "application/json", "x-askwise-token": self.token, "Origin": self.url}
        request = urllib.request.Request(f"{self.url}/api/v1/{route}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.load(reply)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def label_until_cut_off(server: Server, acknowledged: dict[str, str], tab: str) -> None:
    """Answer questions one after the other; note an answer only when the server said it has it."""
    with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
        queries = server.post("ask", {"tab": tab, "want": 3})["next"]
        for number in range(10_000):
            if not queries:
                queries = server.post("ask", {"tab": tab, "want": 3})["next"]
                if not queries:
                    return
            query = queries.pop(0)
            label = "spam" if "prize" in query["text"] else "ham"
            body = {
                "tab": tab, "have": [q["item"] for q in queries], "want": 3, "key": f"{tab}-{number}",
                "item": query["item"], "asked": query["asked"], "label": label, "seconds": 0.5,
            }  # fmt: skip
            reply = server.post("tell", body)
            acknowledged[query["item"]] = label
            queries += reply["next"]


@pytest.mark.slow
def test_kill_minus_nine_loses_no_acknowledged_answer(tmp_path: Path) -> None:
    rng = random.Random(0)
    path = tmp_path / "s.askwise"
    texts = [f"{'win a prize' if i % 3 == 0 else 'see you'} number {i} {i % 17} {i % 5}" for i in range(4000)]
    Session(texts, classes=["ham", "spam"], encoder="tfidf", learner="linear", store=path).close()
    acknowledged: dict[str, str] = {}
    killed_while_labeling = 0
    for number in range(KILLS):
        with cold() if number == 0 else contextlib.nullcontext():
            server = Server(path)
        labeler = threading.Thread(target=label_until_cut_off, args=(server, acknowledged, f"tab{number}"))
        before = len(acknowledged)
        labeler.start()
        try:
            time.sleep(rng.uniform(0.05, 0.25))
        finally:
            server.kill()
        labeler.join(30)
        assert not labeler.is_alive()
        killed_while_labeling += len(acknowledged) > before
        store = SQLiteStore(path, must_exist=True)
        told = {e.data["row"]: e.data["label"] for e in store.read() if e.kind == "told"}
        store.close()
        if number == 0:
            with Session.open(path, encoder="tfidf") as opened:
                row = {item: i for i, item in enumerate(opened.pool.ids)}
        lost = {item for item, label in acknowledged.items() if told.get(row[item]) != label}
        assert not lost, f"kill {number + 1} lost {len(lost)} acknowledged answers"
    assert killed_while_labeling > KILLS / 2, "most kills must hit a server that was taking answers"
    with Session.open(path, encoder="tfidf") as session:
        answers = session.answers()
        assert all(answers[row[item]].label == label for item, label in acknowledged.items())
        session.refresh()
        assert session.ask()
