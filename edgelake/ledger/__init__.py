"""Policies and the local ledger: pure logic over text and data.

What this is: the policy model (shape, id, date), the ledger file's format,
the merge of a master's ledger with local changes, conditions over policies.
What it is not: it opens no file, database or connection; the ledger's file
comes in through `edgelake.interfaces.LedgerFileAccess`.
"""

from __future__ import annotations

from edgelake.ledger.adoption import Adoption
from edgelake.ledger.bring import Brought, bring, children_of
from edgelake.ledger.compiled import matches
from edgelake.ledger.damage import Damage
from edgelake.ledger.entries import EntryLedger, ledger_of_entries
from edgelake.ledger.image import DeleteMarker, LedgerImage, join, parse_ledger
from edgelake.ledger.index import PolicyIndex
from edgelake.ledger.keys import assign_key, assign_keys, key_of
from edgelake.ledger.line_order import LedgerLines
from edgelake.ledger.metadata import metadata_of
from edgelake.ledger.paths import MISSING, first_of
from edgelake.ledger.policy import (
    Policy,
    canonical_digest,
    complete,
    literal,
    parse_policy,
    policy_id,
    policy_of,
)
from edgelake.ledger.query import (
    OPERATORS,
    AllOf,
    AnyOf,
    Attribute,
    Compare,
    Not,
    Predicate,
    Truth,
)
from edgelake.ledger.render import pretty, python_text
from edgelake.ledger.rules import check, fault_of, with_defaults
from edgelake.ledger.snapshot import EMPTY_LEDGER, Snapshot, md5_of
from edgelake.ledger.store import LocalLedger

__all__ = [
    "EMPTY_LEDGER",
    "OPERATORS",
    "Adoption",
    "AllOf",
    "AnyOf",
    "Attribute",
    "Brought",
    "Compare",
    "Damage",
    "DeleteMarker",
    "EntryLedger",
    "LedgerImage",
    "LedgerLines",
    "LocalLedger",
    "MISSING",
    "Not",
    "Policy",
    "PolicyIndex",
    "Predicate",
    "Snapshot",
    "Truth",
    "assign_key",
    "assign_keys",
    "bring",
    "canonical_digest",
    "check",
    "children_of",
    "complete",
    "fault_of",
    "first_of",
    "join",
    "key_of",
    "ledger_of_entries",
    "literal",
    "matches",
    "md5_of",
    "metadata_of",
    "parse_ledger",
    "parse_policy",
    "policy_id",
    "policy_of",
    "pretty",
    "python_text",
    "with_defaults",
]
