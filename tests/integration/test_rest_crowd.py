"""The REST server among slow, broken and very many callers."""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Node, limits
from edgelake.services.rest import RestService
from tests.http_calls import HOST, Caller, rest_node
from tests.waiting import eventually

CALL = b"GET / HTTP/1.1\r\nhost: localhost\r\ncommand: get status\r\nconnection: close\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"


def figures(node: Node) -> dict[str, int]:
    found = node.run("get rest server info where format = json").data
    return {key: value for key, value in found.items() if isinstance(value, int)}


def answer_to(port: int, sent: bytes) -> bytes:
    """Return all that the server says to what is sent."""
    with socket.create_connection((HOST, port), 20) as line:
        found = b""
        with contextlib.suppress(ConnectionError):
            line.sendall(sent)
        with contextlib.suppress(ConnectionError):
            while part := line.recv(65536):
                found += part
        return found


LARGE = 8_000_000


def large_policy(node: Node) -> None:
    """Have a ledger that is a large answer."""
    for number in range(20):
        body = f'{{"device": {{"name": "d{number}", "text": "{"x" * (LARGE // 20)}"}}}}'
        node.run(f"blockchain insert where policy = {body} and local = true")


@contextlib.contextmanager
def slow_reader(port: int) -> Iterator[socket.socket]:
    """Have asked for the ledger by a connection that holds little of it."""
    with socket.socket() as line:
        line.settimeout(20)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((HOST, port))
        line.sendall(CALL.replace(b"get status", b"blockchain get *"))
        yield line


def whole(line: socket.socket) -> bytes:
    """Return the next answer that comes by a connection."""
    reader = line.makefile("rb", buffering=0)
    head = b"".join(iter(reader.readline, b"\r\n"))
    size = re.search(rb"content-length: (\d+)", head)
    assert size is not None
    body = b""
    while len(body) < int(size[1]):
        body += reader.read(int(size[1]) - len(body)) or b""
    return head + body


