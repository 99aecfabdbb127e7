"""Scripts as files: read within bounds, told apart from what is no text."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from edgelake import limits
from edgelake.errors import CommandSyntaxError, FileMissing, StorageError

__all__ = ["read_script", "shown_name"]

STANDARD_INPUT = "-"


def read_script(name: str) -> str:
    """Return the text of a script, of standard input for ``-``.

    Raises
    ------
    StorageError
        It cannot be read.
    CommandSyntaxError
        It is too long or not UTF-8; with ``line`` and ``column``.
    """
    try:
        if name == STANDARD_INPUT:
            data = sys.stdin.buffer.read(limits.MAX_SCRIPT_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(limits.MAX_SCRIPT_BYTES + 1)
    except FileNotFoundError as exc:
        raise FileMissing("the file does not exist", hint="write the path of a script") from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise StorageError(f"the file cannot be read: {reason.lower()}") from exc
    if len(data) > limits.MAX_SCRIPT_BYTES:
        raise _placed(f"a script exceeds {limits.MAX_SCRIPT_BYTES} bytes", b"")
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise _placed("the script is not UTF-8 text", data[: exc.start]) from exc


def shown_name(name: str) -> str:
    """Return the name of a script as diagnostics show it, in one line of what can be printed."""
    if name == STANDARD_INPUT:
        return "<stdin>"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def write_output(text: str) -> None:
    """Write to standard output, as UTF-8 whatever the terminal is set to.

    Raises
    ------
    OSError
        Nobody reads it.
    """
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    stream.write(text)
    stream.flush()


def _placed(message: str, before: bytes) -> CommandSyntaxError:
    text = before.decode(errors="replace")
    error = CommandSyntaxError(message, column=len(text) - (text.rfind("\n") + 1) + 1)
    error.line = text.count("\n") + 1
    return error
