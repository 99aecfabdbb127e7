"""``edgelake fmt``: scripts in canonical form.

Exit status: 0 done; 1 a file is wrong, or would change with ``--check``; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from edgelake.commands import build_registry
from edgelake.errors import EdgeLakeError
from edgelake.language.layout import format_script
from edgelake.tools.files import STANDARD_INPUT, read_script, shown_name, write_output

__all__ = ["main"]

_EPILOG = """\
comments and blank lines stay. a file with an error is not written.
'-' is standard input.
exit status: 0 done, 1 a file is wrong or would change with --check, 2 wrong usage
"""


def main(arguments: Sequence[str]) -> int:
    """Format scripts and return the exit status.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``edgelake fmt``.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and STANDARD_INPUT in options.files:
        parser.error("standard input cannot be written to")
    registry = build_registry()
    status = 0
    report: list[dict[str, Any]] = []
    for name in options.files:
        changed = False
        errors: list[EdgeLakeError] = []
        text = ""
        try:
            before = read_script(name)
            text, faults = format_script(before, registry)
            errors += faults
            changed = text != before and not errors
            if changed and options.write:
                _write(name, text)
        except EdgeLakeError as exc:
            errors.append(exc)
        for error in errors:
            sys.stderr.write(f"{_line(name, error)}\n")
        if errors or (changed and options.check):
            status = 1
        if options.json:
            report.append({"file": name, "changed": changed, "errors": len(errors), "text": text})
        elif options.check or options.write:
            if changed:
                write_output(f"{shown_name(name)}\n")
        elif not errors:
            write_output(text)
    if options.json:
        write_output(json.dumps(report, indent=2) + "\n")
    return status


# ------------------------------------------------------------------- parts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgelake fmt",
        description="Print scripts in canonical form.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a script, or - ")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--write", action="store_true", help="write the files, name the changed")
    which.add_argument("--check", action="store_true", help="only name the files that would change")
    parser.add_argument("--json", action="store_true", help="one JSON list instead, for editors")
    return parser


def _write(name: str, text: str) -> None:
    from edgelake.storage.atomic import replace_file

    mode = os.stat(name).st_mode & 0o777
    replace_file(name, text.encode(), mode=mode)


def _line(name: str, error: EdgeLakeError) -> str:
    where = f"{shown_name(name)}:{error.line or 1}:{error.column or 1}"
    hint = f": {error.hint}" if error.hint else ""
    return f"{where}: error {error.code}: {error}{hint}"
