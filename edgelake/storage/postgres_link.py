"""Connections to a PostgreSQL server: made, lent, watched while they are used, ended.

The library `psycopg` is imported when the first database of this kind is connected.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from edgelake import limits
from edgelake.errors import DatabaseError, DatabaseUnreachable, TableMissing, WrongValue

if TYPE_CHECKING:
    import psycopg

__all__ = ["Link", "Links", "Server", "driver", "explained"]

_R = TypeVar("_R")
_ESCAPE = "\uffff"
_MAINTENANCE = "postgres"
# PostgreSQL cuts longer names, and might find somebody else's.
_USER_BYTES = 63


@dataclass(frozen=True, slots=True)
class Server:
    """Where a PostgreSQL server listens, and who asks.

    Attributes
    ----------
    host : str
        IP address, name of a host, or folder of a Unix socket.
    port : int
    user : str
    password : str or None
        Never shown.

    Raises
    ------
    WrongValue
        The server's protocol cannot carry the user or the password.
    """

    host: str
    port: int
    user: str
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check what the library would cut, or quote in an error."""
        for what, text in (("user", self.user), ("password", self.password or "")):
            if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text):
                raise WrongValue(f"the {what} holds a NUL, or half a surrogate pair")
        if len(self.user.encode()) > _USER_BYTES:
            raise WrongValue(f"the name of the user exceeds {_USER_BYTES} bytes")

    def __str__(self) -> str:
        """Return ``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def driver() -> Any:
    """Return the library.

    Raises
    ------
    DatabaseError
        It is not installed.
    """
    try:
        import psycopg
    except ImportError as exc:
        raise DatabaseError(
            "PostgreSQL needs the library psycopg, which is not installed",
            hint="pip install 'edgelake[postgres]'",
        ) from exc
    return psycopg


class Links:
    """The few connections of one database.

    Parameters
    ----------
    name : str
        Of the database, also on the server.
    server : Server

    Attributes
    ----------
    epoch : int
        Differs after a connection was lost: what was known of the server may be wrong.
    trouble : str
        Why the last connection was refused or lost; empty while there is none.
    version : str
        ``PostgreSQL 15.4``, of the last connection.

    Notes
    -----
    Thread-safe. While the server is away one thread at a time tries to reach it,
    after a pause; the others hear at once what the last one heard.
    """

    def __init__(self, name: str, server: Server) -> None:
        self.name = name
        self.server = server
        self.epoch = 0
        self.trouble = ""
        self.version = "PostgreSQL"
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._idle: list[Link] = []
        self._used = 0
        self._trying = False
        self._next_try = 0.0
        self._kind = _link_kind(driver(), self._closing)

    def open(self) -> None:
        """Make the first connection, and the database if the server has none of that name."""
        psycopg = driver()
        try:
            link = self._connect(self.name)
        except psycopg.errors.ConnectionTimeout as exc:
            raise self._unreachable(exc) from exc
        except psycopg.Error as exc:
            if not self._made():
                raise self._unreachable(exc) from exc
            try:
                link = self._connect(self.name)
            except psycopg.Error as again:
                raise self._unreachable(again) from again
        self._idle.append(link)

    @contextmanager
    def lent(self) -> Iterator[Link]:
        """Lend a connection; one that is broken afterwards is not kept."""
        link = self._take()
        try:
            yield link
        finally:
            self._give_back(link)

    def close(self) -> None:
        """End all connections; what runs is given `limits.POSTGRES_CLOSE_WAIT_S`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used, limits.POSTGRES_CLOSE_WAIT_S)
            self._closing.set()
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for link in idle:
            link.close()

    def silent(self, reason: str) -> None:
        """Take note that the server does not answer: for a while nobody else need find out."""
        self.trouble = reason
        self._next_try = time.monotonic() + limits.POSTGRES_RETRY_PAUSE_S

    # ---------------------------------------------------------------- parts

    def _take(self) -> Link:
        with self._changed:
            if not self._changed.wait_for(self._room, limits.POSTGRES_LOCK_TIMEOUT_S):
                raise DatabaseError(
                    f"database '{self.name}': all {limits.POSTGRES_CONNECTIONS} connections"
                    f" were busy for {limits.POSTGRES_LOCK_TIMEOUT_S:g} s"
                )
            self._require_open()
            while self._idle:
                link = self._idle.pop()
                if _alive(link):
                    self._used += 1
                    return link
                self.epoch += 1
                link.close()
            if self.trouble and (self._trying or time.monotonic() < self._next_try):
                raise DatabaseUnreachable(f"database '{self.name}': {self.trouble}")
            self._trying = True
            self._used += 1
        try:
            return self._reconnect()
        except BaseException:
            with self._changed:
                self._used -= 1
                self._changed.notify()
            raise
        finally:
            self._trying = False

    def _room(self) -> bool:
        return self._closing.is_set() or self._used < limits.POSTGRES_CONNECTIONS

    def _reconnect(self) -> Link:
        psycopg = driver()
        begin = time.monotonic()
        try:
            link = self._connect(self.name)
        except psycopg.Error as exc:
            now = time.monotonic()
            # Who asks a server that swallows everything is kept waiting a third of the time.
            self._next_try = now + max(limits.POSTGRES_RETRY_PAUSE_S, 2 * (now - begin))
            error = self._unreachable(exc)
            self.trouble = error.message.partition(": ")[2]
            raise error from exc
        if self._closing.is_set():
            link.close()
        self._require_open()
        return link

    def _give_back(self, link: Link) -> None:
        psycopg = driver()
        status = link.pgconn.transaction_status
        with self._changed:
            self._used -= 1
            if link.closed or status != psycopg.pq.TransactionStatus.IDLE:
                self.epoch += 1
                link.close()
            elif self._closing.is_set():
                link.close()
            else:
                self.trouble = ""
                self._idle.append(link)
            self._changed.notify()

    def _require_open(self) -> None:
        if self._closing.is_set():
            raise DatabaseError(f"database '{self.name}' is closed")

    def _unreachable(self, exc: Exception) -> DatabaseUnreachable:
        return DatabaseUnreachable(
            f"database '{self.name}': {self.server} as user '{self.server.user}': {_refusal(exc)}"
        )

    def _connect(self, name: str) -> Link:
        link: Link = self._kind.connect(
            host=self.server.host,
            port=self.server.port,
            user=self.server.user,
            password=self.server.password,
            dbname=name,
            autocommit=True,
            application_name="edgelake",
            client_encoding="UTF8",
            connect_timeout=limits.POSTGRES_CONNECT_TIMEOUT_S,
            # A server whose host went away is noticed, whether we wait or not.
            keepalives_idle=limits.POSTGRES_CONNECT_TIMEOUT_S,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=int(limits.POSTGRES_SILENCE_S * 1000),
            options=" ".join(f"-c {key}={value}" for key, value in _settings().items()),
        )
        _adapt(link)
        self.trouble = ""
        version = link.info.server_version
        self.version = f"PostgreSQL {version // 10000}.{version % 10000}"
        return link

    def _made(self) -> bool:
        """Make the database on the server; return whether it was missing."""
        psycopg = driver()
        try:
            link = self._connect(_MAINTENANCE)
        except psycopg.Error:
            return False
        with closing(link), explained(self.name, self):
            found = link.execute("SELECT 1 FROM pg_database WHERE datname = %s", (self.name,))
            if found.fetchone():
                return False
            # Another node may make it at the same time.
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                link.execute(
                    psycopg.sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(
                        psycopg.sql.Identifier(self.name)
                    )
                )
        return True


