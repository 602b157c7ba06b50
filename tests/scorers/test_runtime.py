"""OpenVINO, as the scorers use it."""

import os
import subprocess
import sys


def test_nothing_is_reported_to_anybody(tmp_path):
    """OpenVINO's telemetry would keep a user's number in their home folder, and send it to its maker."""
    home = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA"), str(tmp_path))
    code = "from stylegan_cli.scorers import runtime; import openvino; assert openvino.Core().available_devices"
    subprocess.run([sys.executable, "-c", code], env=os.environ | home, check=True)
    assert list(tmp_path.iterdir()) == []
