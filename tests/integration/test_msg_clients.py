"""Messages by POST: what clients of messages make of them, and what they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgelake import Node, errors, limits
from tests.http_calls import Caller, Reply, rest_node

COLUMNS = 'column.ts.timestamp = "bring [ts]" and column.value.float = "bring [value]"'
TOPIC = f"(name = t1 and dbms = plant1 and table = motors and {COLUMNS})"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Node, Caller]]:
    with rest_node(tmp_path / "home", tcp=False) as both:
        yield both


@pytest.fixture
def call(served: tuple[Node, Caller]) -> Caller:
    return served[1]


@pytest.fixture
def node(served: tuple[Node, Caller]) -> Node:
    return served[0]


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node whose clients of messages are never added."""
    with Node(tmp_path_factory.mktemp("still")) as node:
        yield node


def run(node: Node, *topics: str, agent: str = "anylog") -> None:
    listed = " and ".join(f"topic = {topic}" for topic in topics)
    node.run(f"run msg client where broker = rest and user-agent = {agent} and {listed}")


def post(call: Caller, *messages: object, **headers: str) -> Reply:
    body = "\n".join(map(json.dumps, messages))
    return call("POST", body=body, **{"User_Agent": "AnyLog/1.23", **headers})


def stored(node: Node) -> dict[str, list[str]]:
    """The rows that gather, by table."""
    folder = node.home.prep_dir
    found = sorted(folder.glob("*.rows")) if folder.exists() else []
    return {
        ".".join(path.name.split(".")[:2]): [line.strip() for line in path.read_text().splitlines()]
        for path in found
    }


def figures(node: Node) -> dict[str, object]:
    (found,) = node.run("get msg clients where format = json").data
    return {key: found[key] for key in ("messages", "success", "errors", "rows", "last_error")}


# ------------------------------------------------------------------- mapping


def test_messages_become_rows(node: Node, call: Caller) -> None:
    run(node, TOPIC)
    reply = post(call, {"ts": "2026-11-23 23:05:09", "value": 7, "more": [1]})
    assert reply.status == 200
    assert reply.body == b'{"AnyLog.status":"Success", "AnyLog.hash": "0" }'
    assert post(call, {"ts": 1700000000, "value": "2.5"}, {"ts": 0, "value": 1}).status == 200
    assert stored(node) == {
        "plant1.motors": [
            '{"ts": "2026-11-23T23:05:09.000000Z", "value": 7}',
            '{"ts": "2023-11-14T22:13:20.000000Z", "value": 2.5}',
            '{"ts": "1970-01-01T00:00:00.000000Z", "value": 1}',
        ]
    }
    assert figures(node) == {
        "messages": 3,
        "success": 3,
        "errors": 0,
        "rows": 3,
        "last_error": None,
    }


