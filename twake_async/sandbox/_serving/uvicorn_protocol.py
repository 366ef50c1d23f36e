"""uvicorn's HTTP/1.1 protocol for one connection, and all uses of its undocumented names.

uvicorn documents none of these names: `H11Protocol` with its arguments, the methods that
`Connection` extends, its attributes `client`, `conn`, `cycle`, `loop` and `transport`, and
`ServerState.tasks`. No other module uses a name of uvicorn. `tests/project/test_uvicorn.py` has a
test for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from twake_async.sandbox._serving.asgi import ASGIApp

__all__ = ["protocol_factory"]


def protocol_factory(
    app: ASGIApp,
    *,
    opened: Callable[[asyncio.Transport], None],
    lost: Callable[[Any], None],
    patience: float,
    idle: int = 5,
) -> tuple[Callable[[], asyncio.Protocol], set[asyncio.Task[None]]]:
    """Return the factory of the protocol of a connection, and the set of the running requests.

    Args:
        app: The application that answers.
        opened: Called with the transport of a new connection.
        lost: Called with the client address of a connection that has ended.
        patience: Seconds for the head of a request to arrive.
        idle: Seconds after which an idle connection is closed.

    Raises:
        ImportError: uvicorn is not installed.

    """
    try:
        from uvicorn import Config  # noqa: PLC0415
        from uvicorn.server import ServerState  # noqa: PLC0415

        connection = _connection_class(opened, lost, patience)
    except ImportError as exc:
        raise ImportError(
            "serving the sandbox needs uvicorn: pip install 'twake-async[sandbox]'"
        ) from exc
    config = Config(
        cast("Any", app),
        http="h11",
        interface="asgi3",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=idle,
    )
    config.load()
    state = ServerState()
    return lambda: connection(config, state, {}), state.tasks


def _connection_class(
    opened: Callable[[asyncio.Transport], None], lost: Callable[[Any], None], patience: float
) -> Callable[..., asyncio.Protocol]:
    from h11 import IDLE  # noqa: PLC0415
    from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415

    class Connection(H11Protocol):
        """uvicorn's protocol that reports its transport, and ends a head that takes too long."""

        _time_limit: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            opened(transport)
            super().connection_made(transport)
            self._limit_time()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._limit_time()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._limit_time()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost(self.client)
            if self._time_limit is not None:
                self._time_limit.cancel()

        def _limit_time(self) -> None:
            """Limit the time from the start, or from the first byte of a head, to its end.

            Between two requests uvicorn's own limit ends an idle connection.
            """
            idle = self.conn.their_state is IDLE
            waiting = idle and (self.cycle is None or bool(self.conn.trailing_data[0]))
            if waiting and self._time_limit is None:
                self._time_limit = self.loop.call_later(patience, self.transport.close)
            elif not waiting and self._time_limit is not None:
                self._time_limit.cancel()
                self._time_limit = None

    return Connection
