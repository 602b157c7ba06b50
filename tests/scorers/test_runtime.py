"""OpenVINO, as the scorers use it."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from stylegan_cli.errors import StyleganError
from stylegan_cli.scorers import runtime


@pytest.mark.parametrize("error", [ImportError("DLL load failed: libtbb\nmore"), RuntimeError("no plugins.xml")])
def test_what_does_not_start_is_a_sentence(monkeypatch, error):
    def core():
        raise error

    monkeypatch.setattr(runtime, "installed", lambda: True)
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=core))
    with pytest.raises(StyleganError, match=r"not start here \((DLL load failed: libtbb|no plugins.xml)\); install"):
        runtime.demand()


def test_nothing_is_reported_to_anybody(tmp_path):
    """OpenVINO's telemetry would keep a user's number in their home folder, and send it to its maker."""
    home = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA"), str(tmp_path))
    code = "from stylegan_cli.scorers import runtime; import openvino; assert openvino.Core().available_devices"
    subprocess.run([sys.executable, "-c", code], env=os.environ | home, check=True)
    assert list(tmp_path.iterdir()) == []
