"""JSON-RPC over HTTP to a provider that may fail, stall or lie: bounded in time and size."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from edgelake import limits
from edgelake.errors import PlatformError, WrongValue
from edgelake.nesting import too_deep

__all__ = ["JsonRpc", "RpcRefused", "block_hash", "quantity", "raw_bytes"]

Request: TypeAlias = tuple[str, tuple[Any, ...]]

# Strings are taken whole, closed or not, so that the scan stays linear for any text.
_REVERT = "08c379a0"
_STALE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)
_MAX_IDLE = 4
_CHUNK_BYTES = 64 * 1024


class RpcRefused(PlatformError):
    """The provider answered a request with an error."""


class JsonRpc:
    """A client of one provider. Thread-safe.

    Parameters
    ----------
    url : str
        ``http://…`` or ``https://…``; what is secret in it is never shown.

    Raises
    ------
    WrongValue
        It is no such URL.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WrongValue(
                "the provider is no URL of HTTP", hint="write http://host:port or https://host/path"
            )
        self._host = parts.hostname
        self._port = port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/json", "User-Agent": "edgelake"}
        if parts.username is not None:
            self._headers["Authorization"] = _basic(parts.username, parts.password or "")
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.shown = f"{parts.scheme}://{host}:{self._port}"
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._closed = False
        self._batches = True
        self._bytes = 0
        self._requests = 0

    @property
    def bytes_received(self) -> int:
        """How many bytes of answers came."""
        return self._bytes

    @property
    def requests(self) -> int:
        """How many HTTP requests were made."""
        return self._requests

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of one call as JSON data.

        Raises
        ------
        RpcRefused
            The provider answered with an error.
        PlatformError
            It did not answer in time, or not in JSON-RPC.
        """
        return self._result(self._post(_request(0, method, params)), 0)

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """Return the results of several calls, made in one request if the provider can.

        Raises
        ------
        RpcRefused
            One of them was refused.
        PlatformError
        """
        if not self._batches or len(requests) < 2:
            return [self.call(method, *params) for method, params in requests]
        answer = self._post([_request(n, *request) for n, request in enumerate(requests)])
        if isinstance(answer, dict) and "error" in answer:
            # Some providers take no batches, and say so in one answer.
            results = [self.call(method, *params) for method, params in requests]
            self._batches = False
            return results
        if not isinstance(answer, list):
            raise self._fault("answered a batch with no list")
        found: dict[int, Any] = {}
        for entry in answer:
            number = entry.get("id") if isinstance(entry, dict) else None
            if isinstance(number, int) and 0 <= number < len(requests):
                found[number] = entry
        if len(found) != len(requests):
            raise self._fault(f"answered {len(found)} of {len(requests)} calls of a batch")
        return [self._result(found[number], number) for number in range(len(requests))]

    def close(self) -> None:
        """Close idle connections, and from now on each after its request."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # --------------------------------------------------------------- parts

    def _result(self, answer: Any, number: int) -> Any:
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise self._fault("did not answer in JSON-RPC")
        error = answer.get("error")
        if error is not None:
            raise RpcRefused(_reason(error))
        if "result" not in answer:
            raise self._fault("answered without a result")
        return answer["result"]

    def _post(self, data: Any) -> Any:
        body = json.dumps(data).encode()
        deadline = time.monotonic() + limits.PLATFORM_TIMEOUT_S
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            with contextlib.suppress(*_STALE):
                return self._decoded(self._exchange(connection, body, deadline))
        return self._decoded(self._exchange(self._connection(), body, deadline))

    def _connection(self) -> http.client.HTTPConnection:
        timeout_s = limits.PLATFORM_TIMEOUT_S
        if self._tls is not None:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=self._tls
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)

    def _exchange(
        self, connection: http.client.HTTPConnection, body: bytes, deadline: float
    ) -> bytes:
        """Send a request and return the answer's bytes; the connection is kept or closed."""
        self._requests += 1
        reused = connection.sock is not None
        cut = threading.Event()
        watchdog: threading.Timer | None = None
        keep = False
        try:
            if not reused:
                connection.connect()
            # Time-outs of a socket count from byte to byte; this one counts the whole answer.
            watchdog = threading.Timer(
                max(deadline - time.monotonic(), 0.001), _cut, (connection.sock, cut)
            )
            watchdog.daemon = True
            watchdog.start()
            connection.request("POST", self._target, body, self._headers)
            response = connection.getresponse()
            content = self._read(response)
            if response.status != 200 and content.lstrip()[:1] not in (b"{", b"["):
                raise self._fault(f"answered HTTP {response.status}")
            keep = not response.will_close and not cut.is_set()
            if cut.is_set():
                raise TimeoutError
            return content
        except PlatformError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as exc:
            if cut.is_set() or isinstance(exc, TimeoutError):
                raise self._fault(
                    f"did not answer within {limits.PLATFORM_TIMEOUT_S:g} s"
                ) from None
            if reused and isinstance(exc, _STALE):
                raise
            raise self._fault(f"could not be asked: {_short(str(exc) or repr(exc))}") from None
        finally:
            if watchdog is not None:
                watchdog.cancel()
            if keep:
                with self._lock:
                    keep = len(self._idle) < _MAX_IDLE and not self._closed
                    if keep:
                        self._idle.append(connection)
            if not keep:
                connection.close()

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK_BYTES):
            size += len(chunk)
            if size > limits.MAX_PLATFORM_ANSWER_BYTES:
                raise _AnswerTooLarge(
                    f"provider {self.shown} answered more than"
                    f" {limits.MAX_PLATFORM_ANSWER_BYTES} bytes"
                )
            parts.append(chunk)
        if response.length:
            raise self._fault("broke off its answer")
        response.close()
        self._bytes += size
        return b"".join(parts)

    def _decoded(self, content: bytes) -> Any:
        try:
            text = content.decode()
            if too_deep(text) is not None:
                raise ValueError("nested too deeply")
            return json.loads(text)
        except (ValueError, RecursionError):
            raise self._fault("did not answer in JSON") from None

    def _fault(self, what: str) -> PlatformError:
        return PlatformError(f"provider {self.shown} {what}")


