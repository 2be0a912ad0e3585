"""Wire forms: one module per API family, bytes to values and back. No I/O."""
