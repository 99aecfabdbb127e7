"""Sessions between two of our own: one connection for everything, also for nodes nobody reaches."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from edgelake import Client, Node
from edgelake.errors import PeerClosed, PeerRefused, RemoteError
from edgelake.services.jobs import Answer
from edgelake.wire import Job, Message, Reply, encode_message, request_blocks
from tests.sessions import HOST, PATIENCE_S, free_port, listening, open_session, pattern, request
from tests.stations import Station, echo, station
from tests.waiting import eventually


def acquainted(one: Station, two: Station) -> None:
    """Have a session from one to two."""
    one.tell(two.place, request("print first")).result(PATIENCE_S)
    eventually(lambda: one.figures()["sessions"] == 1, "the session")


def gather(answers: list[Future[Answer]]) -> list[str]:
    done, late = wait(answers, PATIENCE_S)
    assert not late, f"{len(late)} of {len(done) + len(late)} answers are missing"
    return [answer.result().text for answer in answers]


def test_a_thousand_requests_share_one_connection() -> None:
    with station() as one, station(echo) as two:
        acquainted(one, two)
        answers = [one.ask(two.place, f"number {n}") for n in range(1000)]
        assert gather(answers) == [f"number {n}" for n in range(1000)]
        assert two.figures()["accepted"] == two.figures()["sessions"] == 1
        assert two.figures()["sessions_accepted"] == one.figures()["sessions_opened"] == 1
        assert one.figures()["accepted"] == 0
        assert two.figures()["messages"] == 1001


def test_replies_come_as_they_are_ready() -> None:
    go = threading.Event()

    def respond(message: Message) -> Reply:
        if message.command == b"slow":
            assert go.wait(PATIENCE_S)
        return echo(message)

    with station() as one, station(respond) as two:
        acquainted(one, two)
        slow = one.ask(two.place, "slow")
        assert gather([one.ask(two.place, "fast")]) == ["fast"]
        assert not slow.done()
        go.set()
        assert gather([slow]) == ["slow"]
        assert one.figures()["accepted"] == 0


@pytest.mark.stress
def test_many_threads_ask_by_one_session() -> None:
    with station() as one, station(echo) as two, ThreadPoolExecutor(8) as pool:
        acquainted(one, two)

        def work(number: int) -> list[str]:
            return gather([one.ask(two.place, f"of {number} {n}") for n in range(100)])

        for number, found in enumerate(pool.map(work, range(8))):
            assert found == [f"of {number} {n}" for n in range(100)]
        assert two.figures()["accepted"] == 1


def test_both_ask_each_other() -> None:
    with station(echo) as one, station(echo) as two:
        acquainted(one, two)
        acquainted_back = two.tell(one.place, request("print first"))
        acquainted_back.result(PATIENCE_S)
        eventually(lambda: two.figures()["sessions"] == 2, "a session each way")
        there = [one.ask(two.place, f"there {n}") for n in range(200)]
        back = [two.ask(one.place, f"back {n}") for n in range(200)]
        assert gather(there) == [f"there {n}" for n in range(200)]
        assert gather(back) == [f"back {n}" for n in range(200)]
        assert one.figures()["accepted"] == two.figures()["accepted"] == 1


@pytest.mark.parametrize("blocks", [1, 2, 3, 31, 32, 33, 64])
def test_messages_of_many_blocks_both_ways(blocks: int) -> None:
    text = pattern(1830 * blocks).decode()
    with station() as one, station(echo) as two:
        acquainted(one, two)
        one.tell(two.place, encode_message(b"data", text.encode())).result(PATIENCE_S)
        eventually(lambda: len(two.taken) == 2, "the message")
        # Two threads handle them: the first to come may be the second to be taken.
        (received,) = (message for message in two.taken if message.command == b"data")
        assert received.data == text.encode()
        # Back: the answer is as long as the question.
        answer: Future[Answer] = Future()
        one._jobs[7777] = answer
        one.tell(
            two.place,
            encode_message(b"x", text.encode(), job_id=7777, source_ip=b"127.0.0.1", source_port=9),
        )
        assert gather([answer]) == ["x" + text]
        assert two.figures()["accepted"] == 1


def test_much_travels_while_another_asks() -> None:
    with station(max_message_bytes=80_000_000) as one, station(echo) as two, station() as three:
        acquainted(one, two)
        acquainted(three, two)
        content = pattern(16 * 1024 * 1024)
        sent = [one.tell(two.place, encode_message(b"data", content)) for _ in range(4)]
        while not all(part.done() for part in sent):
            assert gather([three.ask(two.place, "get status")]) == ["get status"]
        assert [part.result() for part in sent] == [True] * 4
        eventually(lambda: two.figures()["bytes"] > 64 * 1024 * 1024, "all of it")
        assert two.figures()["accepted"] == 2


def test_both_send_more_than_the_sockets_hold_at_once() -> None:
    content = pattern(24 * 1024 * 1024)
    with station() as one, station() as two:
        hidden = free_port()
        one.tell(two.place, request("print first", source=(HOST, hidden))).result(PATIENCE_S)
        eventually(lambda: one.figures()["sessions"] == 1, "the session")
        there = one.tell(two.place, encode_message(b"data", content))
        back = two.tell((HOST, hidden), encode_message(b"data", content), attempts=1)
        assert there.result(PATIENCE_S)
        assert back.result(PATIENCE_S)
        eventually(lambda: len(one.taken) == 1 and len(two.taken) == 2, "both messages")
        assert one.taken[0].data == max(two.taken, key=lambda sent: len(sent.data)).data == content
        assert two.figures()["accepted"] == 1
        assert one.figures()["slow_reader"] == two.figures()["slow_reader"] == 0


# ------------------------------------------------- a node that nobody can reach


def test_a_node_behind_a_router_works_by_the_session_it_opened() -> None:
    hidden = (HOST, free_port())
    with station(echo) as inside, station(echo) as outside:
        inside.tell(outside.place, request("print first", source=hidden)).result(PATIENCE_S)
        eventually(lambda: inside.figures()["sessions"] == 1, "the session")
        long = "x" * 1800
        assert gather([inside.ask(outside.place, "short", source=hidden)]) == ["short"]
        assert gather([inside.ask(outside.place, long, source=hidden)]) == [long]
        # Now the other way: to the address that cannot be reached.
        assert gather([outside.ask(hidden, "back", attempts=1)]) == ["back"]
        back = [outside.ask(hidden, f"back {n}", attempts=1) for n in range(100)]
        assert gather(back) == [f"back {n}" for n in range(100)]
        assert outside.figures()["accepted"] == 1
        inside.stop()
        eventually(lambda: outside.figures()["sessions"] == 0, "the end of the session")
        with pytest.raises(PeerRefused):
            outside.ask(hidden, "back", attempts=1).result(PATIENCE_S)


def test_a_session_is_not_used_back_while_its_address_answers() -> None:
    with station() as right, station() as outside:
        # Somebody on the same machine says that he is the right one.
        with open_session(outside.place, request("print first", source=right.place)) as wrong:
            eventually(lambda: outside.figures()["messages"] == 1, "the first message")
            outside.tell(right.place, request("print secret")).result(PATIENCE_S)
            eventually(lambda: len(right.taken) == 1, "the message at the right one")
            wrong.send(bytes(2048))  # ends it: whatever was written before would come first
            assert wrong.message() == b""
        assert outside.figures()["bad_header"] == 1


def test_a_session_is_not_used_back_when_its_address_answers_badly() -> None:
    with (
        station() as outside,
        listening() as (place, accept),
        open_session(outside.place, request("print first", source=place)) as wrong,
    ):
        eventually(lambda: outside.figures()["messages"] == 1, "the first message")
        blocks = encode_message(b"data", pattern(24_000_000))
        sent = outside.tell(place, blocks, attempts=1, retry_pause_s=0.05)
        accept().reset()
        with pytest.raises(PeerClosed):
            sent.result(PATIENCE_S)
        wrong.send(bytes(2048))
        assert wrong.message() == b""


def test_a_session_from_elsewhere_is_never_used_back() -> None:
    hidden = (HOST, free_port())
    with station() as outside:
        first = request("print first", source=hidden)
        with open_session(outside.place, first, host="127.0.0.2") as wrong:
            eventually(lambda: outside.figures()["messages"] == 1, "the first message")
            with pytest.raises(PeerRefused):
                outside.tell(hidden, request("print secret"), attempts=1).result(PATIENCE_S)
            wrong.send(bytes(2048))
            assert wrong.message() == b""


def test_an_empty_source_is_the_address_the_session_came_from() -> None:
    port = free_port()
    with (
        station() as outside,
        open_session(outside.place, request("print first", source=("", port))) as inside,
    ):
        outside.tell((HOST, port), request("print back"), attempts=1)
        assert b"print back" in inside.message()


# -------------------------------------------------------------- large requests


def test_a_large_request_to_one_of_ours_is_answered(tmp_path) -> None:
    with Node(tmp_path / "node") as node:
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        )
        address = node.run("get connections").data["TCP"]["external"]
        words = " ".join(["and"] * 1500)
        with Client(address) as client:
            for _ in range(3):
                with pytest.raises(RemoteError, match="and"):
                    client.request(f"get dictionary {words}")
        server = node.run("get tcp pool where format = json").data["server"]
        assert (server["accepted"], server["sessions_accepted"]) == (1, 1)


def test_who_asks_two_at_once_gets_both_answers_apart() -> None:
    with station() as one, station(echo) as two, station(echo) as three:
        asked = [one.ask(to.place, f"at {n}") for n, to in enumerate((two, three))]
        assert gather(asked) == ["at 0", "at 1"]
        blocks = request_blocks("print x", *one.place, Job())
        assert [one.tell(to.place, blocks).result(PATIENCE_S) for to in (two, three)]
