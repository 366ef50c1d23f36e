"""A Twake on loopback that answers as the real one does: to try things out, and for tests.

To serve it needs the `sandbox` extra (uvicorn); in-process it needs nothing more.
"""

from __future__ import annotations

from twake_async.sandbox._posting.record import PostedEvent
from twake_async.sandbox._received import ReceivedRequest
from twake_async.sandbox._sandbox import Sandbox

__all__ = ["PostedEvent", "ReceivedRequest", "Sandbox"]
