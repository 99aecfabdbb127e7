"""Names that a node would know, for tests of the console without a node."""

from __future__ import annotations

from collections.abc import Mapping


class Names:
    """Fixed names."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = variables or {
            "berth": "7",
            "blockchain_dir": "/nowhere",
            "blockchain_file": "/nowhere/f",
        }

    def variables(self) -> Mapping[str, str]:
        return self._variables

    def environment(self) -> Mapping[str, str]:
        return {"HOME": "/root", "HARBOUR": "north"}

    def databases(self) -> list[str]:
        return ["blockchain", "orchard"]

    def tables(self) -> list[str]:
        return ["gate", "ledger"]

    def policy_types(self) -> list[str]:
        return ["device", "operator"]

    def addresses(self) -> Mapping[str, str]:
        return {"10.0.0.7:32048": "operator op7"}

    def service_names(self) -> list[str]:
        return ["tcp", "synchronizer"]
