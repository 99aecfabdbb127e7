"""Child process: a message server whose Python handler only counts.

``python -m bench.counting_server --threads N``; see `bench.child` for how it
is asked. An answer holds the server's statistics, and as ``counted`` how many
messages the handler has had. After ``hold`` it takes no more until ``go``.
"""

from __future__ import annotations

import argparse
import itertools
import threading
from typing import TYPE_CHECKING, Any

from bench.child import allow_descriptors, answer_questions

if TYPE_CHECKING:
    from edgelake import Message


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="bench.counting_server", description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="I/O threads of the server")
    threads: int = parser.parse_args().threads
    allow_descriptors()

    from edgelake import MessageServer

    # A count that dispatcher threads may take without a lock: next() is atomic.
    counted = itertools.count()
    questions = itertools.count()

    may_go = threading.Event()
    may_go.set()

    def handle(_message: Message) -> None:
        may_go.wait()
        next(counted)

    def figures(question: str) -> dict[str, Any]:
        if question == "hold":
            may_go.clear()
        elif question == "go":
            may_go.set()
        # Looking at the count takes one; so many looks were before this one.
        return {**server.statistics(), "counted": next(counted) - next(questions)}

    with MessageServer("127.0.0.1", 0, threads=threads, handler=handle) as server:
        answer_questions({"port": server.address[1]}, figures)
        may_go.set()


if __name__ == "__main__":
    main()
