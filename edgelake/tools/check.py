"""``edgelake check``: what is wrong with scripts, found without running them.

Exit status: 0 nothing, or only warnings; 1 errors; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from edgelake.commands import build_registry
from edgelake.commands.reserved import reserved_entries
from edgelake.errors import CommandNotAvailable, EdgeLakeError, UndefinedVariable
from edgelake.language.checking import Diagnostic, ScriptCheck
from edgelake.storage import Home
from edgelake.tools.files import read_script, shown_name, write_output

__all__ = ["main"]

_MOST_NAMED = 5

_EPILOG = """\
names, options, values, conditions and labels are checked; values with references are not.
what other nodes of the network have, and this version has not, is error 282.
'-' is standard input. variables that one of the files assigns are known in all of them;
of those that a script tests with 'if' there is no warning.
exit status: 0 no errors, 1 errors, 2 wrong usage
"""


def main(arguments: Sequence[str]) -> int:
    """Check scripts, write what was found to standard output, return the exit status.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``edgelake check``.
    """
    options = _parser().parse_args(arguments)
    known = dict.fromkeys(reserved_entries(Home(Path())), "")
    defined = dict(options.define)
    checks: list[tuple[str, ScriptCheck | EdgeLakeError]] = []
    registry = build_registry()
    for name in options.files:
        try:
            checks.append((name, ScriptCheck(read_script(name), registry, defined)))
        except EdgeLakeError as exc:
            checks.append((name, exc))
    for _, found in checks:
        if isinstance(found, ScriptCheck):
            known |= dict.fromkeys(found.assigned | found.asked, "")
    listed = [(name, found) for name, check in checks for found in _found(check, known)]
    if options.json:
        write_output(_as_json(listed))
    else:
        write_output("".join(f"{shown_name(name)}:{found}\n" for name, found in listed))
        for name, check in checks:
            if isinstance(check, ScriptCheck) and not check.complete:
                sys.stderr.write(f"{shown_name(name)}: too many faults, the rest was not read\n")
        _sum_up([found for _, found in listed])
        if any(found.code == UndefinedVariable.code for _, found in listed):
            _name_others(checks)
    return int(any(found.severity == "error" for _, found in listed))


# ------------------------------------------------------------------- parts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgelake check",
        description="Check scripts without running them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a script, or - ")
    parser.add_argument(
        "--json", action="store_true", help="one JSON list, for editors, instead of lines"
    )
    parser.add_argument(
        "--define",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_definition,
        help="a variable that has this value before; may be repeated",
    )
    return parser


def _definition(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or any(c.isspace() for c in name.strip()):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    return name.strip(), value.strip()


def _found(check: ScriptCheck | EdgeLakeError, known: dict[str, str]) -> Iterator[Diagnostic]:
    if isinstance(check, ScriptCheck):
        yield from check.diagnostics(known)
        return
    line, column = check.line or 1, check.column or 1
    yield Diagnostic(line, column, column + 1, "error", check.code, str(check), check.hint)


def _as_json(listed: list[tuple[str, Diagnostic]]) -> str:
    data = [{"file": name, **asdict(found)} for name, found in listed]
    return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def _sum_up(found: list[Diagnostic]) -> None:
    errors = [one for one in found if one.severity == "error"]
    if not found:
        return
    absent = sum(one.code == CommandNotAvailable.code for one in errors)
    of_them = f" ({absent} not available in this version)" if absent else ""
    warnings = _counted(len(found) - len(errors), "warning")
    sys.stderr.write(f"{_counted(len(errors), 'error')}{of_them}, {warnings}\n")


def _name_others(checks: list[tuple[str, ScriptCheck | EdgeLakeError]]) -> None:
    """Tell which scripts may assign what has no value, and were not given."""
    run = {name for _, check in checks if isinstance(check, ScriptCheck) for name in check.scripts}
    others = sorted(run - {Path(name).name for name, _ in checks})
    if others:
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        names = ", ".join(map(shown_name, others[:_MOST_NAMED])) + more
        sys.stderr.write(
            f"note: these run scripts that were not given and may assign variables: {names}\n"
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
