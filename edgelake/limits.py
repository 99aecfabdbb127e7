"""Every limit of a node: a name, a value, a unit in the name, and the reason.

Source of the wire sizes: ``docs/protocol.md``, "Blocks".
"""

from __future__ import annotations

from typing import Final

# ------------------------------------------------------------ the wire

BLOCK_BYTES: Final = 2048
"""One block; all traffic consists of whole blocks."""

HEADER_BYTES: Final = 207
"""Header at the front of each block."""

BODY_BYTES: Final = BLOCK_BYTES - HEADER_BYTES
"""Room for command, authentication and data in a block: 1841."""

MAX_REQUEST_CHARS: Final = BODY_BYTES - 1
"""Longest command that existing nodes answer; a longer one travels as a file."""

MAX_SOURCE_IP_BYTES: Final = 128
"""Room for the source address in a header."""

MAX_ERROR_CODE: Final = 65_535
"""Largest number the error field carries."""

JOB_SLOTS: Final = 500
"""Slots of jobs that wait for a reply: job location 0..499."""

MAX_JOB_ID: Final = 100_000_000
"""Largest job id existing nodes use."""

# ---------------------------------------------------------- the server

DEFAULT_THREADS: Final = 6
"""I/O threads of the TCP server when ``threads`` is not given."""

MAX_THREADS: Final = 64
"""Most I/O threads of one server; more only fight for the same cores."""

BYTE_TIMEOUT_S: Final = 10.0
"""Longest silence inside a message before its connection is closed."""

MESSAGE_TIMEOUT_S: Final = 60.0
"""Longest time from the first to the last byte of a message."""

IDLE_TIMEOUT_S: Final = 300.0
"""Longest silence of a connection between two messages."""

MAX_CONNECTIONS: Final = 10_000
"""Open inbound connections; above it the longest idle one is closed."""

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Data of one message; a ledger of 200,000 policies fits."""

MAX_ASSEMBLY_BYTES: Final = 256 * 1024 * 1024
"""Memory of all unfinished messages together."""

MAX_QUEUED_MESSAGES: Final = 16_384
"""High mark of whole messages that wait for a handler; reads pause above it."""

MAX_QUEUED_BYTES: Final = 256 * 1024 * 1024
"""High mark of their bytes."""

LISTEN_BACKLOG: Final = 4096
"""Connections the kernel keeps for us between two accepts (capped by somaxconn)."""

BATCH_MESSAGES: Final = 256
"""Most messages that go up to Python with one entry."""

DISPATCH_THREADS: Final = 4
"""Python threads that run handlers; a slow handler holds one of them only."""

# ---------------------------------------------------------- the sender

CONNECT_TIMEOUT_S: Final = 6.0
"""Wait for one connection attempt."""

BLOCK_SEND_TIMEOUT_S: Final = 10.0
"""Wait for a peer to take the next bytes of a message."""

SEND_ATTEMPTS: Final = 3
"""Connection attempts of one message."""

RETRY_PAUSE_S: Final = 6.0
"""Pause between two attempts of the node's own messages and replies."""

CLIENT_RETRY_PAUSE_S: Final = 0.5
"""Pause between two attempts when a person waits at the console."""

MAX_PENDING_SENDS: Final = 16_384
"""Outbound messages that wait or travel, over all destinations."""

MAX_PENDING_SEND_BYTES: Final = 256 * 1024 * 1024
"""Their bytes."""

MAX_PENDING_LARGE_BYTES: Final = 128 * 1024 * 1024
"""Bytes that may wait when a whole ledger is added: what is small has the rest for itself."""

MAX_PENDING_PER_DESTINATION: Final = 4096
"""Outbound messages that wait for one address."""

MAX_SOCKETS_PER_DESTINATION: Final = 32
"""Outbound connections open to one address at a time."""

MAX_SENDER_SOCKETS: Final = 512
"""Outbound connections over all destinations; half of the usual descriptor limit."""

MAX_PENDING_REPLIES_PER_PEER: Final = 2048
"""Replies under way that messages from one IP address caused; further ones are dropped."""

MAX_PENDING_REPLY_BYTES_PER_PEER: Final = 32 * 1024 * 1024
"""Their bytes; one reply of any size may always go."""

MAX_PENDING_LOOKUPS: Final = 64
"""Host names that wait for the resolver."""

MAX_PENDING_REPLY_LOOKUPS: Final = 16
"""Host names that may wait when a reply to one more is wanted; peers choose those names."""

MAX_CACHED_ADDRESSES: Final = 4096
"""Texts of addresses whose meaning is remembered."""

LOOKUP_CACHE_S: Final = 60.0
"""How long a resolved host name is used."""

