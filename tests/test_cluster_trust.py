"""Nobody but the user sends tasks to what `sedlib repro` starts, and a cluster file can name no code or command."""

import http.client
import importlib
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from dask_jobqueue import SLURMCluster
from distributed import Client, Security

from sedlib.base.errors import UserError
from sedlib.cluster import clusters
from sedlib.cluster.cluster_file import DIRECTIVES, cluster_file
from sedlib.cluster.clusters import Workers, connected
from tests.external import cluster
from tests.imports import ROOT
from tests.test_cluster import fresh, template
from tests.toy import Toy

pytestmark = pytest.mark.slow

__all__ = ["fresh", "template"]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a worker on this machine."""
    with connected(Workers(count=1), tmp_path_factory.mktemp("scratch")) as client:
        client.wait_for_workers(1)
        yield client


def connect(workers: Workers, scratch: Path = Path()) -> None:
    with connected(workers, scratch):
        raise AssertionError("it connects")


def address_of(client: Client) -> str:
    assert client.scheduler
    return str(client.scheduler.address)


def test_every_socket_of_scheduler_worker_and_dashboard_listens_on_this_machine_alone(local: Client) -> None:
    this = psutil.Process()
    listening = {
        connection.laddr.ip
        for process in [this, *this.children(recursive=True)]
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert local.dashboard_link.startswith("http://localhost:")


@pytest.mark.parametrize("protocol", ["tls", "tcp"])
@pytest.mark.parametrize("who", ["client", "worker"])
def test_without_the_sessions_keys_nobody_connects_to_any_of_them(local: Client, protocol: str, who: str) -> None:
    scheduler = address_of(local)
    (worker,) = local.scheduler_info(n_workers=-1)["workers"]
    address = (scheduler if who == "client" else worker).replace("tls:", f"{protocol}:")
    own = Security.temporary() if protocol == "tls" else Security()
    with pytest.raises(OSError, match=r"(?i)certificate does not match|timed out|handshake|closed|reset"):
        Client(address, security=own, timeout=2)
    assert local.submit(len, "abc").result() == 3


def test_a_client_that_has_no_keys_at_all_is_refused(local: Client) -> None:
    with pytest.raises(UserError, match=r"needs the keys that docs/cluster\.md makes"):
        connect(Workers(scheduler=address_of(local)))


def test_a_machine_too_busy_for_dasks_own_thread_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(address: str) -> None:
        raise AssertionError  # Dask's word when its thread has not started within ten seconds

    monkeypatch.setattr(clusters, "Client", late)
    with pytest.raises(UserError, match="was not asked: this machine is too busy"):
        connect(Workers(scheduler="tcp://127.0.0.1:1"))


@pytest.mark.parametrize(("origin", "status"), [("http://{place}", 101), ("http://evil.example", 403)])
def test_only_the_dashboard_itself_may_ask_it_for_values(local: Client, origin: str, status: int) -> None:
    place = re.findall(r"localhost:\d+", local.dashboard_link)[0]
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": origin.format(place=place)}
    headers |= {"Sec-WebSocket-Key": "c2VkbGliIGFza3MgYm9rZQ==", "Sec-WebSocket-Version": "13"}
    with closing(http.client.HTTPConnection(place, timeout=10)) as page:
        page.request("GET", "/status")
        token = re.findall(r'"token":"([^"]+)"', page.getresponse().read().decode())[0]
    with closing(http.client.HTTPConnection(place, timeout=10)) as asked:
        asked.request("GET", "/status/ws", headers={**headers, "Sec-WebSocket-Protocol": f"bokeh, {token}"})
        with asked.getresponse() as answer:
            assert answer.status == status


SLURM = "cluster: dask_jobqueue:SLURMCluster\nworkers: 1\noptions: {cores: 1, memory: 1GB, %s}\n"
HOSTILE = {
    "subprocess": ("cluster: subprocess:Popen\nworkers: 1\noptions: {args: [touch, ran]}\n", "'subprocess:Popen'"),
    "a path": ("cluster: evil:Cluster\nworkers: 1\n", "'evil:Cluster'"),
    "ssh": ("cluster: distributed:SSHCluster\nworkers: 1\n", "cluster must be one of distributed:LocalCluster, dask_"),
    "a list": ("- cluster\n", "must hold a mapping of names to values, got list"),
    "nothing": ("workers: 1\n", "cluster must be one of"),
    "an alias": ("cluster: &a distributed:LocalCluster\nworkers: *a\n", "alias"),
    "no name": ("cluster: [a, b]\nworkers: 1\n", "must be one of"),
    "an object": ("cluster: !!python/object/apply:os.system [touch ran]\nworkers: 1\n", "cluster.yaml"),
    "python": (SLURM % "python: ./evil", "options.python: no file may set this; if you need it, set it in ~/.config"),
    "prologue": (SLURM % "job_script_prologue: [touch ran]", "options.job_script_prologue: no file may set this"),
    "shebang": (SLURM % "shebang: '#!./evil'", "options.shebang: no file may set this"),
    "command": (SLURM % "worker_command: evil", "options.worker_command: no file may set this"),
    "job class": (SLURM % "job_cls: subprocess.Popen", "options.job_cls: no file may set this"),
    "scheduler": (SLURM % "scheduler_cls: evil.Scheduler", "options.scheduler_cls: no file may set this"),
    "no tls": (SLURM % "security: false, protocol: 'tcp://'", "options.security: no file may set this"),
    "dashboard": (SLURM % "scheduler_options: {dashboard_address: ':1'}", "options.scheduler_options: no file may"),
    "a line in a word": (SLURM % r'queue: "main\ntouch ran"', "options.queue: String should match"),
    "a line at its end": (SLURM % r'queue: "main\n"', "options.queue: String should match"),
    "a command in a folder": (SLURM % "local_directory: '/tmp;touch ran'", "options.local_directory: String should"),
    "a command in a variable": (SLURM % "log_directory: '$(touch ran)'", "options.log_directory: String should"),
    "a line in a directive": (
        SLURM % r'job_extra_directives: ["--qos=a\ntouch ran"]',
        "options.job_extra_directives: ",
    ),
    "two directives": (SLURM % "job_extra_directives: ['--qos=a --output=.bashrc']", "options.job_extra_directives: "),
    "another directive": (
        SLURM % "job_extra_directives: [--output=.bashrc]",
        "options.job_extra_directives: '--output",
    ),
    "preload": (SLURM % "worker_extra_args: [--preload, evil.py]", "options.worker_extra_args: '--preload' does not"),
    "a shell": (SLURM % "worker_extra_args: ['GPU=1;touch ran']", "options.worker_extra_args: 'GPU=1;touch ran'"),
    "pre-execution": (
        (SLURM % "job_extra_directives: ['-E evil']").replace("SLURM", "LSF"),
        "options.job_extra_directives: '-E evil' does not match",
    ),
    "many workers": ("cluster: distributed:LocalCluster\nworkers: 1000000\n", "workers: Input should be less than"),
    "a text": ("cluster: distributed:LocalCluster\nworkers: '1'\n", "workers: Input should be a valid integer"),
    "much memory": (SLURM % "job_mem: 9999999999GB", "options.job_mem: String should match"),
    "preload here": (
        "cluster: distributed:LocalCluster\nworkers: 1\noptions: {preload: [evil.py]}\n",
        "options.preload: no file may set this",
    ),
    "no size": ("cluster: dask_jobqueue:SLURMCluster\nworkers: 1\n", "options: Field required"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_that_could_name_code_is_refused_by_name(case: str, tmp_path: Path) -> None:
    text, refusal = HOSTILE[case]
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=re.escape(refusal)) as caught:
        cluster_file(file)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("name", DIRECTIVES)
def test_each_batch_system_takes_the_options_that_a_file_may_have(name: str, tmp_path: Path) -> None:
    directives = {"SLURM": "--gres=gpu:1", "SGE": "-pe smp 4", "LSF": '-R "rusage[mem=4GB]"', "HTCondor": None}
    system = name.partition(":")[2].removesuffix("Cluster")
    line = directives.get(system, "-l nodes=1:gpus=1")
    options: dict[str, Any] = {"cores": 2, "memory": "4GB", "processes": 1, "interface": "lo", "death_timeout": 60}
    options |= {"local_directory": "$TMPDIR/dask", "worker_extra_args": ["--resources", "GPU=1"]}
    options |= {"disk": "1GB"} if system == "HTCondor" else {"queue": "main", "walltime": "01:00:00"}
    options |= {"job_extra_directives": [line]} if line else {}
    options |= {"memory_per_core_property_name": "mem_core"} if system == "OAR" else {}
    file = tmp_path / "cluster.yaml"
    file.write_text(repr({"cluster": name, "workers": 1, "options": options}))
    asked = cluster_file(file)
    module, kind = name.split(":")
    job = getattr(importlib.import_module(module), kind).job_cls
    found = job("tls://127.0.0.1:1", name="worker", **asked.options.model_dump(exclude_none=True)).job_script()
    assert "--resources GPU=1" in found
    assert not line or line in found


def test_jobs_get_keys_that_only_the_user_can_read_and_that_end_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(SLURMCluster, "scale", lambda cluster, workers: asked.append((cluster, workers)))
    asked: list[tuple[Any, int]] = []
    with connected(Workers(cluster=ROOT / "docs/cluster/slurm.yaml"), tmp_path) as client:
        ((started, workers),) = asked
        assert workers == 12
        script = started.job_script()
        keys = [Path(name) for name in re.findall(r"--tls-(?:key|cert|ca-file) (\S+)", script)]
        assert len(keys) == 3
        for key in keys:
            assert (key.parent.parent, key.stat().st_mode & 0o77, key.parent.stat().st_mode & 0o77) == (tmp_path, 0, 0)
        assert "--no-dashboard" in script
        assert address_of(client).startswith("tls://")
        assert started.scheduler.http_server.address == "127.0.0.1"
    assert not list(tmp_path.iterdir())


def test_a_folder_whose_name_a_shell_would_read_holds_no_keys(tmp_path: Path) -> None:
    (folder := tmp_path / "a; touch ran").mkdir()
    with pytest.raises(UserError, match="stands in their shell scripts; give another as `shared_temp_directory:`"):
        connect(Workers(cluster=ROOT / "docs/cluster/slurm.yaml"), folder)


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("tcp://192.0.2.1:8786", "takes tasks, which are code, from anybody on the network; start scheduler and"),
        ("node7:8786", "node7:8786 takes tasks, which are code, from anybody on the network"),
        ("ws://node7:8786", "takes tasks, which are code, from anybody"),
        ("tcp://localhost.evil.example:8786", "takes tasks, which are code, from anybody"),
    ],
)
def test_a_scheduler_without_tls_is_refused_unless_on_this_machine(address: str, refusal: str) -> None:
    with pytest.raises(UserError, match=re.escape(refusal)), connected(Workers(scheduler=address), Path()):
        raise AssertionError("connected")


def test_the_documented_keys_give_a_scheduler_that_others_cannot_use(fresh: Toy, tmp_path: Path) -> None:
    commands = re.findall(r"```sh\n(\(umask.*?)```", (ROOT / "docs/cluster.md").read_text(), re.DOTALL)[0]
    printed = fresh.call("sh", "-c", f'cd "$0" && {commands}\nenv', str(tmp_path)).stdout
    keys = dict(line.split("=", 1) for line in printed.splitlines() if line.startswith("DASK_DISTRIBUTED__COMM"))
    assert (tmp_path / "dask.key").stat().st_mode & 0o77 == 0
    with cluster(fresh, tmp_path / "cluster", workers=1, protocol="tls", **keys) as found:
        assert found.address.startswith("tls://")
        with pytest.raises(UserError, match=r"needs the keys that docs/cluster\.md makes"):
            connect(Workers(scheduler=found.address))
        assert "done     alone" in fresh.run("repro", "alone", "--scheduler", found.address, code=0, **keys)
