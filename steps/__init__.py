"""One module per pipeline step; each is a program of its own and a verb of the CLI."""
