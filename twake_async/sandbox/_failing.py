"""The failures that a caller can ask for, for one request or more."""

from __future__ import annotations

from twake_async.sandbox._faults.fault import failure, formed, late, refused
from twake_async.sandbox._faults.names import NODE_ACTIONS, Action, Form, Refusal, RequestKind
from twake_async.sandbox._twake import Twake  # noqa: TC001

__all__ = ["Failing"]


class Failing:
    """The part of a sandbox that makes requests fail."""

    _twake: Twake

    def fail_next(
        self,
        *,
        before_storing: Action | None = None,
        after_storing: Action | None = None,
        retry_after: float | str | None = None,
        times: int = 1,
        on: RequestKind = "write",
    ) -> None:
        """Let the next requests fail, before or after they are carried out.

        Faults wait in a queue. Each request of their kind gets the first one. The requests of
        `check`, which `send_many` makes too, get no fault, because they save no message. The
        actions:

        - "close", "reset": the connection ends with a FIN or an RST, without a byte of an answer.
        - "silent": nothing is answered, and the connection stays open.
        - "cut", "cut_chunked", "cut_reset": half of the answer, then the connection ends: after a
          declared length, in chunks, or with an RST.
        - "cut_silent": half of the answer, then nothing more; the connection stays open.
        - "drip": the answer comes one byte every 10 ms.
        - "empty", "html": an empty 200; a 200 with an HTML page.
        - "bad_gzip", "cut_json": a 200 that claims to be gzip and is not; a 200 with half of the
          JSON.
        - "php_trace": a 200 with the text of a fatal error of PHP.
        - "error_words": a 200 with the error in which the server wraps every exception.
        - "null_object", "null_id": a 200 without a message, or with one whose id is null.
        - "other_message": a 200 with somebody else's message.
        - an integer from 200 to 599: that status.
        - "swallowed": on the Node API, before storing: the answer says that the message was stored,
          but nothing is stored, as with Cassandra when a write fails.
        - "later": on the Node API, before storing: nothing is answered, and the message is stored
          with the next request of any sender, as with MongoDB when a write fails.

        In-process there is no connection: the actions that end one raise ConnectionResetError.

        Args:
            before_storing: The action; nothing is stored or removed.
            after_storing: The action; the request was carried out.
            retry_after: The Retry-After header of a status: seconds, or any string. Default: none.
            times: For how many requests. Default: 1.
            on: Which requests: "write" for sends, replies, edits, removes, dialogs and changes of
                files; "read" for reads of messages, channels, people, tokens and files, including
                downloads; on the Node API also "login", or "join" for a change of the participants
                of a thread. Default: "write".

        Raises:
            ValueError: An unknown action, both or neither of the two actions given, `times` below
                1, or a value that only a release with the Node API has.

        """
        if before_storing in NODE_ACTIONS and not (self._twake.is_node and on == "write"):
            raise ValueError(f"{before_storing!r} needs a release with the Node API, and a write")
        self._twake.add_fault(failure(before_storing, after_storing, retry_after), times, on)

    def refuse_next(
        self,
        status: int | Refusal = 429,
        *,
        retry_after: float | str | None = None,
        times: int = 1,
        on: RequestKind = "write",
    ) -> None:
        """Let the next requests be refused; nothing is stored.

        On the Node API "authentication" is a 401, or the 403 of a login; "group" is the 403
        in a 200 by which other services refuse a company; "capability" and "privileges" are the 403
        to an address that is not allowed.

        Args:
            status: A status, or "authentication", "group", "capability" or "privileges" for a 200
                with an error text of the server. Default: 429.
            retry_after: The Retry-After header: seconds, or any string. Default: none.
            times: For how many requests. Default: 1.
            on: Which requests, as in `fail_next`. Default: "write".

        Raises:
            ValueError: An unknown word or status, `times` below 1, or a value that only a release
                with the Node API has.

        """
        self._twake.add_fault(refused(status, retry_after), times, on)

    def answer_next(self, form: Form, *, times: int = 1, on: RequestKind = "write") -> None:
        """Let the next requests get a good answer in a form that servers and proxies use.

        Args:
            form: "warnings" for PHP warnings in front of the JSON, as text/html; "gzip";
                "chunked"; "connection_close" for `Connection: close`, and the end of the
                connection; "hang_up" for a connection that ends after the answer without that
                header.
            times: For how many requests. Default: 1.
            on: Which requests, as in `fail_next`. Default: "write".

        Raises:
            ValueError: An unknown form, `times` below 1, or a value that only a release with the
                Node API has.

        """
        self._twake.add_fault(formed(form), times, on)

    def warn_next(self, *, times: int = 1) -> None:
        """Put PHP warnings in front of the next good answers: `answer_next("warnings")`."""
        self.answer_next("warnings", times=times)

    def slow_next(self, seconds: float, *, times: int = 1, on: RequestKind = "write") -> None:
        """Carry out the next requests at once, and answer them some seconds later."""
        self._twake.add_fault(late(seconds), times, on)

    def slow(self, seconds: float) -> None:
        """Carry out every request at once, and answer it some seconds later; 0 ends this."""
        self._twake.delay = late(seconds).delay
        self._twake.changed()
