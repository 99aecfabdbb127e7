"""The grammar as people read it: ``python -m edgelake.language.ebnf FILE`` puts it into a page.

It stands between the lines `BEGIN` and `END` of ``docs/language.md``.
"""

from __future__ import annotations

import re
import sys
from importlib import resources
from pathlib import Path

__all__ = ["BEGIN", "END", "TERMINALS", "grammar_table", "with_grammar"]

BEGIN = "<!-- made by make docs from grammar/ -->"
END = "<!-- end of what is made -->"

TERMINALS = {
    "FREE": "name of a command that takes free text, such as `print`",
    "SOURCE": "name of a command that takes text of another language, such as `system`",
    "SOURCE_TEXT": "that text: the rest of the line up to a free-standing `&`",
    "REMOTE": "name of a command for other nodes: `run client`",
    "VERB": "first word of any other command",
    "IF": "`if`",
    "BRANCH": "`do` or `else`",
    "WAIT": "`wait`",
    "SCHEDULE": "name of a command that repeats another one: `schedule`",
    "POINT": "a free-standing `.`",
    "BRING": "`bring` with its modifiers: `bring.unique.table`",
    "COMPARISON": "`==` `!=` `<` `>` `<=` `>=`",
    "PORT": "a number behind a host that stands alone",
    "REFERENCE": "`!name` `!!name` `$NAME`, with what touches it: `!x.int`, `!x/rest`, `!a:!b`",
    "GROUP_REFERENCE": "the same; a comma, or a parenthesis that is not its own, ends it",
    "DOUBLE_QUOTED": '`"…"` at the start of a word',
    "SINGLE_QUOTED": "`'…'` at the start of a word",
    "BACK_QUOTED": "`` `…` `` at the start of a word",
    "WORD": "anything else up to a blank, `=`, `+`, `&`, `<`, `>`, a bracket or brace",
    "GROUP_WORD": "the same; a comma or parenthesis ends it",
    "JSON_TEXT": "what stands between brackets, strings included",
}
"""What the terminals are that no sign or keyword says by itself."""

_GRAMMAR = "edgelake.grammar"
_LINE_CHARS = 100
_RULE = re.compile(r"[?!]?(?P<name>[a-z_]+(?:\{\w+\})?)\s*:\s*(?P<body>.*)")
_ALIAS = re.compile(r"\s*->\s*\w+")
_TERMINAL = re.compile(r"(?P<name>[A-Z_]+)(?:\.\d+)?: (?P<pattern>.*)")
_KEYWORD = re.compile(r"/([a-z]+)\(\?=")
_REFERRED = re.compile(r"[A-Z_]{2,}")


def grammar_table() -> str:
    """Return the rules, one a line, and the table of the terminals, as Markdown."""
    shown = _shown_terminals()
    rules = [
        _broken(f"{name} = {_REFERRED.sub(lambda found: shown.get(found[0], found[0]), body)}")
        for name, body in _rules()
    ]
    rows = [
        f"| `{name}` | {text.replace('|', chr(92) + '|')} |" for name, text in TERMINALS.items()
    ]
    return "\n".join(["```ebnf", *rules, "```", "", "| word | what it is |", "|---|---|", *rows])


def with_grammar(page: str) -> str:
    """Return a page with the present grammar between its marks.

    Raises
    ------
    ValueError
        The page has no such marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the grammar")
    return f"{before}{BEGIN}\n\n{grammar_table()}\n\n{END}{after}"


# ------------------------------------------------------------------- parts


def _broken(rule: str) -> str:
    """Return a long rule with an alternative a line."""
    if len(rule) <= _LINE_CHARS:
        return rule
    depth = 0
    text = ""
    for part in re.split(r"( \| |[(\[\])])", rule):
        depth += (part in "([") - (part in ")]") if part else 0
        text += "\n    | " if part == " | " and depth == 0 else part
    return text


def _read(name: str) -> list[str]:
    text = (resources.files(_GRAMMAR) / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.lstrip().startswith(("//", "%"))]


def _rules() -> list[tuple[str, str]]:
    """Return names and bodies of the rules."""
    found: list[tuple[str, str]] = []
    for line in _read("command.lark"):
        match = _RULE.match(line)
        text = _ALIAS.sub("", match["body"] if match else line.strip())
        text = " ".join(text.split())
        if match:
            found.append((match["name"], text))
        elif text:
            name, before = found.pop()
            found.append((name, f"{before} {text}"))
    return found


def _shown_terminals() -> dict[str, str]:
    """Return the terminals that are one sign or keyword, as they are written."""
    shown: dict[str, str] = {}
    for line in _read("terms.lark"):
        match = _TERMINAL.match(line)
        if match is None or match["name"] in TERMINALS:
            continue
        keyword = _KEYWORD.match(match["pattern"])
        if keyword is not None:
            shown[match["name"]] = f'"{keyword[1]}"'
        elif match["pattern"].startswith('"'):
            shown[match["name"]] = match["pattern"]
    return shown


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_grammar(path.read_text(encoding="utf-8")), encoding="utf-8")
