"""Commands by REST: methods, bodies, variables, destinations, and what goes wrong."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgelake import Node, errors, limits
from tests.http_calls import HOST, Caller, rest_node, rest_port
from tests.integration.test_ledger_log import make_master, names, push
from tests.waiting import eventually


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Who calls a node that no test changes."""
    with rest_node(tmp_path_factory.mktemp("steady")) as (_, call):
        yield call


# ------------------------------------------------------------------ commands


def test_a_command_in_the_header(node: Node, call: Caller) -> None:
    reply = call.get("get status", User_Agent="AnyLog/1.23")
    assert (reply.status, reply.text) == (200, node.run("get status").text)
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"


def test_json_when_the_command_or_the_caller_asks_for_it(node: Node, call: Caller) -> None:
    expected = node.run("get status where format = json").data
    assert call.get("get status where format = json").data == expected
    assert call.get("get status", Accept="application/json").data == expected


@pytest.mark.parametrize(
    "query",
    ["command=get+status", "User-Agent=AnyLog/1.23?command=get%20status", "COMMAND=get%20status"],
)
def test_a_command_in_the_address(node: Node, call: Caller, query: str) -> None:
    assert call("GET", f"/?{query}").text == node.run("get status").text


def test_the_header_counts_more_than_the_address(node: Node, call: Caller) -> None:
    assert call("GET", "/?command=get+nosuch", command="get status").status == 200


def test_a_command_in_a_json_body(node: Node, call: Caller) -> None:
    body = json.dumps({"command": "get status"})
    assert call("POST", body=body).text == node.run("get status").text
    assert call("POST", body=body, Content_Type="application/json").status == 200


def test_commands_in_the_lines_of_a_body(node: Node, call: Caller) -> None:
    node.run("set remote permission = admin")
    assert call("POST", body="set first = 1\nset second = 2\n").status == 200
    assert [node.run(f"get !{name}").text for name in ("first", "second")] == ["1", "2"]


def test_what_fails_in_a_body_ends_it(node: Node, call: Caller) -> None:
    node.run("set remote permission = admin")
    assert call("POST", body="set first = 1\nset nosuch\nset third = 3").status == 400
    with pytest.raises(errors.UndefinedVariable):
        node.run("get !third").text.index("3")


def test_a_policy_with_a_variable_of_the_body(node: Node, call: Caller) -> None:
    node.run("set remote permission = admin")
    policy = '<new_policy = {"device": {"name": "d1", "at": "O\'Brien | \\\\"}}>'
    command = "blockchain insert where policy = !new_policy and local = true"
    assert call.post(command, policy).status == 200
    (found,) = call.get("blockchain get device", Accept="application/json").data
    assert found["device"]["at"] == "O'Brien | \\"


def test_variables_of_a_call_are_of_that_call_alone(node: Node, call: Caller) -> None:
    body = json.dumps({"command": "get !word", "variables": {"word": "new"}})
    node.run("word = old")
    assert call("POST", body=body).text == "new"
    assert node.run("get !word").text == "old"


def test_an_object_as_variable_is_json(call: Caller) -> None:
    body = json.dumps({"command": "get !given", "variables": {"given": {"a": [1, None]}}})
    assert json.loads(call("POST", body=body).body) == {"a": [1, None]}


def test_policies_are_json(node: Node, call: Caller) -> None:
    for name in ("d1", "O'Brien"):
        policy = json.dumps({"device": {"id": name, "up": True, "of": None}})
        node.run(f"blockchain insert where policy = {policy} and local = true")
    found = call.get("blockchain get device where id = O'Brien").data
    assert found == node.run("blockchain get device where id = O'Brien").data
    assert [policy["device"]["id"] for policy in call.post("blockchain read *").data] == [
        "d1",
        "O'Brien",
    ]
    assert call.get("blockchain get nosuch").data == []
    assert call.get("blockchain get nosuch bring [*][id]").data == []
    brought = call.get("blockchain get device bring.json [*][id]").data
    assert brought == node.run("blockchain get device bring.json [*][id]").data
    table = call.get("blockchain get device bring.table [*][id]")
    assert table.headers["content-type"].startswith("text/plain")
    # Two answers are no JSON together.
    both = call("POST", body="blockchain get device where id = d1\nget status")
    assert json.loads(both.text.rpartition("\n")[0])[0]["device"]["up"] is True


def test_a_form_is_not_taken(steady: Caller) -> None:
    kind = "multipart/form-data; boundary=x"
    reply = steady("POST", body="--x\r\n\r\nset a = 1\r\n--x--", Content_Type=kind)
    assert (reply.status, reply.data["code"]) == (400, 282)


