"""The faults that can be asked for: their names, and what each makes of an answer."""
