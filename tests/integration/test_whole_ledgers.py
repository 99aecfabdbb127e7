"""A master gives its whole ledger: to many at once, and when there is no room for it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgelake import Node, limits
from edgelake.services.master import MasterLedger
from edgelake.wire import Assembler
from tests.old_node import data_of
from tests.sessions import TRACKED, marked, open_session, request
from tests.waiting import eventually

ASK = "event get_ledger_after 0 0 0 0 {}"
NO_ROOM = 108
MANY = 12
AT_ERROR = slice(37, 39)


def listen(node: Node) -> str:
    node.run("run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true")
    return str(node.run("get connections").data["TCP"]["external"])


@pytest.fixture
def master(tmp_path: Path) -> Iterator[tuple[Node, str]]:
    with Node(tmp_path / "master") as node:
        node.run("connect dbms blockchain where type = sqlite")
        node.run("create table ledger where dbms = blockchain")
        for name in ("a", "ü", "c"):
            policy = {"device": {"name": name, "id": name, "note": "x" * 70_000}}
            node.run(f"blockchain push {json.dumps(policy, ensure_ascii=False)}")
        yield node, listen(node)


def place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def ledger_of(node: Node) -> bytes:
    return node._parts.master_ledger().snapshot().data


def follow(node: Node, address: str) -> None:
    listen(node)
    node.run(
        "run blockchain sync where source = master and time = 1 hour and dest = file"
        f" and connection = {address}"
    )


def test_many_who_ask_at_once_get_the_same_bytes(master: tuple[Node, str]) -> None:
    node, address = master
    whole = ledger_of(node)
    with ExitStack() as stack:
        lines = [
            stack.enter_context(open_session(place(address), request(f"get x {n}")))
            for n in range(MANY)
        ]
        for line in lines:
            line.message()  # what "get x" is answered
        for number, line in enumerate(lines):
            line.send(marked(request(ASK.format(f"token{number}"), 7), TRACKED))
        for number, line in enumerate(lines):
            (answer,) = Assembler().feed(line.message())
            top, _, ledger = answer.data.partition(b"\n")
            said = json.loads(top)
            assert said["token"] == f"token{number}"
            assert said["sha256"] == hashlib.sha256(whole).hexdigest()
            assert (said["bytes"], said["count"]) == (len(whole), 3)
            assert ledger == whole


def test_the_bound_of_what_waits_is_exact(
    master: tuple[Node, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, address = master
    size = len(ledger_of(node))
    with open_session(place(address), request("get x")) as line:
        line.message()
        for room, fits in ((size - 1, False), (size, True)):
            monkeypatch.setattr(limits, "MAX_PENDING_LARGE_BYTES", room)
            line.send(marked(request(ASK.format("any"), 7), TRACKED))
            answer = line.message()
            error = int.from_bytes(answer[AT_ERROR], "big")
            assert error == (0 if fits else NO_ROOM)
            assert (b"overloaded" in data_of(answer)) is not fits
        # What is small is answered all the same.
        monkeypatch.setattr(limits, "MAX_PENDING_LARGE_BYTES", 0)
        line.send(marked(request("get node name", 7), TRACKED))
        assert int.from_bytes(line.message()[AT_ERROR], "big") == 0


def test_a_follower_for_whom_there_is_no_room_comes_again_soon(
    master: tuple[Node, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, address = master
    monkeypatch.setattr(limits, "LEDGER_BUSY_PAUSE_S", 0.05)
    monkeypatch.setattr(limits, "MAX_PENDING_LARGE_BYTES", 0)
    with Node(tmp_path / "follower") as follower:
        follow(follower, address)
        eventually(
            lambda: "as many ledgers as it can" in str(figures(follower)["last_error"]),
            "the refusal",
        )
        eventually(lambda: int(str(figures(follower)["sync_err"])) > 2, "further questions")
        assert follower.run("blockchain get *").data in (None, [])
        monkeypatch.setattr(limits, "MAX_PENDING_LARGE_BYTES", 10_000_000)
        eventually(lambda: figures(follower)["loads"] == 1, "the ledger")
        assert follower._parts.ledger.master_bytes() == ledger_of(node)
        assert figures(follower)["pushed"] is True


def test_a_master_that_keeps_connections_is_given_time_for_its_first_answer(
    master: tuple[Node, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = master
    monkeypatch.setattr(limits, "LEDGER_NEWS_WAIT_S", 0.3)
    look = MasterLedger.sequenced

    def slowly(ledger: MasterLedger) -> object:
        threading.Event().wait(1.0)
        return look(ledger)

    monkeypatch.setattr(MasterLedger, "sequenced", slowly)
    with Node(tmp_path / "follower") as follower:
        follow(follower, address)
        eventually(lambda: figures(follower)["loads"] == 1, "the ledger")
        # By the log: as an old master it would have been asked for a file.
        assert figures(follower)["sequence"] == 3


def test_who_asks_on_the_node_itself_reads_the_ledger_as_text(master: tuple[Node, str]) -> None:
    node, _ = master
    answer = node.run(ASK.format("any"))
    assert answer.text.partition("\n")[2].encode() == ledger_of(node)
    assert answer.body == b""


def figures(node: Node) -> dict[str, object]:
    found: dict[str, object] = node.run("get synchronizer").data
    return found
