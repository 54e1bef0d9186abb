"""Writing scored records as VCF.gz with a tabix index, TSV, CSV or parquet; and joining the parts of a scatter.

Each writer takes chunk after chunk and holds no more than one; the file appears whole or not at all.
"""

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pysam

from darkregulome.errors import InputError
from darkregulome.genome.textfile import open_binary
from darkregulome.genome.vcf import COLUMNS, INFO_COLUMN, VcfFile
from darkregulome.io.atomic import atomic_path
from darkregulome.io.provenance import to_json
from darkregulome.io.schemas import VARIANTS
from darkregulome.io.tables import ROWS_PER_GROUP, TableStream, binary_output, parquet_schema, reading, table_format
from darkregulome.scoring.variants.score import Scored

PREFIX = "DR"
MAX_TABIX = 2**29
"""Largest position a .tbi can hold; beyond it a .csi is written."""

_NOT_A_NAME = re.compile(r"[^!-~]|[<>,;=\[\]]")

DESCRIPTIONS = {
    "llr": "log p(ALT) - log p(REF) at the masked site, natural logarithm",
    "influence": "Mean over the other positions of the largest absolute change of ln odds",
    "influence_signed": "Sum over all positions of the largest change of log2 odds, over their number less one",
    "loglik": "Log-likelihood of the window with ALT less that with REF, natural logarithm; masked models mask "
    "each base once",
    "embedding": "Euclidean distance of the last hidden states",
    "track": "Mean over tracks of the log2 change",
}
COLUMN_TYPES = {
    name: pa.int64() if str(column.dtype).lower() == "int64" else pa.string()
    for name, column in VARIANTS.schema.columns.items()
}
"""Columns of a table of variants, before the scores (schema VARIANTS)."""


def describe(name: str) -> str:
    """What a score is, in one sentence."""
    return DESCRIPTIONS.get(name, f"log2 change of the track {name.removeprefix('track_')}")


def is_vcf(path: str | Path) -> bool:
    """True where a path asks for VCF.

    Raises
    ------
    InputError : the extension is none that can be written.
    """
    name = str(path).lower()
    if name.endswith(".vcf"):
        raise InputError.at(path, "would be a plain VCF, which has no index", "name it .vcf.gz")
    if name.endswith(".vcf.gz"):
        return True
    try:
        table_format(path)
    except InputError as error:
        raise InputError.at(
            path, "has an extension that is not known", "use .vcf.gz, .parquet, .tsv, .tsv.gz, .csv or .csv.gz"
        ) from error
    return False


def check_place(path: str | Path, prefix: str) -> None:
    """Refuse a path or a prefix of INFO fields that cannot be written, before anything is scored."""
    if not prefix.isidentifier() or not prefix.isascii():
        raise InputError.at("--prefix", f"{prefix!r} cannot begin an INFO field", "use letters, digits and _")
    is_vcf(path)


