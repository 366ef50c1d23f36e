"""What a set-up of a gateway is, and what its upstream may do behind it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import attrs
import pytest

from twake_async import Outcome

from .gateway import Gateway, Program

if TYPE_CHECKING:
    from .upstream import Act, Upstream


@attrs.frozen
class Case:
    """One act of the upstream on a message, and the claim about it."""

    name: Act | Literal["dead"]
    claim: Outcome = Outcome.UNKNOWN
    """The required claim if the gateway passes on the answer of the upstream."""
    stores: bool = True

    @property
    def slow(self) -> bool:
        """Whether it lasts until the gateway's time limit."""
        return "hang" in self.name

    async def begin(self, upstream: Upstream) -> None:
        """Make the upstream do it from now on."""
        if self.name == "dead":
            await upstream.stop()
        else:
            upstream.act = self.name

    async def end(self, upstream: Upstream) -> None:
        """Have the upstream behave well again, once what it has in hand is done."""
        if self.name == "dead":
            await upstream.start()
        await upstream.settled()
        upstream.act = "deliver"


CASES = (
    Case("deliver", Outcome.DELIVERED),
    Case("warn", Outcome.DELIVERED),
    Case("refuse", Outcome.REFUSED, stores=False),
    Case("refuse_with_warnings", Outcome.REFUSED, stores=False),
    Case("no_api", Outcome.REFUSED, stores=False),
    Case("store_then_close"),
    Case("store_then_reset"),
    Case("store_then_cut"),
    Case("store_then_500"),
    Case("store_then_fatal"),
    Case("store_then_hang"),
    Case("hang_then_store"),
    Case("lose", stores=False),
    Case("dead", stores=False),
)

#: The kind of failure that a case is to a gateway: the status that it shows depends on it.
_KINDS = {
    "store_then_close": "closed",
    "store_then_reset": "closed",
    "store_then_500": "status_500",
    "store_then_hang": "late",
    "hang_then_store": "late",
    "lose": "closed",
    "dead": "dead",
    "warn": "warning",
    "refuse_with_warnings": "warning",
    "store_then_fatal": "fatal",
    "no_api": "status_404",
}


@attrs.frozen
class Setup:
    """A gateway with a configuration, and the statuses that this one shows for failures."""

    name: str
    program: Program
    config: str
    files: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    shows: Mapping[str, int] = attrs.field(factory=dict)
    """Statuses by kind of failure: closed, dead, late, warning, fatal, status_500, status_404.

    A kind that is missing passes unchanged, or ends without an answer."""
    tls: bool = False
    refuses: int | None = None
    """The status with which it turns away each message before it forwards it, but for the first
    one where it limits the rate."""

    @property
    def id(self) -> str:
        """Its name in the reports."""
        return f"{self.program.name}-{self.name}"

    def statuses(self, case: Case) -> frozenset[int]:
        """Return the statuses that it may put in place of what the upstream did; empty for none.

        Where the upstream is dead, it may first find a connection that ended with it.
        """
        kind = _KINDS.get(case.name, "")
        kinds = ("dead", "closed") if kind == "dead" else (kind,)
        return frozenset(self.shows[kind] for kind in kinds if kind in self.shows)

    def claim(self, case: Case) -> Outcome:
        """Return the required claim: what the upstream's own answer proves, if it comes through."""
        return Outcome.UNKNOWN if self.statuses(case) else case.claim

    def gateway(self, **more: str) -> Gateway:
        """Return the gateway, not yet started."""
        return Gateway(self.program, self.config, self.files, more=more, tls=self.tls)

    @contextlib.contextmanager
    def running(self, **more: str) -> Iterator[Gateway]:
        """Give the gateway while it runs; skip the test where its program is not installed.

        The port of its upstream is open when it starts: squid takes an upstream for dead
        that it does not find at that moment.
        """
        if self.program.missing:
            pytest.skip(self.program.missing)
        gateway = self.gateway(**more)
        with socket.create_server(("127.0.0.1", gateway.upstream_port)):
            gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()
