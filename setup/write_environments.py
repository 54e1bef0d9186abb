#!/usr/bin/env python3
"""Write the environments of `-profile conda`, containers/conda/*.yml, from pyproject.toml and uv.lock (`make docs`).

They are few, and modules share them: conda makes one environment per file, and PyTorch takes gigabytes in each.
"""

import re
import tomllib
from pathlib import Path

from pinned import locked_packages

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "containers" / "conda"
NEEDED_BY_MODELS = frozenset(
    {"torch", "transformers", "enformer-pytorch", "safetensors", "huggingface-hub", "accelerate"}
    | {"umap-learn", "igraph", "leidenalg", "logomaker"}
)
"""What only those scripts import that load a model or train one; `tables.yml` does without."""
OTHER_NAMES = {
    "torch": "pytorch",
    "pandera": "pandera-pandas",
    "igraph": "python-igraph",
    "huggingface-hub": "huggingface_hub",
}
"""Names in conda-forge that differ from PyPI's."""
OF_BIOCONDA = frozenset({"pysam", "bioframe", "pybigwig", "multiqc"})
BY_PIP = frozenset({"enformer-pytorch", "logomaker"})
"""What conda has not."""


def environments() -> dict[str, tuple[str, ...]]:
    """Names of the direct dependencies in each environment, the smallest environment first."""
    names = [distribution(line) for line in _project()["dependencies"]]
    everything = tuple(name for name in names if name != "multiqc")
    tables = tuple(name for name in everything if name not in NEEDED_BY_MODELS)
    return {"multiqc": ("multiqc",), "tables": tables, "models": everything}


def distribution(requirement: str) -> str:
    """Name of a requirement as the lock spells it: ``pandera[pandas]>=0.26`` -> ``pandera``."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def environment_yaml(names: tuple[str, ...]) -> str:
    """One environment; minor versions are the lock's, since conda does not have every patch."""
    python = _project()["requires-python"].removeprefix(">=")
    versions = {name: locked_packages()[name]["version"] for name in names}
    lines = [f"conda-forge::python={python}"]
    for name in (name for name in names if name not in BY_PIP):
        channel = "bioconda" if name in OF_BIOCONDA else "conda-forge"
        minor = ".".join(versions[name].split(".")[:2])
        lines.append(f"{channel}::{OTHER_NAMES.get(name, name)}={minor}")
    pip = sorted(f"{name}=={versions[name]}" for name in names if name in BY_PIP)
    lines += ["conda-forge::pip"] if pip else []
    parts = [
        "# Written by `make docs` from pyproject.toml and uv.lock.",
        "channels:",
        "  - conda-forge",
        "  - bioconda",
    ]
    parts += ["dependencies:", *(f"  - {line}" for line in sorted(lines))]
    parts += ["  - pip:", *(f"      - {line}" for line in pip)] if pip else []
    return "\n".join(parts) + "\n"


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, names in environments().items():
        (FOLDER / f"{name}.yml").write_text(environment_yaml(names))


if __name__ == "__main__":
    main()
