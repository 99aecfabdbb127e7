"""Hashes of passwords: slow on purpose, so that who steals them cannot guess them back.

scrypt of the standard library; ``docs/security.md``, "Users", says why not argon2.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata

from edgelake import limits
from edgelake.errors import WrongValue
from edgelake.storage import PasswordHash

__all__ = ["checked_password", "hash_password", "matches", "nobody"]

_SALT_BYTES = 16
_DIGEST_BYTES = 32


def checked_password(password: str) -> str:
    """Return a password that may become one.

    Raises
    ------
    WrongValue
        It is too short or too long; the message does not quote it.
    """
    if len(password) < limits.MIN_PASSWORD_CHARS:
        raise WrongValue(
            f"the password has fewer than {limits.MIN_PASSWORD_CHARS} characters",
            hint="write a longer one",
        )
    if len(_bytes_of(password)) > limits.MAX_PASSWORD_BYTES:
        raise WrongValue(
            f"the password exceeds {limits.MAX_PASSWORD_BYTES} bytes", hint="write a shorter one"
        )
    return password


def hash_password(password: str) -> PasswordHash:
    """Return a hash with a salt of its own; takes some 100 ms of a core."""
    salt = secrets.token_bytes(_SALT_BYTES)
    costs = limits.SCRYPT_N, limits.SCRYPT_R, limits.SCRYPT_P
    return PasswordHash(*costs, salt, _scrypt(password, PasswordHash(*costs, salt, b"")))


def matches(password: str, known: PasswordHash) -> bool:
    """Return whether a password is the one that a hash was made of; takes as long as making it."""
    return hmac.compare_digest(_scrypt(password, known), known.digest)


def nobody() -> PasswordHash:
    """Return what no password matches, and what takes as long to be compared as any other."""
    costs = limits.SCRYPT_N, limits.SCRYPT_R, limits.SCRYPT_P
    return PasswordHash(*costs, secrets.token_bytes(_SALT_BYTES), b"\0" * (_DIGEST_BYTES + 1))


def _scrypt(password: str, how: PasswordHash) -> bytes:
    return hashlib.scrypt(
        _bytes_of(password),
        salt=how.salt,
        n=how.n,
        r=how.r,
        p=how.p,
        # The bound of OpenSSL counts a little more than the blocks.
        maxmem=how.memory_bytes + 1024 * 1024,
        dklen=_DIGEST_BYTES,
    )


def _bytes_of(password: str) -> bytes:
    # Keyboards differ in how they compose a letter; RFC 7617 asks for the same.
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")
