"""The pipeline as stubs: a reference genome by its name, what is run again after a change, the strict parser."""

import gzip
import json
import shutil

import pytest

from pipeline_runner import MODELS, Project, Run, demo_project, nextflow

pytestmark = pytest.mark.pipeline

PUBLISHED = {
    "fasta": "genome.fa.gz",
    "gtf": "genes.gtf.gz",
    "regulatory": "regulatory.bed.gz",
    "repeats": "rmsk.txt.gz",
    "conserved": "conserved.bed.gz",
    "conservation": "phylop.bw",
    "eqtl": "eqtls.tsv.gz",
    "network": "string_links.txt.gz",
    "network_info": "string_info.txt.gz",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return demo_project(tmp_path_factory.mktemp("stubs"))


@pytest.fixture(scope="module")
def addresses(project: Project) -> dict[str, str]:
    """Where the files of GRCh38 are published, by parameter."""
    status, output = nextflow("config", ".", "-flat", cwd=project.folder)
    assert status == 0, output
    flat = dict(line.split(" = ", 1) for line in output.splitlines() if line.startswith("params.genomes.GRCh38."))
    return {key.rsplit(".", 1)[1]: value.strip("'") for key, value in flat.items()}


@pytest.fixture(scope="module")
def words(project: Project, addresses: dict[str, str]) -> list[str]:
    """Options of a stub-run whose genome lies in an offline folder, under the names of its published files."""
    folder = project.folder / "genomes" / "GRCh38"
    folder.mkdir(parents=True)
    for name, file in PUBLISHED.items():
        shutil.copy(project.genome / file, folder / name_of(addresses[name]))
    # As GENCODE publishes it: gzipped, without index.
    fasta = folder / name_of(addresses["fasta"])
    fasta.write_bytes(gzip.compress(gzip.decompress(fasta.read_bytes())))
    weights = ",".join(f"{name}={path}" for name, path in project.models.items())
    return [
        *("-stub-run", "--loci", "demo-data/loci.csv", "--models", ",".join(MODELS), "--weights", weights),
        *("--genome", "GRCh38", "--genomes_base", "genomes", "--outdir", "out"),
    ]


@pytest.fixture(scope="module")
def finished(project: Project, words: list[str]) -> Run:
    run = project.run(*words, outdir="out", defaults=False)
    assert run.status == 0, run.output
    assert run.statuses() == {"COMPLETED"}
    return run


def name_of(address: str) -> str:
    return address.rsplit("/", 1)[1]


def test_a_genome_is_taken_from_an_offline_folder_by_the_names_of_its_published_files(
    addresses: dict[str, str], finished: Run
):
    assert set(PUBLISHED) == set(addresses)
    assert all(address.startswith("https://") for address in addresses.values())
    info = finished.outdir / "pipeline_info"
    assert "COMPRESS_FASTA" in (info / "software_versions.yml").read_text()
    given = json.loads((info / "params.json").read_text())
    assert "genomes" not in given
    for name in PUBLISHED:
        assert given[name] == f"genomes/GRCh38/{name_of(addresses[name])}"


def test_a_genome_that_is_not_known_is_refused(project: Project):
    run = project.run("--genome", "GRCh37", outdir="unknown", defaults=False)
    assert run.status == 1
    assert "--genome is 'GRCh37'; use one of GRCh38, or give the files themselves." in run.output


def test_a_change_of_the_package_runs_everything_that_imports_it_again(
    project: Project, words: list[str], finished: Run
):
    """By stub-runs: they have the inputs, and so the hashes, of real ones."""
    again = [*words, "-resume", finished.session]
    assert project.run(*again, outdir="out", defaults=False).statuses() == {"CACHED"}
    module = project.folder / "bin" / "darkregulome" / "__init__.py"
    text = module.read_text()
    try:
        module.write_text(text + "# changed\n")
        run = project.run(*again, outdir="out", defaults=False)
    finally:
        module.write_text(text)
    assert run.status == 0, run.output
    assert {task["process"] for task in run.trace() if task["status"] == "CACHED"} <= {"MULTIQC"}


def test_a_stub_run_passes_with_the_strict_parser(project: Project):
    run = project.run("-stub-run", outdir="stub", parser="v2")
    assert run.status == 0, run.output
