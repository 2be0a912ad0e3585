"""Learning what is shipped as numbers: each trainer is deterministic and prints how good it is on prompts that it did not see."""
