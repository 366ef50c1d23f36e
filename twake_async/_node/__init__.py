"""What a session does around its sends to Node servers: logins, looks, and joining threads."""
