"""Passwords of REST callers: checked aside, few at a time, and not again for a while."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import Counter, OrderedDict

from edgelake import limits
from edgelake.errors import Overloaded, TooManyCalls
from edgelake.rest.credentials import BasicCredentials
from edgelake.services.rest import RestService
from edgelake.services.users import Users
from edgelake.storage import PasswordHash, User

__all__ = ["Logins"]


class Logins:
    """Finds the user of a name and a password. Used by the server's loop alone.

    A check costs a core for some 100 ms. It is made by threads of its own, so that guesses
    hold up neither the loop nor commands; callers who say the same at one time share one; and
    what was right is remembered, by a hash with a secret that dies with this object, until
    the user's password changes.

    Parameters
    ----------
    users : Users
    service : RestService
        Whose threads check.
    """

    def __init__(self, users: Users, service: RestService) -> None:
        self._users = users
        self._service = service
        self._secret = secrets.token_bytes(32)
        self._verified: OrderedDict[bytes, tuple[PasswordHash, float]] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[User | None]] = {}
        self._of_address: Counter[str] = Counter()

    async def user(self, said: BasicCredentials, address: str) -> User | None:
        """Return the user, ``None`` if the name or the password is not right.

        Raises
        ------
        TooManyCalls
            The address, or whoever uses the name, was wrong too often.
        Overloaded
            `limits.MAX_PASSWORDS_WAITING` passwords wait to be checked.
        StorageError
            The users cannot be read.
        """
        key = self._key(said)
        known = self._remembered(key, said.name)
        if known is not None:
            return known
        # Of one address: else its guess would tell others that theirs is right.
        shared = key + address.encode()
        task = self._under_way.get(shared)
        if task is None:
            task = self._begin(shared, key, said, address)
        return await asyncio.shield(task)

    # ------------------------------------------------------------------- parts

    def _begin(
        self, shared: bytes, key: bytes, said: BasicCredentials, address: str
    ) -> asyncio.Task[User | None]:
        if self._of_address[address] >= limits.MAX_PASSWORDS_OF_ADDRESS:
            raise TooManyCalls(
                f"{limits.MAX_PASSWORDS_OF_ADDRESS} passwords from {address} are checked",
                retry_after_s=1.0,
                hint="wait for the answers",
            )
        if len(self._under_way) >= limits.MAX_PASSWORDS_WAITING + limits.PASSWORD_THREADS:
            raise Overloaded(
                f"{limits.MAX_PASSWORDS_WAITING} passwords wait to be checked",
                hint="try again later, or use a token, which needs no such check",
            )
        self._users.guesses.begin(address, said.name)
        self._of_address[address] += 1
        task = asyncio.get_running_loop().create_task(self._check(shared, key, said, address))
        self._under_way[shared] = task
        return task

    async def _check(
        self, shared: bytes, key: bytes, said: BasicCredentials, address: str
    ) -> User | None:
        loop = asyncio.get_running_loop()
        wrong = False
        try:
            user = await loop.run_in_executor(
                self._service.password_pool, self._users.of_password, said.name, said.password
            )
            wrong = user is None
        finally:
            del self._under_way[shared]
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]
            if not wrong:
                self._users.guesses.forgive(address, said.name)
        if user is not None and user.password is not None:
            self._verified[key] = (user.password, time.monotonic() + limits.VERIFIED_S)
            if len(self._verified) > limits.MAX_VERIFIED:
                self._verified.popitem(last=False)
        return user

    def _key(self, said: BasicCredentials) -> bytes:
        text = f"{said.name}:{said.password}".encode(errors="surrogatepass")
        return hmac.new(self._secret, text, hashlib.sha256).digest()

    def _remembered(self, key: bytes, name: str) -> User | None:
        """Return the user if this was right a short while ago, and still is."""
        found = self._verified.get(key)
        if found is None:
            return None
        password, until = found
        user = self._users.named(name)
        if time.monotonic() < until and user is not None and user.password == password:
            return user
        del self._verified[key]
        return None
