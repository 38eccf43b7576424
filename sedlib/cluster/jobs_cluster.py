"""Workers that are jobs of a batch system, with keys in files that only the user can read and that end with them."""

import importlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Security

from sedlib.base.errors import UserError
from sedlib.cluster.cluster_file import JobsFile


@contextmanager
def jobs_cluster(asked: JobsFile, scratch: Path, dashboard: str) -> Iterator[Any]:
    """A Dask cluster of the class and the jobs that are asked for; both are stopped on leaving.

    Parameters
    ----------
    scratch
        A folder for the keys, which all nodes see.
    dashboard
        Address on which the scheduler's dashboard listens.

    Raises
    ------
    UserError
        The class is not installed, or does not take the options.
    """
    module, name = asked.cluster.split(":")
    options = asked.options.model_dump(exclude_none=True)
    folder = Path(options.pop("shared_temp_directory", scratch)).expanduser()
    with session_keys(folder) as security:
        try:
            kind = getattr(importlib.import_module(module), name)
            own = dask.config.get(f"jobqueue.{kind.job_cls.default_config_name()}")  # the user's, or Dask's
            arguments = options.pop("worker_extra_args", own.get("worker-extra-args") or [])
            cluster = kind(
                **options,
                security=security,
                scheduler_options={**(own.get("scheduler-options") or {}), "dashboard_address": dashboard},
                worker_extra_args=[*arguments, "--no-dashboard"],
            )
        except (ImportError, TypeError, ValueError) as error:
            raise UserError(f"{asked.cluster} cannot be started so (docs/cluster.md): {error}") from error
        with cluster:
            cluster.scale(asked.workers)
            yield cluster


@contextmanager
def session_keys(folder: Path) -> Iterator[Security]:
    """Keys for one session in files under ``folder``, which jobs are told to read; removed on leaving.

    Raises
    ------
    UserError
        There is no such folder, or a shell would not take its name for a name.
    """
    if not re.fullmatch(r"[\w./-]+", str(folder), re.ASCII) or not folder.is_dir():
        raise UserError(
            f"jobs read their keys from {folder}, which must be a folder with plain letters in its name, as it stands "
            "in their shell scripts; give another as `shared_temp_directory:` (docs/cluster.md)"
        )
    made = Security.temporary()
    with tempfile.TemporaryDirectory(prefix="keys-", dir=folder) as private:  # nobody else can enter it
        key, certificate = Path(private, "dask.key"), Path(private, "dask.crt")
        for path, text in ((key, made.tls_worker_key), (certificate, made.tls_worker_cert)):
            path.touch(mode=0o600)
            path.write_text(str(text))
        by_role = {f"tls_{role}_key": str(key) for role in ("client", "scheduler", "worker")}
        by_role |= {f"tls_{role}_cert": str(certificate) for role in ("client", "scheduler", "worker")}
        yield Security(require_encryption=True, tls_ca_file=str(certificate), **by_role)
