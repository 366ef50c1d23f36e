"""The fault server: a Twake on loopback that fails at exact bytes and remembers what it stored."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Protocol, Self

from .catalogue import FAULTS
from .connection import Connection
from .ports import hold_port

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterable

    from .fault import Fault
    from .request import Request

_KEPT = 1_000
_FRONT_IDS_KEPT = 200_000


class Script(Protocol):
    """Chooses the fault of each connection and each request; None for no fault."""

    def for_connection(self) -> Fault | None: ...

    def for_request(self) -> Fault | None: ...


class RandomScript:
    """Picks a fault with probability `rate`, the same ones for the same seed and order.

    Connections and requests use two generators, so that the number of connections does not change
    the faults of the requests. Each name has the same probability as any other of its kind.
    """

    def __init__(self, seed: int, faults: Iterable[str], rate: float = 0.3) -> None:
        chosen = [FAULTS[name] for name in faults]
        self.rate = rate
        self._at_accept = [fault for fault in chosen if fault.stage == "accept"]
        self._at_request = [fault for fault in chosen if fault.stage != "accept"]
        self._connections = random.Random(f"{seed} connections")
        self._requests = random.Random(f"{seed} requests")

    def for_connection(self) -> Fault | None:
        return self._pick(self._connections, self._at_accept)

    def for_request(self) -> Fault | None:
        return self._pick(self._requests, self._at_request)

    def _pick(self, source: random.Random, faults: list[Fault]) -> Fault | None:
        if not faults or source.random() >= self.rate:
            return None
        return source.choice(faults)


class FaultServer:
    """Listens on 127.0.0.1 between `async with`; does what its queue, and then its script, says.

    `accepted` counts connections (behind TLS: completed handshakes), `begun` requests of which a
    byte was read, `received` requests read to the end; `questions`, the requests of a check, count
    apart: they meet only faults that act before a request is read. `stored` counts the copies of each
    front_id in the channel, `edits` and `removed` count by message id, `shown` the ephemerals. `dropped`
    counts the bytes that came while a fault took no notice of them. `spared` are the kinds of
    requests that meet no fault once they are read. `token_life` is the number of requests for
    which an access token of the Node API is good; 0 for all.
    """

    def __init__(
        self, script: Script | None = None, *, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self.script = script
        self.stored: Counter[str] = Counter()
        self.edits: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()
        self.shown: Counter[str] = Counter()
        self.accepted = self.begun = self.received = self.questions = self.dropped = 0
        self.requests: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self.heads: deque[bytes] = deque(maxlen=_KEPT)
        self.front_ids: Counter[str] = Counter()
        self.acted: Counter[str] = Counter()
        self.history: dict[str, list[str]] = {}
        self.connections: set[Connection] = set()
        self.failures: list[Exception] = []
        self.front_of: dict[str, str] = {}
        self.rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.tokens: list[str] = []
        self.token_life = self.token_uses = 0
        self.spared: frozenset[str] = frozenset()
        self.buffer = memoryview(bytearray(1 << 16))
        self._ssl = ssl_context
        self._for_connections: deque[Fault] = deque()
        self._for_requests: deque[Fault | None] = deque()
        self._empty = asyncio.Event()
        self._empty.set()
        self.port = 0
        self._held: socket.socket | None = None
        """Keeps the port taken, also while nobody listens on it."""
        self._behaves = False

    async def __aenter__(self) -> Self:
        await self.open_port()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close_port()
        if self._held is not None:
            self._held.close()
        await self.quiet()
        if self.failures:
            raise self.failures[0]

    async def open_port(self) -> None:
        """Listen; the second time on the same port."""
        if self._held is None:
            self._held = hold_port()
            self.port = self._held.getsockname()[1]
        timeouts = {"ssl_handshake_timeout": 5.0, "ssl_shutdown_timeout": 0.2} if self._ssl else {}
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self),
            "127.0.0.1",
            self.port,
            ssl=self._ssl,
            backlog=2048,
            **timeouts,
        )

    async def close_port(self) -> None:
        """Stop listening, and abort all connections; the port stays taken until the server ends."""
        self._server.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"{'https' if self._ssl else 'http'}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self.connections)

    def do_next(self, *faults: Fault | str) -> None:
        """Queue faults, or their names: for the next connections (stage accept) or requests."""
        for each in faults:
            fault = FAULTS[each] if isinstance(each, str) else each
            queue = self._for_connections if fault.stage == "accept" else self._for_requests
            queue.append(fault)

    def next_silence(self, fault: Fault) -> Callable[[], bool]:
        """Return a function that says whether a silent or slow fault acts on a further request.

        From then on the client can only wait: its request has left, at least in part.
        """
        counted = self._acted_on(fault)
        return lambda: self._acted_on(fault) > counted

    def _acted_on(self, fault: Fault) -> int:
        return self.dropped if fault.stage == "accept" else self.acted[fault.name]

    def behave(self) -> None:
        """Do no fault from now on, whatever the script or the queue says."""
        self._behaves = True

    async def quiet(self, within: float = 5.0) -> None:
        """Wait until no connection is open; TimeoutError when that takes longer than `within`."""
        async with asyncio.timeout(within):
            await self._empty.wait()

    # Methods that connections call.

    def choose_for_connection(self) -> Fault | None:
        self._empty.clear()
        if self._behaves:
            return None
        if self._for_connections:
            return self._for_connections.popleft()
        return self.script.for_connection() if self.script else None

    def choose_for_request(self) -> Fault | None:
        if self._behaves:
            return None
        if self._for_requests:
            return self._for_requests.popleft()
        return self.script.for_request() if self.script else None

    def give_back(self, fault: Fault | None) -> None:
        """Take back a fault whose request never arrived, for the next request."""
        if self._for_requests or self.script or fault:
            self._for_requests.appendleft(fault)

    def receive(self, request: Request) -> None:
        self.received += 1
        self.requests.append(request.json)
        self.heads.append(request.head)
        if len(self.front_ids) < _FRONT_IDS_KEPT or request.front_id in self.front_ids:
            self.front_ids[request.front_id] += 1

    def note(self, fault: Fault | None, request: Request | None) -> None:
        """Remember the target of each fault: `acted` by name, `history` by front_id."""
        name = fault.name if fault else "good"
        self.acted[name] += 1
        if request is not None and request.front_id and len(self.history) < _FRONT_IDS_KEPT:
            self.history.setdefault(request.front_id, []).append(name)

    def store(self, request: Request) -> None:
        if request.kind == "create":
            self.stored[request.front_id] += 1
            self.front_of[request.id] = request.front_id
            if request.row is not None and request.place is not None:
                self.rows.setdefault(request.place, []).append(request.row)
        elif request.kind == "edit":
            self.edits[request.id] += 1
        elif request.kind == "remove":
            self.removed[request.id] += 1
        elif request.kind == "ephemeral":
            self.shown[request.front_id] += 1

    def forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()
