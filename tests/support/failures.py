"""The failure table: every failure as data, and the tables of docs/failures.md made from it.

`python tests/support/failures.py` writes the tables into the page; tests/promise/test_failure_table.py executes
every row, and compares the page with the rows.
"""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator, Awaitable

import attrs
import httpx
from scenes import (
    QUESTION,
    QUICK,
    WRONG_REFUSAL,
    Cause,
    after_closing,
    beside,
    called,
    cancelled,
    cancelled_at_once,
    cancelled_in_line,
    certificate,
    closed_in_line,
    configured,
    connections_busy,
    cooldown,
    cut_off,
    done,
    echoed,
    echoed_and_cancelled,
    fault,
    forward,
    handshake,
    idle_close,
    in_a_fork,
    in_another_loop,
    in_no_loop,
    injected,
    injected_to_refused_port,
    node,
    on_reuse,
    refused_port,
    tunnel,
    unresolved,
    without_authorities,
    without_environment,
    without_socks,
)

from twake_async import (
    AuthenticationError,
    ConfigurationError,
    InvalidDraftError,
    InvalidGroupError,
    Message,
    MessageDraft,
    MissingCapabilityError,
    NotFoundError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    SessionClosedError,
    TwakeSession,
    WrongEventLoopError,
)
from twake_async.cli._attached import deliver_to
from twake_async.cli._credentials import Options

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "failures.md"
BEGIN, END = "<!-- The tables begin here. -->\n", "<!-- The tables end here. -->\n"

ALL = ("create", "edit", "remove")
NEVER: tuple[str, ...] = ()
REPEATABLE = ("edit", "remove")
AGAIN = {NEVER: "no", REPEATABLE: "edits and removes only", ALL: "yes"}


@attrs.frozen
class Row:
    """One failure: its description, and all that is promised about it."""

    what: str
    causes: list[Cause]
    ends: type[BaseException] | None
    """The exact class of the exception; None where the message is delivered all the same."""
    reason: str
    again: tuple[str, ...] = NEVER
    """The operations that the default policy tries again."""
    operations: tuple[str, ...] = ALL
    """The operations to which it can happen."""
    told: Outcome | None = None
    """The outcome that `on_attempt` gets, where the exception carries none."""

    @property
    def outcome(self) -> Outcome | None:
        """The certain outcome of the message."""
        return Outcome.DELIVERED if self.ends is None else getattr(self.ends, "outcome", None)


def faults(names: str) -> list[Cause]:
    """Name faults of the catalogue."""
    return [fault(name) for name in names.split()]


def either(names: str) -> list[Cause]:
    """Name faults of the catalogue that look the same whether the message was stored or not."""
    return [fault(f"{truth}_{name}") for name in names.split() for truth in ("stores", "loses")]


# --- NOT_SENT -----------------------------------------------------------------------------------

BAD_INPUT = [
    Row(
        "an id is empty, blank or not a string",
        [called("channel_id", channel_id=""), called("blank", channel_id=" ")],
        InvalidDraftError,
        "draft",
    ),
    Row(
        'a new message has no content, or a `front_id` that is `""` or `"0"`, or holds white '
        "space, a control character or `(`",
        [
            called("empty", content=""),
            called("none", content=None),
            called("front_id_empty", front_id=""),
            called("front_id_zero", front_id="0"),
            called("front_id_space", front_id="FROM here"),
            called("front_id_parenthesis", front_id="count(1)"),
            called("front_id_control", front_id="a\x00"),
        ],
        InvalidDraftError,
        "draft",
        operations=("create",),
    ),
    Row(
        "the content has a wrong type, or JSON cannot hold it: an object, NaN, a lone surrogate",
        [
            called("number", content=1),
            called("object", content={"a": object()}),
            called("nan", content=[float("nan")]),
            called("surrogate", content="\ud83d"),
        ],
        InvalidDraftError,
        "draft",
        operations=("create", "edit"),
    ),
    Row(
        "`ephemeral_to` without `ephemeral=True`",
        [called("ephemeral_to", ephemeral_to=["u1"])],
        InvalidDraftError,
        "draft",
        operations=("create",),
    ),
    Row(
        "`extra` names a field of the draft",
        [
            done(
                "extra",
                lambda twake, call: twake.send(MessageDraft("c1", "Hello", extra={"id": "m1"})),
            )
        ],
        InvalidDraftError,
        "draft",
        operations=("create",),
    ),
    Row(
        "a send gets no draft, or an edit or a remove gets no message",
        [
            done("no_draft", lambda twake, call: twake.send("Hello")),
            done("no_message", lambda twake, call: twake.edit_message("m1", "Hello")),
            done("no_ref", lambda twake, call: twake.remove_message(None)),
        ],
        InvalidDraftError,
        "draft",
    ),
]

