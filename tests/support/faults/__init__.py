"""A Twake on loopback that fails at exact bytes on real sockets, and knows what it stored."""

from .catalogue import FAULTS, RETRY_AFTER
from .fault import Fault
from .server import FaultServer, RandomScript, Script

__all__ = ["FAULTS", "RETRY_AFTER", "Fault", "FaultServer", "RandomScript", "Script"]
