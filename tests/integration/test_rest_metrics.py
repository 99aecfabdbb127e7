"""Each figure of ``/metrics`` moves with what it counts; data that arrives in all its figures."""

from __future__ import annotations

import json
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from edgelake import Node, limits
from edgelake.services.data_refusals import DOORS, REASONS
from tests.http_calls import HOST, Caller, tcp_place
from tests.integration.test_data_files import PLACE, put
from tests.integration.test_ledger_log import make_master, push
from tests.integration.test_msg_clients import TOPIC, post, run
from tests.integration.test_rest_monitoring import metrics
from tests.waiting import eventually

ROW = '[{"ts": 1, "value": 7.10}, {"ts": 2, "value": 7.2}]'


def moved(call: Caller, act: Callable[[], object]) -> dict[str, float]:
    """Return by how much each metric changed that something changes."""
    before = metrics(call)
    act()
    after = metrics(call)
    assert before.keys() <= after.keys()
    return {name: value - before.get(name, 0) for name, value in after.items()}


def data(found: dict[str, float]) -> dict[str, float]:
    """Return the metrics of data that are not 0, without the beginning of their names."""
    start = "edgelake_data_"
    return {
        name.removeprefix(start): value
        for name, value in found.items()
        if name.startswith(start) and value and "max_waiting" not in name
    }


# ---------------------------------------------------------------------- data


def test_rows_of_files(node: Node, call: Caller) -> None:
    found = data(moved(call, lambda: put(call, ROW)))
    size = found.pop("waiting_bytes")
    assert found == {
        'rows_total{mode="file"}': 2,
        'files_total{mode="file"}': 1,
        "waiting_files": 1,
    }
    (path,) = node.home.watch_dir.iterdir()
    assert size == path.stat().st_size
    # The same rows are there already.
    found = data(moved(call, lambda: put(call, ROW)))
    assert not [name for name in found if "_total" in name]


