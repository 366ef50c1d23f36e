"""What is said to a server, and what its answers prove. No I/O."""
