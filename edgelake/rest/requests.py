"""What a caller wants: the command, where it is to run, and the variables that it uses.

Source: command reference, "run rest server".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from starlette.requests import Request

from edgelake import limits
from edgelake.errors import (
    CommandSyntaxError,
    MessageTooLarge,
    OptionNotAvailable,
    WrongMethod,
    WrongValue,
)
from edgelake.language import Boolean, LogicalLines
from edgelake.rest.objects import read_object

__all__ = ["Wanted", "agent_of", "body_of", "wanted"]

_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_ASSIGNMENT = re.compile(r"\s*!?(?P<name>[A-Za-z_][\w.-]*)\s*=(?!=)\s*(?P<value>.*)", re.DOTALL)
_INFORMS = re.compile(r"(?:get|help|sql|blockchain\s+get)(?:\s|$)")
_ONLY_BY_GET = re.compile(r"(?:get|help)(?:\s|$)")
_PARAMETERS = ("command", "destination", "timeout", "subset")
_FIELDS = {name.encode(): name for name in _PARAMETERS}
_AGENTS = ("anylog-agent", "user-agent")
_AGENT = "edgelake.agent"
_HERE = "local"
_PAIR = re.compile(r"[?&]")
_PATIENCE = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one call asks for.

    Attributes
    ----------
    commands : tuple of str
        Each is one command; at least one.
    destination : str
        Nodes that are to run them, as ``run client`` takes them; empty for this node.
    variables : dict of str to str
        Values that hold for this call.
    timeout_s : float or None
        How long replies of other nodes are waited for; 0 for no limit, ``None`` as the
        server was told.
    subset : bool
        Replies of some of the nodes suffice.
    json : bool
        The caller prefers JSON.
    """

    commands: tuple[str, ...]
    destination: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    subset: bool = False
    json: bool = False


def agent_of(request: Request) -> str:
    """Return how the program that calls names itself.

    A page in a browser may not choose its ``User-Agent``, so its own header counts more, and so
    does what a JSON body or the query string said: see `wanted`.
    """
    headers = request.headers
    said: str = request.scope.get(_AGENT, "")
    return headers.get("anylog-agent") or said or headers.get("user-agent", "")


async def body_of(request: Request, most: int | None = None) -> bytes:
    """Return the body.

    Parameters
    ----------
    most : int or None
        How many bytes it may have; ``None``: `limits.MAX_REST_BODY_BYTES`.

    Raises
    ------
    MessageTooLarge
    """
    if "content-length" not in request.headers and "transfer-encoding" not in request.headers:
        return b""
    most = limits.MAX_REST_BODY_BYTES if most is None else most
    found = bytearray()
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= most:
            found += part
            continue
        # Who is still sending does not read an answer: the rest is thrown away for a while.
        found.clear()
        if size > _PATIENCE * most:
            break
    if size > most:
        raise MessageTooLarge(f"the body exceeds {most} bytes", hint="send it in parts")
    return bytes(found)


def wanted(request: Request, body: bytes) -> Wanted | None:
    """Return what a call by GET or POST asks for, ``None`` if it names no command.

    Raises
    ------
    CommandSyntaxError, WrongValue, BadJson
        It cannot be understood.
    WrongMethod
        The command does not go with the method.
    """
    given = _given(request)
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise OptionNotAvailable(
            "a form is not taken", hint="send text or JSON as the body, and rows by PUT"
        )
    text = _text(body)
    fields: Mapping[str, Any] = {}
    if _is_json(request, text):
        fields = _json(text)
        text = ""
    said = {key: given.get(key) or fields.get(key) for key in (*_PARAMETERS, *_AGENTS)}
    request.scope[_AGENT] = next((_one(key, said[key]) for key in _AGENTS if said[key]), "")
    destination = _one("destination", said["destination"])
    lines = list(_lines(text))
    command = _one("command", said["command"])
    variables = _variables(fields.get("variables"))
    commands = [command] if command else []
    for line in lines:
        assigned = _ASSIGNMENT.fullmatch(line)
        if assigned is not None and (command or not commands):
            variables[assigned["name"]] = assigned["value"].strip()
        elif command:
            raise CommandSyntaxError(
                "the body holds a command beside that of the header 'command'",
                hint="write name = value in the body, or all commands there",
            )
        else:
            commands.append(line)
    if not commands:
        return None
    if len(variables) > limits.MAX_REST_VARIABLES:
        raise CommandSyntaxError(f"a call gives more than {limits.MAX_REST_VARIABLES} variables")
    # Who sends JSON has chosen POST for its body, and not for what the command does.
    for one in commands:
        _check_method(request.method, one, free=bool(fields) or not command)
    return Wanted(
        commands=tuple(commands),
        destination="" if destination == _HERE else destination,
        variables=variables,
        timeout_s=_seconds(said["timeout"]),
        subset=_truth(said["subset"]),
        json=_prefers_json(request),
    )