# ------------------------------------------------------------ sessions

SESSION_IDLE_S: Final = 240.0
"""Silence after which the node that opened a session ends it; below `IDLE_TIMEOUT_S`."""

SESSION_ACCEPT_S: Final = 5.0
"""Wait for a peer to accept the offer of a session; then it counts as an old one."""

SESSION_ASK_PAUSE_S: Final = 600.0
"""Time before an old peer is offered a session again: it may have been replaced."""

RECEIPT_TIMEOUT_S: Final = 60.0
"""Wait for the peer of a session to acknowledge the next message; it may be busy for a while."""

MAX_SESSION_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Memory of native answers that peers of sessions do not take; above it such a session ends."""

MAX_OPEN_OFFERS: Final = 128
"""Offers that wait for an answer at a time; each holds a socket."""

MAX_KNOWN_PEERS: Final = 16_384
"""Addresses whose way of talking is remembered; the longest unused is forgotten first."""

LEDGER_LEASE_S: Final = 0.5
"""Time for which the I/O threads answer polls of the ledger by a hash once looked up.

A change by this node ends it at once; one by another program is seen after it."""

MAX_ROUTES: Final = 64
"""Commands that the I/O threads of a server answer by themselves."""

# ------------------------------------------------------------- replies

REPLY_TIMEOUT_S: Final = 20.0
"""Wait for the reply to a command that always has one."""

WATCH_S: Final = 0.1
"""How often who waits looks whether its script was told to stop, or the node ends."""

SILENT_REPLY_WAIT_S: Final = 1.0
"""Wait for the reply to a command that is silent on success."""

MAX_SHOWN_DATA_CHARS: Final = 1024 * 1024
"""Longest reply that is laid out as data at the console; a longer one is shown as it came."""

MAX_DESTINATIONS: Final = 1000
"""Addresses in one ``run client``."""

MAX_NOTICES: Final = 1000
"""Messages of peers kept for a console that has not read them."""

MAX_NOTICE_CHARS: Final = 65_536
"""Longest text of one such message; the rest is cut off, and that is said."""

MAX_NOTICES_BYTES: Final = 16 * 1024 * 1024
"""Memory of all kept messages together."""

NOTICES_END_S: Final = 1.0
"""Wait for the last messages to be shown when the node ends; a stuck terminal is left alone."""

RATE_INTERVAL_S: Final = 1.0
"""Shortest time over which rates are shown; over less they are chance."""

LOG_REPEAT_S: Final = 10.0
"""Time in which the log leaves out a line it has just shown."""

MAX_LOG_LINES: Final = 50
"""Log lines shown in that time; peers must not fill a disk with them."""

# ---------------------------------------------------------------- logs

EVENT_LOG_ENTRIES: Final = 100
"""Commands that the event log keeps, and as many of peers: they cannot push out the node's own."""

ERROR_LOG_ENTRIES: Final = 20
"""Failures that the error log keeps, and as many that peers caused."""

MAX_LOG_CHARS: Final = 2000
"""Characters of a command or failure that a log keeps; the rest is cut off."""

MAX_CONCEALED_CHARS: Final = 64 * 1024
"""Text around a fault that is looked through for secrets its error might quote."""

ECHO_MESSAGES: Final = 20
"""Messages that the echo queue keeps unless told otherwise."""

MAX_ECHO_MESSAGES: Final = 1000
"""Most messages that it can be told to keep."""

MAX_ECHO_BYTES: Final = 16 * 1024 * 1024
"""Memory of its messages together; a single one is cut at `MAX_NOTICE_CHARS`."""

LOG_QUEUE_LINES: Final = 2000
"""Lines that wait to be written to the log file; what comes on top is lost and counted."""

MAX_LOG_LINE_CHARS: Final = 8 * 1024
"""One line of the log file; the rest is cut off."""

MAX_LOG_FILE_BYTES: Final = 8 * 1024 * 1024
"""Log file; the next line begins a new one."""

MAX_LOG_FILES: Final = 5
"""Log files that are kept, the present one included."""

MAX_LOG_LINES_OF_PEERS: Final = 200
"""Lines of the log file that peers cause within `LOG_REPEAT_S`; more of them are lost."""

LOG_END_S: Final = 2.0
"""How long lines that wait are written when the node closes."""

MAX_TRACED: Final = 100
"""Commands that are traced at a time."""

MAX_TRACE_CHARS: Final = 2000
"""Characters of arguments, and of an answer, that a trace shows."""

# ------------------------------------------------------------ language

MAX_COMMAND_CHARS: Final = 4 * 1024 * 1024
"""Longest command text of a person or a script; a large policy fits."""

MAX_SCRIPT_DEPTH: Final = 32
"""Scripts that call scripts."""

