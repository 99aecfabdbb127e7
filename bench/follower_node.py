"""Child process: a node that follows a master, and tells when it has what.

``python -m bench.follower_node --home DIR``; it is asked

* ``follow PORT POLICIES``: begin, and answer when so many policies are here;
* ``await ID``: answer when the policy with this id is here.

Times are of the clock `time.perf_counter`, which all processes of a machine share.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from bench.child import DEADLINE_S, answer_questions, forget_peak, memory, peak_bytes
from edgelake import Node

_LOOK_S = 0.0005
_SYNC = (
    "run blockchain sync where source = master and time = 1 hour and dest = file"
    " and connection = 127.0.0.1:{port}"
)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="bench.follower_node", description=__doc__)
    parser.add_argument("--home", required=True, help="folder of the node's files")
    options = parser.parse_args()
    with Node(options.home) as node:
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        )
        address = node.run("get connections").data["TCP"]["bind"]
        ready = {
            "port": int(address.rpartition(":")[2]),
            "ledger": str(node.home.ledger_file),
        }
        answer_questions(ready, lambda question: _answer(node, question.split()))


def _answer(node: Node, words: list[str]) -> dict[str, Any]:
    if words[0] == "follow":
        return _follow(node, int(words[1]), int(words[2]))
    _wait(node, words[1])
    return {"at_s": time.perf_counter()}


def _follow(node: Node, port: int, policies: int) -> dict[str, Any]:
    idle = memory(os.getpid()).resident_bytes
    forget_peak(os.getpid())
    begin = time.perf_counter()
    node.run(_SYNC.format(port=port))
    end = time.monotonic() + DEADLINE_S
    while (status := node.run("get synchronizer").data)["loads"] == 0:
        if time.monotonic() > end:
            raise RuntimeError(f"no ledger in {DEADLINE_S:g} s: {status['last_error']}")
        time.sleep(_LOOK_S)
    seconds = time.perf_counter() - begin
    # Durable it is already; the file of policies is written after it, and costs memory too.
    while not node.home.ledger_file.exists():
        if time.monotonic() > end:
            raise RuntimeError(f"no file of policies in {DEADLINE_S:g} s")
        time.sleep(_LOOK_S)
    peak = peak_bytes(os.getpid())
    # A query of every policy makes an object of each: that is its cost, not that of the ledger.
    found = node.run("blockchain get * bring.count").text
    if int(found) != policies:
        raise RuntimeError(f"{found} policies came, not {policies}")
    return {
        "seconds": seconds,
        "idle_bytes": idle,
        "peak_bytes": peak,
        "queried_bytes": peak_bytes(os.getpid()),
    }


def _wait(node: Node, policy_id: str) -> None:
    end = time.monotonic() + DEADLINE_S
    command = f"blockchain get * where id = {policy_id}"
    while not node.run(command).data:
        if time.monotonic() > end:
            raise RuntimeError(f"policy {policy_id} did not come in {DEADLINE_S:g} s")
        time.sleep(_LOOK_S)


if __name__ == "__main__":
    main()
