"""A mask from a picture file: read alike by every command, checked, fitted to its photo.

In files white is the hole, unless another convention is named; the arrays are bool (h, w), True =
hole.
  transparency   laid over black, so that white strokes on nothing mean what they look like
  greys          128 and above is hole, with a remark, if 80 % of the pixels lie within 16 of black
                 or white (soft edges); with fewer it is a photo, not a mask
  hole           none at all, or more than 95 %: refused; most of the picture and of its border:
                 a remark that the mask may be inverted
  size           of the photo's aspect: resized by nearest, with a remark; as the photo was before
                 its EXIF rotation: turned with it; any other: refused
"""

import io
import warnings

import cv2
import numpy as np
from PIL import Image, ImageOps

from facefill_jax.data.decoding import (
  DAMAGED,
  FORMATS,
  ORIENTATION,
  check_pixels,
  from_16_bits,
  reason,
  resize_nearest,
)

WHITE_HOLE, BLACK_HOLE, ALPHA = "white_hole", "black_hole", "alpha"
_LEGENDS = {
  WHITE_HOLE: ("white = hole", "white (128..255) is the hole, black is known"),
  BLACK_HOLE: ("black = hole", "black (0..127) is the hole, white is known"),
  ALPHA: ("transparent = hole", "what is transparent is the hole, the rest is known"),
}
CONVENTIONS = tuple(_LEGENDS)
"""What is the hole: what is white; black; or transparent, whatever its colour."""
WHITE = 128
"""From this grey on a pixel is hole."""
NEAR = 16
"""Greys up to this far from black or white count as black or white ..."""
NEAR_SHARE = 0.8
"""... and so many of the pixels must be."""
MOST = 0.95
"""A hole share above it is refused: the mask is inverted, or nothing of the photo is left."""
_WIDE, _BORDER = 0.6, 0.8  # hole shares of the mask and of its border that look inverted
_LAID = "; its transparency was laid over black: save it as white on black"
_TURNS = {  # EXIF orientation -> what makes the stored picture upright
  5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270,
  7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip


class MaskWarning(UserWarning):
  """A mask that can be used, but perhaps not as its owner thinks."""


def read_mask(
  picture: Image.Image | bytes, where: str, size: tuple[int, int] | None = None,
  orientation: int = 1,
) -> np.ndarray:  # fmt: skip
  """Reads a mask; each remark of `examine_mask`, which see, becomes a MaskWarning."""
  mask, remarks = examine_mask(picture, where, size, orientation)
  for remark in remarks:
    warnings.warn(f"{where}: {remark}", MaskWarning, stacklevel=2)
  return mask


def examine_mask(
  picture: Image.Image | bytes, where: str, size: tuple[int, int] | None = None,
  orientation: int = 1, most: float = MOST, convention: str = WHITE_HOLE,
) -> tuple[np.ndarray, list[str]]:  # fmt: skip
  """Reads a mask.

  Args:
    picture: as Pillow opened it, or the content of its file. Its own EXIF orientation is applied.
    where: what to call it in messages.
    size: (height, width) of the upright photo; None: any size is right.
    orientation: the EXIF orientation that was applied to the photo.
    most: see `check_hole`.
    convention: one of `CONVENTIONS`.

  Returns:
    bool (h, w), True = hole; and what its owner should know, without `where`.

  Raises:
    ValueError: it cannot be read, is not a mask, has (almost) nothing or everything as its hole, or
      does not have the photo's aspect; one line that begins with `where`.
  """
  grey, transparent = _holeness(picture, where, convention)
  mask, remarks = _cut(grey, where, transparent)
  if size is not None:
    mask, resized = fit(mask, size, where, orientation)
    remarks += resized
  try:
    return mask, remarks + check_hole(mask, where, most, convention)
  except ValueError as error:
    is_dim = convention == WHITE_HOLE and grey.max() < WHITE
    hint = f"; its brightest pixel is {grey.max()} of 255" if is_dim else ""
    raise ValueError(f"{error}{_LAID if transparent else hint}") from error


def check_convention(convention: str) -> None:
  """Raises ValueError unless it is one of `CONVENTIONS`."""
  if convention not in CONVENTIONS:
    raise ValueError(f"mask convention {convention!r} is not one of {', '.join(CONVENTIONS)}")


def check_hole(
  mask: np.ndarray, where: str, most: float = MOST, convention: str = WHITE_HOLE
) -> list[str]:
  """Looks at bool (h, w), True = hole: [] or the remark that it may be inverted.

  Raises:
    ValueError: there is no hole, or a larger share than `most`.
  """
  share = float(mask.mean())
  hole_is, legend = _LEGENDS[convention]
  if not mask.any():
    raise ValueError(f"{where}: nothing to fill: the mask has no hole; {legend}")
  if share > most:
    raise ValueError(
      f"{where}: {100 * share:.1f} % of the mask is hole; {hole_is} here: invert the mask if "
      "yours is the other way round"
    )
  border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
  if share > _WIDE and border.mean() >= _BORDER:
    return [
      f"{100 * share:.1f} % of the mask and most of its border are hole; {hole_is} here: is "
      "the mask the other way round?"
    ]
  return []


def fit(
  mask: np.ndarray, size: tuple[int, int], where: str, orientation: int = 1
) -> tuple[np.ndarray, list[str]]:
  """A mask, bool (h, w), at the (height, width) of its upright photo, and a remark if it changed.

  Raises:
    ValueError: another aspect; it gives both sizes.
  """
  (h, w), (height, width) = mask.shape, size
  if (h, w) == (height, width):
    return mask, []
  if orientation in _TURNS and (h, w) == (width, height):
    turned = Image.fromarray(mask).transpose(_TURNS[orientation])
    return np.array(turned), ["turned as the EXIF orientation turns its photo"]
  if same_aspect(mask.shape, size):
    return resize_nearest(mask, size), [
      f"is {w} x {h} and the photo {width} x {height}: resized to it"
    ]
  raise ValueError(
    f"{where}: the mask is {w} x {h}, the photo {width} x {height} (width x height, upright); they "
    "must be equal, or at least of one aspect"
  )


def same_aspect(one: tuple[int, int], other: tuple[int, int]) -> bool:
  """Whether two (height, width) are of one picture at two sizes, both sides rounded."""
  (h, w), (height, width) = one, other
  return 2 * abs(w * height - h * width) <= max(h + w, height + width)


def _holeness(picture: Image.Image | bytes, where: str, convention: str) -> tuple[np.ndarray, bool]:
  """How much of each pixel is hole, uint8 (h, w), upright; and whether transparency was lost."""
  try:
    if isinstance(picture, bytes):
      picture = Image.open(io.BytesIO(picture), formats=FORMATS)
    check_pixels(picture)
    if picture.getexif().get(ORIENTATION, 1) != 1:
      picture = ImageOps.exif_transpose(picture)
    if convention == ALPHA:
      return 255 - np.asarray(picture.convert("RGBA").getchannel("A")), False
    grey, transparent = _grey(picture)
  except DAMAGED as error:
    raise ValueError(f"{where} cannot be read as a mask: {reason(error)}") from error
  return (grey, transparent) if convention == WHITE_HOLE else (255 - grey, False)


def _grey(picture: Image.Image) -> tuple[np.ndarray, bool]:
  """Brightness, uint8 (h, w), laid over black; and whether there was transparency."""
  if picture.mode.startswith(("I", "F")):
    return from_16_bits(picture), False
  if not picture.has_transparency_data:
    return np.asarray(picture if picture.mode == "L" else picture.convert("L")), False
  picture = picture.convert("RGBA")
  alpha = np.asarray(picture.getchannel("A"))
  black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
  laid = Image.alpha_composite(black, picture).convert("L")
  return np.asarray(laid), bool((alpha < 255).any())


def _cut(grey: np.ndarray, where: str, transparent: bool) -> tuple[np.ndarray, list[str]]:
  """bool (h, w), and a remark if there are greys that had to go one way or the other."""
  counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
  near = counts[: NEAR + 1].sum() + counts[255 - NEAR :].sum()
  if near < NEAR_SHARE * grey.size:
    raise ValueError(
      f"{where}: is not a mask: {100 * near / grey.size:.0f} % of its pixels are black or white, "
      f"{100 * NEAR_SHARE:.0f} % must be; paint the hole white and the rest black"
      f"{_LAID if transparent else ''}"
    )
  remarks = []
  if counts[0] + counts[255] < grey.size:
    remarks = [f"has greys between black and white; {WHITE} and above is taken as hole"]
  return grey >= WHITE, remarks
