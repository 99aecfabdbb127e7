"""Commands for several nodes: destinations, collected replies, an assigned console, targets."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node
from edgelake.errors import (
    BadArgument,
    BadDestination,
    CommandSyntaxError,
    EdgeLakeError,
    NoDestination,
    PeerRefused,
    RemoteError,
    UndefinedVariable,
    UnknownCommand,
)
from tests.waiting import eventually


def listening(home: Path) -> tuple[Node, str]:
    """Start a node that listens; return it and its ip:port."""
    node = Node(home)
    node.run("create work directories")
    node.run(
        "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        " and threads = 1"
    )
    return node, node.run("get connections").data["TCP"]["external"]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """The node that asks."""
    made, _ = listening(tmp_path / "asker")
    with made:
        yield made


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[list[str]]:
    """Addresses of two nodes that answer."""
    found = [listening(tmp_path / name) for name in ("one", "two")]
    yield [address for _, address in found]
    for peer, _ in found:
        peer.close()


@pytest.fixture
def dead() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{spare.getsockname()[1]}"


def said(node: Node, text: str) -> str:
    """Run a command and return all it prints."""
    shown: list[str] = []
    node.execute(text, lambda result: shown.append(result.text))
    return "\n".join(shown)


# ------------------------------------------------------------ destinations


def test_destinations_from_variables(node: Node, peers: list[str]) -> None:
    ip, port = peers[0].split(":")
    for line in (f"d = {peers[0]}", f"ip = {ip}", f"port = {port}", f"all = {','.join(peers)}"):
        node.run(line)
    for form in ("!d", "(!d)", "!ip !port", f"{ip} {port}", "(!ip:!port)"):
        assert f"[From Node {peers[0]}]" in said(node, f"run client {form} get status")
    shown = said(node, "run client (!all) get status")
    assert all(f"[From Node {peer}]" in shown for peer in peers)


def insert(node: Node, kind: str, **body: object) -> None:
    """Put a policy into the node's ledger."""
    node.run(f"blockchain insert where policy = {json.dumps({kind: body})} and local = true")


def test_destinations_by_policy(node: Node, peers: list[str]) -> None:
    for name, peer in zip(("op1", "op2"), peers, strict=True):
        ip, port = peer.split(":")
        insert(node, "cluster", id=name, company="acme", name=name)
        insert(node, "operator", name=name, company="acme", cluster=name, ip=ip, port=int(port))
    for form, count in {
        "(operator where name = op1)": 1,
        "(operator)": 2,
        "(blockchain get operator where company = acme bring.ip_port)": 2,
        "(blockchain get operator where name = op2)": 1,
        "(blockchain get operator where name = op2 bring [*][ip] : [*][port] separator = ,)": 1,
        "(operator where [company] contains ac bring.ip_port separator = , , operator)": 2,
        "(blockchain get (operator, query) bring.ip_port, subset = true, timeout = 5)": 2,
        f"({peers[0]}, operator)": 2,
    }.items():
        assert said(node, f"run client {form} get status").count("[From Node") == count
    for form in ("(publisher where name = none)", "(query)", "()", "(dbms = d and table = t)"):
        with pytest.raises(NoDestination):
            node.run(f"run client {form} get status")


