"""Mask protocols: their bits, their definitions, and what is refused."""

import ast
import hashlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefill_jax.data.masks import files, patterns, protocols, training
from facefill_jax.data.masks.fixed_point import SHIFT, exact_sine
from facefill_jax.data.masks.free_form import Brush, Lama
from facefill_jax.labels import CLASSES

FREE_FORM = patterns.NAMES[:6]

# SHA-256 of the raw bits of masks 0..99, seed 0, 256 px. If one changes, raise
# `patterns.VERSION`: somebody's published masks have changed.
PINS = {
  "lama_thin": "7235a2532f9a1ae716bb95a5e9317fec8c311aeaab198fed6446855193073a49",
  "lama_medium": "cbe7cf68b582884da9fde04f664323c906bf85ea6efe3806ddef8162adf7d786",
  "lama_thick": "24056d2a8c4c1c446c65c972faa403f5c19ab72da2cdd8b93af6ffcf3a08cc01",
  "comodgan": "6c6162055f19b066f0d9719510ed9afdbd7fcaf1bd75bb390e8b37f6f3a59a1d",
  "mat_small": "8f8d2c84f7805b39a2bd51448ffacc76c61a8e59c86cd6a36e029fbc412fa3eb",
  "mat_large": "5b7c1dc0ca2d82a55c7fb1f4d62fa8995a52b05f1fbb4033fd61c2ead111e81b",
  "box": "ce6d93fee1cf16d8d1de617e3bd7efb5bae9c37c16075ce5ebdda1cb22b24996",
  "half": "85c8450da20338ed90093360d2ad9c592b3eb2cd829820f187644b143f307588",
  "expand": "895ecbbc0c2d076ad6c1439da5f46e4ae5ccf957ef80b6828c7769f01e73aa41",
  "lines": "fe4413ee128eb78bb9713d87594054fbb0db927154f06e992c4b8febb51b3ed5",
  "grid": "deac9f518baf033b131c498898f3a4e86274552637b80ca677632846fce181dc",
  "dots": "32665b8a38696511743b45f646cfd9343262a13f4f2af459771bd39578206390",
}


@pytest.mark.parametrize("name", patterns.NAMES)
def test_bits_are_pinned(name):
  whole = hashlib.sha256()
  for index in range(100):
    whole.update(files.raw_bits(patterns.draw(name, 0, index, 256)))
  assert (patterns.VERSION, whole.hexdigest()) == (1, PINS[name])


@pytest.mark.parametrize("size", [16, 64, 97, 256, 512, 1024])
@pytest.mark.parametrize("name", patterns.NAMES)
def test_every_protocol_at_every_size(name, size):
  mask = patterns.draw(name, 3, 5, size)
  assert mask.dtype == np.bool_ and mask.shape == (size, size) and mask.flags.c_contiguous
  assert mask.any() and not mask.all()
  np.testing.assert_array_equal(mask, patterns.draw(name, 3, 5, size))


@pytest.mark.parametrize("name", [*FREE_FORM, "box", "dots"])
def test_seed_and_index_make_other_masks(name):
  seen = {
    patterns.draw(name, seed, index, 128).tobytes() for seed in range(3) for index in range(4)
  }
  assert len(seen) == 12


@pytest.mark.parametrize("name", ["lama_thin", "mat_large"])
def test_other_sizes_are_resized_by_nearest(name):
  small, large = (patterns.draw(name, 1, 2, size) for size in (256, 512))
  np.testing.assert_array_equal(patterns.draw(name, 1, 2, 128), small[1::2, 1::2])
  np.testing.assert_array_equal(
    patterns.draw(name, 1, 2, 1024), np.kron(large, np.ones((2, 2), bool))
  )
  assert patterns.parameters(name, 383)["drawn_at"] == 256
  assert patterns.parameters(name, 384)["drawn_at"] == 512


def test_patterns_by_hand():
  def draw(name, size):
    return patterns.draw(name, 0, 0, size)

  assert draw("half", 16).sum(axis=0).tolist() == [0] * 8 + [16] * 8
  assert not draw("expand", 256)[96:160, 96:160].any() and draw("expand", 256).sum() == 61440
  assert draw("lines", 17)[:, 0].tolist() == [False, True] * 8 + [False]
  assert np.argwhere(~draw("grid", 16)).tolist() == [
    [y, x] for y in range(0, 16, 2) for x in range(0, 16, 2)
  ]


def test_box_stays_within_its_margin():
  tops, lefts = [], []
  for index in range(500):
    mask = patterns.draw("box", 0, index, 64)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert mask.sum() == 32 * 32 == len(rows) * len(columns)
    tops.append(rows[0])
    lefts.append(columns[0])
  for firsts in (tops, lefts):  # 4 px of margin; the last place, 28, is never drawn
    assert set(firsts) == set(range(4, 28))


