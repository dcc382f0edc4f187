"""Losses against NumPy and by hand; what they refuse; a perfect fill costs nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.stages import losses

RNG = np.random.default_rng(0)


def normal(*shape):
  return RNG.standard_normal(shape).astype(np.float32)


def some(*shape):
  return RNG.random(shape) < 0.5


def labels_and_logits():
  labels = RNG.integers(0, NUM_CLASSES, (2, 8, 8))
  labels[0, 0] = VOID
  return labels, 3 * normal(2, 8, 8, NUM_CLASSES)


def test_masked_mean():
  values, where = normal(3, 4), some(3, 4)
  mean = jax.jit(losses.masked_mean)
  np.testing.assert_allclose(mean(values, where), values[where].mean(), rtol=1e-5)
  assert mean(values, np.zeros((3, 4), bool)) == 0
  # what is left out is never read
  assert mean(np.where(where, values, np.nan), where) == mean(values, where)


def test_l1():
  a, b, where = normal(2, 4, 4, 3), normal(2, 4, 4, 3), some(2, 4, 4, 1)
  want = np.abs(a - b).mean(-1)[where[..., 0]].mean()
  np.testing.assert_allclose(jax.jit(losses.l1)(a, b, where), want, rtol=1e-5)
  assert losses.l1(a, a, where) == 0
  assert losses.l1(a, b, np.zeros_like(where)) == 0
  changed = np.where(where, b, b + 9)
  np.testing.assert_allclose(losses.l1(a, changed, where), want, rtol=1e-5)


def test_class_weights_balance_softly():
  labels = np.zeros((1, 10, 10), int)
  labels[0, 0] = 1
  labels[0, 1:3] = VOID
  share = np.array([70, 10]) / 80  # void is no part of it
  want = share**-0.125 / (share * share**-0.125).sum()
  weights = np.asarray(jax.jit(losses.class_weights)(labels))
  np.testing.assert_allclose(weights[:2], want, rtol=1e-5)
  np.testing.assert_array_equal(weights[2:], 0)
  np.testing.assert_allclose((share * weights[:2]).sum(), 1, rtol=1e-5)  # the mean pixel weighs 1
  rare = np.zeros((1, 100, 100), int)
  rare[0, 0, 0] = 5
  assert 1 < losses.class_weights(rare)[5] < 4  # ten thousand times as rare
  assert not np.asarray(losses.class_weights(np.full((1, 4, 4), VOID))).any()


def test_cross_entropy():
  labels, logits = labels_and_logits()
  where, weights = some(2, 8, 8), RNG.random(NUM_CLASSES).astype(np.float32)
  logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  ce = -np.take_along_axis(logp, labels[..., None], -1)[..., 0]
  counted = where & (labels != VOID)
  cross_entropy = jax.jit(losses.cross_entropy)
  np.testing.assert_allclose(cross_entropy(logits, labels, where), ce[counted].mean(), rtol=1e-5)
  w = weights[labels][counted]
  np.testing.assert_allclose(
    cross_entropy(logits, labels, where, weights), (w * ce[counted]).sum() / w.sum(), rtol=1e-5
  )
  assert cross_entropy(logits, np.full_like(labels, VOID), where) == 0
  sure = 100 * np.eye(NUM_CLASSES, dtype=np.float32)[labels]
  assert cross_entropy(sure, labels, where) == 0


def test_at_labels():
  labels, logits = labels_and_logits()
  weights = RNG.random(NUM_CLASSES).astype(np.float32)
  at_labels = jax.jit(losses.at_labels)
  np.testing.assert_array_equal(at_labels(weights, labels), weights[labels])
  want = np.take_along_axis(logits, labels[..., None], -1)[..., 0]
  np.testing.assert_array_equal(at_labels(logits, labels), want)


def test_cross_entropies_gather_nothing():
  """On a TPU a gather and its gradient, a scatter, move twelve times the bytes of a sum."""
  labels, logits = labels_and_logits()
  where, weights = some(2, 8, 8), RNG.random(NUM_CLASSES).astype(np.float32)
  target = jnp.asarray(RNG.dirichlet(np.ones(NUM_CLASSES), (2, 8, 8)).astype(np.float32))
  for loss in (
    lambda x: losses.cross_entropy(x, jnp.asarray(labels), where, jnp.asarray(weights)),
    lambda x: losses.soft_cross_entropy(x, target, where),
  ):
    program = str(jax.make_jaxpr(jax.grad(loss))(logits))
    assert "gather" not in program and "scatter" not in program


def test_unsure_labels_weigh_less():
  labels, logits = labels_and_logits()
  where, weights = some(2, 8, 8), RNG.random(NUM_CLASSES).astype(np.float32)
  sure = RNG.random((2, 8, 8)).astype(np.float32)
  logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  ce = -np.take_along_axis(logp, labels[..., None], -1)[..., 0]
  w = weights[labels] * sure * (where & (labels != VOID))
  got = jax.jit(losses.cross_entropy)(logits, labels, where, weights, sure)
  np.testing.assert_allclose(got, (w * ce).sum() / w.sum(), rtol=1e-5)
  target = RNG.dirichlet(np.ones(NUM_CLASSES), (2, 8, 8)).astype(np.float32)
  ce, w = -(target * logp)[..., :VOID].sum(-1), where * sure
  soft = jax.jit(losses.soft_cross_entropy)
  np.testing.assert_allclose(soft(logits, target, where, sure), (w * ce).sum() / w.sum(), rtol=1e-5)
  np.testing.assert_allclose(
    soft(logits, target, where, np.ones_like(sure)), soft(logits, target, where), rtol=1e-5
  )
  assert soft(logits, target, where, np.zeros_like(sure)) == 0


def test_soft_cross_entropy():
  labels, logits = labels_and_logits()
  where = some(2, 8, 8)
  target = RNG.dirichlet(np.ones(NUM_CLASSES), (2, 8, 8)).astype(np.float32)
  logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  want = -(target * logp)[..., :VOID].sum(-1)[where].mean()
  soft_cross_entropy = jax.jit(losses.soft_cross_entropy)
  np.testing.assert_allclose(soft_cross_entropy(logits, target, where), want, rtol=1e-5)
  sure = np.eye(NUM_CLASSES, dtype=np.float32)[labels]  # of a sure target: the cross-entropy
  counted = where & (labels != VOID)
  np.testing.assert_allclose(
    soft_cross_entropy(logits, sure, counted), losses.cross_entropy(logits, labels, counted),
    rtol=1e-5,
  )  # fmt: skip
  assert soft_cross_entropy(logits, target, np.zeros_like(where)) == 0


def test_void_pixels_give_no_gradient():
  labels, logits = labels_and_logits()

  def loss(x):
    dice = losses.soft_dice(jax.nn.softmax(x), labels)
    return losses.cross_entropy(x, labels, np.ones((2, 8, 8), bool)) + dice

  gradient = np.asarray(jax.jit(jax.grad(loss))(logits))
  assert not gradient[labels == VOID].any()
  assert gradient[labels != VOID].any(-1).all()


def test_soft_dice():
  labels, logits = labels_and_logits()
  p = np.array(jax.nn.softmax(logits))
  values = []
  for i in range(2):
    valid = labels[i] != VOID
    for c in set(labels[i][valid]):
      truth, guess = (labels[i] == c)[valid], p[i][valid][:, c]
      size = truth.sum() + (guess**2).sum()
      values.append(1 - (2 * (truth * guess).sum() + 1) / (size + 1))
  dice = jax.jit(losses.soft_dice)
  np.testing.assert_allclose(dice(p, labels), np.mean(values), rtol=1e-5)
  np.testing.assert_allclose(dice(np.eye(NUM_CLASSES)[labels], labels), 0, atol=1e-6)
  assert dice(p, np.full_like(labels, VOID)) == 0


def test_wasserstein_counts_valid_photos_only():
  real, fake = np.array([1.0, 100.0, 2.0]), np.array([5.0, -100.0, 3.0])
  valid = np.array([True, False, True])
  np.testing.assert_allclose(losses.wasserstein(real, fake, valid), 4.0 - 1.5)
  assert losses.wasserstein(real, fake, np.zeros(3, bool)) == 0


def test_hinge_is_what_lacks_to_one():
  values = np.array([[2.0, 0.5, -1.0], [1.0, 1.0, 7.0]])
  weights = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
  np.testing.assert_allclose(losses.hinge(values, weights), [0.25, 0.0])
  np.testing.assert_allclose(losses.hinge(-values, weights), [0.5 * 3 + 0.5 * 1.5, 1 + 1 + 4 - 1])


def test_r1_of_a_linear_critic():
  a, real = normal(4, 4, 3), normal(3, 4, 4, 3)
  changeable = some(3, 4, 4, 1)
  changeable[1] = False  # nothing to change: this photo does not count
  penalty = jax.jit(lambda *x: losses.r1_penalty(lambda y: (y * a).sum((1, 2, 3)), *x))
  want = np.mean([((a * changeable[i]) ** 2).sum() for i in (0, 2)]) / 2
  np.testing.assert_allclose(penalty(real, changeable), want, rtol=1e-4)
  assert penalty(real, np.zeros_like(changeable)) == 0


def test_r1_looks_at_real_pictures():
  real = normal(2, 2, 2, 1)

  def score(x):  # its gradient is the point
    return jnp.square(x).sum((1, 2, 3)) / 2

  penalty = losses.r1_penalty(score, real, np.ones((2, 2, 2, 1), bool))
  np.testing.assert_allclose(penalty, (real**2).sum((1, 2, 3)).mean() / 2, rtol=1e-5)


def test_gradient_penalty_of_a_linear_critic():
  a, real, fake = normal(4, 4, 3), normal(3, 4, 4, 3), normal(3, 4, 4, 3)
  changeable = some(3, 4, 4, 1)
  changeable[1] = False  # nothing to change: this photo does not count
  norms = [np.sqrt(((a * changeable[i]) ** 2).sum()) for i in (0, 2)]
  mix = np.full((3, 1, 1, 1), 0.3, np.float32)  # a linear critic has one gradient everywhere

  def score(x):
    return (x * a).sum((1, 2, 3))

  penalty = jax.jit(lambda *x: losses.gradient_penalty(score, *x, mix))
  want = np.mean((np.array(norms) - 1) ** 2)
  np.testing.assert_allclose(penalty(real, fake, changeable), want, rtol=1e-4)
  assert penalty(real, fake, np.zeros_like(changeable)) == 0
  np.testing.assert_allclose(
    penalty(real, fake, np.ones_like(changeable)), (np.sqrt((a**2).sum()) - 1) ** 2, rtol=1e-4
  )


def test_gradient_penalty_looks_between_real_and_fake():
  real, fake = np.full((64, 1, 1, 1), 1, np.float32), np.full((64, 1, 1, 1), 3, np.float32)
  points = []

  def score(x):  # half the square: its gradient is the point itself
    points.append(x)
    return jnp.square(x).sum((1, 2, 3)) / 2

  where = np.ones((64, 1, 1, 1), bool)
  with jax.disable_jit():
    mix = np.linspace(0, 1, 64, dtype=np.float32).reshape(64, 1, 1, 1)
    penalty = losses.gradient_penalty(score, real, fake, where, mix)
  at = np.linspace(3, 1, 64)  # mix 1 is the real picture
  np.testing.assert_allclose(penalty, ((at - 1) ** 2).mean(), rtol=1e-4)


def test_gradient_penalty_has_a_gradient_where_the_critic_is_flat():
  x = np.zeros((2, 4, 4, 3), np.float32)

  def penalty(a):
    where, mix = np.ones((2, 4, 4, 1), bool), np.ones((2, 1, 1, 1))
    return losses.gradient_penalty(lambda y: a * y.sum((1, 2, 3)), x, x, where, mix)

  assert np.isfinite(jax.grad(penalty)(0.0))


def test_feature_distance_is_relative():
  real = [normal(2, 4, 4, 5), normal(2, 2, 2, 7)]
  fake = [r + normal(*r.shape) for r in real]
  want = np.mean([
    np.abs(f - r).mean((1, 2, 3)) / np.abs(r).mean((1, 2, 3))
    for f, r in zip(fake, real, strict=True)
  ], axis=0)  # fmt: skip
  distance = jax.jit(losses.feature_distance)
  np.testing.assert_allclose(distance(fake, real), want, rtol=1e-4)
  np.testing.assert_allclose(
    distance([9 * f for f in fake], [9 * r for r in real]), want, rtol=1e-4
  )
  np.testing.assert_array_equal(distance(real, real), 0)


def test_style_distance_compares_gram_matrices():
  real, fake = normal(2, 4, 3, 5), normal(2, 4, 3, 5)

  def gram(x):
    return np.einsum("bhwc,bhwd->bcd", x, x) / 12

  want = np.abs(gram(fake) - gram(real)).mean((1, 2)) / np.abs(gram(real)).mean((1, 2))
  np.testing.assert_allclose(losses.style_distance([fake], [real]), want, rtol=1e-4)
  shuffled = real.reshape(2, 12, 5)[:, ::-1].reshape(real.shape)  # styles have no places
  np.testing.assert_allclose(losses.style_distance([shuffled], [real]), 0, atol=1e-6)


@pytest.mark.parametrize("distance", [losses.feature_distance, losses.style_distance])
def test_no_gradient_flows_into_the_real_photo(distance):
  fake, real = [normal(1, 4, 4, 3)], [normal(1, 4, 4, 3)]
  to_fake, to_real = jax.grad(lambda f, r: distance(f, r).sum(), (0, 1))(fake, real)
  assert np.asarray(to_fake[0]).any() and not np.asarray(to_real[0]).any()


def test_mode_seeking():
  a, b = normal(4, 4, 4, 3), normal(4, 4, 4, 3)
  za, zb, mask = normal(4, 8), normal(4, 8), np.zeros((4, 4, 4, 1), bool)
  mask[0, :3], mask[2, 0] = True, True  # 3/4 and just 1/4 of the photo
  mask[3, 0, :3] = True  # 3/16: not large, so does not count, as no hole at all
  moved = [np.abs(a[i] - b[i]).mean(-1)[mask[i, ..., 0]].mean() for i in (0, 2)]
  want = np.mean(np.abs(za - zb).mean(-1)[[0, 2]] / (np.array(moved) + 0.05))
  loss = jax.jit(losses.mode_seeking)
  np.testing.assert_allclose(loss(a, b, za, zb, mask), want, rtol=1e-5)
  assert loss(a, b, za, zb, np.zeros_like(mask)) == 0
  # two latents that give one picture cost most, and still a bounded amount
  same = np.abs(za - zb).mean(-1)[[0, 2]].mean() / 0.05
  np.testing.assert_allclose(loss(a, a, za, zb, mask), same, rtol=1e-5)


def refused():
  photo, one = np.zeros((2, 4, 4, 3)), np.zeros((1, 4, 4, 3))
  mask, flat = np.zeros((2, 4, 4, 1), bool), np.zeros((2, 4, 4), bool)
  k, ids = np.zeros((2, 4, 4, NUM_CLASSES)), np.zeros((2, 4, 4), int)
  z, mix = np.zeros((2, 8)), np.zeros((2, 1, 1, 1))

  def score(x):
    return x.sum((1, 2, 3))

  return {
    "masked_mean": lambda: losses.masked_mean(photo, mask),
    "l1 pictures": lambda: losses.l1(photo, one, mask),
    "l1 mask": lambda: losses.l1(photo, photo, flat),
    "l1 wide mask": lambda: losses.l1(photo, photo, np.zeros((2, 4, 4, 3), bool)),
    "cross_entropy labels": lambda: losses.cross_entropy(k, ids[:1], flat),
    "cross_entropy where": lambda: losses.cross_entropy(k, ids, mask),
    "cross_entropy confidence": lambda: losses.cross_entropy(k, ids, flat, None, k),
    "soft_cross_entropy confidence": lambda: losses.soft_cross_entropy(
      k, jnp.asarray(k), flat, mask
    ),
    "soft_dice": lambda: losses.soft_dice(k, ids[:1]),
    "wasserstein": lambda: losses.wasserstein(np.zeros(2), np.zeros(2), np.zeros((2, 1), bool)),
    "hinge": lambda: losses.hinge(np.zeros((2, 3)), np.zeros((2, 1))),
    "gradient_penalty": lambda: losses.gradient_penalty(score, photo, one, mask, mix),
    "feature_distance": lambda: losses.feature_distance([photo], [one]),
    "feature_distance maps": lambda: losses.feature_distance([photo, photo], [photo]),
    "style_distance": lambda: losses.style_distance([photo], [one]),
    "mode_seeking": lambda: losses.mode_seeking(photo, one, z, z, mask),
    "mode_seeking latents": lambda: losses.mode_seeking(photo, photo, z, z[:1], mask),
    "mode_seeking photos": lambda: losses.mode_seeking(photo, photo, z[:1], z[:1], mask),
    "mode_seeking mask": lambda: losses.mode_seeking(photo, photo, z, z, mask[:1]),
    "gradient_penalty mask": lambda: losses.gradient_penalty(score, photo, photo, mask[:1], mix),
  }


@pytest.mark.parametrize("name", refused())
def test_shapes_that_would_broadcast_are_refused(name):
  with pytest.raises(ValueError):
    refused()[name]()


def test_refusal_names_arrays_and_shapes():
  with pytest.raises(ValueError, match=r"'a': \(2, 4, 4, 3\), 'b': \(1, 4, 4, 3\)"):
    losses.l1(np.zeros((2, 4, 4, 3)), np.zeros((1, 4, 4, 3)), np.zeros((2, 4, 4, 1), bool))
