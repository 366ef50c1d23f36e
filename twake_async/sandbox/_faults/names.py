"""The names of the faults: failures, forms of a good answer, refusals.

`tests/support/faults` uses the same names for the same faults. Add the name of a new fault here.
`answers.py` defines how a fault changes the answer, and `_serving/delivery.py` how an answer is cut
or delayed.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = [
    "ACTIONS",
    "DELIVERIES",
    "FORMS",
    "NODE_ACTIONS",
    "REFUSALS",
    "REQUEST_KINDS",
    "SILENCES",
    "Action",
    "Form",
    "Refusal",
    "RequestKind",
]

Silence = Literal["close", "reset", "silent"]
Delivery = Literal["cut", "cut_chunked", "cut_reset", "cut_silent", "drip"]
Content = Literal[
    "empty",
    "html",
    "bad_gzip",
    "cut_json",
    "php_trace",
    "error_words",
    "null_object",
    "null_id",
    "other_message",
]
NodeAction = Literal["swallowed", "later"]
Action = Silence | Delivery | Content | NodeAction | int
"""A failure: one of these names, or a status."""
Form = Literal["warnings", "gzip", "chunked", "connection_close", "hang_up"]
"""A form of a good answer."""
Refusal = Literal["authentication", "group", "capability", "privileges"]
"""A refusal with an error text of the server."""

RequestKind = Literal["write", "read", "login", "join"]
"""The kind of request that a fault waits for; a server of 2020 or 2021 has writes and reads."""

SILENCES: tuple[str, ...] = get_args(Silence)
"""Failures with no byte of an answer."""
DELIVERIES: tuple[str, ...] = get_args(Delivery)
"""Failures while a right answer is sent."""
ACTIONS: tuple[str, ...] = (*SILENCES, *DELIVERIES, *get_args(Content))
NODE_ACTIONS: tuple[str, ...] = get_args(NodeAction)
"""Failures of a Node server's database, which only its releases have."""
REQUEST_KINDS: tuple[str, ...] = get_args(RequestKind)
FORMS: tuple[str, ...] = get_args(Form)
REFUSALS: tuple[str, ...] = get_args(Refusal)
