"""Logs, echo queue, traces and error texts of whole nodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgelake import Client, Node, limits
from edgelake.errors import (
    CommandSyntaxError,
    EdgeLakeError,
    PeerRefused,
    RemoteError,
    ScriptError,
    UnbalancedInput,
    UnknownCommand,
    WrongValue,
)
from edgelake.interfaces import Notice
from edgelake.language import format_error
from tests.integration.test_node import listen
from tests.secretive import PASSWORD, secretive_registry
from tests.waiting import eventually


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that does nothing yet."""
    with Node(tmp_path / "node") as made:
        yield made


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node with commands that are given secrets; peers may call them."""
    monkeypatch.setattr("edgelake.node.build_registry", secretive_registry)
    with Node(tmp_path / "keeper") as made:
        made.run("set remote permission = admin")
        yield made


def fails(call: Callable[[], object], kind: type[EdgeLakeError] = EdgeLakeError) -> str:
    """Return the line of the error that a call raises."""
    with pytest.raises(kind) as caught:
        call()
    return format_error(caught.value)


def events(node: Node) -> list[dict[str, Any]]:
    """Return the event log."""
    found = node.run("get event log where format = json")
    assert json.loads(found.text) == found.data
    return list(found.data)


def errors(node: Node) -> list[dict[str, Any]]:
    """Return the error log."""
    return list(node.run("get error log where format = json").data)


# ------------------------------------------------------------------ events


def test_every_command_is_an_event(node: Node) -> None:
    node.run("print a & print b")
    node.run("get status")
    node.run("get status")
    fails(lambda: node.run("get nosuch"))
    fails(lambda: node.run('print "open'))
    shown = [(e["Count"], e["Source"], e["Text"]) for e in events(node)]
    assert shown == [
        (1, "local", "(ok) print a"),
        (1, "local", "(ok) print b"),
        (2, "local", "(ok) get status"),
        (1, "local", "(Failed: unknown command 'get nosuch') get nosuch"),
        (1, "local", '(Failed: a double quote is not closed) print "open'),
    ]
    first = events(node)[0]
    assert list(first) == [
        "ID",
        "Count",
        "Thread",
        "Time",
        "Source",
        "Type",
        "Milliseconds",
        "Text",
    ]
    assert first["Type"] == "Event"
    lines = node.run("get event log").text.split("\r\n")
    assert lines[1].split() == [*first]
    assert "(ok) print a" in lines[3]


def test_commands_of_peers_are_events_with_their_address(node: Node, tmp_path: Path) -> None:
    address = listen(node)
    with Client(address) as client:
        client.request("get processes")
        with pytest.raises(RemoteError):
            client.request("set a = 5")
        with pytest.raises(RemoteError):
            client.request("get nosuch")
    shown = [e["Text"] for e in events(node) if e["Source"] == "127.0.0.1"]
    assert shown == [
        "(ok) get processes",
        "(Failed: 'set' is not permitted from remote) set a = 5",
        "(Failed: unknown command 'get nosuch') get nosuch",
    ]
    refused = [e for e in errors(node) if e["Source"] == "127.0.0.1"]
    assert [(e["Code"], e["Command"]) for e in refused] == [(212, "set a = 5"), (141, "get nosuch")]


def test_lines_are_chosen_by_keys(node: Node) -> None:
    for word in ("berth", "crane", "tide"):
        node.run(f"print {word}")
    fails(lambda: node.run("get crane"))

    def chosen(keys: str) -> list[str]:
        found = node.run(f"get event log where format = json and keys = {keys}").data
        return [event["Text"] for event in found if "(ok) get" not in event["Text"]]

    assert chosen("BERTH tide") == ["(ok) print berth", "(ok) print tide"]
    assert chosen("crane") == [
        "(ok) print crane",
        "(Failed: unknown command 'get crane') get crane",
    ]
    assert chosen("nosuch") == []
    assert [e["Command"] for e in node.run("get error log where keys = 141").data] == ["get crane"]
    for wrong in ("keys =", "keys = a and keys = b", "key = a", "format = yaml"):
        assert fails(lambda wrong=wrong: node.run(f"get event log where {wrong}"))


def test_logs_are_emptied(node: Node) -> None:
    fails(lambda: node.run("get nosuch"))
    node.run("reset event log")
    assert [event["Text"] for event in events(node)] == ["(ok) reset event log"]
    assert len(errors(node)) == 1
    node.run("reset error log")
    assert errors(node) == []
    assert node.run("get error log").text.startswith("\r\nID Count")
    fails(lambda: node.run("reset event log now"), CommandSyntaxError)
    for command in ("reset", "reset query log", "get query log", "get rest log"):
        fails(lambda command=command: node.run(command), UnknownCommand)


# ------------------------------------------------------------------ errors


def test_a_failed_assignment_is_in_the_error_log(node: Node) -> None:
    line = fails(lambda: node.run("x = get nosuch"), UnknownCommand)
    (error,) = errors(node)
    assert error["Text"] == line
    assert error["Command"] == "x = get nosuch"
    assert (error["Code"], error["Type"], error["Source"]) == (141, "Error", "local")


def test_a_failed_script_is_one_error_with_file_and_line(node: Node, tmp_path: Path) -> None:
    script, outer = tmp_path / "inner.al", tmp_path / "outer.al"
    script.write_text("print a\nset x = \n")
    outer.write_text(f"process {script}\n")
    line = fails(lambda: node.run(f"process {outer}"), ScriptError)
    assert f"{script}, line 2" in line
    (error,) = errors(node)
    assert error["Text"] == line
    assert error["Command"] == "set x ="
    failed = [event["Text"] for event in events(node) if "Failed" in event["Text"]]
    assert [text.rpartition(") ")[2] for text in failed] == [
        "set x =",
        f"process {script}",
        f"process {outer}",
    ]


def test_a_block_that_does_not_end_is_in_the_error_log(node: Node) -> None:
    line = fails(lambda: node.run("<print a\nprint b"))
    assert [error["Text"] for error in errors(node)] == [line]


def test_a_service_that_fails_is_in_the_error_log(node: Node) -> None:
    listen(node)
    node.run(
        "run blockchain sync where source = master and time = 1 second"
        " and dest = file and connection = 127.0.0.1:9"
    )
    eventually(lambda: bool(errors(node)), "the failure of the synchronizer")
    (error,) = errors(node)
    assert error["Command"] == "synchronizer"
    assert error["Text"].startswith(f"error {error['Code']}: ")
    assert error["Code"] == PeerRefused.code


def test_what_a_peer_sends_in_vain_is_in_the_error_log(node: Node) -> None:
    address = listen(node)
    with Client(address) as client, pytest.raises(RemoteError):
        client.request("file write x.new")
    (error,) = errors(node)
    assert (error["Source"], error["Command"], error["Code"]) == ("127.0.0.1", "tcp", 212)


def test_peers_do_not_see_the_logs_of_others(node: Node) -> None:
    address = listen(node)
    with Client(address) as client:
        for command in ("get event log", "get error log", "get echo queue", "get env var"):
            with pytest.raises(RemoteError) as caught:
                client.request(command)
            assert caught.value.remote_code == 212


@pytest.mark.parametrize("number", [0, 2, 136, 302])
def test_the_text_of_a_number(node: Node, number: int) -> None:
    found = node.run(f"get error {number} where format = json")
    assert json.loads(found.text) == found.data
    assert found.data["code"] == number
    assert found.data["text"] in node.run(f"get error {number}").text


@pytest.mark.parametrize("wrong", ["two", "-1", "999", "70000", "2 3", ""])
def test_no_text_of_what_is_no_number(node: Node, wrong: str) -> None:
    kind = CommandSyntaxError if wrong in ("", "2 3") else WrongValue
    assert "at column" in fails(lambda: node.run(f"get error {wrong}"), kind)


# ----------------------------------------------------------------- secrets


WITH_SECRETS = [
    f"connect vault v where phrase = {PASSWORD}",
    f"connect vault v where phrase = {PASSWORD} and pin = 99999",
    f"connect vault v where phrase = {PASSWORD} and fail = yes",
    "connect vault v where phrase = !pw and fail = yes",
    f'connect vault v where phrase = "{PASSWORD}',
    f"connect vault v where phrase = a and b{PASSWORD}",
    f"connect vault v where phrase = {PASSWORD} and phrase = {PASSWORD}",
    f"connect vault v where user = x and pasword {PASSWORD}",
    f"conect vault v where password = {PASSWORD}",
    f"connect dbms x where type = psql and password = {PASSWORD}",
    f"x = connect vault v where phrase = {PASSWORD} and fail = yes",
    f"set vault code = {PASSWORD}",
    f"set vault code = {PASSWORD} {PASSWORD}",
    f"run client (127.0.0.1:9) connect vault v where phrase = {PASSWORD}",
    f"<connect vault v where\nphrase = {PASSWORD}\nand fail = yes>",
    f"<connect vault v where\nphrase = {PASSWORD}\nand fail = yes",
    "open vault 7777777",
]


def test_no_secret_is_in_any_log_error_or_trace(keeper: Node, tmp_path: Path) -> None:
    told: list[str] = []
    keeper.show_notices(lambda notice: told.append(notice.text))
    for command in ("connect vault", "set vault code", "open vault", "run client"):
        keeper.run(f"trace level = 2 {command}")
    address = listen(keeper)
    keeper.run(f"set pw = {PASSWORD}")
    with Client(address) as client:
        for command in WITH_SECRETS:
            try:
                keeper.run(command)
            except EdgeLakeError as exc:
                told.append(format_error(exc))
            except RuntimeError as exc:
                told.append(repr(exc))
            script = tmp_path / "secret.al"
            script.write_text(command)
            try:
                keeper.run(f"process {script}")
            except EdgeLakeError as exc:
                told.append(format_error(exc))
            except RuntimeError as exc:
                told.append(repr(exc))
            if not command.startswith("run client"):
                try:
                    client.request(command)
                except EdgeLakeError as exc:
                    told.append(format_error(exc))
    shown = [
        keeper.run(f"get {log} log{form}").text
        for log in ("event", "error")
        for form in ("", " where format = json")
    ]
    keeper.show_notices(None)
    assert len(told) > len(WITH_SECRETS)
    assert "***" in "".join(shown)
    for text in (*told, *shown):
        assert PASSWORD not in text
        assert "7777777" not in text


def test_the_environment_is_shown_without_its_secrets(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARBOUR_TOKEN", PASSWORD)
    monkeypatch.setenv("HARBOUR_URL", f"http://bob:{PASSWORD}@host/x")
    monkeypatch.setenv("HARBOUR", "north")
    found = node.run("get env var HARBOUR where format = json")
    assert json.loads(found.text) == {
        "HARBOUR": "north",
        "HARBOUR_TOKEN": "***",
        "HARBOUR_URL": "http://bob:***@host/x",
    }
    assert PASSWORD not in node.run("get env var").text
    assert "HARBOUR" in node.run("get env var").text


# -------------------------------------------------------------- echo queue


def test_the_echo_queue_keeps_what_is_echoed(node: Node) -> None:
    assert node.run("echo before").text == "before"
    node.run("set echo queue on")
    assert not node.unread()
    assert node.run("echo !blockchain_file then").text == ""
    assert node.unread()
    assert node.run("print at once").text == "at once"
    assert "then" in node.run("get echo queue").text
    assert not node.unread()
    (message,) = node.run("get echo queue where format = json").data["messages"]
    assert message["Text"] == f"{node.home.ledger_file} then"
    node.run("set echo queue off")
    assert node.run("echo after").text == "after"
    node.run("reset echo queue where size = 1")
    assert node.run("get echo queue").text == "The echo queue is empty"
    node.run("set echo queue on & echo one & echo two")
    found = node.run("get echo queue where format = json").data
    assert ([m["Text"] for m in found["messages"]], found["dropped"]) == (["two"], 1)
    assert "1 older messages were dropped" in node.run("get echo queue").text


@pytest.mark.parametrize(
    "wrong",
    [
        "set echo queue",
        "set echo queue maybe",
        "set echo queue = on",
        "get echo queue all",
        "reset echo queue all",
        "reset echo queue where size = 0",
        f"reset echo queue where size = {limits.MAX_ECHO_MESSAGES + 1}",
        "reset echo queue where sise = 5",
    ],
)
def test_wrong_words_change_nothing_in_the_queue(node: Node, wrong: str) -> None:
    node.run("set echo queue on & echo kept")
    assert "at column" in fails(lambda: node.run(wrong))
    assert node.run("get echo queue where format = json").data["size"] == limits.ECHO_MESSAGES
    assert "kept" in node.run("get echo queue").text


def test_what_peers_print_waits_in_the_queue(node: Node, tmp_path: Path) -> None:
    shown: list[Notice] = []
    node.show_notices(shown.append)
    address = listen(node)
    node.run("set echo queue on")
    with Node(tmp_path / "other") as other:
        own = listen(other)
        other.run(f"run client ({address}) print gate open")
        eventually(node.unread, "the message in the queue")
        (message,) = node.run("get echo queue where format = json").data["messages"]
        assert (message["Source"], message["Text"].strip()) == (own, "gate open")
        node.run("set echo queue off")
        other.run(f"run client ({address}) print gate shut")
        eventually(lambda: len(shown) == 1, "the message at the console")
    assert "gate shut" in shown[0].text
    node.show_notices(None)


def test_replies_of_nodes_wait_in_the_queue(node: Node, tmp_path: Path) -> None:
    listen(node)
    with Node(tmp_path / "one") as one, Node(tmp_path / "two") as two:
        addresses = [listen(one), listen(two)]
        node.run("set echo queue on")
        found = node.run(f"run client ({addresses[0]}) get status")
        assert found.text == ""
        assert [reply["node"] for reply in found.data] == addresses[:1]
        node.run(f"run client ({', '.join(addresses)}) get status")
        messages = node.run("get echo queue where format = json").data["messages"]
        assert [m["Source"] for m in messages[:1]] == addresses[:1]
        assert sorted(m["Source"] for m in messages[1:]) == sorted(addresses)
        assert all("running" in m["Text"] for m in messages)
        node.run(f"answer = run client ({addresses[0]}) get status")
        assert "running" in node.run("get !answer").text
        assert len(node.run("get echo queue where format = json").data["messages"]) == 3


def test_an_answer_that_is_stored_is_not_echoed(node: Node) -> None:
    node.run("set echo queue on")
    node.run("words = echo gate open")
    assert node.run("!words").text == "gate open"
    assert node.run("get echo queue").text == "The echo queue is empty"


# ------------------------------------------------------------------ traces


def test_a_traced_command_is_told_of(node: Node) -> None:
    told: list[str] = []
    node.show_notices(lambda notice: told.append(notice.text))
    node.run("trace level = 1 get status & trace level = 2 set & trace level = 1 process")
    node.run("get status & get processes & set berth = 7")
    fails(lambda: node.run("get status where format = yaml"))
    fails(lambda: node.run("process /no/such/script"))
    address = listen(node)
    node.run("trace level = 1 get processes")
    with Client(address) as client:
        client.request("get processes")
    node.run("trace level = 0 get status & get status")
    eventually(lambda: len(told) == 4, "the traces")
    node.show_notices(None)
    assert told[0].startswith("trace 'get status': ok, ")
    assert told[0].endswith(" ms, local")
    assert "name = 'berth', value = '7'" in told[1]
    assert "answer: (none)" in told[1]
    assert told[2].startswith("trace 'process': error 112: ")
    assert told[3].endswith("127.0.0.1")
    assert node.run("get trace where format = json").data == {
        "get processes": 1,
        "process": 1,
        "set": 2,
    }


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("1 run unicycle", "did you mean"),
        ("1 get conn", "did you mean 'get connections'?"),
        ("1 run", "'run client'"),
        ("1 zzz", "write the whole name"),
        ("4 get status", "0..3"),
        ("x get status", "0..3"),
    ],
)
def test_only_commands_are_traced(node: Node, rule: str, told: str) -> None:
    line = fails(lambda: node.run(f"trace level = {rule}"))
    assert told in line
    assert "at column 15" in line
    assert node.run("get trace").text == "No command is traced"


def test_all_commands_are_traced_together(node: Node) -> None:
    told: list[str] = []
    node.show_notices(lambda notice: told.append(notice.text))
    node.run("trace level = 2 get processes & trace level = 1")
    assert node.run("get trace where format = json").data == {"*": 1}
    node.run("trace level = 0 get trace & get status & set berth = 7")
    assert node.run("get trace where format = json").data == {"*": 1, "get trace": 0}
    node.run("trace level = 3 get status & get status & trace level = 0 & get status")
    eventually(lambda: told and told[-1].startswith("trace 'trace level': ok"), "the last trace")
    node.show_notices(None)
    named = [line.split("'")[1] for line in told]
    assert named[:3] == ["get trace", "trace level", "get status"]
    assert named[-2:] == ["get status", "trace level"]
    assert any("answer: " in line for line in told)
    assert node.run("get trace").text == "No command is traced"


def test_help_is_never_an_error(node: Node) -> None:
    assert node.run("help juggle").text.startswith("Unrecognized command 'juggle'")
    assert node.run("help index nosuch").text.startswith("Unrecognized topic 'nosuch'")
    assert "get event log" in node.run("help index monitoring").text
    assert "where format" in node.run("help get event log").text
    assert errors(node) == []
    fails(lambda: node.run('help "open'), UnbalancedInput)
