"""Tables by extension (parquet, TSV, CSV, gzip allowed), checked against their schema."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.errors
import pyarrow as pa
import pyarrow.parquet as pq

from darkregulome.errors import InputError, Problem
from darkregulome.io.atomic import atomic_path
from darkregulome.io.paths import require_file
from darkregulome.io.provenance import PARQUET_KEY, to_json
from darkregulome.io.schemas import TableSchema

_NEEDED = {"int64": "whole numbers", "Int64": "whole numbers", "float64": "numbers"}
_KEY_CHECK = "multiple_fields_uniqueness"
KEY_COLUMNS = frozenset(
    {"chrom", "chr", "chromosome", "gene", "gene_id", "gene_name", "gene_symbol", "molecular_trait_object_id"}
    | {"locus", "element", "name", "model", "class", "subclass", "family", "sequence", "window", "array"}
    | {"id", "ref", "alt", "variant", "variant_id", "rsid"}
)
"""Columns that name something: they are text in every table, so that contig 1 is never 1.0, nor element 007 the 7th."""
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
        yield
    except pd.errors.EmptyDataError as error:
        raise InputError.at(path, "is empty", "give a table with a header and at least one row") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        remedy = _made_again(path) or "copy or compress it again"
        raise InputError.at(path, "is a truncated or damaged gzip file", remedy) from error
    except (pa.ArrowException, pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        usual = "write it again" if path.suffix == ".parquet" else "check that it is text, one row a line"
        raise InputError.at(path, f"cannot be read ({_first_line(error)})", _made_again(path) or usual) from error


def _made_again(path: Path) -> str | None:
    """The remedy for a damaged file that a task of Nextflow has made; None where none has.

    Nextflow takes a finished task's files as they are, however damaged, as long as the task's folder is there.
    """
    for folder in path.resolve().parents:
        if (folder / ".command.run").is_file():
            return f"delete {folder}, and run again with -resume"
    return None


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
    kind = table_format(path)
    if schema is not None:
        frame = check_table(frame, schema, path)
    with atomic_path(path) as partial:
        if kind == "parquet":
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if provenance is not None:
                metadata = {**(table.schema.metadata or {}), PARQUET_KEY: to_json(provenance).encode()}
                table = table.replace_schema_metadata(metadata)
            pq.write_table(table, partial, compression="zstd")
        else:
            text = frame.to_csv(sep=kind, index=False).encode()
            # No time and no file name (it is a temporary one) in the gzip header: equal content must be equal bytes.
            partial.write_bytes(gzip.compress(text, mtime=0) if str(path).endswith(".gz") else text)


@contextmanager
def table_writer(
    path: str | Path, schema: TableSchema, provenance: Mapping[str, Any] | None = None
) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a table part by part, whole or not at all: yields a function that takes the next part.

    Memory holds one part at a time. Checks, formats and metadata are those of `write_table`; at least one part is
    needed, be it empty.
    """
    kind = table_format(path)
    with atomic_path(path) as partial, ExitStack() as stack:
        writer: Any = None

        def write(frame: pd.DataFrame) -> None:
            nonlocal writer
            frame = check_table(frame, schema, path)
            if kind == "parquet":
                table = pa.Table.from_pandas(frame, preserve_index=False, schema=writer and writer.schema)
                if writer is None:
                    metadata = dict(table.schema.metadata or {})
                    if provenance is not None:
                        metadata[PARQUET_KEY] = to_json(provenance).encode()
                    table = table.replace_schema_metadata(metadata)
                    writer = stack.enter_context(pq.ParquetWriter(partial, table.schema, compression="zstd"))
                writer.write_table(table)
            else:
                text = frame.to_csv(sep=kind, index=False, header=writer is None).encode()
                if writer is None:
                    writer = stack.enter_context(open(partial, "wb"))
                    if str(path).endswith(".gz"):
                        # As in write_table: equal content is equal bytes.
                        writer = stack.enter_context(gzip.GzipFile("", "wb", fileobj=writer, mtime=0))
                writer.write(text)

        yield write


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that `write_table` put into a parquet file; empty if there is none."""
    metadata = pq.read_schema(path).metadata or {}
    return json.loads(metadata.get(PARQUET_KEY, b"{}"))


def write_json(record: Mapping[str, Any], path: str | Path) -> None:
    """Write JSON (indented, NaN as null), whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(_without_nan(record), indent=2) + "\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not (float("-inf") < value < float("inf")):
        return None
    return value


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
    found = list(dict.fromkeys(str(value) or "nothing" for value in cases["failure_case"]))
    if check == "column_in_dataframe":
        return f"lacks the column{'s' * (len(found) > 1)} {', '.join(repr(name) for name in found)}"
    # The header is line 1 of a text table, so row 0 is line 2.
    rows = ", ".join(str(int(row) + 2) for row in cases["index"].dropna().head(3))
    lines = f" (line {rows})" if rows else ""
    if check == "not_nullable":
        return f"column {column!r} is empty{lines}"
    shown = ", ".join(found[:3]) + lines
    if check == _KEY_CHECK:
        return f"has more than one row of the same {' and '.join(schema.schema.unique or [])}: {shown}"
    if str(check).startswith("coerce_dtype"):
        needed = _NEEDED.get(str(schema.schema.columns[column].dtype), "text")
        return f"column {column!r} should hold {needed}, and has {shown}"
    allowed = [one.statistics for one in schema.schema.columns[column].checks if one.error == check]
    if allowed and "allowed_values" in allowed[0]:
        return f"column {column!r} has {shown}, which is none of {', '.join(allowed[0]['allowed_values'])}"
    return f"column {column!r} fails {check}: {shown}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
