"""Neo as the configuration wants it, for the step and for the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seatrial.aws import client
from seatrial.config import Config
from seatrial.contracts import Candidate
from seatrial.optimization.neo import neo_candidate
from seatrial.optimization.neo_request import NeoPlace


def neo_compiler(
    config: Config, output: Path, tell: Callable[[str], None]
) -> Callable[[Path], Candidate] | None:
    """What compiles a graph with Neo into `output`; None unless the configuration has it."""
    settings = config.optimization.neo
    if settings is None:
        return None
    place = NeoPlace(
        project=config.project,
        output_uri=f"s3://{config.bucket}/neo",
        role_arn=settings.role_arn or config.roles.neo,
    )

    def compile_graph(graph: Path) -> Candidate:
        return neo_candidate(
            graph,
            settings,
            place,
            output,
            s3=client("s3", region=config.region),
            sagemaker=client("sagemaker", region=config.region),
            tell=tell,
        )

    return compile_graph
