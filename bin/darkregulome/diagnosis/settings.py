"""Settings of the diagnosis and of its calibration: the options of the scripts that judge scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from darkregulome.stats.nulls.kind import null_names

if TYPE_CHECKING:
    NullName = str
else:
    NullName = Literal[null_names()]


FEWEST_SAMPLES = 100
"""With fewer bootstrap samples, the ends of a 95 % interval are those of a handful."""


class Asked(BaseModel):
    """What a script is asked, or a part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SimulatedPower(Asked):
    """Power that a calibration measured.

    Attributes
    ----------
    model : whose scores the calibration imitates; None: nobody's, so that it is for every model.
    n, n_loci : elements and loci of the calibration; its power is for this size.
    power : by claim, share of planted tables in which the residual test finds what was planted; the smallest where
        several conditions plant it.
    """

    model: str | None
    n: int = Field(gt=0)
    n_loci: int = Field(gt=0)
    power: dict[str, float]


class Settings(Asked):
    """Parameters shared by diagnose, decompose, cross_check and calibrate; residuals are always cross-fitted.

    Attributes
    ----------
    without_grammar : models whose card says that they do not know the grammar: of them nothing is called absent.
    simulated_power : of calibrations; used in place of the analytic power for tables of about their size.
    """

    horizon: int = Field(10_000, gt=0, description="Bases from the TSS that count as near.")
    # Many more than ten million draws would not fit into memory.
    permutations: int = Field(10_000, ge=99, le=10_000_000, description="Draws of each null.")
    sequential: int = Field(
        0,
        ge=0,
        description="Stop drawing after this many draws as extreme as the claim (20, say; Besag and Clifford 1991); "
        "0: never.",
    )
    null: NullName = Field("rotation", description="How chance is drawn within a locus")
    alpha: float = Field(0.05, ge=1e-9, le=0.999, description="Level of the verdicts, on q.")
    top_fraction: float = Field(0.1, ge=1e-6, le=0.499, description="Share of elements in a top list.")
    bootstrap: int = Field(1000, ge=0, description="Bootstrap samples over loci; 0: no intervals.")
    track_floor: float = Field(
        0.01, ge=0, description="Least effect of an output model that counts, log2 units of its tracks."
    )
    residualize: Literal["linear", "quadratic", "splines", "boosting"] = Field(
        "linear", description="How features are taken out: linear, quadratic, splines or boosting."
    )
    beyond_location: bool = Field(False, description="Test the class hierarchy after location is taken out too.")
    without_grammar: tuple[str, ...] = Field((), json_schema_extra={"option": False})
    simulated_power: tuple[SimulatedPower, ...] = Field((), json_schema_extra={"option": False})
    seed: int = Field(0, ge=0, description="Seed of every random draw.")

    @field_validator("bootstrap")
    @classmethod
    def _enough_samples(cls, bootstrap: int) -> int:
        if 0 < bootstrap < FEWEST_SAMPLES:
            raise ValueError(f"give 0, or {FEWEST_SAMPLES} or more")
        return bootstrap


class Cards(Asked):
    """What is known of the models."""

    model_cards: tuple[Path, ...] = Field(
        (), description="model_card.json of a model: if it does not know the grammar, nothing is absent; repeat."
    )


class Tables(Cards):
    """Elements and their scores."""

    elements: Path = Field(description="Element table (parquet, TSV or CSV).")
    ris: Path = Field(description="Score table: element, model, ris[, predictability, kind, readout].")


class ForeignTables(Cards):
    """Scores that may be anybody's, with what comes with them."""

    ris: Path = Field(
        description="Score table: element (or chrom, start, end), ris (or --score-column)[, model, predictability, "
        "kind]."
    )
    elements: Path | None = Field(
        None, description="Element table or BED; by default the intervals of the score table."
    )
    score_column: str | None = Field(None, description="Column of the score, where it is not called ris.")
    gene_column: str | None = Field(
        None, description="Column of the gene in a table of element-gene pairs; each pair is an element of its gene."
    )
    calibration: tuple[Path, ...] = Field(
        (),
        description="calibration.json of calibrate.py: its power in place of the analytic one; repeat.",
    )


class CalibrationPlan(Asked):
    """What a calibration plants, on which elements, and what it counts."""

    elements: Path | None = Field(None, description="Element table; without it, an example is made.")
    ris: Path | None = Field(None, description="Score table to estimate autocorrelation and R2 from.")
    model: str | None = Field(None, description="Model of the score table to estimate from.")
    loci: int = Field(92, ge=2, description="Loci of the example.")
    per_locus: int = Field(330, ge=10, description="Elements of a locus of the example.")
    truths: str = Field("all", description="Truths to plant, by comma; 'all'.")
    claims: str = Field("all", description="Claims to count, by comma; 'all'.")
    autocorrelation: str = Field(
        "0,0.5,0.8", description="Of neighbouring elements, by comma; not with --ris, which has its own."
    )
    r2: float = Field(0.9, ge=0, le=0.99, description="Share that features explain, without --ris.")
    skew: float = Field(0.0, ge=0, le=3, description="Scores are exp(skew x) of normal ones.")
    effect: float = Field(0.25, ge=0, description="Planted effect, SD of what predictability leaves.")
    tables: int = Field(400, ge=1, description="Planted tables per condition.")
