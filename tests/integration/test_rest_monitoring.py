"""``/metrics``, ``/healthz`` and ``/readyz`` of real nodes."""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from edgelake import Node, limits
from edgelake.rest.metric_list import METRICS
from edgelake.services.rest import RestService
from tests.http_calls import HOST, Caller, Reply, rest_node, tcp_place
from tests.waiting import eventually

UNITS = ("_seconds", "_bytes", "_total", "_info")


def metrics(call: Caller) -> dict[str, float]:
    """Return the values of all metrics, by name and labels as they are written."""
    reply = call("GET", "/metrics")
    assert reply.status == 200
    lines = (line for line in reply.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def make_master(node: Node) -> None:
    node.run("connect dbms blockchain where type = sqlite")
    node.run("create table ledger where dbms = blockchain")
    node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")


def ready(call: Caller) -> Reply:
    return call("GET", "/readyz")


# ------------------------------------------------------------------- metrics


def test_every_metric_is_there_as_declared(node: Node, call: Caller) -> None:
    make_master(node)
    reply = call("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {family.name: family for family in parsed(reply.text)}
    for metric in METRICS:
        family = found[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)
    assert found["process_resident_memory_bytes"].samples[0].value > 2**20


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_keep_the_conventions(metric) -> None:
    assert re.fullmatch(r"edgelake_[a-z0-9]+(_[a-z0-9]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")
    assert not re.search(r"_(ms|us|milliseconds|kb|percent)(_|$)", metric.name)


def test_openmetrics_for_who_asks_for_it(call: Caller) -> None:
    reply = call("GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF")


def test_messages_and_their_times_are_those_of_the_server(node: Node, call: Caller) -> None:
    place = tcp_place(node)
    for _ in range(3):
        node.run(f"run client ({place}) get processes")
    name = 'edgelake_tcp_messages_total{direction="in"}'
    eventually(lambda: metrics(call)[name] >= 6, "questions and answers came in")
    found = metrics(call)
    stats = node.run("get tcp stats where format = json").data
    for phase, told in stats["latencies"].items():
        count = found[f'edgelake_tcp_message_seconds_count{{phase="{phase}"}}']
        assert count == told["count"]
        total = found[f'edgelake_tcp_message_seconds_sum{{phase="{phase}"}}']
        assert 0 <= total <= count * told["max_us"] / 1e6
        # What is not below the slowest one holds all.
        above = [
            value
            for name, value in found.items()
            if name.startswith("edgelake_tcp_message_seconds_bucket")
            and f'phase="{phase}"' in name
            and "Inf" not in name
            and float(re.search(r'le="([^"]+)"', name)[1]) >= told["max_us"] / 1e6
        ]
        assert set(above) == {count}
    assert found['edgelake_tcp_message_seconds_sum{phase="handled"}'] > 0


def test_what_is_dropped_is_counted_by_reason(node: Node, call: Caller) -> None:
    host, _, port = tcp_place(node).rpartition(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(b"GET / HTTP/1.1\r\n" + b"x" * limits.BLOCK_BYTES)
    name = 'edgelake_tcp_closed_connections_total{kind="dropped",reason="bad_header"}'
    eventually(lambda: metrics(call)[name] == 1, "the connection is counted")


def test_calls_are_counted_by_method_and_status(call: Caller) -> None:
    call.get("get status")
    call.get("get nosuch")
    call("BREW", "/")
    call("DELETE", "/")
    found = metrics(call)
    assert found['edgelake_rest_calls_total{method="GET",status="200"}'] == 1
    assert found['edgelake_rest_calls_total{method="GET",status="400"}'] == 1
    assert found['edgelake_rest_calls_total{method="DELETE",status="405"}'] == 1
    assert found["edgelake_rest_call_seconds_count"] == 3
    assert found['edgelake_rest_refused_total{reason="bad_request"}'] == 1
    assert found["edgelake_rest_call_seconds_sum"] > 0


def test_no_caller_makes_new_series(call: Caller) -> None:
    before = set(metrics(call))
    for agent in ("one", "two", "three"):
        call("GET", f"/{agent}", User_Agent=agent, X_Name=agent)
    more = set(metrics(call)) - before
    assert more <= {
        'edgelake_rest_calls_total{method="GET",status="404"}',
        'edgelake_rest_calls_total{method="GET",status="200"}',
    }


def test_the_ledger_in_numbers(node: Node, call: Caller) -> None:
    make_master(node)
    for number in range(3):
        node.run(f'blockchain push {{"device": {{"name": "d{number}"}}}}')
    eventually(
        lambda: metrics(call)["edgelake_ledger_policies"] == 3, "the table is in the local ledger"
    )
    found = metrics(call)
    assert found["edgelake_ledger_sequence"] == 3
    assert found['edgelake_ledger_role{role="master"}'] == 1
    assert found['edgelake_service_running{service="synchronizer"}'] == 1
    assert found["edgelake_sync_last_success_timestamp_seconds"] > 1.7e9
    file = node.home.ledger_file
    eventually(
        lambda: (
            file.exists()
            and metrics(call)["edgelake_ledger_file_bytes"] == file.stat().st_size > 100
        ),
        "the file is written",
    )
    epoch = node.run("get synchronizer where format = json").data["epoch"]
    assert found[f'edgelake_ledger_epoch_info{{epoch="{epoch}"}}'] == 1


def test_what_does_not_run_has_no_values(tmp_path: Path) -> None:
    with rest_node(tmp_path / "home", tcp=False) as (_, call):
        found = metrics(call)
    assert found['edgelake_service_running{service="tcp"}'] == 0
    assert not [name for name in found if name.startswith(("edgelake_tcp_m", "edgelake_sync_"))]


def test_metrics_while_every_thread_is_busy(tmp_path: Path) -> None:
    with rest_node(tmp_path / "home", threads=1) as (node, call):
        over = threading.Event()
        node._parts.services.find(RestService).pool.submit(over.wait)
        waiting = threading.Thread(target=call.get, args=("get processes",))
        waiting.start()
        try:
            eventually(
                lambda: metrics(call)["edgelake_rest_waiting_calls"] == 1, "a call waits for it"
            )
            assert metrics(call)["edgelake_rest_threads"] == 1
            assert call("GET", "/healthz").status == ready(call).status == 200
        finally:
            over.set()
            waiting.join()


def test_other_methods_are_refused(call: Caller) -> None:
    for path in ("/metrics", "/healthz", "/readyz"):
        reply = call("POST", path)
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
        assert call("HEAD", path).status == 200


# -------------------------------------------------------------------- health


def test_a_node_that_works_is_alive_and_ready(node: Node, call: Caller) -> None:
    assert call("GET", "/healthz").data == {"status": "ok"}
    assert ready(call).data == {
        "ready": True,
        "services": {"tcp": "running", "rest": "running"},
        "faults": {},
    }
    node.run("exit tcp")
    assert ready(call).data["services"] == {"rest": "running"}


def test_a_ledger_that_was_never_fresh(node: Node, call: Caller) -> None:
    node.run(
        "run blockchain sync where source = master and time = 1 second and dest = file"
        f" and connection = {HOST}:1"
    )
    reply = ready(call)
    assert reply.status == 503
    assert "not brought up to date" in reply.data["faults"]["synchronizer"]
    assert call("GET", "/healthz").status == 200
    assert metrics(call)["edgelake_ready"] == 0


def test_a_ledger_that_is_not_fresh_any_more(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_master(node)
    eventually(lambda: ready(call).status == 200, "the node is ready")
    monkeypatch.setattr(limits, "READY_SYNC_INTERVALS", 0)
    monkeypatch.setattr(limits, "READY_SYNC_GRACE_S", 0.0)
    reply = ready(call)
    assert reply.status == 503
    assert "the limit is 0 s" in reply.data["faults"]["synchronizer"]


def test_a_service_that_broke(node: Node, call: Caller) -> None:
    make_master(node)
    eventually(lambda: ready(call).status == 200, "the node is ready")
    node._parts.services.find(type(node._parts.tcp())).fail("its socket is gone")
    reply = ready(call)
    assert (reply.status, reply.data["faults"]) == (503, {"tcp": "TCP failed"})


# --------------------------------------------------------------------- users


def test_metrics_are_for_users_and_health_is_for_everybody(node: Node, call: Caller) -> None:
    node.run("set user where name = prometheus and level = read")
    token = node.run("set user token where name = prometheus").text
    (token,) = re.findall(r"edgelake_\S+", token)
    assert call("GET", "/metrics").status == 401
    assert call("GET", "/metrics", Authorization="Bearer edgelake_wrong").status == 401
    reply = call("GET", "/metrics", Authorization=f"Bearer {token}")
    assert (reply.status, "edgelake_ready 1.0" in reply.text) == (200, True)
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
        assert call("GET", path).status == 200
