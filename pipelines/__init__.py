"""The two pipeline definitions, and what starts them."""
