"""Every table that passes between stages, declared once; checked on read and on write.

`docs/columns.md` is generated from here (`make docs`).
"""

from dataclasses import dataclass
from typing import Any

import pandera.pandas as pa

CLASSES = ("cCRE", "TE", "lncRNA_exon", "conserved", "other")
"""Element classes (DESIGN: words)."""

MAP_STATUSES = ("ok", "n_inside", "too_long", "too_short", "off_contig", "duplicate")
"""Of a sequence whose map is asked for: mapped; a letter is no base; longer than the model reads or than was allowed;
too short to be read; outside of the FASTA; a name of a FASTA of sequences, or an interval of a BED, seen further up."""

READOUTS = ("llr", "loglik", "dependency", "track")
KINDS = ("masked", "causal", "output")
"""Model kinds: masked language model, causal language model, sequence-to-function output model."""

STATUSES = ("ok", "n_masked", "outside_context", "no_effects", "failed")
"""Per-element statuses: scored; too many N to be scored; outside the model's window; nothing could be run."""


VARIANT_STATUSES = (
    "ok",
    "ref_mismatch",
    "n_in_window",
    "off_contig",
    "symbolic",
    "too_long",
    "duplicate",
    "malformed",
    "outside_window",
)
"""Statuses of an allele of a variant: scored, or why not (docs/variants.md)."""


EMBEDDING_STATUSES = ("ok", "malformed", "off_contig", "too_long", "n_masked")
"""Statuses of a window: embedded, or why not (docs/embeddings.md)."""


@dataclass(frozen=True)
class TableSchema:
    """A named table: its pandera schema, and one sentence per column for the documentation."""

    name: str
    grain: str
    schema: pa.DataFrameSchema

    @property
    def columns(self) -> list[str]:
        return list(self.schema.columns)

    @property
    def required(self) -> list[str]:
        """The columns that no such table may lack."""
        return [name for name, column in self.schema.columns.items() if column.required]


def _column(dtype: Any, description: str, *checks: pa.Check, nullable: bool = False, required: bool = True):
    return pa.Column(
        dtype, checks=list(checks), nullable=nullable, required=required, coerce=True, description=description
    )


def _table(name: str, grain: str, columns: dict[str, pa.Column], unique: list[str] | None = None) -> TableSchema:
    """A table whose rows differ in the columns `unique`; it may have further columns."""
    return TableSchema(name, grain, pa.DataFrameSchema(columns, unique=unique))


_fraction = pa.Check.in_range(0, 1)
_not_negative = pa.Check.ge(0)
_strand = pa.Check.isin(["+", "-"])

BACKGROUND = {
    "markov5": "Mean log-likelihood per base given the 5 bases before it, both strands (nats): counts of the FASTA "
    "without the element's window.",
    "two_sided": "Mean log-likelihood per base given the 3 bases on each side (nats): of the same counts.",
    "copy_advantage": "Mean over its bases of what a copy of the 12 bases just read, earlier in the window and on "
    "either strand, adds to the log-likelihood (nats).",
    "copies": "log2 of how often its 12-mers occur in the FASTA outside of the window over what an order-5 Markov "
    "model expects.",
}
"""Features by sequence that no trained model is needed for (genome/background.py)."""

HALVES = {
    "predictability_a": _column(float, "Its mean over every other block of 10 bases.", nullable=True, required=False),
    "predictability_b": _column(float, "Its mean over the blocks between these.", nullable=True, required=False),
    "predictability_at": _column(
        str,
        "Bases at which it was read: 'element', or 'element and flanks' (up to 100 bases on each side) where fewer "
        "than 20 or less than a quarter of the element's bases are untouched.",
        nullable=True,
        required=False,
    ),
}
"""How reliable the column predictability is, and where it was read (edits/predictability.py)."""

LOCI = _table(
    "loci",
    "locus",
    {
        "locus": _column(str, "Name of the locus; unique."),
        "gene": _column(str, "Gene symbol or id."),
        "chrom": _column(str, "Contig, as the FASTA names it."),
        "tss": _column(int, "Transcription start site, 0-based position of its base.", _not_negative),
        "strand": _column(str, "Strand of the gene.", _strand),
        "start": _column(int, "Start of the window around the TSS, cut at the contig's end.", _not_negative),
        "end": _column(int, "End of the window, half-open."),
    },
    unique=["locus"],
)

