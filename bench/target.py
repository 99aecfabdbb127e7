"""Child process of the harness: the message server with a handler in Python.

``python -m bench.target --threads N`` prints the port as its first line and
serves until its standard input closes, so that it never outlives the harness.
At the end it prints how many messages reached the handler, as JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgelake import Message


def main() -> int:
    """Serve until standard input ends; the exit status of the process."""
    parser = argparse.ArgumentParser(prog="bench.target", description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="I/O threads of the server")
    threads: int = parser.parse_args().threads

    from edgelake import MessageServer

    # A count that dispatcher threads may take without a lock: next() is atomic.
    handled = itertools.count()

    def handle(_message: Message) -> None:
        next(handled)

    with MessageServer("127.0.0.1", 0, threads=threads, handler=handle) as server:
        print(server.address[1], flush=True)
        sys.stdin.buffer.read()
    print(json.dumps({"messages": next(handled)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
