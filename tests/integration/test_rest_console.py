"""The calls that the console in the browser lives on, made by plain HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from edgelake import Client, Node, limits
from tests.http_calls import Caller, Reply, rest_node, tcp_place
from tests.secretive import PASSWORD, secretive_registry
from tests.waiting import eventually

ASKED = (
    "overview",
    "series",
    "logs",
    "ledger",
    "ledger/policies",
    "ledger/policy?id=x",
    "ledger/history",
    "peers",
    "peers/ping?node=127.0.0.1:9",
)
SENT = ("complete", "run")
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Node, Caller]]:
    """A node that is a master, with its REST server."""
    with rest_node(tmp_path / "node") as (node, caller):
        node.run("connect dbms blockchain where type = sqlite")
        node.run("create table ledger where dbms = blockchain")
        yield node, caller


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Who calls a node that no test changes."""
    with rest_node(tmp_path_factory.mktemp("still")) as (_, caller):
        yield caller


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Node, Caller]]:
    """A node that takes many samples a second."""
    monkeypatch.setattr(limits, "SAMPLE_INTERVAL_S", 0.002)
    with rest_node(tmp_path / "quick") as both:
        yield both


@pytest.fixture
def node(both: tuple[Node, Caller]) -> Node:
    """The node of both."""
    return both[0]


@pytest.fixture
def call(both: tuple[Node, Caller]) -> Caller:
    """Who calls the node of both."""
    return both[1]


def ask(call: Caller, path: str, **parameters: object) -> Any:
    """Return what a call answers that must succeed."""
    reply = asked(call, path, **parameters)
    assert reply.status == 200, reply.text
    return reply.data


def asked(call: Caller, path: str, **parameters: object) -> Reply:
    """Make a call with a query string."""
    return call("GET", f"/api/{path}?{urlencode(parameters)}")


def send(call: Caller, path: str, data: object) -> Reply:
    """Make a call with a JSON body."""
    return call("POST", f"/api/{path}", json.dumps(data), content_type="application/json")


def run(call: Caller, command: str, **more: str) -> Any:
    """Return the only answer of a command."""
    reply = send(call, "run", {"command": command, **more})
    assert reply.status == 200, reply.text
    (answer,) = reply.data["answers"]
    return answer


def fill(node: Node, count: int, kind: str = "device") -> None:
    """Put policies into the local ledger."""
    for number in range(count):
        body = json.dumps({kind: {"name": f"d{number}", "level": number}})
        node.run(f"blockchain insert where policy = {body} and local = true")


# -------------------------------------------------------------------- the page


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_gets_the_page_and_a_program_is_asked_for_a_command(
    still: Caller, method: str
) -> None:
    page = still(method, accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert still(method, accept="*/*").status == 400
    assert still("POST", accept="text/html").status == 400


def test_with_a_command_a_browser_gets_its_answer(still: Caller) -> None:
    by_header = still("GET", accept="text/html", command="get status")
    by_query = still("GET", "/?command=get+status", accept="text/html")
    assert by_header.text == by_query.text
    assert by_query.text.endswith("running")


def test_a_file_is_sent_again_only_after_it_changed(still: Caller) -> None:
    first = still("GET", "/pages/app.js")
    assert first.status == 200
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}'):
        again = still("GET", "/pages/app.js", if_none_match=known)
        assert (again.status, again.body) == (304, b"")
    assert still("GET", "/pages/app.js", if_none_match='"other"').body == first.body


@pytest.mark.parametrize(
    "path", ["/pages/", "/pages/none.js", "/pages/..%2fapp.py", "/pages/%2e%2e/app.py", "/api/"]
)
def test_nothing_else_of_the_package_is_served(still: Caller, path: str) -> None:
    reply = still("GET", path)
    assert reply.status == 404
    assert set(reply.data) == {"code", "error", "hint"}


def test_every_answer_keeps_a_browser_to_our_own_files(still: Caller) -> None:
    for reply in (
        still("GET", accept="text/html"),
        still("GET", "/pages/base.css"),
        still.get("get status"),
        still.get("nonsense"),
        still("GET", "/api/overview"),
        still("GET", "/nowhere"),
    ):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"


