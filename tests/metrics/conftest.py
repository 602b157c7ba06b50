"""Small data sets, and the same random numbers for every test."""

import io
import json
import zipfile

import pytest
from chance import BEGINNING, RANDOM
from drawings import drawing


@pytest.fixture(autouse=True)
def same_numpy_numbers():
    """In whatever order tests run."""
    RANDOM.bit_generator.state = BEGINNING


@pytest.fixture(scope="session")
def make_data(tmp_path_factory):
    """`make_data(count)`: the path of a data set of `drawing`s from number `first` on."""

    def make(count, first=0, labels=None, **how):
        path = tmp_path_factory.mktemp("data") / "drawings.zip"
        with zipfile.ZipFile(path, "w") as archive:
            names = [f"00000/img{i:08d}.png" for i in range(count)]
            for i, name in enumerate(names):
                buffer = io.BytesIO()
                drawing(first + i, **how).save(buffer, "PNG")
                archive.writestr(name, buffer.getvalue())
            pairs = None if labels is None else [[name, labels[i % len(labels)]] for i, name in enumerate(names)]
            archive.writestr("dataset.json", json.dumps({"labels": pairs}))
        return path

    return make
