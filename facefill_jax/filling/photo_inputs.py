"""Photos, masks and layouts as a program may hand them over: paths, bytes, pictures, arrays."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from facefill_jax.data import mask_pictures
from facefill_jax.filling import layout_files, photo_files, photo_output
from facefill_jax.filling.photo_files import PhotoError, PhotoFile

_CHANNELS = (1, 3, 4)
_ORIENTED_BY = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")  # Pillow's keys


class GivenPhoto:
  """A photo, what the networks see of it, and the way back to the kind that it came in.

  Attributes:
    pixels: uint8 (h, w, 3).
    orientation: the EXIF orientation that was applied, 1..8.
  """

  def __init__(
    self,
    image: str | os.PathLike | bytes | Image.Image | np.ndarray,
    remark: Callable[[str], None] = photo_files.warn,
  ):
    """Raises PhotoError: it cannot be used: which, and why."""
    self._array = image if isinstance(image, np.ndarray) else None
    if self._array is not None:
      self._file = _photo_of_array(image)
    elif isinstance(image, Image.Image):
      self._file = photo_files.photo_of_image(image)
    elif isinstance(image, str | os.PathLike | bytes):
      self._file = photo_files.read_photo(image, remark)
    else:
      raise PhotoError(
        f"the photo is a {type(image).__name__}; valid: a path, bytes, a Pillow picture or an array"
      )
    self.pixels, self.orientation = self._file.pixels, self._file.orientation

  def painted(self, whole: np.ndarray, mask: np.ndarray, output_type: str | None):
    """The photo with its hole painted: known pixels as they were given, to the bit.

    Args:
      whole: uint8 (h, w, 3).
      mask: bool (h, w), True = hole.
      output_type: "pil", "np", or None for the kind that was given.
    """
    is_array = self._array is not None
    if is_array and self._array.dtype.kind == "f":
      pixels = _painted_floats(self._array, whole, mask)
    else:
      pixels = photo_output.painted(self._file, whole, mask)
    if (output_type or ("np" if is_array else "pil")) == "np":
      return pixels.reshape(self._array.shape) if is_array else pixels
    if pixels.dtype.kind == "f":
      pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    if pixels.dtype == np.uint16 and pixels.shape[-1] > 1:
      pixels = photo_files.in_8_bits(pixels)  # Pillow has no such pictures
    picture = photo_files.image_of(pixels, self._file.is_cmyk)
    if self._file.icc_profile:
      picture.info["icc_profile"] = self._file.icc_profile
    return picture


def read_given_mask(
  mask, photo: GivenPhoto, convention: str, remark: Callable[[str], None] = photo_files.warn
) -> np.ndarray:
  """A mask of a photo, bool (h, w), True = hole; a bool array is that already.

  Raises:
    PhotoError: it cannot be used: which, and why; see `photo_files.read_mask`.
    ValueError: an unknown convention.
  """
  mask_pictures.check_convention(convention)
  if isinstance(mask, np.ndarray):
    if mask.ndim == 3 and mask.shape[-1] == 1:
      mask = mask[..., 0]
    is_flat = mask.ndim == 2 or (mask.dtype != np.bool_ and mask.ndim == 3)
    if not is_flat or not mask.size or (mask.ndim == 3 and mask.shape[-1] not in _CHANNELS):
      raise PhotoError(f"the mask is an array of {mask.dtype} {mask.shape}; valid: (h, w)")
    if mask.dtype == np.bool_:
      mask, convention = Image.fromarray(mask), mask_pictures.WHITE_HOLE
    else:
      mask = photo_files.image_of(_bytes_of(mask, "the mask"))
  elif isinstance(mask, Image.Image):
    mask = _without_orientation(mask)
  elif not isinstance(mask, str | os.PathLike | bytes):
    raise PhotoError(
      f"the mask is a {type(mask).__name__}; valid: a path, bytes, a Pillow picture or an array"
    )
  size = photo.pixels.shape[:2]
  return photo_files.read_mask(mask, size, photo.orientation, convention, remark)


def _without_orientation(picture: Image.Image) -> Image.Image:
  """A picture in memory as its pixels lie, as photos there are taken."""
  copy = picture.copy()
  for key in _ORIENTED_BY:
    copy.info.pop(key, None)
  return copy


def read_given_layout(layout, photo: GivenPhoto) -> np.ndarray:
  """A layout of a photo, class ids uint8 (h, w); see `layout_files.read_layout`."""
  if isinstance(layout, np.ndarray):
    if layout.dtype.kind not in "iu" or layout.ndim != 2 or not 0 <= layout.min(initial=0):
      raise PhotoError(f"the layout is {layout.dtype} {layout.shape}; valid: class ids (h, w)")
    layout = Image.fromarray(np.minimum(layout, 255).astype(np.uint8))
  return layout_files.read_layout(layout, photo.pixels.shape[:2])


def _photo_of_array(array: np.ndarray) -> PhotoFile:
  pixels = array[..., None] if array.ndim == 2 else array
  if pixels.ndim != 3 or pixels.shape[-1] not in _CHANNELS or not pixels.size:
    raise PhotoError(
      f"the photo is an array of shape {array.shape}; valid: (h, w) and (h, w, 1, 3 or 4)"
    )
  original = pixels if pixels.dtype == np.uint16 else _bytes_of(pixels, "the photo", "uint16, ")
  seen = photo_files.as_seen(original)
  return PhotoFile(Path("the photo"), seen, original, False, "array", 1, None, None)


def _bytes_of(array: np.ndarray, name: str, also: str = "") -> np.ndarray:
  """uint8 (h, w, c) of an array of uint8 or of floats 0..1."""
  pixels = array[..., None] if array.ndim == 2 else array
  if pixels.dtype == np.uint8:
    return pixels
  if pixels.dtype.kind != "f":
    raise PhotoError(f"{name} is an array of {array.dtype}; valid: uint8, {also}floats 0..1")
  if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
    raise PhotoError(f"{name} is an array of floats, not all of them in 0..1")
  return np.rint(pixels.astype(np.float64) * 255).astype(np.uint8)


def _painted_floats(array: np.ndarray, whole: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """A photo of floats with its hole painted, opaque."""
  pixels = (array[..., None] if array.ndim == 2 else array).copy()
  colours = 1 if pixels.shape[-1] == 1 else 3
  paint = photo_output.of_channels(whole, colours)[mask]
  pixels[mask, :colours] = paint.astype(pixels.dtype) / 255
  pixels[mask, colours:] = 1
  return pixels
