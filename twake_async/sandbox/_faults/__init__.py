"""What goes wrong on request: the names of the faults, and what each makes of an answer."""
