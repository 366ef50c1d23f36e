"""Arguments of a session: one that cannot work is refused before anything is opened."""

from __future__ import annotations

import base64
import copy
import ipaddress
import math
import pickle
import re
from functools import partial
from unittest.mock import AsyncMock, Mock

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twake_async import RetryPolicy, TwakeSession
from twake_async._arguments import (
    Credentials,
    check_base_url,
    check_callback,
    check_choice,
    check_count,
    check_credentials,
    check_deadline,
    check_kind,
    check_statuses,
)
from twake_async._protocol.v1.api import SAVE, Api
from twake_async._transport.http_library import httpx2_library, httpx_library
from twake_async._transport.request_parts import parse_url
from twake_async.errors import ConfigurationError, Outcome

SECRET = "s3cret-key-of-the-app"


def refused(field, check, *args, **kwargs):
    """Return the message of the error that names this field."""
    with pytest.raises(ConfigurationError) as caught:
        check(*args, **kwargs)
    assert caught.value.field == field
    assert caught.value.outcome is Outcome.NOT_SENT
    assert str(caught.value).startswith(field)
    return str(caught.value)


# --- credentials -------------------------------------------------------------------------------


def test_the_header_is_the_documented_one():
    """Basic, one space, the base64 of id, colon and key."""
    headers = Api(credentials=check_credentials("id-é", SECRET)).headers()
    pair = base64.b64encode(f"id-é:{SECRET}".encode())
    assert headers == ((b"Authorization", b"Basic " + pair),)


def test_a_request_that_is_never_sent_needs_no_credentials():
    """A session that only encodes, as the check of an input does, needs no key."""
    assert Api().headers() == ()


@pytest.mark.parametrize("field", ["public_id", "private_api_key"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a:b", "were not pasted together"),
        (":", "contains a colon"),
        ("", "must be a non-empty string"),
        ("  ", "must be a non-empty string"),
        (None, "must be a non-empty string"),
        (5, "must be a non-empty string"),
        (b"key", "must be a non-empty string"),
        ("key\n", "remove it"),
        ("k\x00ey", "contains a control character"),
        ("k\ud800ey", "a lone surrogate"),
    ],
)
def test_credentials_that_can_never_log_in_are_refused(field, value, words):
    """The error is returned, names the field and the fix, and does not show the key."""
    pair = {"public_id": "id", "private_api_key": "key", field: value}
    error = check_credentials(**pair)
    assert type(error) is ConfigurationError
    assert error.field == field
    assert words in str(error)


def test_an_error_does_not_show_the_key():
    """Neither the sentence nor the facts of the error hold what was given."""
    error = check_credentials("id", f"{SECRET}:more")
    assert SECRET not in f"{error!r} {error} {vars(error)}"


def test_the_key_shows_nowhere():
    """repr, str and format mask the key; copies stay within the process, pickles are refused."""
    credentials = check_credentials("id", SECRET)
    for text in (repr(credentials), str(credentials), f"{credentials}", f"{[credentials]}"):
        assert SECRET not in text
        assert base64.b64encode(f"id:{SECRET}".encode()).decode() not in text
        assert "'id'" in text
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="make the session again"):
            pickle.dumps(credentials, protocol)
    with pytest.raises(TypeError):
        copy.deepcopy(credentials)


@given(st.text(), st.text())
def test_credentials_either_log_in_or_are_refused(public_id, key):
    """Credentials that pass give a header that the server splits into exactly these two."""
    found = check_credentials(public_id, key)
    if isinstance(found, Credentials):
        ((_, value),) = Api(credentials=found).headers()
        pair = base64.b64decode(value.removeprefix(b"Basic ")).decode()
        assert pair.split(":") == [public_id, key]
    else:
        assert found.field in ("public_id", "private_api_key")


# --- the address -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("https://api.twake.app", "https://api.twake.app"),
        ("https://api.twake.app/", "https://api.twake.app"),
        ("https://twake.example.org:8443/sub/path//", "https://twake.example.org:8443/sub/path"),
        ("HTTPS://twake.example.org", "https://twake.example.org"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]:443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://127.8.9.10:1", "http://127.8.9.10:1"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_addresses_that_pass(given_, kept):
    """Https anywhere and http to this machine, kept as given but for slashes at the end."""
    assert check_base_url(given_, allow_plain_http=False) == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://twake.example.org",
        "http://10.0.0.1",
        "http://0.0.0.0:8000",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://[2001:db8::1]",
        "http://[::]",
        "http://localhost.evil.test:80",
        "http://evil.localhost",
        "http://localhost.",
        "http://127.0.0.1.",
        "http://127.0.0.1_",
        "http://127.0.0.01",
        "http://0177.0.0.1",
        "http://2130706433",
        "http://\uff4cocalhost",
        "http://localho\u017ft",
        "HTTP://twake.example.org",
        "http://127.1",
    ],
)
def test_plain_http_over_a_network_is_refused_unless_allowed(url):
    """Others could read the key on the network; the error names both fixes."""
    message = refused("base_url", check_base_url, url, allow_plain_http=False)
    assert "use https, or give allow_plain_http=True" in message
    kept = url.replace("HTTP:", "http:")
    assert check_base_url(url, allow_plain_http=True) == kept