if TYPE_CHECKING:
    Link = psycopg.Connection[tuple[Any, ...]]
else:
    Link = Any


@contextmanager
def explained(name: str, links: Links) -> Iterator[None]:
    """Turn errors of the library into those of this package, without statements or values."""
    psycopg = driver()
    try:
        yield
    except psycopg.errors.UndefinedTable as exc:
        raise TableMissing(f"database '{name}': {_primary(exc)}") from exc
    except psycopg.OperationalError as exc:
        raise _operational(name, links, exc) from exc
    except psycopg.Error as exc:
        raise DatabaseError(f"database '{name}': {_primary(exc)}") from exc
    except UnicodeEncodeError as exc:
        raise DatabaseError(f"database '{name}': a text holds half a surrogate pair") from exc


# ------------------------------------------------------------------- parts


def _operational(name: str, links: Links, exc: Any) -> DatabaseError:
    """Return the error for what the server, not the statement, is the reason of."""
    errors = driver().errors
    if isinstance(exc, errors.LockNotAvailable):
        limit = limits.POSTGRES_LOCK_TIMEOUT_S
        return DatabaseError(
            f"database '{name}': locked by another process for more than {limit:g} s"
        )
    if isinstance(exc, errors.QueryCanceled):
        limit = limits.POSTGRES_STATEMENT_TIMEOUT_S
        return DatabaseError(f"database '{name}': not done within {limit:g} s, or cancelled")
    if isinstance(exc.__cause__, _Silent):
        links.silent(f"{links.server}: {exc}")
    if exc.sqlstate is None or exc.sqlstate[:2] in ("08", "57"):
        return DatabaseUnreachable(
            f"database '{name}': connection to {links.server} lost: {_refusal(exc)}"
        )
    return DatabaseError(f"database '{name}': {_primary(exc)}")


