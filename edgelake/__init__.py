"""edgelake: a fast, safe, open node for the EdgeLake edge-data network.

`Node` runs a whole node inside a program, `Client` asks nodes without being
one, `MessageServer` is the native server alone. Errors are in
`edgelake.errors`.
"""

from __future__ import annotations

# This runs before the program catches signals: the import of typing would take its time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgelake.client import Client
    from edgelake.interfaces import Result
    from edgelake.node import Node
    from edgelake.wire import Message, MessageServer, Reply

__version__ = "0.1.0"

__all__ = ["Client", "Message", "MessageServer", "Node", "Reply", "Result", "__version__"]

_HOMES = {
    "Client": "edgelake.client",
    "Message": "edgelake.wire",
    "MessageServer": "edgelake.wire",
    "Node": "edgelake.node",
    "Reply": "edgelake.wire",
    "Result": "edgelake.interfaces",
}


def __getattr__(name: str) -> Any:
    """Load a public class when it is first used: the command line starts faster."""
    if name not in _HOMES:
        raise AttributeError(f"module 'edgelake' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
