"""Two-stage, layout-guided face inpainting in JAX (arXiv 2512.05039 and past it)."""

__version__ = "0.1.0"
