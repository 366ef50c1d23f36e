"""The nodes: one class for each node type that the client shows."""
