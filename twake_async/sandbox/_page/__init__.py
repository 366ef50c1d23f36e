"""The page of the sandbox: the view and the acts of people, the traffic, a message builder."""
