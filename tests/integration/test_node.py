"""Two nodes in one process, talking over real sockets."""

from __future__ import annotations

import hashlib
import json
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Client, Node
from edgelake.errors import (
    AlreadyRunning,
    MissingOption,
    NoReply,
    NotRunning,
    PeerRefused,
    RemoteError,
    ScriptError,
    TcpNotRunning,
    UnknownCommand,
    WrongValue,
)
from tests.waiting import eventually


def listen(node: Node, port: int = 0) -> str:
    """Start the node's TCP server; return its ip:port."""
    node.run(
        f"run tcp server where external_ip = 127.0.0.1 and external_port = {port}"
        " and bind = true and threads = 2"
    )
    return node.run("get connections").data["TCP"]["external"]


def make_node(home: Path) -> Node:
    """Return a node with its ledger table."""
    node = Node(home)
    node.run("create work directories")
    node.run("connect dbms blockchain where type = sqlite")
    node.run("create table ledger where dbms = blockchain")
    return node


@pytest.fixture
def master(tmp_path: Path) -> Iterator[tuple[Node, str]]:
    """A master that listens, with its address."""
    with make_node(tmp_path / "master") as node:
        address = listen(node)
        node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
        yield node, address


@pytest.fixture
def follower(tmp_path: Path, master: tuple[Node, str]) -> Iterator[tuple[Node, str]]:
    """A node that follows the master to file and table."""
    with make_node(tmp_path / "follower") as node:
        address = listen(node)
        node.run(
            "run blockchain sync where source = master and time = 1 second and dest = file"
            f" and dest = dbms and connection = {master[1]}"
        )
        yield node, address


def names(node: Node) -> list[str]:
    """Return the names of all policies a node knows."""
    return [next(iter(p.values()))["name"] for p in node.run("blockchain get *").data]


def rows(node: Node) -> list[str]:
    """Return the policies of the node's table, from the file on disk."""
    path = node.home.databases_dir / "blockchain.dbms"
    with sqlite3.connect(path) as database:
        found = [row[0] for row in database.execute("select policy from ledger order by date")]
    database.close()
    return found


def ledger_bytes(node: Node) -> bytes:
    """Return the node's ledger file."""
    node._parts.ledger.write_file()
    path = Path(node.home.ledger_file)
    return path.read_bytes() if path.exists() else b""


# ------------------------------------------------------------ requests


def test_a_node_answers_another(master, follower):
    shown = follower[0].run(f"run client ({master[1]}) get status").text
    assert shown == f'[From Node {master[1]}]\n\n"edgelake@{master[1]} running"\n'


def test_an_assignment_waits_for_the_reply(master, follower):
    node = follower[0]
    node.run(f"answer = run client ({master[1]}) get status")
    assert f"edgelake@{master[1]} running" in node.run("get !answer").text


def test_json_over_the_wire_is_json(master, follower):
    node = follower[0]
    reply = node.run(f"run client ({master[1]}) get processes where format = json").data[0]
    assert json.loads(reply["reply"])["TCP"]["Status"] == "Running"


def test_two_destinations(master, follower):
    text = follower[0].run(f"run client ({master[1]}, {follower[1]}) get status").text
    assert f"[From Node {master[1]}]" in text
    assert f"[From Node {follower[1]}]" in text


def test_unknown_command_of_a_peer(master, follower):
    with pytest.raises(RemoteError, match="Command 'nosuch word' not recoginzed") as caught:
        follower[0].run(f"run client ({master[1]}) nosuch word")
    assert caught.value.remote_code == 1


def test_refused_destination_is_reported_and_a_subset_taken(master, follower):
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{spare.getsockname()[1]}"
        with pytest.raises(PeerRefused, match=dead):
            follower[0].run(f"run client ({dead}) get status")
        text = (
            follower[0]
            .run(f"run client ({master[1]}, {dead}, subset = true, timeout = 5) get status")
            .text
        )
        assert "running" in text
        assert f"[Message to Node {dead}] [Connection Failed]" in text
        # Without a subset the fault is raised, and what came is shown before it, as it came.
        shown: list[str] = []
        with pytest.raises(PeerRefused, match=dead):
            follower[0].execute(
                f"run client ({master[1]}, {dead}) get status",
                lambda result: shown.append(result.text),
            )
        assert len(shown) == 2
        assert f"[From Node {master[1]}]" in shown[0]
        assert f"[Message to Node {dead}] [Connection Failed]" in shown[1]


