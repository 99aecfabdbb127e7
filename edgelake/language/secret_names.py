"""Names that say that their values are secret: of options, keys, variables."""

from __future__ import annotations

import re

__all__ = ["SECRET_WORDS", "is_secret_name"]

SECRET_WORDS = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "credential",
    "credentials",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "secret_key",
)
"""Names of which a typing error is a secret name, too."""

_SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase|code)|[_.-]pwd(?:[_.-]|$)|(?:^|[_.-])(?:pass|pw)$|secret|token|credential"
    r"|authorization|(?:api|access|private|encryption|signing)[_.-]?key|[_.-]key$",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Return whether a name says that its value is secret."""
    return _SECRET_NAME.search(name) is not None
