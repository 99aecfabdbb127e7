"""What the console sends with its calls: names with values, checked one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from edgelake import limits
from edgelake.errors import BadJson, MissingOption, WrongValue
from edgelake.rest.objects import read_object
from edgelake.rest.requests import body_of

__all__ = ["Fields", "asked", "sent"]

_HINT = 'write {"name": "value"}'
_MOST = 2**53
"""Up to here every number is exact in a browser."""


class Fields:
    """Named values that somebody sent.

    Parameters
    ----------
    values : mapping of str to Any
    known : tuple of str
        The names that have a meaning.

    Raises
    ------
    WrongValue
        Another name is given.
    """

    def __init__(self, values: Mapping[str, Any], known: tuple[str, ...]) -> None:
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise WrongValue(
                f"unknown name '{unknown[0][:40]}'", hint=f"known: {', '.join(known) or 'none'}"
            )
        self._values = values

    def text(self, name: str, usual: str | None = None) -> str:
        """Return a text; ``usual`` if it is not given, which is an error without one."""
        value = self._values.get(name)
        if value is None:
            if usual is None:
                raise MissingOption(f"'{name}' is missing", hint=f'write "{name}": "…"')
            return usual
        if not isinstance(value, str):
            raise WrongValue(f"'{name}' is no text", hint=f'write "{name}": "…"')
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise WrongValue(f"'{name}' holds half of a character, at {exc.start + 1}") from exc
        return value

    def number(self, name: str, usual: int, least: int, most: int = _MOST) -> int:
        """Return a whole number between two bounds."""
        value = self._values.get(name)
        if value is None or value == "":
            return usual
        text = str(value)
        digits = text.isascii() and text.isdigit() and len(text) <= len(str(_MOST))
        if isinstance(value, bool) or not digits or not least <= int(text) <= most:
            raise WrongValue(f"'{name}' is no whole number from {least} to {most}")
        return int(text)

    def page(self) -> tuple[int, int]:
        """Return ``offset`` and ``limit``, the latter up to `limits.MAX_CONSOLE_PAGE`."""
        return self.number("offset", 0, 0), self.number("limit", 50, 1, limits.MAX_CONSOLE_PAGE)


def asked(request: Request, *known: str) -> Fields:
    """Return what the query string of a call says.

    Raises
    ------
    WrongValue
    """
    return Fields(dict(request.query_params), known)


async def sent(request: Request, *known: str) -> Fields:
    """Return what the JSON object in the body of a call says.

    Raises
    ------
    BadJson, WrongValue, MessageTooLarge
    """
    body = await body_of(request, limits.MAX_CONSOLE_BODY_BYTES)
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise BadJson(f"the body is no JSON: {exc}", hint=_HINT) from exc
    return Fields(read_object(text, hint=_HINT), known)
