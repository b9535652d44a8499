"""Pages that open anywhere, offline: their templates, which escape all that they are given."""

from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader

from emotion.plots.format import percent


def load_page(name: str, *, package: str = "emotion.runs") -> Any:
    """Return a page's template, from the folder `templates` of a package."""
    pages = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["percent"] = percent
    pages.filters["number"] = partial(percent, unit=False)
    pages.filters["count"] = "{:,}".format
    return pages.get_template(name)
