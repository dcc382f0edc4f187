"""Layouts come back with the same ids, whatever an editor did to the palette."""

import numpy as np
from pictures import refused, save
from PIL import Image

from facefill_jax import labels
from facefill_jax.filling import layout_files


def test_layout_round_trip_keeps_ids_and_shows_colours(tmp_path):
  ids = np.random.default_rng(0).integers(0, 20, (9, 11), np.uint8)
  path = tmp_path / "l.png"
  layout_files.write_layout(path, ids)
  np.testing.assert_array_equal(layout_files.read_layout(path, (9, 11)), ids)
  with Image.open(path) as image:
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), ids)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), labels.colourise(ids))


def test_layouts_as_editors_save_them(tmp_path):
  ids = np.random.default_rng(0).integers(0, 20, (9, 11), np.uint8)

  def read():
    return layout_files.read_layout(tmp_path / "l.png", (9, 11))

  save(tmp_path / "l.png", labels.colourise(ids))  # flattened to RGB
  np.testing.assert_array_equal(read(), ids)
  reordered = Image.fromarray(19 - ids)
  reordered.putpalette(labels.PALETTE[::-1].tobytes())
  reordered.save(tmp_path / "l.png")
  np.testing.assert_array_equal(read(), ids)
  save(tmp_path / "l.png", ids)  # grey: plain ids
  np.testing.assert_array_equal(read(), ids)
  other = Image.fromarray(ids)
  other.putpalette(np.arange(60, dtype=np.uint8).tobytes())  # colours of somebody else
  other.save(tmp_path / "l.png")
  np.testing.assert_array_equal(read(), ids)


def test_bad_layouts_are_refused(tmp_path):
  def read(size=(4, 4)):
    return layout_files.read_layout(tmp_path / "l.png", size)

  save(tmp_path / "l.png", np.full((4, 4), 20, np.uint8))
  refused(read, "l.png", "label 20", "0..19")
  refused(lambda: read((4, 5)), "layout is 4 x 4", "photo 5 x 4")
  save(tmp_path / "l.png", np.full((4, 4, 3), 77, np.uint8))
  refused(read, "colour (77, 77, 77)", "no class")


def test_layouts_are_written_as_png(tmp_path):
  refused(lambda: layout_files.write_layout(tmp_path / "a.jpg", np.zeros((4, 4), np.uint8)), ".png")
