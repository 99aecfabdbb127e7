"""Help texts and the page of all commands, from the declarations alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from edgelake.interfaces import Page, Permission, Section, Table
from edgelake.language.bring import BRING_MODIFIERS, BRING_USAGE
from edgelake.language.command import Argument, Brings, Command, Option, Where
from edgelake.language.diagnostics import shortened
from edgelake.language.registry import CommandRegistry

__all__ = ["help_page", "markdown_page", "page_text"]

_CALLERS = {
    Permission.READ: "other nodes at level read and above",
    Permission.METADATA: "other nodes at level metadata and above",
    Permission.ADMIN: "other nodes at level admin",
    Permission.NEVER: "nobody but this node's console, scripts and programs",
}

_BRING_ITEMS = (
    ("[a][b]", "the value of b in a; nothing if there is none; a number counts in a list"),
    ("[*][b]", "the same in a policy of any type; [*] or [] alone is its type"),
    ("[a][][b]", "a list of the values of b in the objects of the list a"),
    ("[a]:[b]", "the first of the two that there is"),
    ("[a(rfind(/))]", "a part of the value: also find(x), prefix(n), suffix(n)"),
    ('word, "a text"', "the text itself; \\n and \\t are line feed and tab"),
    ("separator = x", "what stands between two results"),
)
_BRING_ANCHOR = "bring"

_MAYBE = 5
_LIKENESS = 0.6
_COMPARED_CHARS = 80
_COMPARED_WORDS = 4

_FORMS = (
    ("name = words", "gives a variable a value; `name = command` keeps the command's answer"),
    ("!name", "shows a value; in a command it stands for the value"),
    ("$NAME", "stands for a value of the environment"),
    ("… & …", "several commands on one line"),
    ("# …", "a comment, at the start of a line or of a word"),
    ("< … >", "one command over several lines"),
)


def help_page(registry: CommandRegistry, words: Sequence[str] = ()) -> Page:
    """Return the help of a command and of the commands that begin with the words.

    Without words, that is the list of all commands; ``index`` gives the list of topics,
    ``index <topic>`` the commands of one. Words that name nothing give a page that says
    so and what may be meant.
    """
    if not words:
        return _overview(registry)
    if words[0] == "index":
        return _topic(registry, " ".join(words[1:]).lower()) if words[1:] else _topics(registry)
    prefix = " ".join(words)
    command, family = registry.get(prefix), registry.family(words)
    if command is None and not family:
        command = registry.longest(words)
        if command is None:
            return _unrecognized(registry, words)
    sections = _page(command).sections if command is not None else ()
    if family:
        rows = _listed(registry, family)
        sections += (Section(f"commands that begin with '{prefix}':", rows),)
    return Page(sections)


def page_text(page: Page) -> str:
    """Return a page as lines, without a line end behind the last."""
    return "\n\n".join("\n".join(_section_lines(section)) for section in page.sections)


def markdown_page(registry: CommandRegistry) -> str:
    """Return the page ``docs/commands.md``; the same registry always gives the same text."""
    lines = [
        "# Commands",
        "",
        "This page is made by `make docs` from the declarations in `edgelake/commands/`.",
        "",
        "Besides commands, a line may hold:",
        "",
        "| form | meaning |",
        "|---|---|",
        *(f"| `{form}` | {meaning} |" for form, meaning in _FORMS),
        "",
    ]
    for group, commands in registry.groups().items():
        lines += [f"- [{group}](#{_anchor(group)}): "]
        lines[-1] += ", ".join(f"[{c.name}](#{_anchor(c.name)})" for c in commands)
    for group, commands in registry.groups().items():
        lines += ["", f"## {group}"]
        for command in commands:
            lines += ["", *_markdown(command)]
    if any(command.bring is not Brings.NONE for command in registry):
        lines += ["", *_bring_section()]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------- parts


def _bring_section() -> Iterator[str]:
    """Yield the lines that explain ``bring``."""
    yield f"## {_BRING_ANCHOR}"
    yield ""
    yield f"`{BRING_USAGE}` behind a command makes another form of what it finds."
    yield from ("", "| item | gives |", "|---|---|")
    for item, meaning in _BRING_ITEMS:
        yield _row(f"`{item}`", meaning)
    yield from ("", "| modifier | effect |", "|---|---|")
    for name, meaning in BRING_MODIFIERS.items():
        yield _row(f"`.{name}`", meaning)


def _topics(registry: CommandRegistry) -> Page:
    """Return the list of topics."""
    rows = [
        (topic, f"{len(commands)} command{'s' if len(commands) > 1 else ''}")
        for topic, commands in registry.topics().items()
    ]
    end = "'help index <topic>' lists the commands of one."
    return Page((Section("topics:", Table((), rows)), Section("", end)))


def _topic(registry: CommandRegistry, topic: str) -> Page:
    """Return the commands of a topic, or the topics that may be meant."""
    topics = registry.topics()
    found = topics.get(topic)
    if found is not None:
        rows = _listed(registry, [command.name for command in found])
        return Page((Section(f"commands of the topic '{topic}':", rows),))
    near = [name for name in topics if name.startswith(topic)]
    near += difflib.get_close_matches(topic[:_COMPARED_CHARS], topics, n=3)
    maybe = [f"Maybe: help index {name}" for name in dict.fromkeys(near)]
    lines = (f"Unrecognized topic '{shortened(topic)}'", *maybe, "'help index' lists the topics.")
    return Page((Section("", "\n".join(lines)),))


def _unrecognized(registry: CommandRegistry, words: Sequence[str]) -> Page:
    """Return what to say of words that name no command, with those they may mean."""
    absent = registry.absent(words)
    if absent is not None:
        told = f"'{absent}' is not available in this version."
    else:
        told = f"Unrecognized command '{shortened(' '.join(words))}'"
    near = dict.fromkeys((*registry.nearest(words), *_alike(registry, words)))
    maybe = [f"Maybe: help {name}" for name in [*near][:_MAYBE]]
    maybe += [f"Maybe: help index {name}" for name in registry.topics() if name == words[0].lower()]
    lines = (told, *maybe, "'help' lists the commands, 'help index' the topics.")
    return Page((Section("", "\n".join(lines)),))


def _alike(registry: CommandRegistry, words: Sequence[str]) -> list[str]:
    """Return names of commands by how much any of their words is like any of the given."""
    given = [word.lower()[:_COMPARED_CHARS] for word in words[:_COMPARED_WORDS]]
    known = {part for name in registry.names() for part in name.split()}
    likeness = {
        part: max(difflib.SequenceMatcher(None, word, part).ratio() for word in given)
        for part in known
    }
    scored = {name: max(likeness[part] for part in name.split()) for name in registry.names()}
    best = sorted(scored, key=lambda name: (-scored[name], name))
    return [name for name in best if scored[name] >= _LIKENESS][:_MAYBE]


def _listed(registry: CommandRegistry, names: Sequence[str]) -> Table:
    return Table((), [(name, _summary(registry, name)) for name in names])


def _overview(registry: CommandRegistry) -> Page:
    """Return the list of all commands by group, one line each."""
    width = max((len(name) for name in registry.names()), default=0)
    sections = [
        Section(group, Table((), [(c.name.ljust(width), c.summary) for c in commands]))
        for group, commands in registry.groups().items()
    ]
    return Page(
        (
            *sections,
            Section("", "'help <command>' explains one of them, 'help index' lists topics."),
        )
    )


def _page(command: Command) -> Page:
    """Return the help of one command."""
    sections = [Section("Usage:", command.usage), Section("", _sentence(command.summary))]
    if command.details:
        sections.append(Section("", command.details))
    arguments = _arguments(command)
    if arguments:
        rows = [_argument_row(argument) for argument in arguments]
        sections.append(Section("Arguments:", Table((), rows)))
    options = _options(command)
    if options:
        heads = ("option", "type", "default", "meaning")
        rows = [_option_row(option) for option in options]
        sections.append(Section("Options:", Table(heads, rows)))
    if command.bring is not Brings.NONE:
        modifiers = [(f".{name}", meaning) for name, meaning in BRING_MODIFIERS.items()]
        sections.append(Section("Behind bring:", Table((), _BRING_ITEMS)))
        sections.append(Section("Modifiers of bring:", Table((), modifiers)))
    if command.examples:
        sections.append(Section("Examples:", "\n".join(command.examples)))
    sections.append(Section("", f"May be called by: {_callers(command)}."))
    topics = [topic for topic in dict.fromkeys((command.group, *command.topics)) if topic]
    if topics:
        sections.append(Section("", f"Index: {', '.join(topics)}"))
    if command.related:
        sections.append(Section("", f"See also: {', '.join(command.related)}"))
    return Page(tuple(sections))


def _callers(command: Command) -> str:
    peers, user = _CALLERS[command.permission], command.user_permission
    if user is None:
        return peers
    return f"{peers}; users at level {user.name.lower()} and above, by REST"


def _section_lines(section: Section) -> Iterator[str]:
    if section.heading:
        yield section.heading
    if isinstance(section.body, Table):
        table = section.body
        yield from _columns([*([table.columns] if table.columns else []), *table.rows])
    else:
        indent = "  " if section.heading else ""
        yield from (f"{indent}{line}".rstrip() for line in section.body.split("\n"))


def _markdown(command: Command) -> Iterator[str]:
    """Yield the lines of one command's section."""
    yield f"### {command.name}"
    yield ""
    yield _sentence(command.summary)
    yield ""
    yield "```"
    yield command.usage
    yield "```"
    if command.details:
        yield ""
        yield command.details
    arguments = _arguments(command)
    if arguments:
        yield from ("", "| argument | type | required | meaning |", "|---|---|---|---|")
        for argument in arguments:
            yield _row(f"`{argument.name}`", *_argument_row(argument)[1:])
    options = _options(command)
    if options:
        yield from ("", "| option | type | default | meaning |", "|---|---|---|---|")
        for option in options:
            key, kind, default, meaning = _option_row(option)
            yield _row(f"`{key}`", kind, default, meaning)
    if command.where is Where.CONDITION:
        yield ""
        yield f"Takes a condition after `{command.keyword}`."
    if command.bring is not Brings.NONE:
        yield ""
        verb = "Takes" if command.bring is Brings.REQUIRED else "May take"
        yield f"{verb} [bring](#{_BRING_ANCHOR}) at its end."
    if command.examples:
        yield from ("", "```", *command.examples, "```")
    yield ""
    yield f"May be called by: {_callers(command)}."
    if command.related:
        yield ""
        yield "See also: " + ", ".join(f"[{name}](#{_anchor(name)})" for name in command.related)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _arguments(command: Command) -> list[Argument]:
    return [*command.arguments, *([command.value] if command.value else [])]


def _argument_row(argument: Argument) -> tuple[str, str, str, str]:
    required = "required" if argument.required else "optional"
    kind = argument.type.describe() + (", may be repeated" if argument.repeatable else "")
    return argument.name, kind, required, _meaning(argument)


def _options(command: Command) -> list[Option]:
    return [*command.options, *([command.any_option] if command.any_option else [])]


def _option_row(option: Option) -> tuple[str, str, str, str]:
    kind = option.type.describe() + (", may be repeated" if option.repeatable else "")
    default = "required" if option.required else _shown(option.default)
    return option.key, kind, default, _meaning(option)


def _meaning(declared: Argument | Option) -> str:
    return (declared.help + (" (never shown)" if declared.secret else "")).strip()


def _shown(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return [
        ("  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _anchor(heading: str) -> str:
    """Return the anchor that renderers of Markdown give a heading."""
    kept = (c for c in heading.lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")


def _summary(registry: CommandRegistry, name: str) -> str:
    command = registry.get(name)
    return command.summary if command else ""
