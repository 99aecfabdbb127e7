"""Child process: a node whose REST server is measured. See `bench.child` for how it is asked."""

from __future__ import annotations

import argparse

from bench.child import answer_questions
from bench.policies import policy_line
from edgelake import Node

USER, PASSWORD = "bench", "correct horse battery"


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="bench.rest.rest_node", description=__doc__)
    parser.add_argument("--home", required=True, help="folder of the node's files")
    parser.add_argument("--policies", type=int, required=True, help="how many the ledger holds")
    options = parser.parse_args()
    with Node(options.home) as node:
        file = node.home.root / "policies.json"
        file.write_text("".join(f"{policy_line(n)}\n" for n in range(options.policies)))
        node.run(f"blockchain update file {file}")
        node.run("set remote permission = admin")
        node.run("set rest anonymous = admin")
        node.run(f'set user where name = {USER} and password = "{PASSWORD}" and level = admin')
        token = node.run(f"set user token where name = {USER}").data["token"]
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        )
        address = node.run(
            "run rest server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
            " and rate = 0"
        ).data["bind"]
        ready = {"port": int(address.rpartition(":")[2]), "token": token}
        answer_questions(ready, lambda _question: {})


if __name__ == "__main__":
    main()
