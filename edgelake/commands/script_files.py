"""Files of commands: ``.al`` and the like, one command a line, and ``.json`` with settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgelake import limits
from edgelake.commands.runs import located
from edgelake.errors import CommandError, ScriptError, ScriptMissing, StorageError
from edgelake.language import Assignment, Quoted, Script, ScriptLine, read_script
from edgelake.storage import read_file

__all__ = ["load_script"]


def load_script(path: Path) -> Script:
    """Return the script that a file holds.

    Raises
    ------
    ScriptMissing
        There is no such file, or it cannot be read.
    ScriptError
        Its text is no script; the error names file and line.
    """
    try:
        text = read_file(path, limits.MAX_SCRIPT_BYTES).decode()
    except StorageError as exc:
        raise ScriptMissing(
            f"script '{path}' cannot be read: {exc}", hint="write the path of a file of commands"
        ) from exc
    except UnicodeDecodeError as exc:
        raise ScriptError(f"script '{path}' is not UTF-8 text") from exc
    except ValueError as exc:
        raise ScriptMissing(f"script '{path}' cannot be read: {exc}") from exc
    if path.suffix == ".json":
        return _configuration(text, path)
    try:
        return read_script(text)
    except CommandError as exc:
        number = exc.line or 1
        line = text.splitlines()[number - 1]
        exc.line = None
        raise located(exc, str(path), ScriptLine(number, line)) from exc


def _configuration(text: str, path: Path) -> Script:
    """Return the commands of ``{"config": [{"setting": {…}, "commands": […]}]}``."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ScriptError(f"script '{path}' is not JSON: {exc}") from exc
    parts = data.get("config") if isinstance(data, dict) else None
    if not isinstance(parts, list):
        raise _wrong(path, 'it has no list "config"')
    script = Script()
    for number, part in enumerate(parts, 1):
        if not isinstance(part, dict):
            raise _wrong(path, f"part {number} is no object")
        script.lines.extend(_part(path, number, part))
    return script


def _part(path: Path, number: int, part: dict[str, Any]) -> list[ScriptLine]:
    settings, texts = part.get("setting", {}), part.get("commands", [])
    if not isinstance(settings, dict) or not isinstance(texts, list):
        raise _wrong(path, f'"setting" of part {number} is no object, or "commands" no list')
    if not all(isinstance(text, str) for text in [*texts, *settings.values()]):
        raise _wrong(path, f"a setting or command of part {number} is no text")
    lines = [_setting(number, name, value) for name, value in settings.items()]
    return lines + [ScriptLine(number, text) for text in texts]


def _setting(number: int, name: str, value: str) -> ScriptLine:
    """Return the assignment of a value as it is, whatever quotes or references it holds."""
    text = f"{name} = {value}"
    start, end = len(name) + len(" = "), len(text)
    items = (Quoted(value, '"', start, end),)
    made = Assignment(name, (), items, None, text, 0, end, len(name))
    return ScriptLine(number, text, (made,))


def _wrong(path: Path, reason: str) -> ScriptError:
    return ScriptError(
        f"script '{path}': {reason}",
        hint='write {"config": [{"name": …, "setting": {…}, "commands": […]}]}',
    )