MAX_SCRIPT_CALLS: Final = 1000
"""``call`` commands of one script that wait for their ``return``."""

MAX_SCRIPTS: Final = 64
"""Scripts that run at a time, each call of a script by a script included."""

MAX_SLOW_COMMANDS_OF_PEERS: Final = DISPATCH_THREADS // 2
"""Commands of peers that may take long (``process``, work on files, tests of other nodes) and
run at a time: each holds one of the threads that all messages of peers need."""

MAX_WAIT_S: Final = 31_536_000
"""Longest ``wait``: a year."""

MAX_COMMAND_TOKENS: Final = 250_000
"""Words and signs of one command; they cost time and memory, a long text alone does not."""

MAX_REMOTE_COMMAND_CHARS: Final = 2 * 1024 * 1024 + 4096
"""Longest command text of a peer: twice `MAX_POLICY_BYTES`, and the words around a policy."""

MAX_REMOTE_COMMAND_TOKENS: Final = 2000
"""Words and signs of a peer's command; JSON counts as two, whatever is in it."""

MAX_REFERENCES_IN_WORD: Final = 1000
"""References such as ``!a:!b`` that one word joins."""

MAX_SHAPES: Final = 1024
"""Shapes of commands kept, a few KiB each; the next command of one need not be parsed."""

MAX_SHAPE_WORDS: Final = 64
"""Words of a command whose shape is kept; a longer one is parsed each time."""

MAX_SHAPE_CHARS: Final = 64 * 1024
"""Characters of such a command, its values included, of which nothing is kept."""

MAX_NESTING: Final = 64
"""Brackets inside brackets, and commands inside commands such as ``if``."""

MAX_KEPT_ANSWERS_BYTES: Final = 64 * 1024 * 1024
"""Texts that a script or list of commands answers with, where all are wanted at once: for a
variable, a peer, or `edgelake.Node.run`. A single answer is not cut."""

KEPT_ANSWER_BYTES: Final = 256
"""What each of these answers counts besides its text."""

MAX_EXPANDED_CHARS: Final = 8 * 1024 * 1024
"""Characters that several values make together: in a text, a word, or JSON with references."""

MAX_BRING_ITEMS: Final = 64
"""Paths and texts behind ``bring``, and columns of a table it makes: each costs a look at
every policy."""

MAX_BRING_CHARS: Final = MAX_MESSAGE_BYTES
"""Text that one ``bring`` makes: a policy may be brought many times over."""

MAX_JOINED_POLICIES: Final = 100_000
"""Results of one ``join``: each policy may meet all others."""

JOIN_TIMEOUT_S: Final = 30.0
"""Longest time of one ``join``, which may look at each policy for each of the others."""

MAX_NUMBER_CHARS: Final = 400
"""Digits that a cast such as ``!x.int`` takes for a number."""

MAX_SCRIPT_BYTES: Final = 16 * 1024 * 1024
"""Size of a script file."""

MAX_CHECK_FAULTS: Final = 1000
"""Errors and warnings of one script that `edgelake check` shows; the rest of it is not read."""

MAX_CHECK_RESTARTS: Final = 20
"""Blocks that are never closed, after each of which the check goes on with the next line."""

# --------------------------------------------------------- local tools

SYSTEM_TIMEOUT_S: Final = 5.0
"""Longest time of a ``system`` command without ``timeout``."""

MAX_SYSTEM_TIMEOUT_S: Final = 86_400
"""Largest ``timeout`` of a ``system`` command: a day; what takes longer is for ``subprocess``."""

MAX_SYSTEM_OUTPUT_BYTES: Final = 4 * 1024 * 1024
"""Output of a ``system`` command, which becomes an answer; above it the command is ended."""

MAX_SYSTEM_ERROR_BYTES: Final = 64 * 1024
"""End of its error output that is kept."""

MAX_SHELL_TEXT_BYTES: Final = 120_000
"""Text of a shell command, or one value in it; the kernel takes 128 KiB for one argument."""

MAX_EXPRESSION_CHARS: Final = 64 * 1024
"""Text of a Python expression."""

EXPRESSION_TIMEOUT_S: Final = 5.0
"""Longest time for which an expression is evaluated, the start of its process included."""

MAX_EXPRESSION_MEMORY_BYTES: Final = 256 * 1024 * 1024
"""Address space of the process that evaluates an expression; Python itself needs a tenth."""

MAX_EXPRESSION_RESULT_BYTES: Final = 1024 * 1024
"""Value of an expression as JSON."""

MAX_NODE_NAME_CHARS: Final = 64
"""Name of a node, which travels in every status."""

