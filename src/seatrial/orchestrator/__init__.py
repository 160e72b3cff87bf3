"""Several endpoints in one request, each with a deadline: see handler.py. Needs botocore only."""
