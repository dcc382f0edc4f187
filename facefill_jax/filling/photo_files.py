"""Photos and masks from files, checked; `photo_output` writes them.

What comes in may be anything, so every error is a PhotoError of one line that names the file. At
this edge white = hole; inside, masks are bool and True = hole. No jax here.
"""

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from facefill_jax.data import mask_pictures
from facefill_jax.data.decoding import DAMAGED, FORMATS, MID_GREY, ORIENTATION, PIXEL_CAP, reason
from facefill_jax.filling import deep_pictures, exif, picture_kinds

_HEAD_BYTES = 64
_SAVE_AS = "save it as PNG, JPEG, WebP or TIFF of 8 or 16 bits"


class PhotoError(ValueError):
  """A file that cannot be used, in one line that says which and why."""


class PhotoWarning(UserWarning):
  """A file that can be used, but perhaps not as its owner thinks."""


@dataclass(frozen=True)
class PhotoFile:
  """A decoded photo: what the networks see of it, and all that is needed to write it back.

  Attributes:
    path: where it was; a word for it if it was not in a file.
    pixels: uint8 (h, w, 3), upright, in the colour space of `icc_profile`; what is transparent
      lies over mid-grey, as in training.
    original: uint8 or uint16 (h, w, c), upright, as in the file: grey, grey and alpha, RGB, RGBA
      or CMYK. Palettes are resolved.
    is_cmyk: which of the two forms of 4 channels it is.
    mode: Pillow's mode in the file ("L", "RGBA", "I;16", ...).
    orientation: the EXIF orientation that was applied, 1..8; 1 is upright.
    icc_profile: of the colours of `original`, or None.
    exif: what is to be kept of it, see `exif`, or None.
  """

  path: Path
  pixels: np.ndarray
  original: np.ndarray
  is_cmyk: bool
  mode: str
  orientation: int
  icc_profile: bytes | None
  exif: bytes | None

  @property
  def has_alpha(self) -> bool:
    return not self.is_cmyk and self.original.shape[-1] in (2, 4)


def warn(message: str) -> None:
  """What a remark is unless somebody takes it: a PhotoWarning."""
  warnings.warn(message, PhotoWarning, stacklevel=3)


def read_photo(
  source: str | os.PathLike | bytes, remark: Callable[[str], None] = warn
) -> PhotoFile:
  """Reads a photo of any common format and mode; EXIF orientation is applied.

  Of several frames the first is taken, with a remark.

  Args:
    source: path of the file, or its content.
    remark: takes what its owner should know.

  Raises:
    PhotoError: no such file, not an image, truncated, or more than PIXEL_CAP pixels by its header.
  """
  name = name_of(source, "the photo")
  with _decoding(source, name), Image.open(_stream(source), formats=FORMATS) as image:
    _check_size(image, name)
    orientation = image.getexif().get(ORIENTATION, 1)  # TIFFs lose it when they are loaded
    image.load()
    deep, deep_remarks = _deep_pixels(image, source)
    upright = ImageOps.exif_transpose(image)
    kept, exif_remarks = _kept_exif(image, upright.size)
  for said in (*_frames(source), *deep_remarks, *exif_remarks):
    remark(f"{name}: {said}")
  is_cmyk = deep is None and upright.mode == "CMYK"
  original = _as_in_the_file(upright, name) if deep is None else deep
  return PhotoFile(
    Path(name), as_seen(original, is_cmyk), original, is_cmyk, upright.mode, orientation,
    image.info.get("icc_profile"), kept,
  )  # fmt: skip


def photo_of_image(image: Image.Image) -> PhotoFile:
  """A picture in memory as a photo: its pixels as they lie, whatever its EXIF orientation says.

  Raises:
    PhotoError: a mode that is not supported, or more than PIXEL_CAP pixels.
  """
  name = "the photo"
  _check_size(image, name)
  with _decoding(b"", name):
    image.load()
  original = _as_in_the_file(image, name)
  is_cmyk = image.mode == "CMYK"
  return PhotoFile(
    Path(name), as_seen(original, is_cmyk), original, is_cmyk, image.mode, 1,
    image.info.get("icc_profile"), None,
  )  # fmt: skip