NETWORK_TEST_TIMEOUT_S: Final = 10.0
"""Wait of ``test network`` for the answers of all nodes."""

# -------------------------------------------------------------- ledger

MAX_POLICY_BYTES: Final = 1024 * 1024
"""One policy as text."""

MAX_LEDGER_BYTES: Final = 2 * MAX_MESSAGE_BYTES
"""Local ledger file: what a master sends in one message, and as much of local policies."""

MAX_LEDGER_INDICES: Final = 64
"""Indices over attributes of policies at one time: each is made when a query first asks for it."""

MAX_INDEXED_PATHS: Final = 16
"""Attributes in the condition of a query that is answered by indices; with more, each policy is
looked at, which is sooner done than making so many."""

MAX_LEDGER_INDEX_ENTRIES: Final = 1_000_000
"""Values in all of them together, about 100 bytes each; above it the longest unused goes, and
what would exceed it alone is looked for in each policy."""

MAX_JOURNAL_BYTES: Final = 4 * MAX_LEDGER_BYTES
"""Journal of the local ledger as it is read: its base, what followed, and the history."""

JOURNAL_COMPACT_MIN_BYTES: Final = 1024 * 1024
"""A journal is begun anew when what was appended to it exceeds this and its base."""

JOURNAL_PIECE_BYTES: Final = 1024 * 1024
"""Size of the records that hold a whole ledger; damage of one byte costs one of them."""

MAX_LEDGER_HISTORY_ENTRIES: Final = 10_000
"""Changes of the master's ledger that a follower remembers for others that follow it."""

MAX_LEDGER_HISTORY_CHARS: Final = 8 * 1024 * 1024
"""Characters of policies in these changes."""

MAX_LEDGER_RECENT_CHANGES: Final = 10_000
"""Ids of changed policies that a node remembers, so that its table need not be compared whole."""

LEDGER_FILE_DELAY_S: Final = 0.25
"""Longest time after a change before ``blockchain.json`` shows it."""

LEDGER_FILE_REST: Final = 20
"""Pause between two writings of ``blockchain.json``, in times of the processor's work for one.

Longer than the delay for ledgers of more than some 10,000 policies.
"""

MAX_DAMAGED_BYTES: Final = 16 * 1024 * 1024
"""Damaged text of a ledger that is kept aside; older text goes first."""

SYNC_BACKOFF_MAX_S: Final = 60.0
"""Longest pause between two tries while a master is down."""

SYNC_FOLLOW_UP_S: Final = 0.5
"""Pause before a follower asks again when it has just sent a change of its own."""

MAX_CHANGES_PER_CYCLE: Final = 100
"""Local policies and deletes sent to the master in one cycle; the rest waits for the next."""

MAX_LEDGER_LOG_ENTRIES: Final = 10_000
"""Changes a master remembers; who missed more gets the whole ledger."""

MAX_LEDGER_ENTRIES_PER_ANSWER: Final = 1000
"""Changes in one answer to a follower; it asks for the rest at once."""

MAX_LEDGER_ANSWER_CHARS: Final = 4 * 1024 * 1024
"""Characters of policies in one such answer."""

LEDGER_LOOK_WAIT_S: Final = 0.5
"""Wait of who only looks at a master's log for one who changes it; then it is busy."""

MAX_LEDGER_GROUP: Final = 500
"""Changes that a master stores with one commit."""

MAX_LEDGER_GROUP_CHARS: Final = 4 * 1024 * 1024
"""Characters of their policies, but at least one change."""

MAX_WAITING_LEDGER_CHANGES: Final = 10_000
"""Changes that wait for a master's database; who sends more is told to come again."""

MAX_WAITING_LEDGER_CHARS: Final = 64 * 1024 * 1024
"""Characters of their policies."""

LEDGER_WRITER_LINGER_S: Final = 1.0
"""How long the thread that stores changes waits for further ones before it ends."""

MAX_SHARED_LEDGER_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024
"""Ledger of a master: it travels as one message, and the rest is for what is said about it."""

MAX_POLICY_ID_BYTES: Final = 1000
"""Id, and type, of a policy as UTF-8; an index of PostgreSQL takes 2,700 bytes, SQLite any."""

STORED_WAIT_S: Final = 20.0
"""Wait of a command for a master's word that a change is stored: twice its wait for a busy
database, and the way."""

MAX_LEDGER_FOLLOWERS: Final = 10_000
"""Followers that are told of a change; further ones learn it when they ask."""

LEDGER_HINT_PAUSE_S: Final = 5.0
"""Time for which word of a change is not heard at once after one that proved untrue."""

LEDGER_TELL_PAUSE_S: Final = 100e-6
"""Pause after telling followers of a change, for each of them: what its question then costs."""

