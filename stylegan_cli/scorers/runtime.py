"""Foreign networks (.onnx, .tflite) in OpenVINO: on the CPU, in float32, on one thread, so that the same picture always
gives the same numbers."""

from __future__ import annotations

import sys
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from stylegan_cli.assets import Asset
from stylegan_cli.errors import StyleganError, first_line

if TYPE_CHECKING:
    import openvino

# A package that OpenVINO requires reports each import of it over the internet. Without it, OpenVINO reports nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def installed() -> bool:
    """Whether the extra that the scores need is installed."""
    return find_spec("openvino") is not None


def version() -> str:
    """The version of OpenVINO that is installed."""
    return metadata.version("openvino")


def demand() -> None:
    """Raises StyleganError if the extra is missing, or does not start."""
    if not installed():
        raise StyleganError(
            'the scores of faces need OpenVINO, which is not installed; run pip install "stylegan-cli[scorers]"'
        )
    try:
        import openvino

        openvino.Core()
    except (ImportError, OSError, RuntimeError) as error:
        raise StyleganError(
            f"OpenVINO, which scores faces, does not start here ({first_line(error)}); install it again, or run pip "
            "uninstall openvino, and faces are edited without scores"
        ) from error


@cache
def network(asset: Asset) -> Network:
    """The network in this file, loaded once; if it ends in a softmax, the outputs are the logits before it."""
    import openvino

    with asset.opened() as path:
        model = openvino.Core().read_model(path)
    # Probabilities saturate, logits do not.
    return Network([_before_softmax(result) for result in model.get_results()], model.get_parameters())


@cache
def beginning(asset: Asset) -> Network:
    """The network in this file up to the only operation that OpenVINO does not know; the outputs are that operation's
    inputs."""
    from openvino.frontend import FrontEndManager

    with asset.opened() as path:
        frontend = FrontEndManager().load_by_model(str(path))
        model = frontend.convert_partially(frontend.load(str(path)))
    (unknown,) = (node for node in model.get_ops() if node.get_type_name().endswith("FrameworkNode"))
    return Network([taken.get_source_output() for taken in unknown.inputs()], model.get_parameters())


class Network:
    """A network from its `parameters` to its `outputs`, for one picture at a time."""

    def __init__(self, outputs: list[openvino.Output], parameters: list[openvino.op.Parameter]) -> None:
        import openvino

        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        model = openvino.Model(outputs, parameters, "")
        self._request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

    def __call__(self, x: np.ndarray) -> list[np.ndarray]:
        """All outputs for a batch of one."""
        answer = self._request.infer([x])
        return [np.array(answer[i]) for i in range(len(answer))]


def _before_softmax(result: openvino.Node) -> openvino.Output:
    """The input of a result, or of the softmax before it."""
    output = result.input_value(0)
    node = output.get_node()
    return node.input_value(0) if node.get_type_name() == "Softmax" else output
