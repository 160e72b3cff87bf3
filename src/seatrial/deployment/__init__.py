"""Deployments of an endpoint: planned as data, applied under a lease, verified, undone."""
