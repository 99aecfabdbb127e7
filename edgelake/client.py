"""A client for programs that are no node: ask a node, get its answer."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from edgelake import limits
from edgelake.errors import NoReply
from edgelake.services.jobs import Jobs, PendingJob, answer_from
from edgelake.wire import (
    Endpoint,
    FileFlag,
    Job,
    Message,
    MessageServer,
    Reply,
    encoded_command,
    error_from_peer,
    file_blocks,
    parse_endpoint,
    request_blocks,
    route_to,
    travels_as_file,
)
from edgelake.wire.sender import MessageSender

__all__ = ["Client"]


class Client:
    """Sends commands to one node and returns its answers.

    A node like this one answers on the client's connection. Others open one
    of their own, so the client listens too, on the address that leads to the
    node.

    Parameters
    ----------
    address : str
        ``ip:port`` of the node.

    Raises
    ------
    BadDestination, PeerError
        The address is wrong, or no route leads there.

    Notes
    -----
    A context manager; `request` may be called from several threads.
    """

    def __init__(self, address: str) -> None:
        self._to = parse_endpoint(address)
        self._jobs = Jobs()
        self._sender = MessageSender()
        self._server = MessageServer(
            route_to(self._to.host, self._to.port),
            0,
            handler=self._take,
            threads=1,
            dispatch_threads=1,
            sender=self._sender,
        )
        self._closing = threading.Lock()
        self._open = True
        self._sender.start()
        self._server.start()

    def request(self, command: str, *, timeout: float = limits.REPLY_TIMEOUT_S) -> str:
        """Return the text that the node answers to a command.

        Parameters
        ----------
        command : str
            One command as the node shall see it. Over 1,840 bytes only nodes
            that keep connections answer.
        timeout : float
            Seconds to wait for the answer.

        Raises
        ------
        RemoteError
            The node answered with an error; ``remote_code`` is its number.
        NoReply
            No answer came in time. Commands that are silent on success
            (``blockchain push``, ``set``), and ``blockchain get`` without a
            match, have no answer at all.
        PeerRefused, PeerTimeout, LocalProtocolError
        """
        with self._jobs.open() as job:
            blocks, large = self._blocks(command, job.header(0))
            sent = self._sender.send(
                self._to, blocks, retry_pause_s=limits.CLIENT_RETRY_PAUSE_S, asks=large
            )
            sent.add_done_callback(lambda done: _note(job, done, large))
            if not job.wait(timeout):
                raise NoReply(f"{self._to} did not answer within {timeout:g} seconds")
            failure = job.failures.get(0)
            if failure is not None:
                raise failure
            if 0 in job.excused:
                raise NoReply(
                    f"{self._to} has the command but answers none of more than "
                    f"{limits.MAX_REQUEST_CHARS} bytes"
                )
            answer = job.answers[0]
        if answer.error:
            raise error_from_peer(answer.error, answer.text)
        return answer.text

    @property
    def address(self) -> Endpoint:
        """Where answers come in."""
        return Endpoint(*self._server.address)

    def close(self) -> None:
        """Stop listening; may be called twice."""
        with self._closing:
            if not self._open:
                return
            self._open = False
        self._server.stop(1.0)
        self._sender.stop(1.0)

    def __enter__(self) -> Client:
        """Return the client."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the client."""
        self.close()

    def _blocks(self, command: str, job: Job) -> tuple[bytes, bool]:
        """Return the request as blocks, and whether it is too long for one."""
        host, port = self._server.address
        encoded = encoded_command(command)
        if not travels_as_file(encoded):
            return request_blocks(command, host, port, job), False
        name = f"cmd.{host}.{job.location}.lmsg"
        return file_blocks(name, encoded, FileFlag.COMMAND, host, port, job), True

    def _take(self, message: Message) -> Reply | None:
        answer = answer_from(message)
        if answer is not None:
            self._jobs.deliver(message.job_location, message.job_id, message.receiver_index, answer)
        return None


def _note(job: PendingJob, sent: Future[bool], large: bool) -> None:
    error = sent.exception()
    if error is not None:
        job.fail(0, error)
    elif large and not sent.result():
        job.excuse(0)