def test_policies_of_a_peer_are_laid_out(master, follower):
    master[0].run('blockchain push {"device": {"name": "d1", "note": "it\'s"}}')
    eventually(lambda: bool(master[0].run("blockchain get *").data), "the policy")
    shown = follower[0].run(f"run client ({master[1]}) blockchain get *").text
    head, _, listed = shown.partition("\n\n")
    assert head == f"[From Node {master[1]}]"
    assert json.loads(listed)[0]["device"]["note"] == "it's"


def test_a_request_of_many_blocks_is_answered(master, follower):
    words = " ".join(["and"] * 1000)
    with pytest.raises(RemoteError, match=r"\[From Node .*and"):
        follower[0].run(f"run client ({master[1]}) get dictionary {words}")


def test_print_at_a_peer_appears_there(master, follower):
    follower[0].run(f'run client ({master[1]}) print "two  words" and more')
    seen: list[str] = []

    def arrived() -> bool:
        seen.extend(notice.text for notice in master[0].notices())
        return "two  words and more" in seen

    eventually(arrived, "the peer's notice")


def test_client_of_a_program(master):
    with Client(master[1]) as client:
        assert client.request("get status") == f"edgelake@{master[1]} running"
        with pytest.raises(RemoteError) as caught:
            client.request("get nosuch")
        assert caught.value.remote_code == 2
        with pytest.raises(NoReply):
            client.request("event nosuch_event_is_not_known", timeout=0.0)


def test_a_reply_longer_than_a_block(master):
    node, address = master
    node.run(f'long = "{"ü" * 3000}"')
    with Client(address) as client:
        assert client.request("get !long") == "ü" * 3000


def test_commands_need_the_server(tmp_path):
    with Node(tmp_path) as node, pytest.raises(TcpNotRunning, match="not running"):
        node.run("run client (127.0.0.1:2048) get status")


# ---------------------------------------------------------- permission


@pytest.mark.parametrize(
    "command",
    [
        "exit node",
        "exit tcp",
        "set owner = me",
        "process /etc/passwd",
        "create work directories",
        "connect dbms other where type = sqlite",
        "run client (127.0.0.1:2048) get status",
        "set remote permission = admin",
        "blockchain delete policy where id = x and local = true",
    ],
)
def test_a_peer_may_not_change_the_node(master, command):
    node, address = master
    before = node.run("get dictionary").data
    with Client(address) as client:
        with pytest.raises(RemoteError) as caught:
            client.request(command)
        assert caught.value.remote_code == 212
        assert client.request("get status").endswith("running")
    assert node.run("get dictionary").data == before


@pytest.mark.parametrize("command", ["system ls", "python 1 + 1"])
def test_a_peer_cannot_run_programs(master, command):
    with Client(master[1]) as client:
        with pytest.raises(RemoteError) as caught:
            client.request(command)
        assert caught.value.remote_code in (1, 212)


def test_a_peer_does_not_see_the_environment(master, monkeypatch):
    monkeypatch.setenv("EDGELAKE_TEST_SECRET", "hidden")
    with Client(master[1]) as client, pytest.raises(RemoteError) as caught:
        client.request("get $EDGELAKE_TEST_SECRET")
    assert "hidden" not in str(caught.value)


def test_levels(master):
    node, address = master
    push = 'blockchain push {"device": {"name": "by a peer"}}'
    with Client(address) as client:
        node.run("set remote permission = read")
        with pytest.raises(RemoteError) as caught:
            client.request(push, timeout=5)
        assert caught.value.remote_code == 212
        node.run("set remote permission = admin")
        with pytest.raises(NoReply):
            client.request("set owner = me", timeout=0.5)
        eventually(lambda: node.run("get !owner").text == "me", "the variable of an admin peer")


# --------------------------------------------------------------- ledger


def test_an_insert_on_either_side_reaches_both(master, follower):
    one, two = master[0], follower[0]
    two.run(
        'blockchain insert where policy = {"device": {"name": "from follower"}}'
        f" and local = true and master = {master[1]}"
    )
    one.run(
        'blockchain insert where policy = {"device": {"name": "from master"}}'
        f" and local = true and master = {master[1]}"
    )
    eventually(
        lambda: (
            sorted(names(one)) == sorted(names(two)) == ["from follower", "from master"]
            and ledger_bytes(one) == ledger_bytes(two)
            and sorted(rows(one)) == sorted(rows(two))
        ),
        "two equal ledgers",
    )
    assert [json.loads(row) for row in rows(one)] == [
        json.loads(line) for line in ledger_bytes(one).splitlines()
    ]
    assert b'"ledger": "local"' not in ledger_bytes(two)