def test_database_and_table_out_of_the_message(node: Node, call: Caller) -> None:
    run(
        node,
        '(name = t1 and dbms = "bring [site]" and table = "bring [kind] _ [unit]"'
        " and column.at.timestamp = now and column.level = (type = float and value ="
        ' "bring [payload][level]" and optional = true) and column.unit.str = "bring [unit]")',
    )
    before = datetime.now(UTC) - timedelta(seconds=1)
    message = {"site": "a", "kind": "pump", "unit": "x7", "payload": {"level": 1}}
    assert post(call, message, {"site": "b", "kind": "pump", "unit": "x8"}).status == 200
    rows = {table: json.loads(found) for table, (found,) in stored(node).items()}
    assert before < datetime.fromisoformat(rows["a.pump_x7"].pop("at")) <= datetime.now(UTC)
    del rows["b.pump_x8"]["at"]
    assert rows == {"a.pump_x7": {"level": 1, "unit": "x7"}, "b.pump_x8": {"unit": "x8"}}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", "7", "7"),
        ("int", '" -7 "', "-7"),
        ("int", "7.0", "7"),
        ("int", "123456789012345678901234567890", "123456789012345678901234567890"),
        ("int", "true", "1"),
        ("float", "1.10", "1.10"),
        ("float", "0.1234567890123456789", "0.1234567890123456789"),
        ("float", '"1.10"', "1.10"),
        ("double", "3", "3"),
        ("bool", '"TRUE"', "true"),
        ("bool", "0", "false"),
        ("str", "1.10", '"1.10"'),
        ("varchar", "true", '"true"'),
        ("string", "null", "null"),
        ("timestamp", "1700000000123", '"2023-11-14T22:13:20.123000Z"'),
        ("timestamp", "1700000000123456789", '"2023-11-14T22:13:20.123456Z"'),
        ("timestamp", '"2026-01-01T01:00:00.5+02:00"', '"2025-12-31T23:00:00.500000Z"'),
        ("timestamp", '"2026-01-01"', '"2026-01-01T00:00:00.000000Z"'),
        ("date", '"2026-01-31"', '"2026-01-31"'),
        ("time", '"23:59:59.5"', '"23:59:59.5"'),
        ("json", '{"a": [1.10]}', '{"a": [1.10]}'),
    ],
)
def test_types_of_columns(node: Node, kind: str, value: str, expected: str) -> None:
    run(node, f'(name = t1 and dbms = d and table = t and column.x.{kind} = "bring [v]")')
    clients = node._parts.msg_clients
    clients.take("anylog", "", f'{{"v": {value}}}'.encode())
    assert stored(node) == {"d.t": [f'{{"x": {expected}}}']}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", "7.5"),
        ("int", '"seven"'),
        ("int", "[]"),
        ("int", '"' + "1" * 41 + '"'),
        ("float", '"1,5"'),
        ("float", "true"),
        ("float", '"nan"'),
        ("float", '"1e999"'),
        ("bool", "2"),
        ("bool", '"yes"'),
        ("str", "{}"),
        ("timestamp", '"soon"'),
        ("timestamp", '"2026-13-01"'),
        ("timestamp", "true"),
        ("timestamp", "1e300"),
        ("timestamp", '"0001-01-01T00:00:00+14:00"'),
        ("date", '"2026-02-30"'),
        ("time", '"24:00:00"'),
    ],
)
def test_values_of_another_type(node: Node, call: Caller, kind: str, value: str) -> None:
    run(node, f'(name = t1 and dbms = d and table = t and column.x.{kind} = "bring [v]")')
    body = f'[{{"v": null}}, {{"v": {value}}}]'
    reply = call("POST", body=body, User_Agent="anylog")
    assert (reply.status, reply.data["code"]) == (400, 6)
    assert reply.data["error"].startswith("message 2: column 'x': ")
    assert stored(node) == {}
    assert figures(node)["errors"] == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"ts": 1}', "message 1: column 'value': bring [value] is missing"),
        ('{"ts": 1, "value": 1}\n{"ts": 2', "message 2, character 9"),
        ("5", "message 1, character 1: a row is an object"),
        ("", "the body holds no message"),
    ],
)
def test_messages_that_are_wrong_are_counted(
    node: Node, call: Caller, body: str, words: str
) -> None:
    run(node, TOPIC)
    reply = call("POST", body=body, User_Agent="anylog")
    assert reply.status == 400
    assert words in reply.data["error"]
    assert stored(node) == {}
    found = figures(node)
    assert (found["success"], found["errors"]) == (0, 1)
    assert found["last_error"] == reply.data["error"]


@pytest.mark.parametrize("site", ['"../x"', '"a.b"', '""', "null", "[]"])
def test_names_out_of_messages_lead_nowhere(node: Node, call: Caller, site: str) -> None:
    run(node, '(name = t1 and dbms = "bring [site]" and table = t and column.v.int = "bring [v]")')
    reply = call("POST", body=f'{{"site": {site}, "v": 1}}', User_Agent="anylog")
    assert reply.status == 400
    assert "dbms" in reply.data["error"]
    assert stored(node) == {}


# ------------------------------------------------------------------ policies


def policy(node: Node, **changes: object) -> str:
    body = {
        "id": "map1",
        "dbms": "bring [site]",
        "table": "motors",
        "readings": "readings",
        "schema": {
            "ts": {"type": "timestamp", "bring": "[at]", "default": "now()"},
            "value": {"type": "float", "bring": ["[value]", "[val]"]},
            "unit": {"type": "string", "default": "bar"},
            "device": {"type": "string", "bring": "[device]", "root": True},
        },
        **changes,
    }
    text = json.dumps({"mapping": body})
    node.run(f"blockchain insert where policy = {text} and local = true")
    return "map1"


def test_a_mapping_policy_makes_a_row_of_each_reading(node: Node, call: Caller) -> None:
    run(node, f"(name = t1 and policy = {policy(node)})")
    readings = [{"at": 0, "value": 1.50}, {"at": 1, "val": "2", "unit": "psi"}]
    reply = post(call, {"site": "plant1", "device": "d7", "readings": readings})
    assert reply.status == 200
    assert [json.loads(row) for row in stored(node)["plant1.motors"]] == [
        {"ts": "1970-01-01T00:00:00.000000Z", "value": 1.5, "unit": "bar", "device": "d7"},
        {"ts": "1970-01-01T00:00:01.000000Z", "value": 2, "unit": "bar", "device": "d7"},
    ]


