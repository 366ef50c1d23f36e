"""The faults of the sandbox: their names, and how each changes an answer."""