class VcfWriter:
    """Writes scored records as bgzipped VCF: the lines as they were, with INFO fields added.

    ``<prefix>_STATUS`` has one word an ALT (one for a record without ALT); each score one number an ALT. Fields of the
    same names that the file had before are replaced. The index is made where the records are sorted; `notes` says so
    where they are not.
    """

    def __init__(
        self,
        path: str | Path,
        header: Sequence[str],
        scores: Sequence[str],
        provenance: Mapping[str, Any],
        prefix: str = PREFIX,
    ):
        self.path, self.scores = Path(path), tuple(scores)
        self.prefix = prefix
        self.fields = {name: info_name(prefix, name) for name in scores}
        self.notes: list[str] = []
        self._own = f"{prefix}_"
        self._width = header[-1].count("\t") + 1
        self._lines = BgzfLines(self.path)
        self._lines.write(self._header(header, provenance))

    def __enter__(self) -> "VcfWriter":
        self._lines.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._lines.__exit__(kind, error, trace)
        self.notes += self._lines.notes

    def write(self, scored: Scored) -> None:
        """Append a chunk."""
        self._lines.write(self._records(scored))

    def _records(self, scored: Scored) -> Iterator[str]:
        row = 0
        for record, alleles in zip(scored.records, scored.alleles, strict=True):
            status = f"{self.prefix}_STATUS={','.join(allele.status for allele in alleles)}"
            texts = {name: _texts(scored.scores[name][row : row + len(alleles)]) for name in self.fields}
            values = [f"{self.fields[name]}={','.join(of)}" for name, of in texts.items() if set(of) != {"."}]
            row += len(alleles)
            yield "\t".join(self._columns(record.columns, [status, *values], record.start is None))

    def _columns(self, columns: list[str], added: list[str], malformed: bool) -> list[str]:
        missing = ["."] * (self._width - len(columns))
        if malformed:
            # No place in a VCF for what has no position: the text is kept where it harms nobody.
            text = quote("\t".join(columns).encode("utf-8", "surrogateescape"), safe="/:<>[]*+|()")
            added = [*added, f"{self.prefix}_LINE={text}"]
            return [_NOT_A_NAME.sub("_", columns[0]) or ".", "0", ".", "N", ".", ".", ".", ";".join(added)] + ["."] * (
                self._width - len(COLUMNS)
            )
        others = [
            item for item in columns[INFO_COLUMN].split(";") if item not in ("", ".") and not item.startswith(self._own)
        ]
        return [*columns[:INFO_COLUMN], ";".join([*others, *added]), *columns[INFO_COLUMN + 1 :], *missing]

    def _header(self, lines: Sequence[str], provenance: Mapping[str, Any]) -> Iterator[str]:
        mine = (f"##INFO=<ID={self.prefix}_", f"##{self.prefix}_provenance=")
        yield from (line for line in lines[:-1] if not line.startswith(mine))
        model = provenance.get("model", "the model")
        yield (
            f'##INFO=<ID={self.prefix}_STATUS,Number=.,Type=String,Description="ok, or why an ALT has no score; '
            'one an ALT, or one for a record without ALT">'
        )
        yield (
            f'##INFO=<ID={self.prefix}_LINE,Number=1,Type=String,Description="A line that could not be read as a '
            'record, percent-encoded">'
        )
        for name, field in self.fields.items():
            yield f'##INFO=<ID={field},Number=A,Type=Float,Description="{describe(name)} ({model})">'
        yield f"##{self.prefix}_provenance={to_json(provenance)}"
        yield lines[-1]


class BgzfLines:
    """Lines into a bgzipped VCF, with an index at the end where the records are sorted."""

    def __init__(self, path: Path):
        self.path = path
        self.notes: list[str] = []
        self._stack = ExitStack()
        self._partial = self._stack.enter_context(atomic_path(path))
        self._handle = self._stack.enter_context(pysam.BGZFile(str(self._partial), "wb", None))
        self._contigs: set[str] = set()
        self._last = ("", 0)
        self._largest = 0
        self._unsorted = ""

    def __enter__(self) -> "BgzfLines":
        return self

    def write(self, lines: Iterable[str]) -> None:
        """Append lines, given without their ends."""
        for line in lines:
            if not line.startswith("#"):
                self._follow(line)
            self._handle.write(line.encode("utf-8", "surrogateescape") + b"\n")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        self._handle.close()
        stale = [Path(f"{self.path}{suffix}") for suffix in (".tbi", ".csi")]
        if self._unsorted:
            self.notes.append(f"{self.path}: has no index, since {self._unsorted}; bcftools sort puts it in order")
            made = None
        else:
            large = self._largest >= MAX_TABIX
            pysam.tabix_index(str(self._partial), preset="vcf", force=True, csi=large, keep_original=True)
            made = f"{self._partial}{'.csi' if large else '.tbi'}"
        self._stack.__exit__(None, None, None)
        for old in stale:
            old.unlink(missing_ok=True)
        if made is not None:
            os.replace(made, f"{self.path}{Path(made).suffix}")

    def _follow(self, line: str) -> None:
        """Whether the records are still in the order that an index needs."""
        chrom, position, *_ = line.split("\t", 2)
        at = int(position)
        if chrom == self._last[0]:
            if at < self._last[1]:
                self._unsorted = self._unsorted or f"{chrom}:{position} stands after {chrom}:{self._last[1]}"
        elif chrom in self._contigs:
            self._unsorted = self._unsorted or f"{chrom} stands in two places"
        self._contigs.add(chrom)
        self._last = (chrom, at)
        self._largest = max(self._largest, at)


