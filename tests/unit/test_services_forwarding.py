"""Changes on their way through a relay: in order, bounded, and each with an end."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from edgelake import limits
from edgelake.errors import Overloaded, PeerClosed, PeerRefused, RemoteError
from edgelake.services.forwarding import Forwarded, Forwarder
from edgelake.services.jobs import Answer, Jobs
from edgelake.wire import Endpoint, Job
from tests.waiting import eventually

UP = Endpoint("127.0.0.1", 9)


class Line:
    """Stands for the TCP service; keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Job]] = []
        self.error: Exception | None = None

    def request(self, to: Endpoint, command: str, job: Job, *, attempts: int) -> Future[bool]:
        assert to == UP
        self.sent.append((command, job))
        outcome: Future[bool] = Future()
        if self.error is not None:
            outcome.set_exception(self.error)
        else:
            outcome.set_result(True)
        return outcome


class Relayed:
    """A forwarder, and what comes back from it."""

    def __init__(self) -> None:
        self.line, self.jobs = Line(), Jobs()
        self.forwarder = Forwarder(UP, lambda: self.line, self.jobs)  # type: ignore[arg-type, return-value]
        self.forwarder.ours = True
        self.items: dict[str, Forwarded] = {}

    def forward(self, name: str, *, peer: str = "p") -> None:
        item = Forwarded(name, f"old {name}", peer)
        self.forwarder.forward(item)
        self.items[name] = item

    @property
    def replies(self) -> dict[str, str]:
        """What was said of those that have an end."""
        ended = {name: item.done for name, item in self.items.items() if item.done.done()}
        return {n: str(done.exception() or done.result()) for n, done in ended.items()}

    def code(self, name: str) -> int:
        """Return the number of a failure."""
        error = self.items[name].done.exception(0)
        assert isinstance(error, RemoteError)
        return error.remote_code

    def names(self) -> list[str]:
        return [command for command, _ in self.line.sent]

    def answer(self, name: str, text: str = "stored", error: int = 0) -> bool:
        job = next(job for command, job in self.line.sent if command == name)
        return self.jobs.deliver(job.location, job.number, 0, Answer("up", text, error))


@pytest.fixture
def relayed() -> Relayed:
    return Relayed()


def test_they_go_in_order_and_as_many_as_may(
    relayed: Relayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_FORWARDED", 2)
    monkeypatch.setattr(limits, "MAX_FORWARDED_WAITING", 2)
    for name in "abcd":
        relayed.forward(name)
    assert relayed.names() == ["a", "b"]
    with pytest.raises(Overloaded, match="4 changes are on their way"):
        relayed.forward("e")
    assert relayed.answer("b", "stored b")
    assert relayed.names() == ["a", "b", "c"]
    assert relayed.replies == {"b": "stored b"}
    relayed.forward("e")
    for name in "acde":
        assert relayed.answer(name)
    assert relayed.names() == list("abcde")
    assert relayed.forwarder.pending == 0
    assert relayed.forwarder.forwarded == 5


def test_what_the_master_refuses_comes_back_with_its_number(relayed: Relayed) -> None:
    relayed.forward("a")
    relayed.answer("a", "Blockchain message 'forward' failed  not in this network", 87)
    assert relayed.code("a") == 87
    assert relayed.replies["a"] == "not in this network"


def test_who_is_not_reached_is_no_refusal(relayed: Relayed) -> None:
    relayed.line.error = PeerRefused("127.0.0.1:9 refused the connection")
    relayed.forward("a")
    assert relayed.code("a") == 15
    assert "was not reached: 127.0.0.1:9 refused" in relayed.replies["a"]
    assert relayed.forwarder.pending == 0


def test_many_that_fail_at_once_end_one_after_the_other(
    relayed: Relayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_FORWARDED", 1)
    monkeypatch.setattr(limits, "MAX_FORWARDED_WAITING", 3000)
    monkeypatch.setattr(limits, "MAX_FORWARDED_OF_PEER", 3000)
    relayed.forward("first")
    for number in range(2000):
        relayed.forward(str(number))
    relayed.line.error = PeerRefused("away")
    relayed.answer("first")
    assert len(relayed.replies) == 2001
    assert relayed.forwarder.pending == 0


def test_what_is_not_answered_is_given_up(
    relayed: Relayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_FORWARDED", 1)
    monkeypatch.setattr(limits, "FORWARD_SWEEP_S", 0.01)
    monkeypatch.setattr(limits, "FORWARD_WAIT_S", 0.1)
    relayed.forward("a")
    relayed.forward("b")
    eventually(lambda: len(relayed.replies) == 2, "their end, without anybody asking")
    assert [relayed.code(name) for name in "ab"] == [26, 26]
    monkeypatch.setattr(limits, "FORWARD_WAIT_S", 60.0)
    relayed.forward("c")
    assert relayed.names()[-1] == "c"
    assert not relayed.answer("a"), "its slot is free"
    relayed.forwarder.close()
    assert relayed.code("c") == 81
    with pytest.raises(PeerClosed):
        relayed.forward("d")


def test_no_peer_takes_all_the_room(relayed: Relayed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FORWARDED_OF_PEER", 2)
    for name in "ab":
        relayed.forward(name)
    with pytest.raises(Overloaded):
        relayed.forward("c")
    relayed.forward("d", peer="q")
    relayed.answer("a")
    relayed.forward("c")


def test_their_text_is_bounded(relayed: Relayed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FORWARDED_BYTES", 6)
    relayed.forward("abc")
    relayed.forward("def")
    with pytest.raises(Overloaded):
        relayed.forward("g")
    relayed.answer("abc")
    relayed.forward("ghi")


def test_an_existing_master_gets_what_it_knows(
    relayed: Relayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    relayed.forwarder.ours = None
    relayed.forward("a")
    assert relayed.code("a") == 15
    monkeypatch.setattr(limits, "FORWARD_SWEEP_S", 0.01)
    monkeypatch.setattr(limits, "SILENT_REPLY_WAIT_S", 0.1)
    relayed.forwarder.ours = False
    relayed.forward("b")
    assert relayed.names() == ["old b"]
    # It says nothing when it has done it.
    eventually(lambda: relayed.replies.get("b") == "", "the end of the wait")
    relayed.forward("c")
    relayed.answer("old c", "no", 87)
    assert relayed.code("c") == 87
