"""A hand-made landscape after Figure 1 of the PLC paper: a compromise peak, a valley, and a better front behind the valley."""

from __future__ import annotations

import torch

from lenity.lab.landscape import Landscapes

START = (-0.6, 0.35)
PLACES = {"compromise": (0.0, 0.0), "valley": (1.15, 0.05), "peak of 1": (2.3, 0.7), "peak of 2": (2.3, -0.5)}
WIDTHS = (0.52, 0.37, 0.65, 0.65)
HEIGHTS = ((0.25, 0.25), (-1.2, 1.1), (1.3, 0.3), (0.3, 0.9))
"""What each place gives objectives 1 and 2. The valley takes more from 1 than it gives to 2: at equal weights it costs a
quarter of the compromise's value."""
SPAN = ((-1.0, 3.2), (-1.2, 1.4))  # what is drawn, by axis


def compromise() -> Landscapes:
    """The hand-made landscape as a world, W = 1 and K = 2."""
    centres, widths, heights = (
        torch.tensor([x], dtype=torch.float64) for x in (tuple(PLACES.values()), WIDTHS, HEIGHTS)
    )
    return Landscapes(centres, widths, heights)
