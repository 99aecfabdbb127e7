"""What a message of a peer means: an answer, a notice, a file, or a command.

Source: ``docs/protocol.md``, "Messages" and "Replies"; what a peer may do is
in ``docs/security.md``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

from edgelake.commands.context import NodeParts, Origin
from edgelake.commands.interpreter import Interpreter
from edgelake.commands.kept import Kept
from edgelake.commands.peer_files import take_file
from edgelake.errors import EdgeLakeError, NotPermitted, RemoteProtocolError, UnknownCommand
from edgelake.interfaces import Notice, Result
from edgelake.language import from_wire, redacted
from edgelake.services.jobs import Answer, answer_from
from edgelake.services.logs import Logs
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService
from edgelake.services.traces import Traces
from edgelake.wire import (
    Endpoint,
    FileFlag,
    InfoType,
    Message,
    Reply,
    TextFlag,
    command_text,
    data_text,
    reply_destination,
    short_text,
    wire_code,
)

__all__ = ["PeerMessages"]

# What may be an answer or a file; all else is a command.
_NO_COMMANDS = ("print", "echo", "job", "file")

_log = logging.getLogger(__name__)

_STANDING = ("get status", "get status where format = json")
_ANYBODY = Origin(Endpoint("127.0.0.1", 1), "127.0.0.1")


class PeerMessages:
    """Takes every message of a node's TCP server and returns the answer. Thread-safe.

    Parameters
    ----------
    node : NodeParts
    interpreter : Interpreter
    """

    def __init__(self, node: NodeParts, interpreter: Interpreter) -> None:
        self._node = node
        self._interpreter = interpreter

    def __call__(self, message: Message) -> Reply | Future[Reply | None] | None:
        """Act on one message and return its reply, if it has one, or the future that gives it.

        Raises
        ------
        RemoteProtocolError
            Its text is not UTF-8; the error log has it.
        """
        try:
            return self._act(message)
        except RemoteProtocolError as exc:
            self._node.logs.trouble("tcp", exc, message.peer_ip)
            raise

    def _act(self, message: Message) -> Reply | Future[Reply | None] | None:
        command = command_text(message)
        if command.startswith(_NO_COMMANDS):
            answer = answer_from(message)
            if answer is not None:
                self._answer(message, answer)
                return None
            if command.replace("\t", " ").split(" ", 2)[:2] == ["file", "write"]:
                return self._file(message, command.partition("write")[2].strip())
        return self._command(message, command)

    def standing_replies(self) -> Iterator[tuple[str, Reply]]:
        """Yield the commands whose answer stays the same while the node listens, and the answers.

        Every level of permission allows them, so that I/O threads may answer by themselves.
        """
        # With logs of its own: nobody sent these.
        unlogged = replace(self._node, logs=Logs(), traces=Traces())
        messages = PeerMessages(unlogged, Interpreter(self._interpreter.registry, unlogged))
        for command in _STANDING:
            reply = messages._command_from(_ANYBODY, command)
            if isinstance(reply, Reply):
                yield command, reply
        yield (
            "event metadata_ping",
            Reply("event metadata_pong", flag=TextFlag.NONE, info_type=InfoType.REQUEST),
        )

    def answer_natively(self, service: TcpService) -> None:
        """Let the I/O threads give the standing replies, as they are now."""
        for command, reply in self.standing_replies():
            service.route(command, reply)

    # ------------------------------------------------------------- answers

    def _answer(self, message: Message, answer: Answer) -> None:
        """Hand a text to the job that waits for it; what nobody waits for, to the console."""
        if message.job_id == 0 or message.info_type == InfoType.REQUEST:
            if not self._node.echoes.add(answer.text, answer.source):
                self._node.notices.post(Notice(answer.text, answer.source, answer.error))
            return
        self._node.jobs.deliver(
            message.job_location, message.job_id, message.receiver_index, answer
        )

    # --------------------------------------------------------------- files

    def _file(self, message: Message, name: str) -> Reply | Future[Reply | None] | None:
        """Take a file that was asked for or may be sent, or run a command too long for a block."""
        name = name.replace("\t", " ")
        if message.generic_flag == FileFlag.COMMAND:
            return self._command(message, data_text(message))
        if message.generic_flag == FileFlag.LEDGER:
            sync = self._node.services.find(Synchronizer)
            if sync is not None and sync.source.take(name, message.data):
                return None
        if message.generic_flag == FileFlag.PATH and self._node.transfers.take(name, message.data):
            return None
        try:
            stored = take_file(self._node, name, message.generic_flag, message.data)
        except EdgeLakeError as exc:
            _log.warning("file from %s refused: %r: %s", message.peer_ip, name, exc)
            self._node.logs.trouble("tcp", exc, message.peer_ip)
            return _file_failed("write", exc)
        # Nodes of this kind ask whether it arrived; others expect silence.
        return Reply.ok(stored) if message.job_id else None

    # ------------------------------------------------------------ commands

    def _command(self, message: Message, text: str) -> Reply | Future[Reply | None] | None:
        origin = Origin(reply_destination(message), message.peer_ip, message.session)
        return self._command_from(origin, text)

    def _command_from(self, origin: Origin, text: str) -> Reply | Future[Reply | None] | None:
        """Run a command, if the sender may, and return what it answers, or will answer."""
        answers = Kept()
        try:
            self._interpreter.execute_remote(from_wire(text), origin, answers.take, defers=True)
        except UnknownCommand as exc:
            return self._unknown(text, exc)
        except EdgeLakeError as exc:
            if isinstance(exc, NotPermitted) and _is_event(text):
                return None  # scripts that run at events here are named alike
            return _refusal(text, exc)
        for answer in answers:
            if answer.later is not None:
                return _later(text, answer.later)
        return _spoken(answers)

    def _unknown(self, text: str, error: UnknownCommand) -> Reply | None:
        """Return the answer to a command nobody declared; events of others mean nothing here."""
        shown = text.replace("\t", " ").strip()
        first = shown.partition(" ")[0]
        if _is_event(text):
            return None
        if first in self._interpreter.registry.first_words():
            return Reply.failed(2, f"{short_text(2)}: {error}")
        shown = redacted(shown, self._interpreter.registry)
        return Reply(f"echo Command '{shown}' not recoginzed", error=1, flag=TextFlag.NONE)


def _spoken(answers: Sequence[Result]) -> Reply | None:
    """Return the reply that answers make, if they say anything."""
    spoken = [answer for answer in answers if answer.text]
    if not spoken:
        return None
    if len(spoken) == 1 and spoken[0].json:
        return Reply.ok(_compact(spoken[0]), json=True)
    if len(spoken) == 1 and spoken[0].body:
        return Reply.ok(spoken[0].text, body=spoken[0].body)
    return Reply.ok("\r\n".join(answer.text for answer in spoken))


def _later(text: str, done: Future[Result]) -> Future[Reply | None]:
    """Return what gives the reply to a command when it has ended."""
    reply: Future[Reply | None] = Future()

    def end(found: Future[Result]) -> None:
        try:
            reply.set_result(_spoken([found.result()]))
        except EdgeLakeError as exc:
            reply.set_result(_refusal(text, exc))
        except Exception as exc:
            reply.set_exception(exc)

    done.add_done_callback(end)
    return reply


def _is_event(text: str) -> bool:
    """Return whether a message tells of an event; one that means nothing here has no answer."""
    return text.replace("\t", " ").split(" ", 1)[0] == "event"


def _refusal(text: str, error: EdgeLakeError) -> Reply:
    code = wire_code(error)
    words = text.replace("\t", " ").split(" ", 2)
    if words[0] == "blockchain" and len(words) > 1:
        return Reply(
            f"echo Blockchain message '{words[1]}' failed",
            f" {error}",
            error=code,
            flag=TextFlag.NONE,
            info_type=InfoType.STRUCTURE,
        )
    if words[0] == "file" and len(words) > 1:
        return _file_failed(words[1], error)
    return Reply.failed(code, f"{short_text(code)}: {error}")


def _file_failed(word: str, error: EdgeLakeError) -> Reply:
    return Reply(
        f"echo 'File {word}' operation failed: <{error}>",
        error=wire_code(error),
        flag=TextFlag.NONE,
    )


def _compact(answer: Result) -> str:
    return json.dumps(answer.data, ensure_ascii=False)