def test_a_silent_command_is_an_empty_answer(node: Node, call: Caller) -> None:
    node.run("set remote permission = admin")
    assert call.post("set word = 1").body == b""
    assert call.post("set word = 1", Accept="application/json").data is None


def test_a_change_of_the_masters_ledger_is_stored_when_the_call_ends(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.run("connect dbms blockchain where type = sqlite")
    node.run("create table ledger where dbms = blockchain")
    policy = '{"device": {"id": "d1", "name": "d1", "date": "2026"}}'
    assert call.post(f"blockchain push {policy}").body == b""
    assert stored(node) == [(policy,)]
    assert call.post(f"blockchain push {policy}").status == 409
    told = call.post(f"blockchain push confirm {policy}").text.split(" ")
    assert (told[0], told[1], told[-1]) == ("stored", "1", "d1")
    told = call.post('blockchain drop confirm {"id": "d1"}').text.split(" ")
    assert (told[0], told[1], told[-1]) == ("dropped", "2", "d1")
    assert stored(node) == []
    # A database that is busy is the caller's answer, too.
    monkeypatch.setattr(limits, "SQLITE_BUSY_TIMEOUT_S", 0.2)
    with closing(sqlite3.connect(_database(node), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        reply = call.post(f"blockchain push {policy}", Accept="application/json")
        assert "locked by another" in reply.data["error"]


def test_a_change_by_a_relay_ends_with_the_masters_word(
    node: Node, call: Caller, tmp_path: Path
) -> None:
    master, address = make_master(tmp_path / "master")
    with master:
        push(master, "a")
        node.run(
            "run blockchain sync where source = master and time = 30 minutes and dest = file"
            f" and connection = {address} and relay = true"
        )
        eventually(lambda: names(node) == ["a"], "the first ledger")
        policy = '{"device": {"id": "d1", "name": "d1", "date": "2026"}}'
        assert call.post(f"blockchain push {policy}").body == b""
        assert (policy,) in stored(master)
        told = call.post('blockchain drop confirm {"id": "d1"}').text.split(" ")
        assert (told[0], told[1], told[-1]) == ("dropped", "3", "d1")
        reply = call.post("blockchain drop policy where id = d1", Accept="application/json")
        assert reply.data["code"] == 101


def _database(node: Node) -> Path:
    return node._parts.databases.get("blockchain").path


def stored(node: Node) -> list[tuple[str]]:
    """Return the policies of the table, as another program sees them."""
    with closing(sqlite3.connect(_database(node))) as other:
        return other.execute("SELECT policy FROM ledger").fetchall()


def test_text_of_policies_in_utf_8(node: Node, call: Caller) -> None:
    node.run('blockchain insert where policy = {"device": {"name": "Größe ☃"}} and local = true')
    reply = call.get("blockchain get device bring [device][name]")
    assert reply.text == "Größe ☃"


# -------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("method", "headers", "body", "status", "code", "words"),
    [
        ("GET", {}, "", 400, 2, "missing command"),
        ("POST", {}, "", 400, 2, "missing command"),
        ("GET", {"command": "set a = 5"}, "", 405, 156, "GET is for information"),
        ("POST", {"command": "get status"}, "", 405, 156, "POST is for commands"),
        ("DELETE", {"command": "get status"}, "", 405, 156, "DELETE"),
        ("GET", {"command": "get nosuch"}, "", 400, 141, "get nosuch"),
        ("GET", {"command": "get status where color = red"}, "", 400, 216, "color"),
        ("POST", {"command": "set a = 5"}, "", 403, 212, "not permitted"),
        ("POST", {"command": "system ls"}, "", 403, 212, "not permitted"),
        ("POST", {"command": "run client (127.0.0.1:5) get status"}, "", 403, 212, "not permitted"),
        ("GET", {"command": "get $HOME"}, "", 403, 212, "$HOME"),
        ("GET", {"command": "get operator"}, "", 501, 282, "not available"),
        ("POST", {}, '{"command": 5}', 400, 175, "'command' is no text"),
        ("POST", {}, '{"comand": "get status"}', 400, 175, "comand"),
        ("POST", {}, '{"command": "get status"', 400, 6, "no JSON"),
        ("POST", {}, '{"command": "get status", "AnyLog-Agent": 5}', 400, 175, "anylog-agent"),
        ("POST", {}, '{"AnyLog-Agent": "AnyLog/1.23"}', 400, 2, "missing command"),
        ("POST", {"content-type": "application/json"}, "[1]", 400, 6, "no object"),
        ("POST", {}, '{"command": "get !x", "variables": 5}', 400, 175, "'variables'"),
        ("POST", {}, '{"command": "get !x", "variables": {"a b": 1}}', 400, 175, "a b"),
        ("POST", {"command": "set a = 1"}, "set b = 2", 400, 2, "beside"),
        ("GET", {"command": "get status", "timeout": "soon"}, "", 400, 175, "timeout"),
        ("GET", {"command": "get status", "timeout": "-1"}, "", 400, 175, "timeout"),
        ("GET", {"command": "get status", "subset": "maybe"}, "", 400, 175, "maybe"),
        ("GET", {"command": "get status", "destination": "nowhere"}, "", 400, 20, "nowhere"),
        ("GET", {"command": "get status", "destination": "."}, "", 400, 20, "."),
        ("GET", {"command": "get status", "destination": "network"}, "", 404, 155, "destination"),
        ("GET", {"command": "get a & set b = 1", "destination": "1.2.3.4:5"}, "", 400, 2, "one"),
        ("GET", {"command": "get status & set b = 1"}, "", 400, 141, "one command"),
    ],
)
def test_what_is_wrong_is_one_object(
    steady: Caller,
    method: str,
    headers: dict[str, str],
    body: str,
    status: int,
    code: int,
    words: str,
) -> None:
    reply = steady(method, "/", body, **headers)
    assert reply.status == status, reply.text
    assert reply.data.keys() == {"code", "error", "hint"}
    assert words in reply.data["error"]
    assert reply.data["code"] == code
    if status == 405:
        assert "GET" in reply.headers["allow"]


def test_a_body_that_is_no_text(steady: Caller) -> None:
    reply = steady("POST", body=b"set a = \xff")
    assert (reply.status, reply.data["error"]) == (400, "the body is not UTF-8 from byte 9")


@pytest.mark.parametrize("path", ["/nosuch", "/a%0d%0ab", "/%ff", "//", "/metrics/", "*"])
def test_a_path_that_is_none(steady: Caller, path: str) -> None:
    reply = steady("GET", path, command="get status")
    assert (reply.status, reply.data["hint"]) == (404, "commands are sent to /")


@pytest.mark.parametrize("path", ["/", "/metrics"])
def test_a_method_that_hardly_anybody_uses(steady: Caller, path: str) -> None:
    reply = steady("PROPFIND", path, command="get status")
    assert (reply.status, reply.data["code"]) == (405, 156)
    assert "GET" in reply.headers["allow"]


def test_a_body_that_is_too_large(steady: Caller) -> None:
    size = limits.MAX_REST_BODY_BYTES
    fits = b"# " + b"x" * (size - 2)
    # Nothing but a comment: there is no command in it.
    assert steady("POST", body=fits).data["error"] == "missing command"
    reply = steady("POST", body=fits + b"x")
    assert (reply.status, reply.data["code"]) == (413, 9)


def test_a_body_that_is_too_large_and_does_not_say_so(steady: Caller) -> None:
    part = b"x" * 2**20
    head = b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    with socket.create_connection((HOST, steady.port), 10) as line:
        line.sendall(head)
        sent = 0
        try:
            while sent <= 8 * limits.MAX_REST_BODY_BYTES:
                line.sendall(b"%x\r\n%s\r\n" % (len(part), part))
                sent += len(part)
        except OSError:
            pass
        # What the system keeps on both sides comes on top.
        assert sent < 7 * limits.MAX_REST_BODY_BYTES
    assert steady.get("get status").status == 200


def test_more_variables_than_a_call_may_give(steady: Caller) -> None:
    given = {f"v{n}": "1" for n in range(limits.MAX_REST_VARIABLES)}
    body = {"command": "get !v1", "variables": given}
    assert steady("POST", body=json.dumps(body)).text == "1"
    given["one_more"] = "1"
    assert steady("POST", body=json.dumps(body)).status == 400


def test_a_page_of_another_site_calls_nothing(node: Node, call: Caller) -> None:
    own = f"http://{HOST}:{call.port}"
    assert call.get("get status", Origin="http://evil.example").status == 403
    assert call.get("get status", Sec_Fetch_Site="cross-site").status == 403
    assert call.get("get status", Origin=own, Sec_Fetch_Site="same-origin").status == 200


# ------------------------------------------------------------------ the rest


def test_calls_are_counted(node: Node, call: Caller) -> None:
    call.get("get status", User_Agent="AnyLog/1.23")
    call.get("get nosuch", User_Agent="AnyLog/1.23")
    call.get("get status", User_Agent="curl/8", AnyLog_Agent="grafana/2")
    # Who cannot choose his headers says it where the command is.
    for key in ("AnyLog-Agent", "User-Agent", "anylog-agent"):
        call("POST", body=json.dumps({"command": "get status", key: "Wall/3"}), User_Agent="curl/8")
    call("GET", "/?AnyLog-Agent=Wall/3?command=get%20status", User_Agent="Mozilla/5.0")
    records = node.run("get rest calls where format = json").data
    assert [
        (r["caller"], r["call"], r["processed"], r["errors"], r["last_error"]) for r in records
    ] == [
        ("anylog", "GET", 2, 1, "unknown command 'get nosuch'"),
        ("grafana", "GET", 1, 0, None),
        ("wall", "GET", 1, 0, None),
        ("wall", "POST", 3, 0, None),
    ]
    assert "anylog" in node.run("get rest calls").text


def test_only_so_many_callers_are_told_apart(node: Node, call: Caller) -> None:
    for number in range(limits.MAX_REST_CALLERS + 2):
        call("GET", "/nosuch", User_Agent=f"agent-{number}")
    records = node.run("get rest calls where format = json").data
    assert len(records) == limits.MAX_REST_CALLERS + 1
    assert next(r["processed"] for r in records if r["caller"] == "(others)") == 2


def test_info_and_pool(node: Node, call: Caller) -> None:
    call.get("get status")
    info = node.run("get rest server info where format = json").data
    assert (info["status"], info["threads"], info["timeout_s"]) == ("running", 5, 20.0)
    assert info["url"] == f"http://{HOST}:{call.port}"
    pool = node.run("get rest pool where format = json").data
    assert (pool["threads"], pool["running"], pool["waiting"]) == (5, 0, 0)
    assert "REST" in node.run("get processes").text
    connections = node.run("get connections where format = json").data
    assert connections["REST"]["bind"] == f"{HOST}:{call.port}"


def test_what_is_shown_without_a_server(tmp_path: Path) -> None:
    with Node(tmp_path / "home") as node:
        assert node.run("get rest server info where format = json").data == {
            "status": "not running"
        }
        assert node.run("get rest calls where format = json").data == []
        assert node.run("get rest pool where format = json").data["threads"] == 0


def test_the_timeout_is_remembered_for_the_next_server(tmp_path: Path) -> None:
    with Node(tmp_path / "home") as node:
        node.run("set rest timeout 0")
        node.run(f"run rest server where external_ip = {HOST} and external_port = 0")
        assert node.run("get rest server info where format = json").data["timeout_s"] == 0.0


def test_a_server_is_started_again_at_once(node: Node, call: Caller) -> None:
    assert call.get("get status").status == 200
    for _ in range(3):
        node.run("exit rest")
        with pytest.raises(ConnectionRefusedError):
            call.get("get status")
        node.run(
            f"run rest server where external_ip = {HOST} and external_port = {call.port}"
            " and bind = true"
        )
        assert call.get("get status").status == 200


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ("external_port = 0", errors.MissingOption),
        ("external_ip = 127.0.0.1", errors.MissingOption),
        ("external_ip = 127.0.0.1 and external_port = 70000", errors.WrongValue),
        ("external_ip = 127.0.0.1 and external_port = 0 and threads = 0", errors.WrongValue),
        ("external_ip = 127.0.0.1 and external_port = 0 and timeout = -1", errors.WrongValue),
        ("external_ip = 127.0.0.1 and external_port = 0 and ssl = true", errors.MissingOption),
        ("external_ip = 192.0.2.1 and external_port = 0 and bind = true", errors.ServiceError),
    ],
)
def test_wrong_options(tmp_path: Path, options: str, kind: type[Exception]) -> None:
    with Node(tmp_path / "home") as node:
        with pytest.raises(kind):
            node.run(f"run rest server where {options}")
        assert "Not declared" in node.run("get connections").text


def test_a_port_that_is_taken(node: Node, call: Caller, tmp_path: Path) -> None:
    taken = f"external_ip = {HOST} and external_port = {call.port} and bind = true"
    with (
        Node(tmp_path / "other") as other,
        pytest.raises(errors.ServiceError, match="cannot listen"),
    ):
        other.run(f"run rest server where {taken}")
    with pytest.raises(errors.AlreadyRunning):
        node.run(f"run rest server where external_ip = {HOST} and external_port = 0")
    assert rest_port(node) == call.port
