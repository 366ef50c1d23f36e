"""Send one message with the wheel and its runtime dependencies only.

The other side is a thread of the standard library's HTTP server that answers as Twake does.
"""

import asyncio
import http.server
import importlib.util
import json
import pathlib
import threading

import twake_async
from twake_async import TwakeSession

EXTRAS = ("uvicorn", "click", "rich", "orjson", "pytest")


class MinimalTwake(http.server.BaseHTTPRequestHandler):
    """Stores nothing, and answers every save as if it had stored the message."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = request["message"]
        body = json.dumps(
            {
                "object": {
                    "id": "11111111-2222-1333-8444-555555555555",
                    "front_id": message["front_id"],
                    "channel_id": message["channel_id"],
                    "parent_message_id": "",
                    "content": message["content"],
                    "creation_date": 1600000000,
                }
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


async def send_to(port: int) -> str:
    """Send one message, and hand back the id that the server gave it."""
    url = f"http://127.0.0.1:{port}"
    async with TwakeSession("public-id", "private-key", group_id="group", base_url=url) as twake:
        message = await twake.send_message("channel", "Hello, this is my first message !")
    assert message.channel_id == "channel"
    return message.id


def main() -> None:
    """Check what is installed, then send."""
    here = pathlib.Path(twake_async.__file__).parent
    assert "site-packages" in here.parts, f"not the installed package: {here}"
    assert (here / "py.typed").is_file()
    present = [name for name in EXTRAS if importlib.util.find_spec(name)]
    assert not present, f"this environment is not empty: {present}"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), MinimalTwake) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        message_id = asyncio.run(send_to(server.server_address[1]))
        server.shutdown()
    print(f"sent with the wheel alone, and no extra installed: message {message_id}")


if __name__ == "__main__":
    main()
