"""Every AWS call of a deployment and of a rollback, going wrong in every manner.

    .venv/bin/python benchmarks/faults.py [SCENE ...]

Scenes on localcloud (a first deployment, an update, concurrency changed in place, a rollback, one
that a verdict has asked for; update and rollback once more while pings keep the endpoint warm, and
while a timetable scales its provisioned concurrency), with a model server that starts in
milliseconds. For each call that a scene makes, its first occurrence is throttled, answered with a
5xx, refused for a limit, answered but the answer is lost (once; at every try of boto3), or a
SIGKILL ends the process right after it.
Then it has to hold that

- the endpoint serves the old or the new configuration, or is not there if it was not before, and
  predicts as it should;
- running the same again ends in the new configuration, recorded as verified, and kept warm as the
  configuration says and in no other way;
- no configuration and no model is left that the history does not name.

The service's own failures (an endpoint that ends Failed, an update that it silently takes back) are
in tests/flow/test_deployments.py. Exits 1 if a cell breaks a promise.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "flow"), str(ROOT / "tests" / "flow" / "shared")]


def main(scenes: Sequence[str]) -> int:
    """Play every cell of the scenes (all, if none is named) and print it."""
    from botocore.retries import standard
    from faults import FAULTS, SCENES, Fault, Stage, play
    from roomy import roomy_cloud

    backoff: Any = standard.ExponentialBackoff
    backoff.delay_amount = lambda *_: 0  # boto3 retries as ever, but does not wait in between
    outcomes: Counter[str] = Counter()
    started = time.monotonic()
    with roomy_cloud() as cloud:
        for scene in scenes or SCENES:
            stage = Stage(cloud, names=word(scene))
            for call in stage.calls(scene):
                for kind in FAULTS:
                    cell = f"{scene:18} {call:36} {kind:13}"
                    try:
                        outcome = play(stage.scene(scene), Fault(call, kind))
                    except Exception as error:
                        outcomes["BROKEN"] += 1
                        sys.stdout.write(f"{cell} BROKEN: {error!r}\n")
                        stage = Stage(cloud, names=f"{word(scene)}-{outcomes.total()}")
                        continue
                    outcomes[outcome.served] += 1
                    sys.stdout.write(f"{cell} raised {outcome.raised:16} serves {outcome.served}\n")
    seconds = time.monotonic() - started
    said = ", ".join(f"{number} {what}" for what, number in sorted(outcomes.items()))
    sys.stdout.write(f"{outcomes.total()} cells in {seconds:.0f} s; after the fault: {said}\n")
    return 1 if outcomes["BROKEN"] else 0


def word(scene: str) -> str:
    """The scene's name, as names of endpoints can have it."""
    return scene.replace(",", "").replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
