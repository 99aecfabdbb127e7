"""What a node tells about its TCP server, after traffic whose counts are known."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgelake import Client, MessageServer, Node
from edgelake.services import tcp
from edgelake.wire import encode_message
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
ENDS = ("dropped", "expired", "refused")
UNANSWERED = encode_message(b"get processes")  # of port 0, so that no reply is wanted
LONG = encode_message(b"print", b"x" * 5000)


def patched(at: int, value: bytes) -> bytes:
    """Return a good block with some bytes replaced."""
    return UNANSWERED[:at] + value + UNANSWERED[at + len(value) :]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Node]]:
    """Make listening nodes whose servers have limits of the test's choice."""
    with ExitStack() as stack:

        def make(threads: int = 2, **limits: Any) -> Node:
            node = stack.enter_context(Node(tmp_path / str(len(list(tmp_path.iterdir())))))
            node.run("create work directories")
            with monkeypatch.context() as patch:
                patch.setattr(tcp, "MessageServer", partial(MessageServer, **limits))
                node.run(
                    "run tcp server where external_ip = 127.0.0.1 and external_port = 0"
                    f" and bind = true and threads = {threads}"
                )
            return node

        yield make


def address(node: Node) -> tuple[str, int]:
    """Return where a node listens."""
    host, _, port = node.run("get connections").data["TCP"]["bind"].partition(":")
    return host, int(port)


def place(node: Node) -> str:
    """Return the same as text."""
    return "{}:{}".format(*address(node))


def stats(node: Node) -> dict[str, Any]:
    """Return the statistics as a reader of the JSON text gets them."""
    return json.loads(node.run("get tcp stats where format = json").text)


def info(node: Node) -> dict[str, Any]:
    """Return the information likewise."""
    return json.loads(node.run("get tcp info where format = json").text)


def ended(node: Node) -> dict[str, int]:
    """Return the counts of closed connections that are not 0, by reason."""
    found = stats(node)
    return {reason: n for kind in ENDS for reason, n in found[kind].items() if n}


@contextmanager
def sent(node: Node, data: bytes) -> Iterator[socket.socket]:
    """Send bytes to a node on a connection of their own."""
    with socket.create_connection(address(node), timeout=15) as connection:
        connection.sendall(data)
        yield connection


def wait_for_the_end(connection: socket.socket) -> None:
    """Wait until the node has closed a connection."""
    try:
        assert connection.recv(1) == b""
    except ConnectionResetError:
        return


