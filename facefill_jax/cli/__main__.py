"""`python -m facefill_jax.cli` is `facefill`."""

import sys

from facefill_jax.cli import main

sys.exit(main())
