"""Two processes driven only through standard input do everything a network needs."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing

from tests.system.conftest import NodeProcess
from tests.waiting import eventually


def bring_up(node: NodeProcess, port: int = 0) -> str:
    """Prepare a node and return the address it listens on."""
    assert node.ask("create work directories") == []
    assert node.ask("connect dbms blockchain where type = sqlite") == [
        "Database blockchain using sqlite connected!"
    ]
    assert node.ask("create table ledger where dbms = blockchain") == []
    answer = node.ask(
        "run tcp server where external_ip = 127.0.0.1 and external_port = "
        f"{port} and internal_ip = 127.0.0.1 and bind = true and threads = 2"
    )
    assert len(answer) == 1, answer
    return answer[0].rpartition(" ")[2]


def policies(node: NodeProcess) -> list[str]:
    """Return the lines of the node's ledger file."""
    return node.ledger.read_text().splitlines() if node.ledger.exists() else []


def table(node: NodeProcess) -> list[str]:
    """Return the policies of the node's table."""
    with closing(sqlite3.connect(node.database)) as database:
        return [row[0] for row in database.execute("select policy from ledger order by date")]


def test_every_command_of_a_small_network(start):
    master, follower = start("master"), start("follower")
    one = bring_up(master)
    assert (
        master.ask("run blockchain sync where source = dbms and time = 1 second and dest = file")
        == []
    )
    two = bring_up(follower)
    assert (
        follower.ask(
            "run blockchain sync where source = master and time = 1 second and dest = file"
            f" and dest = dbms and connection = {one}"
        )
        == []
    )

    assert follower.ask("get status") == [f"edgelake@{two} running"]
    assert (
        json.loads("\n".join(follower.ask("get status where format = json")))["status"] == "running"
    )
    assert (
        json.loads("\n".join(follower.ask("get connections where format = json")))["TCP"]["bind"]
        == two
    )
    processes = json.loads("\n".join(follower.ask("get processes where format = json")))
    assert processes["TCP"]["Details"] == f"Listening on: {two}, Threads Pool: 2"
    assert one in processes["Blockchain Sync"]["Details"]
    assert any("Running" in line for line in follower.ask("get synchronizer"))
    assert json.loads("\n".join(follower.ask("get tcp pool where format = json")))["threads"] == 2
    for command in ("get processes", "get connections", "get synchronizer"):
        assert any(re.fullmatch(r"\s*[-|]+\|", line) for line in follower.ask(command))

    assert follower.ask("berth = 7") == []
    assert follower.ask("print berth !berth") == ["berth 7"]
    assert follower.ask("set berth = 8") == []
    assert follower.ask("get !berth") == ["8"]
    assert follower.ask("echo loading complete") == ["loading complete"]

    text = "\n".join(follower.ask(f"run client ({one}) get status"))
    assert text.startswith(f"[From Node {one}]")
    assert f'"edgelake@{one} running"' in text
    assert follower.ask(f"reply = run client {one} get status") == []
    assert any("running" in line for line in follower.ask("print !reply"))

    assert (
        follower.ask(
            'blockchain insert where policy = {"device": {"name": "d1", "id": "dev-1"}}'
            f" and local = true and master = {one}"
        )
        == []
    )
    assert (
        master.ask(
            'blockchain insert where policy = {"device": {"name": "d2", "id": "dev-2"}}'
            f" and local = true and master = {one}"
        )
        == []
    )
    assert master.ask('blockchain push {"sensor": {"name": "s1", "id": "sen-1"}}') == []
    eventually(
        lambda: len(policies(master)) == 3 and policies(master) == policies(follower),
        "three policies on both nodes",
    )
    eventually(lambda: table(master) == table(follower) == policies(master), "equal tables")
    found = json.loads("\n".join(follower.ask("blockchain get device where name = d2")))
    assert [policy["device"]["id"] for policy in found] == ["dev-2"]
    assert follower.ask("blockchain get device where name = nosuch") == []
    assert len(json.loads("\n".join(follower.ask("blockchain get *")))) == 3

    assert follower.ask(f"blockchain delete policy where id = dev-1 and master = {one}") == []
    eventually(
        lambda: len(policies(master)) == 2 and policies(master) == policies(follower),
        "the delete on both nodes",
    )
    assert follower.ask("run blockchain sync") == []
    assert any("run tcp server" in line for line in follower.ask("help"))
    assert any("external_port" in line for line in follower.ask("help run tcp server"))
    assert follower.ask("exit synchronizer") == ["synchronizer stopped"]
    assert follower.ask("exit tcp") == ["tcp stopped"]
    assert follower.end_input() == 0
    master.type("exit node")
    assert master.child.wait(20) == 0


def test_wrong_commands_get_one_line_each(start):
    node = start("node")
    cases = {
        "get statsu": ("error 141", "get status"),
        "run tcp server": ("error", "where"),
        "run tcp server where external_prt = 2 and external_ip = 127.0.0.1": (
            "column 22",
            "external_port",
        ),
        "run tcp server where external_ip = 127.0.0.1 and external_port = ham": ("ham", "column"),
        "run tcp server where external_ip = !absent and external_port = 1": ("absent", "column"),
        'print "abc': ("column 7", "quote"),
        "blockchain insert where policy = {bad and local = true": ("error", "column"),
        "process /no/such/file.al": ("/no/such/file.al", "error 112"),
        "exit teapot": ("teapot", "tcp"),
        "run client (127.0.0.1) get status": ("127.0.0.1", "ip:port"),
        "run blockchain sync": ("error 150", "run blockchain sync where"),
        "set owner = North Pier": ("error", "column"),
        "x = get nosuch": ("nosuch", "error"),
    }
    for command, parts in cases.items():
        answer = node.ask(command)
        assert len(answer) == 1, (command, answer)
        for part in parts:
            assert part in answer[0], (command, part, answer[0])
    assert node.ask("print still here") == ["still here"]
    assert node.end_input() == 1


def test_a_port_in_use_is_one_clear_line(start):
    one, two = start("one"), start("two")
    address = bring_up(one)
    port = address.rpartition(":")[2]
    two.ask("create work directories")
    answer = two.ask(
        f"run tcp server where external_ip = 127.0.0.1 and external_port = {port} and bind = true"
    )
    assert len(answer) == 1
    assert address in answer[0]
    assert "in use" in answer[0]


def test_serve_runs_until_sigterm(start):
    node = start("node", "--serve")
    address = bring_up(node)
    assert node.child.stdin is not None
    node.child.stdin.close()
    other = start("other")
    bring_up(other)
    assert any("running" in line for line in other.ask(f"run client ({address}) get status"))
    assert node.terminate() == 0


def test_a_home_serves_one_process(start, tmp_path):
    one = start("shared")
    one.ask("create work directories")
    assert one.ask('blockchain insert where policy = {"a": {}} and local = true') == []
    other = NodeProcess(tmp_path / "shared")
    with other:
        answer = other.ask('blockchain insert where policy = {"b": {}} and local = true')
        assert len(answer) == 1
        assert str(one.child.pid) in answer[0]
    one.kill()
    with NodeProcess(tmp_path / "shared") as third:
        assert third.ask('blockchain insert where policy = {"b": {}} and local = true') == []
