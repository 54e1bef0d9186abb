"""How files of scores of other tools are read."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ScoreFormat(BaseModel):
    """How the files of scores are read; None where the files themselves tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["auto", "table", "bed", "bigwig", "npz", "gpn", "variants", "baskerville"] = Field(
        "auto", description="auto, table, bed, bigwig, npz, gpn, variants or baskerville."
    )
    intervals: Path | None = Field(None, description="npz: BED of the sequences, in their order.")
    variants: Path | None = Field(None, description="gpn: the variants, where the parquet has scores alone.")
    score_column: str | None = Field(
        None, description="Column of the score, where it is not called ris (BED: its number)."
    )
    gene_column: str | None = Field(
        None, description="Column of the gene in a table of element-gene pairs; each pair is an element of its gene."
    )
    dataset: str | None = Field(None, description="Array of an npz, dataset of an HDF5 file.")
    target: int | None = Field(
        None,
        ge=0,
        description="One of the model's targets, by its index; by default the mean over all.",
        json_schema_extra={"option": "target_index"},
    )
    kind: Literal["masked", "causal", "output"] | None = Field(
        None, description="Kind of the model: masked, causal or output."
    )
