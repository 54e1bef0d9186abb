"""The frame of every script in bin/: version, progress, exit codes. Nothing scientific.

Exit 0: done. Exit 2: bad input, one sentence per problem on stderr, no traceback. Exit 1: a fault of ours;
the traceback is shown only with DARKREGULOME_DEBUG=1.
"""

import errno
import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console

from darkregulome import __version__, options
from darkregulome.errors import InputError
from darkregulome.io.atomic import require_place
from darkregulome.options import Take as Take

# The ClickException of typer: newer ones carry a click of their own.
_USAGE_ERRORS: Any = typer.BadParameter.__mro__[2]

_REMEDY_OF_ERRNO = {
    errno.EACCES: "check the permissions, or give another place",
    errno.EPERM: "check the permissions, or give another place",
    errno.EROFS: "give an output folder that can be written",
    errno.EISDIR: "give the name of a file",
    errno.ENOTDIR: "give a folder where a folder is needed",
    errno.ENOSPC: "free some space, or give an output folder on another disk",
    errno.EDQUOT: "free some space, or give an output folder on another disk",
    errno.EFBIG: "free some space, raise the quota or the limit (ulimit -f), or give another output folder",
    errno.ENAMETOOLONG: "give a shorter name",
}
"""What the file system refuses, and what the user can do about it."""

_OUTPUTS = ("out", "outdir", "reference_out", "plan_out", "failed", "chunks_dir", "state", "cache")
"""Options that name what a script writes."""

console = Console(stderr=True, soft_wrap=True, highlight=False)

Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random draw.")]

Fasta = Annotated[Path, typer.Option("--fasta", help="Reference (FASTA, plain or bgzipped).")]
# Elements and their scores, and what every script that judges scores asks of its tests.
Elements = Annotated[Path, typer.Option("--elements", help="Element table (parquet, TSV or CSV).")]
# What every script that runs a model asks of it.
Models = Annotated[list[str], typer.Option("--models", help="Models by name, repeated or comma-separated.")]
Registry = Annotated[Path | None, typer.Option("--registry", help="Another registry of models (YAML).")]


