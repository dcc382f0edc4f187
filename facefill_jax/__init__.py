"""Two-stage, layout-guided face inpainting in JAX (arXiv 2512.05039 and past it)."""

from pathlib import Path

__version__ = "0.1.0"

PRETRAINED = Path(__file__).parent / "pretrained"
"""The model that comes with the package; its README.md says what it is, and is good for."""
