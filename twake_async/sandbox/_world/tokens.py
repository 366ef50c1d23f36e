"""The tokens of logins: signed, with an expiry time. No token is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

from attrs import define, field

__all__ = ["Bearer", "Tokens"]

_REFRESH_LIFETIME = 30 * 24 * 3600
_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


@define(frozen=True, slots=True)
class Bearer:
    """The sender of a request: an application or a user."""

    id: str
    is_application: bool


@define(slots=True)
class Tokens:
    """Issues and reads tokens."""

    lifetime: int = 3600
    """Seconds for which an access token is valid."""
    _key: bytes = field(factory=lambda: secrets.token_bytes(32), repr=False)
    _issued: int = 0
    _expired: int = 0
    """The access tokens up to this number have expired, regardless of the time."""

    def expire(self) -> None:
        """Let all access tokens that were issued so far expire; refresh tokens stay valid."""
        self._expired = self._issued

    def issue(self, bearer: Bearer, now: int) -> dict[str, Any]:
        """Return a new pair of tokens, as in the answer to a login.

        Args:
            bearer: The owner of the tokens.
            now: The time in Unix seconds.

        """
        self._issued += 1
        expires, refreshable = now + self.lifetime, now + _REFRESH_LIFETIME
        return {
            "time": now,
            "expiration": expires,
            "refresh_expiration": refreshable,
            "value": self._written(bearer, now, expires, "access"),
            "refresh": self._written(bearer, now, refreshable, "refresh"),
            "type": "Bearer",
        }

    def read(self, token: str, now: int) -> Bearer | None:
        """Return the owner of a token; None if it is not of this server, or has expired."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed.encode()), signature.encode()):
            return None
        claims = json.loads(_decoded(signed.partition(".")[2]))
        if claims["exp"] <= now:
            return None
        if claims["type"] == "access" and claims["jti"] <= self._expired:
            return None
        return Bearer(claims["sub"], claims["application"])

    def _written(self, bearer: Bearer, now: int, expires: int, kind: str) -> str:
        claims = {
            "exp": expires,
            "type": kind,
            "iat": now,
            "jti": self._issued,
            "sub": bearer.id,
            "application": bearer.is_application,
        }
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
        signed = _HEADER + b"." + payload
        return f"{signed.decode()}.{self._signature(signed).decode()}"

    def _signature(self, signed: bytes) -> bytes:
        digest = hmac.digest(self._key, signed, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
