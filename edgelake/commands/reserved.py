"""What the dictionary of a node holds before any command runs.

Source: command reference, "Reserved dictionary entries present at start".
"""

from __future__ import annotations

import socket
from pathlib import Path

from edgelake.storage import Home

__all__ = ["reserved_entries"]

_PORT_OF_SERVER = "2048"
_PORT_OF_REST = "2148"
_BUFFER_BYTES = "2048"
_PORT_OF_POSTGRESQL = "5432"
# An address for documentation: nothing is ever sent there, the system only says by which
# of its own addresses it would.
_ELSEWHERE = ("198.51.100.1", 9)


def reserved_entries(home: Home) -> dict[str, str]:
    """Return names and values of a new node's dictionary.

    They are ordinary entries: commands may change them, and services read them as defaults.
    ``run tcp server`` sets ``ip``, ``external_ip`` and ``anylog_server_port``. Nobody is
    asked for them: until then the external address is the one of this machine.

    Parameters
    ----------
    home : Home
        Gives the paths.
    """
    ip, name = _own_ip(), socket.gethostname()
    return {
        **home.variables(),
        "ip": ip,
        "external_ip": ip,
        "dns": name,
        "external_dns": name,
        "is_vm": str(_is_virtual()).lower(),
        "anylog_server_port": _PORT_OF_SERVER,
        "anylog_rest_port": _PORT_OF_REST,
        "io_buff_size": _BUFFER_BYTES,
        "db_port": _PORT_OF_POSTGRESQL,
    }


def _own_ip() -> str:
    """Return the address by which this machine reaches others; its own loopback without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(_ELSEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(asked.getsockname()[0])


def _is_virtual() -> bool:
    """Return whether the processor says that a hypervisor runs below."""
    try:
        return "hypervisor" in Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
