"""What the Seq2Exp scripts are asked: genes and their signals, and which folds and seeds are trained."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from darkregulome.errors import InputError


class ExpressionInputs(BaseModel):
    """Genes with their expression, and what a model reads around each TSS."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fasta: Path = Field(description="Reference (FASTA, plain or bgzipped).")
    expression: Path = Field(description="Table of genes: gene, chrom, tss, strand, expression.")
    signal: dict[str, Path] = Field(
        {},
        description="NAME=FILE: bigWig of a signal of the model; repeat it for each signal.",
        json_schema_extra={"pairs": "NAME=FILE"},
    )
    peaks: Path | None = Field(None, description="BED of peaks, for a model whose mask is given.")


class MaskOptions(BaseModel):
    """Of which genes masks are made, and what makes an element of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    genes: Literal["all", "test"] = Field(
        "test", description="test: each model speaks only of genes on the contigs that it was tested on; or all."
    )
    threshold: float = Field(0.5, ge=0, le=1, description="Bases with at least this mask make elements.")
    min_length: int = Field(20, ge=1, description="Shorter elements are dropped.")
    batch: int = Field(8, ge=1, description="Genes at once.")


class OverlapOptions(BaseModel):
    """With what the masks are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ccres: Path | None = Field(
        None, description="BED of known elements: does the mask agree with them? Writes overlap.json."
    )
    elements: Path | None = Field(None, description="elements.parquet of the genes' loci, for --residuals.")
    residuals: Path | None = Field(
        None,
        description="residuals.parquet of diagnose.py: does the mask agree more with what features leave of RIS?",
    )
    permutations: int = Field(1999, ge=99, description="Draws of the null of the agreement.")
    seed: int = Field(0, ge=0, description="Seed of every random draw.")

    @model_validator(mode="after")
    def _go_together(self) -> "OverlapOptions":
        if (self.residuals is None) != (self.elements is None):
            raise InputError.at("--residuals", "and --elements go together", "give both, or neither")
        return self


class TrainedModels(BaseModel):
    """Which models are trained, and how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Path | None = Field(None, description="JSON or YAML with the objects model and training.")
    variant: tuple[str, ...] = Field(
        (),
        description="Train this instead of the config as it is; repeat it or use commas: seq2exp-hard, seq2exp-soft, "
        "caduceus-signals, caduceus, mamba, hyena, peaks, epinformer-like.",
        json_schema_extra={"commas": True},
    )
    steps: int | None = Field(None, ge=1, description="Steps, instead of the config's.")


class FoldPlan(BaseModel):
    """Which folds and seeds are trained, and what is tested besides the model as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folds: int = Field(5, ge=3, description="Folds of whole contigs.")
    fold: tuple[int, ...] = Field((), description="Test folds to run, counted from 0; by default all.")
    seeds: int = Field(1, ge=1, description="Seeds per fold, counted from --seed.")
    seed: int = Field(0, ge=0, description="Seed of every random draw.")
    top: float | None = Field(None, ge=0, le=1, description="Test also with this fraction of highest positions alone.")
    retrain: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Train a fresh predictor on this fraction of highest positions, and test it.",
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:INDEX.")
    precision: str = Field("fp32", description="fp32, tf32 or bf16; effects need fp32 or tf32.")

    @model_validator(mode="after")
    def _folds_exist(self) -> "FoldPlan":
        strange = [fold for fold in self.fold if not 0 <= fold < self.folds]
        if strange:
            raise InputError.at("--fold", f"{max(strange)} is not one of {self.folds}", "count folds from 0")
        return self

    @property
    def test_folds(self) -> list[int]:
        """Folds that are run."""
        return sorted(set(self.fold)) or list(range(self.folds))

    @property
    def all_seeds(self) -> range:
        """Seeds of each fold."""
        return range(self.seed, self.seed + self.seeds)
