"""The TLS context of a session: made once, when the first connection needs it."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from twake_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .http_library import HttpLibrary

__all__ = ["Verify", "lazy_context"]

Verify = ssl.SSLContext | str | os.PathLike[str] | bool


def lazy_context(
    verify: Verify, library: HttpLibrary, *, needed: bool
) -> Callable[[], ssl.SSLContext]:
    """Return a function that returns one TLS context, made when it is first called.

    Args:
        verify: A TLS context, the path of a CA bundle, or whether to check certificates.
        library: The library whose certificate authorities are trusted if neither `verify` nor the
            environment names any.
        needed: Whether the server is reached over TLS.

    Raises:
        ConfigurationError: `verify` has another type, or names no CA bundle; or the environment
            names authorities that cannot be loaded.

    """
    # Files that the caller or the environment names are loaded now: a wrong name fails at once.
    made: list[ssl.SSLContext] = []
    if isinstance(verify, str | os.PathLike):
        made.append(_own_context(verify))
    elif not isinstance(verify, bool | ssl.SSLContext):
        raise ConfigurationError(
            "verify must be a TLS context, the path of a CA bundle, True or False, not "
            f"{type(verify).__name__}",
            field="verify",
        )
    elif verify is True and needed and (found := _environment_context()) is not None:
        made.append(found)

    def context() -> ssl.SSLContext:
        if not made:
            made.append(_tls_context(verify, library, needed=needed))  # type: ignore[arg-type]
        return made[0]

    return context


def _own_context(path: str | os.PathLike[str]) -> ssl.SSLContext:
    try:
        # With an empty path OpenSSL loads the system's authorities.
        return ssl.create_default_context(cafile=os.fspath(path) or "(empty)")
    except (OSError, TypeError, ValueError) as exc:
        raise ConfigurationError(
            f"verify names a CA bundle that cannot be loaded: {exc}", field="verify"
        ) from None


def _environment_context() -> ssl.SSLContext | None:
    """Return a context of the authorities that the environment names, or None for none."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file:  # as in httpx, it is preferred to the directory
            return ssl.create_default_context(cafile=file)
        if folder:
            if not any(map(os.path.isdir, folder.split(os.pathsep))):
                # OpenSSL accepts it, and then trusts no certificate.
                raise NotADirectoryError("there is no such directory")
            return ssl.create_default_context(capath=folder)
    except (OSError, ValueError) as exc:
        variable = "SSL_CERT_FILE" if file else "SSL_CERT_DIR"
        raise ConfigurationError(
            f"{variable} names certificate authorities that cannot be loaded: "
            f"{file or folder!r} ({exc})",
            field=variable,
        ) from None
    return None


def _tls_context(
    verify: ssl.SSLContext | bool, library: HttpLibrary, *, needed: bool
) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if not needed:
        # Loading a CA bundle takes 20 ms, and plain http does not need it.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context: ssl.SSLContext = library.http.create_ssl_context(verify=verify, trust_env=False)
    except OSError as exc:
        whose = library.authorities
        raise OSError(f"{whose} certificate authorities cannot be loaded: {exc}") from exc
    return context
