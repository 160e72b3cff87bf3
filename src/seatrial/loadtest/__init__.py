"""A load test of a serverless endpoint with Locust: the shapes that serverless gets wrong."""
