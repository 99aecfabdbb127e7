"""The users of a node: who they are, what they may, and how they are known."""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from edgelake import limits
from edgelake.errors import KeyMissing, MissingOption, Overloaded, WrongValue
from edgelake.interfaces import Permission
from edgelake.services.guesses import Guesses
from edgelake.services.passwords import checked_password, hash_password, matches, nobody
from edgelake.storage import PasswordHash, TokenHash, User, UserFile

__all__ = ["TOKEN_PREFIX", "Users"]

TOKEN_PREFIX = "edgelake_"
"""What every token begins with: programs that look for secrets in texts find it."""


class Users:
    """The users of a node. Thread-safe.

    The file is read when something is first asked, and again until it can be read; from
    then on this object alone changes it.

    Parameters
    ----------
    file : UserFile

    Attributes
    ----------
    guesses : Guesses
        Who said wrong passwords of late.
    """

    def __init__(self, file: UserFile) -> None:
        self.guesses = Guesses()
        self._file = file
        self._lock = threading.Lock()
        self._users: dict[str, User] | None = None
        self._tokens: dict[bytes, tuple[str, TokenHash]] = {}
        self._nobody: PasswordHash | None = None
        self._hashing = threading.BoundedSemaphore(limits.PASSWORD_THREADS)

    # ------------------------------------------------------------- questions

    def all(self) -> list[User]:
        """Return the users, ordered by name.

        Raises
        ------
        StorageError
            The file cannot be read or is damaged.
        """
        with self._lock:
            known = self._known()
            return [known[name] for name in sorted(known)]

    def __len__(self) -> int:
        """Return how many there are; raises as `all`."""
        with self._lock:
            return len(self._known())

    def named(self, name: str) -> User | None:
        """Return the user of a name if he may call now, else ``None``; raises as `all`."""
        with self._lock:
            return _valid(self._known().get(name))

    def of_token(self, token: str) -> User | None:
        """Return the user whose token this is, if both are valid now; raises as `all`."""
        digest = _digest(token)
        with self._lock:
            known = self._known()
            name, found = self._tokens.get(digest, ("", None))
            if found is None or not found.valid_at(datetime.now(UTC)):
                return None
            return _valid(known.get(name))

    def of_password(self, name: str, password: str) -> User | None:
        """Return the user if the password is his, else ``None``; raises as `all`.

        Takes as long for a name that nobody has. Called by a thread that may be busy for
        some 100 ms.
        """
        user = self.named(name)
        known = user.password if user is not None else None
        if known is None:
            self._nobody = self._nobody or nobody()
        right = matches(password, known or self._nobody or nobody())
        return user if right and known is not None else None

    # --------------------------------------------------------------- changes

    def set(
        self,
        name: str,
        *,
        password: str | None = None,
        level: Permission | None = None,
        expire_s: float | None = None,
    ) -> bool:
        """Add a user, or change what is given of one; return whether he is new.

        Parameters
        ----------
        expire_s : float or None
            When he may no longer call, in seconds from now; 0 for never.

        Raises
        ------
        WrongValue, MissingOption
            Something does not do; nothing changed.
        StorageError
            The file cannot be read or written; nothing changed.
        """
        hashed = None if password is None else hash_password(checked_password(password))
        now = datetime.now(UTC)
        with self._lock:
            known = self._known()
            user = known.get(name)
            new = user is None
            if user is None:
                if level is None:
                    raise MissingOption(
                        f"'{name}' is a new user without a level",
                        hint="add: level = read, metadata or admin",
                    )
                if len(known) >= limits.MAX_USERS:
                    raise WrongValue(
                        f"there are {limits.MAX_USERS} users already", hint="delete one first"
                    )
                user = User(name, level, now)
            changed = replace(
                user,
                level=user.level if level is None else level,
                password=hashed or user.password,
                expires=user.expires if expire_s is None else _end(now, expire_s),
            )
            self._keep({**known, name: changed})
        return new

    def change_password(self, name: str, old: str, password: str) -> bool:
        """Give a user another password if the old one is right; return whether it was.

        Raises
        ------
        WrongValue
            The new one does not do.
        Overloaded
            Too many passwords are checked at this moment.
        StorageError
        """
        checked_password(password)
        if not self._hashing.acquire(blocking=False):
            raise Overloaded("too many passwords are checked", hint="try again in a moment")
        try:
            if self.of_password(name, old) is None:
                return False
            self.set(name, password=password)
        finally:
            self._hashing.release()
        return True

    def delete(self, name: str) -> None:
        """Remove a user and his tokens.

        Raises
        ------
        KeyMissing
        StorageError
        """
        with self._lock:
            known = dict(self._known())
            self._require(known, name)
            del known[name]
            self._keep(known)

    def add_token(self, name: str, expire_s: float) -> tuple[str, TokenHash]:
        """Make a token of a user; return it, the only time that it is known, and what is kept.

        Raises
        ------
        KeyMissing, WrongValue
            There is no such user; he has too many.
        StorageError
        """
        now = datetime.now(UTC)
        with self._lock:
            known = self._known()
            user = self._require(known, name)
            if len(user.tokens) >= limits.MAX_TOKENS_OF_USER:
                raise WrongValue(
                    f"'{name}' has {limits.MAX_TOKENS_OF_USER} tokens already",
                    hint="delete one first: delete user token",
                )
            digits = secrets.token_hex(limits.TOKEN_BYTES)
            while any(token.id == digits[: limits.TOKEN_SHOWN_CHARS] for token in user.tokens):
                digits = secrets.token_hex(limits.TOKEN_BYTES)
            token = TOKEN_PREFIX + digits
            made = TokenHash(
                digits[: limits.TOKEN_SHOWN_CHARS], _digest(token), now, _end(now, expire_s)
            )
            self._keep({**known, name: replace(user, tokens=(*user.tokens, made))})
        return token, made

    def delete_token(self, name: str, token_id: str) -> None:
        """Remove the token of a user that begins with these digits.

        Raises
        ------
        KeyMissing
        StorageError
        """
        with self._lock:
            known = self._known()
            user = self._require(known, name)
            left = tuple(token for token in user.tokens if token.id != token_id)
            if len(left) == len(user.tokens):
                raise KeyMissing(
                    f"'{name}' has no token {token_id}", hint="look at: get user tokens"
                )
            self._keep({**known, name: replace(user, tokens=left)})

    # ------------------------------------------------------------------ parts

    def _known(self) -> dict[str, User]:
        if self._users is None:
            self._take({user.name: user for user in self._file.read()})
        assert self._users is not None
        return self._users

    def _keep(self, users: dict[str, User]) -> None:
        self._file.write(list(users.values()))
        self._take(users)

    def _take(self, users: dict[str, User]) -> None:
        self._tokens = {
            token.digest: (user.name, token) for user in users.values() for token in user.tokens
        }
        self._users = users

    @staticmethod
    def _require(known: dict[str, User], name: str) -> User:
        user = known.get(name)
        if user is None:
            raise KeyMissing(f"there is no user '{name}'", hint="look at: get users")
        return user


def _valid(user: User | None) -> User | None:
    return user if user is not None and user.valid_at(datetime.now(UTC)) else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _end(now: datetime, expire_s: float) -> datetime | None:
    if not expire_s:
        return None
    try:
        return now + timedelta(seconds=expire_s)
    except OverflowError as exc:
        raise WrongValue(
            "the time of expiry is too far away", hint="write 0 days for never"
        ) from exc
