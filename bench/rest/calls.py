"""Calls of several kinds, beside a bare application that only answers them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from statistics import median
from typing import Any

from bench.part import Settings
from bench.policies import policy_id
from bench.rest.rest_node import PASSWORD, USER
from bench.rest.servers import Servers, measure
from bench.rest.wrk import Call

__all__ = ["CONNECTIONS", "KINDS", "over_connections", "over_kinds"]

CONNECTIONS = (1, 16, 64, 256)
"""Callers at once."""

STATUS = Call({"command": "get status"})

_ROWS = "100 rows"
_USUAL = 16
_PLACE = {"dbms": "plant1", "table": "motors"}


def _rows(count: int) -> bytes:
    rows = [{"ts": f"2026-11-23 23:05:{n % 60:02d}", "value": n / 10} for n in range(count)]
    return json.dumps(rows).encode()


def _with_password(_servers: Servers) -> Call:
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return Call({**STATUS.headers, "Authorization": f"Basic {pair}"})


def _with_token(servers: Servers) -> Call:
    return Call({**STATUS.headers, "Authorization": f"Bearer {servers.node.ready['token']}"})


def _policy(_servers: Servers) -> Call:
    return Call(
        {
            "command": f"blockchain get device where id = {policy_id(7)}",
            "Accept": "application/json",
        }
    )


def _put(count: int, mode: str) -> Callable[[Servers], Call]:
    return lambda _servers: Call({**_PLACE, "mode": mode}, "PUT", body=_rows(count))


KINDS: dict[str, Callable[[Servers], Call]] = {
    "get status": lambda _servers: STATUS,
    "get status, with a password": _with_password,
    "get status, with a token": _with_token,
    "blockchain get, one policy by id": _policy,
    "/metrics": lambda _servers: Call(path="/metrics"),
    "PUT of a row, streaming": _put(1, "streaming"),
    f"PUT of {_ROWS}, streaming": _put(100, "streaming"),
}
"""What is called, and how."""


def over_connections(
    servers: Servers,
    settings: Settings,
    progress: Callable[[str], None],
    connections: tuple[int, ...] = CONNECTIONS,
) -> list[dict[str, Any]]:
    """Return what ``get status`` costs over the number of callers.

    Raises
    ------
    RuntimeError
        A call failed.
    """
    return [
        {"connections": count, **_compared(servers, STATUS, count, settings)}
        for count in connections
        if progress(f"get status on {count} connections") is None
    ]


def over_kinds(
    servers: Servers, settings: Settings, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return what calls of each kind cost.

    Raises
    ------
    RuntimeError
        A call failed.
    """
    return [
        {"kind": name, "connections": _USUAL, **_compared(servers, call(servers), _USUAL, settings)}
        for name, call in KINDS.items()
        if progress(name) is None
    ]


def _compared(servers: Servers, call: Call, connections: int, settings: Settings) -> dict[str, Any]:
    """Return medians over the rounds, and of the ratios within a round."""
    bare_call = Call(method=call.method, body=call.body)
    rounds: list[dict[str, float]] = []
    for number in range(settings.rounds):
        found = {}
        turns = [("node", servers.node, call), ("bare", servers.bare, bare_call)]
        for name, server, sent in turns[:: -1 if number % 2 else 1]:
            one = measure(server, sent, connections, settings.seconds)
            found |= {
                f"{name}_rate": one.found.rate,
                f"{name}_p50_ms": one.found.p50_ms,
                f"{name}_p99_ms": one.found.p99_ms,
                f"{name}_cpu_us": one.cpu_us,
            }
        rounds.append(found)
    medians: dict[str, Any] = {name: median(one[name] for one in rounds) for name in rounds[0]}
    return {
        **medians,
        "ratio": median(one["node_rate"] / one["bare_rate"] for one in rounds),
        "cpu_ratio": median(one["node_cpu_us"] / one["bare_cpu_us"] for one in rounds),
        "rounds": rounds,
    }