def _primary(exc: Any) -> str:
    """Return the first sentence of the server; what follows it holds values."""
    return " ".join(str(exc.diag.message_primary or _refusal(exc)).split())


def _refusal(exc: Any) -> str:
    """Return the last part of what the library says of a connection, in one line."""
    if exc.diag.message_primary:
        return " ".join(str(exc.diag.message_primary).split())
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    text = lines[0] if lines else type(exc).__name__
    for sign in ("failed: FATAL:", "failed: ", "FATAL:"):
        text = text.rpartition(sign)[2].strip() or text
    return text[:1].lower() + text[1:]


def _settings() -> dict[str, str]:
    """Return what each connection asks of the server."""
    return {
        "statement_timeout": f"{limits.POSTGRES_STATEMENT_TIMEOUT_S * 1000:.0f}",
        "lock_timeout": f"{limits.POSTGRES_LOCK_TIMEOUT_S * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{limits.POSTGRES_SILENCE_S * 1000:.0f}",
        "synchronous_commit": "on",
        "timezone": "UTC",
        "client_min_messages": "warning",
    }


def _alive(link: Link) -> bool:
    """Return whether an idle connection still stands; one that has something to say is ending."""
    try:
        poll = select.poll()
        poll.register(link.pgconn.socket, select.POLLIN | select.POLLERR | select.POLLHUP)
        if poll.poll(0):
            link.pgconn.consume_input()
            return not link.closed and not poll.poll(0)
    except (driver().Error, OSError):
        return False
    return not link.closed


class _Silent(OSError):
    """The server took a statement and is not heard of any more, or nobody waits for it."""


def _link_kind(psycopg: Any, closing: threading.Event) -> Any:
    """Return the library's class of connections, with a bound on each silence."""

    class Bounded(psycopg.Connection):  # type: ignore[misc]
        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            """Carry out a step of the protocol; the connection ends if the server falls silent."""
            try:
                return super().wait(_bounded(gen, closing), interval, timeout)
            except _Silent as exc:
                self.pgconn.finish()
                raise psycopg.OperationalError(str(exc)) from exc

    return Bounded


def _bounded(steps: Generator[Any, Any, _R], closing: threading.Event) -> Generator[Any, Any, _R]:
    """Pass the steps of the library on, and raise `_Silent` if nothing happens for too long."""
    try:
        wanted = next(steps)
        end = time.monotonic() + limits.POSTGRES_SILENCE_S
        while True:
            ready = yield wanted
            if ready:
                end = time.monotonic() + limits.POSTGRES_SILENCE_S
            elif closing.is_set():
                raise _Silent("the connection is ended from this side")
            elif time.monotonic() > end:
                raise _Silent(f"no answer for {limits.POSTGRES_SILENCE_S:g} s")
            wanted = steps.send(ready)
    except StopIteration as exc:
        return exc.value  # type: ignore[no-any-return]


def _adapt(link: Link) -> None:
    """Let texts hold NUL, which PostgreSQL's cannot: it is written as U+FFFF and ``0``.

    U+FFFF is no character, and for internal use; where it stands itself it is doubled.
    """
    from psycopg.types.string import StrDumper, StrDumperUnknown, TextLoader

    class Unknown(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(_escaped(obj))

    class Known(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(_escaped(obj))

    class Loaded(TextLoader):
        def load(self, data: Any) -> Any:
            text = super().load(data)
            return _unescaped(text) if isinstance(text, str) and _ESCAPE in text else text

    link.adapters.register_dumper(str, Known)
    link.adapters.register_dumper(str, Unknown)
    # Timestamps as text: there are some that Python's do not reach.
    for kind in ("text", "varchar", "timestamp"):
        link.adapters.register_loader(kind, Loaded)


def _escaped(text: str) -> str:
    if "\0" in text or _ESCAPE in text:
        return text.replace(_ESCAPE, _ESCAPE * 2).replace("\0", _ESCAPE + "0")
    return text


def _unescaped(text: str) -> str:
    parts = text.split(_ESCAPE * 2)
    return _ESCAPE.join(part.replace(_ESCAPE + "0", "\0") for part in parts)
