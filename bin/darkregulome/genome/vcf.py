"""The one reader of VCF: records as they stand, one at a time, by file or by region.

Lines are kept as text: a score is added to a record, and nothing else of it changes, whatever its header forgot to
declare. pysam undoes the compression, reads the index of a region and checks the header.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pysam

from darkregulome.errors import InputError
from darkregulome.genome.contigs import contig_aliases
from darkregulome.genome.textfile import compression, open_binary, text_lines
from darkregulome.io.paths import whole_gzip

COLUMNS = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
"""The fixed columns of VCF (specification 4.3, section 1.5)."""
INFO_COLUMN = COLUMNS.index("INFO")
NEEDED = 5
"""Columns without which a line says no variant; the others may be missing, and are written as '.'."""
FILE_FORMAT = "##fileformat=VCFv4.2"

_INFO = re.compile(r"##INFO=<ID=(?P<name>[^,]+),Number=(?P<number>[^,]+),Type=(?P<kind>[^,]+),")
_POSITION = re.compile(r"[0-9]{1,10}")
_REGION = re.compile(r"(?P<chrom>\S+?)(?::(?P<start>[0-9,]+)-(?P<end>[0-9,]+))?")


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a VCF.

    Attributes
    ----------
    number : of the record in its file, from 0.
    columns : the line's columns as text, at least eight of them where it can be read at all.
    start : position of the first base of REF, 0-based; None where the line cannot be read.
    """

    number: int
    columns: list[str]
    start: int | None

    @property
    def chrom(self) -> str:
        """The contig, as the file names it."""
        return self.columns[0]

    @property
    def ref(self) -> str:
        """REF, as the file writes it."""
        return self.columns[3] if len(self.columns) > 3 else ""

    @property
    def alts(self) -> list[str]:
        """Each ALT; one '.' where there is none."""
        return (self.columns[4] if len(self.columns) > 4 else ".").split(",")


@dataclass(frozen=True)
class Region:
    """``[start, end)`` of a contig; `end` None is its end."""

    chrom: str
    start: int = 0
    end: int | None = None

    def holds(self, record: Record) -> bool:
        """True where the first base of REF lies inside, so that of two regions side by side one has the record."""
        return (
            record.start is not None
            and record.chrom in contig_aliases(self.chrom)
            and self.start <= record.start
            and (self.end is None or record.start < self.end)
        )


def parse_region(text: str) -> Region:
    """A region as samtools writes it: ``chr1`` or ``chr1:1001-2000``, counted from 1, the end included.

    Raises
    ------
    InputError : the text is no region.
    """
    match = _REGION.fullmatch(text)
    start, end = ("", "") if match is None else (match["start"] or "1", match["end"] or "")
    first, last = start.replace(",", ""), end.replace(",", "")
    if match is None or not first or int(first) < 1 or (last and int(last) < int(first)):
        raise InputError.at("--region", f"{text!r} is no region", "write chr1 or chr1:1001-2000")
    return Region(match["chrom"], int(first) - 1, int(last) if last else None)


