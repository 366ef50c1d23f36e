"""The TLS context of a session: made once, when the first connection needs it."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._http_library import HttpLibrary

__all__ = ["Verify", "lazy_context"]

Verify = ssl.SSLContext | str | os.PathLike[str] | bool


def lazy_context(
    verify: Verify, *, needed: bool, library: HttpLibrary
) -> Callable[[], ssl.SSLContext]:
    """Return a function that returns one TLS context, made when it is first asked for.

    Args:
        verify: A TLS context, the path of a CA bundle, or whether to check certificates.
        needed: Whether the server is spoken to over TLS.
        library: Whose certificate authorities are trusted where `verify` is True.

    Raises:
        ConfigurationError: `verify` is of another type, or names no CA bundle.

    """
    # A bundle that the caller names is looked at now, so that a wrong name is seen at once.
    made = [_own_context(verify)] if isinstance(verify, str | os.PathLike) else []
    if not made and not isinstance(verify, bool | ssl.SSLContext):
        raise ConfigurationError(
            "verify must be a TLS context, the path of a CA bundle, True or False, not "
            f"{type(verify).__name__}",
            field="verify",
        )

    def context() -> ssl.SSLContext:
        if not made:
            made.append(_tls_context(verify, needed, library))  # type: ignore[arg-type]
        return made[0]

    return context


def _own_context(path: str | os.PathLike[str]) -> ssl.SSLContext:
    try:
        # An empty path would load the system's authorities without a word.
        return ssl.create_default_context(cafile=os.fspath(path) or "(empty)")
    except (OSError, TypeError, ValueError) as exc:
        raise ConfigurationError(
            f"verify names a CA bundle that cannot be loaded: {exc}", field="verify"
        ) from None


def _tls_context(
    verify: ssl.SSLContext | bool, needed: bool, library: HttpLibrary
) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if not needed:
        # Loading the CA bundle takes 20 ms that plain http has no use for.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context: ssl.SSLContext = library.http.create_ssl_context(verify=verify)
    return context
