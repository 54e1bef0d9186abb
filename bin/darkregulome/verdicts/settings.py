"""Settings of the second edition: the options of `verdicts.py`."""

from pathlib import Path

from pydantic import Field

from darkregulome.diagnosis.settings import Asked, NullName


class Settings(Asked):
    """Parameters of a verdict.

    Attributes
    ----------
    without_grammar : models whose card says that they do not know the grammar: of them nothing is called absent.
    """

    horizon: int = Field(10_000, gt=0, description="Bases from the TSS that count as near.")
    permutations: int = Field(10_000, ge=99, le=10_000_000, description="Draws of each null.")
    null: NullName = Field("rotation", description="How chance is drawn within a locus")
    alpha: float = Field(0.05, ge=1e-9, le=0.999, description="Level of the verdicts, on q.")
    list_length: int = Field(100, ge=5, description="Elements of a top list, at most a tenth of all.")
    track_floor: float = Field(
        0.01, ge=0, description="Least effect of an output model that counts, log2 units of its tracks."
    )
    seed: int = Field(0, ge=0, description="Seed of every random draw.")
    without_grammar: tuple[str, ...] = Field((), json_schema_extra={"option": False})


class WorldPlan(Asked):
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
