"""Ctrl-C ends a command in a sentence, without a traceback."""

import signal

import pytest

from sedlib import cli


def test_who_is_stopped_says_so_and_ends_with_the_signals_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "all_parameters", stopped)
    with pytest.raises(SystemExit) as ended:
        cli.main(["parameters"])
    assert ended.value.code == 128 + signal.SIGINT
    assert capsys.readouterr().err == "stopped by SIGINT: the command is not finished\n"
