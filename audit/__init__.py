"""Evidence: statements, envelopes, the transparency log, and the verifier that needs nothing else of Apostille."""
