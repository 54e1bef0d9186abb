"""Checkpoints from the hub: fetched at a pinned commit, into a cache, and verified before anything opens them.

Only data is fetched, never code: the files of `HUB_FILES` and those that the architecture names. Of two formats of the
weights the safetensors are taken.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkregulome.errors import InputError, Problem
from darkregulome.io.atomic import atomic_folder
from darkregulome.io.provenance import sha256_file
from darkregulome.models.architecture import find_architecture

if TYPE_CHECKING:
    from darkregulome.models.registry import ModelEntry

HUB_FILES = ("config.json", "model*.safetensors", "model.safetensors.index.json", "pytorch_model*.bin*")
MANIFEST = "fetched.json"
"""What a fetched folder holds and where it is from: repository, revision, and of each file size and SHA-256."""

TIMEOUT = 30.0
"""Seconds without an answer after which a try is given up; the hub's client tries six times."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the hub: its size, and its SHA-256 if it is a large one, else the SHA-1 that git has given it."""

    name: str
    size: int | None
    sha256: str | None
    git_sha1: str | None

    def complaint(self, path: Path) -> str | None:
        """How the file at `path` differs, or None."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"has {size} bytes where the hub has {self.size}"
        if self.sha256 is not None and (found := sha256_file(path)) != self.sha256:
            return f"has SHA-256 {found[:12]}... where {self.sha256[:12]}... is expected"
        if self.git_sha1 is not None and git_sha1(path) != self.git_sha1:
            return "differs from the hub's"
        return None


def git_sha1(path: Path) -> str:
    """The name that git gives to a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def fetch(
    entry: "ModelEntry",
    cache: Path | None = None,
    *,
    offline: bool = False,
    timeout: float = TIMEOUT,
    endpoint: str | None = None,
) -> Path:
    """The folder of a registry entry's checkpoint in the cache; what is missing there is fetched, the rest is not.

    A download that was interrupted goes on where it stopped. Where the hub cannot be reached, what the cache holds
    is taken.

    Parameters
    ----------
    entry : with `repo` and `revision`.
    cache : folder of the cache; by default the one of the hub's client (``HF_HOME``).
    offline : take what the cache holds without asking the hub.
    timeout : seconds without an answer after which a try is given up.
    endpoint : address of another hub than huggingface.co.

    Raises
    ------
    InputError : it cannot be fetched, or what was fetched differs from what the hub, or `sha256` of the entry, says.
    """
    patterns = _patterns(entry)
    with _timeouts(timeout):
        try:
            files = None if offline else _list_files(entry, patterns, endpoint)
            if files is None:
                folder, files = _cached(entry, patterns, cache)
            else:
                folder = _download(entry, files, cache, endpoint)
        except InputError:
            raise
        except Exception as error:  # whatever the hub's client raises, the remedy is the same
            raise _not_fetched(entry, error) from error
    complaints = [f"{file.name} {found}" for file in files if (found := file.complaint(folder / file.name))]
    complaints += _pinned_complaint(entry, folder)
    if complaints:
        for file in files:  # of the cache's bad copies, so that the next try fetches them again
            if any(complaint.startswith(f"{file.name} ") for complaint in complaints):
                (folder / file.name).resolve().unlink(missing_ok=True)
                (folder / file.name).unlink(missing_ok=True)
        raise InputError(Problem(_where(entry), "; ".join(complaints), "fetch it again"))
    return folder


def _patterns(entry: "ModelEntry") -> tuple[str, ...]:
    return (*HUB_FILES, *find_architecture(entry.architecture).files, *([entry.file] if entry.file else []))


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _where(entry: "ModelEntry") -> str:
    return f"{entry.repo}@{(entry.revision or '')[:12]}"


def _not_fetched(entry: "ModelEntry", error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    return InputError.at(
        _where(entry), f"could not be fetched ({reason})", "check the network, or give --weights DIR with a copy of it"
    )


@contextmanager
def _timeouts(seconds: float) -> Iterator[None]:
    """The client's own limits of waiting, for a while; plain HTTP, whose waiting they limit."""
    from huggingface_hub import constants

    names = ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "DEFAULT_REQUEST_TIMEOUT", "HF_HUB_DISABLE_XET")
    before = {name: getattr(constants, name) for name in names}
    try:
        for name in names:
            setattr(constants, name, True if name == "HF_HUB_DISABLE_XET" else seconds)
        yield
    finally:
        for name, value in before.items():
            setattr(constants, name, value)


