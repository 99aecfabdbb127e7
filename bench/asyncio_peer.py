"""A peer of the server under test: asyncio, or uvloop, with one protocol per connection.

``python -m bench.asyncio_peer [--uvloop]`` prints its port and serves until its
standard input closes. Each connection collects one block of 2,048 bytes, which
nobody looks at, and is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

from edgelake.limits import BLOCK_BYTES

_BACKLOG = 4096


class _Collector(asyncio.Protocol):
    """Counts one block and closes."""

    messages = 0

    def __init__(self) -> None:
        self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to close it."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Close when the block is whole."""
        self._received += len(data)
        if self._received >= BLOCK_BYTES:
            _Collector.messages += 1
            self._transport.close()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def read_input() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            ended.set_result(None)

    server = await loop.create_server(_Collector, "127.0.0.1", 0, backlog=_BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin.fileno(), read_input)
    await ended
    server.close()


def main() -> int:
    """Serve until standard input ends; the exit status of the process."""
    parser = argparse.ArgumentParser(prog="bench.asyncio_peer", description=__doc__)
    parser.add_argument("--uvloop", action="store_true", help="instead of asyncio's own loop")
    if parser.parse_args().uvloop:
        import uvloop

        uvloop.run(_serve())
    else:
        asyncio.run(_serve())
    print(json.dumps({"messages": _Collector.messages}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
