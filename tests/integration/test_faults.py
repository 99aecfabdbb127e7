"""Faults of the world between two nodes and in the system below them."""

from __future__ import annotations

from edgelake.wire import Reply
from tests.old_node import command_of
from tests.sessions import LEAVE, listening, marked, open_session, request
from tests.stations import station


def test_a_native_answer_is_not_written_behind_a_leave() -> None:
    with (
        station(idle_timeout_s=0.1) as server,
        listening() as (place, accept),
        open_session(server.place) as line,
    ):
        server.server.route("get it", Reply.ok("here"))
        line.control(LEAVE)
        line.send(marked(request("get it", job=7, source=place)))
        with accept() as apart:
            assert command_of(apart.message()) == "print"
