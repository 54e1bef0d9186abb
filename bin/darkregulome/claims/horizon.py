"""Elements near the TSS score otherwise than those farther out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from darkregulome.claims.claim import Claim, Subject
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.adjust import Ladder, Pair, make_ladder
from darkregulome.diagnosis.decision import FLOOR
from darkregulome.diagnosis.scores import ModelScores, near_mask
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.features import expand
from darkregulome.stats.loci import Floats, Loci
from darkregulome.stats.residual import Folds
from darkregulome.stats.setting import MINIMUM_GROUP, NotTestable

LEAST_LOCI = 5
"""With fewer loci the shape of a decline is not asked."""


def distance_grid(distance: NDArray, points: int = 60) -> Floats:
    """Thresholds to scan: evenly spaced in distance, with enough elements (2 %, 10 at least) on both sides."""
    absolute = np.sort(np.abs(distance))
    least = max(2 * MINIMUM_GROUP, int(0.02 * len(absolute)))
    if len(absolute) < 2 * least:
        return np.zeros(0)
    low, high = absolute[least - 1], absolute[-least - 1]
    return np.unique(np.round(np.linspace(low, high, points))) if high > low else np.zeros(0)


def sharpness(scores: Floats, distance: NDArray, loci: Loci, folds: Folds) -> dict[str, Any]:
    """A step at a change point against a smooth decline, by the error in loci that neither was fitted to.

    The step's place is chosen, and the spline of log distance fitted, without the fold that is predicted. ``sharp`` or
    ``gradual`` where the difference of errors is more than chance between loci (t test), else ``cannot tell``.

    Parameters
    ----------
    scores : shape (n,), centred within loci. distance : shape (n,), in bases.
    """
    grid = distance_grid(distance)
    if not len(grid) or loci.count < LEAST_LOCI or folds.unit == "none":
        return {"shape": "cannot tell"}
    steps = loci.center(np.abs(distance)[:, None] <= grid[None, :])
    logs = np.log1p(np.abs(distance))
    smooth = loci.center(expand(((logs - logs.mean()) / (logs.std() or 1.0))[:, None], "splines"))
    errors = np.zeros((loci.n, 2))
    for fold in np.unique(folds.codes):
        test, train = folds.codes == fold, folds.codes != fold
        spread = np.maximum((steps[train] ** 2).sum(axis=0), 1e-300)
        slopes = steps[train].T @ scores[train] / spread
        best = int(np.argmax(slopes**2 * spread))
        smoothed = smooth[test] @ np.linalg.lstsq(smooth[train], scores[train], rcond=None)[0]
        errors[test, 0] = (scores[test] - steps[test, best] * slopes[best]) ** 2
        errors[test, 1] = (scores[test] - smoothed) ** 2
    gain = loci.sums(errors[:, 0] - errors[:, 1])
    between_loci = ttest_1samp(gain, 0.0)
    shape = "cannot tell" if not between_loci.pvalue < 0.05 else "gradual" if between_loci.statistic > 0 else "sharp"
    return {
        "shape": shape,
        "p": float(between_loci.pvalue),
        "error_of_step": float(errors[:, 0].mean()),
        "error_of_decline": float(errors[:, 1].mean()),
    }


def _test(subject: Subject, settings: Settings) -> Ladder:
    one = subject.one
    near = near_mask(one.scores.distance, settings.horizon)
    if near.all() or not near.any():
        raise NotTestable(f"no locus has elements on both sides of the horizon of {settings.horizon} bases")
    return make_ladder(one, Pair(one.raw, near.astype(float), f"near {settings.horizon}"), subject.setting)


def _describe(subject: Subject, ladder: Ladder, settings: Settings) -> Mapping[str, Any]:
    scores = subject.one.scores
    near = near_mask(scores.distance, settings.horizon)
    return {
        "horizon": settings.horizon,
        "n_near": int(near.sum()),
        "n_far": int((~near).sum()),
        "sharpness": {
            rung: sharpness(subject.one.left(rung), scores.distance, scores.loci, scores.folds)
            for rung in ("raw", "trivial")
        },
    }


def _say(entry: ClaimEntry, settings: Settings) -> str:
    sentence = say_contrast(entry, f"Scores within {settings.horizon / 1000:g} kb of the TSS are", "farther out")
    # Of what the trivial features leave: a feature that falls off about the TSS would lend the scores its shape.
    shape = entry.details.get("sharpness", {}).get("trivial", {}).get("shape")
    return sentence + {"gradual": ", falling off gradually", "sharp": ", with a sharp edge"}.get(str(shape), "")


def _signal(scores: ModelScores, settings: Settings) -> Floats:
    return near_mask(scores.distance, settings.horizon).astype(float)


CLAIM = Claim(
    name="horizon",
    title="Regulatory horizon",
    question="do elements near the TSS score otherwise than those farther out?",
    statistic="near (10 kb or less from the TSS) less far, both sides partialled out",
    unit="near less far, SD of the score",
    floor=FLOOR,
    subject="the horizon",
    order=1,
    test=_test,
    say=_say,
    describe=_describe,
    signal=_signal,
    simulated={"demo-caduceus": ("survives",), "demo-hyena": ("survives",)},
)
