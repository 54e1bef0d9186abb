"""What the scripts that score are asked for: which elements, windows, files (how, is in `edits/settings.py`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from darkregulome.edits.settings import ModelShape, Options, preferred_window
from darkregulome.scoring.variants.settings import STRANDS, WINDOW, choose_scores
from darkregulome.scoring.variants.settings import Settled as VariantSettled


class ElementInputs(Options):
    """Which elements are scored."""

    elements: Path = Field(description="Element table (parquet, TSV or CSV).")
    fasta: Path = Field(description="Reference (FASTA, plain or bgzipped).")
    loci: Path | None = Field(None, description="Table of loci; output models need it.")
    locus: tuple[str, ...] = Field(
        (), description="Score the elements of these loci only; repeated or comma-separated."
    )


class ScoredElements(ElementInputs):
    """Which elements are scored, and what may stand in their place."""

    decoy_table: tuple[Path, ...] = Field(
        (), description="Decoys of draw_decoys.py, for --perturbation decoy; may be repeated."
    )


class VariantInputs(Options):
    """Which variants are scored."""

    vcf: Path | None = Field(None, description="Variants: VCF, plain or compressed, or BCF.")
    bed: Path | None = Field(None, description="Instead of --vcf: score every SNV of these intervals.")
    fasta: Path = Field(description="Reference (FASTA, plain or bgzipped).")
    loci: Path | None = Field(None, description="Table of loci: an output model's window is placed by the nearest TSS.")
    region: str | None = Field(None, description="Only records that begin here: chr1 or chr1:1001-2000.")
    shard: str | None = Field(None, description="Only one part of the records: 2/8 is the second of eight.")


class LogoSettings(Options):
    """How logos are read and drawn."""

    loci: Path | None = Field(None, description="Table of loci: an output model's window is placed by the nearest TSS.")
    score: str = Field("auto", description="Score of the ISM, as in score_variants.py; or auto.")
    window: int | None = WINDOW
    max_regions: int = Field(50, ge=1, description="Regions drawn; the rest is only in the table.")

    def settle(self, model: ModelShape, entry: Any, tracks: Sequence[str], batch_size: int | None) -> VariantSettled:
        """How the SNVs of the regions are scored by a model."""
        own = preferred_window(entry, model)
        return VariantSettled(
            scores=choose_scores([self.score], model.kind),
            window=own if model.kind == "output" else min(self.window or own, model.context),
            max_length=1,
            max_n=1.0,
            batch_size=batch_size,
            tracks=tuple(tracks),
        )


class EmbeddingInputs(Options):
    """Which windows are embedded, and how."""

    windows: Path = Field(
        description="Windows: a BED with the class in column 4, or a table of elements (chrom, start, end)."
    )
    fasta: Path = Field(description="Reference (FASTA, plain or bgzipped).")
    label: str | None = Field(None, description="Column of the table that holds the class; class by default.")
    annotation: Path | None = Field(
        None, description="BED: a window's class is the name (column 4) that covers most of it."
    )
    window: int | None = WINDOW
    strands: Literal["both", "forward"] = STRANDS
    max_n: float = Field(0.5, ge=0, le=1, description="Largest fraction of a window that may be N.")

    def window_for(self, model: ModelShape, entry: Any) -> int:
        """Bases that a model sees."""
        own = preferred_window(entry, model)
        return own if model.kind == "output" else min(self.window or own, model.context)


class MapOfEmbeddings(Options):
    """How embeddings are mapped and clustered, and the clusters compared with classes."""

    neighbours: int = Field(15, ge=2, description="Nearest neighbours of a window in the map.")
    min_distance: float = Field(0.1, ge=0, le=1, description="UMAP: least distance of points in the map.")
    resolution: float = Field(1.0, ge=0.01, description="Leiden: higher gives more clusters.")
    permutations: int = Field(9999, ge=99, le=10_000_000, description="Draws of each null.")
    seed: int = Field(0, ge=0, description="Seed of every random draw.")


class EstimateOptions(Options):
    """What a cost is estimated for."""

    device: str = Field(
        "auto",
        description="cpu (2 cores), cuda (one H100), or auto: both are shown. With --calibrate: this machine's.",
    )
    price_per_hour: float | None = Field(None, ge=0, description="Price of an hour of the device.")
    calibrate: bool = Field(False, description="Run each model here for a moment, and rest the hours on that.")
    calibration_seconds: float = Field(5.0, ge=0.1, description="How long that moment is.")
    weights: tuple[str, ...] = Field(
        (),
        description="NAME=FOLDER of a model's checkpoint, to calibrate; repeated.",
        json_schema_extra={"commas": True},
    )
    registry: Path | None = Field(None, description="Another registry of models (YAML).")
    precision: str = Field("fp32", description="fp32, tf32 or bf16, to calibrate.")
    loci_per_task: int = Field(1, ge=1, description="Loci that a task scores; each task costs a start of its own.")


class MapSettings(Options):
    """What a dependency map holds."""

    measure: Literal["odds", "probability"] = Field(
        "odds", description="odds, as published, or probability: what is compared, in log2."
    )
    strands: Literal["forward", "both"] = Field(
        "forward",
        description="forward, or both: the mean of the two readings, of a masked model. A causal one reads both "
        "anyway: one reading gives what comes after a base, the other what comes before.",
    )
    max_distance: int | None = Field(
        None, ge=1, description="Keep only pairs of bases at most this many bases apart; all by default."
    )
    max_length: int | None = Field(
        None, ge=1, description="Longest sequence mapped; by default what the model can read."
    )
    shuffle: bool = Field(
        False, description="Map each sequence with its dinucleotides shuffled: controls to call against."
    )
    seed: int = Field(0, ge=0, description="Seed of every random draw.")


class CallSettings(Options):
    """How blocks and stems of dependency maps are called."""

    fdr: float = Field(0.05, ge=0, le=1, description="Largest expected share of false calls.")
    permutations: int = Field(
        50, ge=10, description="Permuted and rotated maps, where a map is called against itself and not controls."
    )
    min_effect: float = Field(0.3, ge=0, description="Smallest mean dependency of a call, log2.")
    seed: int = Field(0, ge=0, description="Seed of every random draw.")


def asked_of(*groups: BaseModel, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the options of a command line came to, without what was not given: for the record of its outputs."""
    values = {name: value for group in groups for name, value in group.model_dump().items()}
    return {name: value for name, value in values.items() if value not in (None, ()) and name not in without}