ELEMENTS = _table(
    "elements",
    "element",
    {
        "element": _column(str, "Name of the element; unique within the table."),
        "locus": _column(str, "Locus it belongs to."),
        "chrom": _column(str, "Contig."),
        "start": _column(int, "Start, 0-based.", _not_negative),
        "end": _column(int, "End, half-open."),
        "strand": _column(str, "Strand, or '.' where the class has none.", pa.Check.isin(["+", "-", "."])),
        "class": _column(str, "Class of the element.", pa.Check.isin(CLASSES)),
        "subclass": _column(str, "Subclass: the annotation's own word (dELS, AluY, ...)."),
        "distance": _column(
            "Int64",
            "Bases from the TSS to the nearest edge; negative upstream on the gene's strand; 0 if it covers it; "
            "empty where no TSS is known.",
            nullable=True,
        ),
        "length": _column(int, "Length in bases.", pa.Check.ge(1)),
        "gc": _column(float, "Fraction of G and C among A, C, G, T.", _fraction, nullable=True),
        "cpg_oe": _column(float, "CpG observed / expected.", _not_negative, nullable=True),
        "complexity": _column(
            float,
            "Shannon entropy of 3-mers over its maximum at this length.",
            pa.Check.in_range(0, 1.0001),
            nullable=True,
        ),
        "repeat_fraction": _column(float, "Fraction of bases inside annotated repeats.", _fraction),
        "n_fraction": _column(float, "Fraction of bases that are not A, C, G or T.", _fraction),
        **{name: _column(float, text, nullable=True, required=False) for name, text in BACKGROUND.items()},
    },
    unique=["element"],
)

EFFECTS = _table(
    "effects",
    "locus x model x perturbation",
    {
        "element": _column(str, "Element that was edited."),
        "model": _column(str, "Model name."),
        "readout": _column(str, "How the effect was read.", pa.Check.isin(READOUTS)),
        "start": _column(int, "Start of the edit, 0-based.", _not_negative),
        "end": _column(int, "End of the edit, half-open."),
        "ref": _column(str, "Reference bases; empty where the edit is longer than 50 bases."),
        "alt": _column(str, "Bases put in their place; empty where the edit is longer than 50 bases."),
        "replicate": _column(int, "Number of the replicate of a random edit.", _not_negative),
        "effect": _column(float, "alt less ref: natural log (llr, loglik) or log2 change (track).", nullable=True),
        "decoys": _column(str, "Set of decoys that the edit is of; its number there is the replicate.", required=False),
    },
)

DECOYS = _table(
    "decoys",
    "element x set of decoys x decoy",
    {
        "element": _column(str, "Element in whose place the sequence stands."),
        "decoys": _column(str, "Set of decoys: shuffle, markov, or learnt: and the model that drew them."),
        "decoy": _column(int, "Number of the decoy, from 1.", pa.Check.ge(1)),
        "sequence": _column(str, "The decoy, on the forward strand, as long as the element."),
        "log_likelihood": _column(float, "Mean log p of its bases given the flanks (nats).", nullable=True),
        "log_likelihood_real": _column(float, "The same of the real sequence.", nullable=True),
        "scored_by": _column(str, "Whose log p that is: markov, a model, or empty."),
    },
    unique=["element", "decoys", "decoy"],
)

CALLED = _table(
    "elements_called",
    "element x model",
    {
        "element": _column(str, "Element."),
        "model": _column(str, "Model name."),
        "readout": _column(str, "What was read.", pa.Check.isin(READOUTS)),
        "chrom": _column(str, "Contig."),
        "start": _column(int, "Start, 0-based.", _not_negative),
        "end": _column(int, "End, half-open."),
        "class": _column(str, "Class of the element.", pa.Check.isin(CLASSES)),
        "word": _column(str, "What the element is (docs/decoys.md)."),
        **{
            f"{name}_{kind}": _column(dtype, text.format(kind), *checks, nullable=True)
            for kind in ("trivial", "learnt")
            for name, dtype, text, checks in (
                ("decoys", str, "Set of {} decoys with the largest p.", ()),
                ("n", "Int64", "Its decoys that were read.", ()),
                ("effect", float, "Prediction with the real sequence less the median of {} decoys.", ()),
                ("z", float, "The same less their mean, in their standard deviations.", ()),
                ("p", float, "Rank of the real sequence among {} decoys.", (_fraction,)),
                ("q", float, "Benjamini and Hochberg, over the elements of the model.", (_fraction,)),
                ("log_likelihood", float, "Mean of the {} decoys' mean log p per base (nats).", ()),
                ("log_likelihood_real", float, "That of the real sequence, by the same model.", ()),
            )
        },
        "q_both": _column(
            float, "q of the larger of both p: of the claim trivial and learnt.", _fraction, nullable=True
        ),
    },
    unique=["element", "model"],
)

