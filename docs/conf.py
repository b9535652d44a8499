"""Sphinx configuration: `make docs` builds docs/_build/html, without a network connection."""

import re
import sys
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # generate_reference

project = "emotion"
release = version = package_version("emotion")
language = "en-GB"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generate_reference",
]
exclude_patterns = ["_build", "Thumbs.db", ".DS_Store"]

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "code"  # docstrings write names in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes are listed once, in the docstring of their class
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "emotion"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_copyright = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {
        "color-brand-primary": "#0b62a4",
        "color-brand-content": "#0b62a4",
    },
    "dark_css_variables": {
        "color-brand-primary": "#6cb6ff",
        "color-brand-content": "#6cb6ff",
    },
}


def escape_docstring(
    app: Any, kind: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Escape what reStructuredText would read as markup: the docstrings are plain text."""
    for number, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)
        lines[number] = "".join(
            part if part.startswith("`") else re.sub(r"([*|\\])|(?<=\w)(_)(?!\w)", r"\\\1\2", part)
            for part in parts
        )


def shorten_signature(
    app: Any,
    kind: str,
    name: str,
    obj: Any,
    options: Any,
    signature: str | None,
    result: str | None,
) -> tuple[str | None, str | None]:
    """Write array types without their parameters: the docstrings give shapes and types."""
    array = re.compile(r"[~.\w]*ndarray\[[~.\w]*tuple\[[^\]]*\], [~.\w]*dtype\[[^\]]*\]\]")
    return tuple(text and array.sub("ndarray", text) for text in (signature, result))  # type: ignore


def setup(app: Any) -> None:
    """Register the escaping before napoleon reads the sections of a docstring."""
    app.connect("autodoc-process-docstring", escape_docstring, priority=400)
    app.connect("autodoc-process-signature", shorten_signature)
