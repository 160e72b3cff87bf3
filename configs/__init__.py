"""Configuration files that come with the package."""