def test_dots_hide_30_to_70_percent():
  shares = np.array([patterns.draw("dots", 0, i, 64).mean() for i in range(400)])
  assert 0.3 - 1 / 64**2 <= shares.min() < 0.31 and 0.69 < shares.max() < 0.7
  assert shares.mean() == pytest.approx(0.5, abs=0.025)


@pytest.mark.parametrize(
  ("name", "size", "mean", "deviation"),
  [  # of the hole ratios of 10,000 masks of the public generators
    ("lama_thin", 256, 0.2858, 0.1288),
    ("lama_medium", 256, 0.2385, 0.1298),
    ("lama_thick", 256, 0.2661, 0.1292),
    ("comodgan", 256, 0.7308, 0.1821),
    ("mat_small", 256, 0.2214, 0.1485),
    ("mat_small", 512, 0.2176, 0.1408),
    ("mat_large", 256, 0.4082, 0.1872),
    ("mat_large", 512, 0.4004, 0.1752),
  ],
)
def test_hole_ratios_are_those_of_the_public_generators(name, size, mean, deviation):
  ratios = [patterns.draw(name, 1, i, size).mean() for i in range(200)]
  assert np.mean(ratios) == pytest.approx(mean, abs=3 * deviation / math.sqrt(200))
  assert np.std(ratios) == pytest.approx(deviation, rel=0.15)


def test_lama_keeps_masks_of_at_most_half():
  shares = [patterns.draw("lama_thick", 0, i, 256).mean() for i in range(100)]
  assert max(shares) <= 0.5 and min(shares) > 0
  half = np.zeros((4, 4), bool)
  half[:2] = True
  lama = Lama((1, 2), 5, 5)
  assert lama.accepts(half) and not lama.accepts(half | np.eye(4, dtype=bool))
  assert Brush(1, 1, 1).accepts(half)
  assert not Brush(1, 1, 1).accepts(half | ~half) and not Brush(1, 1, 1).accepts(half & ~half)


def test_lama_ends_where_floats_would():
  """The public code: (start + length * sin(angle)).astype(int32), 0.01 + 0..3, or 2 pi less it."""
  for k in range(4):
    sines = exact_sine(1 + 100 * k, 100)
    for length in range(10, 460):
      for start in (0, 100, 511):
        for turned in (False, True):
          angle = 2 * 3.1415926 - (0.01 + k) if turned else 0.01 + k
          for ours, function in zip(sines, (math.sin, math.cos), strict=True):
            ours = -ours if turned and function is math.sin else ours
            expected = max(int(start + length * function(angle)), 0)
            assert max(start + (length * ours >> SHIFT), 0) == expected


def test_what_no_protocol_takes():
  with pytest.raises(
    ValueError, match=r"'lama' is unknown; valid names are lama_thin, .*folder:DIR"
  ):
    protocols.open_protocol("lama")
  with pytest.raises(ValueError, match="'parts' is unknown; valid names are lama_thin"):
    patterns.draw("parts", 0, 0, 64)
  for seed, index, size in ((-1, 0, 64), (0, -1, 64), (0, 0, 15), (0, 0, 4097)):
    with pytest.raises(ValueError, match="mask"):
      patterns.draw("box", seed, index, size)
  with pytest.raises(ValueError, match="uses no label maps"):
    protocols.open_protocol("box", "labels")


@pytest.fixture
def labels(tmp_path):
  """Two label maps of 96 x 64: the first has a nose left of the middle; the second has none."""
  folder = tmp_path / "labels"
  folder.mkdir()
  ids = np.zeros((64, 96), np.uint8)
  Image.fromarray(ids).save(folder / "10.png")
  ids[30:34, 40:44] = CLASSES.index("nose")
  ids[:, :16] = CLASSES.index("mouth")  # cut off: outside the centre square
  Image.fromarray(ids).save(folder / "9.png")
  return str(folder)


def test_parts(labels):
  opened = protocols.open_protocol("parts:nose,mouth@2", labels)
  assert opened.count == 2 and [opened.source(i) for i in range(2)] == ["9.png", "10.png"]
  np.testing.assert_array_equal(opened.draw(0, 0, 64), near(64, (24, 27), (30, 33), 2))
  assert not opened.draw(0, 1, 64).any()
  assert opened.parameters(64) == {"classes": ["nose", "mouth"], "radius": 2}
  grown = protocols.open_protocol("parts:nose", labels)
  np.testing.assert_array_equal(grown.draw(0, 0, 128), near(128, (48, 55), (60, 67), 4))
  assert grown.parameters(256) == {"classes": ["nose"], "radius": 8}


