"""Tables by extension (parquet, TSV, CSV, gzip allowed), checked against their schema."""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pandas as pd
import pandera.errors
import pyarrow as pa
import pyarrow.parquet as pq

from darkregulome.errors import InputError, Problem
from darkregulome.io.atomic import atomic_path
from darkregulome.io.paths import made_again, require_file, whole_gzip
from darkregulome.io.provenance import PARQUET_KEY, plain, to_json
from darkregulome.io.schemas import TableSchema

_NEEDED = {"int64": "whole numbers", "Int64": "whole numbers", "float64": "numbers"}
_KEY_CHECK = "multiple_fields_uniqueness"
KEY_COLUMNS = frozenset(
    {"chrom", "chr", "chromosome", "gene", "gene_id", "gene_name", "gene_symbol", "molecular_trait_object_id"}
    | {"locus", "element", "name", "model", "class", "subclass", "family", "sequence", "window", "array"}
    | {"id", "ref", "alt", "variant", "variant_id", "rsid"}
)
"""Columns that name something: they are text in every table, so that contig 1 is never 1.0, nor element 007 the 7th."""
ROWS_PER_GROUP = 2**16
"""Rows of a row group that is made of smaller parts."""
_SEPARATORS = {".tsv": "\t", ".csv": ",", ".txt": "\t", ".bed": "\t"}