def open_upright(source: str | os.PathLike | bytes) -> Image.Image:
  """A decoded picture in its file's own mode, EXIF orientation applied. Raises as `read_photo`."""
  name = name_of(source, "the picture")
  with _decoding(source, name), Image.open(_stream(source), formats=FORMATS) as image:
    _check_size(image, name)
    return ImageOps.exif_transpose(image)


def read_mask(
  source: str | os.PathLike | bytes | Image.Image, size: tuple[int, int], orientation: int = 1,
  convention: str = mask_pictures.WHITE_HOLE, remark: Callable[[str], None] = warn,
) -> np.ndarray:  # fmt: skip
  """Reads a mask; see `data.mask_pictures`.

  Args:
    source: path of the picture, its file's content, or the picture.
    size: (height, width) of the upright photo.
    orientation: the EXIF orientation that was applied to the photo.
    convention: what is the hole, one of `mask_pictures.CONVENTIONS`.
    remark: takes what its owner should know.

  Returns:
    bool (h, w), True = hole.

  Raises:
    PhotoError: as `read_photo`; of another shape than the photo; not a mask; no hole, or no photo.
    ValueError: an unknown convention.
  """
  name = name_of(source, "the mask")
  mask_pictures.check_convention(convention)
  with contextlib.ExitStack() as stack:
    image = source
    if not isinstance(source, Image.Image):
      stack.enter_context(_decoding(source, name))
      image = stack.enter_context(Image.open(_stream(source), formats=FORMATS))
    _check_size(image, name)
    try:
      mask, remarks = mask_pictures.examine_mask(
        image, str(name), size, orientation, convention=convention
      )
    except ValueError as error:
      raise PhotoError(str(error)) from error
  for said in remarks:
    remark(f"{name}: {said}")
  return mask


def name_of(source, otherwise: str) -> str | os.PathLike:
  """What a picture is called in messages."""
  return otherwise if isinstance(source, bytes | Image.Image) else source


def _stream(source: str | os.PathLike | bytes):
  """What Pillow opens."""
  return io.BytesIO(source) if isinstance(source, bytes) else source


def describe_hole(mask: np.ndarray) -> str:
  """ "hole: 23.4 % of the photo, 2 regions"; pixels that touch at a corner are one region."""
  count = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
  plural = "region" if count == 1 else "regions"
  return f"hole: {100 * mask.mean():.1f} % of the photo, {count} {plural}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Without warnings; in the main thread only, as they are switched for the whole process."""
  if threading.current_thread() is not threading.main_thread():
    yield
    return
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    yield


@contextlib.contextmanager
def _decoding(source: str | os.PathLike | bytes, path: str | os.PathLike) -> Iterator[None]:
  """Whatever comes of a file that cannot be decoded becomes a PhotoError."""
  try:
    with _quiet():  # Pillow warns of its own pixel limit and of damaged EXIF
      yield
  except PhotoError:
    raise
  except FileNotFoundError as error:
    raise PhotoError(f"{path}: no such file") from error
  except UnidentifiedImageError as error:
    raise PhotoError(f"{path}: {_why_not_identified(source)}") from error
  except Image.DecompressionBombError as error:
    raise PhotoError(_too_large(path, "it")) from error
  except Exception as error:  # decoders raise whatever comes to them at damaged bytes
    if isinstance(error, OSError) and error.strerror:
      raise PhotoError(f"{path}: unreadable: {error.strerror}") from error
    raise PhotoError(f"{path}: damaged, truncated or unreadable: {reason(error)}") from error


def _why_not_identified(source: str | os.PathLike | bytes) -> str:
  kind = picture_kinds.kind_of(source)
  if not kind:
    return f"not an image; valid: {', '.join(FORMATS)}"
  return f"is {kind}, which is not read here; {_SAVE_AS}"


def _check_size(image: Image.Image, path: str | os.PathLike) -> None:
  if image.width * image.height > PIXEL_CAP:
    raise PhotoError(_too_large(path, f"{image.width} x {image.height}"))


