"""`twake-async application`: the fields to fill in when an application is created."""

from __future__ import annotations

import json

import pytest

click = pytest.importorskip("click")

from click.testing import CliRunner  # noqa: E402

from twake_async.cli._commands import twake_async  # noqa: E402
from twake_async.cli._declaration import DOES, declare  # noqa: E402

#: The words that the server offers (wire/rest/README.md, from TW/Market/Entity/Application.php).
CAPABILITIES = {
    *("display_modal", "messages_save", "messages_remove", "drive_save", "drive_remove"),
    *("calendar_event_save", "calendar_event_remove", "tasks_task_save", "tasks_task_remove"),
}
PRIVILEGES = {
    *("channels", "workspace", "workspace_calendar", "workspace_tasks", "workspace_drive"),
    *("drive_list", "tasks_task_save", "tasks_task_remove"),
}
HOOKS = {"message", "message_in_workspace", "calendar", "event", "task", "file"}
DISPLAY = {
    *("messages_module", "drive_module", "calendar_module", "tasks_module", "channel"),
    *("channel_tab", "app", "member_app", "configuration"),
}


def run(*arguments):
    ran = CliRunner().invoke(twake_async, ["application", *arguments], standalone_mode=False)
    return ran.exception or ran.return_value, ran.stdout


def test_each_word_is_one_that_the_console_offers():
    """The server would store any other word, but it would mean nothing."""
    found = declare(tuple(DOES), (("close", "Close it"),))
    assert set(found.capabilities) <= CAPABILITIES
    assert set(found.privileges) <= PRIVILEGES
    assert set(found.hooks) <= HOOKS
    assert set(found.display) <= DISPLAY
    assert len(set(found.capabilities)) == len(found.capabilities)


def test_an_application_that_only_sends():
    """It needs no event address."""
    status, out = run()
    assert status == 0
    assert "[ ] capabilities  messages_save\n" in out
    assert "[ ] privileges    (none)\n" in out
    assert "event address" not in out
    assert "display" not in out
    assert out.endswith("TWAKE_PUBLIC_ID, TWAKE_PRIVATE_API_KEY\n")


def test_a_bot_that_hears_and_has_commands():
    """It has hooks, other steps to take, and the JSON of the display field."""
    status, out = run(
        *("--hears", "messages", "--configures", "channels"),
        *("--command", "close:Close the ticket", "--command", "open"),
    )
    assert status == 0
    assert "[ ] hooks         message\n" in out
    assert "it needs a path" in out
    assert "add the application to each channel" in out
    display = json.loads(out[out.index("{") : out.rindex("}") + 1])
    assert display == {
        "channel": {},
        "configuration": {"can_configure_in_channel": True},
        "messages_module": {
            "commands": [
                {"command": "close", "description": "Close the ticket"},
                {"command": "open", "description": ""},
            ]
        },
    }


def test_as_json():
    """The JSON is for scripts."""
    _, out = run("--reads", "files", "--json")
    found = json.loads(out)
    assert found["privileges"] == ["workspace_drive", "drive_list"]
    assert found["capabilities"] == ["messages_save"]
    assert found["needs_events"] is False


def test_what_opens_files_reads_them():
    """The display field makes the web client open a page of the application."""
    _, out = run("--opens", "files", "--json")
    found = json.loads(out)
    assert found["privileges"] == ["workspace_drive"]
    assert found["display"]["drive_module"]["can_open_files"]["main_ext"] == []


@pytest.mark.parametrize("given", [":text", " ", "two words:text"])
def test_what_is_no_command(given):
    """A command is one word."""
    error, _ = run("--command", given)
    assert isinstance(error, click.UsageError)
