"""Decisions: facts about deployments, jurisdictions of a request, and the policy decision point."""