def test_a_login_is_asked_for_by_the_browser(still: Caller) -> None:
    reply = still("GET", "/login")
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Basic ")


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("path", ASKED)
def test_what_informs_is_asked_for_by_get(still: Caller, path: str) -> None:
    assert still("POST", f"/api/{path}", "{}").status == 405
    assert still("DELETE", f"/api/{path}").status == 405


@pytest.mark.parametrize("path", SENT)
def test_what_is_typed_is_sent_by_post(still: Caller, path: str) -> None:
    assert still("GET", f"/api/{path}").status == 405


@pytest.mark.parametrize("path", ["overview", "ledger", "peers", "series"])
def test_unknown_names_are_told(still: Caller, path: str) -> None:
    reply = asked(still, path, colour="red")
    assert reply.status == 400
    assert "unknown name 'colour'" in reply.data["error"]


@pytest.mark.parametrize("path", SENT)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("text", 400),
        ("[]", 400),
        ('"get status"', 400),
        ("[" * 100_000, 400),
        ('{"unknown": 1}', 400),
        ('{"text": 7, "command": 7}', 400),
        ('{"command": ""}', 400),
        (r'{"command": "get \ud800"}', 400),
        (b"\xff\xfe", 400),
        (b"{" + b" " * limits.MAX_CONSOLE_BODY_BYTES + b"}", 413),
    ],
)
def test_bodies_that_say_nothing_are_refused(
    still: Caller, path: str, body: str | bytes, status: int
) -> None:
    reply = still("POST", f"/api/{path}", body, content_type="application/json")
    assert reply.status == status
    assert reply.data["error"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_the_pages_of_others_may_not_call(still: Caller, site: str) -> None:
    body = json.dumps({"command": "get status"})
    for path in ("/api/run", "/"):
        # A form that a page of another site fills in and sends is a navigation, too.
        for mode in ("cors", "no-cors", "navigate"):
            reply = still("POST", path, body, sec_fetch_site=site, sec_fetch_mode=mode)
            assert reply.status == 403
    assert still("GET", "/api/overview", sec_fetch_site=site, sec_fetch_mode="cors").status == 403
    assert still("POST", "/api/run", body, origin="http://elsewhere.example").status == 403
    followed = still("GET", accept="text/html", sec_fetch_site=site, sec_fetch_mode="navigate")
    assert followed.status == 200


# -------------------------------------------------------------------- the node


def test_the_overview_tells_what_the_node_is(node: Node, call: Caller) -> None:
    fill(node, 2)
    found = ask(call, "overview")
    assert found["node"]["address"] == f"edgelake@{tcp_place(node)}"
    assert found["node"]["home"] == str(node.home.root)
    assert found["node"]["uptime_s"] >= 0
    assert found["caller"] == {
        "ip": "127.0.0.1",
        "user": None,
        "level": "metadata",
        "sign_in": False,
    }
    assert [one["kind"] for one in found["addresses"]] == ["TCP", "REST"]
    assert {one["name"]: one["state"] for one in found["services"]} == {
        "tcp": "Running",
        "rest": "Running",
        "synchronizer": "Not declared",
    }
    assert found["ledger"]["policies"] == 2
    assert found["connections"]["rest"]["open"] >= 1


def test_samples_follow_the_messages(quick: tuple[Node, Caller]) -> None:
    node, call = quick

    def newest() -> dict[str, Any]:
        samples = ask(call, "series")["samples"]
        return samples[-1] if samples else {"handled": None, "number": 0}

    eventually(lambda: newest()["handled"] == 0, "a sample without messages")
    with Client(tcp_place(node)) as client:

        def moved() -> bool:
            client.request("get processes", timeout=10)
            found = [one for one in ask(call, "series")["samples"] if one["handled"]]
            return any(
                one["messages_in_per_s"] > 0 and one["p99_us"] >= one["p50_us"] > 0 for one in found
            )

        eventually(moved, "a sample with messages")
    last = newest()["number"]
    later = ask(call, "series", after=last)
    assert all(sample["number"] > last for sample in later["samples"])
    assert later["last"] >= last


def test_samples_outlive_the_server_that_they_tell_of(quick: tuple[Node, Caller]) -> None:
    node, call = quick
    node.run("exit tcp")
    before = ask(call, "series")["last"]
    eventually(lambda: ask(call, "series")["last"] > before + 2, "samples without a TCP server")
    (last,) = ask(call, "series", after=before + 2)["samples"][:1]
    assert (last["messages_in_per_s"], last["p50_us"], last["connections"]) == (0, None, 0)


def test_samples_are_bounded(quick: tuple[Node, Caller]) -> None:
    _, call = quick
    eventually(
        lambda: ask(call, "series")["last"] > limits.MAX_SAMPLES + 20, "more samples than are kept"
    )
    found = ask(call, "series")["samples"]
    assert len(found) == limits.MAX_SAMPLES
    numbers = [sample["number"] for sample in found]
    assert numbers == list(range(numbers[0], numbers[0] + limits.MAX_SAMPLES))


def test_logs_are_for_admins(node: Node, call: Caller) -> None:
    for kind in ("event", "error"):
        reply = asked(call, "logs", kind=kind)
        assert reply.status == 403
        assert reply.data["code"] == 212
    node.run("set remote permission = admin")
    node.run("get status")
    call.get("get nonsense")
    events = ask(call, "logs", kind="event")["lines"]
    assert "(ok) get status" in [line["Text"] for line in events]
    (failed,) = ask(call, "logs", kind="error")["lines"]
    assert failed["Command"] == "get nonsense"
    assert ask(call, "logs", kind="error", after=failed["ID"])["lines"] == []
    assert asked(call, "logs", kind="all").status == 400


def test_a_reader_sees_all_but_the_logs(node: Node, call: Caller) -> None:
    node.run("set remote permission = read")
    for path in ASKED:
        reply = call("GET", f"/api/{path}")
        assert (reply.status == 403) == (path == "logs"), path


# ------------------------------------------------------------------ the ledger


def test_types_are_counted(node: Node, call: Caller) -> None:
    assert ask(call, "ledger") == {"types": [], "total": 0}
    fill(node, 3)
    fill(node, 1, "silo")
    assert ask(call, "ledger") == {
        "types": [{"type": "device", "count": 3}, {"type": "silo", "count": 1}],
        "total": 4,
    }


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("", ["d0", "d1", "d2", "d3"]),
        ("level > 1", ["d2", "d3"]),
        ("where level > 1 and not name = d3", ["d2"]),
        ("name = none", []),
        (HOSTILE.replace("=", ""), None),
        ("name = ", None),
        ("name = d1 bring [*][name]", None),
        ("name = d1 & exit node", None),
        ("name = [device][name] join ( blockchain get device where name = x )", None),
    ],
)
def test_a_search_understands_conditions_and_nothing_else(
    node: Node, call: Caller, where: str, names: list[str] | None
) -> None:
    fill(node, 4)
    reply = asked(call, "ledger/policies", type="device", where=where)
    if names is None:
        assert reply.status == 400
        return
    assert [one["name"] for one in reply.data["policies"]] == names
    assert reply.data["total"] == len(names)


