"""Where the pages of a site come from, as an option: what browsers send as ``Origin``."""

from __future__ import annotations

from urllib.parse import urlsplit

from edgelake.errors import WrongValue
from edgelake.language import Host, ValueType, shortened

__all__ = ["Site"]

_USUAL_PORTS = {"http": 80, "https": 443}


class Site(ValueType):
    """Scheme, host and port of a site."""

    metavar = "<site>"

    def parse(self, text: str) -> str:
        """Return the site as browsers write it."""
        try:
            found = urlsplit(text.lower())
            scheme, host, port = found.scheme, found.hostname or "", found.port
            usual = _USUAL_PORTS[scheme]
            Host().parse(host)
        except (ValueError, KeyError) as exc:
            raise self._wrong(text) from exc
        shown = f"[{host}]" if ":" in host else host
        place = shown if port in (None, usual) else f"{shown}:{port}"
        written = f"{shown}:{port}" if port is not None else shown
        if text.lower() != f"{scheme}://{written}":
            raise self._wrong(text)
        return f"{scheme}://{place}"

    def describe(self) -> str:
        """Return what is accepted."""
        return "scheme, host and port of a site, for example https://wall.example:3000"

    def _wrong(self, text: str) -> WrongValue:
        return WrongValue(f"'{shortened(text)}' is no site", hint=f"write {self.describe()}")
