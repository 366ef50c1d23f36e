"""The journal of a batch: its file, its rows, and what they say of a draft."""
