"""What a caller says of himself: the header ``Authorization`` (RFC 7617, RFC 6750)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from edgelake.errors import NotAuthenticated

__all__ = ["BasicCredentials", "BearerToken", "credentials_in"]

_MAX_CHARS = 4096


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """A name and a password."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token."""

    token: str


def credentials_in(header: str) -> BasicCredentials | BearerToken:
    """Return what the header says.

    Raises
    ------
    NotAuthenticated
        It cannot be understood; the message does not quote it.
    """
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    kind = scheme.lower()
    if len(header) > _MAX_CHARS:
        raise _wrong(f"exceeds {_MAX_CHARS} characters")
    if kind == "bearer":
        if not value.isascii() or not value or " " in value:
            raise _wrong("holds no token")
        return BearerToken(value)
    if kind != "basic":
        raise _wrong("is neither Basic nor Bearer")
    try:
        said = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise _wrong("is no base64") from exc
    try:
        text = said.decode()
    except UnicodeDecodeError:
        text = said.decode("latin-1")
    name, colon, password = text.partition(":")
    if not colon:
        raise _wrong("holds no name and password")
    return BasicCredentials(name, password)


def _wrong(how: str) -> NotAuthenticated:
    return NotAuthenticated(
        f"the header 'Authorization' {how}",
        hint="send Basic with name and password, or Bearer with a token",
    )
