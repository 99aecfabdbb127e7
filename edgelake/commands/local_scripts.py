"""Scripts kept in ``!local_scripts``: ``set script`` and ``get script``."""

from __future__ import annotations

import os
from collections.abc import Sequence

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.reach import reach_of
from edgelake.errors import (
    FileMissing,
    ScriptError,
    ScriptMissing,
    UndefinedVariable,
    WrongValue,
)
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Item,
    JsonItem,
    Quoted,
    Text,
    Variables,
    expand_text,
)
from edgelake.storage import fetch_file, store_file

__all__ = ["commands"]

commands = CommandSet(group="scripts")


class _ScriptName(Text):
    """Name of a script: one part of a path."""

    metavar = "<name>"

    def parse(self, text: str) -> str:
        """Return the name."""
        if not text or "/" in text or "\0" in text or text in (".", ".."):
            raise WrongValue("not the name of a script", hint="write a name without '/'")
        return text

    def describe(self) -> str:
        """Return what is accepted."""
        return "name of a script, without '/'; .al may be left out"


class _ScriptText(Text):
    """A script in quotes or as JSON, or a variable that holds one; kept as it is written."""

    metavar = "<text>"
    by_text = False

    def take(self, items: Sequence[Item], variables: Variables) -> str:
        """Return the text, references inside it left to whoever runs it."""
        if isinstance(items[0], JsonItem) and len(items) == 1:
            return self.parse(items[0].source)
        if isinstance(items[0], Quoted) and len(items) == 1 and items[0].word is None:
            return self.parse(items[0].text if items[0].quote == '"' else items[0].kept)
        return self.parse(expand_text(items, variables, strict=True))

    def describe(self) -> str:
        """Return what is accepted."""
        return "commands in quotes, or JSON"


_NAME = Argument("name", _ScriptName(), help="name of the script; .al may be left out")


@commands.command(
    "set script",
    summary="keep a text as a script in !local_scripts",
    arguments=(_NAME, Argument("text", _ScriptText(), help="commands in quotes, or JSON")),
    permission=Permission.NEVER,
    details=(
        "The text is kept as <name>.al, or as <name>.json if it is a JSON object; a script\n"
        "of that name is replaced. References in it are replaced when it runs."
    ),
    examples=('set script hello "print hello"',),
    related=("get script", "process"),
)
def _set_script(context: Context, call: Call) -> Result:
    text: str = call.arguments["text"].strip()
    if not text:
        raise WrongValue("a script without a command", hint='write set script name "command"')
    name = call.arguments["name"]
    if os.path.splitext(name)[1] not in (".al", ".json"):
        name += ".json" if text.startswith("{") else ".al"
    path = os.path.join(_folder(context), name)
    content = (text + "\n").encode(errors="replace")
    if len(content) > limits.MAX_SCRIPT_BYTES:
        raise ScriptError(f"a script exceeds {limits.MAX_SCRIPT_BYTES:,} bytes")
    store_file(path, content, reach_of(context))
    return Result({"script": path})


@commands.command(
    "get script",
    summary="show a script of !local_scripts",
    arguments=(_NAME,),
    permission=Permission.NEVER,
    examples=("get script hello",),
    related=("set script", "process"),
)
def _get_script(context: Context, call: Call) -> Result:
    name: str = call.arguments["name"]
    folder = _folder(context)
    for ending in ("", ".al", ".json"):
        path = os.path.join(folder, name + ending)
        try:
            text = fetch_file(path, limits.MAX_SCRIPT_BYTES, reach_of(context)).decode()
        except FileMissing:
            continue
        except UnicodeDecodeError as exc:
            raise ScriptError(f"script '{path}' is not UTF-8 text") from exc
        return Result(text, text)
    shown = os.path.join(folder, name if os.path.splitext(name)[1] else f"{name}.al")
    raise ScriptMissing(
        f"script '{shown}' does not exist", hint="'get files !local_scripts' lists them"
    )


def _folder(context: Context) -> str:
    found = context.node.variables.get("local_scripts")
    if not found:
        raise UndefinedVariable(
            "'!local_scripts' has no value", hint="write set local_scripts = … first"
        )
    return found