MAX_LEDGER_TELL_PAUSE_S: Final = 0.5
"""Longest of these pauses; changes meanwhile are told together."""

MAX_RELAYS: Final = 8
"""Relays between a follower and its master; each adds its name to every answer."""

MAX_RELAY_LOG_CHARS: Final = 16 * 1024 * 1024
"""Policies of the changes that a relay remembers, at most `MAX_LEDGER_LOG_ENTRIES` of them."""

MAX_RELAY_REASON_CHARS: Final = 500
"""What is shown of the reason why a relay gives no ledger."""

RELAY_SETTLE_S: Final = 0.5
"""Longest wait of who asks a relay for the whole ledger while it takes a change."""

RELAY_ASK_PAUSE_S: Final = 1.0
"""Least time between two questions of a relay to its master that followers ahead of it cause."""

MAX_FORWARDED: Final = 100
"""Changes of followers that a relay has sent on and whose answers it awaits; each is a job."""

MAX_FORWARDED_WAITING: Final = 1000
"""Further ones that wait for their turn; the next gets error 108 and comes again."""

MAX_FORWARDED_OF_PEER: Final = 500
"""Most of both that come from one IP address; others must not starve."""

MAX_FORWARDED_BYTES: Final = 16 * 1024 * 1024
"""Text of all of them together."""

FORWARD_WAIT_S: Final = 10.0
"""Time after which a relay gives up such a change; its follower has given up the wait too."""

FORWARD_SWEEP_S: Final = 0.5
"""How often a relay looks for such changes, as long as any are under way."""

LEDGER_NEWS_WAIT_S: Final = 1.0
"""Wait of a follower for the first answer about the log; then the master is asked as an old one."""

LEDGER_ANSWER_WAIT_S: Final = 10.0
"""Wait for each later one."""

LEDGER_SESSION_WAIT_S: Final = 0.5
"""Time in which the session by which an answer will come has to be known; else it has ended."""

MAX_MUTE_LEDGER_ANSWERS: Final = 4
"""How often in a row a master that kept a log closes without a word before it is taken for an
existing node; until then that is a failure."""

LEDGER_BUSY_PAUSE_S: Final = 0.5
"""Least pause of a follower whose master had no room for the whole ledger; at most twice that."""

MAX_AWAITED_ACKNOWLEDGEMENTS: Final = 200
"""Policies on their way to a master whose acknowledgement is awaited over several cycles."""

MAX_OUTBOX_SHOWN: Final = 1000
"""Changes that wait for a master and are listed by ``get synchronizer``; all are counted."""

RESEND_PAUSE_S: Final = 0.25
"""Shortest time between two sendings of one local policy."""

REFUSED_RETRY_S: Final = 600.0
"""Time before a policy that the master refused is sent again: what it lacked may be there."""

POSTPONED_RETRY_MAX_S: Final = 15.0
"""Longest pause before a change is sent again that the master could not take: its database was
busy, or it lacks a policy that another node is about to insert."""

LEDGER_REQUEST_TTL_S: Final = 120.0
"""How long an answer to a ledger request is taken."""

MAX_OPEN_LEDGER_REQUESTS: Final = 16
"""Unanswered ledger requests whose answers are still taken."""

SQLITE_BUSY_TIMEOUT_S: Final = 5.0
"""Wait for another process's lock on a SQLite file."""

POSTGRES_CONNECTIONS: Final = 4
"""Connections to one PostgreSQL database; a server has about a hundred for all."""

POSTGRES_CONNECT_TIMEOUT_S: Final = 5
"""Wait for a connection to a PostgreSQL server; whole seconds, which is all its library takes."""

POSTGRES_RETRY_PAUSE_S: Final = 1.0
"""Least pause before a server that refused, or fell silent, is tried again."""

POSTGRES_LOCK_TIMEOUT_S: Final = 5
"""Wait for another transaction, or for a free connection; as long as with SQLite."""

POSTGRES_STATEMENT_TIMEOUT_S: Final = 10
"""Longest time of one statement; the server ends it."""

POSTGRES_SILENCE_S: Final = 12
"""Longest silence of a server inside a statement; longer than its own limit, which tells more."""

POSTGRES_CLOSE_WAIT_S: Final = 2.0
"""What statements that run are given when their database is disconnected or the node ends."""

# ----------------------------------------------------------- platforms

PLATFORM_TIMEOUT_S: Final = 10.0
"""One request to a provider, from the connection to the last byte of its answer."""

PLATFORM_RECEIPT_TIMEOUT_S: Final = 120.0
"""Wait for the receipt of a transaction; ten blocks of the slowest chains in use."""

