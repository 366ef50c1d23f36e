"""The journal in PostgreSQL, which several machines share; it needs the extra `postgres`."""
