"""What one address may ask of a REST server, and how guesses of passwords are slowed."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgelake import Node, limits
from edgelake.services import guesses, rest_callers
from tests.http_calls import HOST, PASSWORD, Caller, Reply, add_user, basic, bearer, rest_node
from tests.waiting import eventually

OPS = basic("ops", PASSWORD)
WRONG = basic("ops", "wrong word")


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (guesses, rest_callers):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


@pytest.fixture
def guarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> Iterator[tuple[Node, Caller]]:
    """Have a node with a user, with few guesses for an address and for a name."""
    monkeypatch.setattr(limits, "SCRYPT_N", 16)
    monkeypatch.setattr(limits, "SCRYPT_P", 1)
    monkeypatch.setattr(limits, "LOGIN_FAILURES_OF_ADDRESS", 4)
    monkeypatch.setattr(limits, "LOGIN_FAILURES_OF_USER", 6)
    monkeypatch.setattr(limits, "LOGIN_WINDOW_S", 60.0)
    with rest_node(tmp_path / "home", tcp=False) as (node, call):
        add_user(node)
        yield node, call


def said(port: int, source: str, header: str) -> Reply:
    return Caller(port, source=source).get("get status", Authorization=header)


# ------------------------------------------------------------------- guesses


def test_an_address_that_guesses_waits(guarded: tuple[Node, Caller], clock: Clock) -> None:
    node, call = guarded
    token = bearer(node, "ops")
    assert call.get("get status", Authorization=OPS).status == 200
    for _ in range(limits.LOGIN_FAILURES_OF_ADDRESS):
        assert call.get("get status", Authorization=WRONG).status == 401
    reply = call.get("get status", Authorization=WRONG)
    assert (reply.status, reply.data["code"]) == (429, 108)
    assert reply.headers["retry-after"] == "15"
    assert call.get("get status", Authorization="Bearer wrong").status == 429
    # What is known to be right is no guess, and a token cannot be guessed.
    assert call.get("get status", Authorization=OPS).status == 200
    assert call.get("get status", Authorization=token).status == 200
    assert said(call.port, "127.0.0.2", WRONG).status == 401
    clock.now += 14.9
    assert call.get("get status", Authorization=WRONG).status == 429
    clock.now += 0.2
    assert call.get("get status", Authorization=WRONG).status == 401
    assert call.get("get status", Authorization=WRONG).status == 429


def test_the_right_password_waits_too_where_others_were_guessed(
    guarded: tuple[Node, Caller], clock: Clock
) -> None:
    _, call = guarded
    for _ in range(limits.LOGIN_FAILURES_OF_ADDRESS):
        assert call.get("get status", Authorization=WRONG).status == 401
    assert call.get("get status", Authorization=OPS).status == 429
    clock.now += 15.1
    assert call.get("get status", Authorization=OPS).status == 200


def test_wrong_tokens_are_guesses(guarded: tuple[Node, Caller]) -> None:
    _, call = guarded
    for _ in range(limits.LOGIN_FAILURES_OF_ADDRESS):
        assert call.get("get status", Authorization="Bearer wrong").status == 401
    assert call.get("get status", Authorization="Bearer wrong").status == 429


def test_guesses_from_everywhere_do_not_lock_the_user_out(guarded: tuple[Node, Caller]) -> None:
    _, call = guarded
    # Six wrong passwords for one name, no more than two of each address.
    for number in range(limits.LOGIN_FAILURES_OF_USER):
        assert said(call.port, f"127.0.1.{number // 2}", WRONG).status == 401
    assert said(call.port, "127.0.1.0", WRONG).status == 429
    assert said(call.port, "127.0.1.0", basic("other", "wrong word")).status == 401
    # An address that never failed has its attempt, and one that then fails waits like all.
    assert said(call.port, "127.0.2.1", OPS).status == 200
    assert said(call.port, "127.0.2.2", WRONG).status == 401
    assert said(call.port, "127.0.2.2", WRONG).status == 429
    assert said(call.port, "127.0.2.3", OPS).status == 200


# --------------------------------------------------------------------- rates


def test_an_address_calls_too_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(limits, "REST_BURST_S", 2.5)
    with rest_node(tmp_path / "home", tcp=False, rate=2) as (_, call):
        assert [call.get("get status").status for _ in range(5)] == [200] * 5
        reply = call.get("get status")
        assert (reply.status, reply.data["code"]) == (429, 108)
        assert reply.headers["retry-after"] == "1"
        assert Caller(call.port, source="127.0.0.2").get("get status").status == 200
        clock.now += 0.5
        assert call.get("get status").status == 200
        assert call("GET", "/nowhere").status == 429


def test_a_rate_of_nothing_is_no_limit(tmp_path: Path, clock: Clock) -> None:
    with rest_node(tmp_path / "home", tcp=False, rate=0) as (_, call):
        assert {call.get("get status").status for _ in range(20)} == {200}


def test_the_usual_rate_bears_a_wall_of_dashboards(tmp_path: Path, clock: Clock) -> None:
    with rest_node(tmp_path / "home", tcp=False) as (node, call):
        assert {call.get("get status").status for _ in range(300)} == {200}
        info = node.run("get rest server info where format = json").data
        assert info["rate"] == limits.DEFAULT_REST_RATE


def half_a_call(port: int) -> socket.socket:
    """Return a connection with a call whose body does not end: it is under way."""
    line = socket.create_connection((HOST, port), 20)
    line.sendall(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nset")
    return line


def test_an_address_has_too_much_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_REST_CALLS_OF_ADDRESS", 2)
    with rest_node(tmp_path / "home", tcp=False) as (_, call):
        with contextlib.ExitStack() as stack:
            stack.enter_context(half_a_call(call.port))
            assert call.get("get status").status == 200
            stack.enter_context(half_a_call(call.port))
            eventually(lambda: call.get("get status").status == 429, "two calls are under way")
            reply = call.get("get status")
            assert reply.headers["retry-after"] == "1"
            assert Caller(call.port, source="127.0.0.2").get("get status").status == 200
        eventually(lambda: call.get("get status").status == 200, "they are gone")


def test_an_address_has_too_many_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_REST_CONNECTIONS_OF_ADDRESS", 3)
    with rest_node(tmp_path / "home", tcp=False) as (node, call):
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(socket.create_connection((HOST, call.port), 20))
            eventually(
                lambda: node.run("get rest pool where format = json").data["connections"] == 2,
                "both are there",
            )
            assert call.get("get status").status == 200
            stack.enter_context(socket.create_connection((HOST, call.port), 20))
            eventually(
                lambda: node.run("get rest pool where format = json").data["connections"] == 3,
                "the third is there",
            )
            assert call.get("get status").status == 503
            assert Caller(call.port, source="127.0.0.2").get("get status").status == 200
        eventually(lambda: call.get("get status").status == 200, "they are gone")
