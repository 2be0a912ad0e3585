"""Content that the operator chose to keep: encrypted, with its keys apart from it, so that destroying a key destroys every copy."""
