"""The settings of the documentation's site: python -m sphinx -W docs build/docs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "nmt-ablation"
author = "The developers of nmt-ablation"
copyright = author
extensions = [
    "keys",  # beside this file: pages of all keys
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_click",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["schema"]
html_theme = "furo"
html_title = "nmt-ablation"
myst_heading_anchors = 3
autodoc_member_order = "bysource"
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # other packages' types have pages elsewhere
