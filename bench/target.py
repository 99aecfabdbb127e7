"""Child process of the harness: the server under test, in one of its modes.

``python -m bench.target --mode MODE --threads N`` prints the port as its first
line and serves until its standard input closes, so that it never outlives the
harness. At the end it prints how many messages it handled, as JSON. A mode that
this build of edgelake has no means for prints ``unavailable: REASON`` instead.

| mode | a message is |
|---|---|
| drop | validated and dropped by a native route |
| native | answered by a native route, if it is ``get status`` |
| count | given to a handler in Python that counts |
| batch | the same, many messages with one call |
| python | given to a handler in Python that answers |
| language | run by a whole node, as a command of an administrator |
"""

from __future__ import annotations

import argparse
import inspect
import itertools
import json
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.running import UNAVAILABLE, Unavailable
from bench.targets import MODES, free_port

if TYPE_CHECKING:
    from edgelake import Message, MessageServer, Reply

Count = Callable[[], int]
"""Tells how many messages were handled; asked when the server has stopped."""

_DROPPED = "set a = 5"
_ANSWERED = "get status"
_ANSWER = "edgelake@127.0.0.1:32048 running"


def main() -> int:
    """Serve until standard input ends; the exit status of the process."""
    parser = argparse.ArgumentParser(prog="bench.target", description="the server under test")
    parser.add_argument("--threads", type=int, default=2, help="I/O threads of the server")
    parser.add_argument("--mode", choices=MODES, default="count", help="what it does")
    options = parser.parse_args()
    # Thousands of idle connections are one of the loads.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    serve = _language if options.mode == "language" else _message_server
    try:
        with serve(options.mode, options.threads) as (port, count):
            print(port, flush=True)
            sys.stdin.buffer.read()
    except Unavailable as exc:
        print(UNAVAILABLE, exc, flush=True)
        return 0
    print(json.dumps({"messages": count()}), flush=True)
    return 0


@contextmanager
def _message_server(mode: str, threads: int) -> Iterator[tuple[int, Count]]:
    from edgelake import MessageServer

    handler, handled = _handler(mode)
    extra: dict[str, Any] = {}
    if mode == "batch":
        if "batch" not in inspect.signature(MessageServer.__init__).parameters:
            raise Unavailable("MessageServer has no batches")
        extra["batch"] = True
    server = MessageServer("127.0.0.1", 0, threads=threads, handler=handler, **extra)
    _add_route(server, mode)
    with server:
        yield server.address[1], lambda: handled() + server.statistics().get("native", 0)


def _handler(mode: str) -> tuple[Callable[[Any], Any], Count]:
    """Return the handler of a mode, and its count."""
    from edgelake import Reply

    # A count that dispatcher threads may take without a lock: next() and extend() are atomic.
    ones = itertools.count()
    sizes: list[int] = []

    def count_one(_message: Message) -> None:
        next(ones)

    def count_batch(messages: list[Message]) -> None:
        sizes.append(len(messages))

    def answer(_message: Message) -> Reply:
        next(ones)
        return Reply.ok(_ANSWER)

    if mode == "batch":
        return count_batch, lambda: sum(sizes)
    return answer if mode == "python" else count_one, lambda: next(ones)


def _add_route(server: MessageServer, mode: str) -> None:
    """Let the native threads handle the command that the load sends in this mode."""
    if mode not in ("drop", "native"):
        return
    from edgelake import Reply

    if not hasattr(server, "route"):
        raise Unavailable("MessageServer has no native routes")
    if mode == "drop":
        server.route(_DROPPED, None)
    else:
        server.route(_ANSWERED, Reply.ok(_ANSWER))


@contextmanager
def _language(_mode: str, threads: int) -> Iterator[tuple[int, Count]]:
    from edgelake import Node

    port = free_port()
    last: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="edgelake-bench-") as home, Node(home) as node:
        node.run("set remote permission = admin")
        node.run(
            f"run tcp server where external_ip = 127.0.0.1 and external_port = {port}"
            f" and internal_ip = 127.0.0.1 and internal_port = {port}"
            f" and bind = true and threads = {threads}"
        )
        yield port, lambda: last["handled"] - last["handler_errors"] + last.get("native", 0)
        # While it still runs: a node that has stopped has no figures.
        last.update(node.run("get tcp pool where format = json").data["server"])


if __name__ == "__main__":
    sys.exit(main())
