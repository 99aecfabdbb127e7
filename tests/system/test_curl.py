"""Curl lines, as users write them, against two live nodes: the very lines of the examples."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.curl_lines import EXAMPLES, Pair, Said, blocks, documented, pair
from tests.waiting import eventually

PROBLEM = {"code", "error", "hint"}
WRONG = blocks("wrong.sh")
STORED = {"AnyLog.status": "Success", "AnyLog.hash": "0"}


@pytest.fixture(scope="module", autouse=True)
def _curl() -> None:
    if shutil.which("curl") is None:
        reason = "the Debian package curl is not installed: run tests/install-packages"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two nodes of which no test ends one."""
    with pair(tmp_path_factory.mktemp("steady")) as made:
        yield made


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path) as made:
        yield made


# ------------------------------------------------------------------ examples


def same(text: str) -> Callable[[Said, Pair], bool]:
    return lambda said, net: said.text == text


def has(*parts: str) -> Callable[[Said, Pair], bool]:
    return lambda said, net: all(part in said.text for part in parts)


def running(*names: str) -> Callable[[Said, Pair], bool]:
    """Return whether just these nodes say that they run, one of them without its name."""

    def check(said: Said, net: Pair) -> bool:
        places = [getattr(net, name) for name in names]
        lines = [f"edgelake@{place} running" for place in places]
        if len(places) == 1:
            return said.text == lines[0]
        parts = (f"[From Node {p}]\n\n{one}\n" for p, one in zip(places, lines, strict=True))
        return said.text == "\n".join(parts)

    return check


def data(check: Callable[[object], bool]) -> Callable[[Said, Pair], bool]:
    return lambda said, net: check(said.data)


def ids(*expected: str) -> Callable[[Said, Pair], bool]:
    """Return whether just these policies come, as JSON."""

    def check(said: Said, net: Pair) -> bool:
        return {body["id"] for policy in said.data for body in policy.values()} == set(expected)

    return check


def calls_by(caller: str) -> Callable[[Said, Pair], bool]:
    """Return whether calls of that program were counted, whichever header named it."""

    def check(said: Said, net: Pair) -> bool:
        rows = [line.split("|") for line in said.text.splitlines()]
        counts = {row[1].strip(): int(row[2]) for row in rows if row[0].strip() == caller}
        # Those of JSON bodies name it there alone.
        return counts["GET"] > 10 and counts["POST"] > 8 and counts["PUT"] == 2

    return check


