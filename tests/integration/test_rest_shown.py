"""What ``get rest server info``, ``get rest calls`` and ``get rest pool`` show."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edgelake import Node, limits
from edgelake.services.rest import REFUSALS
from tests.http_calls import HOST, Caller, add_user, rest_node
from tests.waiting import eventually


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Node, Caller]]:
    with rest_node(tmp_path / "home", threads=3) as both:
        yield both


@pytest.fixture
def node(served: tuple[Node, Caller]) -> Node:
    return served[0]


@pytest.fixture
def call(served: tuple[Node, Caller]) -> Caller:
    return served[1]


def data(node: Node, command: str) -> Any:
    return node.run(f"{command} where format = json").data


def rows(node: Node, command: str) -> dict[str, str]:
    """Return a table of two columns as it is printed."""
    _, _, *found = node.run(command).text.replace("\r\n", "\n").strip("\n").split("\n")
    return {name.strip(): value.strip() for name, value, _ in (row.split("|") for row in found)}


def test_info_names_what_was_set_with_its_unit(tmp_path: Path) -> None:
    more = {"rate": 2500, "timeout": 0, "host": "fen.example", "cors": "https://wall.example"}
    with rest_node(tmp_path / "home", **more) as (node, call):
        shown = rows(node, "get rest server info")
        assert shown["Console in the browser"] == f"http://{HOST}:{call.port}"
        assert shown["Calls of one address"] == "at most 2,500 a second"
        assert shown["Wait for other nodes"] == "without limit"
        assert shown["Other names of this node"] == "fen.example"
        assert shown["Other sites whose pages may call"] == "https://wall.example"
        assert shown["TLS"] == "no"
        assert shown["Users"] == "0"
        assert shown["Who does not say who he is"] == "has the level metadata"
        node.run("set rest timeout 30")
        add_user(node)
        shown = rows(node, "get rest server info")
        assert shown["Wait for other nodes"] == "at most 30 s"
        assert (shown["Users"], shown["Who does not say who he is"]) == ("1", "is refused")


def test_info_tells_who_was_closed_and_why(node: Node, call: Caller) -> None:
    before = data(node, "get rest server info")
    assert {key: before[key] for key in REFUSALS} == dict.fromkeys(REFUSALS, 0)
    assert not any(name.startswith("Closed") for name in rows(node, "get rest server info"))
    assert call("BREW").status == 400
    assert data(node, "get rest server info")["bad_request"] == 1
    assert rows(node, "get rest server info")["Closed: what came was no HTTP"] == "1"


def test_calls_are_told_with_what_failed_last(node: Node, call: Caller) -> None:
    assert node.run("get rest calls").text == "Nobody has called"
    call.get("get status", User_Agent="AnyLog/1.23")
    call.get("get status", User_Agent="AnyLog/1.23", destination=f"{HOST}:1")
    (record,) = data(node, "get rest calls")
    assert record["last_error"] == f"{HOST}:1 refused the connection"
    head, rule, row = node.run("get rest calls").text.strip().split("\r\n")
    assert head.split()[:4] == ["Caller", "Call", "Processed", "Errors"]
    assert [cell.strip() for cell in row.split("|")][:5] == [
        *("anylog", "GET", "2", "1", record["last_error"]),
    ]
    assert len(head) <= len(rule) == len(row)


def test_a_caller_cannot_fill_the_table(node: Node, call: Caller) -> None:
    key = "k" * 100_000 + "\\n\x1b[2J"
    assert call("POST", body=f'{{"{key}": 1}}'.replace("\x1b", "\\u001b")).status == 400
    (record,) = data(node, "get rest calls")
    assert len(record["last_error"]) == limits.MAX_REST_ERROR_CHARS
    call("POST", body='{"a\\nb\\u001b[2J": 1}', User_Agent="x" * 500)
    *_, record = data(node, "get rest calls")
    assert len(record["caller"]) == 40
    assert "\n" not in record["last_error"]


def test_the_pool_tells_how_busy_its_threads_are(node: Node, call: Caller) -> None:
    assert node.run("get rest pool").text == "REST Pool with 3 threads: [0, 0, 0] (0)"
    for _ in range(3):
        call.get("get processes")
    found = data(node, "get rest pool")
    assert (found["threads"], found["running"], found["waiting"]) == (3, 0, 0)
    assert sum(one["calls"] for one in found["details"]) == 3
    node.run("connect dbms blockchain where type = sqlite")
    node.run("create table ledger where dbms = blockchain")
    ask = threading.Thread(target=call.post, args=('blockchain push {"device": {"id": "d1"}}',))
    # It has to wait for somebody else who uses the file.
    path = node._parts.databases.get("blockchain").path
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        ask.start()
        eventually(lambda: data(node, "get rest pool")["running"] == 1, "a call runs")
        eventually(lambda: node.run("get rest pool").text.count("1") == 1, "its thread is busy")
        table = node.run("get rest pool where details = true").text.strip().split("\r\n")
    ask.join()
    assert table[0].split() == ["Thread", "Status", "Calls", "Percentage"]
    cells = [[int(cell) for cell in row.split("|")[:4]] for row in table[2:]]
    assert [number for number, *_ in cells] == [0, 1, 2]
    assert sum(busy for _, busy, *_ in cells) == 1
    assert sum(calls for _, _, calls, _ in cells) == 4
    assert node.run("get rest pool").text == "REST Pool with 3 threads: [0, 0, 0] (0)"


def test_without_a_server(tmp_path: Path) -> None:
    with Node(tmp_path / "home") as node:
        for command in ("get rest server info", "get rest calls", "get rest pool"):
            assert node.run(command).text == "The REST server is not running"
        assert data(node, "get rest server info") == {"status": "not running"}
        assert data(node, "get rest calls") == []
        assert data(node, "get rest pool") == {
            "threads": 0,
            "running": 0,
            "waiting": 0,
            "connections": 0,
            "calls": 0,
            "details": [],
        }