PLATFORM_POLL_S: Final = 2.0
"""Longest pause between two looks for a receipt."""

MAX_PLATFORM_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""One answer of a provider: a batch of the longest policies, twice as long in hexadecimal."""

MAX_PLATFORM_ERROR_CHARS: Final = 200
"""What is quoted of a provider's error."""

PLATFORM_BATCH: Final = 100
"""Calls in one request to a provider; many take no more."""

MAX_PLATFORM_POLICIES: Final = 200_000
"""Policies that are read from a contract; a provider could name any number."""

MAX_CONTRACT_POLICY_BYTES: Final = 22 * 1024
"""Text of a policy in the contract: what fits into one transaction of `MAX_TRANSACTION_GAS`."""

MAX_CONTRACT_ID_BYTES: Final = 256
"""Id of a policy in the contract."""

MAX_TRANSACTION_GAS: Final = 2**24
"""Most gas that a transaction is offered, unless ``gas_write`` says less; chains take no more."""

MAX_GAS_PRICE_GWEI: Final = 1000
"""Most that is paid for a unit of gas; a provider that lies could empty the account."""

PLATFORM_SETTLED_BLOCKS: Final = 64
"""Blocks after which no reorganisation is expected any more: two epochs of Ethereum."""

MAX_PLATFORM_WRITES: Final = 16
"""Transactions of the synchronizer that wait for their block at a time; pools hold few more."""

# --------------------------------------------------------------- files

MAX_PATH_CHARS: Final = 4096
"""Longest path of a file; the system takes no longer one."""

FILE_CHUNK_BYTES: Final = 1024 * 1024
"""What is read of a file at a time when it is copied, hashed or compressed."""

MAX_TRANSFER_BYTES: Final = MAX_MESSAGE_BYTES
"""Largest file that travels between nodes: it is one message."""

MAX_DECOMPRESSED_BYTES: Final = 1024 * 1024 * 1024
"""What one compressed file may become; a few KiB can say far more."""

MAX_LISTED_FILES: Final = 50_000
"""Names of one folder that a command lists, or that one pattern may match."""

MAX_COUNTED_FILES: Final = 1_000_000
"""Files and folders below one folder whose size is summed up."""

MAX_FOLDER_DEPTH: Final = 64
"""Folders inside folders that are looked into."""

MAX_TRANSFER_FILES: Final = 1000
"""Files that one ``file copy`` or ``file get`` with a pattern moves between nodes."""

MAX_OPEN_TRANSFERS: Final = 64
"""Requests for files of other nodes that wait at a time."""

TRANSFER_WAIT_S: Final = 60.0
"""Wait for a file that a peer was asked for; as long as one message may take."""

TRANSFER_QUIET_S: Final = 3.0
"""Silence after which no more files of a pattern are awaited from a peer that gives no count."""

# ------------------------------------------------------------ services

STOP_TIMEOUT_S: Final = 10.0
"""Deadline of an orderly stop of one service."""

# ------------------------------------------------------------- console

MAX_STYLED_CHARS: Final = 8 * 1024
"""Text at the prompt that is completed, explained and coloured; a longer one is plain."""

MAX_CHECKED_CHARS: Final = 1000
"""A value that is checked while it is typed."""

MAX_TYPED_CHARS: Final = 32 * 1024
"""Text at the prompt that comes key by key, as from a terminal that does not mark pasted text."""

MAX_PASTED_CHARS: Final = 8 * 1024
"""Pasted text that the prompt shows; a longer one is kept aside, and a mark stands for it."""

MAX_SCANNED_FILES: Final = 2000
"""Entries of a folder that completion looks at."""

MAX_OFFERED: Final = 500
"""Words that completion offers at once."""

LISTING_WAIT_S: Final = 0.2
"""How long completion waits for a folder; one on a dead file server offers nothing."""

MAX_HISTORY_BYTES: Final = 1024 * 1024
"""File of the console's history; above it the older half goes."""

MAX_HISTORY_ENTRY_CHARS: Final = 16 * 1024
"""One entry of the history; a longer text is not kept."""

MAX_DRAWN_CELLS: Final = 20_000
"""Cells of a table that the terminal gets folded to its width; a larger one is plain."""

MAX_DRAWN_CHARS: Final = 256 * 1024
"""JSON that the terminal gets coloured; a longer one is plain."""

# ---------------------------------------------------------------- REST

DEFAULT_REST_THREADS: Final = 5
"""Threads that run commands of REST callers when ``threads`` is not given."""

DEFAULT_REST_TIMEOUT_S: Final = 20.0
"""How long REST callers wait for replies of other nodes when ``timeout`` is not given."""

MAX_REST_TIMEOUT_S: Final = 86_400.0
"""Longest time that a caller may have replies of other nodes waited for."""

