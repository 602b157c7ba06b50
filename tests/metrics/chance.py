"""Random numbers, which every test draws from the beginning (see `conftest.py`)."""

import numpy as np

RANDOM = np.random.default_rng(0)
BEGINNING = RANDOM.bit_generator.state
