"""EXIF that goes from a photo to the filled one: what describes it, and nothing that shows it.

Orientation is left out, for the pixels are upright by then. So are thumbnails and makers' notes,
which may hold the photo as it was before the hole was filled, and all tags of the file's own
structure. The place (GPS) stays: the file belongs to who fills it.
"""

from PIL import Image

_DESCRIBING = (
  0x010E,  # ImageDescription
  0x010F, 0x0110,  # Make, Model
  0x011A, 0x011B, 0x0128,  # XResolution, YResolution, ResolutionUnit
  0x0131, 0x0132, 0x013B,  # Software, DateTime, Artist
  0x4746, 0x4749,  # Rating, RatingPercent
  0x8298,  # Copyright
)  # fmt: skip
_CAMERA, _PLACE = 0x8769, 0x8825  # directories: Exif and GPS
_NOT_OF_THE_CAMERA = (0x927C, 0xA005)  # MakerNote; the pointer to Interoperability
_WIDTH, _HEIGHT = 0xA002, 0xA003


def kept(image: Image.Image, size: tuple[int, int]) -> bytes | None:
  """The EXIF of an opened picture without what must not travel, as Pillow saves it.

  Args:
    image: with its EXIF as in the file.
    size: (width, height) of the upright picture.

  Returns:
    None if there is nothing to keep.

  Raises:
    Exception: of any kind, for damaged EXIF.
  """
  old, new = image.getexif(), Image.Exif()
  for tag in _DESCRIBING:
    if tag in old:
      new[tag] = old[tag]
  camera = {k: v for k, v in old.get_ifd(_CAMERA).items() if k not in _NOT_OF_THE_CAMERA}
  for tag, side in zip((_WIDTH, _HEIGHT), size, strict=True):
    if tag in camera:
      camera[tag] = side
  for tag, directory in ((_CAMERA, camera), (_PLACE, dict(old.get_ifd(_PLACE)))):
    if directory:
      new[tag] = directory
  return new.tobytes() if len(new) else None
