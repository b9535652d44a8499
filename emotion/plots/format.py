"""Number formatting on pages."""

import numpy as np


def percent(fraction: float | None, digits: int = 1, *, unit: bool = True) -> str:
    """Return a fraction as text in percent; a dash where it is unknown."""
    if fraction is None or not np.isfinite(fraction):
        return "–"
    return f"{100 * fraction:.{digits}f}" + ("\N{NARROW NO-BREAK SPACE}%" if unit else "")
