"""The view and the acts of a person in the web application."""
