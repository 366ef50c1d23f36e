"""The journal of a batch: its file, its rows, its writer, and what it says of a draft."""
