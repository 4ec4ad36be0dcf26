"""ASReview's labeling app for benchmarks/latency.py, from an environment of its own (that of benchmarks/screening.py).

A project is made through the addresses that its own page uses, with its default model (ELAS u4, which needs nothing
from a hub). It listens on the loopback only and does not look for updates.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2 as httpx

from screening import environment


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class ASReview:
    """`asreview lab`."""

    name = "ASReview LAB"
    encoder = "ELAS u4, its default: tf-idf of words and pairs of words, linear SVM"
    shown = "() => document.querySelector('[aria-label=\"record title abstract\"]')"
    saves = r"/\/api\/projects\/\w+\/record\/\d+$/"
    process: subprocess.Popen[str] | None = None

    def __init__(self) -> None:
        python = environment()
        if python is None:
            raise SystemExit("ASReview cannot be installed; leave --beside out.")
        self.python = python
        self.keys = {"yes": "r", "no": "i"}
        code = "import importlib.metadata as m; print(m.version('asreview'))"
        self.version = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    def open(self, file: Path) -> str:
        """As `latency.App.open`."""
        port, home = free_port(), file.parent / "projects"
        where = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
            "ASREVIEW_PATH": str(home),
            "ASREVIEW_LAB_TASK_MANAGER_ENDPOINT": f"127.0.0.1:{free_port()}",
        }
        command = [str(self.python), "-m", "asreview", "lab", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--no-browser", "--skip-update-check"]
        # In the folder of the file, as the library behind its data sets leaves a cache where it is run.
        out = (file.parent / "log.txt").open("w")
        self.process = subprocess.Popen(command, stdout=out, stderr=out, text=True, env=where, cwd=file.parent)
        out.close()
        base = f"http://localhost:{port}"
        with httpx.Client(base_url=base, timeout=900, trust_env=False) as http:
            self._await(http)
            # Its own page sends the file as this does, then starts the first training.
            files = {"file": ("texts.csv", file.read_bytes(), "text/csv")}
            project = self._ok(http.post("/api/projects/create", data={"mode": "oracle"}, files=files))["id"]
            self._ok(http.put(f"/api/projects/{project}/review", data={"status": "review", "trigger_model": "1"}))
        self.results = home / project
        return f"{base}/reviews/{project}/reviewer"

    def _await(self, http: httpx.Client) -> None:
        assert self.process is not None
        end = time.monotonic() + 60
        while True:
            try:
                http.get("/api/projects")
                return
            except httpx.TransportError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise SystemExit("asreview lab did not start") from None
                time.sleep(0.05)

    @staticmethod
    def _ok(reply: httpx.Response) -> dict[str, Any]:
        if reply.status_code >= 300:
            raise SystemExit(f"ASReview refused {reply.request.url}: {reply.status_code} {reply.text[:300]}")
        return dict(reply.json())

    def _ask(self, query: str) -> int:
        (file,) = self.results.rglob("results.db")
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return int(db.execute(query).fetchone()[0])

    def rankings(self) -> int:
        """As `latency.App.rankings`."""
        return self._ask("select count(distinct training_set) from results where label is not null")

    def answers(self) -> int:
        """As `latency.App.answers`."""
        # An answer to a record is one to all that ASReview takes for the same record.
        return self._ask(
            "select count(distinct group_id) from results join record using (record_id) where label is not null"
        )
