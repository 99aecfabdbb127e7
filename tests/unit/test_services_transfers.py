"""Only files that were asked for are handed over, each to who asked."""

from __future__ import annotations

import pytest

from edgelake import limits
from edgelake.errors import Overloaded
from edgelake.services.transfers import Transfers


def test_each_file_goes_to_who_asked_for_it():
    transfers = Transfers()
    got: list[tuple[int, str, bytes]] = []

    def keeper(number):
        return lambda name, content: (got.append((number, name, content)), name != "refused")[1]

    places = [transfers.expect(keeper(number)) for number in range(2)]
    assert len(set(places)) == 2
    assert transfers.take(f"{places[1]}/file", b"b")
    assert transfers.take(f"{places[0]}/file", b"a")
    assert not transfers.take(f"{places[0]}/refused", b"c")
    assert got == [(1, "file", b"b"), (0, "file", b"a"), (0, "refused", b"c")]


def test_nothing_else_is_taken():
    transfers = Transfers()
    place = transfers.expect(lambda name, content: True)
    for name in (place, f"{place}x/file", f"/x{place}/file", f"{place}/a/file", "file", "/", ""):
        assert not transfers.take(name, b""), name
    transfers.forget(place)
    transfers.forget(place)
    assert not transfers.take(f"{place}/file", b"")


def test_so_many_requests_wait_at_a_time():
    transfers = Transfers()
    places = [transfers.expect(lambda *_: True) for _ in range(limits.MAX_OPEN_TRANSFERS)]
    with pytest.raises(Overloaded, match=f"{limits.MAX_OPEN_TRANSFERS} requests"):
        transfers.expect(lambda *_: True)
    transfers.forget(places[0])
    transfers.expect(lambda *_: True)
