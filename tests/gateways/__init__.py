"""Real gateways (nginx, haproxy, Apache and more) in front of an upstream that remembers.

Run with `nox -s gateways`, or with `pytest tests/gateways`. The default run does not collect it.

- `upstream.py`: the server behind the gateway, in the test's event loop.
- `process.py`: the same server in a process of its own, which can be killed and started again.
- `gateway.py`: a gateway's process: its configuration, its folder, its port.
- `setups.py`: what a set-up of a gateway is; `nginx.py`, `haproxy.py` and so on list them.
"""
