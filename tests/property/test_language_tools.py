"""Drawn commands and scripts: understood, printed, formatted and checked, whatever they are."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from edgelake.commands import build_registry
from edgelake.errors import CommandError
from edgelake.language import (
    Argument,
    Assignment,
    Command,
    CommandStatement,
    Form,
    Option,
    ValueType,
    Variables,
    Where,
    bind,
    parse,
)
from edgelake.language.checking import ScriptCheck
from edgelake.language.layout import format_script
from edgelake.language.meaning import meaning
from edgelake.language.printing import canonical
from edgelake.language.script import read_script
from edgelake.language.walk import nested, references
from tests.language.reference_corpus import lines
from tests.language.sample import NETWORK
from tests.property.test_language import TEXTS, failure

REGISTRY = build_registry()
CORPUS = sorted({line.written for line in lines()})
VARIABLES = Variables({"a": "5", "b": "North Pier", "j": '{"k":1}'}, {"HOME": "/home/el"})

# ------------------------------------------------------------------ drawing

BLANK = st.sampled_from([" ", "  ", "\t", " \t "])
WORDS = st.sampled_from(
    [
        *("x", "5", "70000", "true", "json", "sqlite", "198.51.100.7:1", "30 seconds", "10MB"),
        *("a,b", "now()", "[name]", "[a][b]", "*", "-4", "1.5", "/tmp/a.al", "it's", "a#b", "->"),
    ]
)
QUOTED = st.sampled_from(['"a  b"', '""', "'a b'", "`a b`", '"!a"', '"a & b # c = d"', '"(x)"'])
REFERENCES = st.sampled_from(
    ["!a", "!a.int", "!b[0:5]", "$HOME", "$HOME/x", "!!far", "!a:!b", "!none", '!b.split(" ")[0]']
)
JSON = st.sampled_from(
    ["{}", '{"a":  1}', '{"a":{"b":"}"}}', '{"a":!a}', "[1, 2]", '{"a":\n 1}', '{"a":"b & c"}']
)
VALUE = st.one_of(WORDS, QUOTED, REFERENCES, JSON)
COMPARISON = st.sampled_from(["==", "!=", "<", ">=", "contains", "startswith"])


def value_of(kind: ValueType) -> st.SearchStrategy[str]:
    """Return texts for a type: right ones where they are few, and any others."""
    choices = kind.choices()
    return st.one_of(st.sampled_from(choices), VALUE) if choices else VALUE


@st.composite
def option_list(draw: st.DrawFn, options: Sequence[Option]) -> str:
    """Return pairs of an option list, mostly right ones."""
    chosen = draw(st.permutations(options))[: draw(st.integers(0, 4))]
    wanted = [option for option in options if option.required and option not in chosen]
    pairs = []
    for option in [*chosen, *wanted]:
        sign = draw(st.sampled_from(["=", " =", "= ", "  =  "]))
        value = draw(value_of(option.type))
        if draw(st.booleans()) and draw(st.booleans()):
            value = f"({value}, {draw(VALUE)})"
        pairs.append(option.key + sign + value)
    joint = draw(BLANK) + "and" + draw(BLANK)
    return joint.join(pairs)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    """Return conditions, nested ones too."""
    test = draw(st.one_of(REFERENCES, st.builds("{} {} {}".format, REFERENCES, COMPARISON, VALUE)))
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["", "not "])) + test
    inner, other = draw(conditions(depth=depth - 1)), draw(conditions(depth=depth - 1))
    sign = draw(st.sampled_from(["and", "or"]))
    return draw(st.sampled_from(["({}) {} ({})", "{} {} {}", "({} {} {})"])).format(
        inner, sign, other
    )


def arguments_of(arguments: Sequence[Argument]) -> st.SearchStrategy[str]:
    """Return words for the arguments of a command."""
    return st.tuples(*(value_of(argument.type) for argument in arguments)).map(" ".join)


@st.composite
def commands(draw: st.DrawFn, depth: int = 2) -> str:
    """Return a statement of the registry, as its declaration shapes it."""
    command: Command = draw(st.sampled_from(list(REGISTRY)))
    gap = draw(BLANK)
    words = command.name.replace(" ", draw(BLANK))
    body = draw(commands(depth=depth - 1)) if depth else "print x"
    if command.form is Form.FREE:
        return words + gap + gap.join(draw(st.lists(VALUE, min_size=1, max_size=4)))
    if command.form is Form.REMOTE:
        to = draw(st.sampled_from(["198.51.100.7:1", "(!a)", "(a:1,b:2 , subset = true)", "!a"]))
        return f"{words} {to} {body}"
    if command.form is Form.IF:
        then = draw(st.sampled_from(["", " then", f"{gap}then{gap}{body}"]))
        return f"{words} {draw(conditions())}{then}"
    if command.form is Form.BRANCH:
        return f"{words}{gap}{body}"
    text = gap.join([words, draw(arguments_of(command.arguments))]).rstrip()
    if command.form is Form.WAIT:
        return text + draw(st.one_of(st.just(""), conditions().map(" for {}".format)))
    if command.form is Form.SCHEDULE:
        return f"{text} {draw(option_list(command.options))} task {body}"
    if command.value is not None:
        text += f"{gap}={gap}{draw(VALUE)}"
    if command.where is Where.CONDITION:
        return text + draw(st.sampled_from(["", " where name = x", " where [a] == !a or [b] > 5"]))
    if command.options and (command.where is Where.REQUIRED or draw(st.booleans())):
        text += f"{gap}{command.keyword}{gap}{draw(option_list(command.options))}"
    return text


ASSIGNED = st.builds(
    "{}{}{}".format,
    st.sampled_from(["x", "!x", "x[k]", "x[k][z]", "x[]", "x{}", "$X", "[file = y, key = k]"]),
    st.sampled_from(["=", " = ", "=  "]),
    st.one_of(commands(), st.lists(VALUE, min_size=1, max_size=3).map("  ".join)),
)
STATEMENTS = st.one_of(
    commands(),
    ASSIGNED,
    st.builds("{} & {}".format, commands(), ASSIGNED),
    st.builds("!a{}+{}!b".format, BLANK, BLANK),
    st.sampled_from(CORPUS),
    st.builds("{}{}".format, st.sampled_from(CORPUS), st.sampled_from(["", " x", " = 5", " and"])),
    st.tuples(st.sampled_from(CORPUS), st.integers(0, 40)).map(lambda cut: cut[0][: -cut[1] or 1]),
)
COMMENT = st.sampled_from(["", "", "", " # note", "  #so", "\t# a = b > c"])


@st.composite
def scripts(draw: st.DrawFn) -> str:
    """Return scripts: commands, blocks, comments, labels, blank lines, and what is none of it."""
    found: list[str] = []
    for _ in range(draw(st.integers(1, 8))):
        text = draw(STATEMENTS)
        kind = draw(st.integers(0, 9))
        if kind == 0:
            pieces = text.split(" ")
            ends = draw(st.sampled_from(["\n", " # in\n", "\n  # own\n", "\n\n"]))
            text = "<" + ends.join([" ".join(pieces[:3]), " ".join(pieces[3:])]) + ">"
        elif kind == 1:
            text = draw(st.sampled_from(["", "# note", ":here:", "  :there: x", "variables (a)"]))
        elif kind == 2:
            text = draw(TEXTS)
        indent = draw(st.sampled_from(["", "", "  ", "\t"]))
        found.append(indent + text + draw(COMMENT))
    return draw(st.sampled_from(["\n", "\r\n"])).join(found)


# -------------------------------------------------------------------- tests


@given(STATEMENTS)
@settings(max_examples=350, deadline=None)
def test_a_drawn_command_is_a_call_or_an_error_with_its_place(text: str) -> None:
    def understand() -> None:
        for statement in parse(text, REGISTRY):
            for inner in nested(statement):
                if isinstance(inner, CommandStatement):
                    bind(inner, REGISTRY, VARIABLES)

    error = failure(understand)
    if error is not None:
        assert error.column is not None
        ends = text.split("\n")
        line = ends[(error.line or 1) - 1]
        assert 1 <= error.column <= len(line) + 1
        assert 1 <= error.code <= 303


@given(st.one_of(STATEMENTS, TEXTS))
@settings(max_examples=900, deadline=None)
def test_what_is_printed_means_the_same(text: str) -> None:
    for registry in (REGISTRY, NETWORK):
        try:
            statements = parse(text, registry)
        except CommandError:
            continue
        out = " & ".join(canonical(statement, registry) for statement in statements)
        again = parse(out, registry)
        assert meaning(again) == meaning(statements)
        assert " & ".join(canonical(statement, registry) for statement in again) == out


def commands_of(text: str) -> list[object]:
    """Return what a script says, command by command; what is no command as it is written."""
    found: list[object] = []
    try:
        script = read_script(text)
    except CommandError:
        return []
    before = [0]  # commands in front of each line; a block of comments is none
    for line in script.lines:
        try:
            if said := meaning(parse(line.text, NETWORK)):
                found.append(said)
        except CommandError:
            found.append(" ".join(line.text.split()))
        before.append(len(found))
    labels = {name: before[at] for name, at in script.labels.items()}
    return [found, labels, script.parameters]


@given(scripts())
@settings(max_examples=300, deadline=None)
def test_a_formatted_script_says_the_same_and_stays_so(text: str) -> None:
    found, errors = format_script(text, NETWORK)
    again, same = format_script(found, NETWORK)
    assert again == found
    assert [type(error) for error in same] == [type(error) for error in errors]
    if said := commands_of(text):
        assert commands_of(found) == said
    written = [word for line in text.splitlines() for word in line.split()]
    kept = found.split()
    # A comment is a rest of a line, and every word of it stays.
    assert {"#", "note", "#so", "own"} & set(written) == {"#", "note", "#so", "own"} & set(kept)


@given(scripts(), st.booleans())
@settings(max_examples=350, deadline=None)
def test_a_check_tells_places_that_are_in_the_script(text: str, network: bool) -> None:
    check = ScriptCheck(text, NETWORK if network else REGISTRY)
    source = text.splitlines() or [""]
    for found in check.diagnostics(["a"]):
        assert 1 <= found.line <= len(source)
        assert 1 <= found.column <= len(source[found.line - 1]) + 1
        assert found.column < found.end_column
        assert found.message
        assert found.severity in ("error", "warning")


@given(scripts())
@settings(max_examples=150, deadline=None)
def test_a_check_finds_what_running_would(text: str) -> None:
    """A command that cannot be bound, whatever its variables hold, is an error of the check."""
    check = ScriptCheck(text, REGISTRY)
    if any(found.severity == "error" for found in check.diagnostics()):
        return
    for line in commands_lines(text):
        for statement in parse(line, REGISTRY):
            for inner in nested(statement):
                if isinstance(inner, CommandStatement):
                    assert_binds(inner)
                assert isinstance(inner, Assignment) or inner.source


def commands_lines(text: str) -> list[str]:
    """Return the commands of a script that a check has nothing against."""
    return [line.text for line in read_script(text).lines]


def assert_binds(statement: CommandStatement) -> None:
    """Fail if a command without references does not bind."""
    if next(references([statement]), None) is None:
        bind(statement, REGISTRY, VARIABLES)
