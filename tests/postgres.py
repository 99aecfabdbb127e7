"""A PostgreSQL server of the tests' own: as an unprivileged user, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from edgelake.storage import Server
from tests.waiting import eventually

__all__ = ["PASSWORD", "USER", "PostgresServer", "programs"]

USER = "edgelake_tests"
PASSWORD = "pg'sesame\\open zz9"
_LOWEST_PORT, _HIGHEST_PORT = 20_000, 32_000


def programs() -> Path | None:
    """Return the folder of the server's programs, ``None`` if it is not installed.

    Debian keeps it out of the search path.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    inside = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(inside).resolve().parent if inside else None


class PostgresServer:
    """One server process and its data.

    Attributes
    ----------
    port : int
        On 127.0.0.1; the same after a restart.
    folder : Path
        Of the data and the Unix socket; gone after `remove`.
    """

    def __init__(self) -> None:
        found = programs()
        assert found is not None
        self._programs = found
        self.folder = Path(tempfile.mkdtemp(prefix="edgelake-postgres-"))
        self.port = _free_port()
        self._owner = _owner()
        if self._owner is not None:
            os.chown(self.folder, self._owner.pw_uid, self._owner.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._start(
            "initdb",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            f"--pgdata={self._data}",
        ).wait(60)
        secret.unlink()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What the server and `initdb` wrote."""
        return (self.folder / "log").read_text(errors="replace")

    def server(self, user: str = USER, password: str | None = PASSWORD) -> Server:
        """Return its address with a user."""
        return Server("127.0.0.1", self.port, user, password)

    @property
    def where(self) -> str:
        """Options of ``connect dbms``."""
        return (
            f"type = psql and ip = 127.0.0.1 and port = {self.port} and user = {USER}"
            f' and password = "{PASSWORD}"'
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        # What is written reaches the system, which outlives the process: the tests end no machine.
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": 60,
            "wal_level": "minimal",
            "max_wal_senders": 0,
        }
        options = [word for pair in settings.items() for word in ("-c", f"{pair[0]}={pair[1]}")]
        self._process = self._start("postgres", "-D", str(self._data), *options)
        process = self._process

        def answers() -> bool:
            assert process.poll() is None, self.log
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                return False
            return True

        eventually(answers, f"the server answers; its log: {self.log}", 30)

    def stop(self) -> None:
        """Stop it and end its connections; the data stay."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End all of it at once."""
        self._end(signal.SIGQUIT)

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder)

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection past the package."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def drop(self, database: str) -> None:
        """Remove a database, whoever uses it."""
        with self.connect("postgres") as link:
            link.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
            )

    @contextmanager
    def frozen(self, database: str) -> Iterator[None]:
        """Keep the server's processes for a database from running, as on a host that hangs."""
        with self.connect("postgres") as link:
            found = link.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s", (database,)
            ).fetchall()
        pids = [int(str(pid)) for (pid,) in found]
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        owner = self._owner
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=owner.pw_uid if owner else None,
                group=owner.pw_gid if owner else None,
                extra_groups=[] if owner else None,
            )

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _owner() -> pwd.struct_passwd | None:
    """Return whom the server runs as: it refuses to be root."""
    if os.getuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("no unprivileged user to run a server")


def _free_port() -> int:
    for port in range(_LOWEST_PORT + os.getpid() % 10_000, _HIGHEST_PORT):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")
