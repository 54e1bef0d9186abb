"""Faults in the middle of a run, for tests: scripts that stop at a known place, runs in the background, what is left.

A script of the pipeline is put before the real one on a task's PATH: it prepares the fault, then runs the real one.
So a fault strikes at the same place every time, however fast the machine.
"""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline_runner import ROOT, Project, Run, nextflow_environment

# What says when, where or how something was made.
DATED = ("pipeline_info/", "report/report.html", "report/report_data/multiqc", "ro-crate-metadata.json")

PATIENCE = 300
"""Seconds to wait for anything: a busy machine must not fail a test, and a test that fails may take its time."""

_SCRIPT = '''#!/usr/bin/env python3
import os, runpy, sys, time
from pathlib import Path

script = {script!r}
sys.path.insert(0, os.path.dirname(script))

def stop(place):
    """Say which process this is, and wait to be killed; once in a run."""
    flag = Path({flag!r})
    try:
        with open(flag.with_suffix(".first"), "x") as handle:
            handle.write(str(os.getpid()))
    except FileExistsError:
        return
    os.link(flag.with_suffix(".first"), flag)
    time.sleep({patience})

if "--out" in sys.argv:
{fault}
sys.argv[0] = script
runpy.run_path(script, run_name="__main__")
'''

STOP_AT_A_CHUNK = """
    from darkregulome.scoring.chunks import ChunkStore
    save = ChunkStore.save
    def save_and_stop(self, number, scores):
        save(self, number, scores)
        if number == {number}:
            stop("a chunk is saved")
    ChunkStore.save = save_and_stop
"""
"""Until killed, once: after the chunk of this number has been saved."""

STOP_IN_A_FORWARD = """
    import torch.nn.functional
    look_up, calls = torch.nn.functional.embedding, []
    def look_up_and_stop(*given, **named):
        calls.append(1)
        if len(calls) == 2 and {condition}:
            stop("a forward of the model")
        return look_up(*given, **named)
    torch.nn.functional.embedding = look_up_and_stop
"""
"""Until killed, once: in the model's second forward."""

OUT_OF_MEMORY = """
    import torch.nn.functional
    look_up = torch.nn.functional.embedding
    def look_up_where_there_is_room(tokens, *given, **named):
        if {condition} and Path({full!r}).exists():
            with open({full!r}, "a") as handle:
                print(len(tokens), file=handle)
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return look_up(tokens, *given, **named)
    torch.nn.functional.embedding = look_up_where_there_is_room
"""
"""What a CUDA device says that somebody else has filled, as long as a file is there; it gets the sizes of batches."""


class Faults:
    """Scripts with faults for the tasks of one run, and the configuration that puts them on their PATH."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        self.flag = folder / "stopped"
        self.config = folder / "faults.config"
        # What a task finds first; else as conf/base.config has it.
        path = os.pathsep.join([str(folder), str(ROOT / ".venv" / "bin")])
        # Two tasks at a time, so that others go on beside one that has stopped, also where there is one core.
        self.config.write_text(f"process.beforeScript = 'export PATH=\"{path}:$PATH\"'\nexecutor.cpus = 2\n")

    def add(self, project: Project, script: str, fault: str, **given: object) -> None:
        """Let a script of the project's bin/ meet a fault."""
        place = self.folder / script
        text = fault.strip("\n").format(**given)
        real = str(project.folder / "bin" / script)
        place.write_text(_SCRIPT.format(script=real, flag=str(self.flag), patience=2 * PATIENCE, fault=text))
        place.chmod(0o755)

    def kill_what_stopped(self) -> None:
        """kill -9 of the process that has stopped."""
        os.kill(int(self.flag.read_text()), signal.SIGKILL)


@contextmanager
def started(project: Project, words: list[str], faults: Faults) -> Iterator[subprocess.Popen[bytes]]:
    """Nextflow in the background; it may be killed without its tasks. At the end nothing of it is left."""
    log = faults.folder / "output"
    with open(log, "wb") as output:
        running = subprocess.Popen(
            ["nextflow", "run", "main.nf", "-c", str(faults.config), *words],
            cwd=project.folder,
            env=nextflow_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        if faults.flag.exists():
            with suppress(ProcessLookupError):
                faults.kill_what_stopped()


def options(project: Project, name: str, given: Mapping[str, str], work: Path | None = None) -> list[str]:
    """Words of a run into the folder `name`, of one task at a time, with a work folder of its own unless one is given.

    What is given as "" is left out.
    """
    given = {**given, "max_cpus": "1", "max_memory": "2.GB", "outdir": name}
    words = [word for key, value in given.items() if value for word in (f"--{key}", value)]
    return [*words, "-w", str(work or work_of(project, name))]


def work_of(project: Project, name: str) -> Path:
    """The work folder of the run into the folder `name`."""
    return project.folder / f"work-{name}"


def succeed(project: Project, words: Sequence[str], name: str) -> Run:
    """A run that ends well."""
    run = project.run(*words, outdir=name, defaults=False)
    assert run.status == 0, run.output
    return run


def wait_for(condition: Callable[[], object], running: subprocess.Popen[bytes], what: str) -> None:
    """Wait until something is so while Nextflow runs."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert running.poll() is None, f"the run ended before {what}"
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)


def results(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of the results, but of those that carry the time."""
    names = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(names.items())
        if not name.startswith(DATED)
    }


def cached(project: Project, task: Path) -> bool:
    """True once Nextflow's cache on disk knows a finished task, by the hash that its folder is called by."""
    key = bytes.fromhex(task.parent.name + task.name)
    return any(key in log.read_bytes() for log in (project.folder / ".nextflow" / "cache").glob("*/db/*.log"))


def session(project: Project, run: Run) -> str:
    """The id of a finished run, for ``-resume ID``."""
    rows = [line.split("\t") for line in (project.folder / ".nextflow" / "history").read_text().splitlines()]
    return next(row[5] for row in rows if f"--outdir {run.outdir.name}" in row[6])
