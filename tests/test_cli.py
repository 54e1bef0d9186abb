"""What every script does with what it is given: exit codes, one sentence, no traceback."""

import errno
import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from rich.console import Console

from darkregulome import cli
from darkregulome.errors import InputError
from darkregulome.io import atomic
from darkregulome.models.settings import ModelOptions
from places import BIN


def run_body(body: str) -> subprocess.CompletedProcess:
    """Run a script of the project's frame whose only command does `body`."""
    code = f"""
        import os
        from darkregulome import cli
        app = cli.script(help="A test.", example="test")
        @app.command()
        def main() -> None:
            {body}
        cli.run(app)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, env={"PYTHONPATH": str(BIN)}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EISDIR])
def test_what_the_file_system_refuses_is_one_sentence_and_exit_2(number):
    done = run_body(f"raise OSError({number}, os.strerror({number}), '/data/out.parquet')")
    assert done.returncode == 2
    assert done.stderr.startswith("error: /data/out.parquet: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.rstrip().endswith(".")


def test_a_full_disk_without_a_file_name_is_still_a_sentence():
    done = run_body(f"raise OSError({errno.ENOSPC}, 'No space left on device')")
    assert done.returncode == 2
    assert "the output: No space left on device; free some space" in done.stderr


def test_a_fault_of_ours_exits_1_without_a_traceback():
    done = run_body("raise OSError('a fault')")
    assert done.returncode == 1
    assert "internal fault: OSError" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_that_is_a_folder_is_refused_and_nothing_is_left(tmp_path):
    (tmp_path / "loci.tsv").mkdir()
    body = (
        "from darkregulome.io.atomic import atomic_path\n"
        f"            with atomic_path({str(tmp_path / 'loci.tsv')!r}) as partial:\n"
        "                partial.write_text('x')"
    )
    done = run_body(body)
    assert done.returncode == 2
    assert "loci.tsv" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["loci.tsv"]


def test_a_bar_is_moved_named_and_gone_when_done(monkeypatch: pytest.MonkeyPatch):
    screen = io.StringIO()
    monkeypatch.setattr(cli, "console", Console(file=screen, force_terminal=True, width=80))
    with cli.progress_bar(True, "first", unit="records") as tell:
        tell(3, total=4)
        tell(4, title="second")
    assert "second" in screen.getvalue()
    assert "4 records" in screen.getvalue()
    with cli.progress_bar(False) as tell:
        tell(1, total=2, title="unseen")
    assert "unseen" not in screen.getvalue()


def test_help_shows_long_options_and_the_example_whole():
    done = subprocess.run(
        [sys.executable, str(BIN / "check_inputs.py"), "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert "--allow-failed-loci" in done.stdout
    assert "…" not in done.stdout
    example = next(line for line in done.stdout.splitlines() if "Example:" in line)
    assert example.rstrip().endswith("--out checked.json")


def test_two_outputs_of_one_name_are_refused(tmp_path: Path):
    cli.different_files(out=tmp_path / "a.tsv", failed=None)
    with pytest.raises(InputError, match=r"--reference-out: is the file of --out"):
        cli.different_files(out=tmp_path / "a.tsv", reference_out=tmp_path / "a.tsv")


@pytest.mark.parametrize("kind", ["path", "folder"])
def test_what_a_killed_writer_left_is_removed_and_what_another_one_writes_is_not(tmp_path, kind):
    out = tmp_path / "out.tsv"
    fill = "partial.write_text('x')" if kind == "path" else "(partial / 'x').write_text('x')"
    body = (
        f"from darkregulome.io.atomic import atomic_{kind} as atomic\n"
        f"            with atomic({str(out)!r}) as partial:\n"
        f"                {fill}\n"
        "                os.kill(os.getpid(), 9)"
    )
    assert run_body(body).returncode == -9
    (abandoned,) = tmp_path.iterdir()
    other = tmp_path / "other-out.tsv"
    write = getattr(atomic, f"atomic_{kind}")
    with write(other) as kept, write(out) as first:
        assert not abandoned.exists()
        with write(out) as second:
            assert {path.name for path in tmp_path.iterdir()} == {kept.name, first.name, second.name}
    assert {path.name for path in tmp_path.iterdir()} == {"out.tsv", "other-out.tsv"}


class Drawing(BaseModel):
    """Settings with one field of each kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(0.05, gt=0, lt=1, description="Level.")
    null: Literal["rotation", "free", "stratified"] = Field("rotation", description="What is drawn")
    window: int | None = Field(None, ge=16, description="Bases.", json_schema_extra={"none": "auto"})
    models: tuple[str, ...] = Field((), description="Models.", json_schema_extra={"commas": True})
    cards: tuple[Path, ...] = Field((), description="Cards.")
    only_plan: bool = Field(False, description="Run nothing.", json_schema_extra={"option": "only_plan"})
    sites: PositiveInt | None = Field(None, description="Sites.")
    parts: int = Field(1, ge=1, description="Parts.", json_schema_extra={"option": "accumulate"})
    seed: int = Field(0, ge=0, description="Seed of every random draw.")
    power: dict[str, float] = Field({}, json_schema_extra={"option": False})