REST_BACKLOG: Final = 2048
"""Connections that wait to be accepted: a crowd that comes at once finds room."""

MAX_REST_CONNECTIONS: Final = 4096
"""Open connections of the REST server; above it new ones get status 503."""

MAX_REST_CONNECTIONS_OF_ADDRESS: Final = MAX_REST_CONNECTIONS // 2
"""Open connections of one address: nobody alone can keep the others out."""

MAX_REST_HANDSHAKES: Final = 2048
"""Connections of the REST server that have not agreed on keys yet; new ones above it are closed."""

MAX_REST_HANDSHAKES_OF_ADDRESS: Final = MAX_REST_HANDSHAKES // 2
"""The same of one address."""

MAX_REST_HEAD_BYTES: Final = 64 * 1024
"""Request line and header fields of a REST call: a command of the longest kind fits."""

MAX_REST_HEADERS: Final = 100
"""Header fields of a REST call."""

MAX_REST_BODY_BYTES: Final = 16 * 1024 * 1024
"""Body of a REST call."""

MAX_REST_WAITING: Final = 2048
"""Calls that wait for a thread; above it a call gets status 503 at once. Twice what one address
may have under way (`MAX_REST_CALLS_OF_ADDRESS`)."""

MAX_REST_CALLERS: Final = 200
"""Programs that ``get rest calls`` tells apart; the rest is counted together."""

MAX_REST_ERROR_CHARS: Final = 200
"""Of what failed last that `get rest calls` keeps for each caller."""

MAX_REST_VARIABLES: Final = 100
"""Variables that the body of a REST call gives a value."""

REST_REQUEST_S: Final = 20.0
"""Longest time from the first byte of a REST call, or its connection, to its last; with TLS
also that until keys are agreed on."""

REST_TAKE_S: Final = 20.0
"""Time in which a caller has to take `REST_TAKE_BYTES` of an answer that waits for it."""

REST_TAKE_BYTES: Final = 64 * 1024
"""What a caller has to take of a large answer every `REST_TAKE_S`."""

MAX_REST_UNTAKEN_BYTES: Final = 64 * 1024 * 1024
"""Answers that wait for their callers, all together, beside the newest of them."""

REST_KEEP_ALIVE_S: Final = 60
"""How long a connection is kept after an answer, in whole seconds."""

REST_FINISH_S: Final = 2
"""How long calls may run on when the REST server stops, in whole seconds."""

# ------------------------------------------------ console in the browser

SAMPLE_INTERVAL_S: Final = 2.0
"""How often the REST server notes rates and latencies for the charts of the console."""

MAX_SAMPLES: Final = 300
"""Samples that are kept: those of ten minutes."""

MAX_CONSOLE_PAGE: Final = 200
"""Policies, changes or peers in one answer to the console; 50 where it does not say how many."""

MAX_CONSOLE_BODY_BYTES: Final = 4 * 1024 * 1024
"""What the console sends with one call: a command with the largest policy fits."""

MAX_CONSOLE_ANSWER_CHARS: Final = 1024 * 1024
"""Text that the command line in the browser gets of one command; the rest is cut off."""

MAX_CONSOLE_ROWS: Final = 1000
"""Rows that the command line in the browser draws of one table; the text has all of them."""

MAX_CONSOLE_POLICY_CHARS: Final = 64 * 1024
"""Policy that a list of changes looks into for its type and name; a larger one has its id only."""

MAX_CONSOLE_PINGS: Final = 8
"""Nodes that are pinged at a time for all who look at the list of peers."""

CONSOLE_PING_S: Final = 4.0
"""How long such a ping waits for its answer."""

READY_SYNC_INTERVALS: Final = 3
"""Intervals of the synchronizer after which ``/readyz`` calls a ledger stale that none of its
cycles brought up to date."""

READY_SYNC_GRACE_S: Final = 30.0
"""What is added to them: a cycle itself takes time, and one that failed is tried again later."""

START_TIMEOUT_S: Final = 10.0
"""How long a service with a thread of its own may take to start."""

# ------------------------------------------------------- who may, by REST

DEFAULT_REST_RATE: Final = 1000
"""Calls a second of one address when ``rate`` is not given: a hundred busy dashboards."""

MAX_REST_RATE: Final = 1_000_000
"""Largest ``rate``; more than any server answers."""

REST_BURST_S: Final = 10.0
"""A silent address may call at once as often as its rate allows in this time."""

MAX_REST_CALLS_OF_ADDRESS: Final = 1024
"""Calls of one address that are under way; above it a call gets status 429."""

MAX_REST_ADDRESSES: Final = 4096
"""Addresses whose rate, or whose wrong passwords, are remembered; the longest silent goes first."""

