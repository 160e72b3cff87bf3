"""Tell the story, with what was found at each stage."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from seatrial.contracts import Monitoring
from seatrial.errors import CloudError
from seatrial.examples.flights.demo import local_cloud, prepare
from seatrial.examples.flights.telling import StageBar, Teller
from seatrial.examples.sentiment.story import Story, sentiment_config


def run_demo(out: Path) -> None:
    """From a trained classifier of text to a watched endpoint, on this machine alone."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    prepare(out)
    config = sentiment_config()
    with local_cloud(out, config):
        tell(Story(out, config), Teller(Console(), []))


def tell(story: Story, teller: Teller) -> None:
    """The stages, in order."""
    with teller.stage("Train and register") as bar:
        story.lay_foundation()
        bar.say(f"AUC {story.train():.3f} on {len(story.snippets.validation)} sentences")
        package = story.register()
        bar.say(f"registered {package}")
    with teller.stage("Approve: the readiness pipeline runs") as bar:
        execution = story.approve_and_follow(package)
        bar.say_steps(execution)
        if execution.status != "Succeeded":
            raise CloudError(
                "the model did not get into service",
                got=execution.failure_reason,
                allowed="Succeeded",
                do=f"Read the logs in {story.kept.folder(execution)}",
            )
    with teller.stage("Sentences on products, as it knows them") as bar:
        story.serve(story.snippets.live, "2026-01-06")
        say_window(bar, story.watch("2026-01-05", "2026-01-12"))
    with teller.stage("Sentences on films") as bar:
        story.serve(story.snippets.films, "2026-01-13")
        say_window(bar, story.watch("2026-01-12", "2026-01-19"))


def say_window(bar: StageBar, found: Monitoring) -> None:
    """The verdict on a window."""
    bar.say(f"{found.window.rows} predictions: {'ALERT' if found.alert else 'no alert'}")
    for reason in found.reasons:
        bar.say(reason)
