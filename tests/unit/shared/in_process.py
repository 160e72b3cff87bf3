"""The console script in the test's own process: another one would import for up to ten seconds."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from tempfile import TemporaryFile

import pytest

from seatrial.cli import main


def call_seatrial(
    *words: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What `seatrial WORDS` prints and exits with. Warnings are errors in it, as in any test."""
    out, err = _stream(), _stream()
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["seatrial", *words])
        for name, value in {**(environment or {}), "MLFLOW_DISABLE_TELEMETRY": "true"}.items():
            patch.setenv(name, value)
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            signal.signal(signal.SIGTERM, on_sigterm)
    assert isinstance(code, int), code
    return subprocess.CompletedProcess(words, code, _read(out), _read(err))


def _stream() -> io.TextIOWrapper:
    """A real file: some verbs hand it on to a program that they start."""
    return io.TextIOWrapper(TemporaryFile(buffering=0), "utf-8", write_through=True)


def _read(stream: io.TextIOWrapper) -> str:
    with stream:
        stream.seek(0)
        return stream.read()