def _too_large(path: str | os.PathLike, what: str) -> str:
  return f"{path}: {what} is over the limit of {PIXEL_CAP // 1_000_000} megapixels"


def _deep_pixels(
  image: Image.Image, source: str | os.PathLike | bytes
) -> tuple[np.ndarray | None, list[str]]:
  """uint16 (h, w, 3 or 4), upright, of a file of 16 bits in colour, None of any other; remarks."""
  with contextlib.closing(_opened(source)) as file:
    if not deep_pictures.is_deep(image, file.read(_HEAD_BYTES)):
      return None, []
    file.seek(0)
    pixels = deep_pictures.read(file.read(), image)
  if pixels is None:
    return None, [f"16 bits a channel are not read from this kind of {image.format}, only 8"]
  return deep_pictures.upright(pixels, image.getexif().get(ORIENTATION, 1)), []


def _kept_exif(image: Image.Image, size: tuple[int, int]) -> tuple[bytes | None, list[str]]:
  """What of the EXIF is kept, for an upright (width, height); remarks."""
  try:
    return exif.kept(image, size), []
  except Exception as error:  # Pillow's parser raises whatever comes to it
    return None, [f"its EXIF data is damaged and is not kept: {reason(error)}"]


def _opened(source: str | os.PathLike | bytes):
  return _stream(source) if isinstance(source, bytes) else open(source, "rb")


def _frames(source: str | os.PathLike | bytes) -> list[str]:
  """A remark if there are several."""
  try:
    with Image.open(_stream(source), formats=FORMATS) as image:
      count = getattr(image, "n_frames", 1)
  except DAMAGED:  # behind the first frame, which is all that counts
    return []
  return [f"has {count} frames; only the first is used"] if count > 1 else []


def _as_in_the_file(image: Image.Image, path: str | os.PathLike) -> np.ndarray:
  """The pixels of an upright picture, as in PhotoFile.original."""
  if image.mode.startswith("I"):
    grey = np.asarray(image).astype(np.int64)
    if grey.size and (grey.min() < 0 or grey.max() > 65535):
      raise PhotoError(f"{path}: grey values beyond 16 bits are not supported")
    return grey.astype(np.uint16)[..., None]
  if image.mode == "F":
    raise PhotoError(f"{path}: is a floating-point picture, which is not read here; {_SAVE_AS}")
  mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
  if image.has_transparency_data:
    mode = {"L": "LA", "RGB": "RGBA"}[mode]
  elif image.mode == "CMYK":
    mode = "CMYK"
  try:
    with _quiet():
      pixels = np.array(image if image.mode == mode else image.convert(mode))
  except ValueError as error:
    raise PhotoError(f"{path}: colour mode {image.mode} is not supported") from error
  return pixels[..., None] if pixels.ndim == 2 else pixels


def as_seen(original: np.ndarray, is_cmyk: bool = False) -> np.ndarray:
  """PhotoFile.original -> PhotoFile.pixels."""
  pixels, channels = in_8_bits(original), original.shape[-1]
  if is_cmyk:
    return np.array(image_of(pixels, is_cmyk=True).convert("RGB"))
  if channels in (2, 4):
    laid = image_of(pixels).convert("RGBA")
    backdrop = Image.new("RGBA", laid.size, (MID_GREY, MID_GREY, MID_GREY, 255))
    return np.array(Image.alpha_composite(backdrop, laid).convert("RGB"))
  return np.repeat(pixels, 3, axis=-1) if channels == 1 else pixels


def in_8_bits(pixels: np.ndarray) -> np.ndarray:
  """uint16 -> uint8, to nearest (65535 -> 255); uint8 as it is."""
  if pixels.dtype == np.uint8:
    return pixels
  return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def image_of(pixels: np.ndarray, is_cmyk: bool = False) -> Image.Image:
  """uint8 (h, w, c) -> a picture of mode L, LA, RGB, RGBA or CMYK."""
  if is_cmyk:
    return Image.frombytes("CMYK", pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())
  return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
