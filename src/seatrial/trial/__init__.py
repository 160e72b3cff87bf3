"""Temporary endpoints on the real service: what it costs to find out before a launch."""
