"""Judge whether the profiled candidates are ready to serve, choose one, recommend a configuration.

Reads   candidates/ (optimization.json, archives), profile/profile.json, baseline/, the
        configuration; quotas, endpoints, topic and bucket from AWS.
Writes  readiness.json (Readiness), verdict.json (Verdict), report.html for a person. "Not ready"
        is an answer: exit 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial.aws import client, explained
from seatrial.config import Config, read_resolved_config
from seatrial.contracts import (
    Optimization,
    Profile,
    Readiness,
    read_contract,
    write_contract,
)
from seatrial.errors import InputError
from seatrial.limits import Limits, load_limits
from seatrial.pipelines.registration import describe_package
from seatrial.readiness.choice import choose
from seatrial.readiness.facts import Account, ArchiveLook, Circumstances, Facts, MonitoringPlan
from seatrial.readiness.inputs import (
    assumed_account,
    look_into,
    prices_of,
    read_account,
    read_baseline,
    read_output_std,
    read_plan,
)
from seatrial.readiness.own_image import without_foreign_figures
from seatrial.readiness.verdict import verdict
from seatrial.report.page import render
from seatrial.steps.entry import run


def judge_candidates(
    optimization: Optimization,
    profile: Profile,
    circumstances: Circumstances,
    archives: Mapping[str, ArchiveLook],
) -> Readiness:
    """Judge every profiled candidate, and choose among them by the user's objective."""
    measured = {item.candidate: item for item in profile.candidates}
    profiled = [
        without_foreign_figures(
            Facts(
                **vars(circumstances),
                candidate=candidate,
                measured=measured[candidate.name],
                profile=profile,
                optimization=optimization,
                archive=archives.get(candidate.name),
            )
        )
        for candidate in optimization.candidates
        if candidate.name in measured
    ]
    if not profiled:
        raise InputError(
            "the profile has none of the candidates",
            got=sorted(measured),
            allowed=[candidate.name for candidate in optimization.candidates],
            do="Run ProfileModel on the output of this OptimizeModel",
        )
    return choose(profiled)


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=Path, required=True)
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--baseline", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--readiness-uri", required=True)
    parser.add_argument("--offline", action="store_true", help="ask AWS nothing")
    args = parser.parse_args(argv)

    config, limits = read_resolved_config(args.config), load_limits()
    optimization = read_contract(Optimization, args.candidates / "optimization.json")
    profile = read_contract(Profile, args.profile / "profile.json")
    package, account, plan = _asked(args, config, limits, optimization.model_package_arn)
    circumstances = Circumstances(
        package=package,
        account=account,
        plan=plan,
        config=config,
        limits=limits,
        prices=prices_of(config, today=datetime.now(UTC).date()),
    )
    profiled = {item.candidate for item in profile.candidates}
    looks = {
        item.name: look_into(item, args.candidates, max_mb=limits.disk_mb.value)
        for item in optimization.candidates
        if item.name in profiled
    }
    archives = {name: look for name, look in looks.items() if look is not None}
    readiness = judge_candidates(optimization, profile, circumstances, archives)
    write_contract(readiness, args.output / "readiness.json")
    page = render(readiness, optimization, profile, config)
    (args.output / "report.html").write_text(page, encoding="utf-8")
    answer = verdict(readiness, config.unknown_blocks, args.readiness_uri)
    write_contract(answer, args.output / "verdict.json")
    return 0


def _asked(
    args: argparse.Namespace, config: Config, limits: Limits, package_arn: str | None
) -> tuple[dict[str, Any], Account, MonitoringPlan]:
    """The package, the quotas and the monitoring plan, as far as AWS may be asked."""
    baseline = read_baseline(args.baseline)
    output_std = read_output_std(args.baseline, baseline)
    if args.offline:
        plan = MonitoringPlan(baseline, None, None, output_std)
        return {}, assumed_account(config, limits), plan
    clients = {
        name: client(name, region=config.region)
        for name in ("sagemaker", "service-quotas", "s3", "sns")
    }
    package = {} if package_arn is None else describe_package(package_arn, clients["sagemaker"])
    with explained("quotas and the monitoring plan", do="Check the job role's permissions"):
        account = read_account(config, limits, clients=clients)
        plan = read_plan(config, baseline, output_std=output_std, clients=clients)
    return package, account, plan


if __name__ == "__main__":
    run(main)
