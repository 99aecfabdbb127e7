from collections.abc import Sequence
from typing import Final

BLOCK_BYTES: Final = 2048
HEADER_BYTES: Final = 207
BODY_BYTES: Final = 1841

class Block:
    """One decoded block; every header field and the three body segments."""

    block_hash: bytes  # 16 bytes
    socket_id: int
    socket_time_id: bytes  # 8 bytes
    sender_thread: int
    block_counter: int
    data_structure: int
    last_flag: int
    info_type: int
    error: int
    command_length: int
    authentication_length: int
    data_length: int
    segment_count: int
    reply_flag: int
    job_location: int
    job_id: int
    receivers: int
    receiver_index: int
    partitions_used: int
    partition_index: int
    database_time: int
    send_time: int
    source_ip_length: int
    source_ip: bytes
    source_port: int
    generic_flag: int
    command: bytes
    authentication: bytes
    data: bytes
    def segments(self) -> list[tuple[int, bytes]]: ...

class Message:
    """One whole received message: fields of its first block, joined data."""

    info_type: int
    error: int  # of the last block
    data_structure: int
    generic_flag: int
    job_location: int
    job_id: int
    receivers: int
    receiver_index: int
    partitions_used: int
    partition_index: int
    database_time: int  # of the last block
    send_time: int
    source_ip: bytes  # as in the header
    source_port: int
    peer_ip: str  # of the socket
    peer_port: int
    session: int  # by which it came, 0 for none
    blocks: int
    command: bytes
    authentication: bytes
    data: bytes
    def segments(self) -> list[tuple[int, bytes]]: ...

def decode_block(block: bytes | bytearray | memoryview) -> Block: ...
def encode_block(block: Block) -> bytes: ...
def encode_message(
    command: bytes,
    data: bytes = b"",
    *,
    text: bool = True,
    closing_block: bool = False,
    authentication: bytes = b"",
    info_type: int = 0,
    data_structure: int = 0,
    error: int = 0,
    generic_flag: int = 0,
    job_location: int = 0,
    job_id: int = 0,
    receivers: int = 1,
    receiver_index: int = 0,
    partitions_used: int = 1,
    partition_index: int = 0,
    source_ip: bytes = b"",
    source_port: int = 0,
) -> bytes: ...
def encode_reply(
    message: Message,
    command: bytes,
    data: bytes,
    *,
    info_type: int,
    error: int,
    generic_flag: int,
    source_ip: bytes,
    source_port: int,
) -> bytes: ...
def encode_rows(
    command: bytes,
    rows: Sequence[bytes],
    *,
    error: int = 0,
    job_location: int = 0,
    job_id: int = 0,
    receivers: int = 1,
    receiver_index: int = 0,
    partitions_used: int = 1,
    partition_index: int = 0,
    database_time: int = 0,
    send_time: int = 0,
    source_ip: bytes = b"",
    source_port: int = 0,
) -> bytes: ...

class Assembler:
    """Joins the blocks of one connection into messages, without a socket."""

    def __init__(self, max_message_bytes: int = ...) -> None: ...
    def feed(self, data: bytes | bytearray | memoryview) -> list[Message]: ...
    def finish(self) -> None: ...

def latency_bucket(nanoseconds: int) -> int: ...

class Server:
    """Listening socket, I/O threads and the bounded queue of whole messages."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        threads: int = ...,
        backlog: int = ...,
        byte_timeout_s: float = ...,
        message_timeout_s: float = ...,
        idle_timeout_s: float = ...,
        max_connections: int = ...,
        max_message_bytes: int = ...,
        max_assembly_bytes: int = ...,
        max_queued_messages: int = ...,
        max_queued_bytes: int = ...,
        sessions: bool = ...,
        session_idle_s: float = ...,
        block_timeout_s: float = ...,
        receipt_timeout_s: float = ...,
    ) -> None: ...
    def start(self) -> None: ...
    def set_route(self, command: bytes, near: bytes, far: bytes) -> None: ...
    def remove_route(self, command: bytes) -> None: ...
    def set_places(self, places: Sequence[tuple[str, int]]) -> None: ...
    def set_ledger_hash(self, digits: bytes, lease_s: float) -> None: ...
    def note_handled(self, message: Message, times: int = 1) -> None: ...
    def latencies(self) -> dict[str, bytes]: ...
    def bounds(self) -> dict[str, int | float]: ...
    @property
    def address(self) -> tuple[str, int]: ...
    @property
    def running(self) -> bool: ...
    def receive(
        self, max_messages: int, timeout_s: float | None = None
    ) -> list[Message] | None: ...
    def stop(self, timeout_s: float) -> bool: ...
    def close(self) -> None: ...
    def statistics(self) -> dict[str, int]: ...
    def threads(self) -> list[dict[str, int]]: ...

class Sender:
    """One thread that connects, writes and closes for any number of messages."""

    def __init__(
        self,
        *,
        connect_timeout_s: float = ...,
        block_timeout_s: float = ...,
        max_pending: int = ...,
        max_pending_bytes: int = ...,
        max_pending_per_destination: int = ...,
        max_sockets_per_destination: int = ...,
    ) -> None: ...
    def attach(self, server: Server) -> None: ...
    def start(self) -> None: ...
    def send(
        self,
        ip: str,
        port: int,
        blocks: bytes,
        *,
        ticket: int = 0,
        attempts: int = ...,
        retry_pause_s: float = ...,
        session: int = 0,
        cause: str = "",
        asks: bool = False,
    ) -> None: ...
    def answer(self, message: Message, blocks: bytes) -> bool: ...
    def require_room(self, cause: str, size_bytes: int) -> None: ...
    def session_to(self, ip: str, port: int) -> int: ...
    def completions(
        self, max_count: int, timeout_s: float | None = None
    ) -> list[tuple[int, int, bool]] | None: ...
    def stop(self, timeout_s: float) -> bool: ...
    def close(self) -> None: ...
    def statistics(self) -> dict[str, int]: ...
