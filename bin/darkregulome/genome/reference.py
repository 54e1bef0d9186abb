"""The reference sequence: an indexed FASTA, its contigs, and windows padded with N."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pysam

from darkregulome.errors import InputError
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.fasta_index import check_index, index_paths, make_index_again
from darkregulome.genome.textfile import compression, open_binary
from darkregulome.io.atomic import atomic_path
from darkregulome.io.paths import whole_gzip


class Reference:
    """A FASTA file (plain or bgzipped), opened for random access; indexed on the fly where it has no index.

    Attributes
    ----------
    contigs : names and lengths; knows that ``chr1`` and ``1`` are one contig.
    notes : sentences on what was done on the user's behalf (index made, contig names mapped).

    Raises
    ------
    InputError
        The file is absent, truncated, gzipped but not bgzipped, not FASTA, holds a contig twice, or has no index and
        cannot get one.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.notes: list[str] = []
        kind = _check_compression(self.path)
        if _make_missing_index(self.path, compressed=kind == "bgzip"):
            self.notes.append(f"{self.path}: had no index; made one")
        else:
            check_index(self.path, *index_paths(self.path, compressed=kind == "bgzip"), self.path)
        try:
            self._fasta = pysam.FastaFile(str(self.path))
        except (OSError, ValueError) as error:
            remedy = make_index_again(self.path)
            raise InputError.at(self.path, "cannot be opened with its index", remedy) from error
        self.contigs = Contigs(dict(zip(self._fasta.references, self._fasta.lengths, strict=True)), self.path)
        if not self.contigs.lengths:
            raise InputError.at(self.path, "has no sequence", "give a FASTA with at least one contig")
        self._noted: set[str] = set()

    def __enter__(self) -> "Reference":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self):
        # A file handle cannot cross processes; the path can.
        return (type(self), (self.path,))

    def close(self) -> None:
        self._fasta.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Contigs, in the file's order."""
        return tuple(self.contigs.lengths)

    @property
    def lengths(self) -> dict[str, int]:
        """Length of each contig in bases."""
        return self.contigs.lengths

    def length(self, chrom: str) -> int:
        """Length of a contig in bases; its name may be an alias."""
        return self.contigs.lengths[self._resolve(chrom)]

    def fetch(self, chrom: str, start: int, end: int) -> str:
        """The bases of ``[start, end)``, upper case, N wherever that lies outside the contig.

        Always ``end - start`` letters; `start` may be negative and `end` past the contig's end.
        """
        if end < start:
            raise ValueError(f"{chrom}:{start}-{end} ends before it starts")
        name = self._resolve(chrom)
        length = self.contigs.lengths[name]
        inside_start, inside_end = min(max(start, 0), length), max(min(end, length), 0)
        if inside_start >= inside_end:
            return "N" * (end - start)
        place = f"{name}:{inside_start}-{inside_end}"
        try:
            bases = self._fasta.fetch(name, inside_start, inside_end).upper()
        except (OSError, ValueError) as error:
            what = f"cannot be read at {place}: it is damaged, or its index is not its own"
            raise InputError.at(self.path, what, f"copy it again, or {make_index_again(self.path)}") from error
        if len(bases) != inside_end - inside_start:
            what = f"gives {len(bases)} bases of {place}, so its index is not its own"
            raise InputError.at(self.path, what, make_index_again(self.path))
        return "N" * (inside_start - start) + bases + "N" * (end - inside_end)

    def _resolve(self, chrom: str) -> str:
        name = self.contigs.require(chrom, "a query")
        if name != chrom and chrom not in self._noted:
            self._noted.add(chrom)
            self.notes.append(f"{self.path}: the contig {chrom} is taken as {name}")
        return name


def compress_fasta(path: str | Path, out: str | Path) -> None:
    """Compress a gzipped (or plain, or bgzipped) FASTA with bgzip into `out`, and index that.

    Raises
    ------
    InputError
        The file is absent, truncated or not FASTA.
    """
    path, out = Path(path), Path(out)
    outputs = atomic_path(out), atomic_path(f"{out}.fai"), atomic_path(f"{out}.gzi")
    with open_binary(path) as reader, whole_gzip(path), outputs[0] as partial, outputs[1] as fai, outputs[2] as gzi:
        with pysam.BGZFile(str(partial), "wb", index=None) as writer:
            first = reader.read(1)
            _check_first_byte(first, path)
            writer.write(first)
            shutil.copyfileobj(reader, writer, 1 << 22)
        _index(partial, fai, gzi, path)


def fasta_records(path: str | Path) -> Iterator[tuple[str, str]]:
    """Yield name and sequence of every record of a FASTA, plain or gzipped, in order, letters as they stand.

    Raises
    ------
    InputError
        The file is absent or damaged.
    """
    compression(Path(path))
    try:
        with pysam.FastxFile(str(path)) as records:
            for record in records:
                yield str(record.name), record.sequence or ""
    except (OSError, ValueError) as error:
        raise InputError.at(path, f"cannot be read ({error})", "give a FASTA file, plain or gzipped") from error


def _index(fasta: Path, fai: Path, gzi: Path | None, where: Path) -> None:
    """Write the index of a FASTA; what is wrong with it is said of `where`."""
    blocks = [] if gzi is None else ["--gzi-idx", str(gzi)]
    try:
        pysam.faidx(str(fasta), "--fai-idx", str(fai), *blocks)
    except pysam.SamtoolsError as error:
        raise InputError.at(
            where,
            "cannot be indexed: the lines of a sequence differ in length, or it is damaged",
            "write it again with lines of one length (seqkit seq)",
        ) from error
    check_index(fasta, fai, gzi, where)


def _check_compression(path: Path) -> str:
    kind = compression(path)
    if kind == "gzip":
        raise InputError.at(
            path,
            "is gzipped, not bgzipped, so it cannot be read at random",
            f"compress it again: gunzip {path} && bgzip {path.with_suffix('')}",
        )
    if kind == "none":
        with open(path, "rb") as handle:
            _check_first_byte(handle.read(1), path)
    return kind


def _check_first_byte(first: bytes, path: Path) -> None:
    if not first:
        raise InputError.at(path, "is empty", "give a FASTA with at least one contig")
    if first != b">":
        raise InputError.at(path, "is not FASTA (it does not start with '>')", "give a FASTA file")


def _make_missing_index(path: Path, compressed: bool) -> bool:
    """Write .fai (and .gzi) next to a FASTA that lacks them, whole or not at all; True if anything was written."""
    index, block_index = index_paths(path, compressed)
    if index.is_file() and (block_index is None or block_index.is_file()):
        return False
    command = f"samtools faidx {path}"
    if not os.access(path.parent, os.W_OK):
        what = f"has no index, and its folder {path.parent} cannot be written"
        raise InputError.at(path, what, f"make the index where the file lives: {command}")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".partial-index-") as folder:
            partial, partial_blocks = Path(folder, "index.fai"), Path(folder, "index.gzi")
            _index(path, partial, partial_blocks if compressed else None, path)
            if block_index is not None:
                os.replace(partial_blocks, block_index)
            os.replace(partial, index)
    except OSError as error:
        what = f"has no index, and one cannot be written ({error.strerror})"
        raise InputError.at(path, what, f"make it: {command}") from error
    return True
