"""How answers of commands go back to a caller."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from edgelake.commands.rendering import json_text
from edgelake.errors import EdgeLakeError, NoReply, PeerError
from edgelake.interfaces import Result
from edgelake.rest.problems import JsonReply, problem_data, status_of
from edgelake.rest.running import NodeReply

__all__ = ["of_nodes", "of_results", "written"]


def of_results(results: Sequence[Result], *, prefers_json: bool) -> Response:
    """Return the answers of commands that ran here: JSON if they are, or if it is wanted."""
    spoken = [result for result in results if result.text or result.data is not None]
    if prefers_json and not (len(spoken) == 1 and spoken[0].json):
        data = [result.text if result.data is None else result.data for result in spoken]
        return _json(data[0] if len(data) == 1 else data or None)
    answers = [written(result) for result in spoken]
    if len(answers) == 1:
        (text, is_json) = answers[0]
        if is_json:
            return Response(text.encode(errors="replace"), media_type="application/json")
        if not text and spoken[0].data == []:
            # Policies, and there are none.
            return _json([])
    return _text("\n".join(text for text, _ in answers if text))


def written(result: Result) -> tuple[str, bool]:
    """Return the text of an answer, and whether it is JSON.

    Peers get policies in Python's notation; who calls by HTTP reads JSON.
    """
    data, text = result.data, result.text
    if isinstance(data, list | dict) and result.shown is None and text[:1] in ("[", "{"):
        return (text if result.json else json_text(data)), True
    return text, result.json


def of_nodes(replies: Sequence[NodeReply], *, subset: bool, prefers_json: bool) -> Response:
    """Return the replies of other nodes: that of one node as it is, those of several merged."""
    faults = [reply for reply in replies if reply.error is not None]
    if faults and (not subset or len(faults) == len(replies)):
        return _failed(replies, faults)
    if len(replies) == 1:
        reply = replies[0]
        if reply.data is not None:
            return _json(reply.data)
        return _json(reply.text) if prefers_json else _text(reply.text)
    as_data = prefers_json or all(
        reply.data is not None for reply in replies if reply.error is None
    )
    if as_data:
        return _json([_data(reply) for reply in replies])
    return _text("\n".join(_lines(reply) for reply in replies))


# ------------------------------------------------------------------- parts


def _failed(replies: Sequence[NodeReply], faults: Sequence[NodeReply]) -> Response:
    first = faults[0].error
    assert first is not None
    late = all(isinstance(reply.error, NoReply) for reply in faults)
    if len(replies) == 1:
        status = status_of(first) if isinstance(first, PeerError) else 502
        return _told(first, problem_data(first), status)
    more = f", and {len(faults) - 1} more nodes failed" if len(faults) > 1 else ""
    body = problem_data(first)
    body["error"] = f"{first.message}{more}"
    body["hint"] = body["hint"] or "header 'subset: true' takes the replies that came"
    body["replies"] = [_data(reply) for reply in replies]
    return _told(first, body, 504 if late else 502)


def _told(error: EdgeLakeError, body: dict[str, Any], status: int) -> Response:
    reply = JsonReply(body, status)
    reply.fault = error.message
    return reply


def _data(reply: NodeReply) -> dict[str, Any]:
    if reply.error is not None:
        return {"node": reply.node, "error": problem_data(reply.error)}
    return {"node": reply.node, "reply": reply.text if reply.data is None else reply.data}


def _lines(reply: NodeReply) -> str:
    if reply.error is not None:
        return f"[From Node {reply.node}]\n\nerror {reply.error.code}: {reply.error}\n"
    text = reply.text if reply.data is None else json_text(reply.data)
    return f"[From Node {reply.node}]\n\n{text}\n"


def _json(data: Any) -> Response:
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json_text(data)
    return Response(text.encode(errors="replace"), media_type="application/json")


def _text(text: str) -> Response:
    return Response(text.encode(errors="replace"), media_type="text/plain; charset=utf-8")
