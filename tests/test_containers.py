"""The CPU image, built from the lock file by podman, and the pipeline run in it. No registry is needed."""

import json
import os
import shutil
import subprocess
import tomllib
import urllib.request
from pathlib import Path

import pytest

from darkregulome import __version__
from pipeline_runner import MODELS, ROOT, demo_project

pytestmark = [pytest.mark.pipeline, pytest.mark.heavy]

IMAGE = f"docker.io/darkregulome/darkregulome:{__version__}"
BASE = "docker.io/library/python:3.11-slim-bookworm"
LOCAL_BASE = "localhost/darkregulome-base:1"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PACKAGES = "https://pypi.org/simple/uv"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


def podman(*words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["podman", *words], env={**os.environ, **environment}, capture_output=True, text=True, check=check
    )


def can_be_reached(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/", timeout=20)
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of podman; with runc, where that is what there is."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    settings = tmp_path_factory.mktemp("podman") / "containers.conf"
    runtime = "runc" if shutil.which("runc", path=f"{os.environ['PATH']}:/usr/sbin") else "crun"
    settings.write_text(
        f'[engine]\nruntime = "{runtime}"\n[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
    )
    environment = {"CONTAINERS_CONF": str(settings), "BUILDAH_RUNTIME": runtime}
    if podman("info", check=False, **environment).returncode:
        pytest.skip("podman does not run here")
    return environment


@pytest.fixture(scope="module")
def base(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with Python: the official one where a registry can be reached, else one of Debian's packages."""
    for name in (BASE, LOCAL_BASE):
        if podman("image", "exists", name, check=False, **engine).returncode == 0:
            return name
    if podman("pull", "--quiet", BASE, check=False, **engine).returncode == 0:
        return BASE
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        pytest.skip("no registry can be reached, and debootstrap (as root) is not there to make a base image")
    folder = tmp_path_factory.mktemp("base")
    packages = "--include=python3,python3-venv,procps,ca-certificates"
    made = subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", str(folder / "root")])
    if made.returncode:
        pytest.skip("no base image: neither a registry nor Debian's mirror could be used")
    subprocess.run(["tar", "-C", str(folder / "root"), "-cf", str(folder / "root.tar"), "."], check=True)
    podman("import", str(folder / "root.tar"), LOCAL_BASE, **engine)
    return LOCAL_BASE


@pytest.fixture(scope="module")
def image(engine: dict[str, str], base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of this checkout; what did not change since the last build is taken from podman's cache."""
    if not can_be_reached(PACKAGES):
        pytest.skip(f"{PACKAGES} cannot be reached, and the image is made of what is there")
    arguments = [f"--build-arg=BASE={base}"]
    if not can_be_reached(TORCH_INDEX):
        arguments.append("--build-arg=TORCH_INDEX=")
    # Where the network has a certificate of its own, pip and uv must know it while the image is built, and not later.
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n")
    (folder / "uv.toml").write_text("native-tls = true\n")
    if os.path.exists(CERTIFICATES):
        mounts = [
            (CERTIFICATES, CERTIFICATES),
            (folder / "pip.conf", "/etc/pip.conf"),
            (folder / "uv.toml", "/etc/uv/uv.toml"),
        ]
        arguments += [f"--volume={source}:{target}:ro" for source, target in mounts]
    dockerfile = str(ROOT / "containers" / "cpu" / "Dockerfile")
    built = podman(
        "build", "--network=host", *arguments, "-f", dockerfile, "-t", IMAGE, str(ROOT), check=False, **engine
    )
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-4000:]
    return IMAGE


def test_the_image_has_an_ordinary_user_the_scripts_ps_and_labels(image: str, engine: dict[str, str]):
    command = (
        "id -u && ps --version && score_elements.py --version && python3 -c 'import torch; print(torch.__version__)'"
    )
    said = podman("run", "--rm", "--network=none", image, "bash", "-c", command, **engine).stdout.splitlines()
    assert said[0] != "0"
    assert said[1].startswith("ps ")
    assert said[2].endswith(__version__)
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    (locked,) = (package["version"] for package in packages if package["name"] == "torch")
    assert said[3].split("+")[0] == locked
    (described,) = json.loads(podman("image", "inspect", image, **engine).stdout)
    assert described["Labels"]["org.opencontainers.image.version"] == __version__


def test_the_pipeline_runs_in_the_image(image: str, engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory):
    project = demo_project(tmp_path_factory.mktemp("containers"))
    run = project.run("--loci_per_task", "3", profile="test,podman", **engine)
    assert run.status == 0, run.output
    tasks = run.trace()
    assert {task["status"] for task in tasks} == {"COMPLETED"}
    assert sorted(task["tag"].split()[-1] for task in tasks if task["process"] == "SCORE_ELEMENTS") == sorted(MODELS)
    for task in tasks:
        text = (Path(task["workdir"]) / ".command.run").read_text()
        assert "podman run" in text
        assert IMAGE in text
        # ps of the image: without it there would be no figures of memory.
        assert task["peak_rss"] not in ("", "-")
    report = run.outdir / "report" / "report.html"
    assert report.stat().st_uid == os.getuid()