EXPECTED: dict[str, Callable[[Said, Pair], bool]] = {
    "Ask a node": running("here"),
    "Ask a node, with long options": has("TCP", "|Running|Listening on: ", "Blockchain Sync"),
    "JSON in the place of a table": data(lambda found: found["REST"]["Status"] == "Running"),
    "JSON of any command": data(lambda found: found["status"] == "running"),
    "Say who calls as pages in a browser do": lambda said, net: (
        f"REST|{net.node}" in re.sub(" ", "", said.text)
    ),
    "Help": has("Usage:", "blockchain insert where policy = <json>"),
    "The address alone": running("here"),
    "The address alone, as existing nodes want it": data(lambda f: f["status"] == "running"),
    "The address alone, written by curl": running("peer"),
    "A JSON body": running("here"),
    "A JSON body with variables": same('{"machine": "mill 7"}'),
    "A JSON body for another node": running("peer"),
    "A command that does something": same(""),
    "Commands in the lines of a body": same("fen\n2"),
    "A variable for later calls": same(""),
    "Another node": running("peer"),
    "Another node, by a variable of this one": running("peer"),
    "Another node, and JSON": lambda said, net: said.data["assigned_name"].endswith(net.peer),
    "Several nodes": running("peer", "here"),
    "Several nodes, and JSON": lambda said, net: (
        [(one["node"], one["reply"]["status"]) for one in said.data]
        == [(net.peer, "running"), (net.here, "running")]
    ),
    "Those of several nodes that answer within two seconds": has(
        "running", "[From Node 127.0.0.1:1]", "error 208: 127.0.0.1:1 refused the connection"
    ),
    "This node, and no other": running("here"),
    "A policy, by a variable of the body": same(""),
    "A policy over several lines": same(""),
    "A policy for the master's table": same(""),
    "The same with a JSON body": same(""),
    "Find policies": ids("curl-mill"),
    "Policies that are not there": data(lambda found: found == []),
    "Policies of another node": ids("curl-mill", "curl-query", "curl-sensor", "curl-publisher"),
    "Parts of policies": lambda said, net: sorted(said.text.split()) == ["fen", "wall"],
    "Nodes that policies name": running("peer"),
    "All nodes that policies name": running("peer"),
    "Take the policies back": same(""),
    "Take the policy of the master's table back": same(""),
    "Rows as a file": data(lambda f: re.fullmatch("[0-9a-f]{32}", f["AnyLog.hash"]) is not None),
    "Rows one by one": data(lambda found: found == STORED),
    "Rows of a pipe, compressed": data(lambda found: found["AnyLog.status"] == "Success"),
    "Say what messages become": same("client of messages 1"),
    "Messages": data(lambda found: found == STORED),
    "Messages without a command": data(lambda found: found == STORED),
    "What came in": data(
        lambda found: (
            {one["table"]: (one["file_rows"], one["rows"]) for one in found}
            == {"plant1.motors": (2, 1), "plant1.levels": (3, 1), "plant1.gates": (0, 2)}
        )
    ),
    "End it": same(""),
    "Who called": calls_by("anylog"),
    "Metrics": has('edgelake_rest_calls_total{method="PUT",status="200"} 3.0'),
    "Health": data(lambda found: found == {"status": "ok"}),
}
ELSEWHERE = {"Policies of another node"}
"""What comes to the other node in its time is asked for again and again."""


def test_every_line_of_the_example_works(steady: Pair) -> None:
    found = blocks("curl.sh")
    assert found.keys() == EXPECTED.keys()
    for title, lines in found.items():

        def works(lines: str = lines, title: str = title) -> bool:
            said = steady.run(lines)
            assert said.status == 200, (title, said)
            assert title in ELSEWHERE or EXPECTED[title](said, steady), (title, said)
            return EXPECTED[title](said, steady)

        eventually(works, title)
    # Rows are on the disk as they were sent.
    watch = steady.follower.home / "EdgeLake" / "data" / "watch"
    (path,) = watch.glob("plant1.motors.*.json")
    first = '{"machine": "mill 7", "value": 7.10, "ts": "2026-11-23T23:05:09Z"}'
    assert path.read_text().splitlines()[0] == first
    # What was taken back is gone on both.
    eventually(lambda: not steady.master.ledger.read_text().strip(), "the master's is empty")
    eventually(lambda: not steady.follower.ledger.read_text().strip(), "and the follower's")


def test_the_example_runs_as_a_whole(net: Pair) -> None:
    """As a script: each call is made, and nothing but calls."""
    net.run(f"sh {EXAMPLES / 'curl.sh'}")
    told = net.follower.ask("get rest calls where format = json")
    answered = sum(one["processed"] for one in json.loads("\n".join(told)))
    assert answered == len(EXPECTED)
    assert [one["last_error"] for one in json.loads("\n".join(told)) if one["errors"]] == []


# --------------------------------------------------------------------- wrong


@pytest.mark.parametrize("title", WRONG)
def test_what_is_wrong_is_told_with_its_status(steady: Pair, title: str) -> None:
    said = steady.run(WRONG[title], str(EXAMPLES / "wrong.sh"))
    assert said.status == int(title[:3]), said
    assert said.data.keys() - {"replies"} == PROBLEM
    assert said.data["code"] > 0
    assert said.data["error"]
    # What another node refused comes with its own words alone.
    assert said.data["hint"] or "[From Node" in said.data["error"]
    assert steady.run('curl "$node/?command=get%20status"').status == 200


