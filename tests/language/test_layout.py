"""Scripts in canonical form: what changes, what stays, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgelake.language.layout import format_script
from tests.language.sample import NETWORK

SCRIPTS = Path(__file__).parent / "data" / "scripts"


def formatted(text: str) -> str:
    """Return a script in canonical form; it is in canonical form."""
    found, errors = format_script(text, NETWORK)
    assert errors == []
    assert format_script(found, NETWORK) == (found, [])
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("\n\n", ""),
        ("print a", "print a\n"),
        ("\ufeffprint a", "print a\n"),
        ("  print   a \r\n\tset x=5\t\r\n", "print a\nset x = 5\n"),
        ("# a   note  \n\n\n\n\nprint a\n\n", "# a   note\n\n\nprint a\n"),
        ("print a   # why\n", "print a # why\n"),
        ('print "a # b" # c # d', 'print "a # b" # c # d\n'),
        ("  :loop:  \ngoto loop", ":loop:\ngoto loop\n"),
        (":loop: { [ (  x\nprint   a", ":loop: { [ (  x\nprint a\n"),
        ("goto a\n :a\n:b;\n:c  # why", "goto a\n:a:\n:b:\n:c:  # why\n"),
        (
            "if !a then\ndo print 1\n# last\nelse if !b then\n# inside\ndo print 2\n\n"
            "# behind\nprint 3",
            "if !a then\n    do print 1\n# last\nelse if !b then\n    # inside\n    do print 2\n\n"
            "# behind\nprint 3\n",
        ),
        (
            "run client (operator bring.ip_port  separator=,  ,10.0.0.1:7) get status",
            "run client (operator bring.ip_port separator = ,, 10.0.0.1:7) get status\n",
        ),
        ("variables(a,b)\nprint   !a", "variables (a, b)\nprint !a\n"),
        ("variables (a) # name\nprint !a", "variables (a) # name\nprint !a\n"),
        # A short block is a line.
        ("<get status\n  where format=json>", "get status where format = json\n"),
        # A long command is a block, an option a line.
        (
            "run tcp server where external_ip=198.51.100.21 and external_port=32148 and "
            "internal_ip=10.0.0.9 and bind=true",
            "<run tcp server where\n"
            "    external_ip = 198.51.100.21 and\n"
            "    external_port = 32148 and\n"
            "    internal_ip = 10.0.0.9 and\n"
            "    bind = true>\n",
        ),
        # Comments in a block stay where they are.
        (
            "# before\n<connect dbms x where # first\n type=sqlite and # second\n"
            "  # third\n memory=true> # last",
            "# before\n<connect dbms x where # first\n    type = sqlite and # second\n"
            "    # third\n    memory = true> # last\n",
        ),
        (
            "<connect dbms x where type=sqlite\n # third\n>",
            "<connect dbms x where\n    # third\n    type = sqlite>\n",
        ),
        ("< # only\n  # that\n>", "# only\n# that\n"),
        ("<print a\n# odd\n b>", "# odd\nprint a b\n"),
        # The branch of an if without a command.
        (
            "if !a==1 then\ndo print x\n# so\n  do print y\nelse print z\ndo print w",
            "if !a == 1 then\n    do print x\n    # so\n    do print y\nelse print z\ndo print w\n",
        ),
        (
            "if !a==1 then\ndo print x\n\n# other\nprint y\n# last",
            "if !a == 1 then\n    do print x\n\n# other\nprint y\n# last\n",
        ),
        # JSON keeps its lines, and gets even ones if it holds no references.
        (
            'p = {"a":{"b":1,\n "c":[1,{}]}}',
            'p = {\n    "a": {\n        "b": 1,\n        "c": [\n            1,\n            {}\n'
            "        ]\n    }\n}\n",
        ),
        ('p = {"a":\n   !x }', 'p = {"a":\n   !x }\n'),
        ('<set x = "a\n  b">', '<set x = "a\n  b">\n'),
        # Commands of other nodes are left as they are.
        ("  sql  d  select   a from b ", "sql  d  select   a from b\n"),
        ("<trace  level = 1\n   run x>", "<trace  level = 1\n   run x>\n"),
        ("print a & print   b", "print a & print b\n"),
    ],
)
def test_form(text: str, expected: str) -> None:
    assert formatted(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "kept"),
    [
        ("print   a\nprint (a\nprint   b", 2, "print a\nprint (a\nprint b\n"),
        ("print a\n<print   b\nprint c", 2, "print a\n<print   b\nprint c\n"),
        ("get status where and", 1, "get status where and\n"),
    ],
)
def test_what_is_no_command_keeps_its_lines_and_is_told(text: str, line: int, kept: str) -> None:
    found, errors = format_script(text, NETWORK)
    assert [error.line for error in errors] == [line]
    assert found == kept


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.al")), ids=lambda path: path.name)
def test_scripts_keep_all_they_say(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert _signs(formatted(text)) == _signs(text)


def _signs(text: str) -> str:
    """Return a text without what the form is free to add or leave out."""
    return "".join(c for c in text if not c.isspace() and c not in "()<>")
