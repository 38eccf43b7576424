"""What the machine's processor is called, from what Linux writes of it."""

from pathlib import Path

import pytest

from sedlib.base.machine import processor as module
from sedlib.base.machine.processor import processor, vendor

X86 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: {family}
model\t\t: {model}
model name\t: AMD EPYC
stepping\t: 1
cpu MHz\t\t: {clock}
flags\t\t: fpu avx512f
"""
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU part\t: {part}\n"


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


def test_generations_that_a_cloud_calls_by_one_name_have_two_names(cpuinfo: Path) -> None:
    """A snapshot of the one is none of the other's, and their costs stand apart."""
    cpuinfo.write_text(X86.format(family=25, model=17, clock=2596) + "\n" + X86.format(family=26, model=2, clock=1))
    older = processor()
    cpuinfo.write_text(X86.format(family=26, model=2, clock=2596))
    assert (older, processor()) == ("AMD EPYC (cpu family 25, model 17)", "AMD EPYC (cpu family 26, model 2)")
    assert vendor() == "AuthenticAMD"


def test_a_clock_that_changes_is_no_other_processor(cpuinfo: Path) -> None:
    cpuinfo.write_text(X86.format(family=25, model=17, clock=2596))
    before = processor()
    cpuinfo.write_text(X86.format(family=25, model=17, clock=3700))
    assert processor() == before


def test_arms_processors_which_have_no_name_are_told_apart(cpuinfo: Path) -> None:
    cpuinfo.write_text(ARM.format(part="0xd0c"))
    before = processor()
    assert before.endswith("(CPU implementer 0x41, CPU part 0xd0c)")
    cpuinfo.write_text(ARM.format(part="0xd40"))
    assert processor() != before
    assert vendor() is None


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"\xff\xfe no colon", b"model name:"])
def test_without_such_a_list_python_names_the_processor(cpuinfo: Path, content: bytes | None) -> None:
    if content is not None:
        cpuinfo.write_bytes(content)
    assert processor()
    assert "(" not in processor()
    assert vendor() is None