@pytest.mark.parametrize("led", ["", "where ", " where  "])
def test_a_fault_in_a_search_has_its_column(still: Caller, led: str) -> None:
    reply = asked(still, "ledger/policies", where=f"{led}name = d1 and kind ~ x")
    assert reply.status == 400
    assert reply.data["column"] == len(led) + len("name = d1 and kind ~")


def test_pages_of_policies_are_bounded(node: Node, call: Caller) -> None:
    fill(node, 55)
    usual = ask(call, "ledger/policies")
    assert (usual["total"], len(usual["policies"])) == (55, 50)
    rest = ask(call, "ledger/policies", offset=50, limit=limits.MAX_CONSOLE_PAGE)
    assert [one["name"] for one in rest["policies"]] == ["d50", "d51", "d52", "d53", "d54"]
    assert ask(call, "ledger/policies", offset=10**12)["policies"] == []
    for name, value in (
        ("limit", limits.MAX_CONSOLE_PAGE + 1),
        ("limit", 0),
        ("limit", "ten"),
        ("limit", "٣"),
        ("offset", -1),
        ("offset", 10**30),
    ):
        assert asked(call, "ledger/policies", **{name: value}).status == 400


def test_a_policy_is_shown_with_its_changes(node: Node, call: Caller) -> None:
    node.run(f'blockchain push {{"device": {{"name": "{HOSTILE}", "id": "x&y"}}}}')
    assert ask(call, "ledger/policy", id="x&y")["policy"] is None
    node.run(
        'blockchain insert where policy = {"device": {"name": "d1", "id": "d1"}} and local = true'
    )
    shown = ask(call, "ledger/policy", id="d1")["policy"]
    assert json.loads(shown)["device"]["name"] == "d1"
    (change,) = ask(call, "ledger/policy", id="x&y")["changes"]
    assert (change["op"], change["name"]) == ("put", HOSTILE)
    assert asked(call, "ledger/policy", id="none").status == 404
    assert asked(call, "ledger/policy").status == 400


