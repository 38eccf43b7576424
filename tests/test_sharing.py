"""Sharing through remotes: one trains and pushes, another starts from the gradient dumps. Real S3 and SSH protocols."""

import getpass
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clone import ANALYSIS, CODE, REPORT, Clone, cloned, names
from tests.tiny import TINY

pytestmark = pytest.mark.slow

KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
CHECKPOINTS, GRADIENTS = "artifacts/checkpoints/add-1.h5", "artifacts/gradients/add-1.h5"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing answers at port {port}")


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """A bucket of a server that speaks S3's protocol."""
    boto3 = pytest.importorskip("boto3")
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(port)
    endpoint = f"http://127.0.0.1:{port}"
    session = boto3.Session(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
    found = session.resource("s3", endpoint_url=endpoint).Bucket("shared")
    found.create()
    found.endpoint = endpoint
    yield found
    server.terminate()
    server.wait()


def done(clone: Clone, *command: str, **variables: str) -> str:
    found = clone.call(*command, **variables)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


@pytest.fixture
def pushed(clone: Clone, bucket: Any) -> Clone:
    """A's clone, pushed to S3."""
    done(clone, "dvc", "remote", "add", "-d", "shared", f"s3://{bucket.name}/cache")
    done(clone, "dvc", "remote", "modify", "shared", "endpointurl", bucket.endpoint)
    done(clone, "dvc", "remote", "modify", "shared", "verify", "true")
    clone.commit()
    done(clone, "dvc", "push", **KEYS)
    return clone


def object_of(bucket: Any, clone: Clone, path: str) -> Any:
    """The object that holds a file of the clone: DVC names it by its content."""
    digest = hashlib.md5((clone.folder / path).read_bytes()).hexdigest()
    return bucket.Object(f"cache/files/md5/{digest[:2]}/{digest[2:]}")


def test_another_starts_from_the_gradient_dumps_and_trains_only_for_another_optimizer(
    pushed: Clone, tmp_path: Path
) -> None:
    other = cloned(pushed, tmp_path / "other")
    done(other, "dvc", "pull", "dump", **KEYS)
    assert (other.folder / GRADIENTS).read_bytes() == (pushed.folder / GRADIENTS).read_bytes()
    assert [path.name for path in (other.folder / "artifacts").rglob("*.h5")] == ["add-1.h5"]

    other.set(window=4)
    assert sorted(other.repro("--pull", "--allow-missing", **KEYS)) == sorted(CODE + names(ANALYSIS) + REPORT)
    assert not (other.folder / CHECKPOINTS).exists()

    other.set(optimizer={**TINY["optimizer"], "lr": 0.02})
    assert other.repro("--pull", "--allow-missing", "train@add-1", **KEYS) == [*CODE, "train@add-1"]


def test_everything_comes_back_from_a_directory(clone: Clone, tmp_path: Path) -> None:
    done(clone, "dvc", "remote", "add", "-d", "shared", str(tmp_path / "shared"))
    clone.commit()
    done(clone, "dvc", "push")
    other = cloned(clone, tmp_path / "other")
    done(other, "dvc", "pull")
    assert other.repro() == []
    assert (other.folder / CHECKPOINTS).read_bytes() == (clone.folder / CHECKPOINTS).read_bytes()


def test_missing_credentials_are_named_and_nothing_changes(pushed: Clone, tmp_path: Path) -> None:
    other = cloned(pushed, tmp_path / "other")
    found = other.call("dvc", "pull", "dump", HOME=str(tmp_path), **NO_KEYS)
    assert found.returncode != 0
    assert "credentials" in found.stderr.lower()
    assert "Traceback" not in found.stderr
    assert not list(other.folder.glob("artifacts/**/*.h5"))
    assert done(other, "git", "status", "--porcelain") == ""


def test_an_absent_object_is_named_and_nothing_changes(pushed: Clone, bucket: Any, tmp_path: Path) -> None:
    absent = object_of(bucket, pushed, GRADIENTS)
    content = absent.get()["Body"].read()
    absent.delete()
    other = cloned(pushed, tmp_path / "other")
    found = other.call("dvc", "pull", "dump", **KEYS)
    assert found.returncode != 0
    assert GRADIENTS in found.stdout + found.stderr
    assert not (other.folder / GRADIENTS).exists()
    assert done(other, "git", "status", "--porcelain") == ""
    absent.put(Body=content)


def test_a_corrupted_object_is_refused_and_nothing_changes(pushed: Clone, bucket: Any, tmp_path: Path) -> None:
    corrupted = object_of(bucket, pushed, GRADIENTS)
    content = corrupted.get()["Body"].read()
    corrupted.put(Body=content[:-1] + bytes([content[-1] ^ 1]))
    other = cloned(pushed, tmp_path / "other")
    found = other.call("dvc", "pull", "dump", **KEYS)
    assert found.returncode != 0
    assert GRADIENTS in found.stderr
    assert not (other.folder / GRADIENTS).exists()
    corrupted.put(Body=content)


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Port and key of a real sshd on the loopback."""
    daemon = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(daemon).exists():
        pytest.skip("needs openssh-server")
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    (tmp_path / "authorized").write_text((tmp_path / "key.pub").read_text())
    port = free_port()
    (tmp_path / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/authorized\n"
        f"StrictModes no\nUsePAM no\nPidFile none\nSubsystem sftp internal-sftp\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([daemon, "-D", "-f", str(tmp_path / "config")], stderr=subprocess.DEVNULL)
    wait_for(port)
    yield port, tmp_path / "key"
    server.terminate()
    server.wait()


def test_dumps_travel_over_ssh(clone: Clone, ssh: tuple[int, Path], tmp_path: Path) -> None:
    port, key = ssh
    done(clone, "dvc", "remote", "add", "-d", "shared", f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/shared")
    done(clone, "dvc", "remote", "modify", "shared", "keyfile", str(key))
    clone.commit()
    done(clone, "dvc", "push")
    other = cloned(clone, tmp_path / "other")
    done(other, "dvc", "pull", "dump")
    assert (other.folder / GRADIENTS).read_bytes() == (clone.folder / GRADIENTS).read_bytes()
