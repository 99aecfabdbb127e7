"""What can be called at ``/``: commands, in each of the forms in which they come."""

from __future__ import annotations

from edgelake import limits
from edgelake.rest.operations import Answer, Operation, Parameter
from edgelake.rest.schemas import BOOLEAN, JSON, TEXT, TEXT_PLAIN, Schema

__all__ = ["COMMANDS", "FAULTS"]

FAULTS = (400, 401, 403, 404, 405, 408, 409, 413, 421, 422, 429, 431, 501, 502, 503, 504)
"""Statuses of commands that fail; see docs/rest.md for when each of them is used."""

_HTML = "text/html"
_COMMAND: Schema = {**TEXT, "maxLength": limits.MAX_REST_HEAD_BYTES}
_AGENT: Schema = {**TEXT, "description": "how the program that calls names itself"}
_SECONDS: Schema = {"type": "number", "minimum": 0, "maximum": limits.MAX_REST_TIMEOUT_S}
_VARIABLES: Schema = {
    "type": "object",
    "description": "values that hold for this call: texts as they are, all else as JSON",
    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$"},
    "additionalProperties": True,
    "maxProperties": limits.MAX_REST_VARIABLES,
}

_GIVEN = (
    Parameter("command", "the command, as at the console", _COMMAND, example="get status"),
    Parameter(
        "destination",
        "nodes that are to run it: `ip:port`, a list, policies in parentheses, `network`, or"
        " `local` for this one",
        TEXT,
    ),
    Parameter("timeout", "seconds to wait for their replies; 0 for no limit", _SECONDS),
    Parameter("subset", "replies of some of the nodes suffice", BOOLEAN),
)


def _in(place: str) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(one.name, one.help, one.schema, place, example=one.example) for one in _GIVEN
    )


_ANSWER = Answer(
    "What the command answers: text, or JSON if it is that or `Accept` asks for it.",
    {TEXT_PLAIN: TEXT, JSON: {}},
)
_BODY: Schema = {
    "type": "object",
    "properties": {
        "command": _COMMAND,
        "destination": TEXT,
        "timeout": _SECONDS,
        "subset": BOOLEAN,
        "variables": _VARIABLES,
        "AnyLog-Agent": _AGENT,
    },
    "required": ["command"],
    "additionalProperties": False,
    "example": {"command": "get !x", "variables": {"x": {"a": 1}}},
}

COMMANDS = (
    Operation(
        "GET",
        "ask",
        "Run a command that informs",
        "Commands",
        {
            200: Answer(
                f"{_ANSWER.help} The console, for a browser that names no command.",
                {**_ANSWER.content, _HTML: TEXT},
            )
        },
        faults=FAULTS,
        details=(
            "`get …`, `help …`, `sql …` and `blockchain get …`. What a header says counts more"
            " than what the query string says. Without a command: 400."
        ),
        parameters=(*_in("header"), *_in("query")),
    ),
    Operation(
        "POST",
        "run",
        "Run any command",
        "Commands",
        {200: _ANSWER},
        faults=FAULTS,
        details=(
            "The command in the header, or in the body. In a text body each line is"
            " `name = value`, or a command if the header has none. Of a program whose"
            " `User-Agent` a client of messages takes (`run msg client`), or with the command"
            " `data`, the body is a message."
        ),
        parameters=(
            *_in("header"),
            Parameter("topic", "of a message; what its client makes of it", TEXT, "header"),
        ),
        body={JSON: _BODY, TEXT_PLAIN: TEXT},
        body_required=False,
    ),
)
