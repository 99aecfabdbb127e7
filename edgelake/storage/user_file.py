"""The users of a node as a file: who may call by REST, with hashes of what they say.

What it is: the one form of that file, read strictly. What it is not: it makes no hash and
compares none (`edgelake.services.passwords`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edgelake import limits
from edgelake.errors import FileMissing, StorageError
from edgelake.interfaces import Permission
from edgelake.nesting import too_deep
from edgelake.storage.atomic import read_file, replace_file

__all__ = ["PasswordHash", "TokenHash", "User", "UserFile"]

_FORMAT = 1
_MODE = 0o600
_LEVELS = {"read": Permission.READ, "metadata": Permission.METADATA, "admin": Permission.ADMIN}


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """What scrypt makes of a password, and how.

    Attributes
    ----------
    n, r, p : int
        Cost, block size and passes.
    salt, digest : bytes
    """

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    @property
    def memory_bytes(self) -> int:
        """Memory that a check takes."""
        return 128 * self.r * (self.n + self.p)


@dataclass(frozen=True, slots=True)
class TokenHash:
    """A token that a user may show instead of a password.

    Attributes
    ----------
    id : str
        Its first digits.
    digest : bytes
        SHA-256 of the token.
    created : datetime
    expires : datetime or None
    """

    id: str
    digest: bytes
    created: datetime
    expires: datetime | None = None

    def valid_at(self, now: datetime) -> bool:
        """Return whether it has not expired."""
        return self.expires is None or now < self.expires


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may call.

    Attributes
    ----------
    level : Permission
        Highest level of commands.
    password : PasswordHash or None
        Without one only tokens and certificates say that it is he.
    tokens : tuple of TokenHash
        In the order in which they were made.
    expires : datetime or None
    """

    name: str
    level: Permission
    created: datetime
    password: PasswordHash | None = None
    tokens: tuple[TokenHash, ...] = ()
    expires: datetime | None = None

    def valid_at(self, now: datetime) -> bool:
        """Return whether he has not expired."""
        return self.expires is None or now < self.expires


class UserFile:
    """The file of the users.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[User]:
        """Return the users; none if there is no file.

        Raises
        ------
        StorageError
            The file cannot be read, or is not wholly what `write` makes.
        """
        try:
            data = read_file(self.path, limits.MAX_USERS_FILE_BYTES)
        except FileMissing:
            return []
        try:
            text = data.decode()
            if too_deep(text) is not None:
                raise ValueError("its JSON is nested too deep")
            return _users(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise StorageError(
                f"the file of the users is damaged: {self.path}: {_why(exc)}",
                hint="put a copy of it back, or remove it to begin without users; until then"
                " nobody is let in",
            ) from exc

    def write(self, users: list[User]) -> None:
        """Replace the file, durably and in one step; nobody else may read it.

        Raises
        ------
        FileWriteFailed, StorageError
        """
        data = {"format": _FORMAT, "users": [_user_data(user) for user in users]}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            reason = (exc.strerror or str(exc)).lower()
            raise StorageError(f"cannot make folder '{self.path.parent}': {reason}") from exc
        replace_file(self.path, json.dumps(data, indent=1).encode() + b"\n", mode=_MODE)


# ------------------------------------------------------------------- parts


def _why(exc: BaseException) -> str:
    # A KeyError says a bare name, and a message of json may quote nothing of the content.
    return f"no {exc}" if isinstance(exc, KeyError) else str(exc)


def _users(data: Any) -> list[User]:
    if data["format"] != _FORMAT:
        raise ValueError("it is of another version")
    users = [_user(found) for found in data["users"]]
    if len({user.name for user in users}) != len(users):
        raise ValueError("a name stands in it twice")
    return users


def _user(data: Any) -> User:
    name = data["name"]
    if not isinstance(name, str) or not name:
        raise ValueError("a name is no text")
    password = data["password"]
    return User(
        name=name,
        level=_LEVELS[data["level"]],
        created=_time(data["created"]),
        password=None if password is None else _password(password),
        tokens=tuple(_token(found) for found in data["tokens"]),
        expires=_optional_time(data["expires"]),
    )


def _password(data: Any) -> PasswordHash:
    n, r, p = data["n"], data["r"], data["p"]
    if not all(type(cost) is int and cost > 0 for cost in (n, r, p)):
        raise ValueError("a cost of scrypt is no number")
    found = PasswordHash(n, r, p, bytes.fromhex(data["salt"]), bytes.fromhex(data["scrypt"]))
    if n < 2 or n & (n - 1) or p > limits.MAX_SCRYPT_P:
        raise ValueError("scrypt cannot take such costs")
    if found.memory_bytes > limits.MAX_SCRYPT_BYTES:
        raise ValueError(f"a check of a password takes more than {limits.MAX_SCRYPT_BYTES} bytes")
    if not found.salt or not found.digest:
        raise ValueError("a hash is empty")
    return found


def _token(data: Any) -> TokenHash:
    digest = bytes.fromhex(data["sha256"])
    if len(digest) != 32 or not isinstance(data["id"], str):
        raise ValueError("a token is none")
    return TokenHash(data["id"], digest, _time(data["created"]), _optional_time(data["expires"]))


def _time(text: Any) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time has no zone")
    return found


def _optional_time(text: Any) -> datetime | None:
    return None if text is None else _time(text)


def _user_data(user: User) -> dict[str, Any]:
    password = user.password
    return {
        "name": user.name,
        "level": user.level.name.lower(),
        "created": user.created.isoformat(),
        "expires": user.expires.isoformat() if user.expires else None,
        "password": password
        and {
            "n": password.n,
            "r": password.r,
            "p": password.p,
            "salt": password.salt.hex(),
            "scrypt": password.digest.hex(),
        },
        "tokens": [
            {
                "id": token.id,
                "sha256": token.digest.hex(),
                "created": token.created.isoformat(),
                "expires": token.expires.isoformat() if token.expires else None,
            }
            for token in user.tokens
        ],
    }
