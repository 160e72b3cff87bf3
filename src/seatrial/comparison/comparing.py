"""From the runs of an experiment to a verdict on the best of them: `Comparison`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.aws import sha256_of
from seatrial.comparison.contenders import Contender, load_contender, measure_contenders
from seatrial.comparison.decision import decide, margin_of, objections
from seatrial.comparison.quality import (
    Resampling,
    Rows,
    calibration_guards,
    drops_of,
    gain_of,
    judge_of,
    require_metric,
    slice_guards,
)
from seatrial.comparison.ranking import ComparedRun, Ranking
from seatrial.comparison.running import Figures, Tariff, running_guards
from seatrial.comparison.tracking import Champion
from seatrial.config import Config
from seatrial.contracts import ComparedModel, Comparison, Guard
from seatrial.cost.prices import load_prices
from seatrial.errors import InputError
from seatrial.limits import load_limits
from seatrial.optimization.data import ValidationData
from seatrial.optimization.trust import Trust

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Side:
    """A model directory on this machine, and who vouches for it."""

    run_id: str
    name: str
    version: str | None
    model: Path
    trust: Trust


@dataclass(frozen=True)
class Question:
    """What is compared, on what; `sizes` are the rows of the calls that are timed."""

    experiment: str
    metric: str
    logged_metric: str
    validation: ValidationData
    sizes: Sequence[int]
    python: Path
    inputs: dict[str, Path]


def choose_challenger(ranking: Ranking, champion: Champion | None) -> ComparedRun | None:
    """The best by its logged metric that is not the champion itself; None if there is no other."""
    taken = champion.run_id if champion else None
    return next((run for run in ranking.runs if run.run_id != taken), None)


def compare(
    question: Question,
    ranking: Ranking,
    sides: tuple[Side | None, Side],
    config: Config,
    scratch: Path,
    *,
    tell: Tell,
) -> Comparison:
    """Load, predict, measure and judge; `sides` are champion (or None) and challenger."""
    champion, challenger = sides
    loaded = []
    for role, side in (("champion", champion), ("challenger", challenger)):
        if side is not None:
            tell(f"{role}: {side.name} predicts the validation rows")
            loaded.append(
                load_contender(
                    f"the {role}, {side.name}",
                    side.model,
                    question.validation,
                    scratch / role,
                    trust=side.trust,
                )
            )
    figures = measure_contenders(
        loaded,
        question.validation,
        question.sizes,
        config.optimization,
        question.python,
        tell=tell,
    )
    tell("judging")
    return _judged(
        question, ranking, sides, loaded, [figures[item.name] for item in loaded], config
    )


def _judged(
    question: Question,
    ranking: Ranking,
    sides: tuple[Side | None, Side],
    loaded: Sequence[Contender],
    figures: Sequence[Figures],
    config: Config,
) -> Comparison:
    metric = question.metric
    rows = _rows(question.validation, loaded)
    quality = [
        judge_of(rows, predicted, Resampling(1, 0)).quality
        for predicted in (rows.champion, rows.challenger)
    ]
    require_metric(metric, quality[1])
    gain = margin = None
    guards: tuple[Guard, ...] = ()
    sampling = Resampling(config.optimization.bootstrap_resamples, config.optimization.seed)
    if len(loaded) == 2:
        drops = drops_of(rows, sampling)
        gain = gain_of(drops[metric])
        margin = margin_of(metric, config.comparison.tie_margin, quality[0][metric])
        guards = (
            *running_guards(figures[0], figures[1], config.comparison, tariff(config)),
            *calibration_guards(rows, drops, sampling, config.comparison),
            *slice_guards(metric, rows, sampling, config.comparison),
        )
    decision = decide(gain, margin or 0.0)
    reasons = objections(decision, guards, config.comparison.unknown_blocks)
    champion, challenger = sides
    return Comparison(
        experiment=question.experiment,
        task=rows.task,
        rows=len(rows),
        resamples=sampling.resamples,
        seed=sampling.seed,
        metric=metric,
        logged_metric=question.logged_metric,
        considered=len(ranking.runs),
        skipped=ranking.skipped,
        champion=champion and _model(champion, quality[0], figures[0]),
        challenger=_model(challenger, quality[1], figures[-1]),
        gain=gain,
        tie_margin=margin,
        decision=decision,
        guards=guards,
        accepted=not reasons,
        reasons=reasons,
        inputs={name: sha256_of(path) for name, path in question.inputs.items()},
    )


def _rows(validation: ValidationData, loaded: Sequence[Contender]) -> Rows:
    """The labelled rows; a challenger alone stands on both sides."""
    truth, known = validation.truth, validation.labelled
    if truth is None or known is None:
        raise InputError(
            "the validation data has no labels",
            got="no target",
            allowed="a column with the true label or value",
            do="Name it with --target",
        )
    predicted = [validation.labelled_only(item.predictions) for item in loaded]
    return Rows(validation.task, truth, predicted[0], predicted[-1], validation.frame[known])


def _model(side: Side, quality: dict[str, float], figures: Figures) -> ComparedModel:
    return ComparedModel(
        run_id=side.run_id,
        name=side.name,
        version=side.version,
        quality=quality,
        model_size_mb=figures.model_size_mb,
        peak_memory_mb=figures.peak_memory_mb,
        latency_p50_ms={rows: figures.p50_ms(i) for i, rows in enumerate(figures.rows)},
    )


def tariff(config: Config) -> Tariff | None:
    """The region's prices; None if they are not known."""
    try:
        prices = load_prices(config.region)
    except InputError:
        return None
    if prices.missing(["serverless_usd_per_gb_second"]):
        return None
    return Tariff(load_limits(), prices, 1 - config.objectives.memory_headroom_ratio)
