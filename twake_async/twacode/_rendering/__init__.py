"""What a reader sees of a message: its content as safe elements, and these as HTML or as JSON."""
