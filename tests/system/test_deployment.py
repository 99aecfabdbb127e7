"""The scripts under examples/network bring up a network of three processes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.waiting import eventually

NETWORK = Path(__file__).parents[2] / "examples" / "network"


def free_port() -> int:
    """Return a port below 32768 at which nobody listens now."""
    for port in range(21_000, 32_768):
        with socket.socket() as spare:
            try:
                spare.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def ledger(node) -> dict[str, list[dict[str, object]]]:
    """Return the policies of a node's ledger file, by type."""
    found: dict[str, list[dict[str, object]]] = {}
    for line in node.ledger.read_text().splitlines() if node.ledger.exists() else []:
        ((kind, body),) = json.loads(line).items()
        found.setdefault(kind, []).append(body)
    return found


def test_three_scripts_bring_up_a_network(start):
    master, operator, query = start("master"), start("operator"), start("query")
    ports = {}
    for node, name in ((master, "master"), (operator, "operator"), (query, "query")):
        node.ask(f"set network_dir = {NETWORK}")
        # A node's port stays free until it listens, so each gets its own at the last moment.
        ports[name] = free_port()
        if name == "master":
            assert node.ask(f"process {NETWORK}/master.al {ports[name]}")[-1] == (
                "the master is ready"
            )
            continue
        node.ask(f"set master_node = 127.0.0.1:{ports['master']}")
        more = " grove" if name == "operator" else ""
        answer = node.ask(f"process {NETWORK}/{name}.al {ports[name]}{more}")
        assert answer[-1].endswith("is ready"), answer
        if name == "query":
            assert "1 operators answered, 0 did not" in answer
            assert "1 operators keep orchard.gate" in answer

    for node in (master, operator, query):
        eventually(
            lambda node=node: len(ledger(node).get("query", [])) == 1, "the ledger is everywhere"
        )
        found = ledger(node)
        assert {kind: len(bodies) for kind, bodies in found.items()} == {
            "master": 1,
            "cluster": 1,
            "operator": 1,
            "query": 1,
        }
        (body,) = found["operator"]
        assert body["port"] == ports["operator"]
        assert body["cluster"] == found["cluster"][0]["id"]
        assert body["main"] is True
        assert body["about"]["contact"]["rooms"] == ["gate", "pump # 2"]

    # A second run finds everything there and declares nothing again.
    again = operator.ask(f"process {NETWORK}/operator.al {ports['operator']} grove")
    assert again[-1] == "the operator is ready"
    assert not any("error" in line for line in again)
    assert [len(bodies) for bodies in ledger(master).values()] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "arguments", "told"),
    [
        ([], "operator.al 21001 grove", "a node that is no master needs the address of one"),
        ([], "master.al 0", "own_port is no port: 0"),
        ([], "master.al many", "own_port is no port: many"),
    ],
)
def test_wrong_settings_are_told_in_one_line(start, settings, arguments, told):
    node = start("node")
    node.ask(f"set network_dir = {NETWORK}")
    answer = node.ask(f"process {NETWORK}/{arguments}")
    assert told in answer
    assert "is ready" not in " ".join(answer)
    assert "[]" in node.ask("get scripts where format = json")
    assert not node.ledger.exists()
