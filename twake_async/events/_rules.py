"""What a request must fulfil: the API that it comes from, and its signature."""

from __future__ import annotations

import hmac
from typing import Literal, cast

import attrs

from twake_async._arguments import Hidden
from twake_async.errors import ConfigurationError

__all__ = ["Rules", "make_rules"]


@attrs.frozen
class Rules:
    """What a request must fulfil."""

    api: Literal["v1", "node"]
    """The generation of the server."""
    key: Hidden[hmac.HMAC] | None
    """The HMAC with the application's private key, which is copied for each body; None if no
    signature is checked."""
    require_signature: bool
    """Whether a request without a signature is refused."""


def make_rules(api: str, key: Hidden[object], *, require_signature: bool | None) -> Rules:
    """Return the rules for the arguments of `parse`.

    Args:
        api: The API.
        key: The private key, as the caller gave it.
        require_signature: Whether a signature is required; None for Node only.

    Raises:
        ConfigurationError: An argument is wrong, or the key is missing (outcome `NOT_SENT`).

    """
    if api not in ("v1", "node"):
        raise ConfigurationError('api must be "v1" or "node"', field="api")
    required = api == "node" if require_signature is None else require_signature
    if not isinstance(required, bool):
        raise ConfigurationError(
            "require_signature must be True, False or None", field="require_signature"
        )
    hidden = _signing(key)
    if required and hidden is None:
        raise ConfigurationError(
            "no signature can be checked without private_api_key: give the application's private "
            "key, or require_signature=False to accept events from anybody",
            field="private_api_key",
        )
    return Rules(cast("Literal['v1', 'node']", api), hidden, required)


def _signing(key: Hidden[object]) -> Hidden[hmac.HMAC] | None:
    if key.value is None:
        return None
    if not isinstance(key.value, str) or not key.value.strip():
        # Anybody can sign with an empty key.
        raise ConfigurationError(
            "private_api_key must be a string that is not blank", field="private_api_key"
        )
    return Hidden(hmac.new(key.value.encode("utf-8", "surrogatepass"), digestmod="sha256"))
