"""Number formatting in pages."""

import numpy as np

THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"


def percent(share: float | None, digits: int = 1, *, unit: bool = True) -> str:
    """Return a share in percent, as a person reads it; a dash where it is not known."""
    if share is None or not np.isfinite(share):
        return "–"
    return f"{100 * share:.{digits}f}" + (f"{THIN_SPACE}%" if unit else "")