def test_a_master_tells_its_log(node: Node, call: Caller) -> None:
    for number in range(5):
        node.run(f'blockchain push {{"device": {{"name": "d{number}", "id": "{number}"}}}}')
    node.run("blockchain drop policy where id = 2")
    first = ask(call, "ledger/history", limit=4)
    assert (first["source"], first["sequence"]) == ("log", 6)
    assert [(one["seq"], one["op"], one["id"]) for one in first["changes"]] == [
        (6, "del", "2"),
        (5, "put", "4"),
        (4, "put", "3"),
        (3, "put", "2"),
    ]
    second = ask(call, "ledger/history", limit=4, before=first["next"])
    assert [one["seq"] for one in second["changes"]] == [2, 1]
    assert second["next"] is None


def test_another_node_tells_what_it_knows(tmp_path: Path) -> None:
    with rest_node(tmp_path / "plain") as (node, call):
        fill(node, 3)
        found = ask(call, "ledger/history", limit=2)
        assert found["source"] == "policies"
        assert {one["op"] for one in found["changes"]} == {"insert waits"}
        assert {one["name"] for one in found["changes"]} == {"d0", "d1", "d2"}


# ----------------------------------------------------------------------- peers


def test_peers_are_the_nodes_that_the_ledger_names(node: Node, call: Caller) -> None:
    host, port = tcp_place(node).split(":")
    for name, ip, at in (
        ("self", host, port),
        ("dead", host, "1"),
        ("evil", "127.0.0.1:1) exit node", "9"),
        ("lost", host, '"none"'),
        ("n" * 121, host, '"none"'),
    ):
        body = f'{{"query": {{"name": "{name}", "ip": "{ip}", "port": {at}}}}}'
        node.run(f"blockchain insert where policy = {body} and local = true")
    found = {one["name"]: one for one in ask(call, "peers")["peers"]}
    assert {name: one["address"] for name, one in found.items()} == {
        "self": f"{host}:{port}",
        "dead": f"{host}:1",
        "evil": None,
        "lost": None,
        "n" * 120 + "…": None,
    }
    assert [name for name, one in found.items() if one["self"]] == ["self"]
    alive = ask(call, "peers/ping", node=f"{host}:{port}")
    assert alive["reachable"]
    assert alive["reply"].endswith("running")
    dead = ask(call, "peers/ping", node=f"{host}:1")
    assert not dead["reachable"]
    assert "refused" in dead["problem"]["error"]


@pytest.mark.parametrize("place", ["127.0.0.1:22", "nonsense", "127.0.0.1:9) exit node", ""])
def test_nobody_else_is_pinged(still: Caller, place: str) -> None:
    assert asked(still, "peers/ping", node=place).status in (400, 404)


# ---------------------------------------------------------------- command line


def offered(call: Caller, text: str, cursor: int | None = None) -> list[str]:
    """Return the texts that may follow."""
    data = {"text": text} if cursor is None else {"text": text, "cursor": cursor}
    reply = send(call, "complete", data)
    assert reply.status == 200, reply.text
    return [one["text"] for one in reply.data["candidates"]]


def test_completion_offers_what_the_terminal_offers(still: Caller) -> None:
    assert "status" in offered(still, "get st")
    assert offered(still, "get st then more", len("get st")) == offered(still, "get st")
    found = send(
        still, "complete", {"text": "run tcp server where external_ip = 1 and nonsense = "}
    )
    assert "nonsense" in found.data["hint"]
    assert [0, 3, "command"] in found.data["parts"]
    assert send(still, "complete", {"text": "x", "cursor": -1}).status == 400
    assert offered(still, "x" * (limits.MAX_STYLED_CHARS + 1)) == []


