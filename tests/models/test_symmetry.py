"""The photo mirrored about the face's axis: the right pixels, and only those that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.labels import CLASSES, MIRROR, NUM_CLASSES
from facefill_jax.models import symmetry

SIDE = 64
RNG = np.random.default_rng(0)


def face(axis=32.5, sure=1.0, parts=("l_eye", "r_eye", "l_brow", "r_brow", "nose")):
  """A layout whose parts lie symmetric about a column: probabilities (1, SIDE, SIDE, 20)."""
  ids = np.full((SIDE, SIDE), CLASSES.index("skin"))
  places = {"l_eye": (24, -12), "r_eye": (24, 12), "l_brow": (18, -12), "r_brow": (18, 12),
            "nose": (34, 0)}  # fmt: skip
  y, x = np.mgrid[:SIDE, :SIDE]
  for part in parts:
    row, off = places[part]
    ids[(abs(y - row) < 3) & (abs(x - axis - off) < 5)] = CLASSES.index(part)
  layout = np.eye(NUM_CLASSES, dtype=np.float32)[ids]
  return (sure * layout + (1 - sure) / NUM_CLASSES)[None].astype(np.float32)


def photos(count=1):
  return RNG.uniform(-1, 1, (count, SIDE, SIDE, 3)).astype(np.float32)


def left_hidden(columns=20):
  mask = np.zeros((1, SIDE, SIDE, 1), bool)
  mask[:, :, :columns] = True
  return mask


reflection = jax.jit(symmetry.reflection)


@pytest.mark.parametrize("axis", [26.0, 31.5, 40.0])
def test_the_axis_of_a_face(axis):
  column, found = symmetry.face_axis(jnp.asarray(face(axis)))
  np.testing.assert_allclose(column, axis, atol=0.01)
  assert found == 1
  # All classes a little everywhere: also those that this face has not, like its mouth.
  column, _ = symmetry.face_axis(jnp.asarray(face(axis, sure=0.9)))
  np.testing.assert_allclose(column, axis, atol=0.2)


def test_a_turned_head_is_mirrored_between_its_eyes():
  layout = face(30.0, parts=("l_eye", "r_eye"))
  nose = face(40.0, parts=("nose",))[..., 2] == 1
  layout[nose] = np.eye(NUM_CLASSES)[2]
  column, _ = symmetry.face_axis(jnp.asarray(layout))
  assert 30.0 < column < 31.5


def test_one_eye_says_nothing_but_the_nose_does():
  column, found = symmetry.face_axis(jnp.asarray(face(30.0, parts=("l_eye", "nose"))))
  np.testing.assert_allclose(column, 30.0, atol=0.01)
  assert found == 1


def test_without_a_face_nothing_is_mirrored():
  found = reflection(photos(), left_hidden(), face(parts=()))
  assert not found.valid.any() and (found.picture == 0).all()


@pytest.mark.parametrize("axis", [31.5, 30.0, 36.5])
def test_pixels_are_mirrored_bit_for_bit(axis):
  photo, mask = photos(), left_hidden()
  mirrored, valid = symmetry.reflect(photo, mask, jnp.array([axis]))
  for column in range(SIDE):
    source = round(2 * axis) - column
    inside = 0 <= source < SIDE and not mask[0, 0, source, 0]
    assert (valid[:, :, column] == inside).all()
    want = photo[:, :, source] if inside else np.zeros_like(photo[:, :, 0])
    np.testing.assert_array_equal(mirrored[:, :, column], want)


def test_a_symmetric_photo_is_restored():
  photo = photos()
  photo = (photo + photo[:, :, ::-1]) / 2
  mask = left_hidden()
  found = reflection(photo, mask, face(31.5))
  assert found.valid[mask].all()
  np.testing.assert_allclose(found.picture, np.where(found.valid, photo, 0), atol=1e-5)


def test_light_from_one_side_leaves_no_seam():
  photo = 0.2 * photos()
  photo = (photo + photo[:, :, ::-1]) / 2
  lit = photo + np.linspace(-0.5, 0.5, SIDE, dtype=np.float32)[:, None]
  mask = np.zeros((1, SIDE, SIDE, 1), bool)
  mask[:, 20:32, 8:24] = True
  found = reflection(lit, mask, face(31.5))
  hole = mask[0, ..., 0]
  error = np.abs(found.picture - lit)[0][hole].mean()
  as_it_is = np.abs(lit[:, :, ::-1] - lit)[0][hole].mean()
  assert as_it_is > 0.4 and error < 0.1 * as_it_is
  known = ~hole & np.asarray(found.valid)[0, ..., 0]
  np.testing.assert_array_equal(found.picture[0][known], lit[0, :, ::-1][known])


def test_what_is_hidden_stays_hidden_in_the_mirror():
  photo, mask, layout = photos(), left_hidden(40), face(31.5)  # beyond the axis
  want = reflection(photo, mask, layout)
  assert not want.valid[:, :, 24:40].any() and want.valid[:, :, :24].all()
  for spoilt in (np.nan, np.inf, 1e6):
    got = reflection(np.where(mask, np.float32(spoilt), photo), mask, layout)
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_the_mirror_image_has_the_mirrored_reflection():
  photo, mask, layout = photos(), left_hidden(), face(30.0)
  one = reflection(photo, mask, layout)
  flipped = layout[:, :, ::-1][..., MIRROR]
  other = reflection(photo[:, :, ::-1], mask[:, :, ::-1], flipped)
  np.testing.assert_array_equal(one.valid, other.valid[:, :, ::-1])
  np.testing.assert_allclose(one.picture, other.picture[:, :, ::-1], atol=1e-5)


def test_an_edit_is_not_painted_over():
  """Where the layout asks for other classes than the mirror shows, the reflection does not fit."""
  layout = face(31.5)
  found = reflection(photos(), left_hidden(), layout)
  assert found.fits.shape == (1, SIDE, SIDE, 1)
  assert found.fits.min() == 1  # symmetric as it is
  edited = layout.copy()
  edited[:, 20:28, 4:12] = np.eye(NUM_CLASSES, dtype=np.float32)[CLASSES.index("eye_g")]
  fits = np.asarray(reflection(photos(), left_hidden(), edited).fits)[0, ..., 0]
  assert fits[23:25, 7:9].max() == 0 and fits[23:25, 55:57].max() == 0
  assert fits[40:].min() == 1