CONFIGURATION = [
    Row(
        "the id or the key is empty, or contains a colon or a line break",
        [
            configured("empty", public_id=""),
            configured("colon", private_api_key="id:key"),
            configured("line_break", private_api_key="key\n"),
        ],
        ConfigurationError,
        "configuration",
    ),
    Row(
        "there is no `group_id`, neither the session's nor the call's",
        [configured("no_group", group_id=None)],
        ConfigurationError,
        "configuration",
    ),
    Row(
        "`base_url` is not a URL, or plain http would show the key to the network",
        [
            configured("no_url", base_url="twake"),
            configured("plain", base_url="http://twake.example"),
            configured("password", base_url="https://user:password@twake.example"),
        ],
        ConfigurationError,
        "configuration",
    ),
    Row(
        "an argument has an invalid value",
        [
            configured("deadline", deadline=0),
            configured("connections", max_connections=0),
            configured("retry", retry=3),
            configured("text_form", text_form="rich"),
            configured("verify", verify="/nonexistent/bundle.pem"),
            configured("verify_type", verify=1),
            configured("trusted_statuses", trusted_statuses={200}),
            configured("proxy", proxy="ftp://proxy"),
            configured("proxy_without_host", proxy="http://"),
            done("socks_without_its_package", without_socks),
            called("deadline_of_call", deadline=float("nan")),
            called("retry_of_call", retry=3),
        ],
        ConfigurationError,
        "configuration",
    ),
    Row(
        "two arguments exclude each other",
        [
            configured("verify_and_transport", verify=False, proxy="env", transport=object()),
            configured("both", proxy="env", http_client=object(), transport=object()),
        ],
        ConfigurationError,
        "configuration",
    ),
    Row(
        "the environment lacks a variable that `from_env` needs",
        [done("environment", without_environment)],
        ConfigurationError,
        "configuration",
    ),
    Row(
        "the certificate authorities that the environment names cannot be read",
        [done("authorities", without_authorities)],
        ConfigurationError,
        "configuration",
    ),
]

LIFE_CYCLE = [
    Row(
        "the session was closed before the call",
        [done("after_closing", after_closing)],
        SessionClosedError,
        "closed",
    ),
    Row(
        "the session was closed while the send waited for a connection",
        [closed_in_line()],
        SessionClosedError,
        "closed",
    ),
    Row(
        "the session belongs to another event loop, or no event loop is running",
        [done("another_loop", in_another_loop), done("no_loop", in_no_loop)],
        WrongEventLoopError,
        "event_loop",
    ),
    Row(
        "the process was forked after the session was made",
        [done("fork", in_a_fork)],
        WrongEventLoopError,
        "event_loop",
    ),
]

