"""A request as it arrived, and a response as it goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HTML", "JSON", "Request", "Response"]

HTML: Mapping[str, str] = {"content-type": "text/html; charset=UTF-8"}
JSON: Mapping[str, str] = {"all-cookies": "[]", "content-type": "application/json; charset=utf-8"}


@define(frozen=True, slots=True)
class Request:
    """A request. The path has its query, header names are in lower case, the body is as sent."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""


@define(frozen=True, slots=True)
class Response:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
