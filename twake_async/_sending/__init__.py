"""How a session sends: which API it asks, how calls become requests, and what it reads back."""
