"""Other people's implementations of a tiled log, as judges of ours: Go's ``x/mod/sumdb``, and two in Python.

They are development tools; nothing that the product runs imports them.
"""
