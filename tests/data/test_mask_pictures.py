"""Masks as people save them: what is hole, what is said of it, what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from facefill_jax.data import decoding, mask_pictures
from facefill_jax.data.mask_pictures import MaskWarning, examine_mask, read_mask

HOLE = np.zeros((20, 30), bool)
HOLE[5:12, 8:20] = True


def content(array, kind="PNG", mode=None, **options):
  buffer = io.BytesIO()
  image = Image.fromarray(array)
  image = image if mode is None else image.convert(mode)
  image.save(buffer, kind, **options)
  return buffer.getvalue()


def grey(black=0, white=255):
  return np.where(HOLE, np.uint8(white), np.uint8(black))


def rgba(colour, alpha):
  found = np.zeros((*HOLE.shape, 4), np.uint8)
  found[..., :3], found[..., 3] = colour, alpha
  return found


@pytest.mark.parametrize(
  "data",
  [
    content(HOLE), content(grey()), content(grey(), mode="RGB"), content(grey(), mode="P"),
    content(grey(), mode="CMYK", kind="TIFF"), content(grey(), mode="LA"),
    content(HOLE.astype(np.uint16) * 65535), content(HOLE.astype(np.int32) * 65535, "TIFF"),
    content(grey(), "BMP"), content(grey(), "GIF"), content(grey(), "PPM"),
    content(rgba(255, 255 * HOLE)),  # white strokes on nothing
    content(rgba(grey()[..., None], np.where(HOLE, 255, 0))),
    content(rgba(np.where(np.arange(30) < 25, grey(), 255)[..., None],  # ... partly rubbed out
                 np.where(np.arange(30) < 25, 255, 0))),
  ],
  ids=map(str, range(14)),
)  # fmt: skip
def test_formats_modes_and_transparency_are_one(data):
  mask, remarks = examine_mask(data, "m.png", (20, 30))
  assert mask.dtype == bool and remarks == []
  np.testing.assert_array_equal(mask, HOLE)
  np.testing.assert_array_equal(read_mask(Image.open(io.BytesIO(data)), "m.png"), HOLE)


@pytest.mark.parametrize(
  ("data", "words"),
  [
    (content(rgba(0, 255 * HOLE)), "m.png: nothing .* has no hole.*transparency.* white on black"),
    (content(rgba(255, np.where(HOLE, 0, 255))[4:13, 7:21]), None),  # inverted, but by little
    (content(rgba(255, np.where(np.arange(600).reshape(20, 30) < 9, 0, 255))),
     r"98\.5 % of the mask is hole.*transparency was laid over black"),
    (content(np.zeros((20, 30), np.uint8)), "has no hole.*brightest pixel is 0 of 255"),
    (content(np.uint8(HOLE)), "has no hole.*brightest pixel is 1 of 255"),
    (content(np.full((20, 30), 255, np.uint8)), r"100\.0 % of the mask is hole.*invert"),
    (content(grey(60, 190)), "is not a mask: 0 % of its pixels are black or white, 80 % must be"),
    (content(np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)), "is not a mask"),
    (content(np.float32(HOLE), "TIFF"), "cannot be read as a mask: floating-point"),
    (b"nothing", "cannot be read as a mask: cannot identify image file$"),
    (content(grey())[:60], "cannot be read as a mask: "),
  ],
  ids=map(str, range(11)),
)  # fmt: skip
def test_what_is_no_mask_is_refused_in_one_line(data, words):
  if words is None:
    _, remarks = examine_mask(data, "m.png")
    assert not remarks
    return
  with pytest.raises(ValueError, match=words) as caught:
    read_mask(data, "m.png")
  assert str(caught.value).startswith("m.png") and "\n" not in str(caught.value)


def test_pixels_over_the_cap_are_not_decoded(monkeypatch):
  monkeypatch.setattr(decoding, "PIXEL_CAP", 599)
  with pytest.raises(ValueError, match="cannot be read as a mask: 30 x 20 is over the limit"):
    read_mask(content(grey()), "m.png")


def test_soft_edges_are_cut_however_many_greys_there_are():
  ramp = np.zeros((40, 100), np.uint8)
  ramp[:, 20:], ramp[0:8] = 255, np.linspace(0, 255, 100).astype(np.uint8)
  assert len(np.unique(ramp)) == 100
  with pytest.warns(MaskWarning, match=r"^m\.png: has greys .* 128 and above"):
    mask = read_mask(content(ramp), "m.png")
  np.testing.assert_array_equal(mask, ramp >= 128)
  ramp[:12] = ramp[0]  # 26 % of the pixels are far from both
  with pytest.raises(ValueError, match="is not a mask"):
    read_mask(content(ramp), "m.png")
  # 16 from black or white is near, 17 is not.
  assert examine_mask(content(grey(16, 239)), "m")[0].sum() == HOLE.sum()
  with pytest.raises(ValueError, match="is not a mask"):
    read_mask(content(grey(17, 239)), "m")


def test_sizes_of_one_aspect_are_resized_and_others_refused():
  large = np.repeat(np.repeat(grey(), 2, 0), 2, 1)
  mask, (remark,) = examine_mask(content(large), "m.png", (20, 30))
  np.testing.assert_array_equal(mask, HOLE)
  assert remark == "is 60 x 40 and the photo 30 x 20: resized to it"
  small = content(grey())
  assert examine_mask(small, "m", (67, 101))[0].shape == (67, 101)  # 30 : 20, rounded
  for size in ((30, 20), (20, 20), (20, 32)):
    with pytest.raises(
      ValueError, match=f"m: the mask is 30 x 20, the photo {size[1]} x {size[0]}"
    ):
      read_mask(small, "m", size)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_stored_photo_is_turned_with_it(orientation):
  exif = Image.Exif()
  exif[0x0112] = orientation
  itself, remarks = examine_mask(content(grey(), exif=exif), "m", (30, 20))
  assert remarks == []
  mask, (remark,) = examine_mask(content(grey()), "m", (30, 20), orientation)
  np.testing.assert_array_equal(mask, itself)
  assert "turned" in remark


def test_inverted_masks_are_noticed():
  with pytest.warns(MaskWarning, match=r"86\.0 % of the mask.* border.*other way round"):
    read_mask(content(~HOLE), "m.png")
  columns = np.arange(100).reshape(10, 10) % 10 < 7  # 70 %, but half of the border
  assert mask_pictures.check_hole(columns, "m") == []


def test_other_conventions():
  hole = np.zeros((20, 30), bool)
  hole[3:9, 4:20] = True
  black = Image.fromarray(~hole)
  clear = Image.fromarray(np.where(hole, 0, 255).astype(np.uint8))
  photo = Image.fromarray(np.full((20, 30, 3), 77, np.uint8))
  photo.putalpha(clear)
  for picture, convention in ((black, "black_hole"), (photo, "alpha")):
    mask, remarks = mask_pictures.examine_mask(picture, "m", convention=convention)
    np.testing.assert_array_equal(mask, hole)
    assert not remarks
  for picture, convention, words in (
    (Image.new("L", (30, 20), 255), "black_hole", r"no hole; black \(0\.\.127\) is the hole"),
    (Image.new("RGB", (30, 20)), "alpha", "no hole; what is transparent is the hole"),
    (Image.new("RGBA", (30, 20)), "alpha", "100.0 % of the mask is hole; transparent = hole here"),
  ):
    with pytest.raises(ValueError, match=words):
      mask_pictures.examine_mask(picture, "m", convention=convention)
  with pytest.raises(ValueError, match="'white' is not one of white_hole, black_hole, alpha"):
    mask_pictures.check_convention("white")
