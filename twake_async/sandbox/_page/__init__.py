"""The page of the sandbox: what people see and do there, the traffic, and a builder of messages."""
