"""Lines of a ledger file: read, checked, and divided into the master's and the local ones.

A ledger file is the master's bytes, unchanged, and after them the local
lines: policies with ``"ledger": "local"`` that the master has not confirmed,
and delete markers. The division is found again from the file alone:

1. after the last blank line, if every line behind it is local and a line
   stands before it (the blank line belongs to neither part);
2. else before the unbroken run of local lines at the end.

A line that nobody can read (too long, no policy) ends no run: standing there,
it is a damaged local line, and those before it stay local.

`join` writes the blank line only where rule 2 alone would divide wrongly, so
that a file is in nearly all cases just one part after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgelake.errors import BadJson, LedgerInvalid, PolicyInvalid
from edgelake.ledger import jsontext
from edgelake.ledger.damage import Damage
from edgelake.ledger.lines import MasterLines, pieces_of, policy_of_line
from edgelake.ledger.policy import Policy

__all__ = [
    "Damage",
    "DeleteMarker",
    "LedgerImage",
    "Line",
    "join",
    "local_of",
    "same_there",
    "parse_ledger",
    "read_master",
]

_MARKER_TYPE = "deleted"


@dataclass(frozen=True, slots=True)
class DeleteMarker:
    """A policy deleted on this node.

    Attributes
    ----------
    id : str
    master : str or None
        ``ip:port`` that has to drop it; ``None`` hides it on this node alone.
    """

    id: str
    master: str | None = None

    def to_line(self) -> str:
        """Return the marker as a line of a ledger file, without line feed."""
        body = {"id": self.id, "ledger": "local"}
        if self.master is not None:
            body["master"] = self.master
        return jsontext.dump({_MARKER_TYPE: body})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: its number, its bytes with the line feed, and what it says.

    ``policy`` is ``None`` for a blank line and for one that is no policy;
    ``fault`` says why it is none.
    """

    number: int
    raw: bytes
    policy: Policy | None = None
    fault: str = ""

    @property
    def blank(self) -> bool:
        """Whether nothing is written on the line."""
        return not self.raw.strip()

    @property
    def local(self) -> bool:
        """Whether the line is a local policy or a delete marker."""
        return self.policy is not None and bool(self.policy.id) and self.policy.ledger == "local"


@dataclass(frozen=True, slots=True)
class LedgerImage:
    """What a ledger file says.

    Attributes
    ----------
    master : bytes
        The master's part, byte for byte; empty when none was received.
    policies : tuple of Policy
        Those of the master's part, in its order, ids unique.
    local : tuple of Policy
        Local policies the master's part does not have.
    deletes : tuple of DeleteMarker
    damage : tuple of Damage
        Lines that are not JSON, and local ones that are no policy; they belong
        to no part.
    quarantine : tuple of Damage
        Lines of the master's part that are JSON and no usable policy.
    plain : bool
        The master's part is the lines of ``policies`` and nothing else.
    """

    master: bytes = b""
    policies: tuple[Policy, ...] = ()
    local: tuple[Policy, ...] = ()
    deletes: tuple[DeleteMarker, ...] = ()
    damage: tuple[Damage, ...] = ()
    quarantine: tuple[Damage, ...] = ()
    plain: bool = False


def parse_ledger(data: bytes, *, strict: bool = False) -> LedgerImage:
    """Return what the bytes of a ledger file say.

    Parameters
    ----------
    data : bytes
        UTF-8, one policy a line. Blank lines are ignored.
    strict : bool
        The bytes come from a master: all of them are its part, and a line that
        is not JSON, or a last line without line feed, is a fault of the transfer.

    Raises
    ------
    LedgerInvalid
        ``strict`` only; names the line.

    Notes
    -----
    An entry that is JSON and no usable policy (no id, an id used before) is
    reported in ``quarantine`` in either case and never stops the others.
    """
    if strict:
        whole = read_master(data)
        return LedgerImage(
            data,
            tuple(whole.found.values()),
            quarantine=tuple(whole.quarantine),
            plain=whole.plain,
        )
    lines, damage = _read(data)
    split, rest = _division(lines)
    head = MasterLines()
    master = b"".join(line.raw for line in lines[:split])
    for piece in pieces_of(master):
        head.take(piece)
    local, deletes = local_of((line.policy for line in lines[rest:]), head.found)
    # Lines that no part has count in the file, and not in the part.
    numbers = [line.number for line in lines[:split]]
    quarantine = [replace(entry, line=numbers[entry.line - 1]) for entry in head.quarantine]
    damage += [
        Damage(line.number, line.fault, text=line.raw) for line in lines[rest:] if line.fault
    ]
    damage.sort(key=lambda entry: entry.line)
    return LedgerImage(
        master=master,
        policies=tuple(head.found.values()),
        local=local,
        deletes=deletes,
        damage=tuple(damage),
        quarantine=tuple(quarantine),
        plain=head.plain,
    )


