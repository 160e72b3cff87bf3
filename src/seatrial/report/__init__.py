"""`report.html`: one self-contained page about a run, for a person with five minutes."""
