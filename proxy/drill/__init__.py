"""Recorded decisions, decided again: on the set in force, on a draft, under a ban that may come."""
