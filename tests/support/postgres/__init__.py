"""A real PostgreSQL for the tests: its programs come with a package, and each server is thrown away.

The fixtures are in `fixtures`: `postgres` is a server for the tests of one process, `conninfo` a new
database on it, `full_conninfo` one whose disk has room for a few megabytes.
"""
