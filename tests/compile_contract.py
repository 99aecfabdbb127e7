"""Compiles the contract of the platforms: ``python -m tests.compile_contract`` writes its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "edgelake" / "platforms"
SOURCE = FOLDER / "contract.vy"
COMPILED = FOLDER / "contract.json"


def compiled() -> dict[str, Any]:
    """Return interface and byte code, made by the installed compiler."""
    import vyper

    made = vyper.compile_code(SOURCE.read_text(), output_formats=["abi", "bytecode"])
    return {
        "compiler": f"vyper {vyper.__version__}",
        "abi": made["abi"],
        "bytecode": made["bytecode"],
    }


if __name__ == "__main__":
    COMPILED.write_text(json.dumps(compiled(), indent=1) + "\n")
