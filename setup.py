"""The scripts of bin/ under their own names, and the data they look for; everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup

ASSETS = Path("assets")
SHARE = Path("share/darkregulome")


def files_below(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.iterdir() if path.is_file())


setup(
    scripts=sorted(str(path) for path in Path("bin").glob("*.py")),
    data_files=[
        (str(SHARE / folder.relative_to(ASSETS)), files_below(folder))
        for folder in sorted([ASSETS, *(path for path in ASSETS.rglob("*") if path.is_dir())])
    ],
)
