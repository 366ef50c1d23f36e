"""errors.py: what each exception claims, and that a copy and a pickle keep its claims."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor

import pytest

from twake_async import errors
from twake_async.errors import (
    AuthenticationError,
    ConfigurationError,
    EmptyFileWarning,
    InvalidDraftError,
    InvalidGroupError,
    JournalError,
    MissingCapabilityError,
    NotFoundError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    ReplyAtRootWarning,
    SessionClosedError,
    TextCutWarning,
    TwakeError,
    WrongEventLoopError,
)

TREE = {
    TwakeError: (Exception, Outcome.NOT_SENT),
    ConfigurationError: (TwakeError, Outcome.NOT_SENT),
    InvalidDraftError: (TwakeError, Outcome.NOT_SENT),
    SessionClosedError: (TwakeError, Outcome.NOT_SENT),
    WrongEventLoopError: (TwakeError, Outcome.NOT_SENT),
    JournalError: (TwakeError, Outcome.NOT_SENT),
    RefusedError: (TwakeError, Outcome.REFUSED),
    AuthenticationError: (RefusedError, Outcome.REFUSED),
    InvalidGroupError: (RefusedError, Outcome.REFUSED),
    MissingCapabilityError: (RefusedError, Outcome.REFUSED),
    NotFoundError: (RefusedError, Outcome.REFUSED),
    RateLimitedError: (RefusedError, Outcome.REFUSED),
    NotSentError: (TwakeError, Outcome.NOT_SENT),
    OutcomeUnknownError: (TwakeError, Outcome.UNKNOWN),
}


def full_of_facts(kind):
    """Return an exception of that class with a value in every fact that it can carry."""
    error = kind("it went wrong")
    error.status = 429
    error.reason = "a-word"
    error.front_id = "front-1"
    error.attempts = 3
    error.elapsed = 1.25
    if kind in (ConfigurationError, InvalidDraftError):
        error.field = "channel_id"
    if kind is RateLimitedError:
        error.retry_after = 7.5
    if kind is MissingCapabilityError:
        error.missing = ("messages_save", "users_get")
    return error


def raise_in_a_child(kind):
    """Raise a full exception with a cause; runs in a child process."""
    raise full_of_facts(kind) from RefusedError("no", reason="status", status=403)


@pytest.fixture(params=TREE, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def test_the_tree_is_the_documented_one(kind):
    """Each class stands under the documented parent and claims the documented outcome."""
    parent, outcome = TREE[kind]
    assert parent in kind.__bases__
    assert kind.outcome is outcome
    assert kind("x").outcome is outcome


WARNINGS = (EmptyFileWarning, ReplyAtRootWarning, TextCutWarning)


def test_no_exception_is_missing_from_the_tree():
    """Every exception that the module exports is in the tree that is tested here."""
    exported = {getattr(errors, name) for name in errors.__all__}
    assert exported == {*TREE, Outcome, *WARNINGS}


def test_the_docstring_draws_the_tree(kind):
    """The tree in the docstring of the module names every class."""
    assert f" {kind.__name__} " in f" {errors.__doc__} "


def test_bad_arguments_are_also_value_errors():
    """Code that knows only `ValueError` catches wrong settings and drafts, but no outcome."""
    value_errors = {kind for kind in TREE if issubclass(kind, ValueError)}
    assert value_errors == {ConfigurationError, InvalidDraftError}


def test_there_are_exactly_four_outcomes():
    """There are four outcomes, and each has readable words."""
    assert {one.name: one.value for one in Outcome} == {
        "DELIVERED": "delivered",
        "REFUSED": "refused",
        "NOT_SENT": "not sent",
        "UNKNOWN": "unknown",
    }


def test_a_new_error_has_every_fact(kind):
    """Facts can be read from every exception, also before any attempt was made."""
    error = kind("x")
    assert (error.front_id, error.attempts, error.elapsed, error.status) == (None, 0, 0.0, None)
    assert isinstance(error.reason, str)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConfigurationError("x", field="f"), "configuration"),
        (InvalidDraftError("x", field="f"), "draft"),
        (SessionClosedError("x"), "closed"),
        (WrongEventLoopError("x"), "event_loop"),
        (NotSentError("x", reason="dns"), "dns"),
    ],
)
def test_the_reason_is_a_word(error, reason):
    """An exception with one possible cause sets it; others take the reason that they are given."""
    assert error.reason == reason


def test_text_before_any_attempt_is_the_sentence_alone():
    """Without attempts, the text has no numbers."""
    assert str(NotSentError("the deadline was already over")) == "the deadline was already over"


@pytest.mark.parametrize(("attempts", "words"), [(1, "1 attempt"), (3, "3 attempts")])
def test_text_after_attempts_tells_how_many_and_which_message(attempts, words):
    """A log line of the exception is enough to find the message."""
    error = full_of_facts(RefusedError)
    error.attempts = attempts
    assert str(error) == f"it went wrong (after {words} in 1.25 s, front_id front-1)"


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle{protocol}": lambda error, protocol=protocol: pickle.loads(
            pickle.dumps(error, protocol)
        )
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("way", COPIES)
def test_facts_and_cause_survive_a_copy(kind, way):
    """A copied or pickled exception has the same class, text, facts and cause."""
    error = full_of_facts(kind)
    error.__cause__ = RateLimitedError("later", reason="later", status=429)
    error.__cause__.retry_after = 2.0
    twin = COPIES[way](error)
    assert type(twin) is kind
    assert twin is not error
    assert str(twin) == str(error)
    assert twin.args == error.args
    assert vars(twin) == vars(error)
    assert type(twin.__cause__) is RateLimitedError
    assert twin.__cause__.retry_after == 2.0
    assert twin.outcome is error.outcome


@pytest.mark.parametrize("way", COPIES)
def test_a_bare_error_survives_a_copy(kind, way):
    """An exception with nothing but its sentence comes through too, without a cause."""
    twin = COPIES[way](kind("x"))
    assert type(twin) is kind
    assert twin.args == ("x",)
    assert twin.__cause__ is None


def test_notes_survive_a_pickle():
    """Notes that the caller added with `add_note` are kept."""
    error = NotSentError("x", reason="dns")
    error.add_note("while sending the report")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while sending the report"]


class HoldsALockError(Exception):
    """An exception that holds a lock, which cannot be pickled."""

    def __init__(self, words):
        super().__init__(words)
        self.held = threading.Lock()


class NeedsMoreError(Exception):
    """An exception that can be pickled, but not made again."""

    def __init__(self, words, *, more):
        super().__init__(words)
        self.more = more


class HasNoWordsError(HoldsALockError):
    def __str__(self):
        raise ValueError("no words")


STUBBORN = {
    "holds a lock": lambda: HoldsALockError("it broke"),
    "does not come back": lambda: NeedsMoreError("it broke", more=1),
    "has no words": lambda: HasNoWordsError("it broke"),
    "is of no module": lambda: type("Local", (Exception,), {})("it broke"),
}


@pytest.mark.parametrize("cause", STUBBORN)
@pytest.mark.parametrize("way", [one for one in COPIES if one.startswith("pickle")])
def test_an_error_whose_cause_cannot_be_pickled_can_be(cause, way):
    """Its own facts are kept; the class and words of the cause stand for the cause."""
    error = full_of_facts(OutcomeUnknownError)
    error.__cause__ = made = STUBBORN[cause]()
    twin = COPIES[way](error)
    assert (str(twin), vars(twin)) == (str(error), vars(error))
    assert type(twin.__cause__) is Exception
    words = "no words" if cause == "has no words" else "it broke"
    assert str(twin.__cause__) == f"{__name__}.{type(made).__qualname__}: {words}"
    assert error.__cause__ is made


@pytest.mark.parametrize("cause", STUBBORN)
def test_a_copy_within_the_process_keeps_such_a_cause_itself(cause):
    """It holds also for the cause of the cause."""
    error = full_of_facts(OutcomeUnknownError)
    error.__cause__ = RefusedError("x", reason="status")
    error.__cause__.__cause__ = made = STUBBORN[cause]()
    assert copy.copy(error).__cause__ is error.__cause__
    twin = copy.deepcopy(error)
    assert twin.__cause__ is not error.__cause__
    assert twin.__cause__.__cause__ is made or type(twin.__cause__.__cause__) is type(made)


def test_an_error_that_is_its_own_cause_is_copied_and_pickled():
    """Python allows that."""
    error = NotSentError("x", reason="dns")
    error.__cause__ = error
    twin = copy.deepcopy(error)
    assert twin.__cause__ is twin
    assert pickle.loads(pickle.dumps(error)).reason == "dns"


def raise_with_stubborn_cause():
    raise NotSentError("no", reason="dns") from HoldsALockError("it broke")


def test_an_error_with_such_a_cause_comes_out_of_a_process_pool():
    """The pool returns the error itself, not an error that it could not be pickled."""
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
        pytest.raises(NotSentError) as caught,
    ):
        pool.submit(raise_with_stubborn_cause).result()
    assert caught.value.reason == "dns"


def test_errors_come_out_of_a_process_pool():
    """A real process pool returns the exception with its facts."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        for kind in (RateLimitedError, MissingCapabilityError, InvalidDraftError):
            error = pool.submit(raise_in_a_child, kind).exception(timeout=60)
            assert type(error) is kind
            assert vars(error) == vars(full_of_facts(kind))


