"""Runs the pipeline for tests: on a copy of the project, with a small genome and small models of random weights."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from places import ROOT

PARTS = ("main.nf", "nextflow.config", "nextflow_schema.json", "conf", "modules", "subworkflows", "workflows")
MODELS = ("demo-caduceus", "demo-hyena")


@dataclass(frozen=True)
class Run:
    """What one `nextflow run` left behind."""

    status: int
    output: str
    outdir: Path
    session: str = ""
    """What `-resume` goes on with, whatever was run since."""

    def trace(self) -> list[dict[str, str]]:
        """One row a task; `name` is cut to the process, as DIAGNOSE."""
        with open(self.outdir / "pipeline_info" / "trace.txt", newline="") as handle:
            rows = list(csv.DictReader(handle, delimiter="\t"))
        return [{**row, "process": row["process"].rsplit(":", 1)[-1]} for row in rows]

    def statuses(self) -> set[str]:
        return {row["status"] for row in self.trace()}


@dataclass(frozen=True)
class Project:
    """A copy of the pipeline, so that a test may change it, with inputs beside it."""

    folder: Path
    genome: Path
    models: dict[str, Path]

    def run(self, *options: str, outdir: str = "out", parser: str = "v1", defaults: bool = True, **given: str) -> Run:
        """`nextflow run` in the folder of the copy; by default on the small genome with the small models.

        `profile` takes other profiles than `test`; what else is given goes into the environment.
        """
        profile = given.pop("profile", "test")
        words = self.words(outdir, profile) if defaults else []
        status, output = nextflow("run", "main.nf", *words, *options, cwd=self.folder, parser=parser, **given)
        history = self.folder / ".nextflow" / "history"
        session = history.read_text().splitlines()[-1].split("\t")[5] if history.exists() else ""
        return Run(status, output, self.folder / outdir, session)

    def words(self, outdir: str, profile: str = "test") -> list[str]:
        """Options of a run on the small genome with the small models."""
        given = {
            "--simulated": str(self.genome),
            "--models": ",".join(self.models),
            "--weights": ",".join(f"{name}={folder}" for name, folder in self.models.items()),
            "--flank": "12000",
            "--outdir": outdir,
        }
        return ["-profile", profile, *(word for pair in given.items() for word in pair)]


def nextflow(*words: str, cwd: Path, parser: str = "v1", **given: str) -> tuple[int, str]:
    """Exit status, and what was printed."""
    done = subprocess.run(
        ["nextflow", *words],
        cwd=cwd,
        env=nextflow_environment(parser, **given),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def nextflow_environment(parser: str = "v1", **given: str) -> dict[str, str]:
    """This process's environment with Nextflow and Python of the checkout, and what is given."""
    environment = {**os.environ, **given}
    return {
        **environment,
        "PATH": os.pathsep.join([str(ROOT / ".venv" / "bin"), str(ROOT / ".nextflow-dist"), environment["PATH"]]),
        "NXF_ANSI_LOG": "false",
        "NXF_OFFLINE": "true",
        "NXF_SYNTAX_PARSER": parser,
        "OMP_NUM_THREADS": "1",
    }


def copy_project(folder: Path, genome: Path, models: dict[str, Path]) -> Project:
    """The parts of the pipeline that a run reads, copied; checkpoints are left behind."""
    for name in PARTS:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    shutil.copytree(ROOT / "bin", folder / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "assets").mkdir()
    for asset in (ROOT / "assets").iterdir():
        if asset.is_file():
            shutil.copy(asset, folder / "assets")
    return Project(folder, genome, models)


def demo_project(folder: Path, models: Sequence[str] = MODELS) -> Project:
    """A copy of the pipeline with a simulated genome of three loci and small models.

    The genome has its default place: Nextflow 25.04 with the strict parser derives parameters from defaults only.
    """
    genome = folder / "project" / "demo-data"
    command = [sys.executable, str(ROOT / "bin" / "simulate.py"), "genome", "--outdir", str(genome)]
    subprocess.run([*command, "--loci", "3", "--flank", "12000", "--seed", "1"], check=True)
    made = make_models(folder)
    return copy_project(folder / "project", genome, {name: made[name] for name in models})


def make_models(folder: Path) -> dict[str, Path]:
    """Checkpoints of the demo's language models, of its architectures but tiny, with random weights."""
    from darkregulome.models.checkpoint import save_checkpoint
    from darkregulome.training.build import build_language_model

    sizes = {
        "demo-caduceus": ("caduceus", {"d_model": 16, "n_layer": 1}),
        "demo-hyena": ("hyena", {"d_model": 16, "n_layer": 1, "d_inner": 32, "filter_order": 16}),
    }
    made = {}
    for name, (architecture, size) in sizes.items():
        config = json.loads((ROOT / "assets" / "models" / "configs" / f"{name}.json").read_text())
        path = folder / f"{name}.json"
        path.write_text(json.dumps({**config, **size}))
        model, settings = build_language_model(architecture, path, seed=1)
        made[name] = folder / name
        save_checkpoint(model, settings, made[name], {"command": "random weights, for tests"})
    return made