NO_CONNECTION = [
    Row(
        "the deadline was already over",
        [called("deadline", deadline=0), called("past", deadline=-1.0)],
        NotSentError,
        "deadline",
    ),
    Row(
        "the deadline passed while all connections were busy",
        [connections_busy()],
        NotSentError,
        "connections_busy",
    ),
    Row(
        "the server told another send of the session to wait until after the deadline",
        [cooldown()],
        NotSentError,
        "cooldown",
    ),
    Row("no server listens on the port", [refused_port()], NotSentError, "connect", ALL),
    Row("the name of the host does not resolve", [unresolved()], NotSentError, "dns", ALL),
    Row(
        "the TLS handshake fails, or takes more than a third of the time left",
        [
            handshake("close"),
            handshake("close_after_hello"),
            handshake("reset"),
            handshake("garbage"),
            handshake("plain_http"),
            handshake("alert"),
            handshake("silent"),
        ],
        NotSentError,
        "tls",
        ALL,
    ),
    Row(
        "the certificate belongs to another host",
        [certificate("wrong_host")],
        NotSentError,
        "certificate",
    ),
    Row(
        "the certificate has expired, or is not valid yet",
        [certificate("expired"), certificate("not_yet_valid")],
        NotSentError,
        "certificate",
    ),
    Row(
        "the certificate authority is not trusted",
        [certificate("unknown_authority")],
        NotSentError,
        "certificate",
    ),
    Row(
        "the proxy answers CONNECT with 407 or another 4xx",
        [tunnel("407")],
        NotSentError,
        "proxy_refused",
    ),
    Row(
        "the proxy answers CONNECT with 502 or 503",
        [tunnel("502"), tunnel("503")],
        NotSentError,
        "proxy",
        ALL,
    ),
    Row(
        "the proxy closes or resets the connection after CONNECT, or does not answer in HTTP",
        [tunnel("close"), tunnel("reset"), tunnel("garbage")],
        NotSentError,
        "proxy",
        ALL,
    ),
    Row(
        "the proxy does not answer CONNECT before the deadline",
        [tunnel("silent")],
        NotSentError,
        "proxy",
    ),
]

NODE_NOT_SENT = [
    Row(
        "the draft asks for what only the other API can do",
        [
            done(
                "override",
                lambda twake, call: twake.send(
                    MessageDraft("c1", "Hello", override={"title": "T"})
                ),
            ),
            node("for_all", changed={"ephemeral": True}),
        ],
        InvalidDraftError,
        "draft",
        operations=("create",),
    ),
    Row(
        "the message takes more than 1 MiB",
        [node("too_long", changed={"content": "x" * 2**20})],
        InvalidDraftError,
        "draft",
        operations=("create", "edit"),
    ),
    Row(
        "there is no workspace, neither the session's nor the draft's, for a new thread",
        [node("no_workspace", workspace_id=None)],
        ConfigurationError,
        "configuration",
        operations=("create",),
    ),
    Row(
        "the login gets no answer, an error, or an answer without an access token",
        [
            node("login_lost", server={"logins_to_lose": 9}),
            node("login_500", server={"login_answer": "login-no-body"}),
            node("login_400", server={"login_answer": "login-bad-json"}),
            node("login_without_token", server={"login_answer": "me-ok"}),
        ],
        NotSentError,
        "login",
        ALL,
    ),
    Row(
        "the deadline passes during the login",
        [node("login_late", server={"login_takes": 9.0}, deadline=0.1)],
        NotSentError,
        "login",
    ),
]

# --- REFUSED ------------------------------------------------------------------------------------

