"""How much one address may ask of a REST server: how often, and how much at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from edgelake import limits
from edgelake.errors import TooManyCalls
from edgelake.services.buckets import Buckets

__all__ = ["RestCallers"]


class RestCallers:
    """The addresses that call one server. Used by the server's loop alone.

    Parameters
    ----------
    rate : int
        Calls a second of one address; 0 for no limit.
    """

    def __init__(self, rate: int) -> None:
        self._rates = (
            Buckets(max(1.0, rate * limits.REST_BURST_S), rate, limits.MAX_REST_ADDRESSES)
            if rate
            else None
        )
        self._under_way: dict[str, int] = {}

    @contextmanager
    def calling(self, address: str) -> Iterator[None]:
        """Count a call of an address while it is under way.

        Raises
        ------
        TooManyCalls
            It calls too often, or too much at a time.
        """
        running = self._under_way.get(address, 0)
        if running >= limits.MAX_REST_CALLS_OF_ADDRESS:
            raise TooManyCalls(
                f"{running} calls from {address} are under way",
                retry_after_s=1.0,
                hint="wait for some of them to be answered",
            )
        if self._rates is not None and (wait_s := self._rates.take(address, time.monotonic())):
            raise TooManyCalls(
                f"more than {self._rates.per_s} calls a second from {address}",
                retry_after_s=wait_s,
                hint="call less often, or give the server another rate: rate = …",
            )
        self._under_way[address] = running + 1
        try:
            yield
        finally:
            left = self._under_way[address] - 1
            if left:
                self._under_way[address] = left
            else:
                del self._under_way[address]
