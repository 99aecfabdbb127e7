"""Who is told of a change: each once, nobody twice, none forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from edgelake import limits
from edgelake.errors import ServiceError
from edgelake.interfaces import LogPosition
from edgelake.services.followers import Followers
from edgelake.wire import Endpoint
from tests.waiting import eventually


def place(seq: int, epoch: str = "e") -> LogPosition:
    return LogPosition(epoch, seq, "c")


class Mouth:
    """Stands for the TCP service; keeps what it is to tell."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.error: Exception | None = None

    def tell(self, command: str, peers) -> int:
        error, self.error = self.error, None
        if error is not None:
            raise error
        found = [(command, to.port) for to, _, _ in peers]
        self.told += found
        return len(found)


@pytest.fixture
def mouth() -> Mouth:
    return Mouth()


@pytest.fixture
def followers(mouth: Mouth) -> Iterator[Followers]:
    made = Followers(lambda: mouth)  # type: ignore[arg-type, return-value]
    yield made
    made.close()


def note(followers: Followers, port: int, at: LogPosition | None, changes: int = -1) -> None:
    seen = followers.changes if changes < 0 else changes
    followers.note(Endpoint("127.0.0.1", port), "127.0.0.1", 0, at, seen)


def test_each_is_told_once(followers: Followers, mouth: Mouth) -> None:
    for port in (1, 2):
        note(followers, port, place(3))
    note(followers, 2, place(3))
    followers.tell(place(4))
    command = "event ledger_changed e 4"
    eventually(lambda: sorted(mouth.told) == [(command, 1), (command, 2)], "both are told")
    followers.tell(place(5))
    note(followers, 1, place(5))
    followers.tell(place(6))
    eventually(lambda: len(mouth.told) == 3, "the one that asked again")
    assert mouth.told[-1] == ("event ledger_changed e 6", 1)
    assert followers.told == 3
    assert followers.count == 0


def test_who_knows_it_already_goes_on_waiting(followers: Followers, mouth: Mouth) -> None:
    note(followers, 1, place(4))
    note(followers, 2, place(3))
    followers.tell(place(4))
    eventually(lambda: len(mouth.told) == 1, "the other is told")
    assert followers.count == 1
    followers.tell(place(1, "another"))
    eventually(lambda: mouth.told[-1] == ("event ledger_changed another 1", 1), "another log")


def test_a_change_between_look_and_note_is_told(followers: Followers, mouth: Mouth) -> None:
    seen = followers.changes
    followers.tell(place(4))
    note(followers, 1, place(3), seen)
    note(followers, 2, None, seen)
    note(followers, 3, place(4), seen)
    eventually(lambda: sorted(port for _, port in mouth.told) == [1, 2], "both are told")
    # Without a change meanwhile nothing is told: it would be asked and told for ever.
    note(followers, 2, None)
    assert followers.count == 2


def test_the_oldest_gives_way(
    followers: Followers, mouth: Mouth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_LEDGER_FOLLOWERS", 2)
    for port in (1, 2):
        note(followers, port, place(3))
    assert followers.count == 2
    note(followers, 3, place(3))
    assert followers.count == 2
    followers.tell(place(4))
    eventually(lambda: sorted(port for _, port in mouth.told) == [2, 3], "the others are told")


def test_a_fault_in_one_round_does_not_end_the_telling(followers: Followers, mouth: Mouth) -> None:
    for seq, error in ((4, ServiceError("the TCP server is stopping")), (5, RuntimeError("fault"))):
        mouth.error = error
        note(followers, seq, place(seq - 1))
        followers.tell(place(seq))
        eventually(lambda: mouth.error is None, "the round that fails")
    note(followers, 9, place(5))
    followers.tell(place(6))
    eventually(lambda: mouth.told == [("event ledger_changed e 6", 9)], "the next round")


def test_many_changes_at_once_are_one_message_each(
    followers: Followers, mouth: Mouth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_LEDGER_TELL_PAUSE_S", 60.0)
    monkeypatch.setattr(limits, "LEDGER_TELL_PAUSE_S", 60.0)
    note(followers, 1, place(3))
    followers.tell(place(4))
    eventually(lambda: len(mouth.told) == 1, "the first change")
    for seq in range(5, 50):
        note(followers, 1, place(seq - 1))
        followers.tell(place(seq))
    # They wait for the end of the pause; closing does not.
    followers.close()
    assert len(mouth.told) == 1


def test_no_thread_without_news() -> None:
    followers = Followers(lambda: None)
    before = threading.active_count()
    note(followers, 1, place(3))
    assert threading.active_count() == before
    followers.close()
    followers.tell(place(4))
    assert threading.active_count() == before
