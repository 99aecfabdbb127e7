"""Assignments: to variables, keys of JSON, the environment, collections and files."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import Any

from edgelake.commands.collecting import collect
from edgelake.commands.context import Context
from edgelake.commands.environment import set_environment
from edgelake.commands.json_data import set_keys
from edgelake.commands.kept import Kept
from edgelake.commands.reach import reach_of
from edgelake.commands.rendering import json_text
from edgelake.errors import (
    BadArgument,
    EdgeLakeError,
    KeyMissing,
    PolicyInvalid,
    UndefinedVariable,
)
from edgelake.interfaces import Result
from edgelake.language import (
    Assignment,
    Boolean,
    KeyValue,
    Shape,
    bind,
    expand_text,
    index_keys,
    item_of,
    json_value,
    shortened,
)
from edgelake.language.places import place
from edgelake.storage import store_file

__all__ = ["assign"]

_COLLECTIONS = ("[]", "{}")
_PAIR = re.compile(r"\s*([A-Za-z_]+)\s*=\s*(\"[^\"]*\"|[^,\"]*?)\s*(?:,|$)")
_FILE_FORM = "write [file = path, key = name, show = true] = command"


def assign(statement: Assignment, context: Context) -> None:
    """Store words, or the answer of a command, under the target.

    The former value stays if something fails.

    Raises
    ------
    EdgeLakeError
        The command failed, or the target cannot take the value.
    """
    indices = statement.indices
    if not statement.name:
        _to_file(statement, context)
    elif indices and indices[-1].source.replace(" ", "") in _COLLECTIONS:
        _to_collection(statement, context)
    elif indices:
        _to_key(statement, context)
    elif statement.name.startswith("$"):
        set_environment(context, statement.name[1:], _value(statement, context))
    else:
        _to_variable(context, statement.name, _value(statement, context))


def _to_variable(context: Context, name: str, value: str) -> None:
    if value:
        context.variables.set(name, value)
    else:
        context.variables.delete(name)


def _value(statement: Assignment, context: Context) -> str:
    """Return the text to store."""
    if statement.command is None:
        return expand_text(statement.items, context.variables)
    return "\n".join(_stored(answer) for answer in _answers(statement, context))


def _answers(statement: Assignment, context: Context) -> list[Result]:
    """Return what the command of an assignment answers."""
    assert statement.command is not None
    answers = Kept()
    quiet = replace(context, emit=answers.take, stored=True)
    answers.take(context.interpreter.call(statement.command, quiet))
    return [answer for answer in answers if answer.text or isinstance(answer.data, bool)]


def _stored(answer: Result) -> str:
    """Return the text a variable keeps of an answer."""
    if answer.json:
        return json.dumps(answer.data, ensure_ascii=False)
    if not answer.text:
        return str(answer.data)
    return answer.text.replace("\r\n", "\n").strip("\n")


# --------------------------------------------------------------- JSON keys


def _to_key(statement: Assignment, context: Context) -> None:
    """Set a key of the JSON object that a variable holds."""
    try:
        keys = index_keys(statement.indices, context.variables)
        pair = KeyValue(keys, _data(statement, context))
        set_keys(context.variables, statement.name, [pair])
    except (BadArgument, KeyMissing, PolicyInvalid, UndefinedVariable) as exc:
        if exc.column is None:
            place(exc, statement.text, statement.indices[0].start)
        raise


def _data(statement: Assignment, context: Context) -> Any:
    """Return the value to store, as JSON data."""
    if statement.command is None:
        try:
            return json_value(statement.items, context.variables)
        except EdgeLakeError as exc:
            if exc.column is None:
                place(exc, statement.text, statement.items[0].start)
            raise
    answers = _answers(statement, context)
    if len(answers) == 1 and answers[0].json:
        return answers[0].data
    return "\n".join(map(_stored, answers))


# ------------------------------------------------------------- collections


def _to_collection(statement: Assignment, context: Context) -> None:
    """Let the replies of other nodes arrive in a variable."""
    command = statement.command
    if command is None or command.shape is not Shape.REMOTE or len(statement.indices) > 1:
        raise _wrong(
            statement,
            f"'{statement.target_text}' collects the replies of other nodes",
            f"write {statement.name}{statement.indices[-1].source} = run client (…) …",
        )
    call = bind(command, context.interpreter.registry, context.variables)
    keyed = statement.indices[0].source.startswith("{")
    context.variables.collect(statement.name, collect(context, call, keyed=keyed))


# ------------------------------------------------------------------- files


def _to_file(statement: Assignment, context: Context) -> None:
    """Write the answer of a command to a file."""
    options = _file_options(statement, context)
    if statement.command is None:
        raise _wrong(statement, "only the answer of a command is written to a file", _FILE_FORM)
    answers = _answers(statement, context)
    key = options.get("key")
    text = "\n".join(
        _part(statement, answer, key) if key else _stored(answer) for answer in answers
    )
    path = os.path.expanduser(options["file"])
    store_file(path, (text + "\n").encode(errors="replace"), reach_of(context))
    if Boolean().parse(options.get("show", "false")):
        context.emit(Result(text, text))


def _file_options(statement: Assignment, context: Context) -> dict[str, str]:
    """Return the pairs of ``[file = p, key = k, show = true]``."""
    target = statement.indices[0]
    inner = target.source[1:-1]
    found: dict[str, str] = {}
    at = 0
    while at < len(inner):
        match = _PAIR.match(inner, at)
        if match is None or match.end() == at:
            raise _wrong(statement, f"'{shortened(target.source)}' is no target", _FILE_FORM)
        at = match.end()
        key, written = match[1], match[2]
        if key not in ("file", "key", "show") or key in found or not written:
            raise _wrong(statement, f"'{key}' does not belong here", _FILE_FORM)
        start = target.start + 1 + match.start(2)
        found[key] = expand_text((item_of(written, start),), context.variables, strict=True)
    if "file" not in found:
        raise _wrong(statement, "no file is named", _FILE_FORM)
    return found


def _part(statement: Assignment, answer: Result, key: str) -> str:
    """Return the part of an answer in JSON that a key names."""
    data: Any = answer.data
    if not answer.json:
        try:
            data = json.loads(answer.text)
        except (ValueError, RecursionError):
            data = None
    if not isinstance(data, dict) or key not in data:
        raise _wrong(statement, f"the answer has no '{shortened(key)}'", "leave key = … out")
    return data[key] if isinstance(data[key], str) else json_text(data[key])


# ------------------------------------------------------------------- parts


def _wrong(statement: Assignment, message: str, hint: str) -> BadArgument:
    return BadArgument(message, hint=hint, column=statement.start + 1)
