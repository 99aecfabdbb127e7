"""A follower whose master leaves while it is asked; the master is played by hand."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from edgelake import Node, limits
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint
from tests.old_node import command_of
from tests.sessions import PATIENCE_S, Line, Place, accepting, listening
from tests.waiting import eventually

from .test_ledger_log import figures, follow, make_master

QUESTION = "event get_ledger_after 0 0 0 0 "


@pytest.fixture(autouse=True)
def long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let who waits for the end of the time for an answer fail."""
    monkeypatch.setattr(limits, "LEDGER_ANSWER_WAIT_S", 600.0)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sessions to the master that the follower has seen, 0 for none."""
    found: list[int] = []
    look = TcpService.session_to

    def looked(self: TcpService, to: Endpoint) -> int:
        found.append(look(self, to))
        return found[-1]

    monkeypatch.setattr(TcpService, "session_to", looked)
    return found


def asked(place: Place, accept: Callable[[], Line]) -> Line:
    """Accept the session of a follower, and with it its question."""
    line = accept()
    offer = line.block()
    assert command_of(offer).startswith(QUESTION)
    line.send(accepting(offer, place))
    return line


@pytest.mark.parametrize("reset", [False, True])
def test_a_master_that_leaves_is_asked_again_at_once_and_then_it_is_told(
    tmp_path: Path, seen: list[int], reset: bool
) -> None:
    with listening() as (place, accept), Node(tmp_path / "node") as node:
        follow(node, "{}:{}".format(*place))
        for _ in range(2):
            seen.clear()
            line = asked(place, accept)
            eventually(lambda: any(seen), "a look at the session")
            if reset:
                line.reset()
            else:
                line.socket.close()
        eventually(lambda: figures(node)["failures_in_a_row"] == 1, "the failure")
        assert "closed the connection and did not answer" in str(figures(node)["last_error"])
        # It is not taken for an existing node, and asked again.
        node.run("run blockchain sync")
        asked(place, accept).socket.close()


def test_a_session_that_ends_before_anybody_saw_it(tmp_path: Path, seen: list[int]) -> None:
    with listening() as (place, accept), Node(tmp_path / "node") as node:
        follow(node, "{}:{}".format(*place))
        asked(place, accept).socket.close()
        asked(place, accept).socket.close()


def test_a_master_that_is_gone_is_told_to_be(tmp_path: Path, seen: list[int]) -> None:
    with Node(tmp_path / "node") as node:
        with listening() as (gone, take):
            follow(node, "{}:{}".format(*gone))
            line = asked(gone, take)
            eventually(lambda: any(seen), "a look at the session")
        line.socket.close()
        eventually(lambda: figures(node)["failures_in_a_row"] == 1, "the failure")
        assert "refused the connection" in str(figures(node)["last_error"])


def test_a_master_that_was_ours_is_not_old_because_it_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SYNC_BACKOFF_MAX_S", 0.05)
    master, address = make_master(tmp_path / "master")
    with Node(tmp_path / "node") as node:
        with master:
            follow(node, address, "0.1 seconds")
            eventually(lambda: figures(node)["pushed"] is True, "the first answer")
        # What stands in its place takes connections and closes them, as some proxies do.
        host, _, port = address.rpartition(":")
        with socket.create_server((host, int(port))) as proxy:
            proxy.settimeout(PATIENCE_S)
            heard: list[str] = []
            while len(heard) < limits.MAX_MUTE_LEDGER_ANSWERS:
                with Line(proxy.accept()[0]) as line:
                    heard.append(command_of(line.block()).rpartition(" ")[0])
                    line.socket.shutdown(socket.SHUT_RDWR)
            assert all(one.startswith("event get_ledger_after ") for one in heard)
            assert "closed the connection without a word" in str(figures(node)["last_error"])
            # Then it is taken for an existing node.
            while not heard[-1].startswith("event get_blockchain "):
                with Line(proxy.accept()[0]) as line:
                    heard.append(command_of(line.block()))
