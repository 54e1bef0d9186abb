"""What every script does with what it is given: exit codes, one sentence, no traceback."""

import errno
import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from rich.console import Console

from darkregulome import cli
from darkregulome.errors import InputError
from darkregulome.io import atomic
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
