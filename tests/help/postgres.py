"""A PostgreSQL server of one's own, for tests and benchmarks."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

SECRET = "hush:?%secret"
QUOTED = "hush%3A%3F%25secret"
"""As it stands in an address."""


def programs() -> Path | None:
    """The folder of initdb, pg_ctl, pg_dump and psql."""
    said = (
        shutil.which("pg_config") and subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout
    )
    places = [said.strip()] if said else []
    places += [str(Path(found).parent)] if (found := shutil.which("initdb")) else []
    places += sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return next((Path(p) for p in places if (Path(p) / "initdb").exists() and (Path(p) / "pg_ctl").exists()), None)


class Server:
    """A running PostgreSQL server with a role `ann` and her database `team`, until `stop`.

    It has a folder of its own, and an account of its own where this one is root.

    Args:
        programs: See `programs`.
        durable: Write to the disk as a real server does; tests that pull no plug need not.
    """

    def __init__(self, programs: Path, *, durable: bool = False) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="askwise-pg-", dir="/tmp"))
        self.account: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            names = {entry.pw_name: entry for entry in pwd.getpwall()}
            entry = names.get("postgres") or names["nobody"]
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self.account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.data = self.folder / "data"
        self.run("initdb", "-D", self.data, "-U", "boss", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        (self.data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.folder}'\n"
                f"fsync = {'on' if durable else 'off'}\nmax_connections = 60\n"
                f"log_statement = '{'none' if durable else 'all'}'\n"
            )
        self.start()
        self.sql(f"CREATE ROLE ann LOGIN PASSWORD '{SECRET}'")
        self.sql("CREATE DATABASE team OWNER ann")

    def run(self, program: str, *args: object) -> str:
        command = [str(self.programs / program), *map(str, args)]
        done = subprocess.run(
            command, **self.account, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self) -> None:
        self.control("start")

    def stop(self) -> None:
        self.control("stop", "immediate")
        shutil.rmtree(self.folder)

    def control(self, what: str, mode: str = "fast") -> None:
        log = self.folder / "log"
        args = ["-D", str(self.data), "-w", "-l", str(log), *(["-m", mode] if what != "start" else [])]
        # The server inherits the output: a pipe would stay open as long as it runs.
        subprocess.run(
            [str(self.programs / "pg_ctl"), what, *args],
            **self.account, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
        )  # fmt: skip

    def sql(self, statement: str, database: str = "postgres", user: str = "boss") -> str:
        return self.run(
            "psql", "-h", self.folder, "-p", self.port, "-U", user, "-d", database, "-AXqt",
            "-v", "ON_ERROR_STOP=1", "-c", statement,
        ).strip()  # fmt: skip

    def address(self, name: str, *, database: str = "team", port: int | None = None) -> str:
        return f"postgresql://ann:{QUOTED}@127.0.0.1:{port or self.port}/{database}#{name}"