class Run(BaseModel):
    """What every script is asked of how it runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0, description="Seed of every random draw.")
    # OpenMP ends the process, without a word, where it is asked for very many threads.
    threads: int = Field(1, ge=1, le=1024, description="CPU threads to use.")
    progress: bool = Field(True, description="Show progress on stderr.")

    def say(self, sentence: str) -> None:
        """Print what only those read who want to see progress."""
        if self.progress:
            console.print(sentence, markup=False)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"darkregulome {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
]


def script(help: str, example: str) -> typer.Typer:
    """A typer app with the project's conventions. `example` is shown at the end of --help."""
    return typer.Typer(
        help=help,
        epilog=epilog_of(example),
        add_completion=False,
        # Rich's tables cut the names of long options where a terminal has 80 columns.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    )


def command(app: typer.Typer, **settings: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command of `app`; its parameters may be objects (see `options`).

    Parameters
    ----------
    settings : for ``app.command``, such as `epilog`.
    """
    return options.command(app, Version, **settings)


def epilog_of(command_line: str) -> str:
    """The end of a ``--help``: an example, which is not wrapped, so that it can be copied."""
    return f"\b\nExample:  {command_line}"


def _places_checked(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that looks whether its outputs can be written before it does anything: not after hours of work."""

    @functools.wraps(command)
    def checked(**options: Any) -> Any:
        for name in _OUTPUTS:
            if isinstance(path := options.get(name), Path):
                require_place(path)
        for name in ("reference_out", "plan_out", "failed"):
            if isinstance(path := options.get(name), Path) and path.is_dir():
                raise InputError.at(path, "is a folder", "give the name of a file to write")
        if isinstance(folder := options.get("outdir"), Path) and folder.exists() and not folder.is_dir():
            raise InputError.at(folder, "is a file", "give the name of a folder to write")
        return command(**options)

    return checked


def run(app: typer.Typer | Callable[[], Any]) -> None:
    """Run a script's app and turn what it raises into the exit codes of the contract."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("darkregulome").setLevel(logging.INFO)
    for info in app.registered_commands if isinstance(app, typer.Typer) else ():
        if info.callback is not None:
            info.callback = _places_checked(info.callback)
    if isinstance(app, typer.Typer) and len(app.registered_commands) == 1 and app.registered_callback is None:
        # Typer takes the help of a lone command from the command, and would drop the script's own and its example.
        command = app.registered_commands[0]
        command.help = command.help or str(app.info.help)
        command.epilog = command.epilog or str(app.info.epilog)
    try:
        status = app(standalone_mode=False)  # type: ignore[call-arg]
        sys.exit(status if isinstance(status, int) else 0)
    except InputError as error:
        for problem in error.problems:
            console.print(f"error: {problem}", markup=False)
        sys.exit(2)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except _USAGE_ERRORS as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        console.print("error: interrupted.")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _REMEDY_OF_ERRNO:
            where = error.filename or "the output"
            console.print(f"error: {where}: {error.strerror}; {_REMEDY_OF_ERRNO[error.errno]}.", markup=False)
            sys.exit(2)
        console.print(
            f"error: internal fault: {type(error).__name__}: {error}. Please report it; set DARKREGULOME_DEBUG=1 "
            "for the traceback.",
            markup=False,
        )
        if os.environ.get("DARKREGULOME_DEBUG"):
            traceback.print_exc()
        sys.exit(1)


def note(sentences: Iterable[object], word: str = "note") -> None:
    """Print sentences on stderr, whether or not progress is wanted."""
    for sentence in sentences:
        console.print(f"{word}: {sentence}", markup=False)


def warn(sentences: Iterable[object]) -> None:
    """Print warnings on stderr."""
    note(sentences, "warning")


ProgressCallback = Callable[..., None]
"""``progress(done, total=None, title=None)``: how far a script is."""


@contextmanager
def progress_bar(
    visible: bool, title: str = "", unit: str = "", total: float | None = None
) -> Iterator[ProgressCallback]:
    """A bar on stderr that goes when it is done, none in a log; yields what moves it.

    Parameters
    ----------
    unit : what is counted, if its number is to be displayed.
    total : of the whole, if there is one before the first step.
    """
    if not visible or not console.is_terminal:
        yield lambda done, total=None, title=None: None
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn()]
    if unit:
        columns.append(TextColumn(f"{{task.completed:.0f}} {unit}"))
    with Bar(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done, total=None, title=None: bar.update(task, completed=done, total=total, description=title)


def say_claims(record: Mapping[str, Any], progress: bool) -> None:
    """Print what a stage came to: warnings and what was not tested always, verdicts where progress is shown."""
    for note in [*record.get("notes", []), *record["warnings"]]:
        console.print(note, markup=False)
    for item in record["not_tested"]:
        console.print(f"  not tested  {item['model']}: {item['claim']}: {item['reason']}", markup=False)
    if progress:
        for entry in record["claims"]:
            console.print(f"{entry['verdict']:>12}  {entry['model']}: {entry['sentence']}", markup=False)


def command_line(name: str) -> str:
    """The command that runs, with paths cut to their last two parts: for the card of what it makes."""
    words = [name]
    for word in sys.argv[1:]:
        words.append("/".join(word.split("/")[-2:]) if "/" in word and not word.startswith("-") else word)
    return " ".join(words)


def track_names(values: Sequence[str] | None) -> tuple[list[str], dict[str, int] | None]:
    """Tracks by name, or name and index of others than the registry's."""
    items = [item for option in values or [] for item in option.split(",") if item]
    pairs = [item.rpartition("=") for item in items]
    if not any(equals for _, equals, _ in pairs):
        return items, None
    if not all(name and index.isdecimal() for name, _, index in pairs):
        raise InputError.at("--tracks", f"{', '.join(items)!r} mixes names and indices", "give NAME=INDEX for each")
    return [name for name, _, _ in pairs], {name: int(index) for name, _, index in pairs}


def different_files(**outputs: Path | None) -> None:
    """Refuse two outputs of one name: the second would take the first one's place."""
    seen: dict[Path, str] = {}
    for name, path in outputs.items():
        option = f"--{name.replace('_', '-')}"
        if path is not None and (first := seen.setdefault(path.absolute(), option)) != option:
            raise InputError.at(option, f"is the file of {first}, {path}", "give each its own")


def paths(values: list[str] | None) -> list[Path]:
    """Files or folders of an option that is repeated, or holds several by comma."""
    return [Path(path) for value in values or [] for path in value.split(",") if path]


def named_folders(option: str, values: list[str] | None) -> dict[str, Path]:
    """Folders of an option that is NAME=FOLDER, and is repeated, or holds several by comma."""
    return {name: Path(folder) for name, folder in options.named_values(option, values, "NAME=FOLDER").items()}
