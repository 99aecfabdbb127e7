"""Calls by HTTP, as programs make them."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgelake import Node

PATIENCE_S = 30.0
HOST = "127.0.0.1"
PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, with plain line ends."""
        return self.body.decode().replace("\r\n", "\n").strip("\n")

    @property
    def data(self) -> Any:
        """The body as JSON, which it must say it is."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


class Caller:
    """Calls one server, by a new connection each time.

    Parameters
    ----------
    port : int
    context : SSLContext or None
        For HTTPS.
    source : str
        Address to call from.
    """

    def __init__(
        self, port: int, context: ssl.SSLContext | None = None, source: str = HOST
    ) -> None:
        self.port = port
        self._context = context
        self._source = (source, 0)

    def __call__(
        self, method: str, path: str = "/", body: str | bytes = b"", **headers: str
    ) -> Reply:
        """Send one request; underscores in names of header fields stand for hyphens."""
        connection: http.client.HTTPConnection
        if self._context is not None:
            connection = http.client.HTTPSConnection(
                HOST,
                self.port,
                timeout=PATIENCE_S,
                context=self._context,
                source_address=self._source,
            )
        else:
            connection = http.client.HTTPConnection(
                HOST, self.port, timeout=PATIENCE_S, source_address=self._source
            )
        sent = body.encode() if isinstance(body, str) else body
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, sent or None, fields)
            answer = connection.getresponse()
            names: dict[str, str] = {}
            for name, value in answer.getheaders():
                key = name.lower()
                names[key] = f"{names[key]}, {value}" if key in names else value
            return Reply(answer.status, names, answer.read())
        finally:
            connection.close()

    def get(self, command: str, **headers: str) -> Reply:
        """Send a command by GET."""
        return self("GET", command=command, **headers)

    def post(self, command: str, body: str | bytes = b"", **headers: str) -> Reply:
        """Send a command by POST."""
        return self("POST", body=body, command=command, **headers)


@contextmanager
def rest_node(home: Path, *, tcp: bool = True, **options: object) -> Iterator[tuple[Node, Caller]]:
    """Have a node with a REST server, and somebody who calls it."""
    more = "".join(f" and {key} = {value}" for key, value in options.items())
    with Node(home) as node:
        if tcp:
            node.run(
                f"run tcp server where external_ip = {HOST} and external_port = 0 and bind = true"
            )
        place = f"external_ip = {HOST} and external_port = 0 and bind = true"
        node.run(f"run rest server where {place}{more}")
        yield node, Caller(rest_port(node))


def add_user(node: Node, name: str = "ops", level: str = "read", password: str = PASSWORD) -> None:
    """Add a user, or change him."""
    node.run(f'set user where name = {name} and password = "{password}" and level = {level}')


def basic(name: str, password: str) -> str:
    """Return the header ``Authorization`` of a name and a password."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def bearer(node: Node, name: str) -> str:
    """Return the header ``Authorization`` of a new token of a user."""
    token = node.run(f"set user token where name = {name}").data["token"]
    return f"Bearer {token}"


def rest_port(node: Node) -> int:
    """Return the port of a node's REST server."""
    info = node.run("get rest server info where format = json").data
    return int(info["internal"].rpartition(":")[2])


def tcp_place(node: Node) -> str:
    """Return ``ip:port`` of a node's TCP server."""
    return str(node.run("get connections where format = json").data["TCP"]["external"])
