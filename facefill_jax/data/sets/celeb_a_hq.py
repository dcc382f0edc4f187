"""CelebA-HQ (Karras et al., ICLR 2018) as TFDS's own builder `celeb_a_hq/<size>` prepares it.

TFDS wants the photos as data<size>x<size>.tar, made by hand, and TensorFlow to prepare them;
reading needs neither. Ids are places in TFDS's order: the splits "celeba" and "lama" cannot be told
from them, so take "hash" or "all", or CelebAMask-HQ's own download, which has the same photos.
"""

from facefill_jax.data.sets.tfds_faces import TfdsFaces


class CelebAHQ(TfdsFaces):
  """TFDS's celeb_a_hq, of any size."""

  def __init__(self, path: str, *, size: int = 0):
    """path: the prepared directory, such as .../celeb_a_hq/256/2.0.0; size: any."""
    super().__init__(path, "celeb_a_hq")
