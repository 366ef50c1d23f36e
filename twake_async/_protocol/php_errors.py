"""The errors that Twake's PHP server says in its own words. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exchange import Answer

__all__ = ["has_no_route"]

_NO_ROUTE = b'{"error": "Route '


def has_no_route(answer: Answer) -> bool:
    """Say whether the PHP server answers that it does not serve a path or its method.

    It says so on every recorded release, with status 500 and as HTML (wire cases 23 to 23h).
    """
    return answer.status == 500 and answer.body.startswith(_NO_ROUTE)