def join(master: bytes, local: Iterable[str]) -> bytes:
    """Return the bytes of a file with the master's part and the local lines.

    `parse_ledger` of the result finds ``master`` again, byte for byte.
    """
    tail = "".join(line + "\n" for line in local).encode()
    plain = master + tail
    if not master or _divides_after(plain, len(master)):
        return plain
    return master + b"\n" + tail


# ------------------------------------------------------------------- parts


def _read(data: bytes) -> tuple[list[Line], list[Damage]]:
    """Return the lines that are JSON or blank, and the others."""
    lines: list[Line] = []
    damage: list[Damage] = []
    for number, raw in enumerate(_split(data), 1):
        try:
            lines.append(_parse_line(number, raw))
        except BadJson as exc:
            damage.append(Damage(number, str(exc), text=raw))
        except UnicodeDecodeError:
            damage.append(Damage(number, "the line is not UTF-8", text=raw))
        except PolicyInvalid as exc:
            lines.append(Line(number, raw, fault=str(exc)))
    return lines, damage


def _split(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    tail = lines.pop()
    whole = [line + b"\n" for line in lines]
    if tail:
        whole.append(tail)
    return whole


def _parse_line(number: int, raw: bytes) -> Line:
    return Line(number, raw, policy_of_line(raw.decode()))


def _division(lines: Sequence[Line]) -> tuple[int, int]:
    """Return where the master's part ends and where the local lines begin."""
    end = len(lines)
    run = end
    while run and (lines[run - 1].local or lines[run - 1].fault):
        run -= 1
    if run > 1 and lines[run - 1].blank:
        return run - 1, run
    return run, run


def _divides_after(data: bytes, size: int) -> bool:
    """Tell whether a file would be divided after ``size`` bytes, reading no more than needed."""
    end = len(data)
    while end:
        start = data.rfind(b"\n", 0, end - 1) + 1
        raw = data[start:end]
        try:
            line = _parse_line(0, raw)
        except (BadJson, PolicyInvalid, UnicodeDecodeError):
            end = start
            continue
        if not line.local:
            return end == size and not (line.blank and start > 0)
        end = start
    return end == size


def same_there(policy: Policy, master: Mapping[str, Policy]) -> bool:
    """Return whether the master's part has a policy, and not another one under its id."""
    found = master.get(policy.id)
    return found is not None and found.same_content(policy)


def local_of(
    policies: Iterable[Policy | None], confirmed: Mapping[str, Policy]
) -> tuple[tuple[Policy, ...], tuple[DeleteMarker, ...]]:
    """Return the local policies and deletes of a ledger's local lines.

    Parameters
    ----------
    policies : iterable of Policy or None
        What the lines say; ``None`` is passed over.
    confirmed : mapping of str to Policy
        The master's part, by id. What says the same there is not local.
    """
    found: dict[str, Policy] = {}
    deletes: dict[str, DeleteMarker] = {}
    for policy in policies:
        if policy is None:
            continue
        if policy.type == _MARKER_TYPE:
            master = policy.body.get("master")
            found.pop(policy.id, None)
            deletes[policy.id] = DeleteMarker(
                policy.id, master if isinstance(master, str) and master else None
            )
        elif not same_there(policy, confirmed):
            found.setdefault(policy.id, policy)
    return tuple(found.values()), tuple(deletes.values())


def read_master(data: bytes) -> MasterLines:
    """Return what a ledger of a master says, all of which is its part.

    Raises
    ------
    LedgerInvalid
        A line is not JSON, or the last one has no line feed; names the line.
    """
    lines = MasterLines()
    for piece in pieces_of(data):
        lines.take(piece)
    if lines.damage:
        raise LedgerInvalid(f"the ledger is not usable: {lines.damage[0]}")
    if data and not data.endswith(b"\n"):
        raise LedgerInvalid(f"the ledger is cut: line {lines.count} has no line feed")
    return lines
