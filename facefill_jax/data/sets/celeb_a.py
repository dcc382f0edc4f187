"""CelebA (Liu et al., ICCV 2015) as TFDS's own builder `celeb_a` prepares it: 178 x 218.

Its splits are CelebA's partition. Prepare it once with TFDS (which downloads it):

    tfds.builder("celeb_a", file_format="array_record").download_and_prepare()
"""

from facefill_jax.data.sets.tfds_faces import TfdsFaces


class CelebA(TfdsFaces):
  """TFDS's celeb_a. All photos are unlabelled."""

  def __init__(self, path: str, *, size: int = 0):
    """path: the prepared directory, such as ~/tensorflow_datasets/celeb_a/2.1.0; size: any."""
    super().__init__(path, "celeb_a")
