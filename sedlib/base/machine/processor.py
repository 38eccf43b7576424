"""What the machine's processor is, as far as results depend on it."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
NUMBERS = ("cpu family", "model", "CPU implementer", "CPU part")
"""Linux tells x86 processors apart by the first two, ARM's, which have no name, by the others."""


def processor() -> str:
    """Name of the processor with the numbers of its generation, such as "AMD EPYC (cpu family 26, model 2)".

    Libraries choose their kernels by those numbers, and clouds call processors of several generations by one name.
    """
    known = _fields()
    numbers = ", ".join(f"{field} {known[field]}" for field in NUMBERS if known.get(field))
    name = known.get("model name") or platform.processor() or platform.machine()
    return f"{name} ({numbers})" if numbers else name


def vendor() -> str | None:
    """Who made the processor, in Linux's words, such as GenuineIntel; None where it does not say."""
    return _fields().get("vendor_id")


def _fields() -> dict[str, str]:
    """What Linux says of the first processor; nothing on another system."""
    try:
        first = CPUINFO.read_text(encoding="utf-8", errors="replace").strip().partition("\n\n")[0]
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
