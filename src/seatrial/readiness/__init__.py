"""The gate: what a model needs, what is allowed, and what to do about the difference."""
