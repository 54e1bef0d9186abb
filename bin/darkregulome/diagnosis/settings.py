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


class Settings(Asked):
    """Parameters shared by diagnose, decompose, cross_check and calibrate.

    Attributes
    ----------
    without_grammar : models whose card says that they do not know the grammar: of them nothing is called absent.
    """

    horizon: int = Field(10_000, gt=0, description="Bases from the TSS that count as near.")
    # Many more than ten million draws would not fit into memory.
    permutations: int = Field(10_000, ge=99, le=10_000_000, description="Draws of each null.")
    null: NullName = Field("rotation", description="How chance is drawn within a locus")
    alpha: float = Field(0.05, ge=1e-9, le=0.999, description="Level of the verdicts, on q.")
    list_length: int = Field(100, ge=5, description="Elements of a top list, at most a tenth of all.")
    bootstrap: int = Field(1000, ge=0, description="Bootstrap samples over loci of what is described; 0: no intervals.")
    track_floor: float = Field(
        0.01, ge=0, description="Least effect of an output model that counts, log2 units of its tracks."
    )
    without_grammar: tuple[str, ...] = Field((), json_schema_extra={"option": False})
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


class CalibrationPlan(Asked):
    """Which worlds are drawn, on which elements, and which claims are asked of them."""

    elements: Path | None = Field(None, description="Element table; without it, an example is made.")
    ris: Path | None = Field(None, description="Score table to estimate autocorrelation from.")
    model: str | None = Field(None, description="Model of the score table to estimate from.")
    loci: int = Field(92, ge=2, description="Loci of the example.")
    per_locus: int = Field(330, ge=10, description="Elements of a locus of the example.")
    worlds: str = Field("all", description="Worlds to draw, by comma; 'all'.")
    claims: str = Field("horizon", description="Claims to count, by comma; 'all'.")
    autocorrelation: str = Field(
        "0,0.5,0.8", description="Of neighbouring elements, by comma; not with --ris, which has its own."
    )
    effect: float = Field(0.25, ge=0, description="Planted effect, SD of the score within loci.")
    tables: int = Field(200, ge=1, description="Planted tables per condition.")
