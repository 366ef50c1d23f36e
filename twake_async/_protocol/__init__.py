"""The requests to a server, and what their answers prove. No I/O."""
