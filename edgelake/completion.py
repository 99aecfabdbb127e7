"""What may stand at the cursor of the console: commands, options, values, variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from edgelake.language import (
    BRING_MODIFIERS,
    Brings,
    Command,
    CommandRegistry,
    Option,
    Where,
)

__all__ = ["CommandCompleter", "candidates"]


class CommandCompleter(Completer):
    """Offers what the declarations in the registry allow, and the names of variables.

    Parameters
    ----------
    registry : CommandRegistry
    variables : callable
        Returns the present names of variables.
    """

    def __init__(self, registry: CommandRegistry, variables: Callable[[], Iterable[str]]) -> None:
        self._registry = registry
        self._variables = variables

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Yield what may stand at the cursor, in alphabetical order."""
        started = document.get_word_before_cursor(WORD=True)
        before = document.text_before_cursor
        words = before[: len(before) - len(started)].split()
        for word in sorted(candidates(self._registry, self._variables(), words, started)):
            yield Completion(word + " ", start_position=-len(started), display=word)


def candidates(
    registry: CommandRegistry, variables: Iterable[str], words: Sequence[str], started: str
) -> set[str]:
    """Return the words that may follow ``words`` and begin with ``started``."""
    if started.startswith("!"):
        marks = started[: len(started) - len(started.lstrip("!"))]
        found: Iterable[str] = (marks + name for name in variables)
    else:
        found = _following(registry, list(words), started)
    return {word for word in found if word.startswith(started) and word != started}


def _following(registry: CommandRegistry, words: list[str], started: str) -> Iterator[str]:
    if len(words) > 1 and words[1] == "=" and words[0] not in registry.first_words():
        words = words[2:]
    if words[:1] == ["help"]:
        words = words[1:]
    for name in registry.names():
        parts = name.split()
        if len(parts) > len(words) and parts[: len(words)] == words:
            yield parts[len(words)]
    command = registry.longest(words)
    if command is not None:
        yield from _of_command(command, words[len(command.name.split()) :], started)


def _of_command(command: Command, rest: list[str], started: str) -> Iterator[str]:
    """Yield what may follow the name of a command and the words behind it."""
    needed = sum(argument.required for argument in command.arguments)
    if command.bring is not Brings.NONE and len(rest) >= needed:
        behind = [n for n, word in enumerate(rest) if word.partition(".")[0] == "bring"]
        if behind:
            yield from _behind_bring(rest[behind[0] + 1 :])
            return
        yield from _bring_words(started)
    if command.keyword in rest and command.where is Where.CONDITION:
        return
    if command.keyword in rest:
        yield from _option_words(command, rest[rest.index(command.keyword) + 1 :])
        return
    if command.value is not None and rest[-1:] == ["="]:
        yield from command.value.type.choices()
    elif command.value is not None and len(rest) == len(command.arguments):
        yield "="
    if len(rest) < len(command.arguments):
        yield from command.arguments[len(rest)].type.choices()
    if command.where is not Where.NONE and len(rest) >= needed:
        yield command.keyword


def _bring_words(started: str) -> Iterator[str]:
    """Yield ``bring``, alone and with one modifier more than is written."""
    yield "bring"
    front, dot, _ = started.rpartition(".")
    front = front if dot else "bring"
    used = front.split(".")
    yield from (f"{front}.{name}" for name in BRING_MODIFIERS if name not in used)


def _behind_bring(rest: list[str]) -> Iterator[str]:
    """Yield what may follow ``bring`` and its items, as far as it is known."""
    if rest[-1:] == ["separator"]:
        yield "="
    elif "separator" not in rest:
        yield "separator"


def _option_words(command: Command, rest: list[str]) -> Iterator[str]:
    """Yield what may follow inside an option list."""
    last = rest[-1] if rest else "and"
    option = _option_of(command, rest)
    if last == "and":
        used = {rest[n - 1] for n, word in enumerate(rest) if word == "=" and n}
        yield from (o.key for o in command.options if o.repeatable or o.key not in used)
    elif last == "=":
        yield from option.type.choices() if option else ()
    elif command.option(last) is not None and rest[-2:-1] in ([], ["and"]):
        yield "="
    else:
        yield "and"


def _option_of(command: Command, rest: list[str]) -> Option | None:
    """Return the option whose value comes next."""
    return command.option(rest[-2]) if len(rest) > 1 and rest[-1] == "=" else None