def test_a_node_that_sleeps_holds_up_nobody_else(net: Pair) -> None:
    """It takes connections, as the system does that for it, and says nothing."""
    ask = 'curl -X GET "$node" -H "command: get status" -H "destination: $peer" -H "timeout: 1"'
    net.master.child.send_signal(signal.SIGSTOP)
    try:
        said = net.run(ask)
        assert (said.status, said.data.keys()) == (504, PROBLEM)
        assert f"no reply from {net.peer} within 1 seconds" in said.data["error"]
        both = net.run(ask.replace("$peer", "$peer, $here") + ' -H "Accept: application/json"')
        assert both.status == 504
        assert [one["node"] for one in both.data["replies"]] == [net.peer, net.here]
        assert "running" in both.data["replies"][1]["reply"]
        assert net.run('curl "$node/?command=get%20status"').status == 200
    finally:
        net.master.child.send_signal(signal.SIGCONT)
    eventually(lambda: net.run(ask).status == 200, "it wakes up")


def test_a_node_that_died(net: Pair) -> None:
    lines = blocks("curl.sh")
    net.master.kill()
    one = net.run(lines["Another node"])
    assert (one.status, one.data["code"], one.data.keys()) == (502, 208, PROBLEM)
    several = net.run(lines["Several nodes"])
    assert several.status == 502
    assert [reply["node"] for reply in several.data["replies"]] == [net.peer, net.here]
    # A policy waits here until there is a master again.
    assert net.run(lines["A policy, by a variable of the body"]).status == 200
    (policy,) = net.run(lines["Find policies"]).data
    assert policy["device"]["ledger"] == "local"


def test_without_permission(net: Pair) -> None:
    """As a node starts: callers may look, and change nothing."""
    lines = blocks("curl.sh")
    net.follower.ask("set rest anonymous = default")
    for title in ("Ask a node", "Several nodes", "Rows one by one", "A JSON body"):
        assert net.run(lines[title]).status == 200, title
    for title in ("A policy, by a variable of the body", "A command that does something"):
        said = net.run(lines[title])
        assert (said.status, said.data["code"], said.data.keys()) == (403, 212, PROBLEM), title
    net.follower.ask("set rest anonymous = none")
    assert net.run(lines["Ask a node"]).status == 401
    assert net.run(lines["Health"]).status == 200


# ------------------------------------------------------------- documentation


def test_what_the_pages_show_works_as_written(net: Pair) -> None:
    """The lines of docs/, with the addresses of the nodes at hand; those of TLS are not run."""
    (net.folder / "rows.json").write_text('{"value": 1}\n{"value": 2}\n')
    cluster = {"cluster": {"id": "c", "name": "c", "company": "acme"}}
    ip, port = net.peer.split(":")
    place = {"ip": ip, "port": int(port)}
    operator = {"operator": {"name": "o", "cluster": "c", "company": "acme", **place}}
    for policy in (cluster, operator):
        insert = f"blockchain insert where policy = {json.dumps(policy)} and local = true"
        assert net.follower.ask(insert) == []
    real = {
        "10.0.0.7:32049": net.node,
        "10.0.0.8:32048": net.peer,
        "10.0.0.9:32048": net.here,
    }
    calls = 0
    for page in ("rest.md", "data.md", "metrics.md"):
        for line in documented(page):
            if "https://" in line:
                continue
            for shown, address in real.items():
                line = line.replace(shown, address)
            assert "10.0.0." not in line
            if "curl" in line:
                said = net.run(line)
                assert said.status == 200, (line, said)
                calls += 1
            else:
                told = net.follower.ask(line)
                assert not any(one.startswith("error") for one in told), (line, told)
    assert calls > 15
