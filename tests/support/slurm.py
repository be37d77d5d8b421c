"""A private SLURM of one node. Its daemons, files and ports are its own; it listens on the loopback address alone."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "sbatch", "srun")
ACCOUNTING_PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db")
NODE = "node"
CPUS = 4
"""More than this machine may have, so that jobs overlap."""
MARIADB = ("--no-defaults", "--user=root", "--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite")
PASSWORDLESS = "--auth-root-authentication-method=normal"
_START = 30.0
"""Seconds in which a daemon must answer."""

SLURM_CONF = """
ClusterName=hone
SlurmctldHost={host}({address})
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
# A job that is requeued waits until the credentials of its first start have expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/log/slurmctld
SlurmdLogFile={folder}/log/slurmd
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2
SlurmdParameters=config_overrides
KillWait=20
ReturnToService=2
SlurmdTimeout=20
JobAcctGatherType=jobacct_gather/none
NodeName={node} NodeHostname={host} NodeAddr={address} CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""

NO_ACCOUNTS = "AccountingStorageType=accounting_storage/none\n"

ACCOUNTS = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={address}
AccountingStoragePort={accounts_port}
AccountingStoragePass={folder}/munge.socket
"""

SLURMDBD_CONF = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr={address}
DbdPort={accounts_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
LogFile={folder}/log/slurmdbd
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
"""


def missing(accounting: bool) -> list[str]:
    """Return what this machine lacks for a cluster."""
    programs = (*PROGRAMS, *(ACCOUNTING_PROGRAMS if accounting else ()))
    absent = [name for name in programs if shutil.which(name) is None]
    root = [] if os.getuid() == 0 else ["root"]
    # SLURM's daemons bind to the address of this name. Any other address would open them to the network.
    name = [] if _own_address().startswith("127.") else [f"a loopback address of {_own_name()} in /etc/hosts"]
    return [*absent, *root, *name]


def _own_name() -> str:
    return socket.gethostname().partition(".")[0]


def _own_address() -> str:
    try:
        return socket.gethostbyname(_own_name())
    except OSError:
        return ""


class Cluster:
    """A running cluster. Commands reach it through `environment`."""

    def __init__(self, folder: Path, accounting: bool) -> None:
        self.folder, self.accounting = folder, accounting
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def ask(self, *command: str) -> str:
        """Run one of SLURM's commands and return what it prints."""
        done = subprocess.run(command, capture_output=True, text=True, env=self._env(), timeout=60)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    def answers(self, *command: str) -> bool:
        return subprocess.run(command, capture_output=True, env=self._env(), timeout=60).returncode == 0

    def jobs(self) -> dict[str, str]:
        """Return the states of the jobs that SLURM remembers, by id."""
        lines = self.ask("squeue", "--noheader", "--array", "--states=all", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def start_node(self) -> None:
        self._start("slurmd", "-D", "-N", NODE)
        until(lambda: self.ask("sinfo", "--noheader", "--format=%T") in ("idle", "mixed", "allocated"))

    def kill_node(self) -> None:
        """Kill the node's daemon and all jobs on it, as a power failure does."""
        node = self.daemons.pop("slurmd")
        node.kill()
        node.wait()
        for pid in self._job_processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def end_jobs(self) -> None:
        """End all jobs at once and wait until the node is free."""
        self.ask("scancel", "--signal=KILL", "--user=root")
        self.ask("scancel", "--user=root")
        until(lambda: self.ask("squeue", "--noheader") == "")

    def start(self) -> None:
        for name in ("state", "spool", "log"):
            (self.folder / name).mkdir()
        self._write_files()
        self._start(
            "munged",
            "--foreground",
            *(f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "pid", "log", "seed")),
            f"--socket={self.folder}/munge.socket",
        )
        until(lambda: self.answers("munge", "-n", "-S", f"{self.folder}/munge.socket"))
        if self.accounting:
            self._start_accounting()
        self._start("slurmctld", "-D", "-c")
        until(lambda: self.answers("scontrol", "ping") and self.answers("sinfo"))
        self.start_node()

    def stop(self) -> None:
        """End the daemons that this object has started, the youngest first, and what the node has started."""
        for name, daemon in reversed(self.daemons.items()):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
            if name == "slurmd":
                for pid in self._job_processes():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def _start_accounting(self) -> None:
        data, mysql = self.folder / "database", f"{self.folder}/mysql.socket"
        self.environment["MYSQL_UNIX_PORT"] = mysql  # slurmdbd's library looks there for the database
        subprocess.run(
            ["mariadb-install-db", *MARIADB, f"--datadir={data}", "--skip-test-db", PASSWORDLESS],
            check=True,
            capture_output=True,
        )
        options = (f"--datadir={data}", f"--socket={mysql}", "--skip-networking")
        self._start("mariadbd", *MARIADB, *options, f"--pid-file={self.folder}/mariadbd.pid")
        until(Path(mysql).exists)
        self._start("slurmdbd", "-D")
        until(lambda: self.answers("sacctmgr", "--noheader", "show", "cluster"))
        self.ask("sacctmgr", "--immediate", "add", "cluster", "hone")

    def _write_files(self) -> None:
        ports = iter(free_ports(3))
        values = {
            "folder": self.folder,
            "host": _own_name(),
            "address": _own_address(),
            "node": NODE,
            "cpus": CPUS,
            "controller_port": next(ports),
            "node_port": next(ports),
            "accounts_port": next(ports),
        }
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        accounts = ACCOUNTS if self.accounting else NO_ACCOUNTS
        (self.folder / "slurm.conf").write_text((SLURM_CONF + accounts).format(**values))
        dbd = self.folder / "slurmdbd.conf"
        dbd.write_text(SLURMDBD_CONF.format(**values))
        dbd.chmod(0o600)

    def _env(self) -> dict[str, str]:
        return os.environ | self.environment

    def _start(self, *command: str) -> None:
        name = command[0]
        with (self.folder / "log" / f"{name}.txt").open("ab") as output:
            options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            # If the tests are killed, so are the daemons.
            bound = ("setpriv", "--pdeathsig", "TERM", *command)
            self.daemons[name] = subprocess.Popen(bound, env=self._env(), **options)

    def _job_processes(self) -> Iterator[int]:
        """Yield the processes that the node has started for jobs: each has this cluster's job environment."""
        mark = f"SLURM_CONF={self.folder}/slurm.conf".encode()
        ours = {os.getpid(), *(daemon.pid for daemon in self.daemons.values())}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (folder / "environ").read_bytes().split(b"\0")
                step = b"slurmstepd" in (folder / "cmdline").read_bytes()
                job = any(word.startswith(b"SLURM_JOB_ID=") for word in words)
                if mark in words and (step or job) and int(folder.name) not in ours:
                    yield int(folder.name)


@contextmanager
def running_cluster(folder: Path, accounting: bool) -> Iterator[Cluster]:
    """Start a cluster in a folder that all users may enter, which munge requires; stop it at the end."""
    cluster = Cluster(folder, accounting)
    with ExitStack() as stack:
        stack.callback(cluster.stop)
        cluster.start()
        yield cluster


def free_ports(count: int) -> Sequence[int]:
    """Return ports of the loopback address at which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]


def until(condition: Callable[[], object], seconds: float = _START) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
