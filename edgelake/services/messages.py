"""What a message becomes: rows of tables, by rules for each column or by a mapping policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from edgelake.data import ColumnType, DataName, column_type, row_text
from edgelake.errors import (
    CommandSyntaxError,
    EdgeLakeError,
    OptionNotAvailable,
    PolicyInvalid,
    WrongValue,
)
from edgelake.interfaces import Bring
from edgelake.language import bring_of_text
from edgelake.ledger import MISSING, bring, first_of

__all__ = ["Column", "Constant", "MessageMap", "Now", "Source", "map_of_policy", "source_of"]

_NOW = ("now", "now()")
_ABSENT = ("condition", "import")
_ABSENT_OF_COLUMN = ("script", "blob", "condition")


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is always the same."""

    value: Any


@dataclass(frozen=True, slots=True)
class Now:
    """The time of arrival."""


Source: TypeAlias = Bring | Constant | Now
"""Where a value comes from."""


def source_of(text: str) -> Source:
    """Return what a text such as ``bring [value]``, ``now`` or ``plant1`` stands for.

    Raises
    ------
    CommandSyntaxError
        What stands behind ``bring`` is wrong.
    """
    plain = text.strip()
    if plain in _NOW:
        return Now()
    if plain == "bring" or plain.startswith(("bring ", "bring.", "[")):
        return bring_of_text(plain)
    return Constant(plain)


@dataclass(frozen=True, slots=True)
class Column:
    """How a column gets its value.

    Attributes
    ----------
    sources : tuple of Source
        The first one that gives a value counts.
    shown : str
        As it was written.
    optional : bool
        The row is taken without it.
    default : Any
        Value if no source gives one; `MISSING` for none.
    root : bool
        Values are taken out of the message, and not out of each reading.
    """

    name: str
    type: ColumnType
    sources: tuple[Source, ...]
    shown: str
    optional: bool = False
    default: Any = MISSING
    root: bool = False

    def value(self, message: Any, reading: Any, now: datetime) -> Any:
        """Return the value, `MISSING` for none.

        Raises
        ------
        WrongValue
            It is not of the type, or missing.
        """
        found = MISSING
        for source in self.sources:
            found = _taken(source, message if self.root else reading, now)
            if found is not MISSING:
                break
        if found is MISSING:
            found = self.default
        if found is MISSING:
            if self.optional:
                return MISSING
            raise WrongValue(
                f"column '{self.name}': {self.shown} is missing", hint="add: optional = true"
            )
        if found is None:
            return None
        try:
            return self.type.convert(found)
        except WrongValue as exc:
            raise WrongValue(f"column '{self.name}': {exc.message}", hint=exc.hint) from exc


@dataclass(frozen=True, slots=True)
class MessageMap:
    """What one kind of messages becomes.

    Attributes
    ----------
    dbms, table : Source
    columns : tuple of Column
    readings : Source or None
        Where the list is that has a row in each entry; ``None``: the message is one row.
    policy : str
        Id of the policy that says so; empty for none.
    """

    dbms: Source
    table: Source
    columns: tuple[Column, ...]
    readings: Source | None = None
    policy: str = ""

    def rows(self, message: dict[str, Any]) -> Iterator[tuple[DataName, str]]:
        """Yield the rows of a message, and where they belong.

        Raises
        ------
        WrongValue
            The message lacks something, or holds what is of another type.
        """
        now = datetime.now(UTC)
        names = {}
        for key, source in (("dbms", self.dbms), ("table", self.table)):
            found = _taken(source, message, now)
            if not isinstance(found, str) or not found:
                raise WrongValue(f"the message does not say its '{key}'")
            names[key] = found
        name = DataName(**names)
        readings: list[Any] = [message]
        if self.readings is not None:
            found = _taken(self.readings, message, now)
            if not isinstance(found, list):
                raise WrongValue("the message has no list of readings")
            readings = found
        for number, reading in enumerate(readings, 1):
            try:
                yield name, self._row(message, reading, now)
            except WrongValue as exc:
                if self.readings is not None:
                    raise WrongValue(f"reading {number}: {exc.message}", hint=exc.hint) from exc
                raise

    def _row(self, message: Any, reading: Any, now: datetime) -> str:
        row: dict[str, Any] = {}
        for column in self.columns:
            if column.name in row and row[column.name] is not None:
                continue
            value = column.value(message, reading, now)
            if value is not MISSING:
                row[column.name] = value
        if not row:
            raise WrongValue("the message has a value for none of the columns")
        return row_text(row)


def map_of_policy(policy_id: str, body: Mapping[str, Any]) -> MessageMap:
    """Return what a policy of the type ``mapping`` says.

    Raises
    ------
    PolicyInvalid
        Something in it is not understood.
    OptionNotAvailable
        It wants what this version does not do.
    """
    for key in _ABSENT:
        if body.get(key):
            raise _not_available(policy_id, key)
    columns: list[Column] = []
    for name, entry in body["schema"].items():
        if name.startswith("__") and name.endswith("__"):
            continue
        for wanted in entry if isinstance(entry, list) else [entry]:
            for key in _ABSENT_OF_COLUMN:
                if wanted.get(key):
                    raise _not_available(policy_id, key)
            columns.append(_column(policy_id, name, wanted))
    readings = body.get("readings")
    try:
        return MessageMap(
            source_of(str(body["dbms"])),
            source_of(str(body["table"])),
            tuple(columns),
            _path(readings) if isinstance(readings, str) and readings else None,
            policy_id,
        )
    except CommandSyntaxError as exc:
        raise PolicyInvalid(f"policy '{policy_id}': {exc.message}", hint=exc.hint) from exc


# ------------------------------------------------------------------- parts


def _taken(source: Source, value: Any, now: datetime) -> Any:
    if isinstance(source, Now):
        return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(source, Constant):
        return source.value
    (*more, item) = source.items or ("",)
    if not more and not source.modifiers and not isinstance(item, str):
        return first_of(value, item)
    found = bring([value], source)
    return found.text if found.text else MISSING


def _path(text: str) -> Source:
    """Return the path to the readings, which may be written as the name of a key alone."""
    found = source_of(text)
    return source_of(f'bring ["{text.strip()}"]') if isinstance(found, Constant) else found


def _column(policy_id: str, name: str, wanted: Mapping[str, Any]) -> Column:
    where = f"column '{name}' of policy '{policy_id}'"
    texts = wanted.get("bring", [])
    listed = [texts] if isinstance(texts, str) else list(texts)
    default = wanted.get("default", MISSING)
    try:
        kind = column_type(wanted["type"])
        sources = [source_of(text if "[" in text else f"[{text}]") for text in map(str, listed)]
        if isinstance(default, str) and default.strip() in _NOW:
            sources.append(Now())
            default = MISSING
        if default is not MISSING and default is not None:
            kind.convert(default)
    except EdgeLakeError as exc:
        raise PolicyInvalid(f"{where}: {exc.message}", hint=exc.hint) from exc
    shown = ", ".join(map(str, listed)) or "a value"
    return Column(
        name, kind, tuple(sources), shown, default=default, root=bool(wanted.get("root", False))
    )


def _not_available(policy_id: str, key: str) -> OptionNotAvailable:
    return OptionNotAvailable(
        f"'{key}' of the mapping policy '{policy_id}' is not available in this version",
        hint="use a policy without it",
    )
