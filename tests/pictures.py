"""Made-up pictures in files, and what is said of those that cannot be used."""

import numpy as np
import pytest
from PIL import Image

from facefill_jax.filling.photo_files import PhotoError


def noise(*shape, seed=0):
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path, array, mode=None, **options):
  image = Image.fromarray(array)
  (image.convert(mode) if mode else image).save(path, **options)
  return path


def refused(read, *words):
  with pytest.raises(PhotoError) as error:
    read()
  said = str(error.value)
  assert "\n" not in said
  for word in words:
    assert word in said, said
