"""Users by REST: who is asked who he is, levels, tokens, and commands that are wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node, errors, limits
from tests.http_calls import HOST, PASSWORD, Caller, add_user, basic, bearer, rest_node
from tests.waiting import eventually

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


# --------------------------------------------------------------- who is asked


def test_without_users_nobody_is_asked(call: Caller) -> None:
    assert call.get("get status").status == 200
    assert call.get("get status", Authorization=OPS).status == 200


def test_with_one_everybody_is(node: Node, call: Caller) -> None:
    add_user(node)
    reply = call.get("get status")
    assert (reply.status, reply.data["code"]) == (401, 97)
    asked = 'Basic realm="edgelake", charset="UTF-8", Bearer realm="edgelake"'
    assert reply.headers["www-authenticate"] == asked
    assert call("GET", "/nowhere").status == 401
    assert call.get("get status", Authorization=OPS).status == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic b3Bz",
        basic("ops", ""),
        basic("OPS", PASSWORD),
        basic("ops", PASSWORD + "\n"),
        basic("", ""),
        basic("somebody", PASSWORD),
        "Bearer",
        "Bearer edgelake_" + "0" * 64,
        "Bearer a b",
        "Digest username=ops",
        "Basic " + "A" * 5000,
    ],
)
def test_what_does_not_say_who_calls(node: Node, call: Caller, header: str) -> None:
    add_user(node)
    reply = call.get("get status", Authorization=header)
    assert (reply.status, reply.data["code"]) == (401, 97)
    assert reply.data["hint"]
    add_user(node, level="admin")
    assert PASSWORD not in node.run("get error log").text


def test_who_fails_is_in_the_error_log_and_his_password_is_not(node: Node, call: Caller) -> None:
    add_user(node)
    call.get("get status", Authorization=basic("ops", "wrong-password-1"))
    call.get("get status", Authorization=basic("wrong-password-2", "ops"))
    call.get("get status", Authorization="Bearer wrong-password-3")
    entries = node.run("get error log where format = json").data
    assert [entry["Source"] for entry in entries] == [HOST] * 3
    text = json.dumps(entries)
    assert "wrong password of 'ops'" in text
    assert "wrong-password" not in text


def test_the_log_and_the_calls_say_who_it_was(node: Node, call: Caller) -> None:
    add_user(node)
    assert call.get("get status", Authorization=OPS).status == 200
    (record,) = node.run("get rest calls where format = json").data
    assert record["last_user"] == "ops"
    events = node.run("get event log where format = json").data
    assert f"ops@{HOST}" in {event["Source"] for event in events}
    assert PASSWORD not in json.dumps(events)


def test_callers_without_a_name_may_what_they_are_allowed(node: Node, call: Caller) -> None:
    node.run("set remote permission = admin")
    add_user(node)
    assert call.get("get status").status == 401
    node.run("set rest anonymous = read")
    assert call.get("get status").status == 200
    assert call.post("set rest timeout 5").status == 403
    # Who says something wrong is not taken for one who says nothing.
    assert call.get("get status", Authorization=basic("ops", "wrong word")).status == 401
    node.run("set rest anonymous = default")
    assert call.get("get status").status == 401
    node.run("delete user where name = ops")
    assert call.post("set rest timeout 5").status == 200
    node.run("set rest anonymous = none")
    assert call.get("get status").status == 401
    assert node.run("get rest server info where format = json").data["anonymous"] == "none"


# -------------------------------------------------------------------- levels


def test_a_user_has_his_own_level(node: Node, call: Caller) -> None:
    add_user(node, "reader", "read")
    add_user(node, "chief", "admin")
    chief, reader = basic("chief", PASSWORD), basic("reader", PASSWORD)
    refused = call.post("set rest timeout 5", Authorization=reader)
    assert (refused.status, refused.data["code"]) == (403, 212)
    assert "reader" in refused.data["error"]
    assert call.post("set rest timeout 5", Authorization=chief).status == 200
    node.run("set user where name = reader and level = admin")
    assert call.post("set rest timeout 6", Authorization=reader).status == 200
    node.run("set remote permission = read")
    assert call.post("set rest timeout 7", Authorization=chief).status == 200
    assert call.get("get files !err_dir", Authorization=chief).status in (200, 404)


@pytest.mark.parametrize(
    "command",
    [
        "set user where name = evil and level = admin and password = 12345678",
        "set user token where name = chief",
        "delete user where name = chief",
        "delete user token where name = chief and id = 12345678",
        "set rest anonymous = admin",
        "set remote permission = admin",
        "system echo",
    ],
)
def test_no_user_may_what_is_for_the_console_alone(node: Node, call: Caller, command: str) -> None:
    add_user(node, "chief", "admin")
    assert call.post(command, Authorization=basic("chief", PASSWORD)).status == 403


def test_a_user_of_level_metadata_changes_the_ledger_and_a_peer_does_not(
    node: Node, call: Caller
) -> None:
    insert = 'blockchain insert where policy = {"device": {"name": "d1"}} and local = true'
    assert call.post(insert).status == 403
    add_user(node, level="metadata")
    assert call.post(insert, Authorization=OPS).status == 200
    (policy,) = node.run("blockchain get device").data
    delete = f"blockchain delete policy where id = {policy['device']['id']} and local = true"
    there = call.post(insert, Authorization=OPS, destination=f"{HOST}:1")
    assert (there.status, there.data["code"]) == (403, 212)
    node.run("set user where name = ops and level = read")
    assert call.post(delete, Authorization=OPS).status == 403
    node.run("set user where name = ops and level = metadata")
    assert call.post(delete, Authorization=OPS).status == 200
    assert node.run("blockchain get device").data == []


# -------------------------------------------------------------------- tokens


def test_a_token_is_shown_once(node: Node, call: Caller, tmp_path: Path) -> None:
    add_user(node)
    made = node.run("set user token where name = ops and format = json").data
    token = made["token"]
    assert len(token) == len("edgelake_") + 2 * limits.TOKEN_BYTES
    assert made["id"] == token[9 : 9 + limits.TOKEN_SHOWN_CHARS]
    assert call.get("get status", Authorization=f"bearer {token}").status == 200
    (listed,) = node.run("get user tokens where name = ops and format = json").data
    assert listed["id"] == made["id"]
    stored = node.home.users_file.read_text()
    shown = "".join(
        node.run(command).text
        for command in ("get users", "get user tokens", "get event log", "get rest calls")
    )
    assert token not in shown + stored
    assert token[9:] not in shown + stored


def test_a_token_ends_when_it_is_deleted_and_his_others_go_on(node: Node, call: Caller) -> None:
    add_user(node)
    first, second = bearer(node, "ops"), bearer(node, "ops")
    token_id = first.partition("_")[2][: limits.TOKEN_SHOWN_CHARS]
    node.run(f"delete user token where name = ops and id = {token_id}")
    assert call.get("get status", Authorization=first).status == 401
    assert call.get("get status", Authorization=second).status == 200
    with pytest.raises(errors.KeyMissing):
        node.run(f"delete user token where name = ops and id = {token_id}")


def test_what_expires(node: Node, call: Caller) -> None:
    add_user(node)
    short = node.run("set user token where name = ops and expire = 0.05 seconds").data["token"]
    long = bearer(node, "ops")
    eventually(
        lambda: call.get("get status", Authorization=f"Bearer {short}").status == 401,
        "the token has expired",
    )
    assert call.get("get status", Authorization=long).status == 200
    node.run("set user where name = ops and expire = 0.05 seconds")
    eventually(
        lambda: call.get("get status", Authorization=long).status == 401, "the user has expired"
    )
    assert call.get("get status", Authorization=OPS).status == 401
    # An expired user is a user: the node does not open.
    assert call.get("get status").status == 401
    assert node.run("get users where format = json").data[0]["expired"] is True
    node.run("set user where name = ops and expire = 0 days")
    assert call.get("get status", Authorization=OPS).status == 200


def test_more_users_and_tokens_than_there_may_be(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_USERS", 2)
    monkeypatch.setattr(limits, "MAX_TOKENS_OF_USER", 2)
    add_user(node, "a1")
    add_user(node, "b1")
    with pytest.raises(errors.WrongValue, match="2 users"):
        add_user(node, "c1")
    add_user(node, "b1", level="admin")
    for _ in range(2):
        bearer(node, "a1")
    with pytest.raises(errors.WrongValue, match="2 tokens"):
        bearer(node, "a1")
    assert len(node.run("get users where format = json").data) == 2


# ------------------------------------------------------------- wrong commands


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("set user where name = new and password = 12345678", errors.MissingOption),
        ("set user where level = read", errors.MissingOption),
        ("set user where name = a:b and level = read", errors.WrongValue),
        ("set user where name = a@b and level = read", errors.WrongValue),
        ('set user where name = " a" and level = read', errors.WrongValue),
        (f"set user where name = {'a' * 65} and level = read", errors.WrongValue),
        ("set user where name = a1 and level = root", errors.WrongValue),
        ("set user where name = a1 and level = read and expire = soon", errors.WrongValue),
        ("set user where name = a1 and level = read and expire = 1e9 days", errors.WrongValue),
        ("set user where name = a1 and level = read and expire = 99999999999 days",
         errors.WrongValue),
        ("delete user where name = nobody", errors.KeyMissing),
        ("set user token where name = nobody", errors.KeyMissing),
        ("delete user token where name = nobody and id = 1", errors.KeyMissing),
        ("set rest anonymous = root", errors.WrongValue),
    ],
)  # fmt: skip
def test_wrong_commands_change_nothing(
    node: Node, command: str, kind: type[errors.EdgeLakeError]
) -> None:
    with pytest.raises(kind) as caught:
        node.run(command)
    assert caught.value.hint
    assert not node.home.users_file.exists()


def test_the_longest_name(node: Node, call: Caller) -> None:
    name = "n" * limits.MAX_USER_NAME_CHARS
    add_user(node, name)
    assert call.get("get status", Authorization=basic(name, PASSWORD)).status == 200