@pytest.mark.stress
def test_a_thousand_calls_with_a_hundred_that_stall(served: tuple[Node, Caller]) -> None:
    node, call = served
    with contextlib.ExitStack() as stack:
        for number in range(100):
            line = stack.enter_context(socket.create_connection((HOST, call.port), 20))
            line.sendall(CALL[: 1 + number % (len(CALL) - 2)])
        waiting = selectors.DefaultSelector()
        for _ in range(1000):
            line = stack.enter_context(socket.create_connection((HOST, call.port), 20))
            line.sendall(CALL)
            waiting.register(line, selectors.EVENT_READ, bytearray())
        # All of them are there at once, and nobody has gone.
        answers: list[bytes] = []
        end = time.monotonic() + 60
        while waiting.get_map() and time.monotonic() < end:
            for key, _ in waiting.select(1):
                part = key.fileobj.recv(65536)  # type: ignore[union-attr]
                key.data.extend(part)
                if not part:
                    waiting.unregister(key.fileobj)
                    answers.append(bytes(key.data))
        waiting.close()
        assert len(answers) == 1000
        assert {answer.split(b"\r\n", 1)[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
        assert figures(node)["connections"] >= 100
    eventually(lambda: figures(node)["connections"] == 0, "all connections are gone")


def test_a_request_that_is_never_whole(
    served: tuple[Node, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, call = served
    monkeypatch.setattr(limits, "REST_REQUEST_S", 0.3)
    body = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nset"
    for sent in (b"", CALL[:1], CALL[:-2], body):
        assert b" 408 " in answer_to(call.port, sent).split(b"\r\n", 1)[0], sent
    assert figures(node)["slow_request"] == 4
    assert call.get("get status").status == 200


def test_a_kept_connection_may_be_silent(
    served: tuple[Node, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, call = served
    monkeypatch.setattr(limits, "REST_REQUEST_S", 0.2)
    kept = CALL.replace(b"close", b"keep-alive")
    with socket.create_connection((HOST, call.port), 20) as line:
        line.sendall(kept)
        assert b" 200 " in whole(line)
        # Others come and go; time passes for this one, too.
        answer_to(call.port, CALL[:3])
        line.sendall(kept)
        assert b" 200 " in whole(line)
    assert figures(node)["slow_request"] == 1


@pytest.mark.parametrize("field", [b"x-long: %b", b"command: get status %b"])
def test_a_head_that_is_too_large(served: tuple[Node, Caller], field: bytes) -> None:
    node, call = served
    room = limits.MAX_REST_HEAD_BYTES - len(CALL) - len(field) - 2
    large = CALL[:-2] + field % (b"a" * (2 * limits.MAX_REST_HEAD_BYTES)) + b"\r\n\r\n"
    assert b" 431 " in answer_to(call.port, large)
    assert figures(node)["large_head"] == 1
    fits = CALL[:-2] + b"x-long: " + b"a" * room + b"\r\n\r\n"
    assert b" 200 " in answer_to(call.port, fits)


def test_a_head_that_is_too_large_and_comes_at_once(served: tuple[Node, Caller]) -> None:
    """The system may hand over all of it together, and its end, too."""
    node, call = served
    for size, status in ((1, b" 200 "), (2, b" 431 ")):
        room = limits.MAX_REST_HEAD_BYTES - len(CALL) - len(b"x-long: \r\n") - 1
        head = CALL[:-2] + b"x-long: " + b"a" * (room + size) + b"\r\n\r\n"
        with socket.create_connection((HOST, call.port), 20) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(head))
            line.sendall(head)
            assert status in whole(line), len(head)
    assert figures(node)["large_head"] == 1


def test_an_address_that_is_too_large(served: tuple[Node, Caller]) -> None:
    _, call = served
    path = b"/" + b"a" * (limits.MAX_REST_HEAD_BYTES + 1)
    assert b" 431 " in answer_to(call.port, CALL.replace(b"/ ", path + b" ", 1))


def test_more_fields_than_there_may_be(served: tuple[Node, Caller]) -> None:
    _, call = served
    # Three are in the call already.
    fields = [b"x-%d: 1\r\n" % n for n in range(limits.MAX_REST_HEADERS - 3)]
    assert b" 200 " in answer_to(call.port, CALL[:-2] + b"".join(fields) + b"\r\n")
    fields.append(b"x-more: 1\r\n")
    assert b" 431 " in answer_to(call.port, CALL[:-2] + b"".join(fields) + b"\r\n")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        bytes(range(256)) * 8,
    ],
)
def test_what_is_no_http(served: tuple[Node, Caller], sent: bytes) -> None:
    node, call = served
    said = answer_to(call.port, sent)
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"hint"' in said
    assert figures(node)["bad_request"] == 1
    assert call.get("get status").status == 200


def test_a_body_whose_parts_are_no_parts(served: tuple[Node, Caller]) -> None:
    node, call = served
    assert answer_to(call.port, CHUNKED + b"zz\r\n").startswith(b"HTTP/1.1 400 ")
    assert figures(node)["bad_request"] == 1


def test_fields_behind_a_body_say_nothing(served: tuple[Node, Caller]) -> None:
    _, call = served
    fields = b"host: evil.example\r\ndestination: 127.0.0.1:1\r\n"
    fields += b"x: 1\r\n" * limits.MAX_REST_HEADERS
    said = answer_to(call.port, CHUNKED + b"8\r\necho one\r\n0\r\n" + fields + b"\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.endswith(b"\r\n\r\none")


@pytest.mark.parametrize("behind", [b"8;", b"8\r\necho one\r\n0\r\nx: ", b"0\r\nx: "])
def test_what_is_neither_head_nor_body_is_bounded(
    served: tuple[Node, Caller], behind: bytes
) -> None:
    node, call = served
    much = b"a" * (8 * limits.MAX_REST_HEAD_BYTES)
    assert answer_to(call.port, CHUNKED + behind + much).startswith(b"HTTP/1.1 431 ")
    assert figures(node)["large_head"] == 1


def test_an_upgrade_is_not_taken(served: tuple[Node, Caller]) -> None:
    _, call = served
    upgrade = CALL.replace(b"close", b"upgrade")[:-2] + b"upgrade: websocket\r\n\r\n"
    with socket.create_connection((HOST, call.port), 20) as line:
        line.sendall(upgrade)
        assert b" 200 " in whole(line)
    assert call.get("get status").status == 200


def test_who_takes_no_answer_is_dropped(
    served: tuple[Node, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, call = served
    monkeypatch.setattr(limits, "REST_TAKE_S", 0.3)
    node.run("set remote permission = admin")
    node.run(f"long = {'x' * 500_000}")
    ask = CALL.replace(b"get status", b"get !long").replace(b"close", b"keep-alive")
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((HOST, call.port))
        with contextlib.suppress(OSError):
            for _ in range(100):
                line.sendall(ask)
        eventually(lambda: figures(node).get("slow_reader") == 1, "it is dropped")
    assert call.get("get status").status == 200


def test_who_takes_all_but_the_last_of_an_answer_is_dropped(
    served: tuple[Node, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of some answers hardly anything is left when the system takes no more."""
    node, call = served
    monkeypatch.setattr(limits, "REST_TAKE_S", 0.3)
    node.run("set remote permission = admin")
    service = node._parts.services.find(RestService)
    assert service is not None
    assert service._server is not None
    service._server._listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
    with contextlib.ExitStack() as stack:
        for size in range(2**16, 2**19, 2**14):
            node.run(f"long = {'x' * size}")
            line = stack.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect((HOST, call.port))
            line.sendall(CALL.replace(b"get status", b"get !long"))
        eventually(lambda: figures(node)["connections"] == 0, "all are dropped")
    assert figures(node)["slow_reader"] > 4


def test_who_takes_an_answer_slowly_gets_all_of_it(
    served: tuple[Node, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, call = served
    large_policy(node)
    monkeypatch.setattr(limits, "REST_TAKE_S", 1.0)
    monkeypatch.setattr(limits, "REST_TAKE_BYTES", 4096)
    with slow_reader(call.port) as line:
        found = 0
        # As much as has to be taken, over more time than a caller has who takes nothing.
        for part in iter(lambda: line.recv(64 * 1024), b""):
            found += len(part)
            time.sleep(0.002)
    assert found > LARGE
    assert figures(node)["slow_reader"] == 0


def test_answers_that_wait_are_bounded_together(
    served: tuple[Node, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, call = served
    large_policy(node)
    # The system's own buffers hold a part of each.
    monkeypatch.setattr(limits, "MAX_REST_UNTAKEN_BYTES", LARGE // 8)
    with slow_reader(call.port) as first:
        assert first.recv(9) == b"HTTP/1.1 "
        with slow_reader(call.port) as second:
            eventually(lambda: figures(node).get("slow_reader") == 1, "the first one is dropped")
            with contextlib.suppress(ConnectionResetError):
                assert sum(map(len, iter(lambda: first.recv(65536), b""))) < LARGE
            assert sum(map(len, iter(lambda: second.recv(65536), b""))) > LARGE
    assert call.get("get status").status == 200


def test_more_connections_than_there_may_be(
    served: tuple[Node, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, call = served
    monkeypatch.setattr(limits, "MAX_REST_CONNECTIONS", 5)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection((HOST, call.port), 20))
        eventually(lambda: figures(node)["connections"] == 5, "all are there")
        assert b" 503 " in answer_to(call.port, b"")
        assert figures(node)["no_room"] == 1
    eventually(lambda: figures(node)["connections"] == 0, "all are gone")
    assert call.get("get status").status == 200


def test_more_calls_than_may_wait(
    served: tuple[Node, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, call = served
    monkeypatch.setattr(limits, "MAX_REST_WAITING", 0)
    reply = call.get("get processes")
    assert (reply.status, reply.data["code"]) == (503, 108)
    assert reply.headers["retry-after"] == "1"
    # What needs no thread does not wait for one, but obeys all else.
    assert call.get("get status").status == 200
    assert call.get("get status where format = nosuch").status == 400
    assert call("POST", body="get status\nget status", content_type="text/plain").status == 503
    monkeypatch.setattr(limits, "MAX_REST_WAITING", 1)
    assert call.get("get processes").status == 200


def test_the_node_ends_while_callers_stall(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with rest_node(tmp_path / "home") as (_, call):
            for sent in (b"", CALL[:5], CALL.replace(b"close", b"keep-alive")):
                line = stack.enter_context(socket.create_connection((HOST, call.port), 20))
                line.sendall(sent)
        with pytest.raises(ConnectionRefusedError):
            call.get("get status")


def test_answers_go_out_at_once(served: tuple[Node, Caller]) -> None:
    """Without TCP_NODELAY each call by a kept connection waits 40 ms for an acknowledgement."""
    node, call = served
    with socket.create_connection((HOST, call.port), 20) as line:
        line.sendall(CALL.replace(b"close", b"keep-alive"))
        assert b" 200 " in whole(line)
        service = node._parts.services.find(RestService)
        assert service is not None
        assert service._server is not None
        (ours,) = service._server._server.server_state.connections
        taken = ours.transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