def test_completion_tells_callers_no_secrets_and_no_files(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_NODE", "x")
    node.run("set db_password = hunter2zz")
    reply = send(call, "complete", {"text": "get !db_pass"})
    assert [one["text"] for one in reply.data["candidates"]] == ["!db_password"]
    assert "hunter2zz" not in reply.text
    assert offered(call, "print $SECRET") == []
    (node.home.root / "seen.al").touch()
    assert not any("seen" in one for one in offered(call, f"process {node.home.root}/se"))


def test_a_command_is_answered(still: Caller) -> None:
    assert run(still, "get status")["text"].endswith("running")
    table = run(still, "get processes")["table"]
    assert table["columns"] == ["Process", "Status", "Details"]
    assert [row[:2] for row in table["rows"]][:2] == [["TCP", "Running"], ["REST", "Running"]]
    listed = run(still, "get processes where format = json")
    assert listed["json"]
    assert json.loads(listed["text"]) == listed["data"]


def test_a_command_runs_at_another_node(node: Node, call: Caller) -> None:
    place = tcp_place(node)
    answer = run(call, "get status", destination=place)
    assert answer["node"] == place
    assert answer["text"].endswith("running")
    dead = run(call, "get status", destination="127.0.0.1:1")
    assert "refused" in dead["problem"]["error"]
    assert send(call, "run", {"command": "get status", "destination": "nowhere"}).status == 400


def test_a_fault_is_shown_with_its_place_and_the_nearest_name(call: Caller) -> None:
    reply = send(call, "run", {"command": "get statsu"})
    assert reply.status == 400
    assert reply.data["column"] == 5
    first, line, caret = reply.data["diagnosis"].split("\n")
    assert "did you mean 'get status'" in first
    assert line.index("statsu") == caret.index("^")
    assert reply.data["shown"] == "get statsu"
    assert any(one["errors"] for one in call.get("get rest calls where format = json").data)


def test_a_command_above_the_level_of_the_caller_does_not_run(node: Node, call: Caller) -> None:
    reply = send(call, "run", {"command": "set node name fen-01"})
    assert (reply.status, reply.data["code"]) == (403, 212)
    assert node.name == "edgelake"
    node.run("set remote permission = admin")
    assert send(call, "run", {"command": "set node name fen-01"}).status == 200
    assert node.name == "fen-01"


def test_secrets_of_a_command_do_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgelake.node.build_registry", secretive_registry)
    with rest_node(tmp_path / "keeper") as (node, call):
        node.run("set remote permission = admin")
        for more in ("", " and fail = yes", " and nonsense = 1"):
            command = f"connect vault v1 where phrase = {PASSWORD}{more}"
            reply = send(call, "run", {"command": command})
            assert PASSWORD not in reply.text
            assert "***" in reply.data["shown"]
        assert PASSWORD not in asked(call, "logs", kind="event").text


def test_answers_are_bounded(node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CONSOLE_ANSWER_CHARS", 10)
    node.run("x = 0123456789")
    whole = run(call, "get !x")
    assert (whole["text"], whole["cut"]) == ("0123456789", False)
    node.run("x = 0123456789a")
    cut = run(call, "get !x")
    assert (cut["text"], cut["cut"], cut["data"]) == ("0123456789", True, None)


def test_rows_of_a_table_are_bounded(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = len(run(call, "get processes")["table"]["rows"])
    monkeypatch.setattr(limits, "MAX_CONSOLE_ROWS", rows - 1)
    table = run(call, "get processes")["table"]
    assert (len(table["rows"]), table["more"]) == (rows - 1, 1)


def test_marks_that_drive_a_terminal_are_shown_as_what_they_are(node: Node, call: Caller) -> None:
    body = json.dumps({"device": {"name": "a\u202eb\x1b[2J"}})
    node.run(f"blockchain insert where policy = {body} and local = true")
    answer = run(call, "blockchain get device")
    assert answer["json"]
    assert "\u202e" not in answer["text"]
    assert "\x1b" not in answer["text"]
    assert quote(answer["data"][0]["device"]["name"]) == "a%E2%80%AEb%1B%5B2J"
