"""What was measured at a checkpoint, kept beside the rows, so that an interrupted call goes on there.

``coupling-000000100.json`` holds the table's rows of step 100, and what they depend on: the settings, the
rows themselves, by their hashes, and the responses to the first random direction. The table's rows count only if all of
these are the same.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sedlib.base.atomic import replacing
from sedlib.own.step_file import step_name

SAME = 1e-3
"""Relative distance up to which two responses are one: an order of sums moves them by less."""


@dataclass(frozen=True)
class KeptCouplings:
    """A folder's measurements of some settings.

    Examples
    --------
    >>> import tempfile
    >>> kept = KeptCouplings(Path(tempfile.mkdtemp()), {"rank": 3})
    >>> kept.keep(100, {0: "0a", 100: "0b"}, [2.0], [{"step": 100, "ratio": 7.0}])
    >>> kept.found(100, {0: "0a", 100: "0b", 200: "0c"}, [2.0])
    [{'step': 100, 'ratio': 7.0}]
    >>> other_probes = kept.found(100, {0: "0a", 100: "0b"}, [2.1])
    >>> other_rows = kept.found(100, {0: "0a", 100: "0d"}, [2.0])
    >>> other_probes is other_rows is None
    True
    """

    path: Path
    settings: Mapping[str, Any]

    def keep(
        self, step: int, hashes: Mapping[int, str], responses: Sequence[float], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write the table's rows of a step, with the hashes by step of the folder's files and the first responses."""
        about = {**self._about(step, hashes), "responses": list(responses), "rows": list(rows)}
        with replacing(self._file(step)) as temporary:
            temporary.write_text(json.dumps(about), encoding="utf-8")

    def found(self, step: int, hashes: Mapping[int, str], responses: Sequence[float]) -> list[dict[str, Any]] | None:
        """The table's rows of a step; None where there are none of just this."""
        try:
            held = json.loads(self._file(step).read_text(encoding="utf-8"))
            about = {key: held[key] for key in self._about(step, hashes)}
            before, rows = [float(value) for value in held["responses"]], [dict(row) for row in held["rows"]]
        except (OSError, ValueError, KeyError, TypeError):  # none, or cut: it is measured again
            return None
        same = len(before) == len(responses) and all(
            math.isclose(one, other, rel_tol=SAME) for one, other in zip(before, responses, strict=True)
        )
        return rows if same and about == self._about(step, hashes) else None

    def _about(self, step: int, hashes: Mapping[int, str]) -> dict[str, Any]:
        files = json.dumps([[known, hashes[known]] for known in sorted(hashes) if known <= step])
        about = {"settings": dict(self.settings), "files": hashlib.sha256(files.encode()).hexdigest()}
        as_read: dict[str, Any] = json.loads(json.dumps(about))
        return as_read

    def _file(self, step: int) -> Path:
        return self.path / f"{step_name('coupling', step)}.json"