def test_a_reading_that_is_wrong_is_named(node: Node, call: Caller) -> None:
    run(node, f"(name = t1 and policy = {policy(node)})")
    readings = [{"at": 0, "value": 1}, {"at": 1, "value": "much"}]
    reply = post(call, {"site": "plant1", "device": "d7", "readings": readings})
    assert "message 1: reading 2: column 'value': 'much' is no number" in reply.data["error"]
    reply = post(call, {"site": "plant1", "device": "d7"})
    assert "message 1: the message has no list of readings" in reply.data["error"]
    assert stored(node) == {}


def test_what_a_policy_wants_and_is_not_there(node: Node) -> None:
    name = policy(node, condition="if [a] == 1")
    with pytest.raises(errors.OptionNotAvailable, match="'condition' of the mapping policy"):
        run(node, f"(name = t1 and policy = {name})")
    with pytest.raises(errors.PolicyMissing, match="no mapping policy 'nosuch'"):
        run(node, "(name = t1 and policy = nosuch)")


# -------------------------------------------------------------------- topics


def test_the_topic_chooses(node: Node, call: Caller) -> None:
    run(
        node,
        '(name = a/+ and dbms = d and table = plus and column.v.int = "bring [v]")',
        '(name = b/# and dbms = d and table = rest and column.v.int = "bring [v]")',
        '(name = a/x and dbms = d and table = exact and column.v.int = "bring [v]")',
    )
    for number, topic in enumerate(("a/y", "a/x", "b", "b/c/d"), 1):
        assert post(call, {"v": number}, topic=topic, command="data").status == 200
    assert stored(node) == {
        "d.plus": ['{"v": 1}'],
        "d.exact": ['{"v": 2}'],
        "d.rest": ['{"v": 3}', '{"v": 4}'],
    }
    assert "header 'topic' is missing" in post(call, {"v": 1}).data["error"]
    assert "nobody takes messages of topic 'a/y/z'" in post(call, topic="a/y/z").data["error"]


def test_who_is_no_client_sends_commands(node: Node, call: Caller) -> None:
    run(node, TOPIC)
    reply = post(call, {"ts": 0, "value": 1}, User_Agent="curl/8")
    assert "unknown key" in reply.data["error"]
    reply = post(call, {"ts": 0, "value": 1}, User_Agent="curl/8", command="data")
    assert (reply.status, reply.data["code"]) == (503, errors.NotRunning.code)
    assert call.get("get status", User_Agent="AnyLog/1.23").status == 200
    node.run("set remote permission = admin")
    assert call.post("set x = 1", User_Agent="AnyLog/1.23").status == 200
    assert call("POST", "/?command=set+x+=+1", User_Agent="AnyLog/1.23").status == 200
    assert stored(node) == {}


def test_who_may_only_read_sends_no_messages(node: Node, call: Caller) -> None:
    run(node, TOPIC)
    node.run("set remote permission = read")
    assert post(call, {"ts": 0, "value": 1}).status == 403
    assert stored(node) == {}


# ----------------------------------------------------------------- the command


def test_clients_are_listed_and_end(node: Node, call: Caller) -> None:
    assert node.run("get msg clients").text == "No message client subscriptions"
    run(node, TOPIC)
    run(node, TOPIC, agent="mill")
    post(call, {"ts": 0})
    text = node.run("get msg client where id = 1").text
    assert "Subscription ID: 0001" in text
    assert re.search(r"t1\s*\|value\s*\|float\s*\|bring \[value\]\s*\|False", text)
    assert "is missing" in text
    assert [c["id"] for c in node.run("get msg clients where format = json").data] == [1, 2]
    assert [c["id"] for c in node.run("get msg clients where id = 2 and format = json").data] == [2]
    assert node.run("get msg clients where topic = no and format = json").data == []
    assert node.run("get msg client where broker = local and format = json").data == []
    assert "Subscribed" not in node.run("get msg client where statistics = true").text
    with pytest.raises(errors.OptionNotAvailable, match="'pool'"):
        node.run("exit msg client pool")
    node.run("exit msg client 1")
    with pytest.raises(errors.KeyMissing, match="no client of messages 1"):
        node.run("exit msg client 1")
    assert "missing command" not in post(call, {"ts": 0, "value": 1}).text
    node.run("exit msg client all")
    assert node.run("get msg clients where format = json").data == []


