"""Passwords of REST callers: what they cost, whom they hold up, and how they change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node, errors, limits
from edgelake.services import users as users_module
from edgelake.storage import PasswordHash
from tests.http_calls import PASSWORD, PATIENCE_S, Caller, add_user, basic, bearer, rest_node
from tests.waiting import eventually

OPS = basic("ops", PASSWORD)
TRUE_N, TRUE_P = limits.SCRYPT_N, limits.SCRYPT_P


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make hashes of passwords cheap."""
    monkeypatch.setattr(limits, "SCRYPT_N", 16)
    monkeypatch.setattr(limits, "SCRYPT_P", 1)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Node, Caller]]:
    with rest_node(tmp_path / "home", tcp=False) as both:
        yield both


@pytest.fixture
def node(served: tuple[Node, Caller]) -> Node:
    return served[0]


@pytest.fixture
def call(served: tuple[Node, Caller]) -> Caller:
    return served[1]


class Checks:
    """Counts checks of passwords, and holds them up while told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[PasswordHash] = []
        self.go = threading.Event()
        self.go.set()
        true = users_module.matches

        def matches(password: str, known: PasswordHash) -> bool:
            self.seen.append(known)
            assert self.go.wait(PATIENCE_S)
            return true(password, known)

        monkeypatch.setattr(users_module, "matches", matches)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Checks]:
    made = Checks(monkeypatch)
    yield made
    made.go.set()


def test_a_password_at_its_true_cost(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SCRYPT_N", TRUE_N)
    monkeypatch.setattr(limits, "SCRYPT_P", TRUE_P)
    add_user(node)
    assert call.get("get status", Authorization=OPS).status == 200
    assert call.get("get status", Authorization=basic("ops", PASSWORD + "!")).status == 401


def test_letters_beyond_ascii_however_they_are_composed(node: Node, call: Caller) -> None:
    add_user(node, "jörg", password="größe 12")
    assert call.get("get status", Authorization=basic("jörg", "größe 12")).status == 200
    apart = "gro\u0308ße 12"
    assert call.get("get status", Authorization=basic("jörg", apart)).status == 200


def test_a_right_password_is_checked_once_in_a_while(
    node: Node, call: Caller, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(node)
    for _ in range(3):
        assert call.get("get status", Authorization=OPS).status == 200
    assert len(checks.seen) == 1
    monkeypatch.setattr(limits, "VERIFIED_S", 0.0)
    add_user(node)
    for _ in range(2):
        assert call.get("get status", Authorization=OPS).status == 200
    assert len(checks.seen) == 3


def test_another_password_counts_at_once(node: Node, call: Caller) -> None:
    add_user(node)
    assert call.get("get status", Authorization=OPS).status == 200
    add_user(node, password="battery staple")
    assert call.get("get status", Authorization=OPS).status == 401
    assert call.get("get status", Authorization=basic("ops", "battery staple")).status == 200
    node.run("delete user where name = ops")
    add_user(node, "other")
    assert call.get("get status", Authorization=basic("ops", "battery staple")).status == 401


def test_no_more_right_passwords_are_remembered_than_may_be(
    node: Node, call: Caller, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_VERIFIED", 2)
    for name in ("a1", "b1", "c1"):
        add_user(node, name)
        assert call.get("get status", Authorization=basic(name, PASSWORD)).status == 200
    for name in ("c1", "b1"):
        assert call.get("get status", Authorization=basic(name, PASSWORD)).status == 200
    assert len(checks.seen) == 3
    assert call.get("get status", Authorization=basic("a1", PASSWORD)).status == 200
    assert len(checks.seen) == 4


def test_a_name_that_nobody_has_costs_as_much(node: Node, call: Caller, checks: Checks) -> None:
    add_user(node)
    node.run("set user where name = certified and level = read")
    costs = set()
    for name in ("ops", "nobody", "certified"):
        assert call.get("get status", Authorization=basic(name, "wrong word")).status == 401
        last = checks.seen[-1]
        costs.add((last.n, last.r, last.p, len(last.salt)))
    assert len(checks.seen) == 3
    assert len(costs) == 1


def test_checks_hold_up_nobody_else(
    node: Node, call: Caller, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PASSWORDS_OF_ADDRESS", limits.PASSWORD_THREADS)
    add_user(node)
    token = bearer(node, "ops")
    checks.go.clear()
    found: list[int] = []

    def attempt(password: str) -> None:
        found.append(call.get("get status", Authorization=basic("ops", password)).status)

    words = [f"wrong word {n}" for n in range(limits.PASSWORD_THREADS)]
    threads = [threading.Thread(target=attempt, args=(word,)) for word in words * 2]
    for thread in threads[: len(words)]:
        thread.start()
    eventually(lambda: len(checks.seen) == len(words), "checks run")
    reply = call.get("get status", Authorization=basic("ops", "one word more"))
    assert (reply.status, reply.headers["retry-after"]) == (429, "1")
    # Who says what is being checked waits for that; it is no password more.
    for thread in threads[len(words) :]:
        thread.start()
    assert call.get("get status", Authorization=token).status == 200
    checks.go.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert found == [401] * len(threads)
    assert call.get("get status", Authorization=OPS).status == 200


def test_more_passwords_than_may_wait(
    node: Node, call: Caller, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PASSWORDS_WAITING", 0)
    add_user(node)
    checks.go.clear()
    found: list[int] = []

    def attempt(source: str) -> None:
        caller = Caller(call.port, source=source)
        found.append(caller.get("get status", Authorization=OPS).status)

    places = [f"127.0.0.{2 + n}" for n in range(limits.PASSWORD_THREADS)]
    threads = [threading.Thread(target=attempt, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    eventually(lambda: len(checks.seen) == len(places), "checks run")
    reply = call.get("get status", Authorization=OPS)
    assert (reply.status, reply.data["code"]) == (503, 108)
    checks.go.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert found == [200] * len(places)


@pytest.mark.parametrize(
    ("length", "taken"),
    [
        (limits.MIN_PASSWORD_CHARS - 1, False),
        (limits.MIN_PASSWORD_CHARS, True),
        (limits.MAX_PASSWORD_BYTES, True),
        (limits.MAX_PASSWORD_BYTES + 1, False),
    ],
)
def test_how_long_a_password_may_be(node: Node, call: Caller, length: int, taken: bool) -> None:
    password = "x" * length
    if taken:
        add_user(node, password=password)
        assert call.get("get status", Authorization=basic("ops", password)).status == 200
        return
    with pytest.raises(errors.WrongValue) as caught:
        add_user(node, password=password)
    assert password not in str(caught.value)
    assert node.run("get users where format = json").data == []


def test_a_user_changes_his_own_password(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(node)
    change = 'set own password where old = "{}" and password = "{}"'
    wrong = call.post(change.format("wrong word", "battery staple"), Authorization=OPS)
    assert wrong.status == 403
    short = call.post(change.format(PASSWORD, "short"), Authorization=OPS)
    assert short.status == 400
    assert call.post(change.format(PASSWORD, "battery staple"), Authorization=OPS).status == 200
    assert call.get("get status", Authorization=OPS).status == 401
    assert call.get("get status", Authorization=basic("ops", "battery staple")).status == 200
    assert "staple" not in node.run("get event log").text + node.run("get error log").text
    with pytest.raises(errors.NotPermitted):
        node.run(change.format(PASSWORD, PASSWORD))


def test_the_old_password_cannot_be_guessed_with_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LOGIN_FAILURES_OF_ADDRESS", 2)
    monkeypatch.setattr(limits, "LOGIN_WINDOW_S", 3600.0)
    change = 'set own password where old = "{}" and password = "battery staple"'
    with rest_node(tmp_path / "guessed", tcp=False) as (node, call):
        add_user(node)
        token = bearer(node, "ops")
        for _ in range(2):
            assert call.post(change.format("wrong word"), Authorization=token).status == 403
        assert call.post(change.format(PASSWORD), Authorization=token).status == 429