REFUSED = [
    Row(
        "the server does not know the id with this key",
        [
            *faults("refuses_authentication refuses_authentication_warnings"),
            node("wrong_key", private_api_key="another key"),
            node("wrong_id", public_id="another-id"),
        ],
        AuthenticationError,
        "authentication",
    ),
    Row(
        "the server does not know the group",
        faults("refuses_group refuses_group_warnings"),
        InvalidGroupError,
        "group",
    ),
    Row(
        "the application lacks a capability, or is not installed in the group",
        faults("refuses_capability refuses_capability_warnings"),
        MissingCapabilityError,
        "capability",
    ),
    Row(
        "the application lacks a privilege",
        faults("refuses_privileges refuses_privileges_warnings"),
        MissingCapabilityError,
        "capability",
    ),
    Row(
        "429 without a `Retry-After`, or with an invalid or past one",
        faults(
            "refuses_429_absent refuses_429_zero refuses_429_past_date refuses_429_negative "
            "refuses_429_words refuses_429_empty refuses_429_nan refuses_429_infinite "
            "refuses_429_digits"
        ),
        RateLimitedError,
        "later",
        ALL,
    ),
    Row(
        "429 with a `Retry-After` before the deadline",
        [
            fault("refuses_429_seconds", retry_after="0.01"),
            fault("refuses_429_float", retry_after="0.02"),
        ],
        RateLimitedError,
        "later",
        ALL,
    ),
    Row(
        "429 with a `Retry-After` beyond the deadline",
        [
            fault("refuses_429_seconds", deadline=0.9),
            fault("refuses_429_date", deadline=0.9),
            fault("refuses_429_float", deadline=0.4),
            fault("refuses_429_far_date"),
            fault("refuses_429_huge"),
        ],
        RateLimitedError,
        "later",
    ),
    Row(
        "503, if `retry_later_statuses` contains it",
        [fault("loses_503", retry=attrs.evolve(QUICK, retry_later_statuses={429, 503}))],
        RateLimitedError,
        "later",
        ALL,
    ),
    Row(
        "a 301 or 308 from http to https, to the same host and path; it is never followed",
        faults("refuses_301_to_tls refuses_308_to_tls"),
        RefusedError,
        "redirect",
    ),
    Row(
        "401, 407, 411, 413, 414 or 431",
        faults(
            "refuses_401 refuses_407 refuses_411 refuses_413 refuses_414 refuses_431 "
            "refuses_413_early"
        ),
        RefusedError,
        "status",
    ),
    Row(
        'the server has no v1 API: 404 with the JSON `{"error":"Not found"}`',
        faults("refuses_404_no_v1"),
        RefusedError,
        "api",
    ),
    Row(
        "a 4xx in the words of a Twake Node server, as the HTTP status or inside a 200",
        faults(
            "refuses_node_400 refuses_node_403 refuses_node_404 refuses_node_415 "
            "refuses_node_400_in_200 refuses_node_403_in_200 refuses_node_404_in_200 "
            "refuses_node_415_in_200"
        ),
        RefusedError,
        "status",
    ),
    Row(
        "a status in `trusted_statuses`: 403 or 404, for example",
        [
            fault("loses_403", trusted_statuses={403, 404}),
            fault("loses_404", trusted_statuses={403, 404}),
            fault("loses_302", trusted_statuses={302}),
        ],
        RefusedError,
        "status",
    ),
    Row("407 from a proxy that forwards plain http", [forward("407")], RefusedError, "status"),
]

NODE_REFUSED = [
    Row(
        'the server does not serve the Node API: a server of 2020, or a 404 with the JSON `{"error":"Not found"}`',
        [
            node("php", server={"is_php": True}),
            node("no_route", server={"login_answer": "login-slash"}),
        ],
        RefusedError,
        "api",
    ),
    Row(
        "the server refuses the access token, and also the token of a new login",
        [node("token", server={"tokens_to_refuse": 9})],
        RefusedError,
        "token",
        ALL,
    ),
    Row(
        "a reply in a thread of users that the application has not joined: with `join_threads=False`, or if the server does not let it join",
        [
            node("thread", join_threads=False, changed={"parent_message_id": QUESTION}),
            node(
                "not_joined",
                replays="reply-users-thread send-client-id",
                changed={"parent_message_id": QUESTION},
            ),
        ],
        RefusedError,
        "thread",
        operations=("create",),
    ),
    Row(
        "the message to edit belongs to another sender: the answer shows the old content",
        [node("owner", changed={"id": QUESTION, "content": "Good bye"})],
        RefusedError,
        "owner",
        operations=("edit",),
    ),
    Row(
        "the service behind the API answers a 4xx, as the HTTP status or inside a 200, or `Not found` inside a 200",
        [
            node("bad_json", replays="body-bad-json"),
            node("address", replays="right-ip"),
            node("words_in_200", replays="reply-other-app"),
            node("no_service", replays="path-unknown"),
        ],
        RefusedError,
        "status",
    ),
]