@pytest.mark.parametrize("allow", [True, False])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "must be a URL"),
        (5, "must be a URL"),
        (b"https://x", "must be a URL"),
        ("https://a b", "must be a URL"),
        ("https://a\n", "must be a URL"),
        ("https://\ud800", "must be a URL"),
        ("", "must begin with https://"),
        ("twake.example.org", "must begin with https://"),
        ("ftp://twake.example.org", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("https:///path", "must begin with https://"),
        ("//twake.example.org", "must begin with https://"),
        ("https://host:port", "check its host and port"),
        ("https://host:99999", "check its host and port"),
        ("https://[::1", "check its host and port"),
        ("https://[::1]evil.test", "check its host and port"),
        ("https://[::1]:80evil", "check its host and port"),
        ("https://[::1].evil.test", "check its host and port"),
        ("https://evil.test[::1]", "check its host and port"),
        ("https://[127.0.0.1]", "check its host and port"),
        ("https://[localhost]", "check its host and port"),
        ("https://[::1%25eth0]", "check its host and port"),
        ("https://::1", "check its host and port"),
        ("https://host:0", "check its host and port"),
        ("https://host:+80", "check its host and port"),
        ("https://host:\u0668\u0660", "check its host and port"),
        ("https://host:80:90", "check its host and port"),
        ("https://a..b", "check its host and port"),
        ("https://.", "check its host and port"),
        (f"https://{'a' * 64}.test", "check its host and port"),
        (f"https://{'a.' * 127}test", "check its host and port"),
        ("https://%6c%6fcalhost", "check its host and port"),
        ("https://host%2eevil.test", "check its host and port"),
        *(
            (f"https://host{sign}evil", "check its host and port")
            for sign in ";,&|<>'\"^`{}*!$()=~"
        ),
        ("https://127\u30020\u30020\u30021", "check its host and port"),
        ("https://host:80\\@evil.test", "must be a URL"),
        ("https://host\\evil.test", "must be a URL"),
        ("https:\\\\host", "must be a URL"),
        ("https://host/a\\b", "must be a URL"),
        ("https://host\t.evil.test", "must be a URL"),
        ("ht\ttps://host", "must be a URL"),
        ("https://lo\xadcalhost", "must be a URL"),
        ("https://host\u200b", "must be a URL"),
        ("https:/host", "must begin with https://"),
        ("https:host", "must begin with https://"),
        ("https://user@host", "give public_id and private_api_key instead"),
        ("https://user:pass@host", "give public_id and private_api_key instead"),
        ("https://:pass@host", "give public_id and private_api_key instead"),
        ("https://host?a=b", "holds a query or a fragment"),
        ("https://host/#x", "holds a query or a fragment"),
        ("https://host/?", "holds a query or a fragment"),
        ("https://host/#", "holds a query or a fragment"),
    ],
)
def test_addresses_that_cannot_work_are_refused(url, words, allow):
    """Each with its own reason, whether or not plain http is allowed."""
    assert words in refused("base_url", check_base_url, url, allow_plain_http=allow)


def test_an_address_with_a_password_is_not_shown():
    """The error does not show the password that was in the address."""
    url = f"https://user:{SECRET}@host"
    assert SECRET not in refused("base_url", check_base_url, url, allow_plain_http=False)


@given(st.text() | st.text(alphabet="htps:/[]@?#.1aé%\\ ").map(lambda text: "https://" + text))
def test_any_text_is_an_address_or_refused(url):
    """No text raises another exception."""
    kept, field = "", "base_url"
    try:
        kept = check_base_url(url, allow_plain_http=False)
    except ConfigurationError as exc:
        field = exc.field
    assert field == "base_url"
    assert url.startswith(kept)
    assert not kept.endswith("/")


async def awaits(_):
    return "key"


class Awaits:
    async def __call__(self, _):
        return "key"


class Calls:
    def __call__(self, _):
        return "key"


@pytest.mark.parametrize(
    "callback", [None, print, len, Calls(), Calls, partial(print, "x"), Mock()]
)
def test_what_can_be_called_is_a_callback(callback):
    """Functions, methods, classes, and objects with a `__call__`."""
    check_callback("on_attempt", callback)


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (5, "must be a function"),
        ("print", "must be a function"),
        (awaits, "not an async one"),
        (partial(awaits, "x"), "not an async one"),
        (Awaits(), "not an async one"),
        (Awaits().__call__, "not an async one"),
        (AsyncMock(), "not an async one"),
    ],
)
def test_a_callback_that_nothing_would_await_is_refused(callback, words):
    """The error comes where the callback is given, not at the first message."""
    assert words in refused("on_attempt", check_callback, "on_attempt", callback)
    with pytest.raises(ConfigurationError, match=words):
        TwakeSession("id", "key", on_attempt=callback)
    twake = TwakeSession("id", "key")
    for name in ("on_progress", "key"):
        with pytest.raises(ConfigurationError, match=words):
            twake.send_many([], **{name: callback})


