"""Jinja environment of the pages: escaping, number formats and the colours of `style`."""

from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader

from emotion.plots.format import percent
from emotion.plots.style import DARK, LIGHT


def load_page(name: str, *, package: str = "emotion.runs") -> Any:
    """Return a template from the folder `templates` of a package."""
    pages = Environment(
        loader=PackageLoader(package), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    pages.globals |= {"light": LIGHT, "dark": DARK}
    pages.filters["percent"] = percent
    pages.filters["number"] = partial(percent, unit=False)
    pages.filters["count"] = "{:,}".format
    return pages.get_template(name)