REFERENCE = _table(
    "reference",
    "element x model",
    {
        "element": _column(str, "Element."),
        "model": _column(str, "Model name."),
        "kind": _column(str, "Kind of the model.", pa.Check.isin(KINDS)),
        "readout": _column(str, "Readout of its effects.", pa.Check.isin(READOUTS)),
        "predictability": _column(
            float,
            "Mean log-likelihood per base of the reference (nats) at bases that no edit of the element touches; "
            "empty for output models.",
            nullable=True,
        ),
        **HALVES,
        "status": _column(str, "'ok', or why there are no effects.", pa.Check.isin(STATUSES)),
        "reason": _column(str, "Why, in words; empty where scored.", nullable=True, required=False),
    },
    unique=["element", "model"],
)

RIS = _table(
    "ris",
    "element x model",
    {
        "element": _column(str, "Element."),
        "model": _column(str, "Model name."),
        "kind": _column(str, "Kind of the model.", pa.Check.isin(KINDS), required=False),
        "readout": _column(str, "Readout of the effects.", pa.Check.isin(READOUTS), required=False),
        "ris": _column(float, "Regulatory influence score: mean absolute effect.", nullable=True),
        "ris_max": _column(float, "Largest absolute effect.", nullable=True, required=False),
        "n_perturbations": _column(int, "Effects pooled.", _not_negative, required=False),
        "predictability": _column(
            float,
            "Mean log-likelihood per base of the reference (nats) at bases that no edit of the element touches; "
            "of a language model.",
            nullable=True,
            required=False,
        ),
        **HALVES,
        "status": _column(str, "'ok', or why there is no score.", pa.Check.isin(STATUSES), required=False),
    },
    unique=["element", "model"],
)

VARIANTS = _table(
    "variants",
    "ALT of a record; scores follow, a column each",
    {
        "record": _column(int, "Number of the record in the input, from 0.", _not_negative),
        "chrom": _column(str, "Contig, as the VCF names it."),
        "pos": _column("Int64", "Position as in the VCF, from 1; empty where the line has none.", nullable=True),
        "id": _column(str, "ID of the record."),
        "ref": _column(str, "REF, as the VCF writes it."),
        "alt": _column(str, "ALT, as the VCF writes it; '.' for a record without ALT."),
        "status": _column(str, "'ok', or why there is no score.", pa.Check.isin(VARIANT_STATUSES)),
        "reason": _column(str, "Why, in words; empty where scored.", nullable=True),
    },
)

EXPRESSION = _table(
    "expression",
    "gene (input of Seq2Exp)",
    {
        "gene": _column(str, "Gene symbol or id; unique."),
        "chrom": _column(str, "Contig."),
        "tss": _column(int, "Transcription start site, 0-based position of its base.", _not_negative),
        "strand": _column(str, "Strand of the gene.", _strand),
        "expression": _column(float, "CAGE counts; log10(x + 1) is predicted.", _not_negative, nullable=True),
    },
    unique=["gene"],
)

SEQ2EXP_METRICS = _table(
    "seq2exp_metrics",
    "model x fold x seed x evaluation",
    {
        "model": _column(str, "Variant of the configuration, or 'config'."),
        "fold": _column(int, "Fold whose contigs were the test.", _not_negative),
        "seed": _column(int, "Seed of the training.", _not_negative),
        "evaluation": _column(
            str,
            "'mask': under the model's own mask; 'top': its highest positions alone; 'retrained': with a fresh "
            "predictor.",
            pa.Check.isin(["mask", "top", "retrained"]),
        ),
        "genes": _column(int, "Test genes."),
        "mse": _column(float, "Mean squared error of log10(expression + 1).", _not_negative),
        "mae": _column(float, "Mean absolute error of it.", _not_negative),
        "pearson": _column(float, "Pearson correlation of predicted and measured.", nullable=True),
        "mask_ratio": _column(float, "Mean of the mask as the predictor saw it, the kept centre included.", _fraction),
        "continuity": _column(float, "Mean absolute step of the mask between neighbours.", _fraction),
    },
)

