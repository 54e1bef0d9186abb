"""What every script does with what it is given: exit codes, one sentence, no traceback."""

import errno
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

BIN = Path(__file__).parents[1] / "bin"


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