def near(size, columns, rows, radius):
  """Pixels at most `radius` from a box, given by its first and last columns and rows."""
  y, x = np.mgrid[:size, :size]
  beside = np.maximum(np.maximum(columns[0] - x, x - columns[1]), 0)
  above = np.maximum(np.maximum(rows[0] - y, y - rows[1]), 0)
  return beside**2 + above**2 <= radius**2


def test_parts_that_cannot_be(labels, tmp_path):
  cases = {
    "parts:nosee": "class 'nosee' is unknown; valid classes: background, skin, nose",
    "parts:": "class '' is unknown",
    "parts:nose@x": "radius after @ must be a whole number",
    "parts:nose@-1": "radius after @ must be a whole number",
  }
  for name, message in cases.items():
    with pytest.raises(ValueError, match=message):
      protocols.open_protocol(name, labels)
  with pytest.raises(ValueError, match="needs label maps"):
    protocols.open_protocol("parts:nose")
  with pytest.raises(ValueError, match="mask 2 asked for; it has 2"):
    protocols.open_protocol("parts:nose", labels).draw(0, 2, 64)
  (tmp_path / "labels" / "9.png").write_bytes(b"none")
  with pytest.raises(ValueError, match=r"9\.png cannot be read as labels"):
    protocols.open_protocol("parts:nose", labels).draw(0, 0, 64)


def write_mask(path, columns, side=20):
  path.parent.mkdir(parents=True, exist_ok=True)
  mask = np.zeros((side, side), bool)
  mask[:, :columns] = True
  Image.fromarray(mask).save(path)


def test_a_folder_gives_its_files_in_natural_order(tmp_path):
  for number in (1, 2, 10):
    write_mask(tmp_path / "m" / f"{number}.png", number)
  opened = protocols.open_protocol(f"folder:{tmp_path / 'm'}")
  assert [opened.source(i) for i in range(opened.count)] == ["1.png", "2.png", "10.png"]
  assert [opened.draw(9, i, 40).sum() for i in range(3)] == [80, 160, 800]
  with pytest.raises(ValueError, match="mask 3 asked for; it has 3"):
    opened.draw(0, 3, 40)


def test_bins_of_a_folder_take_turns(tmp_path):
  for name in (
    "2-10/1.png",
    "2-10/2.png",
    "2-10/3.png",
    "10-20/1.png",
    "10-20/2.png",
    "20/a/7.png",
  ):
    write_mask(tmp_path / name, 3)
  opened = protocols.open_protocol(f"folder:{tmp_path}")
  assert [opened.source(i) for i in range(opened.count)] == [
    "2-10/1.png", "10-20/1.png", "20/a/7.png", "2-10/2.png", "10-20/2.png", "2-10/3.png",
  ]  # fmt: skip


def test_folders_that_cannot_be(tmp_path):
  for name, message in (
    ("folder:", "names no folder"),
    (f"folder:{tmp_path}/none", "does not exist"),
    (f"folder:{tmp_path}", "none in"),
  ):
    with pytest.raises(ValueError, match=message):
      protocols.open_protocol(name)


def test_a_mix_draws_protocols_for_square_photos():
  mix = training.MaskMix({"lama_thick": 1, "grid": 1})
  rng, square = np.random.default_rng(0), np.zeros((64, 64), np.uint8)
  drawn = [mix.sample(rng, square) for _ in range(40)]
  grids = [mask.mean() == 0.75 for mask in drawn]
  assert 8 < sum(grids) < 32 and len({mask.tobytes() for mask in drawn}) > 8
  with pytest.raises(ValueError, match="'grid' are square, the photo is 48 x 64"):
    training.MaskMix({"grid": 1}).sample(rng, np.zeros((64, 48), np.uint8))
  assert "box" not in training.PROTOCOLS and "lama_thin" in training.PROTOCOLS


@pytest.mark.parametrize("module", ["fixed_point", "raster", "free_form", "patterns"])
def test_only_integers_make_masks(module):
  """No floats, no true division, no libm, no NumPy generator, no drawing library."""
  path = sys.modules[f"facefill_jax.data.masks.{module}"].__file__
  for node in ast.walk(ast.parse(Path(path).read_text("utf-8"))):
    where = f"{module}:{getattr(node, 'lineno', 0)}"
    assert not isinstance(getattr(node, "value", None), float), where
    assert not isinstance(getattr(node, "op", None), ast.Div), where
    used = node.attr if isinstance(node, ast.Attribute) else getattr(node, "module", "") or ""
    assert used not in {"sqrt", "sin", "cos", "exp", "random", "float32", "float64"}, where
    for alias in getattr(node, "names", []):
      assert alias.name.split(".")[0] not in {"cv2", "PIL", "random", "scipy"}, where
