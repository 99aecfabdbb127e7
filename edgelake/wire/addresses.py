"""Addresses of nodes: ``ip:port``, which of two a peer can reach, and host names."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

from edgelake import limits
from edgelake.errors import BadDestination, Overloaded, PeerError

__all__ = ["Endpoint", "Resolver", "is_private", "numeric_ip", "parse_endpoint", "route_to"]

_PRIVATE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "127.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "100.64.0.0/10")
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node listens: a numeric IPv4 address or host name, and a port 1..65535."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``."""
        return f"{self.host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Return the endpoint written as ``ip:port`` or ``name:port``.

    Raises
    ------
    BadDestination
        No colon, no host, or a port that is no number in 1..65535.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host or any(c.isspace() for c in host):
        raise BadDestination(f"'{text}' is not ip:port", hint="write for example 10.0.0.7:32048")
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port[:6]) <= 65_535:
        raise BadDestination(f"port '{port}' of '{text}' is not in 1..65535")
    return Endpoint(host, int(port))


@lru_cache(maxsize=limits.MAX_CACHED_ADDRESSES)
def numeric_ip(host: str) -> str | None:
    """Return the canonical text of a numeric IPv4 address, ``None`` for anything else."""
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        return None


@lru_cache(maxsize=limits.MAX_CACHED_ADDRESSES)
def is_private(ip: str) -> bool:
    """Return whether a numeric IPv4 address belongs to a local network.

    Source: ``docs/protocol.md``, "Reply address".
    """
    address = ipaddress.IPv4Address(ip)
    return any(address in network for network in _PRIVATE)


def route_to(host: str, port: int) -> str:
    """Return the local IPv4 address from which packets to a peer leave.

    No packet is sent: a datagram socket is only connected.

    Raises
    ------
    PeerError
        The name does not resolve or no route exists.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, port))
        except OSError as exc:
            raise PeerError(f"no route to {host}:{port}: {exc.strerror or exc}") from exc
        return str(probe.getsockname()[0])


class Resolver:
    """Turns host names into IPv4 addresses without holding up the caller.

    Numeric addresses never leave the calling thread. Names are looked up on
    two threads of their own; at most ``limits.MAX_PENDING_LOOKUPS`` wait, and
    an answer is used for ``limits.LOOKUP_CACHE_S``. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[float, str]] = {}
        self._pending = 0
        self._closed = False
        self._executor: ThreadPoolExecutor | None = None

    def resolve(
        self, host: str, use: Callable[[str], None], most: int = limits.MAX_PENDING_LOOKUPS
    ) -> Future[None]:
        """Call ``use`` with the numeric address, now or on a resolver thread.

        Parameters
        ----------
        most : int
            How many names may wait already.

        Returns
        -------
        Future
            Done when ``use`` has returned; holds its error, or `PeerError`
            for a name that does not resolve.

        Raises
        ------
        Overloaded
            Too many names wait already.
        """
        done: Future[None] = Future()
        ip = numeric_ip(host) or self._cached(host)
        if ip is not None:
            _finish(done, use, ip)
            return done
        with self._lock:
            if self._closed or self._pending >= most:
                raise Overloaded(f"{self._pending} host names wait for the resolver, limit {most}")
            self._pending += 1
            if self._executor is None:
                self._executor = ThreadPoolExecutor(2, thread_name_prefix="resolver")
            job = self._executor.submit(self._look_up, host, use, done)
        job.add_done_callback(lambda job: self._given_up(host, done) if job.cancelled() else None)
        return done

    def known(self, host: str) -> str | None:
        """Return what a name was found to be the last time, ``None`` if that is not known."""
        with self._lock:
            entry = self._cache.get(host)
        return None if entry is None else entry[1]

    def close(self) -> None:
        """Give up the names that wait; a look-up under way ends by itself, unheard."""
        with self._lock:
            self._closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _given_up(self, host: str, done: Future[None]) -> None:
        with self._lock:
            self._pending -= 1
        done.set_exception(PeerError(f"host name '{host}' was not looked up: the sender stops"))

    def _cached(self, host: str) -> str | None:
        with self._lock:
            entry = self._cache.get(host)
            if entry is None or entry[0] < time.monotonic():
                return None
            return entry[1]

    def _look_up(self, host: str, use: Callable[[str], None], done: Future[None]) -> None:
        try:
            found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
            ip = str(found[0][4][0])
        except (OSError, UnicodeError) as exc:
            done.set_exception(PeerError(f"host name '{host}' does not resolve: {exc}"))
            return
        finally:
            with self._lock:
                self._pending -= 1
        with self._lock:
            if len(self._cache) >= limits.MAX_PENDING_LOOKUPS:
                self._cache.clear()
            self._cache[host] = (time.monotonic() + limits.LOOKUP_CACHE_S, ip)
        _finish(done, use, ip)


def _finish(done: Future[None], use: Callable[[str], None], ip: str) -> None:
    try:
        use(ip)
    except Exception as exc:
        done.set_exception(exc)
    else:
        done.set_result(None)
