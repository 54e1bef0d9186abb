"""Settings of the diagnosis, checked once."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

NullName = Literal["rotation", "free", "stratified"]


class SimulatedPower(BaseModel):
    """Power that a calibration measured.

    Attributes
    ----------
    model : whose scores the calibration imitates; None: nobody's, so that it is for every model.
    n, n_loci : elements and loci of the calibration; its power is for this size.
    power : by claim, share of planted tables in which the residual test finds what was planted; the smallest where
        several conditions plant it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None
    n: int = Field(gt=0)
    n_loci: int = Field(gt=0)
    power: dict[str, float]


class Settings(BaseModel):
    """Parameters shared by diagnose, decompose and cross_check.

    Attributes
    ----------
    horizon : bases from the TSS that count as near.
    permutations : draws of the null.
    sequential : stop drawing after so many draws as extreme as the observed (Besag and Clifford 1991); 0: never. For
        statistics linear in the scores: contrasts, overlaps, correlations.
    null : rotation within the locus; free or class-stratified shuffle within the locus.
    alpha : level of the verdict, on q.
    top_fraction : share of elements in a top list.
    bootstrap : bootstrap samples over loci; none, and there are no intervals.
    track_floor : least effect of an output model, in log2 units of its tracks.
    residualize : how features are taken out: linear, with their squares, by splines, or by gradient boosting; always
        cross-fitted.
    beyond_location : test the residual class hierarchy after location (near, log distance) is taken out too.
    without_grammar : models whose card says that they do not know the grammar: of them nothing is called absent.
    simulated_power : of calibrations; used in place of the analytic power for tables of about their size.
    seed : seed of every draw.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizon: int = Field(10_000, gt=0)
    permutations: int = Field(10_000, ge=99)
    sequential: int = Field(0, ge=0)
    null: NullName = "rotation"
    alpha: float = Field(0.05, gt=0, lt=1)
    top_fraction: float = Field(0.1, gt=0, lt=0.5)
    bootstrap: int = Field(1000, ge=0)
    track_floor: float = Field(0.01, ge=0)
    residualize: Literal["linear", "quadratic", "splines", "boosting"] = "linear"
    beyond_location: bool = False
    without_grammar: tuple[str, ...] = ()
    simulated_power: tuple[SimulatedPower, ...] = ()
    seed: int = Field(0, ge=0)