# --- UNKNOWN ------------------------------------------------------------------------------------

LOST = [
    Row(
        "the server closes or resets the connection as soon as it is made",
        faults("close_at_accept reset_at_accept"),
        OutcomeUnknownError,
        "lost",
        REPEATABLE,
    ),
    Row(
        "the server closes without reading the request",
        faults("close_before_reading"),
        OutcomeUnknownError,
        "lost",
        REPEATABLE,
    ),
    Row(
        "the connection ends in the middle of the request",
        faults("close_at_first_byte close_mid_head reset_mid_head close_mid_body reset_mid_body"),
        OutcomeUnknownError,
        "lost",
        REPEATABLE,
    ),
    Row(
        "a kept connection ends at the moment when it is used again",
        [on_reuse("good_then_close_on_reuse"), on_reuse("good_then_close_on_read")],
        OutcomeUnknownError,
        "lost",
        REPEATABLE,
    ),
    Row(
        "the request was read, perhaps stored, and the connection ends without an answer",
        either("close reset"),
        OutcomeUnknownError,
        "lost",
        REPEATABLE,
    ),
    Row(
        "the body of the answer is cut off, in chunks or not",
        either("cut cut_reset head_then_close cut_chunked bad_chunk_size"),
        OutcomeUnknownError,
        "lost",
        REPEATABLE,
    ),
    Row(
        "the answer is not HTTP, or its headers do not end",
        either("garbage endless_headers"),
        OutcomeUnknownError,
        "lost",
        REPEATABLE,
    ),
    Row(
        "a proxy that forwards plain http fails",
        [forward("close"), forward("reset"), forward("garbage")],
        OutcomeUnknownError,
        "lost",
        REPEATABLE,
    ),
    Row(
        "`aclose()` ended the send while it waited for its answer",
        [cut_off()],
        OutcomeUnknownError,
        "lost",
    ),
    Row(
        "the server sends nothing more until the deadline, at any point",
        [
            *faults("silent_at_accept silent_mid_body"),
            *either("silent head_then_silent cut_silent"),
        ],
        OutcomeUnknownError,
        "timeout",
    ),
    Row(
        "the answer arrives byte by byte until the deadline",
        either("drip drip_head"),
        OutcomeUnknownError,
        "timeout",
    ),
    Row(
        "a client or transport of your own fails, in any way",
        [
            injected("transport", httpx.ConnectError),
            injected("transport", httpx.ReadTimeout),
            injected("transport", RuntimeError),
            injected("http_client", httpx.ConnectTimeout),
            injected("http_client", httpx.ReadError),
            injected_to_refused_port(),
        ],
        OutcomeUnknownError,
        "unproven",
        REPEATABLE,
    ),
]

