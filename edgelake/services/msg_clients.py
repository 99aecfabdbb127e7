"""Clients of messages: which messages they take, what these become, and how it went."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edgelake import limits
from edgelake.data import DataName, parse_rows
from edgelake.errors import (
    AlreadyRunning,
    BadArgument,
    BadJson,
    EdgeLakeError,
    KeyMissing,
    MissingOption,
    Overloaded,
    StorageError,
    WrongValue,
)
from edgelake.services.messages import MessageMap

__all__ = ["MsgClient", "MsgClients", "Topic"]


@dataclass(frozen=True, slots=True)
class Topic:
    """Messages of one kind.

    Attributes
    ----------
    name : str
        With ``+`` for any one part, and ``#`` for all that are left.
    map : MessageMap
    """

    name: str
    map: MessageMap

    def fits(self, name: str) -> bool:
        """Return whether messages of that topic are of this kind."""
        wanted, given = self.name.split("/"), name.split("/")
        if wanted[-1] == "#":
            wanted, given = wanted[:-1], given[: len(wanted) - 1]
        return len(wanted) == len(given) and all(
            one in ("+", other) for one, other in zip(wanted, given, strict=True)
        )


@dataclass(slots=True)
class MsgClient:
    """One client, and what became of its messages.

    Attributes
    ----------
    number : int
    agent : str
        ``User-Agent`` of those whose messages it takes, in lower case.
    messages, success, errors, rows : int
    last_message, last_error_time : datetime or None
    last_error : str
    """

    number: int
    agent: str
    topics: tuple[Topic, ...]
    messages: int = 0
    success: int = 0
    errors: int = 0
    rows: int = 0
    last_message: datetime | None = None
    last_error_time: datetime | None = None
    last_error: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, messages: int, rows: int, error: str = "") -> None:
        """Count messages that were taken, or refused for a reason."""
        with self._lock:
            self.messages += messages
            self.last_message = datetime.now()
            if error:
                self.errors += messages
                self.last_error, self.last_error_time = error, datetime.now()
            else:
                self.success += messages
                self.rows += rows

    def data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        with self._lock:
            return {
                "id": self.number,
                "broker": "rest",
                "user_agent": self.agent,
                "messages": self.messages,
                "success": self.success,
                "errors": self.errors,
                "rows": self.rows,
                "last_message": _time_text(self.last_message),
                "last_error_time": _time_text(self.last_error_time),
                "last_error": self.last_error or None,
                "topics": [topic.name for topic in self.topics],
            }


class MsgClients:
    """The clients of a node. Thread-safe.

    Parameters
    ----------
    store : callable
        Stores rows of one table durably, or raises.
    """

    def __init__(self, store: Callable[[DataName, Sequence[str]], None]) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._clients: dict[int, MsgClient] = {}
        self._last = 0
        self._stored = self._refused = 0

    def add(self, agent: str, topics: Sequence[Topic]) -> MsgClient:
        """Return a new client.

        Raises
        ------
        AlreadyRunning
            Another one takes a topic of that User-Agent; nothing was changed.
        Overloaded
            There are `limits.MAX_MSG_CLIENTS`.
        """
        key = agent.strip().lower()
        with self._lock:
            if len(self._clients) >= limits.MAX_MSG_CLIENTS:
                raise Overloaded(
                    f"{limits.MAX_MSG_CLIENTS} clients of messages run, and no more may",
                    hint="end one: exit msg client <number>",
                )
            taken = {
                t.name: c.number for c in self._clients.values() if c.agent == key for t in c.topics
            }
            for topic in topics:
                if topic.name in taken:
                    raise AlreadyRunning(
                        f"topic '{topic.name}' is taken by client {taken[topic.name]}",
                        hint=f"exit msg client {taken[topic.name]} ends it",
                    )
            self._last += 1
            client = self._clients[self._last] = MsgClient(self._last, key, tuple(topics))
            return client

    def all(self) -> list[MsgClient]:
        """Return the clients, by their numbers."""
        with self._lock:
            return list(self._clients.values())

    def end(self, number: int | None) -> None:
        """End a client, or all.

        Raises
        ------
        KeyMissing
            There is none of that number.
        """
        with self._lock:
            if number is None:
                self._clients.clear()
            elif self._clients.pop(number, None) is None:
                raise KeyMissing(
                    f"there is no client of messages {number}", hint="look at: get msg clients"
                )

    def for_agent(self, agent: str) -> bool:
        """Return whether messages of that ``User-Agent`` are taken."""
        return bool(self._of_agent(agent))

    def take(self, agent: str, topic: str, body: bytes) -> int:
        """Store the rows of the messages in a body, all or none; return how many rows.

        Parameters
        ----------
        topic : str
            Of the messages; may be empty if the clients of that ``User-Agent`` have one alone.

        Raises
        ------
        BadJson, BadArgument
            A message is malformed or cannot become a row: its number, and why, are told.
        EdgeLakeError
            What keeps rows from being stored. If they are of several tables, those that it
            names are stored.
        """
        client, found = self._topic(agent, topic)
        count = 1
        try:
            messages = parse_rows(body, what="message")
            count = len(messages)
            groups: dict[DataName, list[str]] = {}
            rows = 0
            for number, message in enumerate(messages, 1):
                try:
                    for name, row in found.map.rows(message.value):
                        rows += 1
                        if rows > limits.MAX_ROWS:
                            raise WrongValue(f"the messages are more than {limits.MAX_ROWS} rows")
                        groups.setdefault(name, []).append(row)
                except BadArgument as exc:
                    raise BadJson(f"message {number}: {exc.message}", hint=exc.hint) from exc
            self._store_all(groups)
        except EdgeLakeError as exc:
            client.note(count, 0, exc.message)
            self._count(0, count)
            raise
        client.note(count, rows)
        self._count(count, 0)
        return rows

    def totals(self) -> tuple[int, int]:
        """Return how many messages were stored and refused, by clients that ended, too."""
        with self._lock:
            return self._stored, self._refused

    # ------------------------------------------------------------------- parts

    def _count(self, stored: int, refused: int) -> None:
        with self._lock:
            self._stored += stored
            self._refused += refused

    def _store_all(self, groups: dict[DataName, list[str]]) -> None:
        stored: list[str] = []
        for name, rows in groups.items():
            try:
                self._store(name, rows)
            except (StorageError, Overloaded) as exc:
                if stored:
                    exc.message += f"; rows of {', '.join(stored)} are stored"
                raise
            stored.append(name.of_table)

    def _of_agent(self, agent: str) -> list[MsgClient]:
        whole = agent.strip().lower()
        names = (whole, whole.partition("/")[0].strip())
        with self._lock:
            return [client for client in self._clients.values() if client.agent in names]

    def _topic(self, agent: str, topic: str) -> tuple[MsgClient, Topic]:
        pairs = [(client, one) for client in self._of_agent(agent) for one in client.topics]
        if topic:
            fitting = [pair for pair in pairs if pair[1].fits(topic)]
            if not fitting:
                raise WrongValue(
                    f"nobody takes messages of topic '{topic[:80]}'",
                    hint="look at: get msg clients",
                )
            return next((pair for pair in fitting if pair[1].name == topic), fitting[0])
        if len(pairs) != 1:
            raise MissingOption("header 'topic' is missing", hint="look at: get msg clients")
        return pairs[0]


def _time_text(moment: datetime | None) -> str | None:
    return moment.isoformat(sep=" ", timespec="seconds") if moment else None
