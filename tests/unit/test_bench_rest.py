"""The part of REST: what it finds in a tiny setting, its goals and its page."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.goals import check_goals
from bench.part import Settings
from bench.rest.calls import KINDS
from bench.rest.goals import REST_GOALS
from bench.rest.page import write_rest_page
from bench.rest.part import RestPart
from bench.rest.servers import Servers, running_servers
from bench.rest.tables import TABLES
from bench.rest.trouble import TROUBLES
from bench.rest.wrk import Call, run_wrk
from tests.http_calls import Caller
from tests.waiting import eventually

TINY = Settings(quick=True, rounds=1, seconds=1.0, threads=1)
POLICIES = 20


@pytest.fixture(scope="module")
def servers() -> Any:
    with running_servers(POLICIES) as both:
        yield both


def test_all_of_it_in_a_tiny_setting(tmp_path: Path) -> None:
    part = RestPart(connections=(1, 3), policies=POLICIES)
    steps: list[str] = []
    found = part.run(TINY, steps.append)
    assert len(steps) == part.steps(TINY)
    assert [one["connections"] for one in found["connections"]] == [1, 3]
    assert [one["kind"] for one in found["kinds"]] == list(KINDS)
    assert [one["beside"] for one in found["crowd"]] == list(TROUBLES)
    for one in (*found["connections"], *found["kinds"]):
        assert one["node_rate"] > 0 < one["bare_rate"]
        assert one["ratio"] == pytest.approx(one["node_rate"] / one["bare_rate"])
        assert 0 < one["node_p50_ms"] <= one["node_p99_ms"]
        assert one["node_cpu_us"] > 0
    first, *others = found["crowd"]
    assert (first["rate_ratio"], first["p99_ms_ratio"]) == (1.0, 1.0)
    assert all(one["rate"] > 0 for one in others)
    results = {"rest": json.loads(json.dumps(found)), "machine": {}, "command": "none"}
    assert None not in [goal["value"] for goal in check_goals(results, REST_GOALS)]
    console = Console(file=io.StringIO(), width=200)
    part.show(console, found)
    page = write_rest_page(results, tmp_path)
    assert page is not None
    shown = page.read_text()
    assert isinstance(console.file, io.StringIO)
    for one in TABLES:
        assert one.title in console.file.getvalue()
        assert all(cell in shown for row in one.rows(found) for cell in row)


def test_without_calls_there_is_no_page(tmp_path: Path) -> None:
    assert write_rest_page({"rest": None}, tmp_path) is None
    assert write_rest_page({}, tmp_path) is None
    assert {goal["value"] for goal in check_goals({}, REST_GOALS)} == {None}


def test_calls_are_answered_with_what_they_ask_for(servers: Servers) -> None:
    call = Caller(servers.node.port)
    for name, made in KINDS.items():
        sent = made(servers)
        reply = call(sent.method, sent.path, sent.body or b"", **sent.headers)
        assert reply.status == 200, name
    sent = KINDS["blockchain get, one policy by id"](servers)
    assert len(call("GET", **sent.headers).data) == 1


def test_calls_that_are_refused_are_no_result(servers: Servers) -> None:
    with pytest.raises(RuntimeError, match="calls were refused, 0 not answered"):
        run_wrk(servers.node.port, Call({"command": "get statsu"}), 2, 1.0)


def test_a_server_that_is_not_there(servers: Servers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(RuntimeError, match="wrk: "):
        run_wrk(port, Call(), 1, 1.0)


def test_without_wrk_the_package_is_named(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeError, match="Debian package wrk"):
        run_wrk(servers.node.port, Call(), 1, 1.0)


@pytest.mark.parametrize("name", [*TROUBLES][1:])
def test_trouble_is_there_and_goes_again(servers: Servers, name: str) -> None:
    call = Caller(servers.node.port)
    own = 0

    def now(figure: str) -> int:
        nonlocal own
        own += 1
        reply = call.get("get rest server info where format = json")
        return int(reply.data[figure])

    eventually(lambda: now("connections") == 1, "nobody but us")
    before = now("calls") - own
    with TROUBLES[name](servers.node.port):
        eventually(lambda: now("connections") > 50, "the others")
        assert now("calls") - own == before, "one of the others was answered"
    eventually(lambda: now("connections") == 1, "nobody but us")