def test_a_topic_has_one_client(node: Node) -> None:
    run(node, TOPIC)
    with pytest.raises(errors.AlreadyRunning, match="topic 't1' is taken by client 1"):
        run(node, TOPIC.replace("t1", "t0"), TOPIC)
    assert [c["topics"] for c in node.run("get msg clients where format = json").data] == [["t1"]]


def test_the_number_of_clients_is_bounded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MSG_CLIENTS", 1)
    run(node, TOPIC)
    with pytest.raises(errors.Overloaded):
        run(node, TOPIC, agent="other")


def test_the_number_of_topics_is_bounded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MSG_TOPICS", 2)
    topics = [TOPIC.replace("t1", f"t{number}") for number in range(3)]
    with pytest.raises(errors.BadArgument, match="at most 2 topics"):
        run(node, *topics)
    run(node, *topics[:2])


def test_the_rows_of_messages_are_bounded(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_ROWS", 3)
    run(node, f"(name = t1 and policy = {policy(node)})")
    readings = [{"value": 1}, {"value": 2}]
    message = {"site": "plant1", "device": "d7", "readings": readings}
    reply = post(call, message, message)
    assert (reply.status, stored(node)) == (400, {})
    assert "more than 3 rows" in reply.data["error"]
    assert post(call, message).status == 200


def test_what_was_stored_of_several_tables_is_told(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(node, '(name = t1 and dbms = "bring [d]" and table = t and column.v.int = "bring [v]")')
    node.run("set data limit 12")
    reply = post(call, {"d": "a", "v": 1}, {"d": "b", "v": 2})
    assert reply.status == 503
    assert reply.data["error"].endswith("; rows of a.t are stored")
    assert stored(node) == {"a.t": ['{"v": 1}']}


FRONT = "run msg client where broker = rest and user-agent = a and topic ="


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        ("run msg client where broker = rest", errors.MissingOption, "'topic' is required"),
        (f"run msg client where topic = {TOPIC}", errors.MissingOption, "'broker' is required"),
        (
            f"run msg client where broker = rest and topic = {TOPIC}",
            errors.MissingOption,
            "'user-agent' is required",
        ),
        (
            f"run msg client where broker = local and topic = {TOPIC}",
            errors.OptionNotAvailable,
            "broker 'local' are not available",
        ),
        (
            f"run msg client where broker = mqtt.example and topic = {TOPIC}",
            errors.OptionNotAvailable,
            "broker 'mqtt.example' are not available",
        ),
        (
            f"run msg client where broker = rest and port = 1883 and topic = {TOPIC}",
            errors.OptionNotAvailable,
            "'port'",
        ),
        (f"{FRONT} t9", errors.WrongValue, "not in parentheses"),
        (f"{FRONT} (dbms = d and table = t)", errors.MissingOption, "'name' is required"),
        (f"{FRONT} (name = t9 and dbms = d)", errors.MissingOption, "lacks 'table'"),
        (f"{FRONT} (name = t9 and dbms = d and table = t)", errors.MissingOption, "no column"),
        (
            f"{FRONT} (name = t and qos = 7 and dbms = d and table = t and column.a.int = now)",
            errors.WrongValue,
            "7 is not in 0..2",
        ),
        (
            f'{FRONT} (name = t and dbms = d and table = t and column.a.blue = "bring [a]")',
            errors.WrongValue,
            "'blue' is no type of a column",
        ),
        (
            f"{FRONT} (name = t and dbms = d and table = t and shade = 5)",
            errors.UnknownOption,
            "no option 'shade'",
        ),
        (
            f'{FRONT} (name = t and dbms = d and table = t and column.a.int = "bring.no [a]")',
            errors.WrongValue,
            "no modifier 'no'",
        ),
        (
            f"{FRONT} (name = t and dbms = d and table = t and column.a.int = now"
            " and column.a.str = now)",
            errors.BadArgument,
            "a column twice",
        ),
        (f"{FRONT} (name = t and policy = p and dbms = d)", errors.BadArgument, "has a policy"),
        (f"{FRONT} {TOPIC} and topic = {TOPIC}", errors.DuplicateOption, "given twice"),
        (
            f"{FRONT} {TOPIC} and topic = {TOPIC.replace('motors', 'pumps')}",
            errors.BadArgument,
            "the same name",
        ),
        (f"{FRONT} (name = t and dynamic = true)", errors.OptionNotAvailable, "'dynamic'"),
    ],
)
def test_clients_that_are_wrong(
    still: Node, command: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=re.escape(words)):
        still.run(command)
    assert still.run("get msg clients where format = json").data == []
