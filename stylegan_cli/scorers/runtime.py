"""Foreign networks (.onnx, .tflite) through OpenVINO: on the CPU, in float32, on one thread, so that the same picture
always gets the same numbers."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from stylegan_cli.assets import Asset
from stylegan_cli.errors import StyleganError

if TYPE_CHECKING:
    import openvino


def installed() -> bool:
    """Whether the extra that the scores need is installed."""
    return find_spec("openvino") is not None


def demand() -> None:
    """Raises StyleganError where the extra is missing."""
    if not installed():
        raise StyleganError(
            "scores of faces are computed by OpenVINO, which is not installed: pip install 'stylegan-cli[scorers]'"
        )


@cache
def network(asset: Asset) -> Network:
    """The network in this file, opened once."""
    return Network(asset)


class Network:
    """One network for one picture at a time."""

    def __init__(self, asset: Asset) -> None:
        import openvino

        core = openvino.Core()
        model = core.read_model(asset.path())
        model = openvino.Model([_before_softmax(result) for result in model.get_results()], model.get_parameters(), "")
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()

    def __call__(self, x: np.ndarray) -> list[np.ndarray]:
        """All outputs for a batch of one; of a softmax the logits."""
        answer = self._request.infer([x])
        return [np.array(answer[i]) for i in range(len(answer))]


def _before_softmax(result: openvino.Node) -> openvino.Output:
    """What flows into a result, or into the softmax before it: probabilities saturate, logits do not."""
    output = result.input_value(0)
    node = output.get_node()
    return node.input_value(0) if node.get_type_name() == "Softmax" else output
