"""The command about keys."""
