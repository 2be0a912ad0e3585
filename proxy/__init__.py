"""The egress proxy: one request from the client's bytes to a recorded answer."""