def test_destinations_by_table(node: Node, peers: list[str]) -> None:
    insert(node, "cluster", id="c1", company="acme", name="grove")
    insert(node, "cluster", id="c9", company="acme", name="meadow")
    table = [{"dbms": "orchard", "name": "gate"}]
    insert(node, "cluster", id="c2", parent="c1", company="acme", name="grove", table=table)
    for name, cluster, peer in zip(("op1", "op2"), ("c1", "c9"), peers, strict=True):
        ip, port = peer.split(":")
        insert(node, "operator", name=name, cluster=cluster, ip=ip, port=int(port), company="acme")
    shown = said(node, "run client (dbms = orchard and table = gate) get status")
    assert shown.count("[From Node") == 1
    assert peers[0] in shown
    with pytest.raises(NoDestination):
        node.run("run client (dbms = orchard and table = other) get status")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("run client", CommandSyntaxError),
        ("run client get status", BadDestination),
        ("run client (127.0.0.1) get status", BadDestination),
        ("run client (127.0.0.1:1, 127.0.0.1:1) get status", BadDestination),
        ("run client (127.0.0.1:1, colour = red) get status", BadDestination),
        ("run client (127.0.0.1:1, subset = maybe) get status", EdgeLakeError),
        ("run client (127.0.0.1:1, timeout = 0) get status", EdgeLakeError),
        ("run client !absent get status", UndefinedVariable),
        ("run client . get status", CommandSyntaxError),
    ],
)
def test_wrong_destinations(node: Node, command: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        node.run(command)


def test_refused_node_does_not_hold_up_the_others(node: Node, peers: list[str], dead: str) -> None:
    shown: list[str] = []
    with pytest.raises(PeerRefused, match=dead):
        node.execute(
            f"run client ({dead}, {peers[0]}, {peers[1]}) get status",
            lambda result: shown.append(result.text),
        )
    # The refused one is tried again for a while; those that answer are shown before.
    assert shown[2] == f"[Message to Node {dead}] [Connection Failed] {dead} refused the connection"
    assert {text.splitlines()[0] for text in shown[:2]} == {f"[From Node {p}]" for p in peers}


# -------------------------------------------------------------- collecting


def test_replies_are_collected_as_a_list(node: Node, peers: list[str]) -> None:
    node.run(f"r[] = run client ({', '.join(peers)}) get status where format = json")
    assert node.run("w = wait 10 for !r.diff == 0").text == ""
    assert node.run("!w").text == "True"
    assert node.run("print !r.replies !r.diff !r.len").text == "2 0 2"
    found = json.loads(node.run("!r").text)
    assert [peer for peer, _ in found] == peers
    assert {reply["status"] for _, reply in found} == {"running"}


def test_replies_are_collected_by_node_and_failures_told(
    node: Node, peers: list[str], dead: str
) -> None:
    node.run(f"r{{}} = run client ({peers[0]}, {dead}) get status")
    eventually(lambda: node.run("!r.replies").text == "1", "one answers")
    eventually(lambda: any(dead in n.text for n in node.notices()), "the other one is told")
    assert node.run("!r.diff").text == "1"
    assert json.loads(node.run("!r").text) == {peers[0]: f"edgelake@{peers[0]} running"}
    assert ("r", node.run("!r").text) in node.run("get dictionary r").data.items()
    node.run("r = plain")
    assert node.run("!r").text == "plain"
    assert node.run("print x!r.diff").text == "x!r.diff"
    assert node.run("!r.diff").text == ""


def test_keys_are_set_in_what_was_collected(tmp_path: Path) -> None:
    node, address = listening(tmp_path / "home")
    with node:
        node.run(f"r{{}} = run client ({address}) get version")
        assert node.run("w = wait 10 for !r.diff == 0").text == ""
        node.run("r[note] = kept")
        found = json.loads(node.run("get !r").text)
        assert found[address]
        assert found["note"] == "kept"


def test_end_of_the_node_ends_what_collects(tmp_path: Path) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    node, _ = listening(tmp_path / "home")
    with silent, node:
        node.run(f"r[] = run client (127.0.0.1:{silent.getsockname()[1]}) get status")
        assert any(thread.name == "replies" for thread in threading.enumerate())
    eventually(
        lambda: not any(thread.name == "replies" for thread in threading.enumerate()),
        "nobody collects any more",
        deadline_s=10.0,  # answers are waited for twice as long
    )


def test_only_commands_for_others_are_collected(node: Node) -> None:
    for command in ("get status", "5", "print x"):
        with pytest.raises(BadArgument, match="collects the replies"):
            node.run(f"r[] = {command}")
    with pytest.raises(NoDestination):
        node.run("r[] = run client () get status")


# -------------------------------------------------------- assigned console


def test_console_is_assigned_to_nodes_and_back(node: Node, peers: list[str]) -> None:
    assert node.assigned == ""
    node.run(f"run client ({peers[0]})")
    assert node.assigned == f"({peers[0]})"
    assert f"[From Node {peers[0]}]" in said(node, "get status")
    assert "[From Node" not in said(node, ". get status")
    assert said(node, "x = 5") == ""
    assert said(node, "!x") == "5"
    node.run("st = get status")
    assert node.run("!st").text.startswith(f"[From Node {peers[0]}]")
    shown = said(node, f"run client ({peers[1]}) get status")
    assert f"[From Node {peers[1]}]" in shown
    with pytest.raises(RemoteError, match="nosuch"):
        node.run("nosuch words = here")
    assert "Usage" in said(node, "help get status")
    with pytest.raises(CommandSyntaxError):
        node.run("print 'unclosed")
    node.run("run client .")
    assert node.assigned == ""
    assert "[From Node" not in said(node, "get status")
    with pytest.raises(UnknownCommand):
        node.run("nosuch words")


def test_assignment_of_the_console_is_checked_at_once(node: Node, tmp_path: Path) -> None:
    for wrong in ("run client (nobody)", "run client ()", "run client (publisher)"):
        with pytest.raises(BadDestination):
            node.run(wrong)
    assert node.assigned == ""
    script = tmp_path / "a.al"
    script.write_text("run client (127.0.0.1:1)")
    with pytest.raises(EdgeLakeError, match="missing <command>"):
        node.run(f"process {script}")


# ----------------------------------------------------------------- targets


def test_failed_command_keeps_the_former_value(node: Node) -> None:
    node.run("x = 5")
    with pytest.raises(UndefinedVariable):
        node.run("x = get !absent")
    assert node.run("!x").text == "5"


def test_environment_is_a_target(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGELAKE_TEST_NAME", "before")
    node.run("$EDGELAKE_TEST_NAME = a b")
    assert os.environ["EDGELAKE_TEST_NAME"] == "a b"
    assert node.run("print $EDGELAKE_TEST_NAME").text == "a b"
    node.run('$EDGELAKE_TEST_NAME = ""')
    assert "EDGELAKE_TEST_NAME" not in os.environ


def test_answer_goes_to_a_file(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "o ut.json"
    node.run(f"p = {path}")
    assert said(node, "[file=!p] = get status where format = json") == ""
    assert json.loads(path.read_text())["status"] == "running"
    shown = said(
        node, f'[file = "{path}", key = status, show = true] = get status where format = json'
    )
    assert shown.strip() == "running"
    assert path.read_text() == "running\n"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("[key = a]", "no file is named"),
        ("[file = !p, colour = red]", "'colour'"),
        ("[file = !p, file = !p]", "'file'"),
        ("[nothing]", "is no target"),
        ("[file = !p, key = absent]", "has no 'absent'"),
        ("[file = !absent]", "no value"),
    ],
)
def test_wrong_file_targets_write_nothing(
    node: Node, tmp_path: Path, target: str, message: str
) -> None:
    path = tmp_path / "o.json"
    node.run(f"p = {path}")
    with pytest.raises(EdgeLakeError, match=message):
        node.run(f"{target} = get status where format = json")
    assert not path.exists()


def test_only_answers_go_to_files(node: Node, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="only the answer of a command"):
        node.run(f"[file = {tmp_path / 'o'}] = words")
    with pytest.raises(EdgeLakeError, match=r"No such file|folder|directory"):
        node.run(f"[file = {tmp_path / 'absent' / 'o'}] = get status")