MAX_REST_SITES: Final = 32
"""Other sites whose pages may call, and names of this node, that a REST server is told."""

MAX_USERS: Final = 1000
"""Users of a node; programs of one kind may share one."""

MAX_USER_NAME_CHARS: Final = 64
"""Name of a user; it stands in logs and tables."""

MAX_TOKENS_OF_USER: Final = 32
"""Tokens of one user: one for each program, and room to change them."""

MAX_USERS_FILE_BYTES: Final = 16 * 1024 * 1024
"""File of the users; `MAX_USERS` with all their tokens fit."""

MIN_PASSWORD_CHARS: Final = 8
"""Shortest password, as NIST SP 800-63B asks for."""

MAX_PASSWORD_BYTES: Final = 1024
"""Longest password in UTF-8."""

TOKEN_BYTES: Final = 32
"""Random bytes of a token: 256 bits cannot be guessed, so a plain hash of it may be stored."""

TOKEN_SHOWN_CHARS: Final = 8
"""Digits of a token by which lists and commands name it; 224 bits stay unknown."""

SCRYPT_N: Final = 2**14
"""Cost of a hash of a password in memory: with `SCRYPT_R` 16 MiB, which a small gateway has."""

SCRYPT_R: Final = 8
"""Block size of scrypt, as its authors chose it."""

SCRYPT_P: Final = 5
"""Passes of scrypt: as much work with 16 MiB as OWASP asks for at the least."""

MAX_SCRYPT_BYTES: Final = 64 * 1024 * 1024
"""Memory of one check of a password, whatever the file of the users says."""

MAX_SCRYPT_P: Final = 64
"""Passes of one check of a password, whatever the file of the users says."""

PASSWORD_THREADS: Final = 2
"""Passwords that are checked at a time; each takes a core for some 100 ms."""

MAX_PASSWORDS_WAITING: Final = 32
"""Passwords that wait to be checked; above it a call gets status 503 at once."""

MAX_PASSWORDS_OF_ADDRESS: Final = 4
"""Different passwords of one address that are checked or wait; above it a call gets 429."""

VERIFIED_S: Final = 60.0
"""How long a password that was right is known to be right: most calls cost no check."""

MAX_VERIFIED: Final = 1000
"""Passwords that are known to be right at a time."""

LOGIN_WINDOW_S: Final = 60.0
"""Time in which an address, or a user, gets back all its wrong passwords."""

LOGIN_FAILURES_OF_ADDRESS: Final = 10
"""Wrong passwords and tokens of one address in that time; above it attempts get status 429."""

LOGIN_FAILURES_OF_USER: Final = 50
"""Wrong passwords for one user in that time; above it, addresses that failed get status 429."""

# ---------------------------------------------------------------- data

MAX_DATA_NAME_CHARS: Final = 63
"""Name of a database or table that rows are for: what PostgreSQL takes."""

MAX_DATA_TAG_CHARS: Final = 32
"""Source and instructions of a data file; with names and hash its name fits in 255 bytes."""

MAX_ROWS: Final = 250_000
"""Rows in one call: bounds the time that it holds a thread."""

MAX_ROW_BYTES: Final = 1024 * 1024
"""One row."""

MAX_ROW_COLUMNS: Final = 1600
"""Columns of a row: what PostgreSQL takes."""

MAX_COLUMN_NAME_CHARS: Final = 255
"""Name of a column."""

MAX_WAITING_DATA_BYTES: Final = 1024 * 1024 * 1024
"""Data that waits in the watch folder and in buffers, unless set: callers cannot fill the disk."""

MAX_WAITING_DATA_FILES: Final = 100_000
"""Files that wait in the watch folder: a file costs an inode and time, however small it is."""

WATCH_FOLDER_LOOK_S: Final = 1.0
"""How long the size of the watch folder is taken for what it was, but for files put there."""

MAX_ROW_BUFFERS: Final = 256
"""Buffers of rows at a time; for one more, the oldest becomes a file."""

ROW_BUFFER_S: Final = 60.0
"""Age at which a buffer of rows becomes a file, as on existing nodes."""

ROW_BUFFER_BYTES: Final = 10_000
"""Size at which a buffer of rows becomes a file, as on existing nodes."""

ROW_BUFFER_LOOK_S: Final = 1.0
"""How often the age of buffers is looked at."""

MAX_DATA_TABLES: Final = 10_000
"""Tables that ``get streaming`` tells apart; the rest is counted together."""

MAX_MSG_CLIENTS: Final = 200
"""Clients of messages."""

MAX_MSG_TOPICS: Final = 100
"""Topics of one client of messages."""
