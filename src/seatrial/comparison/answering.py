"""`seatrial compare` as one call: find both sides, compare them, and act on the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seatrial.aws import S3
from seatrial.comparison.comparing import Question, Side, Tell, choose_challenger, compare
from seatrial.comparison.following import Followed, find_served, follow
from seatrial.comparison.quality import DEFAULT_METRIC
from seatrial.comparison.ranking import ComparedRun, lower_is_better
from seatrial.comparison.registering import Registered, register_challenger
from seatrial.comparison.tracking import Champion, Tracking
from seatrial.comparison.validation import Brought, registered
from seatrial.config import Config
from seatrial.contracts import Comparison, write_contract
from seatrial.errors import InputError
from seatrial.optimization.trust import Trust, trust_in

CHALLENGER_ALIAS = "challenger"


@dataclass(frozen=True)
class Request:
    """What the user asks. `model` is the registered model; None of `brought`: the champion's data.

    `rank_by` is the logged metric that chooses the challenger; None: the one that is compared.
    `trusted` are names of sources whose pickles may run code: `mlflow:/EXPERIMENT/RUN_ID`, or what
    such a name starts with. `commit` is the git commit that a registered package is to name.
    """

    experiment: str
    model: str
    where: str
    rank_by: str | None
    brought: Brought | None
    trusted: tuple[str, ...]
    python: Path
    dry_run: bool
    commit: str | None = None


@dataclass(frozen=True)
class Outcome:
    """The verdict, and what was done about it; no `comparison`: there was nobody to compare.

    `followed`: the champion is what serves; None where the alias stands as somebody has put it.
    """

    judged_on: str
    comparison: Comparison | None = None
    package: Registered | None = None
    version: str | None = None
    tracked_run: str | None = None
    followed: Followed | None = None

    @property
    def good(self) -> bool:
        """Accepted, and no one had rejected it before."""
        rejected = self.package is not None and self.package.state == "rejected before"
        return self.comparison is not None and self.comparison.accepted and not rejected


def answer(
    request: Request, config: Config, tracking: Tracking, clients: Mapping[str, Any], *, tell: Tell
) -> Outcome:
    """Compare, and unless it is a dry run write it down; register the challenger if accepted.

    `clients` are boto3's for s3 and sagemaker, and as `find_served` says.
    """
    followed = _follow(request, config, tracking, clients)
    alias = config.comparison.champion_alias
    champion = followed.champion if followed else tracking.champion(request.model, alias)
    with TemporaryDirectory(prefix="seatrial-compare-") as folder:
        outcome = _Trial(request, config, tracking, clients, Path(folder)).run(champion, tell)
    return replace(outcome, followed=followed)


def _follow(
    request: Request, config: Config, tracking: Tracking, clients: Mapping[str, Any]
) -> Followed | None:
    if not config.comparison.champion_follows:
        return None
    served = find_served(config.endpoint.name, config.bucket, clients)
    if served is None or served.model != request.model:
        return None
    return follow(served, config.comparison.champion_alias, tracking, dry_run=request.dry_run)


class _Trial:
    """One comparison under way, with a folder for what it fetches and makes."""

    def __init__(
        self,
        request: Request,
        config: Config,
        tracking: Tracking,
        clients: Mapping[str, Any],
        scratch: Path,
    ) -> None:
        self._request, self._config, self._tracking = request, config, tracking
        self._s3, self._sagemaker = S3(clients["s3"]), clients["sagemaker"]
        self._scratch = scratch

    def run(self, champion: Champion | None, tell: Tell) -> Outcome:
        request, config = self._request, self._config
        brought = request.brought or self._registered(champion)
        metric = config.comparison.metric or DEFAULT_METRIC[brought.task]
        logged = request.rank_by or metric
        ranking = self._tracking.rank(
            request.experiment, logged, where=request.where, lower=lower_is_better(metric)
        )
        run = choose_challenger(ranking, champion)
        if run is None:
            return Outcome(brought.source)
        tell("fetching the models")
        sides = self._champion(champion), self._challenger(run)
        question = Question(
            experiment=request.experiment,
            metric=metric,
            logged_metric=logged,
            validation=brought.rows(),
            sizes=config.optimization.batch_rows or brought.sizes(),
            python=request.python,
            inputs={"validation": brought.validation, "reference": brought.reference},
        )
        found = compare(question, ranking, sides, config, self._scratch, tell=tell)
        if request.dry_run:
            return Outcome(brought.source, found)
        return self._act(found, brought, run, sides[1].model)

    def _registered(self, champion: Champion | None) -> Brought:
        group = self._config.model_package_group
        found = registered(
            group,
            champion.run_id if champion else None,
            self._scratch / "data",
            s3=self._s3,
            sagemaker=self._sagemaker,
        )
        if found is None:
            raise InputError(
                f"no model package of {group} says what it was validated on",
                got="no --data",
                allowed="rows with known truth that neither model was trained on",
                do="Give --data, --target and --task",
            )
        return found

    def _champion(self, champion: Champion | None) -> Side | None:
        if champion is None:
            return None
        folder = self._scratch / "models" / "champion"
        return Side(
            run_id=champion.run_id,
            name=champion.name,
            version=champion.version,
            model=self._tracking.download_version(self._request.model, champion.version, folder),
            trust=self._trust(champion.experiment, champion.run_id),
        )

    def _challenger(self, run: ComparedRun) -> Side:
        return Side(
            run_id=run.run_id,
            name=run.name,
            version=None,
            model=self._tracking.download_run(run, self._scratch / "models" / "challenger"),
            trust=self._trust(self._request.experiment, run.run_id),
        )

    def _trust(self, experiment: str, run_id: str) -> Trust:
        names = [*self._config.optimization.trusted_sources, *self._request.trusted]
        return trust_in(f"mlflow:/{experiment}/{run_id}", names)

    def _act(self, found: Comparison, brought: Brought, run: ComparedRun, model: Path) -> Outcome:
        """Package and version first, the approval among them: what is registered can be found."""
        artifact = self._scratch / "comparison.json"
        write_contract(found, artifact)
        package = version = None
        if found.accepted:
            package = register_challenger(
                model,
                brought.files_for(self._scratch / "challenger", self._scratch),
                found,
                artifact,
                model=self._request.model,
                config=self._config,
                s3=self._s3,
                sagemaker=self._sagemaker,
                commit=self._request.commit,
            )
            version = self._tracking.enter(self._request.model, run, CHALLENGER_ALIAS)
        tracked = self._tracking.log(found, artifact, f"{self._config.project}-comparison")
        return Outcome(brought.source, found, package, version, tracked)
