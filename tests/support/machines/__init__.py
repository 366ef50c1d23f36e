"""Many machines, as processes: workers that share a batch, acts on them, and the truth.

`fleet` starts the workers and kills them, `store` is the Twake that remembers what it stored,
`proxy` stands before PostgreSQL, `acts` are the disturbances, `storm` runs a batch under them, and
`verdict` compares the journal, the server and what the workers reported.
"""
