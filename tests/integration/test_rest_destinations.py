"""Commands for other nodes by REST: one, several, those that policies name, and silent ones."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node, errors, limits
from tests.http_calls import HOST, Caller, rest_node, tcp_place
from tests.integration.test_ledger_log import make_master
from tests.integration.test_rest import stored
from tests.waiting import eventually


@pytest.fixture
def silent() -> Iterator[str]:
    """A node that takes connections and answers nothing."""
    with socket.create_server((HOST, 0)) as listening:
        yield f"{HOST}:{listening.getsockname()[1]}"


def test_this_node_is_local(node: Node, call: Caller) -> None:
    told = node.run("get status").text
    assert call.get("get status", destination="local").text == told
    body = json.dumps({"command": "get status", "destination": "local"})
    assert call("POST", body=body).text == told


def test_who_says_nothing_is_not_waited_for_long(node: Node, call: Caller, tmp_path: Path) -> None:
    """Replies may take any time here, and this one never comes."""
    node.run("set rest timeout 0")
    master, address = make_master(tmp_path / "master")
    with master:
        policy = '{"device": {"id": "d1", "name": "d1", "date": "2026"}}'
        reply = call.post(f"blockchain push {policy}", destination=address)
        assert (reply.status, reply.text) == (200, "")
        assert stored(master) == [(policy,)]
        reply = call.post(f"blockchain push {policy}", destination=address, timeout="15")
        assert (reply.status, "d1" in reply.data["error"]) == (502, True)


@pytest.fixture
def others(tmp_path: Path) -> Iterator[list[str]]:
    """Two more nodes."""
    with Node(tmp_path / "b", name="bee") as bee, Node(tmp_path / "c", name="sea") as sea:
        for one in (bee, sea):
            one.run(
                f"run tcp server where external_ip = {HOST} and external_port = 0 and bind = true"
            )
        yield [tcp_place(bee), tcp_place(sea)]


def test_a_command_for_another_node(call: Caller, others: list[str]) -> None:
    assert call.get("get status", destination=others[0]).text == f"bee@{others[0]} running"
    found = call.get("get status where format = json", destination=others[0]).data
    assert found["status"] == "running"


def test_replies_of_several_nodes_are_merged(call: Caller, others: list[str]) -> None:
    reply = call.get("get status", destination=", ".join(others))
    assert reply.text == (
        f"[From Node {others[0]}]\n\nbee@{others[0]} running\n\n"
        f"[From Node {others[1]}]\n\nsea@{others[1]} running"
    )
    found = call.get("get status where format = json", destination=f"({', '.join(others)})").data
    assert [one["node"] for one in found] == others
    assert {one["reply"]["status"] for one in found} == {"running"}


def test_nodes_that_policies_name(node: Node, call: Caller, others: list[str]) -> None:
    for place, kind in zip(others, ("query", "publisher"), strict=True):
        ip, port = place.split(":")
        policy = {kind: {"name": f"n{port}", "ip": ip, "port": int(port), "company": "acme"}}
        node.run(f"blockchain insert where policy = {json.dumps(policy)} and local = true")
    asked = call.get("get status", destination="(query where company = acme)")
    assert asked.text == f"bee@{others[0]} running"
    everybody = call.get("get status", destination="network", Accept="application/json").data
    assert [one["node"] for one in everybody] == others


def test_a_node_that_does_not_listen(call: Caller, others: list[str]) -> None:
    with socket.create_server((HOST, 0)) as listening:
        gone = f"{HOST}:{listening.getsockname()[1]}"
    alone = call.get("get status", destination=gone)
    assert (alone.status, alone.data["code"]) == (502, 208)
    both = call.get("get status", destination=f"{others[0]}, {gone}")
    assert both.status == 502
    assert [("reply" in one, "error" in one) for one in both.data["replies"]] == [
        (True, False),
        (False, True),
    ]
    some = call.get("get status", destination=f"{others[0]}, {gone}", subset="true")
    assert some.status == 200
    assert f"bee@{others[0]} running" in some.text


def test_a_call_under_way_when_the_server_stops(node: Node, call: Caller, silent: str) -> None:
    replies = []
    ask = threading.Thread(
        target=lambda: replies.append(call.get("get status", destination=silent))
    )
    ask.start()
    jobs = node._parts.jobs
    eventually(lambda: len(jobs._slots) == 1, "it waits for the silent node")
    node.run("exit rest")
    ask.join()
    (reply,) = replies
    assert (reply.status, reply.data["code"]) == (503, errors.NotRunning.code)
    assert "stops" in reply.data["error"]


def test_a_node_that_does_not_answer(call: Caller, silent: str) -> None:
    reply = call.get("get status", destination=silent, timeout="0.2")
    assert (reply.status, reply.data["code"]) == (504, 8)


def test_silent_nodes_hold_up_nobody(node: Node, call: Caller, silent: str) -> None:
    replies: list[int] = []

    def ask() -> None:
        replies.append(call.get("get status", destination=silent, timeout="20").status)

    threads = [threading.Thread(target=ask) for _ in range(4 * limits.DEFAULT_REST_THREADS)]
    for thread in threads:
        thread.start()
    jobs = node._parts.jobs  # how many wait
    eventually(lambda: len(jobs._slots) == len(threads), "all wait for the silent node")
    assert call.get("get status").status == 200
    assert replies == []
    node.run("exit rest")
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def test_what_a_caller_may_not_do_here_he_may_not_have_done(
    call: Caller, others: list[str]
) -> None:
    assert call.post("set a = 5", destination=others[0]).status == 403
    assert call.post("nosuch command", destination=others[0]).status == 403
    assert call.post("system ls", destination=others[0]).status == 403


@pytest.mark.parametrize(
    ("destination", "command"),
    [
        ("%s) set a = 5 #", "get status"),
        ("(%s) set a = 5 #", "get status"),
        ("%s) get version", "get status"),
        ("(%s", "get status) set a = 5"),
        ("(query where company !=", "help ) set a = 5"),
        ("(%s) set a = (5", "get status)"),
    ],
)
def test_a_destination_is_no_part_of_the_command(
    node: Node, call: Caller, others: list[str], destination: str, command: str
) -> None:
    """Else GET, which a link of any page can bring, would be for more than information."""
    node.run("set remote permission = admin")
    place = f'{{"query": {{"name": "q", "ip": "{HOST}", "port": {others[0].split(":")[1]}}}}}'
    node.run(f"blockchain insert where policy = {place} and local = true")
    reply = call.get(command, destination=destination.replace("%s", others[0]))
    assert reply.status == 400, reply.text


def test_no_node_is_made_to_send_files(node: Node, call: Caller, others: list[str]) -> None:
    node.run("set remote permission = admin")
    for more in ({}, {"destination": others[0]}):
        reply = call.post("file get !!blockchain_file", **more)
        assert (reply.status, reply.data["code"]) == (403, 212)


def test_what_another_node_refuses_is_told(node: Node, call: Caller, others: list[str]) -> None:
    node.run("set remote permission = admin")
    reply = call.post("set a = 5", destination=others[0])
    assert (reply.status, reply.data["code"]) == (502, 212)
    assert others[0] in reply.data["error"]


def test_no_destination_without_a_tcp_server(tmp_path: Path, silent: str) -> None:
    with rest_node(tmp_path / "home", tcp=False) as (_, call):
        reply = call.get("get status", destination=silent)
        assert (reply.status, reply.data["code"]) == (503, 135)


def test_the_timeout_is_set(node: Node, silent: str, call: Caller) -> None:
    node.run("set rest timeout 1")
    assert node.run("get rest server info where format = json").data["timeout_s"] == 1.0
    assert "1 seconds" in call.get("get status", destination=silent).data["error"]
    node.run("set rest timeout 2 minutes")
    assert node.run("get rest server info where format = json").data["timeout_s"] == 120.0
