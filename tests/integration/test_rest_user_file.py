"""The file of the users: what it may go through, and that it lets nobody in then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node, errors, limits
from tests.http_calls import HOST, PASSWORD, Caller, add_user, basic, bearer, rest_node

OPS = basic("ops", PASSWORD)


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


def test_users_outlive_the_node_and_their_file_is_for_nobody_else(tmp_path: Path) -> None:
    with Node(tmp_path / "home") as node:
        add_user(node)
        token = bearer(node, "ops")
        path = node.home.users_file
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text()
    with rest_node(tmp_path / "home", tcp=False) as (_, call):
        assert call.get("get status").status == 401
        assert call.get("get status", Authorization=OPS).status == 200
        assert call.get("get status", Authorization=token).status == 200


def test_another_process_with_this_home_changes_nothing(node: Node, tmp_path: Path) -> None:
    add_user(node)
    with Node(tmp_path / "home") as other, pytest.raises(errors.HomeLocked):
        add_user(other, "second")


def damage(text: str) -> Iterator[str]:
    """Yield texts that are not quite what the file holds."""
    data = json.loads(text)
    yield ""
    yield text[: len(text) // 2]
    yield "[]"
    yield "[" * 100_000
    yield json.dumps({**data, "format": 2})
    user = data["users"][0]
    yield json.dumps({**data, "users": [user, user]})
    for key in user:
        yield json.dumps({**data, "users": [{k: v for k, v in user.items() if k != key}]})
    for key, value in (
        ("name", 7),
        ("name", ""),
        ("level", "root"),
        ("level", "never"),
        ("created", "yesterday"),
        ("created", "2026-01-01T00:00:00"),
        ("expires", 5),
        ("tokens", [{}]),
        ("tokens", [{"id": "1", "sha256": "00", "created": user["created"], "expires": None}]),
        ("password", {**user["password"], "n": 3}),
        ("password", {**user["password"], "n": 2**30}),
        ("password", {**user["password"], "p": limits.MAX_SCRYPT_P + 1}),
        ("password", {**user["password"], "r": True}),
        ("password", {**user["password"], "salt": ""}),
        ("password", {**user["password"], "scrypt": ""}),
        ("password", {**user["password"], "scrypt": "xyz"}),
    ):
        yield json.dumps({**data, "users": [{**user, key: value}]})


def test_a_damaged_file_lets_nobody_in_and_is_not_overwritten(tmp_path: Path) -> None:
    with Node(tmp_path / "home") as node:
        add_user(node, level="admin")
        path = node.home.users_file
    good = path.read_text()
    with Node(tmp_path / "home") as node:
        for bad in damage(good):
            path.write_text(bad)
            for command in (
                f"run rest server where external_ip = {HOST} and external_port = 0",
                "get users",
                "set user where name = new and level = read",
                "delete user where name = ops",
                "set user token where name = ops",
            ):
                with pytest.raises(errors.StorageError, match="damaged") as caught:
                    node.run(command)
                assert caught.value.hint
                assert path.read_text() == bad
        path.write_text(good)
        assert [user["name"] for user in node.run("get users where format = json").data] == ["ops"]


def test_what_cannot_be_written_changes_nothing(node: Node, call: Caller) -> None:
    add_user(node)
    token = bearer(node, "ops")
    path = node.home.users_file
    path.unlink()
    path.mkdir()
    with pytest.raises(errors.StorageError):
        node.run("delete user where name = ops")
    assert [user["name"] for user in node.run("get users where format = json").data] == ["ops"]
    assert call.get("get status").status == 401
    assert call.get("get status", Authorization=token).status == 200