ANSWERED = [
    Row(
        "any other 4xx: 400, 403, 404, 405 or 422, for example",
        either(
            "400 402 403 404 405 406 408 409 410 412 415 418 421 422 451 499 403_json "
            "404_no_v1_html"
        ),
        OutcomeUnknownError,
        "gateway_answer",
    ),
    Row(
        "any other redirect; it is never followed",
        either("300 301 302 303 304 307 308 302_to_tls 307_to_tls"),
        OutcomeUnknownError,
        "gateway_answer",
    ),
    Row(
        "502, 503 or 504",
        [*either("502 503 503_retry_after 504"), forward("502"), forward("forwards_then_502")],
        OutcomeUnknownError,
        "gateway",
        REPEATABLE,
    ),
    Row(
        "500, with any body",
        either("500 500_fatal_html 500_good_json"),
        OutcomeUnknownError,
        "status",
    ),
    Row("201 or 202, with any body", either("201 202"), OutcomeUnknownError, "status"),
    Row(
        "200 with `unknown error or malformed query.`, the answer to every unexpected error",
        either("error_words payload_error node_500_in_200"),
        OutcomeUnknownError,
        "server_error",
    ),
    Row("200 with an empty body", either("empty"), OutcomeUnknownError, "unreadable"),
    Row(
        "200 with HTML, or with a PHP stack trace and no answer after it",
        either("html php_trace php_dump error_with_persist refusal_behind_others_words"),
        OutcomeUnknownError,
        "unreadable",
    ),
    Row(
        "200 with JSON that is cut off, or is not an object",
        either("cut_json json_null json_list"),
        OutcomeUnknownError,
        "unreadable",
    ),
    Row(
        "200 with a gzip body that is broken or cut off",
        either("gzip_cut gzip_corrupt bad_gzip"),
        OutcomeUnknownError,
        "unreadable",
    ),
    Row(
        "200 in a content coding that the request did not ask for",
        either("br"),
        OutcomeUnknownError,
        "unreadable",
    ),
    Row(
        "200 with more bytes than any answer needs, compressed or not",
        either("big_declared big_chunked gzip_bomb"),
        OutcomeUnknownError,
        "unreadable",
    ),
    Row(
        "200 with the answer to another message",
        either("other_message"),
        OutcomeUnknownError,
        "mismatch",
    ),
    Row(
        '200 without an object: `{"object": null}`, for example',
        either("null_object list_object json_empty"),
        OutcomeUnknownError,
        "mismatch",
    ),
    Row(
        "200 with an object whose `id` is null, empty or not a string",
        either("null_id zero_id empty_id"),
        OutcomeUnknownError,
        "mismatch",
    ),
]

NODE_UNKNOWN = [
    Row(
        "the service behind the API answers 500 inside a 200, for example to the edit of a message that does not exist, or to the removal of another sender's message",
        [node("500_in_200", replays="send-client-id")],
        OutcomeUnknownError,
        "server_error",
    ),
    Row(
        "500 from the API itself",
        [node("500", replays="fault-find-apps")],
        OutcomeUnknownError,
        "status",
    ),
    Row(
        "the answer does not have the message that was sent",
        [node("no_message", replays="fault-messages-swallow")],
        OutcomeUnknownError,
        "mismatch",
    ),
    Row(
        "the connection ends without an answer, and no read finds the new message",
        [node("lost", server={"requests_to_lose": 1})],
        OutcomeUnknownError,
        "lost",
        operations=("create",),
    ),
    Row(
        "with `read_back=True`: a read does not show the message that the server said it stored",
        [node("swallowed", server={"swallows": True}, changed={"read_back": True})],
        OutcomeUnknownError,
        "unconfirmed",
        operations=("create",),
    ),
]

# --- cancelled, and delivered all the same ------------------------------------------------------

CANCELLED = [
    Row(
        "the send is cancelled while it waits for a connection",
        [cancelled_in_line()],
        asyncio.CancelledError,
        "cancelled",
        told=Outcome.NOT_SENT,
    ),
    Row(
        "the send is cancelled as soon as it begins: in a task group where another task fails",
        [cancelled_at_once()],
        asyncio.CancelledError,
        "cancelled",
        told=Outcome.NOT_SENT,
    ),
    Row(
        "the send is cancelled after its request began to leave",
        [cancelled()],
        asyncio.CancelledError,
        "cancelled",
        told=Outcome.UNKNOWN,
    ),
]

DELIVERED = [
    Row(
        "PHP warnings or a PHP stack trace before a good answer",
        faults("good_warnings good_after_php_dump"),
        None,
        "",
    ),
    Row(
        "a good answer after a 1xx, late, in chunks, in gzip, or ended by closing the connection",
        faults(
            "good good_late good_chunked good_gzip good_after_100 good_after_103 "
            "good_connection_close good_http10 good_until_close good_hang_up"
        ),
        None,
        "",
    ),
    Row(
        "the server closed the kept connection while it was idle",
        [idle_close("good_hang_up")],
        None,
        "",
    ),
]

