"""All declared commands of a node, by their names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from edgelake.errors import ConfigurationError

if TYPE_CHECKING:
    pass

from edgelake.language.command import Command, CommandSet

__all__ = ["CommandRegistry"]

_SUGGESTIONS = 3
_LIKENESS = 0.7
_COMPARED_CHARS = 80


class _Absent(NamedTuple):
    """Names of the network that are not declared, what they begin with, words of the longest."""

    names: frozenset[tuple[Any, ...]]
    beginnings: frozenset[tuple[Any, ...]]
    longest: int


class CommandRegistry:
    """All commands of a node. Does not change after it is made; any thread may use it.

    Parameters
    ----------
    sets : iterable of CommandSet
    network : callable
        Returns the names of the commands that nodes of the network know; called when a
        name was not found for the first time.

    Raises
    ------
    ConfigurationError
        Two commands have one name.
    """

    def __init__(
        self, sets: Iterable[CommandSet], *, network: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self._network = network
        self._absent: _Absent | None = None
        self._commands: dict[tuple[str, ...], Command] = {}
        for declared in sets:
            for command in declared:
                words = command.words
                if words in self._commands:
                    raise ConfigurationError(f"command '{command.name}' is declared twice")
                self._commands[words] = command
        self._longest = max((len(words) for words in self._commands), default=0)
        self._first_words = frozenset(words[0] for words in self._commands)
        self._families = {words[:n] for words in self._commands for n in range(1, len(words))}
        # Made when they are first needed, by the modules that alone use them.
        self.reader: object | None = None  # edgelake.language.parser
        self.plans: object | None = None  # edgelake.language.plans
        self.secrets: object | None = None  # edgelake.language.secrets

    def __iter__(self) -> Iterator[Command]:
        """Yield the commands in the order of their declaration."""
        return iter(self._commands.values())

    def __len__(self) -> int:
        """Return the number of commands."""
        return len(self._commands)

    def names(self) -> list[str]:
        """Return the names of all commands in alphabetical order."""
        return sorted(command.name for command in self)

    def get(self, name: str) -> Command | None:
        """Return the command of exactly that name, ``None`` if there is none."""
        return self._commands.get(tuple(name.split(" ")))

    def longest(self, words: Sequence[str | None]) -> Command | None:
        """Return the command with the longest name that the words begin with.

        ``None`` among the words stands for something that cannot be part of a name.
        """
        for n in range(min(len(words), self._longest), 0, -1):
            found = self._commands.get(tuple(words[:n]))  # type: ignore[arg-type]
            if found is not None:
                return found
        return None

    def absent(self, words: Sequence[str | None]) -> str | None:
        """Return the command of the network that the words begin with and no set declares.

        The longest name counts, declared ones included: ``None`` if that one is declared.
        """
        absent = self._absent_names()
        for n in range(min(len(words), absent.longest), 0, -1):
            name = tuple(words[:n])
            if name in absent.names:
                return " ".join(map(str, name))
            if name in self._commands:
                return None
        return None

    def has_absent_behind(self, command: Command) -> bool:
        """Return whether `absent` has longer names that begin with that of a command."""
        return command.words in self._absent_names().beginnings

    def _absent_names(self) -> _Absent:
        if self._absent is None:
            known = (tuple(name.split(" ")) for name in self._network())
            # The beginning of one that is declared is not finished, and not absent.
            names = frozenset(
                name for name in known if name not in self._commands and not self.is_family(name)
            )
            begun = frozenset(name[:n] for name in names for n in range(1, len(name)))
            longest = max(map(len, names), default=0)
            self._absent = _Absent(names, begun, max(longest, self._longest))
        return self._absent

    def family(self, words: Sequence[str | None]) -> list[str]:
        """Return the names that begin with these words and go on, in alphabetical order."""
        n = len(words)
        found = (name for name in self._commands if len(name) > n and name[:n] == tuple(words))
        return sorted(" ".join(name) for name in found)

    def is_family(self, words: Sequence[str | None]) -> bool:
        """Return whether longer names of commands begin with these words."""
        return tuple(words) in self._families

    def groups(self) -> dict[str, list[Command]]:
        """Return the commands by group, both in alphabetical order."""
        found: dict[str, list[Command]] = {}
        for command in sorted(self, key=lambda command: command.name):
            found.setdefault(command.group, []).append(command)
        return dict(sorted(found.items()))

    def topics(self) -> dict[str, list[Command]]:
        """Return the commands by topic: their groups, and the keywords declared with them."""
        found: dict[str, list[Command]] = {}
        for command in sorted(self, key=lambda command: command.name):
            for topic in dict.fromkeys((command.group, *command.topics)):
                found.setdefault(topic, []).append(command)
        return dict(sorted(found.items()))

    def first_words(self) -> frozenset[str]:
        """Return the words that commands begin with; they cannot name variables."""
        return self._first_words

    def nearest(self, words: Sequence[str]) -> list[str]:
        """Return up to three names that the words probably meant, best first.

        Names whose words begin with the given ones, if there are few, come before those
        that are only alike.
        """
        words = [word[:_COMPARED_CHARS] for word in words[: self._longest]]
        begun = self._begun(words)
        likeness = {}
        for name in self._commands:
            if tuple(words[: len(name)]) == name:
                continue  # was looked up already and did not fit
            given = " ".join(words[: len(name)]).lower()[:_COMPARED_CHARS]
            matcher = difflib.SequenceMatcher(None, given, " ".join(name))
            bounds = matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio
            if all(bound() >= _LIKENESS for bound in bounds):
                likeness[" ".join(name)] = matcher.ratio()
        best = sorted(likeness, key=lambda name: (-likeness[name], name))
        return list(dict.fromkeys((*begun, *best)))[:_SUGGESTIONS]

    def _begun(self, words: Sequence[str]) -> list[str]:
        """Return the few names whose words begin with these, as ``get conn`` begins one."""
        if not all(words):
            return []
        for count in range(len(words), 0, -1):
            found = sorted(
                " ".join(name)
                for name in self._commands
                if (len(name) >= count if count == len(words) else len(name) == count)
                and all(part.startswith(word) for word, part in zip(words, name, strict=False))
                and name[:count] != tuple(words[:count])
            )
            if found:
                return found if len(found) <= _SUGGESTIONS else []
        return []