def test_a_local_policy_is_sent_again_until_the_master_has_it(tmp_path, master):
    with make_node(tmp_path / "late") as node:
        node.run('blockchain insert where policy = {"device": {"name": "early"}} and local = true')
        assert names(node) == ["early"]
        listen(node)
        node.run(
            "run blockchain sync where source = master and time = 1 second and dest = file"
            f" and connection = {master[1]}"
        )
        eventually(lambda: names(master[0]) == ["early"], "the policy at the master")
        eventually(lambda: b'"global"' in ledger_bytes(node), "the confirmation")


def test_a_large_policy_reaches_the_master(master, follower):
    text = "x" * 5000
    follower[0].run(
        f'blockchain insert where policy = {{"device": {{"name": "big", "text": "{text}"}}}}'
        f" and local = true and master = {master[1]}"
    )
    eventually(lambda: names(master[0]) == ["big"], "the large policy at the master")


def test_delete_reaches_all(master, follower):
    two = follower[0]
    two.run(
        'blockchain insert where policy = {"device": {"name": "short lived", "id": "d-1"}}'
        f" and local = true and master = {master[1]}"
    )
    two.run(
        'blockchain insert where policy = {"device": {"name": "stays", "id": "d-2"}}'
        f" and local = true and master = {master[1]}"
    )
    eventually(lambda: len(names(master[0])) == 2 and len(names(two)) == 2, "two policies")
    two.run(f"blockchain delete policy where id = d-1 and master = {master[1]}")
    assert names(two) == ["stays"]
    eventually(lambda: names(master[0]) == ["stays"], "the delete at the master")
    eventually(lambda: rows(two) == rows(master[0]), "the delete in the follower's table")
    eventually(
        lambda: ledger_bytes(two) == ledger_bytes(master[0]), "no trace of the deleted policy"
    )


def test_an_unchanged_poll_is_answered_with_silence(master):
    node, address = master
    node.run(
        'blockchain insert where policy = {"device": {"name": "one"}}'
        f" and local = true and master = {address}"
    )
    eventually(lambda: names(node) == ["one"], "the policy")
    eventually(lambda: b'"global"' in ledger_bytes(node), "the confirmation")
    known = hashlib.md5(ledger_bytes(node)).hexdigest()
    with Client(address) as client:
        with pytest.raises(NoReply):
            client.request(f"event get_blockchain /x/b.new {known} 0", timeout=0.5)
        told = client.request(f"event get_blockchain /x/b.new {known} 2")
        assert "not changed" in told
        with pytest.raises(RemoteError) as caught:
            client.request("event get_blockchain /x/b.new 0")
        assert caught.value.remote_code == 64


def test_an_empty_master_does_not_empty_its_followers(tmp_path, master, follower):
    two = follower[0]
    two.run(
        'blockchain insert where policy = {"device": {"name": "kept"}}'
        f" and local = true and master = {master[1]}"
    )
    eventually(lambda: b'"global"' in (ledger_bytes(two) or b""), "a synchronized ledger")
    master[0].close()
    port = master[1].rpartition(":")[2]
    with make_node(tmp_path / "fresh") as fresh:
        listen(fresh, int(port))
        eventually(
            lambda: "without policies" in str(two.run("get synchronizer").data["last_error"]),
            "the report of an empty ledger",
        )
        assert names(two) == ["kept"]


def test_a_stranger_cannot_put_a_ledger_here(follower):
    from edgelake.wire import FileFlag, MessageSender, file_blocks, parse_endpoint

    node, address = follower
    sender = MessageSender()
    sender.start()
    name = str(Path(node.home.ledger_file).with_suffix(".new"))
    content = b'{"device": {"name": "forged", "id": "f", "date": "2026-01-01T00:00:00.000000Z"}}\n'
    for flag in FileFlag:
        blocks = file_blocks(name, content, flag, "127.0.0.1", 0)
        sender.send(parse_endpoint(address), blocks).result(5)
    with Client(address) as client:
        assert client.request("get status").endswith("running")
    sender.stop(1.0)
    assert names(node) == []
    assert not Path(name).exists()


