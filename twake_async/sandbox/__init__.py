"""A Twake on loopback that answers as the real one does: for trying things out, and for tests.

It needs the `sandbox` extra when it is served (uvicorn); in-process it needs nothing more.
"""

from __future__ import annotations

from twake_async.sandbox._sandbox import ReceivedRequest, Sandbox

__all__ = ["ReceivedRequest", "Sandbox"]
