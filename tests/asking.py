"""Messages of one node to another whose answers come later, as those of a synchronizer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from edgelake import Node
from edgelake.services.jobs import Answer, PendingJob
from edgelake.wire import Endpoint

from .waiting import eventually

__all__ = ["Asker", "device"]


def device(policy_id: str, **more: object) -> str:
    """Return a policy as text."""
    return json.dumps({"device": {"name": policy_id, "id": policy_id, "date": "2026", **more}})


@dataclass
class Asker:
    """A node that sends commands to another one without waiting.

    Parameters
    ----------
    node : Node
        With a TCP server.
    address : str
        ``ip:port`` of the other one.
    """

    node: Node
    address: str
    jobs: list[PendingJob] = field(default_factory=list)

    def send(self, command: str) -> PendingJob:
        """Send a command; its answer comes to the job."""
        parts = self.node._parts
        host, _, port = self.address.rpartition(":")
        job = parts.jobs.open()
        self.jobs.append(job)
        parts.tcp().request(Endpoint(host, int(port)), command, job.header(0), asks=True)
        return job

    def ask(self, command: str) -> Answer:
        """Send a command and return its answer."""
        return self.answer(self.send(command))

    def answer(self, job: PendingJob) -> Answer:
        """Return the answer of a job when it is there."""
        eventually(lambda: 0 in job.answers, "an answer")
        return job.answers[0]

    def close(self) -> None:
        """Await nothing any more."""
        for job in self.jobs:
            self.node._parts.jobs.close(job)
