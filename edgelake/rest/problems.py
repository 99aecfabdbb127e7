"""Errors as HTTP says them: a status, and one JSON object."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.responses import JSONResponse

from edgelake import errors
from edgelake.commands.rendering import json_text
from edgelake.errors import EdgeLakeError

__all__ = ["JsonReply", "failure", "problem", "problem_data", "status_of"]

_SCHEMES = ('Basic realm="edgelake", charset="UTF-8"', 'Bearer realm="edgelake"')
_STATUS: tuple[tuple[type[EdgeLakeError], int], ...] = (
    (errors.NotAuthenticated, 401),
    (errors.WrongHost, 421),
    (errors.NotPermitted, 403),
    (errors.WrongMethod, 405),
    (errors.CommandNotAvailable, 501),
    (errors.MessageTooLarge, 413),
    (errors.FileTooLarge, 413),
    (errors.NoDestination, 404),
    (errors.PolicyConflict, 409),
    (errors.PolicyNotUnique, 409),
    (errors.AlreadyRunning, 409),
    (errors.HomeLocked, 409),
    (errors.PolicyMissing, 404),
    (errors.PolicyRowMissing, 404),
    (errors.FileWriteFailed, 507),
    (errors.FileMissing, 404),
    (errors.FolderMissing, 404),
    (errors.TableMissing, 404),
    (errors.DatabaseUnknown, 404),
    (errors.ScriptMissing, 404),
    (errors.KeyMissing, 404),
    (errors.PolicyInvalid, 422),
    (errors.NoReply, 504),
    (errors.PeerTimeout, 504),
    (errors.SystemCallTimeout, 504),
    (errors.PeerError, 502),
    (errors.RemoteProtocolError, 502),
    (errors.CommandError, 400),
    (errors.TooManyCalls, 429),
    (errors.Overloaded, 503),
    (errors.NotRunning, 503),
    (errors.DatabaseUnreachable, 503),
    (errors.DatabaseError, 503),
    (errors.LibraryMissing, 501),
    (errors.PlatformFailed, 502),
    (errors.PlatformUncertain, 504),
    (errors.LedgerError, 422),
)


class JsonReply(JSONResponse):
    """An answer in JSON; text that is no Unicode is shown as far as it is.

    Attributes
    ----------
    fault : str
        What was wrong, if the answer tells of an error; for the counts of calls.
    """

    fault = ""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        try:
            text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except ValueError:
            text = json_text(content)
        return text.encode(errors="replace")


def status_of(error: EdgeLakeError) -> int:
    """Return the HTTP status that an error of the tree is told with, 400 to 599."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem_data(error: EdgeLakeError) -> dict[str, Any]:
    """Return ``code``, ``error`` and ``hint`` of an error."""
    return {"code": error.code, "error": error.message, "hint": error.hint or None}


def failure(error: EdgeLakeError, **more: Any) -> JsonReply:
    """Return the answer that tells of an error to the console, with what else helps there."""
    reply = JsonReply({**problem_data(error), **more}, status_of(error))
    reply.fault = error.message
    return reply


def problem(
    error: EdgeLakeError, status: int | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return the answer that tells of an error."""
    more = dict(headers or {})
    if isinstance(error, errors.MessageTooLarge):
        # The rest of the body is read no more.
        more["connection"] = "close"
    if isinstance(error, errors.Overloaded):
        wait_s = error.retry_after_s if isinstance(error, errors.TooManyCalls) else 1.0
        more["retry-after"] = str(max(1, math.ceil(wait_s)))
    response = JsonReply(problem_data(error), status or status_of(error), more)
    if isinstance(error, errors.NotAuthenticated):
        for scheme in _SCHEMES:
            response.headers.append("www-authenticate", scheme)
    return response