class TableWriter:
    """Writes one row an allele as TSV, CSV (gzip allowed) or parquet."""

    def __init__(self, path: str | Path, scores: Sequence[str], provenance: Mapping[str, Any]):
        self.path = Path(path)
        self.notes: list[str] = []
        self._schema = pa.schema([*COLUMN_TYPES.items(), *((name, pa.float64()) for name in scores)])
        self._rows = TableStream(self.path, provenance, self._schema)

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._rows.__exit__(kind, error, trace)

    def write(self, scored: Scored) -> None:
        """Append a chunk."""
        rows = [
            {
                "record": record.number,
                "chrom": _text(record.chrom),
                "pos": None if record.start is None else record.start + 1,
                "id": _text(record.columns[2]),
                "ref": _text(record.ref),
                "alt": _text(alt),
                "status": allele.status,
                "reason": _text(allele.reason),
            }
            for record, alleles in zip(scored.records, scored.alleles, strict=True)
            for alt, allele in zip(record.alts, alleles, strict=True)
        ]
        columns = {name: [row[name] for row in rows] for name in COLUMN_TYPES}
        scores = {name: pa.array(values, from_pandas=True) for name, values in scored.scores.items()}
        self._rows.write(pa.table({**columns, **scores}, schema=self._schema))


def open_writer(
    path: str | Path,
    header: Sequence[str],
    scores: Sequence[str],
    provenance: Mapping[str, Any],
    prefix: str = PREFIX,
) -> VcfWriter | TableWriter:
    """The writer for a path's extension."""
    if is_vcf(path):
        return VcfWriter(path, header, scores, provenance, prefix)
    return TableWriter(path, scores, provenance)


def gather(parts: Sequence[Path], out: str | Path) -> list[str]:
    """Join the parts of a scatter, in the order given, into one file of the same kind. Returns notes.

    Raises
    ------
    InputError : the parts do not have one header, so that they are not of one scatter.
    """
    return _gather_vcf(parts, Path(out)) if is_vcf(out) else _gather_tables(parts, Path(out))


def _gather_vcf(parts: Sequence[Path], out: Path) -> list[str]:
    files = [VcfFile(part) for part in parts]
    header = files[0].header_lines()
    _require_same([file.header_lines() == header for file in files], parts, "header")
    with BgzfLines(out) as lines:
        lines.write(header)
        for file in files:
            lines.write("\t".join(record.columns) for record in file.records())
    return lines.notes


def _gather_tables(parts: Sequence[Path], out: Path) -> list[str]:
    kind = table_format(out)
    if any(table_format(part) != "parquet" or is_vcf(part) for part in parts):
        return _gather_text(parts, out, kind)
    columns = [parquet_schema(part) for part in parts]
    _require_same([schema.equals(columns[0]) for schema in columns], parts, "columns")
    _require_scored(columns[0].names, parts[0])
    with TableStream(out, columns=columns[0]) as rows:
        for part in parts:
            with reading(part):
                for group in pq.ParquetFile(part).iter_batches(ROWS_PER_GROUP):
                    rows.write(pa.Table.from_batches([group], schema=columns[0]))
    return []


def _gather_text(parts: Sequence[Path], out: Path, kind: str) -> list[str]:
    if any(is_vcf(part) or table_format(part) != kind for part in parts):
        raise InputError.at(out, "is of another kind than the parts", "give an --out with the parts' extension")
    headers = []
    with atomic_path(out) as partial, binary_output(partial) as target:
        for part in parts:
            with reading(part), open_binary(part) as handle:
                headers.append(handle.readline())
                _require_same([headers[0] == header for header in headers], parts, "columns")
                if len(headers) == 1:
                    target.write(headers[0])
                while block := handle.read(2**20):
                    target.write(block)
        _require_scored(headers[0].decode("utf-8", "replace").rstrip("\r\n").split(kind), parts[0])
    return []


def _require_scored(columns: Sequence[str], part: Path) -> None:
    absent = [name for name in ("chrom", "pos", "ref", "alt", "status") if name not in columns]
    if absent:
        raise InputError.at(part, f"lacks the columns {', '.join(absent)}", "give tables of score_variants.py")


def _require_same(equal: list[bool], parts: Sequence[Path], what: str) -> None:
    for same, part in zip(equal, parts, strict=False):
        if not same:
            raise InputError.at(part, f"has another {what} than {parts[0]}", "give the parts of one scatter")


def info_name(prefix: str, score: str) -> str:
    """The INFO field of a score: upper case, letters that VCF allows."""
    return re.sub(r"[^A-Z0-9_.]", "_", f"{prefix}_{score}".upper())


def _texts(values: np.ndarray) -> list[str]:
    return ["." if math.isnan(value) else f"{value:.6g}" for value in values.tolist()]


def _text(value: str) -> str:
    """Text that parquet can hold: a byte that is not UTF-8 becomes the replacement character."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
