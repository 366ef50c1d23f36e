"""A long storm of faulted sends: a server of its own that knows the truth of each of its acts.

`python -m storms 100000` in the folder `tests/support` sends so many messages over each transport
in turn, and compares each claim with the server's memory. Some wrong claims are inherent: HTTP/1.1
answers name no request, so an unsolicited refusal, put on the connection after a request
was written, is taken for its answer. The server marks these by what it did itself (`stream.py`),
and they are counted apart. Every other wrong claim is a contradiction.
"""
