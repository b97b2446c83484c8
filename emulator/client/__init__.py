"""A user's side of DUIS: sign, send, receive, correlate, decode."""
