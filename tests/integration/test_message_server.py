"""The message server with Python handlers, asked by a real client."""

from __future__ import annotations

import socket
import threading

import pytest

from edgelake import Client, MessageServer, Reply
from edgelake.errors import NotPermitted, RemoteError
from edgelake.wire import command_text, data_text, encode_message
from tests.waiting import eventually


def answering(message):
    """Answer what a test asks for by its first word."""
    command = command_text(message)
    if command == "get refusal":
        raise NotPermitted("not for you")
    if command == "get fault":
        raise ZeroDivisionError
    if command == "get json":
        return Reply.ok('{"a": 1}', json=True)
    if command.startswith("get silence"):
        return None
    return Reply.ok(f"you said {command}{data_text(message)}")


@pytest.fixture
def server():
    """A server on a port of the system's choice."""
    with MessageServer("127.0.0.1", 0, threads=2, handler=answering) as server:
        yield server


@pytest.fixture
def client(server):
    """A client of that server."""
    with Client(f"127.0.0.1:{server.address[1]}") as client:
        yield client


def test_an_answer(client):
    assert client.request("get this") == "you said get this"
    assert client.request("get json") == '{"a": 1}'


def test_an_error_of_the_handler_is_answered_with_its_number(client, server):
    with pytest.raises(RemoteError, match="not for you") as caught:
        client.request("get refusal")
    assert caught.value.remote_code == 212
    assert server.statistics()["handler_errors"] == 1


def test_a_fault_of_the_handler_harms_nobody(client, caplog):
    with pytest.raises(RemoteError) as caught:
        client.request("get fault")
    assert caught.value.remote_code == 3
    assert "ZeroDivisionError" in caplog.text
    assert client.request("get this") == "you said get this"


def test_text_that_is_no_text_is_dropped(client, server):
    with socket.create_connection(server.address) as connection:
        connection.sendall(encode_message(b"print", b"\xff\xfe", text=False))
    eventually(lambda: server.statistics()["handler_errors"] == 1, "the drop")
    assert client.request("get this") == "you said get this"


def test_no_reply_to_an_impossible_port(server):
    with socket.create_connection(server.address) as connection:
        for port in (0, 65_536, 2**32 - 1):
            connection.sendall(encode_message(b"get this", source_port=port))
    eventually(lambda: server.statistics()["reply_failures"] == 3, "three unsent replies")


def test_slow_handlers_hold_back_nobody_else():
    gate = threading.Event()
    handled = []

    def handler(message):
        if message.command == b"get slow":
            gate.wait(30)
        handled.append(message.command)

    with MessageServer("127.0.0.1", 0, threads=1, dispatch_threads=4, handler=handler) as server:
        block = encode_message(b"get quick")
        with socket.create_connection(server.address) as connection:
            # The slow ones arrive in one batch with those behind them.
            connection.sendall(encode_message(b"get slow") * 3 + block * 200)
        eventually(lambda: handled.count(b"get quick") == 200, "the quick ones")
        assert b"get slow" not in handled
        gate.set()
        eventually(lambda: handled.count(b"get slow") == 3, "the slow ones")


def test_two_hundred_stalled_connections_delay_nobody(server, client):
    block = encode_message(b"get this")
    stalled = [socket.create_connection(server.address) for _ in range(200)]
    try:
        for number, connection in enumerate(stalled):
            connection.sendall(block[: 1 + number * 10])
        eventually(lambda: server.statistics()["unfinished"] == 200, "200 unfinished messages")
        for _ in range(100):
            assert client.request("get this") == "you said get this"
        assert server.statistics()["unfinished"] == 200
    finally:
        for connection in stalled:
            connection.close()


def test_a_stop_handles_what_was_accepted():
    handled = []
    server = MessageServer("127.0.0.1", 0, handler=lambda m: handled.append(m.command))
    server.start()
    with socket.create_connection(server.address) as connection:
        connection.sendall(encode_message(b"get this") * 1000)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert server.stop(30)
    assert len(handled) == 1000
    assert server.stop(1)


def test_a_taken_port_is_told(server):
    other = MessageServer("127.0.0.1", server.address[1], handler=answering)
    with pytest.raises(OSError, match="in use"):
        other.start()
