"""Make candidates of a model for serverless inference, measure them, and keep what is worth it."""