# ------------------------------------------------------------------- parts


def _given(request: Request) -> dict[str, str]:
    """Return what header fields and the query string say, the header first."""
    found: dict[str, str] = {}
    # Existing clients also separate the pairs of a query string by further question marks.
    query = request.scope.get("query_string", b"").decode("latin-1")
    for pair in _PAIR.split(query) if query else ():
        name, equals, value = pair.partition("=")
        key = unquote_plus(name).strip().lower()
        if equals and key in (*_PARAMETERS, *_AGENTS):
            found[key] = unquote_plus(value).strip()
    said: dict[str, str] = {}
    for raw, value in request.headers.raw:
        known = _FIELDS.get(raw)
        if known is not None and known not in said:
            said[known] = _decoded(value).strip()
    return found | said


def _decoded(value: bytes) -> str:
    """Return a header's value, which most programs send in UTF-8."""
    try:
        return value.decode()
    except UnicodeError:
        return value.decode("latin-1")


def _text(body: bytes) -> str:
    try:
        return body.decode().strip()
    except UnicodeDecodeError as exc:
        raise CommandSyntaxError(
            f"the body is not UTF-8 from byte {exc.start + 1}", hint="send text, or use PUT"
        ) from exc


def _is_json(request: Request, text: str) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("application/json", "text/json") or text.startswith("{")


def _json(text: str) -> dict[str, Any]:
    if not text:
        return {}
    data = read_object(text, hint='write {"command": "…", "variables": {…}}')
    # Names of headers are the same in any case of letters, and these are such names.
    data = {key.lower() if key.lower() in _AGENTS else key: value for key, value in data.items()}
    unknown = sorted(data.keys() - {*_PARAMETERS, *_AGENTS, "variables"})
    if unknown:
        raise WrongValue(
            f"unknown key '{unknown[0]}' in the body",
            hint=f"known: {', '.join(_PARAMETERS)}, variables",
        )
    return data


def _lines(text: str) -> Iterator[str]:
    """Yield the logical lines of a body; a block may stand around all of them."""
    reader = LogicalLines(script=True)
    found = [line for part in text.splitlines(keepends=True) for line in reader.feed(part)]
    for _, line in (*found, *reader.finish()):
        if line.strip():
            yield line.strip()


def _variables(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WrongValue("'variables' is no object", hint='write "variables": {"name": "value"}')
    found: dict[str, str] = {}
    for name, content in value.items():
        if not _NAME.fullmatch(name):
            raise WrongValue(f"'{name[:40]}' is no name of a variable")
        found[name] = content if isinstance(content, str) else json.dumps(content)
    return found


def _check_method(method: str, command: str, *, free: bool) -> None:
    if method in ("GET", "HEAD") and not _INFORMS.match(command):
        raise WrongMethod(
            "GET is for information: get, sql, blockchain get, help",
            hint="send this command by POST",
        )
    if method == "POST" and not free and _ONLY_BY_GET.match(command):
        raise WrongMethod("POST is for commands that do something", hint="send this one by GET")


def _one(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WrongValue(f"'{name}' is no text", hint=f'write "{name}": "…"')
    return value.strip()


def _seconds(value: Any) -> float | None:
    if value in (None, ""):
        return None
    try:
        seconds = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds <= limits.MAX_REST_TIMEOUT_S:
        raise WrongValue(
            "'timeout' is no number of seconds",
            hint=f"write 0 for no limit, or up to {limits.MAX_REST_TIMEOUT_S:g}",
        )
    return seconds


def _truth(value: Any) -> bool:
    if value in (None, ""):
        return False
    return value if isinstance(value, bool) else Boolean().parse(str(value).lower())


def _prefers_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "json" in accepted and "text/plain" not in accepted