class VcfFile:
    """A VCF (plain, gzipped, bgzipped) or BCF: its header, and its records as often as asked.

    Attributes
    ----------
    meta : lines of the header from ``##fileformat`` on, without the line of column names.
    samples : names of the columns after INFO.

    Raises
    ------
    InputError : the file is absent or damaged, or its header is broken.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._kind = "bcf" if _is_bcf(self.path) else compression(self.path)
        self.meta, names = self._read_header()
        self.samples = names[len(COLUMNS) :]
        _check_header(self.path, self.header_lines())

    def header_lines(self) -> list[str]:
        """The header as it can be written: with its format, and all the fixed columns."""
        return [*self.meta, "#" + "\t".join([*COLUMNS, *self.samples])]

    def records(self, region: Region | None = None) -> Iterator[Record]:
        """Every record in order, or those of a region; by the index where there is one. No line is left out."""
        lines = self._indexed_lines(region) if region is not None else None
        if lines is None:
            lines = (line for line in self._lines() if not line.startswith("#"))
        for number, line in enumerate(line for line in lines if line and not line.isspace()):
            record = parse_record(number, line)
            if region is None or region.holds(record):
                yield record

    def info_types(self) -> dict[str, tuple[str, str]]:
        """Number and type of every INFO field that the header declares, as it writes them."""
        matches = (_INFO.match(line) for line in self.meta)
        return {match["name"]: (match["number"], match["kind"]) for match in matches if match}

    def count(self) -> int:
        """Number of records."""
        return sum(1 for line in self._lines() if line and not line.startswith("#") and not line.isspace())

    def _read_header(self) -> tuple[list[str], list[str]]:
        meta: list[str] = []
        for number, line in enumerate(self._lines(), start=1):
            if line.startswith("##"):
                meta.append(line)
            elif line.startswith("#"):
                return _with_format(meta), self._column_names(number, line)
            elif line and not line.isspace():
                raise InputError.at(
                    f"{self.path}:{number}",
                    "stands before the header's line of column names, or the file is no VCF",
                    "give a VCF with a line that starts with #CHROM",
                )
        raise InputError.at(self.path, "has no line of column names", "give a VCF with a line that starts with #CHROM")

    def _column_names(self, number: int, line: str) -> list[str]:
        names = line[1:].split("\t")
        fixed = names[: len(COLUMNS)]
        if len(names) < NEEDED or tuple(fixed) != COLUMNS[: len(fixed)]:
            raise InputError.at(
                f"{self.path}:{number}",
                f"names the columns {' '.join(names)[:60]!r}",
                f"write #{' '.join(COLUMNS)}, separated by tabs",
            )
        return [*COLUMNS, *names[len(COLUMNS) :]]

    def _lines(self) -> Iterator[str]:
        """Every line without its end. A byte that is not UTF-8 is kept as it is."""
        if self._kind == "bcf":
            yield from _bcf_lines(self.path)
            return
        yield from text_lines(self.path, errors="surrogateescape", newline="\n")

    def _indexed_lines(self, region: Region) -> Iterator[str] | None:
        indices = (Path(f"{self.path}{suffix}") for suffix in (".tbi", ".csi"))
        if self._kind != "bgzip" or not any(index.is_file() for index in indices):
            return None
        try:
            table = pysam.TabixFile(str(self.path), encoding="utf-8")
            chrom = next((name for name in contig_aliases(region.chrom) if name in table.contigs), None)
        except (OSError, ValueError):
            return None  # an index that is not its own: the file is read from its beginning
        return iter(()) if chrom is None else table.fetch(chrom, region.start, region.end)


def parse_record(number: int, line: str) -> Record:
    """A line as a record; with `start` None where it has too few columns or no position."""
    columns = line.split("\t")
    readable = len(columns) >= NEEDED and columns[0] and columns[3] and _POSITION.fullmatch(columns[1])
    columns += ["."] * (len(COLUMNS) - len(columns))
    return Record(number, columns, int(columns[1]) - 1 if readable else None)


def info_of(record: Record) -> dict[str, str]:
    """The INFO fields of a record as text; of a flag, which has no value, it is empty."""
    items = (item.partition("=") for item in record.columns[INFO_COLUMN].split(";") if item not in ("", "."))
    return {name: value for name, _, value in items}


def _is_bcf(path: Path) -> bool:
    with whole_gzip(path), open_binary(path) as handle:
        return handle.read(3) == b"BCF"


def _bcf_lines(path: Path) -> Iterator[str]:
    try:
        with pysam.VariantFile(str(path)) as handle:
            yield from str(handle.header).splitlines()
            for record in handle:
                yield str(record).rstrip("\n")
    except (OSError, ValueError) as error:
        raise InputError.at(path, "is a damaged BCF file", "write it again") from error


def _with_format(meta: list[str]) -> list[str]:
    return meta if meta and meta[0].startswith("##fileformat=") else [FILE_FORMAT, *meta]


def _check_header(path: Path, lines: list[str]) -> None:
    """Whether the library of the field can read the header."""
    with tempfile.NamedTemporaryFile("w", suffix=".vcf", encoding="utf-8", errors="surrogateescape") as copy:
        copy.write("\n".join(lines) + "\n")
        copy.flush()
        verbosity = pysam.set_verbosity(0)
        try:
            pysam.VariantFile(copy.name).close()
        except (OSError, ValueError) as error:
            raise InputError.at(path, "has a header that cannot be read", "check it: bcftools view -h") from error
        finally:
            pysam.set_verbosity(verbosity)