def table_format(path: str | Path) -> str:
    """The format that a file's name declares: ``"parquet"``, ``"\\t"`` or ``","``."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes if suffix.lower() != ".gz"]
    last = suffixes[-1] if suffixes else ""
    if last == ".parquet":
        return "parquet"
    if last in _SEPARATORS:
        return _SEPARATORS[last]
    raise InputError.at(path, f"has the extension {last or 'none'!r}", "use .parquet, .tsv, .csv, .tsv.gz or .csv.gz")


def read_table(path: str | Path, schema: TableSchema | None = None, **read_options: Any) -> pd.DataFrame:
    """Read a table and check it; columns that name something (`KEY_COLUMNS`) are text.

    Raises
    ------
    InputError
        The file is absent, empty, truncated or does not fit the schema; every misfit is named.
    """
    path = Path(path)
    kind = table_format(path)
    require_file(path)
    with reading(path):
        if kind == "parquet":
            frame = _names_as_text(pq.read_table(path)).to_pandas()
        else:
            header = pd.read_csv(path, sep=kind, comment=None, nrows=0).columns
            text = {name: str for name in header if _is_key(name)}
            frame = pd.read_csv(path, sep=kind, comment=None, **{"dtype": text, **read_options})
            if len(frame.columns) == 1:
                check_separator(path, str(frame.columns[0]), kind)
    return frame if schema is None else check_table(frame, schema, path)


def read_rows(path: str | Path, schema: TableSchema) -> pd.DataFrame:
    """A table of a schema that has at least one row."""
    table = read_table(path, schema)
    if table.empty:
        raise InputError.at(path, "has a header and no row", f"give a table of {schema.name} with at least one")
    return table


def _is_key(column: str) -> bool:
    return column.lower().lstrip("#") in KEY_COLUMNS


def _names_as_text(table: pa.Table) -> pa.Table:
    """Whole numbers in columns that name something, as text."""
    for at, column in enumerate(table.schema):
        if _is_key(column.name) and pa.types.is_integer(column.type):
            table = table.set_column(at, column.name, table.column(at).cast(pa.string()))
    return table


def check_separator(path: str | Path, header: str, separator: str) -> None:
    """Refuse a header that another character separates than the one that the file's name declares.

    Parameters
    ----------
    header : the first line, which `separator` has not divided.
    """
    for other, word in (("\t", "tabs"), (",", "commas"), (";", "semicolons")):
        if other != separator and other in header:
            remedy = "separate them by commas, or call it .tsv" if separator == "," else "by tabs, or call it .csv"
            raise InputError.at(path, f"has columns separated by {word}, not as its name says", remedy)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What a table that is empty, damaged or none makes its library raise, as an `InputError`.

    Only what is at fault in `path` itself: a full disk, say, passes.
    """
    try:
        with whole_gzip(path):
            yield
    except pd.errors.EmptyDataError as error:
        raise InputError.at(path, "is empty", "give a table with a header and at least one row") from error
    except (pa.ArrowException, pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        usual = "write it again" if path.suffix == ".parquet" else "check that it is text, one row per line"
        raise InputError.at(path, f"cannot be read ({_first_line(error)})", made_again(path) or usual) from error


def check_table(frame: pd.DataFrame, schema: TableSchema, where: object) -> pd.DataFrame:
    """Coerce `frame` to the schema's types and check it; all misfits at once."""
    try:
        return schema.schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        raise InputError(*_problems(errors, schema, where)) from errors


def write_table(
    frame: pd.DataFrame,
    path: str | Path,
    schema: TableSchema | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Check and write a table, whole or not at all. Parquet (zstd) carries its provenance in the file's metadata."""
    with table_writer(path, schema, provenance) as write:
        write(frame)


@contextmanager
def table_writer(
    path: str | Path, schema: TableSchema | None = None, provenance: Mapping[str, Any] | None = None
) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a table part by part, whole or not at all: yields a function that takes the next part.

    Memory holds one part at a time. Checks, formats and metadata are those of `write_table`; at least one part is
    needed, be it empty.
    """
    with TableStream(path, provenance) as stream:

        def write(frame: pd.DataFrame) -> None:
            stream.write(frame if schema is None else check_table(frame, schema, path))

        yield write


class TableStream:
    """Writes a table part by part, in the format of the file's name, whole or not at all.

    Parts are frames, which are written as they come, or Arrow tables, which are joined to row groups.

    Parameters
    ----------
    columns : of the Arrow tables; without any part the table has them and no row.
    """

    def __init__(self, path: str | Path, provenance: Mapping[str, Any] | None = None, columns: pa.Schema | None = None):
        self._kind = table_format(path)
        self._provenance = {} if provenance is None else {PARQUET_KEY: to_json(provenance).encode()}
        self._stack = ExitStack()
        self._partial = self._stack.enter_context(atomic_path(path))
        self._writer: Any = None
        self._waiting: list[pa.Table] = [] if columns is None else [columns.empty_table()]

    def __enter__(self) -> "TableStream":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        if kind is None:
            self._flush()
        self._stack.__exit__(kind, error, trace)

    def write(self, part: pd.DataFrame | pa.Table) -> None:
        """Append rows."""
        if isinstance(part, pd.DataFrame):
            self._append(part)
            return
        self._waiting.append(part)
        if sum(map(len, self._waiting)) >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table, self._waiting = pa.concat_tables(self._waiting), []
            # Arrow's own types, since a whole number that may be missing is no float.
            self._append(table if self._kind == "parquet" else table.to_pandas(types_mapper=pd.ArrowDtype))

    def _append(self, part: pd.DataFrame | pa.Table) -> None:
        first = self._writer is None
        if self._kind != "parquet":
            if first:
                self._writer = self._stack.enter_context(binary_output(self._partial))
            self._writer.write(part.to_csv(sep=self._kind, index=False, header=first).encode())
            return
        if isinstance(part, pd.DataFrame):
            part = pa.Table.from_pandas(part, preserve_index=False, schema=None if first else self._writer.schema)
        if first:
            schema = part.schema.with_metadata({**(part.schema.metadata or {}), **self._provenance})
            self._writer = self._stack.enter_context(pq.ParquetWriter(self._partial, schema, compression="zstd"))
        self._writer.write_table(part)


@contextmanager
def binary_output(path: Path) -> Iterator[IO[bytes]]:
    """A file to write bytes into, gzipped where its name ends with ``.gz``; equal content is equal bytes."""
    with ExitStack() as stack:
        handle: Any = stack.enter_context(open(path, "wb"))
        if path.name.endswith(".gz"):
            # No time and no file name (it is a temporary one) in the gzip header.
            handle = stack.enter_context(gzip.GzipFile("", "wb", fileobj=handle, mtime=0))
        yield handle


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that `write_table` put into a parquet file; empty if there is none, or the file is no parquet.

    Raises
    ------
    InputError
        The file is absent or damaged, or its provenance is no JSON object.
    """
    path = Path(path)
    if table_format(path) != "parquet":
        return {}
    metadata = parquet_schema(path).metadata or {}
    return parse_provenance(metadata.get(PARQUET_KEY, b"{}").decode(errors="replace"), path)


def parse_provenance(text: str, where: object) -> dict[str, Any]:
    """The record that `to_json` wrote; an `InputError` at `where` if it is no JSON object."""
    try:
        return dict(json.loads(text).items())
    except (ValueError, AttributeError, RecursionError) as error:
        remedy = "give the file as it was written"
        raise InputError.at(where, "has a provenance that is no JSON object", remedy) from error


def parquet_schema(path: Path) -> pa.Schema:
    """Columns and metadata of a parquet file; an `InputError` if it is damaged."""
    require_file(path)
    with reading(path):
        return pq.read_schema(path)


def column_names(path: Path) -> list[str]:
    """The columns of a table; nothing else of it is read."""
    return list(parquet_schema(path).names if table_format(path) == "parquet" else read_table(path, nrows=0).columns)


def write_json(record: Mapping[str, Any], path: str | Path) -> None:
    """Write JSON (indented, NaN as null), whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(plain(record), indent=2) + "\n")


def _problems(errors: pandera.errors.SchemaErrors, schema: TableSchema, where: object) -> list[Problem]:
    failures = errors.failure_cases
    checks = failures["check"].astype(str)
    uncoerced = set(failures.loc[checks.str.startswith("coerce_dtype"), "column"])
    problems: dict[tuple[str, str], Problem] = {}
    for (column, check), cases in failures.groupby(["column", "check"], dropna=False, sort=False):
        # What is of another type fails the other checks of its column too; a key fails once for each of its columns.
        if column in uncoerced and not str(check).startswith("coerce_dtype"):
            continue
        one = Problem(
            str(where), _complaint(column, check, cases, schema), f"see the columns of {schema.name} in docs/columns.md"
        )
        problems.setdefault(("", check) if check == _KEY_CHECK else (str(column), check), one)
    return list(problems.values())


def _complaint(column: str, check: str, cases: pd.DataFrame, schema: TableSchema) -> str:
    values = list(dict.fromkeys(str(value) or "nothing" for value in cases["failure_case"]))
    if check == "column_in_dataframe":
        return f"lacks the column{'s' * (len(values) > 1)} {', '.join(repr(name) for name in values)}"
    # The header is line 1 of a text table, so row 0 is line 2.
    rows = ", ".join(str(int(row) + 2) for row in cases["index"].dropna().head(3))
    lines = f" (line {rows})" if rows else ""
    if check == "not_nullable":
        return f"column {column!r} is empty{lines}"
    examples = ", ".join(values[:3]) + lines
    if check == _KEY_CHECK:
        return f"has more than one row of the same {' and '.join(schema.schema.unique or [])}: {examples}"
    if str(check).startswith("coerce_dtype"):
        needed = _NEEDED.get(str(schema.schema.columns[column].dtype), "text")
        return f"column {column!r} should hold {needed}, and has {examples}"
    allowed = [one.statistics for one in schema.schema.columns[column].checks if one.error == check]
    if allowed and "allowed_values" in allowed[0]:
        return f"column {column!r} has {examples}, which is none of {', '.join(allowed[0]['allowed_values'])}"
    return f"column {column!r} fails {check}: {examples}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
