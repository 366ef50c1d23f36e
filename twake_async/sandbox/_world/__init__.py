"""The world behind the server: companies, channels, people, applications, messages."""
