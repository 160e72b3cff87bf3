"""Prices by region, one YAML file each."""