SEQ2EXP_PREDICTIONS = _table(
    "seq2exp_predictions",
    "gene",
    {
        "gene": _column(str, "Gene."),
        "chrom": _column(str, "Contig."),
        "tss": _column(int, "Transcription start site, 0-based.", _not_negative),
        "strand": _column(str, "Strand of the gene.", _strand),
        "target": _column(float, "Measured log10(expression + 1)."),
        "prediction": _column(float, "Predicted; the mean over models.", nullable=True),
        "prediction_sd": _column(float, "Its standard deviation over models; empty for one model.", nullable=True),
        "mask_ratio": _column(float, "Mean of the mask as the predictor saw it.", nullable=True),
        "models": _column(int, "Models that spoke of the gene.", _not_negative),
    },
)

MAPS = _table(
    "maps",
    "sequence (index of maps.zarr)",
    {
        "sequence": _column(str, "Name: of the BED, or chrom:start-end; or of the FASTA of sequences."),
        "chrom": _column(str, "Contig; of a FASTA of sequences, the sequence itself."),
        "start": _column(int, "Start, 0-based.", _not_negative),
        "end": _column(int, "End, half-open."),
        "strand": _column(str, "Strand that was read.", _strand),
        "length": _column(int, "Length in bases.", _not_negative),
        "status": _column(str, "ok, or why there is no map.", pa.Check.isin(MAP_STATUSES)),
        "array": _column(
            str,
            "Name of its array in maps.zarr, in the order of the bases read; equal sequences share one.",
            nullable=True,
        ),
    },
)

EMBEDDINGS = _table(
    "embeddings",
    "window x model; the embedding follows, a column a channel: e0, e1, ...",
    {
        "window": _column(str, "Name of the window: the element's, or its place."),
        "model": _column(str, "Model name."),
        "chrom": _column(str, "Contig."),
        "start": _column(int, "Start, 0-based.", _not_negative),
        "end": _column(int, "End, half-open."),
        "class": _column(str, "Class that clusters are compared with; 'none' without one."),
        "status": _column(str, "'ok', or why there is no embedding.", pa.Check.isin(EMBEDDING_STATUSES)),
        "reason": _column(str, "Why, in words; empty where embedded.", nullable=True),
    },
)

PLAN = _table(
    "plan",
    "scoring task x device, in the order in which tasks are started",
    {
        "task": _column(str, "Loci of the task: the one, or the first and the last."),
        "model": _column(str, "Model name."),
        "device": _column(str, "What the hours are of.", pa.Check.isin(["cpu", "cuda"])),
        "loci": _column(str, "Every locus of the task, comma-separated."),
        "elements": _column(int, "Elements.", _not_negative),
        "readout": _column(str, "How an effect is read.", pa.Check.isin(READOUTS)),
        "perturbation": _column(str, "What an edit is."),
        "window": _column(int, "Bases that the model reads.", _not_negative),
        "reference_forwards": _column(int, "Unedited sequences through the model.", _not_negative),
        "edit_forwards": _column(int, "Edited sequences through the model.", _not_negative),
        "bases": _column(int, "Bases of all of them.", _not_negative),
        "hours": _column(float, "Hours of the device, the task's start in them.", _not_negative),
        "memory_gib": _column(float, "Memory, GiB.", _not_negative),
        "money": _column(float, "What the hours cost, where a price is given.", _not_negative, nullable=True),
    },
)

ALL = (
    LOCI,
    ELEMENTS,
    PLAN,
    EFFECTS,
    DECOYS,
    CALLED,
    REFERENCE,
    RIS,
    VARIANTS,
    EXPRESSION,
    SEQ2EXP_METRICS,
    SEQ2EXP_PREDICTIONS,
    MAPS,
    EMBEDDINGS,
)
