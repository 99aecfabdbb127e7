"""Answers that the I/O threads give without Python, and handlers of whole batches."""

from __future__ import annotations

import socket
from collections.abc import Iterable

import pytest

from edgelake import MessageServer, limits
from edgelake.errors import ConfigurationError
from edgelake.wire import (
    Endpoint,
    FileFlag,
    Job,
    Message,
    Reply,
    decode_block,
    encode_message,
    file_blocks,
    fixed_reply_blocks,
    request_blocks,
)
from tests.old_node import command_of, data_of
from tests.sessions import (
    BLOCK,
    HOST,
    PATIENCE_S,
    TRACKED,
    Place,
    listening,
    marked,
    open_session,
    pattern,
    request,
    told_by,
)
from tests.stations import Station, echo, station
from tests.waiting import eventually

FIXED = Reply.ok("always the same")


def send(to: Place, blocks: bytes) -> None:
    with socket.create_connection(to, timeout=PATIENCE_S) as connection:
        connection.sendall(blocks)


def answered(server: Station, command: str, source: str = HOST) -> str:
    """Return the answer to a request that goes the classic way."""
    with listening() as (place, accept):
        send(server.place, request(command, job=9, source=(source, place[1])))
        with accept() as line:
            block = line.message()
            assert decode_block(block[:BLOCK]).job_id == 9
            return data_of(block[:BLOCK]).decode()


def test_a_route_answers_without_python() -> None:
    with station(echo) as server, listening() as (place, accept):
        server.server.route("get x", FIXED)
        assert answered(server, "get x") == "always the same"
        before = server.figures()
        job = Job(location=499, number=2**32 - 1, receivers=65535, index=3)
        send(server.place, request_blocks("get x", *place, job))
        with accept() as line:
            block = decode_block(line.message())
        assert (block.job_location, block.job_id) == (499, 2**32 - 1)
        assert (block.receivers, block.receiver_index) == (65535, 3)
        assert (block.source_ip.decode(), block.source_port) == server.place
        assert (block.command, block.error, block.info_type) == (b"print", 0, 4)
        eventually(lambda: server.figures()["native"] == 2, "both are counted")
        assert server.figures()["handled"] == before["handled"]


def test_a_route_of_many_blocks_in_a_session() -> None:
    text = pattern(1835 * 31 + 1800).decode()
    with station(echo) as server:
        server.server.route("get much", Reply.ok(text))
        with open_session(server.place, request("get much", job=1)) as line:
            for number in range(1, 4):
                message = line.message()
                blocks = [
                    decode_block(message[n : n + BLOCK]) for n in range(0, len(message), BLOCK)
                ]
                assert [block.job_id for block in blocks] == [number] * 32
                assert (
                    b"".join(data_of(message[n : n + BLOCK]) for n in range(0, len(message), BLOCK))
                    == text.encode()
                )
                line.send(marked(request("get much", job=number + 1), told=number))
        assert server.taken == []
        assert server.figures()["lost_answers"] == 0


def test_a_native_answer_acknowledges_what_it_answers() -> None:
    with station(echo) as server:
        server.server.route("get x", FIXED)
        with open_session(server.place, request("event x")) as line:
            line.message()
            for number in range(2, 5):
                line.send(marked(request("get x", job=number), TRACKED))
                assert told_by(line.block()) == number


def test_a_route_to_nothing() -> None:
    with station(echo) as server:
        server.server.route("event ignored", None)
        with open_session(server.place, request("event ignored")) as line:
            line.send(marked(request("event ignored")) + marked(request("get x", job=2), TRACKED))
            assert command_of(line.message()) == "print"
            assert line.received == 1
        assert server.figures()["native"] == 2
        assert [message.command for message in server.taken] == [b"get x"]


def test_only_the_very_command_is_routed() -> None:
    with station(echo) as server:
        server.server.route("get x", FIXED)
        for command in ("get y", "get x ", "get  x", "get", "get xx"):
            assert answered(server, command) == command
        with open_session(server.place, encode_message(b"get x", b"y", source_port=9)) as line:
            assert data_of(line.message()) == b"get xy"
            line.send(marked(encode_message(b"get x", pattern(3000), source_port=9)))
            assert line.message()
            assert server.figures()["native"] == 0


def test_routes_change_while_the_server_runs() -> None:
    with station(echo) as server:
        server.server.unroute("get x")
        for text in ("one", "two"):
            server.server.route("get x", Reply.ok(text))
            eventually(lambda text=text: answered(server, "get x") == text, "the route")
        server.server.unroute("get x")
        eventually(lambda: answered(server, "get x") == "get x", "the handler")


@pytest.mark.parametrize("source", ["", "0.0.0.0"])
def test_a_source_without_address_is_the_peer(source: str) -> None:
    with station(echo) as server:
        server.server.route("get x", FIXED)
        assert answered(server, "get x", source) == "always the same"
        eventually(lambda: server.figures()["native"] == 1, "its count")