def test_the_warning_is_a_user_warning():
    """The warning of a cut text is shown by default, as user warnings are."""
    assert all(issubclass(kind, UserWarning) for kind in WARNINGS)


def test_an_edit_has_no_front_id_to_tell():
    """The text has no front_id where there is none."""
    error = NotSentError("the message was not sent", reason="connect")
    error.attempts, error.elapsed = 1, 0.5
    assert str(error) == "the message was not sent (after 1 attempt in 0.50 s)"


STEERING = "a\x1b[2J\r\nb\tc\x07d\u202ee\u2066f\u200fg\x9bh\x00i\u2028j\ud83dk"


def test_words_of_others_cannot_steer_a_terminal_or_a_log(kind):
    """The text, the arguments and a copy have no ESC, line breaks or marks that turn the text."""
    error = kind(f"the server said: {STEERING}")
    error.attempts, error.front_id = 1, "mine\u202e"
    assert str(error).startswith("the server said: a?[2J b c?d?e?f?g?h?i j?k")
    for text in (str(error), error.args[0], str(pickle.loads(pickle.dumps(error)))):
        assert text.isprintable()


def test_words_of_others_do_not_flood_a_log(kind):
    """A server may answer with megabytes."""
    assert len(str(kind("x" * 5_000_000))) <= 4_000


def test_words_in_any_script_are_left_as_they_are(kind):
    """Only what cannot be printed is replaced."""
    for words in ("le serveur a dit « non » à 100 %", "サーバー", "الخادم", "🎉 ok"):
        assert str(kind(words)) == words