HOSTS = st.sampled_from(
    [
        "127.0.0.1",
        "[::1]",
        "localhost",
        "evil.test",
        "a_b",
        "ex\xe4mple.org",
        "::1",
        "1",
        "\u2603.net",
    ]
)
SIGNS = st.text(alphabet=":/\\@[]%.#?;1x\t\u3002", max_size=3)
ADDRESSES = st.builds(
    lambda scheme, parts: scheme + "".join(parts),
    st.sampled_from(["http://", "https://", "HTTP://", "http:", "//", "http:/", "http:\\\\"]),
    st.lists(HOSTS | SIGNS, min_size=1, max_size=5),
)


@pytest.mark.parametrize("library", [httpx_library(), httpx2_library()], ids=["httpx", "httpx2"])
@given(url=ADDRESSES, allow=st.booleans())
@example(url="http://[::1]evil.test", allow=False)
@example(url="http://127.0.0.1:80\\@evil.test", allow=True)
def test_the_host_that_is_checked_is_the_one_that_is_connected_to(library, url, allow):
    """Plain http reaches this machine alone, and no part of the address is read in two ways."""
    try:
        kept = check_base_url(url, allow_plain_http=allow)
        found = parse_url(kept + SAVE, library)
    except ConfigurationError:
        return
    host = library.http.URL(kept).raw_host.decode()
    authority = kept.partition("://")[2].partition("/")[0]
    if authority.isascii():
        assert re.fullmatch(rf"\[?{re.escape(host)}\]?(:[0-9]*)?", authority.lower())
    else:
        assert idna.decode(host) == authority.lower().partition(":")[0]
    assert (found.scheme, found.raw_host.decode()) == (kept.partition(":")[0], host)
    assert found.userinfo == found.query == b""
    assert found.raw_path.endswith(SAVE.encode())
    if found.scheme == "http" and not allow:
        assert host == "localhost" or ipaddress.ip_address(host).is_loopback


@pytest.mark.parametrize("transport", [None, "httpx2", "fast"])
@pytest.mark.parametrize("url", ["https://\u2603.net", "http://[::1]evil.test"])
def test_a_host_that_httpx_knows_no_way_to_is_a_wrong_setting(url, transport):
    """The session is not made, and no error of httpx is raised."""
    with pytest.raises(ConfigurationError, match="check its host and port") as caught:
        TwakeSession("id", "key", base_url=url, transport=transport, proxy=None)
    assert caught.value.field == "base_url"


# --- numbers and choices -----------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "30", True, False, math.nan, [30], 1j, 10**400])
def test_a_deadline_is_a_number(value):
    """Anything else is refused by name."""
    assert "must be a number of seconds" in refused("deadline", check_deadline, value)


@pytest.mark.parametrize("value", [0, -1, -0.5, -math.inf])
def test_a_session_needs_time(value):
    """A session's deadline is positive; a call's may be over already, and then nothing is sent."""
    assert "more than 0" in refused("deadline", check_deadline, value, positive=True)
    assert check_deadline(value) == value


@pytest.mark.parametrize("value", [1, 0.1, 30.0, math.inf])
def test_deadlines_are_seconds(value):
    """Whole numbers and infinity pass as floats."""
    found = check_deadline(value, positive=True)
    assert found == value
    assert type(found) is float


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "5", None, math.inf])
def test_a_count_is_a_whole_number(value):
    """At least one, and no boolean."""
    assert "whole number of at least 1" in refused(
        "max_connections", check_count, "max_connections", value
    )


def test_counts_that_pass():
    """One is enough."""
    assert check_count("max_connections", 1) is None
    assert check_count("max_connections", 10**6) is None


def test_a_kind_is_checked_by_name():
    """The error says which class belongs there."""
    policy = RetryPolicy()
    assert check_kind("retry", policy, RetryPolicy) is policy
    assert refused("retry", check_kind, "retry", 3, RetryPolicy) == "retry must be a RetryPolicy"


def test_a_choice_is_one_of_its_words():
    """The error lists the words."""
    words = ("plain", "portable")
    assert check_choice("text_form", "portable", words) == "portable"
    message = refused("text_form", check_choice, "text_form", "rich", words)
    assert message == "text_form must be one of plain, portable"


@pytest.mark.parametrize("value", [403, "403", None, {200}, {600}, {500}, {403.0}, {"403"}, {True}])
def test_what_is_no_set_of_trusted_statuses_is_refused(value):
    """500 is refused, too: the application itself answers 500, also after it stored the message."""
    with pytest.raises(ConfigurationError) as caught:
        check_statuses("trusted_statuses", value)
    assert caught.value.field == "trusted_statuses"


@pytest.mark.parametrize("value", [[403, 404], (403, 404), {403, 404}, frozenset({403, 404})])
def test_trusted_statuses_may_come_in_any_collection(value):
    """They are kept as a set that does not change."""
    assert check_statuses("trusted_statuses", value) == frozenset({403, 404})
