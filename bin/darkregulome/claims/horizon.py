"""Elements near the TSS score otherwise than those farther out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkregulome.claims.claim import Claim, Plant, Sides, Subject
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.scores import ModelScores, near_mask
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.bootstrap import MINIMUM_LOCI, percentile_interval, ratio
from darkregulome.stats.loci import Bools, Floats
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.residual import residualize
from darkregulome.stats.tested import MINIMUM_GROUP, NotTestable, Setting, Tested
from darkregulome.stats.verdict import REFERENCE_EFFECT, power_of


def near_less_far(scores: Floats, near: Bools, setting: Setting) -> Tested:
    """The within-locus difference of means, pooled over loci by how well each can tell it.

    Parameters
    ----------
    scores : shape (n,), standardised.
    near : shape (n,), True within the horizon.
    """
    loci = setting.loci
    side = loci.center(near)
    spread = loci.sums(side**2)
    if spread.sum() == 0:
        where = "within" if near.all() else "beyond" if not near.any() else "on both sides of"
        raise NotTestable(f"no locus has elements on both sides of the horizon (all lie {where} it)")
    null, p = setting.draw(scores, side / spread.sum())
    estimate, sd = float(null.observed[0]), float(null.sd[0])
    drawn = ratio(loci.sums(side * scores), spread, setting.resamples)
    return Tested.of_effect(
        estimate,
        p,
        interval=setting.interval(estimate, drawn, sd),
        power=power_of(REFERENCE_EFFECT, sd, setting.alpha),
        draws=null.draws[:, 0],
        details={"n_near": int(near.sum()), "n_far": int((~near).sum()), "null_sd": sd},
    )


def distance_grid(distance: NDArray, points: int = 60) -> Floats:
    """Thresholds to scan: evenly spaced in distance, with enough elements (2 %, 10 at least) on both sides."""
    absolute = np.sort(np.abs(distance))
    least = max(2 * MINIMUM_GROUP, int(0.02 * len(absolute)))
    if len(absolute) < 2 * least:
        return np.zeros(0)
    low, high = absolute[least - 1], absolute[-least - 1]
    return np.unique(np.round(np.linspace(low, high, points))) if high > low else np.zeros(0)


def change_point(scores: Floats, distance: NDArray, setting: Setting) -> dict[str, Any]:
    """The threshold that best divides near from far, its interval over loci, and the p-value of the whole scan.

    Every threshold's contrast is linear in the scores, so the maximum over thresholds is drawn with the others. Empty
    where there is nothing to scan.
    """
    grid = distance_grid(distance)
    side = setting.loci.center(np.abs(distance)[:, None] <= grid[None, :]) if len(grid) else np.zeros((len(scores), 0))
    spread = setting.loci.sums(side**2)
    usable = spread.sum(axis=0) > 0
    if not usable.any():
        return {}
    grid, side, spread = grid[usable], side[:, usable], spread[:, usable]
    null = setting.null.draw(scores, side / np.sqrt(spread.sum(axis=0)))
    best = int(np.argmax(np.abs(null.observed)))
    drawn_sums = np.tensordot(setting.resamples.astype(float), setting.loci.sums(side * scores[:, None]), axes=1)
    drawn_spread = np.tensordot(setting.resamples.astype(float), spread, axes=1)
    drawn = np.abs(drawn_sums) / np.sqrt(np.maximum(drawn_spread, 1e-300))
    enough = setting.loci.count >= MINIMUM_LOCI
    low, high = percentile_interval(grid[np.argmax(drawn, axis=1)]) if enough else (float("nan"),) * 2
    return {
        "position": float(grid[best]),
        "interval": [low, high],
        "contrast": float(null.observed[best] / np.sqrt(spread.sum(axis=0)[best])),
        "p": empirical_p(np.abs(null.observed).max(), np.abs(null.draws).max(axis=1), two_sided=False),
        "scanned": [float(grid[0]), float(grid[-1])],
    }


def _test(subject: Subject, settings: Settings) -> Sides:
    near = near_mask(subject.one.scores.distance, settings.horizon)
    raw, residual = (near_less_far(values, near, subject.setting) for _, values in subject.one.both())
    return Sides(raw, residual)


def _change_points(subject: Subject) -> dict[str, dict[str, Any]]:
    distance = subject.one.scores.distance
    return {side: change_point(values, distance, subject.setting) for side, values in subject.one.both()}


def _describe(subject: Subject, sides: Sides, settings: Settings) -> Mapping[str, Any]:
    one = subject.one
    near = near_mask(one.scores.distance, settings.horizon)
    weights = one.scores.loci.center(near)
    others = one.other_nulls(settings)
    return {
        "horizon": settings.horizon,
        "change_point": _change_points(subject),
        "ladder": _ladder(one, near, settings),
        "other_nulls": {
            side: {name: _plain_p(null.draw(values, weights)) for name, null in others} for side, values in one.both()
        },
    }


def _plain_p(null: Any) -> float | None:
    """p of one linear statistic; None where the null does not vary."""
    if float(null.sd[0]) <= 1e-12:
        return None
    return empirical_p(null.observed[0], null.draws[:, 0], null.mean[0])


def _ladder(one: Prepared, near: Bools, settings: Settings) -> list[dict[str, Any]]:
    """The contrast as features are added in turn, then all; and with each feature alone."""
    names = one.scores.features.names
    steps = [("raw", ())] + [(f"+ {names[i]}", names[: i + 1]) for i in range(len(names))]
    alone = [(f"{name} alone", (name,)) for name in names]
    rungs = []
    for label, used in steps + alone:
        values = one.raw
        if used:
            columns = one.scores.features.values[:, [names.index(name) for name in used]]
            fit = residualize(one.scores.raw, columns, one.scores.loci, one.scores.folds, settings.residualize)
            values = one.scores.loci.standardise(fit.residual)[0]
        tested = near_less_far(values, near, one.setting)
        numbers = {"effect": tested.effect, "interval": list(tested.interval), "p": tested.p}
        rungs.append({"step": label, "features": list(used), **numbers})
    return rungs


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return say_contrast(entry, f"Scores within {settings.horizon / 1000:g} kb of the TSS are", "farther out")


def _signal(scores: ModelScores, settings: Settings) -> Floats:
    return near_mask(scores.distance, settings.horizon).astype(float)


CLAIM = Claim(
    name="horizon",
    title="Regulatory horizon",
    question="do elements near the TSS score otherwise than those farther out?",
    statistic="near (10 kb or less from the TSS) less far, within loci (a regression with locus effects)",
    unit="near less far, SD",
    floor=0.1,
    reference=f"{REFERENCE_EFFECT:g} SD",
    subject="the horizon",
    order=1,
    test=_test,
    say=_say,
    describe=_describe,
    simulated={"demo-caduceus": "survives", "demo-hyena": "survives"},
    plant=Plant(
        truth="horizon",
        signal=_signal,
        along_with=("class",),
        true_under=("horizon",),
        more={"change_point": _change_points},
    ),
)
