"""Answers that are kept until a command has ended, for a variable, a peer or a program."""

from __future__ import annotations

import sys

from edgelake import limits
from edgelake.errors import CommandError
from edgelake.interfaces import Result

__all__ = ["Kept"]


class Kept(list[Result]):
    """The answers of a command that say something, as far as there is room for them.

    A script can go on for ever, and answer with each line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    def take(self, answer: Result) -> None:
        """Keep one more answer, if it says something.

        Raises
        ------
        CommandError
            They would exceed `limits.MAX_KEPT_ANSWERS_BYTES`.
        """
        if not answer.text and answer.data is None and answer.later is None:
            return
        self._bytes += sys.getsizeof(answer.text) + limits.KEPT_ANSWER_BYTES
        if self and self._bytes > limits.MAX_KEPT_ANSWERS_BYTES:
            raise CommandError(
                f"the answers exceed {limits.MAX_KEPT_ANSWERS_BYTES:,} bytes",
                hint="have the script print less",
            )
        self.append(answer)
