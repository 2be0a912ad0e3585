"""The pure part of the proxy: immutable values in, immutable values out; clock, identifiers and salts are arguments."""
