"""Child process: a bare application on the same server, the floor of REST.

It answers each GET with the same text, and stores the body of a PUT in a file of its own,
on the disk before it answers. See `bench.child` for how it is asked.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bench.child import answer_questions
from edgelake import limits
from edgelake.services.http import HttpServer

_ANSWER = "edgelake@127.0.0.1:32048 running"


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="bench.rest.bare_app", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="gets the files of PUT")
    home = parser.parse_args().home
    numbers = itertools.count()
    pool = ThreadPoolExecutor(limits.DEFAULT_REST_THREADS)

    async def answer(request: Request) -> PlainTextResponse:
        if request.method == "PUT":
            body = await request.body()
            path = home / f"{next(numbers)}"
            await asyncio.get_running_loop().run_in_executor(pool, _store, path, body)
        return PlainTextResponse(_ANSWER)

    app = Starlette(routes=[Route("/", answer, methods=["GET", "PUT"])])
    # Without the protocol asyncio would not tell TCP to send small answers at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(limits.REST_BACKLOG)
    server = HttpServer(app, listener, None, _ended)
    server.start()
    try:
        answer_questions({"port": listener.getsockname()[1]}, lambda _question: {})
    finally:
        server.stop(limits.REST_FINISH_S)


def _store(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _ended(reason: str) -> NoReturn:
    raise RuntimeError(reason)


if __name__ == "__main__":
    main()