_EVENT = "its event was observed"

ECHO_UNKNOWN = [
    Row(
        "the answer is lost, and no event was observed: none came, or only later, in a channel where "
        "none was observed before",
        [echoed("none", "loses_close"), echoed("too_late", "stores_close", delay=0.1)],
        OutcomeUnknownError,
        "lost",
        operations=("create",),
    ),
    Row(
        "the answer is lost, and the event is one of a browser, or of another application, channel, "
        "parent, content or `front_id`",
        [
            echoed(f"forged_{kind}", "stores_close", forges=kind)
            for kind in ("browser", "application", "channel", "parent", "content", "front_id")
        ],
        OutcomeUnknownError,
        "lost",
        operations=("create",),
    ),
    Row(
        "the answer is lost, and the caller gave the `front_id`",
        [echoed("given", "stores_close", changed={"front_id": "order-4711"})],
        OutcomeUnknownError,
        "lost",
        operations=("create",),
    ),
]

ECHO_CANCELLED = [
    Row(
        f"the send is cancelled after its request began to leave, and {_EVENT}",
        [echoed_and_cancelled()],
        asyncio.CancelledError,
        "found",
        told=Outcome.DELIVERED,
        operations=("create",),
    ),
]

ECHO_DELIVERED = [
    Row(
        "the answer is lost, cut off, late or proves nothing, and the event about the new message "
        "was observed",
        [
            echoed("close", "stores_close"),
            echoed("cut", "stores_cut"),
            echoed("500", "stores_500"),
            echoed("502", "stores_502"),
            echoed("403", "stores_403"),
            echoed("empty", "stores_empty"),
            echoed("late", "stores_silent", deadline=1.5),
        ],
        None,
        "",
        operations=("create",),
    ),
    Row(
        "the answer is lost, and the event comes shortly after, in a channel where one was observed "
        "before",
        [echoed("after", "stores_close", delay=0.05, before="c1")],
        None,
        "",
        operations=("create",),
    ),
    Row(
        "the answer is a refusal, and the event about the new message was observed",
        [echoed("refused", WRONG_REFUSAL)],
        None,
        "",
        operations=("create",),
    ),
    Row(
        'the answer is lost, and the event comes before another attempt leaves (`on_unknown="resend"`)',
        [
            echoed(
                "resend",
                "stores_close",
                delay=0.02,
                retry=attrs.evolve(QUICK, on_unknown="resend", initial_wait=0.3, max_wait=0.3),
            )
        ],
        None,
        "",
        operations=("create",),
    ),
]

NODE_DELIVERED = [
    Row(
        "the connection ends without an answer, and a read finds the new message",
        [node("found", server={"answers_to_lose": 1})],
        None,
        "",
        operations=("create",),
    ),
    Row(
        "the server refuses the access token, and accepts the token of a new login",
        [node("new_token", server={"tokens_to_refuse": 1})],
        None,
        "",
        ALL,
    ),
    Row(
        "a reply in a thread of users: the session joins the thread, and sends again",
        [node("joined", changed={"parent_message_id": QUESTION})],
        None,
        "",
        ALL,
        operations=("create",),
    ),
]

_OVER_NODE = 'Over `api="node"`'
_OBSERVED = 'Over `api="v1"`, with `observe`'

#: The tables of the page: a heading for each outcome, one for each group, and the group's rows.
_AROUND = "Calls about users, channels and files"


async def _failing() -> AsyncIterator[bytes]:
    yield b"x" * 100_000
    raise OSError("the disk is gone")


def _with_file(twake: TwakeSession, call: object) -> Awaitable[Message]:
    draft, options = MessageDraft("c1", "Hello"), Options(workspace_id="w1")
    return deliver_to(twake, draft, QUICK, file=pathlib.Path(__file__), options=options)


