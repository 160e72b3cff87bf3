"""`python -m seatrial.localcloud`: the daemon in the foreground. `seatrial cloud up` starts it."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from seatrial.limits import load_limits
from seatrial.steps.entry import run


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.localcloud", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--state-dir", type=Path, required=True, help="for its log and its files")
    parser.add_argument("--images", type=Path, required=True, help="the image map, YAML")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--quota", default="", help="memory=3072,concurrency=10,endpoints=5")
    parser.add_argument("--idle-s", type=float, default=300.0, help="until a sandbox is stopped")
    parser.add_argument("--delivery-s", type=float, default=1.0, help="until log lines are in S3")
    parser.add_argument(
        "--cpu-share",
        choices=("on", "off"),
        default="off",
        help="on: a sandbox gets its tier's share of a CPU and no more, where a cgroup can be made",
    )
    args = parser.parse_args(argv)

    from seatrial.localcloud.cloud import CloudOptions
    from seatrial.localcloud.images import read_image_map
    from seatrial.localcloud.quotas import new_account, read_quotas
    from seatrial.localcloud.server import ServerOptions, serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("werkzeug", "botocore", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    quotas = read_quotas(args.quota, new_account(load_limits()))
    serve(
        ServerOptions(port=args.port, state_dir=args.state_dir, region=args.region),
        read_image_map(args.images),
        CloudOptions(
            quotas=quotas,
            idle_s=args.idle_s,
            delivery_s=args.delivery_s,
            cpu_share=args.cpu_share == "on",
        ),
    )
    return 0


if __name__ == "__main__":
    run(main)
