"""Every step of monitoring, ended by a SIGKILL at each of its acts, and run again.

    .venv/bin/python benchmarks/interruptions.py [STEP ...]

An act is what changes something outside the process: a file that is opened for writing, written or
renamed, a request to AWS that is not a look, a statement that changes MLflow's database. The
process ends right before it; of a file also when it has been opened and is still empty. Afterwards

- BuildBaseline, CollectWindow, CheckQuality, DetectDrift and ScoreLabels (which fetches labels from
  S3) have to write, byte by byte, what an undisturbed run writes, and leave nothing else;
- React has to have told people and EventBridge once, and twice only where it was ended between the
  sending and its note of it; there is one finished MLflow run, and the same objects are in S3.

Exits 1 if a promise is broken.
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "flow"), str(ROOT / "tests" / "flow" / "shared")]

BUCKET, ENDPOINT = "lake-of-interruptions", "watched"
FILES = ("build_baseline", "check_quality", "detect_drift", "score_labels")
STEPS = (*FILES, "collect_window", "react")


def prepare(cloud: Any, root: Path) -> Any:
    """An endpoint whose warm week is collected and judged, with its labels in S3."""
    from watched import (
        MOVED,
        Place,
        create_endpoint,
        make_baseline,
        rows_from,
        serve,
        watch,
        write_candidates,
        write_data,
    )

    from seatrial.aws import S3
    from seatrial.config import load_config
    from seatrial.serving.model import Model

    config = load_config(
        None,
        bucket=BUCKET,
        endpoint={"name": ENDPOINT},
        tracking={"mlflow_uri": f"sqlite:///{root / 'mlflow.db'}"},
    )
    (root / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    write_candidates(root)
    write_data(root)
    place, s3 = Place(root, config), S3(cloud.client("s3"))
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    s3.upload_folder(make_baseline(place), f"s3://{BUCKET}/baselines/{ENDPOINT}")
    archive = root / "candidates/fp32/model.tar.gz"
    s3.upload(archive, f"s3://{BUCKET}/models/{ENDPOINT}/model.tar.gz")
    truth = rows_from(MOVED, 7, seed=2, warmer=20)
    lines = b"\n".join(serve(truth, Model.load(root / "model"), "warm"))
    for name, body in (("a.gz", gzip.compress(lines)), ("b", b"{}"), ("c", lines[:100_000])):
        key = f"predictions/{ENDPOINT}/AllTraffic/2024/04/08/01/{name}"
        cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
    labels = truth.assign(event_id=[f"warm-{at // 8}" for at in truth.index], row=truth.index % 8)
    labels = labels.rename(columns={"late": "label"})[["event_id", "row", "label"]]
    labels.to_csv(root / "labels.csv", index=False)
    s3.upload(root / "labels.csv", f"s3://{BUCKET}/labels/warm.csv")
    topic = config.monitoring.alert_topic_arn.rsplit(":", 1)[-1]
    cloud.client("sns").create_topic(Name=topic)
    create_endpoint(cloud.client("sagemaker"), config)
    if not watch(place, "warm", MOVED, f"s3://{BUCKET}/labels/").alert:
        raise RuntimeError("the warm week is no alert, so React would have nobody to tell")
    return place


def try_step(step: str, place: Any, cloud: Any) -> tuple[Any, list[str]]:
    """End the step at each of its acts; what was run, and what was not as it should."""
    from interrupted import (
        Ears,
        broken_promises,
        interrupt,
        plan_of,
        plan_of_collecting,
        plan_of_reacting,
        told_of_each,
    )
    from watched import MOVED

    week, outputs = place.root / "warm", place.root / "interrupted" / step
    outputs.parent.mkdir(exist_ok=True)
    if step == "collect_window":
        found = interrupt(plan_of_collecting(place, MOVED, outputs), points=None, fresh=True)
        return found, found.wrong
    if step != "react":
        plan = plan_of(step, place, week, outputs, f"s3://{BUCKET}/labels/")
        found = interrupt(plan, points=None, fresh=True)
        return found, found.wrong
    ears = Ears(cloud, place.config.monitoring.alert_topic_arn, "ears")
    found = interrupt(plan_of_reacting(place, week, outputs), points=None, fresh=True)
    told = told_of_each(found, place, outputs, cloud, ears)
    twice = [found.acts[at - 1] for at in found.points if told[at].messages == 2]
    sys.stdout.write(f"{'':16} a message came twice at: {', '.join(twice) or 'no act'}\n")
    return found, [*found.wrong, *broken_promises(found, told)]


def main(steps: Sequence[str]) -> int:
    """Try the steps (all, if none is named), and say of each how it went."""
    from roomy import roomy_cloud

    broken = 0
    with roomy_cloud() as cloud, tempfile.TemporaryDirectory() as scratch:
        os.environ.update(cloud.environment)
        place = prepare(cloud, Path(scratch))
        for step in steps or STEPS:
            started = time.monotonic()
            found, wrong = try_step(step, place, cloud)
            seconds = time.monotonic() - started
            sys.stdout.write(
                f"{step:16} ended at {len(found.points)} of {len(found.acts)} acts, "
                f"{len(wrong)} not as undisturbed, {seconds:.0f} s\n"
            )
            for line in wrong:
                sys.stdout.write(f"{'':16} BROKEN {line}\n")
            sys.stdout.flush()
            broken += len(wrong)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
