"""A SLURM of one node with two GPUs that are none, for tests: real daemons, everything of theirs in one folder."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
GPUS = 2
MEMORY_MB = 6000


def missing() -> str | None:
    """Why there can be no cluster on this machine; nothing where there can."""
    absent = [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=PATH) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "the daemons of SLURM want to be started by root"
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") < MEMORY_MB << 20:
        return f"its node needs {MEMORY_MB} MB of memory"
    return None


@dataclass(frozen=True)
class Cluster:
    """A running cluster; commands that see it need its environment."""

    folder: Path
    node: str

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": PATH}

    def ask(self, *words: str) -> str:
        """What one of SLURM's commands prints."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    def jobs(self, state: str | None = None) -> list[str]:
        """Ids of the jobs in the queue, of one state if one is given."""
        return self.ask("squeue", "--noheader", "--format=%i", *(("--states", state) if state else ())).split()

    def log(self) -> str:
        """What the controller has to say."""
        return (self.folder / "slurmctld.log").read_text()


def wait_until(condition, seconds: float, what: str) -> None:
    """Wait for something to become true; fails with `what` if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.3)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start the daemons, wait until the node is idle, and take everything down at the end."""
    # Short, for the name of a socket may have 108 characters only.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder, socket.gethostname().split(".")[0])
    _write_configuration(cluster)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        daemons.append(_start(cluster, "munged", *_munge_options(folder)))
        wait_until((folder / "munge.socket").exists, 120, "munged opens its socket")
        daemons.append(_start(cluster, "slurmctld", "-D", "-c"))
        daemons.append(_start(cluster, "slurmd", "-D", "-N", cluster.node))
        wait_until(lambda: _is_idle(cluster), 180, "the node becomes idle")
        yield cluster
    finally:
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=15)
            except subprocess.TimeoutExpired:
                daemon.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _start(cluster: Cluster, name: str, *options: str) -> subprocess.Popen[bytes]:
    program = shutil.which(name, path=PATH)
    assert program is not None
    with open(cluster.folder / f"{name}.out", "wb") as output:
        return subprocess.Popen(
            [program, *options], env={**os.environ, **cluster.environment}, stdout=output, stderr=subprocess.STDOUT
        )


def _is_idle(cluster: Cluster) -> bool:
    try:
        return cluster.ask("sinfo", "--noheader", "--format=%t") == "idle"
    except subprocess.CalledProcessError:
        return False


def _munge_options(folder: Path) -> list[str]:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    names = {"socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log", "seed-file": "munge.seed"}
    # --force: a folder of mkdtemp may be entered by its owner only, and nobody else is to talk to this one.
    return [
        "--foreground",
        "--force",
        f"--key-file={key}",
        *(f"--{name}={folder / file}" for name, file in names.items()),
    ]


def _write_configuration(cluster: Cluster) -> None:
    folder, node = cluster.folder, cluster.node
    for name in ("state", "spool"):
        (folder / name).mkdir()
    devices = [folder / f"gpu{index}" for index in range(GPUS)]
    for device in devices:
        os.mknod(device, 0o600 | 0o020000, os.makedev(1, 3))  # a character device, as a GPU's is: that of /dev/null
    controller, daemon = _free_ports(2)
    (folder / "gres.conf").write_text("".join(f"Name=gpu Type=fake File={device}\n" for device in devices))
    (folder / "slurm.conf").write_text(
        f"""ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# What takes more memory than it asked for is killed, seen by looking, since there may be no cgroups to write to.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
KillWait=2
SchedulerParameters=sched_interval=1
GresTypes=gpu
NodeName={node} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={MEMORY_MB} Gres=gpu:fake:{GPUS} State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