def test_a_host_name_is_for_python() -> None:
    with station(echo) as server:
        server.server.route("get x", FIXED)
        assert answered(server, "get x", "localhost") == "get x"
        assert server.figures()["native"] == 0


@pytest.mark.parametrize("port", [0, 65536, 2**32 - 1])
def test_who_names_no_port_gets_no_answer(port: int) -> None:
    with station(echo) as server:
        server.server.route("get x", FIXED)
        nowhere = request("get x", source=(HOST, port))
        send(server.place, nowhere)
        eventually(lambda: server.figures()["lost_answers"] == 1, "the answer nobody wants")
        with open_session(server.place, request("event x")) as line:
            line.message()
            line.send(marked(nowhere) + marked(request("get y"), TRACKED))
            assert data_of(line.message()) == b"get y"
        assert server.figures()["lost_answers"] == 2


def test_local_peers_see_the_inner_address() -> None:
    asked: list[str] = []

    def source(peer: str) -> Endpoint:
        asked.append(peer)
        return Endpoint("10.1.1.1" if peer.startswith("127.") else "192.0.2.9", 77)

    with station(echo, source=source) as server:
        server.server.route("get x", FIXED)
        assert len(set(asked)) == 2
        with open_session(server.place, request("get x", job=1)) as line:
            block = decode_block(line.message())
            assert (block.source_ip, block.source_port) == (b"10.1.1.1", 77)


def test_bounds_of_routes() -> None:
    with station(echo) as server:
        longest = "g" * 63
        server.server.route(longest, FIXED)
        assert answered(server, longest) == "always the same"
        for command in ("", "g" * 64, "ü" * 32):
            with pytest.raises(ConfigurationError, match=r"command of \d+ bytes is not in 1\.\.63"):
                server.server.route(command, FIXED)
        most = Reply.ok("x" * 1836 * 32)
        assert len(fixed_reply_blocks(most, *server.place)) == 64 * 1024
        server.server.route("get most", most)
        with pytest.raises(ConfigurationError, match="of at most 65536 bytes"):
            server.server.route("get more", Reply.ok("x" * (1836 * 32 + 1)))
        for number in range(limits.MAX_ROUTES - 2):
            server.server.route(f"get {number}", FIXED)
        with pytest.raises(ConfigurationError, match=f"routes have reached {limits.MAX_ROUTES}"):
            server.server.route("get one more", FIXED)
        server.server.route("get 0", Reply.ok("changed"))
        assert answered(server, "get 0") == "changed"
        server.server.unroute("get 1")
        server.server.route("get one more", FIXED)
        assert answered(server, "get one more") == "always the same"


# -------------------------------------------------------------- batch handlers


def test_a_batch_handler_gets_all_that_came_together() -> None:
    sizes: list[int] = []

    def handle(batch: list[Message]) -> Iterable[tuple[Message, Reply]]:
        sizes.append(len(batch))
        return [(message, echo(message)) for message in batch if message.command != b"get none"]

    with MessageServer(HOST, 0, handler=handle, batch=True, threads=1) as server:
        asked = [f"get {n}" for n in range(300)]
        with open_session(server.address, request("get first")) as line:
            assert data_of(line.message()) == b"get first"
            commands = [*asked[:150], "get none", *asked[150:]]
            line.send(b"".join(marked(request(command), TRACKED) for command in commands))
            assert sorted(data_of(line.message()).decode() for _ in asked) == sorted(asked)
        assert sum(sizes) == 302
        assert max(sizes) > 1
        assert max(sizes) <= limits.BATCH_MESSAGES
        eventually(lambda: server.statistics()["handled"] == 302, "its end")


def test_a_batch_handler_that_fails_costs_its_batch_only() -> None:
    def handle(batch: list[Message]) -> None:
        if any(message.command == b"get bad" for message in batch):
            raise ValueError("a fault of the handler")

    with MessageServer(HOST, 0, handler=handle, batch=True, dispatch_threads=1) as server:
        for command in ("get bad", "get good"):
            send(server.address, request(command))
            eventually(
                lambda: (
                    sum(server.statistics()[n] for n in ("handled", "handler_errors"))
                    == server.statistics()["messages"]
                    > 0
                ),
                "its handling",
            )
        eventually(lambda: server.statistics()["handled"] == 1, "the good one")
        assert server.statistics()["handler_errors"] == 1


def test_a_long_command_is_answered_over_a_session_with_its_job() -> None:
    with station(echo) as server:
        command = ("get " + "x" * 4000).encode()
        blocks = file_blocks("cmd.x.1.lmsg", command, FileFlag.COMMAND, HOST, 9, Job(number=5))
        with open_session(server.place, blocks) as line:
            answer = line.message()
            assert decode_block(answer[:BLOCK]).job_id == 5
            assert told_by(answer) in (0, 1)