def test_synchronizer_reports_a_dead_master_and_recovers(tmp_path, master):
    address = master[1]
    port = int(address.rpartition(":")[2])
    with make_node(tmp_path / "node") as node:
        listen(node)
        node.run(
            "run blockchain sync where source = master and time = 1 second and dest = file"
            f" and connection = {address}"
        )
        eventually(lambda: node.run("get synchronizer").data["calls"] > 0, "a first cycle")
        master[0].run("exit tcp")
        eventually(
            lambda: "refused" in str(node.run("get synchronizer").data["last_error"]),
            "the report of a refused connection",
        )
        assert "Retrying" in node.run("get processes").data["Blockchain Sync"]["Details"]
        listen(master[0], port)
        eventually(
            lambda: node.run("get synchronizer").data["failures_in_a_row"] == 0, "the recovery"
        )


# ------------------------------------------------------------- services


def test_stop_and_start_again_on_the_same_port(tmp_path):
    with Node(tmp_path) as node:
        address = listen(node)
        with pytest.raises(AlreadyRunning):
            listen(node)
        for _ in range(5):
            assert node.run("exit tcp").text == "tcp stopped"
            assert node.run("exit tcp").text == "tcp was not running"
            assert listen(node, int(address.rpartition(":")[2])) == address


def test_threads_are_honoured(tmp_path):
    with Node(tmp_path) as node:
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0"
            " and bind = true and threads = 3"
        )
        assert node.run("get tcp pool where format = json").data["threads"] == 3


def test_a_taken_port_is_reported_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, Node(tmp_path) as node:
        port = taken.getsockname()[1]
        with pytest.raises(Exception, match=f"cannot listen on 127.0.0.1:{port}"):
            listen(node, port)
        assert node.run("get processes").data["TCP"]["Status"] == "Not declared"


@pytest.mark.parametrize(
    ("command", "kind", "text"),
    [
        ("run tcp server where external_ip = 127.0.0.1", MissingOption, "port"),
        ("run blockchain sync where source = dbms", MissingOption, "time"),
        ("exit teapot", WrongValue, "teapot"),
        ("get statsu", UnknownCommand, "get statsu"),
        ('blockchain insert where policy = {"a":{}}', MissingOption, "place"),
    ],
)
def test_wrong_commands(tmp_path, command, kind, text):
    with Node(tmp_path) as node, pytest.raises(kind, match=text):
        node.run(command)


def test_a_block_in_one_text(tmp_path):
    with Node(tmp_path) as node:
        assert node.run("<print one\n  two>").text == "one two"
    with pytest.raises(NotRunning):
        node.run("get status")


def test_the_node_without_services(tmp_path):
    with Node(tmp_path) as node:
        assert node.run("get tcp pool").text == "Tcp Pool is not declared"
        assert node.run("get connections").data["REST"]["bind"] == "Not declared"
        assert node.run("get processes").data["TCP"]["Details"] == "No active connection"


def test_a_script_names_file_and_line(tmp_path):
    script = tmp_path / "start.al"
    script.write_text("first = 1\n# note\nsecond = 2\nget statsu\nthird = 3\n")
    with Node(tmp_path / "home") as node:
        with pytest.raises(ScriptError, match=r"start\.al, line 4") as caught:
            node.run(f"process {script}")
        assert caught.value.code == 141
        assert node.run("print !first !second !third").text.split() == ["1", "2"]


def test_dictionary_of_a_new_node(tmp_path):
    with Node(tmp_path / "home") as node:
        entries = node.run("get dictionary where format = json").data
        assert {
            *("edgelake_path", "ip", "external_ip", "dns", "external_dns", "is_vm"),
            *("anylog_server_port", "anylog_rest_port", "io_buff_size", "db_port"),
            *("blockchain_dir", "blockchain_file", "blockchain_new", "blockchain_sql"),
            *("local_scripts", "prep_dir", "watch_dir", "bkup_dir", "err_dir", "dbms_dir"),
            *("archive_dir", "distr_dir", "pem_dir", "test_dir", "blobs_dir", "bwatch_dir"),
            *("tmp_dir", "id_dir"),
        } == entries.keys()
        assert entries["anylog_server_port"] == "2048"
        assert socket.inet_aton(entries["ip"])
        port = listen(node).split(":")[1]
        assert node.run("print !ip !external_ip !anylog_server_port").text == (
            f"127.0.0.1 127.0.0.1 {port}"
        )