def test_rows_that_gather_and_become_a_file(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = data(moved(call, lambda: put(call, ROW, mode="streaming")))
    assert found.pop("gathering_seconds") > 0
    (path,) = node.home.prep_dir.glob("*.rows")
    assert found.pop("gathering_bytes") == path.stat().st_size
    assert found == {'rows_total{mode="streaming"}': 2, "gathering_rows": 2}
    monkeypatch.setattr(limits, "ROW_BUFFER_BYTES", 10)
    put(call, ROW, mode="streaming")
    eventually(lambda: metrics(call)["edgelake_data_gathering_rows"] == 0, "all are handed over")
    found = data(metrics(call))
    assert found.pop("waiting_bytes") > 0
    assert found == {
        'rows_total{mode="streaming"}': 4,
        'files_total{mode="streaming"}': 1,
        "waiting_files": 1,
    }


def test_messages(node: Node, call: Caller) -> None:
    run(node, TOPIC)
    assert metrics(call)["edgelake_data_message_clients"] == 1
    good, bad = {"ts": 1, "value": 1}, {"ts": 1, "value": "much"}
    found = data(moved(call, lambda: post(call, good, good, good)))
    assert found['messages_total{outcome="stored"}'] == found["gathering_rows"] == 3
    assert found['rows_total{mode="streaming"}'] == 3
    # All of a call are refused, and nothing of it is stored.
    assert data(moved(call, lambda: post(call, good, bad))) == {
        'messages_total{outcome="refused"}': 2,
        'refused_calls_total{door="post",reason="malformed"}': 1,
        "gathering_seconds": pytest.approx(0, abs=60),
    }
    node.run("exit msg client all")
    found = metrics(call)
    assert found["edgelake_data_message_clients"] == 0
    # What was counted stays counted.
    assert found['edgelake_data_messages_total{outcome="stored"}'] == 3


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond a few bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refuse(node: Node, call: Caller, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have rows refused by PUT, and a message by POST, for a reason."""
    message = {"ts": 1, "value": 1}
    if reason == "malformed":
        assert put(call, '[{"value": 1}, {').status == 400
        assert post(call, message, 5).status == 400
    elif reason == "too_large":
        monkeypatch.setattr(limits, "MAX_ROWS", 1)
        assert (put(call, ROW).status, post(call, message, message).status) == (413, 413)
    elif reason == "no_room":
        node.run("set data limit 1KB")
        long = json.dumps({"ts": 1, "value": "1" * 600})
        assert put(call, "\n".join([long, long])).status == 503
        for _ in range(100):
            if post(call, *[message] * 10).status == 503:
                break
    elif reason == "disk":
        with full_disk():
            assert (put(call, ROW).status, post(call, message).status) == (507, 507)
    elif reason == "not_permitted":
        node.run("set rest anonymous = read")
        assert (put(call, ROW).status, post(call, message).status) == (403, 403)
    else:
        assert call("PUT", body=ROW, dbms="plant1").status == 400
        assert post(call, message, topic="nosuch").status == 400


@pytest.mark.parametrize("reason", REASONS)
def test_what_is_refused_is_counted_by_reason(
    node: Node, call: Caller, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(node, TOPIC)
    found = data(moved(call, lambda: refuse(node, call, reason, monkeypatch)))
    assert {name: value for name, value in found.items() if name.startswith("refused")} == {
        f'refused_calls_total{{door="{door}",reason="{reason}"}}': 1 for door in DOORS
    }
    assert 'rows_total{mode="file"}' not in found


def test_labels_are_words_of_the_node(node: Node, call: Caller) -> None:
    run(node, TOPIC)
    before = {name for name in metrics(call) if name.startswith("edgelake_data_")}
    for number in range(20):
        names = {"dbms": f"d{number}", "table": f"t{number}", "source": f"s{number}"}
        assert put(call, ROW, **names, mode=("file", "streaming")[number % 2]).status == 200
        put(call, ROW, **PLACE, mode=f"m{number}", User_Agent=f"a{number}")
        post(call, {"ts": 1}, topic=f"x{number}")
    after = {name for name in metrics(call) if name.startswith("edgelake_data_")}
    assert after == before
    assert sum("refused_calls" in name for name in after) == len(DOORS) * len(REASONS)


def test_the_limit_of_what_waits(node: Node, call: Caller) -> None:
    assert metrics(call)["edgelake_data_max_waiting_bytes"] == limits.MAX_WAITING_DATA_BYTES
    node.run("set data limit 10GB")
    assert metrics(call)["edgelake_data_max_waiting_bytes"] == 10 * 1024**3


def test_a_watch_folder_that_is_none_has_no_value(node: Node, call: Caller) -> None:
    node.run("create work directories")
    node.home.watch_dir.rmdir()
    node.home.watch_dir.write_text("a file")
    # What was looked at a moment ago counts.
    eventually(lambda: "edgelake_data_waiting_bytes" not in metrics(call), "nobody can look")
    assert metrics(call)["edgelake_data_gathering_rows"] == 0


# ----------------------------------------------------------------------- tcp


def test_connections_and_what_is_cut_off(node: Node, call: Caller) -> None:
    host, _, port = tcp_place(node).rpartition(":")
    before = metrics(call)
    with ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection((host, int(port)), 10)) for _ in range(3)
        ]
        lines[0].sendall(bytes(10))

        def there() -> bool:
            found = metrics(call)
            return (
                found["edgelake_tcp_connections"] - before["edgelake_tcp_connections"],
                found["edgelake_tcp_connections_inside_message"],
            ) == (3, 1)

        eventually(there, "three are open, and a message has begun by one")
        accepted = "edgelake_tcp_accepted_connections_total"
        assert metrics(call)[accepted] - before[accepted] == 3
        assert metrics(call)["process_open_fds"] > before["process_open_fds"]
    eventually(
        lambda: metrics(call)["edgelake_tcp_connections"] == before["edgelake_tcp_connections"],
        "all are gone",
    )
    name = 'edgelake_tcp_closed_connections_total{kind="dropped",reason="truncated"}'
    assert metrics(call)[name] - before[name] == 1


def test_messages_out_and_what_could_not_be_sent(node: Node, call: Caller) -> None:
    place = tcp_place(node)
    found = moved(call, lambda: node.run(f"run client ({place}) get status"))
    assert found['edgelake_tcp_messages_total{direction="out"}'] >= 2
    assert found['edgelake_tcp_bytes_total{direction="out"}'] >= 2 * limits.BLOCK_BYTES
    assert found['edgelake_tcp_bytes_total{direction="in"}'] >= 2 * limits.BLOCK_BYTES
    failed = moved(call, lambda: call.get("get status", destination=f"{HOST}:1"))
    assert failed["edgelake_tcp_send_retries_total"] > 0
    reasons = {name: value for name, value in failed.items() if "send_failures" in name and value}
    assert list(reasons.values()) == [1]


def test_the_queue_is_as_deep_as_handlers_are_late(
    node: Node, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    arrivals = node._parts.arrivals
    monkeypatch.setattr(arrivals, "tables", lambda: [] if over.wait(30) else None)
    said = {"destination": tcp_place(node)}
    handlers = int(node.run("get tcp info where format = json").data["handler_threads"])
    threads = [
        threading.Thread(target=call.get, args=("get streaming",), kwargs=said)
        for _ in range(handlers + 3)
    ]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: metrics(call)["edgelake_tcp_queue_messages"] == 3, "some wait")
    finally:
        over.set()
    eventually(lambda: metrics(call)["edgelake_tcp_queue_messages"] == 0, "none waits")
    for thread in threads:
        thread.join()
    # A handler that waited is in the histogram.
    found = metrics(call)
    assert found['edgelake_tcp_message_seconds_count{phase="handled"}'] >= len(threads)


# -------------------------------------------------------------------- ledger


def test_the_lag_of_a_follower(node: Node, call: Caller, tmp_path: Path) -> None:
    """It knows what is missing, and its disk does not take it."""
    master, address = make_master(tmp_path / "master")
    with master:
        push(master, "first")
        follow(node, address)
        eventually(lambda: metrics(call)["edgelake_ledger_policies"] == 1, "the ledger")
        assert metrics(call)["edgelake_sync_lag_changes"] == 0
        node.run("exit synchronizer")
        assert "edgelake_sync_lag_changes" not in metrics(call)
        for number in range(10):
            push(master, f"p{number}")
        with full_disk():
            follow(node, address)
            eventually(lambda: metrics(call).get("edgelake_sync_lag_changes") == 10, "the lag")
            assert metrics(call)["edgelake_ledger_sequence"] == 1
        eventually(lambda: metrics(call)["edgelake_sync_lag_changes"] == 0, "it catches up")
        found = metrics(call)
        assert found["edgelake_ledger_sequence"] == found["edgelake_ledger_policies"] == 11
        assert found["edgelake_sync_loads_total"] > 0
        assert found["edgelake_sync_received_bytes_total"] > 10 * 50


def follow(node: Node, address: str) -> None:
    node.run(
        "run blockchain sync where source = master and time = 1 second and dest = file"
        f" and connection = {address}"
    )


def test_a_master_that_is_gone(node: Node, call: Caller, tmp_path: Path) -> None:
    master, address = make_master(tmp_path / "master")
    with master:
        follow(node, address)
        eventually(lambda: metrics(call)["edgelake_sync_successes_total"] > 0, "a cycle succeeded")
        assert metrics(call)["edgelake_sync_failures_in_a_row"] == 0
    policy = '{"device": {"name": "d"}}'
    node.run(f"blockchain insert where policy = {policy} and local = true and master = {address}")
    eventually(lambda: metrics(call)["edgelake_sync_failures_in_a_row"] > 1, "the master is missed")
    found = metrics(call)
    assert found["edgelake_sync_errors_total"] > 1
    assert found["edgelake_sync_age_seconds"] > 0
    assert found['edgelake_ledger_outbox{change="insert"}'] == 1


# ---------------------------------------------------------- REST and process


def test_connections_and_refusals_of_rest(node: Node, call: Caller) -> None:
    before = metrics(call)
    with socket.create_connection((HOST, call.port), 10) as line:
        eventually(
            lambda: (
                metrics(call)["edgelake_rest_connections"] - before["edgelake_rest_connections"]
                == 1
            ),
            "it is open",
        )
        line.sendall(b"hello\r\n\r\n")
        assert line.recv(64).startswith(b"HTTP/1.1 400 ")
    name = 'edgelake_rest_refused_total{reason="bad_request"}'
    assert metrics(call)[name] - before[name] == 1


def test_failures_and_the_process(node: Node, call: Caller) -> None:
    def fail() -> None:
        node._parts.report("test", OSError("broken"))  # type: ignore[arg-type]
        for _ in range(20):
            call.get("get processes")

    found = moved(call, fail)
    assert found["edgelake_errors_total"] == 1
    assert found["process_cpu_seconds_total"] > 0
    assert found['edgelake_rest_calls_total{method="GET",status="200"}'] == 21
    assert found["edgelake_rest_call_seconds_count"] == 21
    threads = metrics(call)["edgelake_process_threads"]
    node.run("exit tcp")
    assert metrics(call)["edgelake_process_threads"] < threads
