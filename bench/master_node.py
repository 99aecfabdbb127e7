"""Child process: a master with policies in its SQLite table, or the floor of one.

``python -m bench.master_node --home DIR --policies N`` is a whole node that
answers polls. ``--floor BYTES`` is a plain Python loop instead, which reads a
block from each connection and, when the block asks for the ledger, sends so
many bytes to where the answer belongs. See `bench.child` for how it is asked.
"""

from __future__ import annotations

import argparse
import socket
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

from bench.child import answer_questions
from bench.policies import policy_id, policy_line

if TYPE_CHECKING:
    from edgelake import Node

_BLOCK_BYTES = 2048
_SOURCE_PORT = slice(201, 205)
_ASKS = b" 0 0"
_SHARED = "policy_type, company_name, date, host, status"


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="bench.master_node", description=__doc__)
    parser.add_argument("--home", help="folder of the node's files")
    parser.add_argument("--policies", type=int, default=0, help="how many, at least 1")
    parser.add_argument("--floor", type=int, metavar="BYTES", help="be the floor")
    options = parser.parse_args()
    if options.floor is None:
        _serve_node(options.home, options.policies)
    else:
        _serve_floor(options.floor)


# ------------------------------------------------------------------ the node


def _serve_node(home: str, policies: int) -> None:
    from edgelake import Node

    with Node(home) as node:
        node.run("connect dbms blockchain where type = sqlite")
        node.run("create table ledger where dbms = blockchain")
        _fill(node, policies)
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        )
        address = node.run("get connections").data["TCP"]["bind"]
        ready = {
            "port": int(address.rpartition(":")[2]),
            "hash": node.run("event get_blockchain ledger 0 0").data["hash"],
        }
        answer_questions(ready, lambda _question: _figures(node))


def _figures(node: Node) -> dict[str, Any]:
    server = node.services()["tcp"].data["server"]
    # What is answered below Python, where the server can do that, is counted apart.
    return {"handled": server["handled"] + server.get("native", 0)}


def _fill(node: Node, policies: int) -> None:
    """Store the first policy by command; the others are its row with another id.

    Each command is a transaction of its own, and 10,000 of them take as long
    as all that is measured here.
    """
    node.run(f"blockchain push {policy_line(0)}")
    path = node.home.databases_dir / "blockchain.dbms"
    rows = [(policy_id(number), policy_line(number)) for number in range(1, policies)]
    table = sqlite3.connect(path)
    with table:
        table.executemany(
            f"INSERT INTO ledger ({_SHARED}, policy_id, policy)"
            f" SELECT {_SHARED}, ?, ? FROM ledger WHERE policy_id = '{policy_id(0)}'",
            rows,
        )
    table.close()


# ----------------------------------------------------------------- the floor


def _serve_floor(size: int) -> None:
    handled = [0]
    answer = bytes(size)

    def serve() -> None:
        while True:
            peer, _ = listener.accept()
            with peer:
                block = peer.recv(_BLOCK_BYTES, socket.MSG_WAITALL)
            if _ASKS in block:
                port = int.from_bytes(block[_SOURCE_PORT], "big")
                with socket.create_connection(("127.0.0.1", port)) as back:
                    back.sendall(answer)
            handled[0] += 1

    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        threading.Thread(target=serve, daemon=True).start()
        answer_questions(
            {"port": listener.getsockname()[1]}, lambda _question: {"handled": handled[0]}
        )


if __name__ == "__main__":
    main()