def _list_files(entry: "ModelEntry", patterns: Sequence[str], endpoint: str | None) -> list[RemoteFile] | None:
    """The files to fetch; None where the hub cannot be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import RepoFile

    try:
        tree = list(HfApi(endpoint=endpoint).list_repo_tree(str(entry.repo), revision=entry.revision))
    except HfHubHTTPError:
        raise  # it was reached, and has no such repository or commit
    except Exception:
        return None
    found = [
        RemoteFile(file.path, file.size, file.lfs.sha256 if file.lfs else None, None if file.lfs else file.blob_id)
        for file in tree
        if isinstance(file, RepoFile) and _matches(file.path, patterns)
    ]
    if any(file.name.endswith(".safetensors") for file in found):
        found = [file for file in found if not file.name.startswith("pytorch_model")]
    if not found:
        raise InputError.at(_where(entry), "holds no checkpoint", "check `repo` in the registry")
    return found


def _download(entry: "ModelEntry", files: Sequence[RemoteFile], cache: Path | None, endpoint: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    fetched = [
        hf_hub_download(str(entry.repo), file.name, revision=entry.revision, cache_dir=cache, endpoint=endpoint)
        for file in files
    ]
    return Path(fetched[0]).parent


def _cached(entry: "ModelEntry", patterns: Sequence[str], cache: Path | None) -> tuple[Path, list[RemoteFile]]:
    """What the cache holds, to be verified by the names of its blobs: SHA-256 of large files, git's SHA-1 of others."""
    from huggingface_hub import snapshot_download

    folder = Path(
        snapshot_download(
            str(entry.repo),
            revision=entry.revision,
            cache_dir=cache,
            allow_patterns=list(patterns),
            local_files_only=True,
        )
    )
    files = []
    for path in sorted(folder.iterdir()):
        blob = path.resolve().name if path.is_symlink() else ""
        if _matches(path.name, patterns):
            sizes = {64: (blob, None), 40: (None, blob)}
            files.append(RemoteFile(path.name, None, *sizes.get(len(blob), (None, None))))
    return folder, files


def _pinned_complaint(entry: "ModelEntry", folder: Path) -> list[str]:
    """How the file of weights differs from the checksum in the registry."""
    from darkregulome.models.checkpoint import find_weights

    if entry.sha256 is None:
        return []
    path = folder / entry.file if entry.file else find_weights(folder)
    complaint = RemoteFile(path.name, None, entry.sha256, None).complaint(path)
    return [] if complaint is None else [f"{path.name} {complaint} by the registry"]


def manifest(entry: "ModelEntry", folder: Path) -> dict[str, Any]:
    """The content of `MANIFEST` for a fetched folder."""
    files = {
        path.name: {"size": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }
    return {"repo": entry.repo, "revision": entry.revision, "files": files}


def verify_folder(folder: Path, checksums: bool = True) -> list[Problem]:
    """How the files of a fetched folder differ from its `MANIFEST`; nothing for a folder that has none.

    Parameters
    ----------
    checksums : read every byte; else the sizes alone.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text())["files"]
        files = [RemoteFile(n, f["size"], f["sha256"] if checksums else None, None) for n, f in content.items()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [Problem(str(folder / MANIFEST), f"cannot be read ({error})", "fetch the weights again")]
    problems = []
    for file in files:
        path = folder / file.name
        complaint = file.complaint(path) if path.is_file() else "is missing"
        if complaint:
            problems.append(Problem(str(path), complaint.replace("the hub has", "it had"), "fetch the weights again"))
    return problems


def place(entry: "ModelEntry", cached: Path, folder: Path) -> None:
    """Put a fetched checkpoint into a folder of its own, with its `MANIFEST`: links where the file system allows."""
    with atomic_folder(folder) as partial:
        for path in sorted(path for path in cached.iterdir() if _matches(path.name, _patterns(entry))):
            source = path.resolve()
            try:
                os.link(source, partial / path.name)
            except OSError:
                shutil.copyfile(source, partial / path.name)
        (partial / MANIFEST).write_text(json.dumps(manifest(entry, partial), indent=2) + "\n")


def is_fetched(entry: "ModelEntry", folder: Path) -> bool:
    """True where `folder` holds the checkpoint of an entry, whole, at its revision."""
    try:
        content = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return False
    wanted = (entry.repo, entry.revision)
    return (content.get("repo"), content.get("revision")) == wanted and not verify_folder(folder)