def paths(data: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yield every key as the page of documentation writes it."""
    for key, value in data.items():
        if not isinstance(value, dict):
            yield before + key
            continue
        for path in paths(value, f"{before}{key}."):
            yield re.sub(r"^(rates|latencies)\.\w+\.", r"\1.*.", path)


def documented(title: str) -> set[str]:
    """Return the keys that one part of the page explains."""
    page = (ROOT / "docs" / "statistics.md").read_text()
    (part,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE))


# ------------------------------------------------------------ what is counted


@pytest.mark.parametrize(
    ("bad", "reason", "limits"),
    [
        (bytes(2048), "bad_header", {}),
        (patched(30, b"\0\0\0\2"), "bad_counter", {}),
        (patched(207, b"\xff"), "bad_text", {}),
        (encode_message(b"print", b"x" * 50_000), "too_large", {"max_message_bytes": 20_000}),
        (LONG[:3000], "truncated", {}),
        (LONG[:3000], "byte_timeout", {"byte_timeout_s": 0.4}),
        (LONG[:3000], "message_timeout", {"message_timeout_s": 0.4}),
        (b"", "idle_timeout", {"idle_timeout_s": 0.4}),
    ],
)
def test_good_and_bad_messages_are_counted(serve, bad, reason, limits):
    node = serve(**limits)
    with sent(node, UNANSWERED * 5) as good:
        good.shutdown(socket.SHUT_WR)
        wait_for_the_end(good)
    with ExitStack() as stack:
        connections = [stack.enter_context(sent(node, bad)) for _ in range(3)]
        for connection in connections:
            if reason == "truncated":
                connection.shutdown(socket.SHUT_WR)
            wait_for_the_end(connection)
    eventually(lambda: stats(node)["messages"]["handled"] == 5, "five handled messages")
    eventually(lambda: stats(node)["connections"]["open"] == 0, "the end of all connections")
    found = stats(node)
    assert ended(node) == {reason: 3}
    assert found["totals"]["messages_in"] == 5
    assert found["connections"]["accepted"] == 4
    assert found["messages"]["reply_failures"] == 5
    assert found["queue"]["unfinished_bytes"] == 0


def test_a_connection_that_makes_room_is_counted(serve):
    node = serve(threads=1, max_connections=1)
    with sent(node, b"") as first:
        eventually(lambda: stats(node)["connections"]["idle"] == 1, "the first connection")
        with sent(node, b""):
            wait_for_the_end(first)
            eventually(lambda: ended(node) == {"evicted": 1}, "its end")
            assert stats(node)["connections"]["max_open"] == 1


def test_a_connection_too_many_is_refused(serve):
    other, node = serve(), serve(threads=1, max_connections=1)
    node.run(f"run client ({place(other)}) get processes")
    # A session of the node's own does not make room for others.
    assert stats(node)["connections"]["sessions_by_us"] == 1
    with sent(node, b"") as connection:
        wait_for_the_end(connection)
    eventually(lambda: ended(node) == {"refused": 1}, "the refusal")


def test_every_reason_of_the_server_has_its_place(serve):
    node = serve()
    names = set(node.run("get tcp pool where format = json").data["server"])
    shown = {reason for kind in ENDS for reason in stats(node)[kind]}
    others = {
        *("accepted", "connections", "unfinished", "idle", "sessions", "own_sessions"),
        *("messages", "native", "blocks", "bytes", "sent_bytes", "session_answers"),
        *("sessions_accepted", "sessions_opened", "lost_answers", "pauses", "paused"),
        *("queued_messages", "queued_bytes", "known_peers", "session_peers", "assembly_bytes"),
        *("handled", "handler_errors", "replies", "reply_failures"),
    }
    assert names == shown | others


def test_what_handlers_did_is_counted(serve):
    node = serve()
    with Client(place(node)) as client:
        for _ in range(4):
            client.request("get processes")
        for _ in range(3):
            client.request("get status")
    with sent(node, encode_message(b"print", b"\xff", text=False)):
        eventually(lambda: stats(node)["messages"]["handler_errors"] == 1, "the error")
    with sent(node, encode_message(b"get status")):
        eventually(lambda: stats(node)["messages"]["lost_answers"] == 1, "the lost answer")
    eventually(lambda: stats(node)["latencies"]["handled"]["count"] == 5, "five timed messages")
    eventually(lambda: stats(node)["sender"]["sent"] == 4, "the outcome of four replies")
    found = stats(node)
    assert found["messages"] == {
        "native": 4,
        "handled": 4,
        "handler_errors": 1,
        "replies": 4,
        "reply_failures": 0,
        "lost_answers": 1,
    }
    assert found["totals"]["messages_in"] == 9
    assert found["totals"]["messages_out"] == 7
    assert found["totals"]["bytes_out"] >= 7 * 2048
    assert found["latencies"]["received"]["count"] == 9


def test_pauses_and_what_waits_are_shown():
    gate, block = threading.Event(), UNANSWERED
    with MessageServer(
        "127.0.0.1",
        0,
        handler=lambda message: gate.wait(30) and None,
        threads=1,
        dispatch_threads=1,
        max_queued_messages=4,
    ) as server:
        with socket.create_connection(server.address) as connection:
            connection.sendall(block * 1000)
            eventually(lambda: server.statistics()["paused"] == 1, "the pause")
            assert server.threads()[0]["paused"] == 1
            assert server.statistics()["queued_messages"] >= 4
            gate.set()
            eventually(lambda: server.statistics()["handled"] == 1000, "the rest")
        eventually(lambda: server.statistics()["paused"] == 0, "the end of the pause")


# ---------------------------------------------------------------- what is told


def test_nothing_is_timed_before_the_first_message(serve):
    for latency in stats(serve())["latencies"].values():
        assert latency == {
            "count": 0,
            **dict.fromkeys(("p50_us", "p90_us", "p99_us", "p999_us", "max_us")),
        }


def test_percentiles_are_in_order(serve):
    node = serve()
    with sent(node, UNANSWERED * 500):
        eventually(lambda: stats(node)["latencies"]["handled"]["count"] == 500, "all messages")
    for latency in stats(node)["latencies"].values():
        assert latency.pop("count") == 500
        assert list(latency.values()) == sorted(latency.values())
    assert stats(node)["latencies"]["handled"]["p50_us"] > 0


def test_rates_over_the_last_while(serve):
    node = serve()
    with sent(node, UNANSWERED * 5) as connection:
        eventually(lambda: stats(node)["totals"]["messages_in"] == 5, "five messages")

        def apart() -> bool:
            rates = stats(node)["rates"]
            return rates["interval"]["time_s"] < rates["since_start"]["time_s"]

        eventually(apart, "an interval that does not begin with the start")
        connection.sendall(UNANSWERED * 3)
        eventually(lambda: stats(node)["totals"]["messages_in"] == 8, "three more")
        # Who keeps asking sees them leave the interval, never the whole time.
        eventually(lambda: stats(node)["rates"]["interval"]["messages_in_per_s"] == 0, "silence")
        rates = stats(node)["rates"]["since_start"]
        assert rates["messages_in_per_s"] * rates["time_s"] == pytest.approx(8, rel=0.01)
        assert rates["bytes_in_per_s"] * rates["time_s"] == pytest.approx(8 * 2048, rel=0.01)


def test_every_key_is_explained_and_every_explanation_has_a_key(serve):
    node = serve()
    assert set(paths(stats(node))) == documented("get tcp stats")
    assert set(paths(info(node))) == documented("get tcp info")


def test_the_table_shows_what_happened(serve):
    node = serve()
    assert "in order only" in node.run("get tcp stats").text
    with sent(node, bytes(2048)) as connection:
        wait_for_the_end(connection)
    eventually(lambda: ended(node) == {"bad_header": 1}, "the drop")
    lines = node.run("get tcp stats").text.split("\r\n")
    assert "Dropped    |a header breaks the protocol|    1|" in lines
    assert not any(line.startswith(("Expired", "Refused", "in order")) for line in lines)
    for line in (*lines, *node.run("get tcp info").text.split("\r\n")):
        assert len(line) <= 100


def test_sessions_and_peers(serve):
    one, two = serve(), serve()
    two.run(f"run client ({place(one)}) get processes")
    assert info(one)["sessions"] == {
        "now": 1,
        "by_peers": 1,
        "by_us": 0,
        "accepted": 1,
        "opened": 0,
    }
    assert info(two)["sessions"] == {
        "now": 1,
        "by_peers": 0,
        "by_us": 1,
        "accepted": 0,
        "opened": 1,
    }
    for node in (one, two):
        assert info(node)["peers"] == {"known": 1, "with_session": 1, "without_session": 0}
    two.run("exit tcp")
    eventually(lambda: info(one)["sessions"]["now"] == 0, "the end of the session")
    assert info(one)["sessions"]["accepted"] == 1
    assert info(one)["peers"] == {"known": 0, "with_session": 0, "without_session": 0}


def test_an_old_peer_is_known_without_a_session(serve):
    node = serve()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(15)
        host, port = listener.getsockname()
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(node.run, f"run client ({host}:{port}) print hello")
            connection, _ = listener.accept()
            with connection:
                # An old peer closes behind the message, and heeds no offer in it.
                connection.settimeout(15)
                assert len(connection.recv(2048, socket.MSG_WAITALL)) == 2048
            done.result()
    assert info(node)["peers"] == {"known": 1, "with_session": 0, "without_session": 1}


def test_the_information_names_the_limits_in_force(serve):
    node = serve(threads=3, max_connections=77, byte_timeout_s=2.5, dispatch_threads=2)
    found = info(node)
    assert found["external"] == found["internal"] == found["bind"] == place(node)
    assert (found["threads"], found["handler_threads"]) == (3, 2)
    assert (found["limits"]["max_connections"], found["limits"]["byte_timeout_s"]) == (77, 2.5)
    text = node.run("get tcp info").text
    assert "at most 77, backlog 4,096" in text
    assert "at most 2.5 s" in text
    assert "at most 64 MiB" in text


def test_the_pool_shows_marks_and_pauses(serve):
    node = serve(max_queued_messages=9)
    assert node.run("get tcp pool").text == "TCP Pool with 2 threads: [0, 0] (0)"
    data = node.run("get tcp pool where format = json").data
    assert data["queue"] == {
        "messages": 0,
        "bytes": 0,
        "high_messages": 9,
        "high_bytes": 256 * 1024**2,
    }
    assert (data["waiting"], data["paused_threads"], len(data["details"])) == (0, 0, 2)
    heading = node.run("get tcp pool where details = true").text.split("\r\n")[1]
    assert heading.split() == [
        *("Thread", "Status", "Calls", "Percentage", "Connections", "Bytes", "Paused")
    ]


@pytest.mark.parametrize("command", ["get tcp stats", "get tcp info", "get tcp pool"])
def test_a_peer_gets_them_too(serve, command):
    one, two = serve(), serve()
    one.run("set remote permission = read")
    reply = two.run(f"run client ({place(one)}) {command} where format = json").data[0]["reply"]
    own = one.run(f"{command} where format = json").data
    assert set(paths(json.loads(reply))) == set(paths(own))
    shown = two.run(f"run client {place(one)} {command}").text.replace("\r\n", "\n")
    first = one.run(command).text.strip().split("\r\n")[0].partition(":")[0]
    assert first in shown


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("get tcp pool", "Tcp Pool is not declared"),
        ("get tcp info", "Tcp Server is not declared"),
        ("get tcp stats", "Tcp Server is not declared"),
    ],
)
def test_without_a_server(tmp_path, command, text):
    with Node(tmp_path) as node:
        assert node.run(command).text == text
        assert json.loads(node.run(f"{command} where format = json").text) == {"threads": 0}


def test_counts_begin_again_with_the_server(serve):
    node = serve()
    with sent(node, UNANSWERED):
        eventually(lambda: stats(node)["totals"]["messages_in"] == 1, "the message")
    node.run("exit tcp")
    node.run("run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true")
    assert stats(node)["totals"]["messages_in"] == 0
