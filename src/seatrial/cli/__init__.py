"""The command line: each verb parses, calls one function, prints, and returns a code.

0 good · 1 a verdict against (not ready, an alert) · 2 a mistake or a failure.
Nothing heavy is imported before a verb runs.
"""

from seatrial.cli.app import main

__all__ = ["main"]