AROUND_NOT_SENT = [
    Row(
        "a message to one person: the answer that names the channel of that person was lost",
        [beside("channel", lambda twake, call: twake.send_direct("u1", "Hello"), broken=502)],
        NotSentError,
        "channel",
        ALL,
        operations=("create",),
    ),
]
AROUND_NOT_SENT.append(
    Row(
        "`send --file` on the command line: it is not known whether the file was uploaded",
        [beside("file", _with_file, broken=502)],
        NotSentError,
        "file",
        operations=("create",),
    )
)
AROUND_UNKNOWN = [
    Row(
        "the source of an upload fails after the upload has begun",
        [
            beside(
                "source",
                lambda twake, call: twake.files.upload(_failing(), name="n", workspace_id="w1"),
            )
        ],
        OutcomeUnknownError,
        "source",
        operations=("create",),
    ),
]
AROUND_REFUSED = [
    Row(
        "the user, the channel or the file of a call does not exist, and the server says so",
        [
            beside("nobody", lambda twake, call: twake.channels.direct("u1")),
            beside("to_nobody", lambda twake, call: twake.send_direct("u1", "Hello")),
        ],
        NotFoundError,
        "not_found",
        operations=("create",),
    ),
    Row(
        "a call has arguments that the server refuses",
        [
            beside("workspace", lambda twake, call: twake.channels.of_workspace("w1", "u1")),
            beside("token", lambda twake, call: twake.dialogs.user_of_token("t1")),
        ],
        RefusedError,
        "arguments",
        operations=("create",),
    ),
]

TABLES: dict[str, dict[str, list[Row]]] = {
    "`NOT_SENT`": {
        "Invalid input: nothing is sent": BAD_INPUT,
        "Configuration": CONFIGURATION,
        "The life of the session": LIFE_CYCLE,
        "No connection": NO_CONNECTION,
        _OVER_NODE: NODE_NOT_SENT,
        _AROUND: AROUND_NOT_SENT,
    },
    "`REFUSED`": {"": REFUSED, _OVER_NODE: NODE_REFUSED, _AROUND: AROUND_REFUSED},
    "`UNKNOWN`": {
        "No complete answer": LOST,
        "An answer that proves nothing": ANSWERED,
        _OBSERVED: ECHO_UNKNOWN,
        _OVER_NODE: NODE_UNKNOWN,
        _AROUND: AROUND_UNKNOWN,
    },
    "Cancelled": {"": CANCELLED, _OBSERVED: ECHO_CANCELLED},
    "Still `DELIVERED`": {"": DELIVERED, _OBSERVED: ECHO_DELIVERED, _OVER_NODE: NODE_DELIVERED},
}
ROWS = [row for groups in TABLES.values() for rows in groups.values() for row in rows]


# --- the page -----------------------------------------------------------------------------------

_COLUMNS = ("what happened", "outcome", "exception", "reason", "tried again by default?")


def _code(word: str) -> str:
    return f"`{word}`" if word else "-"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _cells(row: Row) -> tuple[str, ...]:
    outcome = f"none; `on_attempt` is told `{row.told.name}`" if row.told else ""
    if row.outcome:
        outcome = _code(row.outcome.name)
    exception = row.ends.__name__ if row.ends else ""
    # If it can only happen to some operations, no other one can be tried again.
    again = ALL if row.again and set(row.operations) <= set(row.again) else row.again
    return row.what, outcome, _code(exception), _code(row.reason), AGAIN[again]


def tables() -> str:
    """Return the tables of the page in Markdown."""
    text = ""
    for heading, groups in TABLES.items():
        text += f"\n## {heading}\n"
        for group, rows in groups.items():
            text += f"\n### {group}\n\n" if group else "\n"
            text += _line(_COLUMNS) + _line(("---",) * len(_COLUMNS))
            text += "".join(_line(_cells(row)) for row in rows)
    return text + "\n"


def page(old: str) -> str:
    """Return the page with its tables made anew."""
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + tables() + END + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