class _AnswerTooLarge(PlatformError):
    """An answer exceeds `limits.MAX_PLATFORM_ANSWER_BYTES`."""


# --------------------------------------------------------------- checked values


def quantity(value: Any, what: str) -> int:
    """Return the number that ``0x…`` stands for, below 2^256.

    Raises
    ------
    PlatformError
    """
    if isinstance(value, str) and 3 <= len(value) <= 66 and value.startswith("0x"):
        with contextlib.suppress(ValueError):
            return int(value[2:], 16)
    raise PlatformError(f"the provider's {what} is no number: {_short(repr(value))}")


def raw_bytes(value: Any, what: str) -> bytes:
    """Return the bytes that ``0x…`` stands for.

    Raises
    ------
    PlatformError
    """
    if isinstance(value, str) and value.startswith("0x"):
        with contextlib.suppress(ValueError):
            return bytes.fromhex(value[2:])
    raise PlatformError(f"the provider's {what} is not hexadecimal: {_short(repr(value))}")


def block_hash(value: Any, what: str) -> str:
    """Return a hash of 32 bytes as ``0x`` and small hexadecimal digits.

    Raises
    ------
    PlatformError
    """
    found = raw_bytes(value, what)
    if len(found) != 32:
        raise PlatformError(f"the provider's {what} has {len(found)} bytes instead of 32")
    return f"0x{found.hex()}"


# ------------------------------------------------------------------- parts


def _request(number: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _basic(user: str, password: str) -> str:
    import base64
    from urllib.parse import unquote

    pair = f"{unquote(user)}:{unquote(password)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _cut(connection: socket.socket | None, done: threading.Event) -> None:
    done.set()
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _reason(error: Any) -> str:
    """Return what an error says: the contract's own text if there is one."""
    if not isinstance(error, dict):
        return _short(str(error))
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith(f"0x{_REVERT}"):
        with contextlib.suppress(ValueError, IndexError):
            content = bytes.fromhex(data[2:])[4:]
            size = int.from_bytes(content[32:64], "big")
            return _short(content[64 : 64 + size].decode("utf-8", "replace"))
    return _short(str(error.get("message", "error without a message")))


def _short(text: str) -> str:
    """Return foreign text as part of one line of ours."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text[:1000]).split())
    longest = limits.MAX_PLATFORM_ERROR_CHARS
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
