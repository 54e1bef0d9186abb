"""What the scripts of loci and elements are asked: where genes lie, which annotation, how it is cut into elements."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from darkregulome.errors import InputError


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GenomeInputs(_Settings):
    """A reference and its genes."""

    fasta: Path = Field(description="Reference (FASTA, plain or bgzipped).")
    gtf: Path = Field(description="Genes (GTF, gzip allowed).")


class LocusInputs(GenomeInputs):
    """Genes that are placed on a reference."""

    loci: Path = Field(description="CSV, TSV or list: locus, gene[, chrom, tss, strand], or one gene per line.")
    flank: int = Field(100_000, ge=1, description="Bases to either side of the TSS.")


class Around(_Settings):
    """What is known of the genome around intervals that somebody else chose; None where it was not given."""

    fasta: Path | None = Field(None, description="Reference: gives features that the elements lack.")
    gtf: Path | None = Field(None, description="Genes: give loci that the elements lack (the nearest TSS).")
    loci: Path | None = Field(None, description="Loci, in place of all genes of the GTF.")
    repeats: Path | None = Field(None, description="Repeats: give the repeat fraction that the elements lack.")
    class_map: Path | None = Field(None, description="CSV pattern,class,subclass; by default the shipped one.")


class AnnotationFiles(_Settings):
    """What elements are cut from, next to genes; None where it is not given."""

    regulatory: Path | None = Field(None, description="Regulatory annotation (BED with a class word).")
    repeats: Path | None = Field(None, description="RepeatMasker: UCSC rmsk table, .out, or BED.")
    conserved: Path | None = Field(None, description="Conserved elements (BED).")
    class_map: Path | None = Field(None, description="CSV pattern,class,subclass; by default the shipped one.")


class ElementSettings(_Settings):
    """How annotation is cut into elements."""

    min_length: int = Field(50, description="Shorter elements are dropped.")
    max_length: int = Field(1000, description="Longer elements are split into nearly equal parts.")
    promoter_exclusion: int = Field(0, description="Bases to either side of a TSS that belong to no element.")

    @model_validator(mode="after")
    def _fit_together(self) -> "ElementSettings":
        if self.min_length < 1 or self.max_length < 2 * self.min_length:
            raise InputError.at(
                f"--min-length {self.min_length} --max-length {self.max_length}",
                "cannot both be kept when a long interval is split",
                "give a maximum of at least twice the minimum, and a minimum of at least 1",
            )
        if self.promoter_exclusion < 0:
            raise InputError.at("--promoter-exclusion", "is negative", "give 0 or more bases")
        return self


class RunInputs(LocusInputs, AnnotationFiles):
    """Everything that a run was given; None where it was not. `weights` are folders by model."""

    conservation: Path | None = Field(None, description="Conservation scores (bigWig).")
    eqtl: Path | None = Field(None, description="eQTLs (TSV): chrom, pos, ref, gene_id.")
    variants: Path | None = Field(None, description="Variants (VCF).")
    models: tuple[str, ...] = Field(
        (), description="Models by name, repeated or comma-separated.", json_schema_extra={"commas": True}
    )
    weights: dict[str, Path] = Field(
        {}, description="NAME=FOLDER of a model's checkpoint; repeated.", json_schema_extra={"pairs": "NAME=FOLDER"}
    )
    registry: Path | None = Field(None, description="Another registry of models (YAML).")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:INDEX.")
    allow_failed_loci: bool = Field(
        False,
        description="Loci that cannot be placed are notes, as long as one is left.",
        json_schema_extra={"option": "allow_failed_loci"},
    )
