"""Edges to providers. A transport accepts an ``AdmittedCall`` and nothing else."""