def run_options(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """What a script of such settings was handed, with its exit code and what it wrote."""
    app, handed = cli.script(help="A test.", example="test"), {}

    @cli.command(app)
    def main(
        outdir: Annotated[Path, typer.Option(help="Folder.")],
        drawing: Drawing,
        run: Annotated[cli.Run, cli.Take(threads=2)],
        model: Annotated[ModelOptions, cli.Take("batch_size", "device", model="m", device="cpu")],
    ) -> None:
        handed.update(outdir=outdir, drawing=drawing, run=run, model=model)

    monkeypatch.setattr(sys, "argv", ["test", *words])
    monkeypatch.setattr(cli, "console", Console(stderr=True, soft_wrap=True, highlight=False))
    with pytest.raises(SystemExit) as done:
        cli.run(app)
    written = capsys.readouterr()
    return {**handed, "code": done.value.code, "out": written.out, "err": written.err}


@pytest.fixture
def handed(capsys, monkeypatch, tmp_path):
    return lambda *words: run_options(capsys, monkeypatch, "--outdir", str(tmp_path / "out"), *words)


def test_options_that_are_not_given_have_the_defaults_of_their_class_or_of_the_script(handed):
    got = handed()
    assert got["code"] == 0
    assert got["drawing"] == Drawing()
    assert got["run"] == cli.Run(threads=2)
    assert got["model"] == ModelOptions(model="m", device="cpu")


def test_options_fill_the_fields_of_their_classes(handed):
    words = "--alpha 0.1 --null free --window 32 --models a,b --models c --cards x --cards y --only-plan --sites 3"
    got = handed(*words.split(), "--accumulate", "4", "--seed", "7", "--batch-size", "8", "--no-progress")
    assert got["drawing"] == Drawing(
        alpha=0.1,
        null="free",
        window=32,
        models=("a", "b", "c"),
        cards=(Path("x"), Path("y")),
        only_plan=True,
        sites=3,
        parts=4,
        seed=7,
    )
    assert got["run"] == cli.Run(seed=7, threads=2, progress=False)
    assert got["model"].batch_size == 8


def test_help_lists_every_field_once_in_order_with_its_bounds_words_and_default(handed):
    out = handed("--help")["out"]
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("  --")]
    assert " ".join(listed) == (
        "--outdir --alpha --null --window --models --cards --only-plan --sites --accumulate --seed --threads "
        "--progress --batch-size --device --version"
    )
    assert "What is drawn: rotation, free or stratified." in " ".join(out.split())
    assert "x>=1" in out
    assert "[default: auto]" in out
    assert "model-names" not in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--alpha 0", "error: --alpha: is 0.0; give more than 0.0."),
        ("--alpha 1", "error: --alpha: is 1.0; give less than 1.0."),
        ("--null bogus", "error: --null: 'bogus' is not known; use rotation, free or stratified."),
        ("--window 5", "error: --window: '5' is neither auto nor a number of at least 16; give one of them."),
        ("--batch-size x", "error: --batch-size: 'x' is neither auto nor a positive number; give one of them."),
        ("--sites 0", "Invalid value for '--sites'"),
        ("--accumulate 0", "Invalid value for '--accumulate'"),
        ("--power 1", "No such option"),
        ("--weights x", "No such option"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_option(handed, words, sentence):
    got = handed(*words.split())
    assert got["code"] == 2
    assert sentence in got["err"]
    assert "drawing" not in got


def test_outputs_are_checked_before_objects_are_handed_over(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    got = run_options(capsys, monkeypatch, "--outdir", str(tmp_path / "file"))
    assert got["code"] == 2
    assert "is a file; give the name of a folder to write" in got["err"]
    assert "drawing" not in got


def test_settings_classes_need_no_heavy_package():
    """``--help`` reads every Settings class: it must stay quick."""
    code = (
        "import sys; import darkregulome.seq2exp.settings, darkregulome.training.settings, darkregulome.cli; "
        "print(sorted({'torch', 'pandas', 'numpy', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(BIN)}, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
