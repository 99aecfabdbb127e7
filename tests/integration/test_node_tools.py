"""Clock, names, small calculations and checks at a real node."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import edgelake
from edgelake import Client, Node, limits
from edgelake.errors import (
    BadArgument,
    CommandSyntaxError,
    EdgeLakeError,
    RemoteError,
    TcpNotRunning,
    UndefinedVariable,
    WrongValue,
)
from tests.waiting import eventually


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "home") as made:
        yield made


def listen(node: Node) -> str:
    """Start the node's TCP server; return its ip:port."""
    node.run("run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true")
    address: str = node.run("get connections").data["TCP"]["external"]
    return address


def free_address() -> str:
    """Return an address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


# --------------------------------------------------------------------- clock


@pytest.mark.parametrize(
    ("words", "days"),
    [("now()", 0), ("now() + 2 days", 2), ("now() - 3 hours", -3 / 24), ("+1w", 7)],
)
@pytest.mark.parametrize("zone", ["utc", "local", "Europe/Oslo"])
def test_dates(node: Node, zone: str, words: str, days: float) -> None:
    shown = datetime.fromisoformat(node.run(f"get datetime {zone} {words}").text)
    expected = datetime.now(UTC) + timedelta(days=days)
    assert abs(shown - expected) < timedelta(hours=1, minutes=1)  # the clock may change


def test_a_date_in_a_zone(node: Node) -> None:
    command = "get datetime Europe/Oslo 2026-07-01T10:00:00Z"
    assert node.run(command).text == "2026-07-01T12:00:00.000000+02:00"
    found = node.run(f"{command} where format = json")
    assert json.loads(found.text) == {"datetime": "2026-07-01T12:00:00.000000+02:00"}
    node.run(f"at = {command}")
    assert node.run("get datetime utc !at + 1d").text == "2026-07-02T10:00:00.000000Z"


def test_dates_that_are_none(node: Node) -> None:
    for words in ("utc tomorrow", "mars now()", "utc +999999999y"):
        with pytest.raises(WrongValue) as caught:
            node.run(f"get datetime {words}")
        assert caught.value.column == (14 if words.startswith("mars") else 18)


def test_the_zone_of_the_machine(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    found = node.run("get timezone info")
    assert found.data["timezone"] in found.text
    data = json.loads(node.run("get timezone info where format = json").text)
    assert set(data) == {
        *("timezone", "abbreviation", "utc_offset", "daylight_saving"),
        *("local_time", "utc_time"),
    }
    local, utc = (datetime.fromisoformat(data[key]) for key in ("local_time", "utc_time"))
    assert local == utc
    assert data["utc_offset"] == f"{local:%z}"[:3] + ":" + f"{local:%z}"[3:]


# --------------------------------------------------------------------- names


def test_the_name_of_a_node(node: Node) -> None:
    default = node.run("get node name").text
    node.run("set node name fen-01")
    assert node.run("get node name").text == "fen-01"
    assert node.run("get status").text == "fen-01 running"
    address = listen(node)
    with Client(address) as client:
        assert client.request("get status").strip() == f"fen-01@{address} running"
        # The I/O threads answer that by themselves.
        node.run('set node name "fen 02"')
        eventually(
            lambda: client.request("get status").strip() == f"fen 02@{address} running",
            "the new name is told",
        )
    node.run('set node name ""')
    assert node.run("get node name").text == f"{default}@{address}"
    data = json.loads(node.run("get node name where format = json").text)
    assert data == {"node_name": f"{default}@{address}"}


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("set node name", CommandSyntaxError),
        ("set node name fen 01", CommandSyntaxError),
        ("set node name a@b", WrongValue),
        ('set node name "a\nb"', WrongValue),
        (f"set node name {'a' * (limits.MAX_NODE_NAME_CHARS + 1)}", WrongValue),
    ],
)
def test_wrong_names(node: Node, command: str, error: type[EdgeLakeError]) -> None:
    before = node.run("get node name").text
    with pytest.raises(error):
        node.run(command)
    assert node.run("get node name").text == before


def test_the_longest_name(node: Node) -> None:
    name = "a" * limits.MAX_NODE_NAME_CHARS
    node.run(f"set node name {name}")
    assert node.run("get node name").text == name


def test_machine_and_program(node: Node) -> None:
    assert node.run("get hostname").text == socket.gethostname()
    assert edgelake.__version__ in node.run("get version").text
    data = json.loads(node.run("get version where format = json").text)
    assert data["version"] == edgelake.__version__


# -------------------------------------------------------------- calculations


@pytest.mark.parametrize(
    ("value", "step", "total"),
    [
        ("7", "", "8"),
        ("7", "5", "12"),
        ("7", "-10", "-3"),
        ("-1", "", "0"),
        ("0.1", "0.2", "0.3"),
        ("1.5", "0.5", "2"),
        ("9" * 18, "", "1" + "0" * 18),
    ],
)
def test_incr(node: Node, value: str, step: str, total: str) -> None:
    node.run(f"set x = {value}")
    assert node.run(f"incr !x {step}").text == total
    assert node.run("get !x").text == value
    node.run(f"x = incr !x {step}")
    assert node.run("get !x").text == total


def test_wrong_incr(node: Node) -> None:
    node.run('set berth = 7 & set name = "North Pier"')
    wrong: list[tuple[str, type[EdgeLakeError], int]] = [
        ("incr berth", BadArgument, 40),
        ("incr !name", BadArgument, 40),
        ("incr !absent", UndefinedVariable, 138),
        ("incr !berth many", WrongValue, 175),
        ("incr !berth 1 2", CommandSyntaxError, 2),
        ("incr", CommandSyntaxError, 2),
    ]
    for command, kind, code in wrong:
        with pytest.raises(kind) as caught:
            node.run(command)
        assert (caught.value.code, bool(caught.value.column)) == (code, True)


def test_random_parts(node: Node) -> None:
    for command in ("random substr , red,green,blue", 'random substr "," "red, green ,blue"'):
        found = {node.run(command).text for _ in range(200)}
        assert found == {"red", "green", "blue"}
    assert node.run('random substr "; " one').text == "one"
    for command in ("random substr", "random substr ,", 'random substr "" abc'):
        with pytest.raises(EdgeLakeError):
            node.run(command)


# -------------------------------------------------------------------- checks


def test_processes(node: Node) -> None:
    assert node.run("test process tcp").text == "false"
    listen(node)
    assert node.run("test process tcp").data is True
    assert node.run("test process blockchain sync").text == "false"
    assert node.run("test process synchronizer").text == "false"
    data = json.loads(node.run("test process tcp where format = json").text)
    assert data == {"process": "TCP", "running": True, "status": "Running"}
    node.run("exit tcp")
    assert node.run("test process tcp").text == "false"
    with pytest.raises(WrongValue) as caught:
        node.run("test process blockchain sink")
    assert caught.value.hint == "did you mean 'blockchain sync'?"


def test_connections(node: Node) -> None:
    address = listen(node)
    found = node.run(f"test connection {address}")
    assert (found.data["connected"], found.data["reason"]) == (True, "")
    assert address in found.text
    closed = free_address()
    data = json.loads(node.run(f"test connection {closed} where format = json").text)
    assert (data["address"], data["connected"], data["milliseconds"]) == (closed, False, None)
    assert "refused" in data["reason"]
    data = node.run("test connection no-such-host.invalid:1").data
    assert not data["connected"]
    assert data["reason"]
    with pytest.raises(WrongValue):
        node.run("test connection nowhere")


def test_a_connection_that_nobody_answers(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECT_TIMEOUT_S", 0.2)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        data = node.run(f"test connection {address}").data
        for one in waiting:
            one.close()
    assert (data["connected"], data["reason"]) == (False, "no answer within 0.2 seconds")


def test_the_node_itself(node: Node) -> None:
    tcp, ledger = node.run("test node").data
    assert (tcp["ok"], ledger["ok"]) == (False, True)
    address = listen(node)
    found = node.run("test node where format = json")
    rows = json.loads(found.text)
    assert [row["ok"] for row in rows] == [True, True, True]
    assert rows[0]["subject"] == f"external {address}"
    assert rows[2]["details"] == "0 policies"


def test_a_damaged_ledger_is_told(node: Node) -> None:
    path = Path(node.run("get !blockchain_file").text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"operator": \n')
    row = node.run("test node").data[-1]
    assert (row["test"], row["ok"]) == ("Ledger", False)
    assert "damaged" in row["details"]


def test_the_network(node: Node, tmp_path: Path) -> None:
    with Node(tmp_path / "other") as other:
        address = listen(other)
        other.run("set node name gate-1")
        closed = free_address()
        insert = "blockchain insert where local = true and policy = "
        node.run(insert + '{"cluster": {"company": "acme", "name": "grove", "id": "c1"}}')
        for name, where in (("gate-1", address), ("gate-2", closed)):
            ip, _, port = where.partition(":")
            body = {"company": "acme", "name": name, "ip": ip, "port": int(port), "cluster": "c1"}
            node.run(insert + json.dumps({"operator": body}))
        node.run(f'{insert}{{"query":{{"name":"without address"}}}}')
        node.run(f'{insert}{{"query":{{"name":"odd","ip":"a b","port":"x"}}}}')
        with pytest.raises(TcpNotRunning):
            node.run("test network")
        listen(node)
        found = node.run("test network where format = json")
        rows = {row["name"]: row for row in json.loads(found.text)}
        assert set(rows) == {"gate-1", "gate-2"}
        assert (rows["gate-1"]["ok"], rows["gate-1"]["address"]) == (True, address)
        assert rows["gate-1"]["details"] == f"gate-1@{address} running"
        assert not rows["gate-2"]["ok"]
        assert rows["gate-2"]["details"]
        assert "gate-1" in node.run("test network").text


def test_a_network_without_nodes(node: Node) -> None:
    assert node.run("test network").data == []


# --------------------------------------------------------------------- peers


@pytest.mark.parametrize(
    "command", ["set node name x", "test connection 127.0.0.1:1", "test node", "test network"]
)
def test_what_peers_may_not_do_without_permission(node: Node, command: str) -> None:
    with Client(listen(node)) as client, pytest.raises(RemoteError) as caught:
        client.request(command)
    assert caught.value.remote_code == 212


@pytest.mark.parametrize(
    "command",
    ["get datetime utc now()", "get hostname", "get node name", "get version", "test process tcp"],
)
def test_what_peers_may_ask(node: Node, command: str) -> None:
    with Client(listen(node)) as client:
        assert client.request(command)
