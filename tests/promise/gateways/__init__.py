"""Real gateways (nginx, haproxy, Apache, squid, caddy) in front of an upstream that remembers.

Run with `nox -s gateways` or `pytest tests/promise/gateways`. The default run does not collect it.

- `upstream.py`: `Upstream`, the server behind the gateway, in the test's event loop.
- `process.py`: `UpstreamProcess`, the same in a process, which can be killed and started again.
- `gateway.py`: `Gateway`, a gateway's process: its configuration, its folder, its port.
- `setups.py`: `Setup`, a gateway with a configuration and the statuses that this one shows;
  `Case`, what the upstream does. `nginx.py`, `haproxy.py` and so on list set-ups.
- `sends.py`: `Send`, a message through a gateway, and what was claimed of it.
"""
