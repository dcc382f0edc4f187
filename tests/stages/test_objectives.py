"""What each stage's network sees, what its critic compares, and its terms: no networks needed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax import images
from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.models.critic import Verdict
from facefill_jax.pretrained_nets import squeezenet, torchvision_nets
from facefill_jax.stages import losses, stage, step, texture_objective
from facefill_jax.stages.layout_objective import LayoutObjective
from facefill_jax.stages.texture_objective import TextureObjective
from facefill_jax.types import Batch

RNG = np.random.default_rng(0)


class Parser:
  """Stands in for the layout network: all it reads is linear in the picture."""

  weights = RNG.standard_normal((3, NUM_CLASSES)).astype(np.float32)
  dtype = jnp.bfloat16

  def shrinks(self, height, width):
    return 1

  def apply(self, variables, picture, mask, taps):
    assert taps
    logits = jnp.where(mask, np.nan, picture) @ self.weights * variables["params"]["gain"]
    return logits, (logits, logits[:, ::2, ::2])


JUDGES = stage.Judges(layout={"gain": np.float32(3)})


def critic(picture, condition, changeable):
  """A verdict in two parts, one and three quarters of it, told from what is seen; and features."""
  assert condition.shape[:3] == picture.shape[:3] == changeable.shape[:3]
  parts = jnp.stack([picture.mean((1, 2, 3)), condition.mean((1, 2, 3))], -1)
  weights = jnp.broadcast_to(jnp.array([0.25, 0.75]), parts.shape)
  return Verdict(parts, weights), (picture, jnp.square(picture))


def score(*seen):
  return critic(*seen)[0].score()


def texture(active=TextureObjective.TERMS, **options):
  return TextureObjective(Parser(), frozenset(active), **options)


def make_batch(b=3, side=8):
  labels = RNG.integers(0, NUM_CLASSES - 1, (b, side, side))
  labels[1] = VOID  # a photo without labels
  labels[0, 0] = VOID
  return Batch(
    photo=RNG.uniform(-1, 1, (b, side, side, 3)).astype(np.float32),
    mask=RNG.random((b, side, side, 1)) < 0.5,
    labels=labels,
    layout=RNG.dirichlet(np.full(NUM_CLASSES, 0.2), (b, side, side)).astype(np.float32),
    features=RNG.standard_normal((b, 1, 1, 4)).astype(np.float32),
  )


def make_inputs(**changed):
  inputs = jax.jit(texture(swapped_layout_share=0.0).inputs)(make_batch(), jax.random.key(0))
  return inputs.replace(**changed)


def fake_for(inputs):
  return RNG.uniform(-1, 1, inputs.photo.shape).astype(np.float32)


def made(filled, inputs, **others):
  """What the texture objective has `generate` give, its seam not mended."""
  return {"filled": filled, "whole": jnp.where(inputs.mask, filled, inputs.photo), **others}


# The layout stage.


def test_layout_critic_compares_equally_sure_layouts():
  batch = make_batch()
  logits = 3 * RNG.standard_normal((3, 8, 8, NUM_CLASSES)).astype(np.float32)
  objective = LayoutObjective(Parser(), frozenset())
  pair = jax.jit(objective.comparison)(logits, batch)
  np.testing.assert_allclose(pair.fake, jax.nn.softmax(logits), rtol=1e-5)
  np.testing.assert_allclose(pair.real.max(-1), pair.fake.max(-1), rtol=1e-5)
  np.testing.assert_allclose(pair.real.sum(-1), 1, rtol=1e-5)
  labelled = batch.labels != VOID
  sure = np.asarray(pair.fake.max(-1)) > 1.5 / NUM_CLASSES
  np.testing.assert_array_equal(
    pair.real.argmax(-1)[labelled & sure], batch.labels[labelled & sure]
  )
  np.testing.assert_array_equal(pair.real[~labelled], pair.fake[~labelled])
  np.testing.assert_array_equal(pair.changeable[..., 0], labelled)
  np.testing.assert_array_equal(pair.valid, [True, False, True])


def test_layout_critic_never_sees_under_the_mask():
  batch = make_batch()
  logits = np.zeros((3, 8, 8, NUM_CLASSES), np.float32)
  spoilt = batch.replace(photo=np.where(batch.mask, np.float32(np.nan), batch.photo))
  objective = LayoutObjective(Parser(), frozenset())
  conditions = [objective.comparison(logits, x).condition for x in (batch, spoilt)]
  assert conditions[0].shape == (3, 8, 8, 4)
  np.testing.assert_array_equal(*conditions)


def test_layout_terms():
  batch = make_batch()
  logits = 3 * RNG.standard_normal((3, 8, 8, NUM_CLASSES)).astype(np.float32)
  objective = LayoutObjective(Parser(), frozenset(LayoutObjective.TERMS))
  inputs = objective.inputs(batch, None)
  terms = objective.terms(logits, inputs, stage.Judges(), critic, None)
  assert set(terms) == set(LayoutObjective.TERMS)
  weights, hole = losses.class_weights(batch.labels), batch.mask[..., 0]
  for name, where in (("cross_entropy_hole", hole), ("cross_entropy_known", ~hole)):
    want = losses.cross_entropy(logits, batch.labels, where, weights)
    np.testing.assert_allclose(terms[name], want, rtol=1e-5)
  pair = objective.comparison(logits, inputs)
  scores = score(pair.fake, pair.condition, pair.changeable)
  np.testing.assert_allclose(terms["adversarial"], -(scores[0] + scores[2]) / 2, rtol=1e-5)
  sure = 100 * jax.nn.one_hot(batch.labels, NUM_CLASSES)
  perfect = objective.terms(sure, inputs, stage.Judges(), critic, None)
  assert perfect["cross_entropy_hole"] == perfect["cross_entropy_known"] == 0
  np.testing.assert_allclose(perfect["dice"], 0, atol=1e-6)


def test_what_layout_means_are_over():
  """Counted by hand, on labels of which some are void and masks of which one is empty."""
  batch = make_batch()
  objective = LayoutObjective(Parser(), frozenset(LayoutObjective.TERMS))
  counts = objective.counts(objective.inputs(batch, None), None)
  weights, hole = np.asarray(losses.class_weights(batch.labels)), batch.mask[..., 0]
  labelled = batch.labels != VOID
  for name, where in (("cross_entropy_hole", hole), ("cross_entropy_known", ~hole)):
    np.testing.assert_allclose(counts[name], weights[batch.labels[where & labelled]].sum(), 1e-5)
  classes = sum(len(set(one[one != VOID].tolist())) for one in batch.labels)
  assert counts["dice"] == classes
  photos = labelled.any((1, 2)).sum()
  assert 0 < photos == counts["adversarial"] == counts["critic"] < 3
  program = str(jax.make_jaxpr(objective.counts)(objective.inputs(batch, None), None))
  assert "gather" not in program


def test_terms_of_no_weight_are_not_computed():
  batch, logits = make_batch(), np.zeros((3, 8, 8, NUM_CLASSES), np.float32)
  objective = LayoutObjective(Parser(), frozenset({"dice"}))
  terms = objective.terms(logits, objective.inputs(batch, None), stage.Judges(), None, None)
  assert set(terms) == {"dice"}
  inputs = make_inputs()
  outputs = made(fake_for(inputs), inputs)
  terms = texture({"hole_l1"}).terms(outputs, inputs, stage.Judges(), critic, None)
  assert set(terms) == {"hole_l1"}  # and no judge was needed


# What the texture network sees.


def test_true_layouts_are_seen_where_labelled_only():
  batch = make_batch()
  inputs = texture(true_layout_share=1.0, swapped_layout_share=0.0, drop_features_share=0.0).inputs(
    batch, jax.random.key(0)
  )
  labelled = batch.labels != VOID
  truth = np.eye(NUM_CLASSES)[batch.labels]
  np.testing.assert_array_equal(inputs.layout[labelled], truth[labelled])
  np.testing.assert_array_equal(inputs.layout[~labelled], batch.layout[~labelled])
  assert inputs.use_features.all() and inputs.paired.all()


def test_predicted_layouts_are_seen_otherwise():
  batch = make_batch()
  inputs = texture(true_layout_share=0.0, swapped_layout_share=0.0, drop_features_share=1.0).inputs(
    batch, jax.random.key(0)
  )
  np.testing.assert_array_equal(inputs.layout, batch.layout)
  assert not inputs.use_features.any() and inputs.paired.all()


def test_a_swapped_layout_travels_as_one_byte_a_pixel():
  program = str(jax.make_jaxpr(texture().inputs)(make_batch(b=2), jax.random.key(0)))
  rolled = [line for line in program.splitlines() if "roll" in line]
  assert rolled and not [line for line in rolled if "f32" in line], rolled


def test_swapped_layouts_are_another_face_s_and_in_the_hole_only():
  batch = make_batch()
  inputs = texture(true_layout_share=0.0, swapped_layout_share=1.0, drop_features_share=0.0).inputs(
    batch, jax.random.key(0)
  )
  other = np.eye(NUM_CLASSES)[batch.layout[[2, 0, 1]].argmax(-1)]  # one-hot, as a person's edit is
  want = np.where(batch.mask, other, batch.layout)
  np.testing.assert_array_equal(inputs.layout, want)
  assert inputs.use_features.all()  # or the network knows that there is no truth
  assert not inputs.paired.any()  # there is no truth for them


def test_shares_over_many_photos():
  b = 6000
  batch = Batch(
    photo=np.zeros((b, 1, 1, 3), np.float32),
    mask=np.ones((b, 1, 1, 1), bool),
    labels=np.where(np.arange(b) % 2, 3, VOID)[:, None, None],
    layout=np.zeros((b, 1, 1, NUM_CLASSES), np.float32),
    features=np.zeros((b, 1, 1, 1), np.float32),
  )
  objective = texture(swapped_layout_share=0.0)
  inputs = jax.jit(objective.inputs)(batch, jax.random.key(0))
  true = np.asarray(inputs.layout[:, 0, 0, 3])
  assert not true[::2].any()
  np.testing.assert_allclose(true[1::2].mean(), 0.5, atol=0.03)
  inputs = jax.jit(texture().inputs)(batch, jax.random.key(1))
  paired, seen = np.asarray(inputs.paired), np.asarray(inputs.use_features)
  np.testing.assert_allclose(paired.mean(), 0.9, atol=0.02)
  np.testing.assert_allclose(seen[paired].mean(), 0.7, atol=0.03)
  np.testing.assert_allclose(seen[~paired].mean(), 0.7, atol=0.06)
  z, other = np.asarray(inputs.z), np.asarray(inputs.other_z)
  np.testing.assert_allclose([z.mean(), other.mean(), (z * other).mean()], 0, atol=0.01)
  np.testing.assert_allclose([z.std(), other.std()], 1, atol=0.01)


def test_draws_depend_on_the_key_only():
  batch = make_batch()
  a, again, b = (texture().inputs(batch, jax.random.key(seed)) for seed in (0, 0, 1))
  jax.tree.map(np.testing.assert_array_equal, a, again)
  assert not np.array_equal(a.z, b.z)


class Reader:
  """Stands in for the layout network on photos with a hole."""

  sharpening = 1.0

  def shrinks(self, height, width):
    return 1

  def apply(self, variables, photo, mask, enlarged):
    gain = variables["params"]
    return gain * jnp.tile(photo, (1, 1, 1, 7))[..., :NUM_CLASSES], gain * photo


def test_attach_layout_stops_gradients():
  batch = make_batch().replace(layout=None, features=None)
  attached = step.attach_layout(Reader(), 2.0, batch)
  np.testing.assert_allclose(attached.layout.sum(-1), 1, rtol=1e-5)
  np.testing.assert_allclose(attached.features, 2 * batch.photo)

  def loss(gain, photo):
    attached = step.attach_layout(Reader(), gain, batch.replace(photo=photo))
    return jnp.square(attached.layout).sum() + jnp.square(attached.features).sum()

  to_gain, to_photo = jax.grad(loss, (0, 1))(2.0, batch.photo)
  assert to_gain == 0 and not np.asarray(to_photo).any()


# The texture stage's terms.


class Net:
  """Stands in for the texture network."""

  def apply(self, variables, photo, mask, layout, features, z, use_features):
    return photo * z.mean(-1)[:, None, None, None]


def test_pictures_are_whole_and_the_second_is_made_for_diversity_only():
  inputs = make_inputs()
  outputs = texture({"hole_l1"}).generate(Net(), {}, inputs)
  assert set(outputs) == {"filled", "whole"}
  want = Net().apply({}, inputs.photo, None, None, None, inputs.z, None)
  np.testing.assert_allclose(outputs["filled"], want, rtol=1e-5)
  want = images.seamless(inputs.photo, outputs["filled"], inputs.mask)
  np.testing.assert_allclose(outputs["whole"], want, atol=1e-6)
  outputs = texture({"diversity"}).generate(Net(), {}, inputs)
  assert set(outputs) == {"filled", "whole", "other"}
  assert not np.allclose(outputs["whole"], outputs["other"])


def test_texture_critic_compares_whole_pictures():
  inputs = make_inputs(paired=np.array([True, False, True]))
  fake = fake_for(inputs)
  pair = texture().comparison(made(fake, inputs), inputs)
  np.testing.assert_array_equal(pair.fake, np.where(inputs.mask, fake, inputs.photo))
  np.testing.assert_array_equal(pair.real, inputs.photo)
  np.testing.assert_array_equal(pair.condition[..., :1], inputs.mask)
  np.testing.assert_array_equal(pair.condition[..., 1:], inputs.layout)
  np.testing.assert_array_equal(pair.changeable, inputs.mask)
  np.testing.assert_array_equal(pair.valid, inputs.paired)


def test_photos_without_a_hole_are_not_the_critic_s_business():
  mask = make_batch().mask
  mask[0] = False
  inputs = make_inputs(mask=mask)
  fake = fake_for(inputs)
  pair = texture().comparison(made(fake, inputs), inputs)
  np.testing.assert_array_equal(pair.valid, [False, True, True])
  counts = texture().counts(inputs, LOOK)
  assert counts["critic"] == counts["adversarial"] == counts["feature_matching"] == 2
  assert counts["perceptual"] == 3
  condition = np.concatenate([mask, inputs.layout], -1)
  fake, real = (critic(x, condition, mask)[1] for x in (pair.fake, pair.real))
  want = losses.feature_distance(fake, real)[1:].mean()
  got = terms_of(pair.fake, inputs, active={"feature_matching"})["feature_matching"]
  np.testing.assert_allclose(got, want, rtol=1e-5)


def test_the_critic_may_be_left_to_move_the_detail_only():
  inputs = make_inputs()
  whole = made(fake_for(inputs), inputs)["whole"]

  def adversarial(whole, share):
    objective = texture({"adversarial"}, adversary_moves_coarse=share)
    outputs = {"filled": whole, "whole": whole}
    return objective.terms(outputs, inputs, JUDGES, critic, LOOK)["adversarial"]

  (value, slope), (want, _) = (
    jax.value_and_grad(adversarial)(whole, share) for share in (0.0, 1.0)
  )
  np.testing.assert_allclose(value, want, rtol=1e-5)
  # Moving a whole region up or down, far from its rim, is not for the critic to ask.
  assert np.abs(np.asarray(slope)).max() > 0
  np.testing.assert_allclose(np.asarray(slope).sum((1, 2)), 0, atol=1e-4)


def test_texture_critic_compares_sharpened_pictures():
  inputs = make_inputs()
  fake = fake_for(inputs)
  pair = texture(critic_sharpening=2.0).comparison(made(fake, inputs), inputs)
  real = images.sharpen(inputs.photo, 2.0)
  whole = np.where(inputs.mask, fake, inputs.photo)
  np.testing.assert_allclose(pair.real, real, rtol=1e-6)
  # Pixels that the generator cannot change are the same in both, also those beside the hole.
  want = np.where(inputs.mask, images.sharpen(whole, 2.0), real)
  np.testing.assert_allclose(pair.fake, want, rtol=1e-6)


LOOK = jax.random.key(5)  # where the layout network looks from


def terms_of(filled, inputs, other=None, **options):
  whole = made(filled if other is None else other, inputs)["whole"]
  outputs = made(filled, inputs, other=whole)
  objective = texture(**options)
  compute = jax.jit(lambda o, i, j: objective.terms(o, i, j, critic, LOOK))
  return jax.tree.map(np.asarray, compute(outputs, inputs, JUDGES))


def test_a_perfect_fill_costs_nothing():
  inputs = make_inputs()
  terms = terms_of(inputs.photo, inputs)
  assert set(terms) == set(TextureObjective.TERMS)
  for name in ("known_l1", "hole_l1", "coarse_l1", "perceptual", "style", "feature_matching"):
    np.testing.assert_allclose(terms[name], 0, atol=1e-6, err_msg=name)
  for name in ("adversarial", "layout_consistency", "diversity"):  # these have no truth
    assert np.isfinite(terms[name]), name


@pytest.mark.parametrize("objective", [LayoutObjective, TextureObjective])
def test_a_loss_is_one_entry(objective):
  """Its weight's name, its value and its count are in one place; names are unique."""
  assert objective.TERMS == tuple(term.name for term in objective.LOSSES)
  assert len(set(objective.TERMS)) == len(objective.TERMS)
  every = objective(Parser(), frozenset(objective.TERMS))
  assert every.asks_critic and not every.without_critic().asks_critic
  assert every.active - every.without_critic().active <= {"adversarial", "feature_matching"}


def test_texture_terms_by_hand():
  inputs = make_inputs()
  filled, photo, mask = fake_for(inputs), np.asarray(inputs.photo), np.asarray(inputs.mask)
  terms = terms_of(filled, inputs)
  error, hole = np.abs(filled - photo).mean(-1), mask[..., 0]
  np.testing.assert_allclose(terms["known_l1"], error[~hole].mean(), rtol=1e-5)  # on `filled`
  np.testing.assert_allclose(terms["hole_l1"], error[hole].mean(), rtol=1e-5)
  whole = np.where(mask, filled, photo)
  coarse = np.abs(images.blur(whole) - images.blur(photo)).mean(-1)
  np.testing.assert_allclose(terms["coarse_l1"], coarse[hole].mean(), rtol=1e-5)
  condition = np.concatenate([mask, inputs.layout], -1)
  np.testing.assert_allclose(terms["adversarial"], -score(whole, condition, mask).mean(), rtol=1e-4)
  fake, real = critic(whole, condition, mask)[1], critic(photo, condition, mask)[1]
  want = losses.feature_distance(fake, real).mean()
  np.testing.assert_allclose(terms["feature_matching"], want, rtol=1e-5)
  empty = np.zeros_like(mask)
  seen = images.jitter(LOOK, texture_objective.JITTER, whole, photo, inputs.layout, mask)
  (logits, fake), (_, real) = (
    Parser().apply({"params": JUDGES.layout}, images.blur(x), empty, True) for x in seen[:2]
  )
  want = losses.soft_cross_entropy(logits, seen[2], seen[3][..., 0])  # reads what was asked for
  np.testing.assert_allclose(terms["layout_consistency"], want, rtol=1e-5)
  want = losses.feature_distance(fake, real).mean()
  np.testing.assert_allclose(terms["perceptual"], want, rtol=1e-5)
  want = losses.style_distance(fake, real).mean()
  np.testing.assert_allclose(terms["style"], want, rtol=1e-5)
  other = fake_for(inputs)
  want = losses.mode_seeking(filled, other, inputs.z, inputs.other_z, mask)
  np.testing.assert_allclose(terms_of(filled, inputs, other)["diversity"], want, rtol=1e-5)


def test_without_a_truth_nothing_is_held_against_a_fill():
  paired = np.array([True, False, True])
  inputs = make_inputs(paired=paired)
  photo, noise = np.asarray(inputs.photo), fake_for(inputs)
  filled = np.where(paired[:, None, None, None] | ~inputs.mask, photo, noise)
  terms = terms_of(filled, inputs)
  for name in ("known_l1", "hole_l1", "coarse_l1", "perceptual", "style", "feature_matching"):
    np.testing.assert_allclose(terms[name], 0, atol=1e-6, err_msg=name)


def test_nothing_to_fill():
  inputs = make_inputs(mask=np.zeros((3, 8, 8, 1), bool))
  terms = terms_of(fake_for(inputs), inputs)
  assert terms.pop("known_l1") > 0
  assert all(np.isfinite(value) for value in terms.values())
  for name in set(terms) - {"diversity"}:
    np.testing.assert_allclose(terms[name], 0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", ["squeezenet", "vgg16"])
def test_another_network_looks_when_it_is_asked_to(monkeypatch, kind):
  seen = []

  def features(params, picture, dtype):
    seen.append(dtype)
    return (picture * params["gain"],)

  module = {"squeezenet": squeezenet, "vgg16": torchvision_nets}[kind]
  monkeypatch.setattr(module, f"{kind}_features", features)
  inputs = make_inputs()
  filled = fake_for(inputs)
  judges = stage.Judges(perceptual={"gain": np.float32(2)})  # the layout network is not needed
  terms = texture({"perceptual", "style"}, perceptual=kind).terms(
    made(filled, inputs), inputs, judges, critic, LOOK
  )
  assert seen == [Parser.dtype] * 2  # the configuration's
  whole = np.where(inputs.mask, filled, inputs.photo)
  # From aside: in one place always, a network is fooled by grids in step with its strides.
  look = images.jitter(LOOK, texture_objective.JITTER, whole, inputs.photo)
  for name, distance in (
    ("perceptual", losses.feature_distance), ("style", losses.style_distance),
  ):  # fmt: skip
    want = distance(*([2 * x] for x in look)).mean()
    np.testing.assert_allclose(terms[name], want, rtol=1e-5)


def test_an_unknown_perceptual_network_is_refused():
  with pytest.raises(ValueError, match="'vgg19' is not one of layout, squeezenet, vgg16"):
    texture(perceptual="vgg19")


# Labels that are not sure.


def test_the_true_layout_is_as_sure_as_its_labels():
  batch, key = make_batch(), jax.random.key(0)
  sure = RNG.random((3, 8, 8)).astype(np.float32)
  options = {"true_layout_share": 1.0, "swapped_layout_share": 0.0}
  inputs = jax.jit(texture(**options).inputs)(batch.replace(confidence=sure), key)
  labelled, c = batch.labels != VOID, sure[..., None]
  mixed = c * np.eye(NUM_CLASSES)[batch.labels] + (1 - c) * batch.layout
  want = np.where(labelled[..., None], mixed, batch.layout)
  np.testing.assert_allclose(inputs.layout, want, rtol=1e-5, atol=1e-7)
  np.testing.assert_array_equal(inputs.trust, np.where(labelled, sure, 1))
  plain = texture(**options).inputs(batch, key)
  assert plain.trust is None
  certain = texture(**options).inputs(batch.replace(confidence=np.ones_like(sure)), key)
  np.testing.assert_array_equal(certain.layout, plain.layout)
  np.testing.assert_array_equal(certain.trust, 1)


def test_predictions_and_edits_are_trusted():
  sure = np.zeros((3, 8, 8), np.float32)
  batch = make_batch().replace(confidence=sure)
  predicted = texture(true_layout_share=0.0).inputs(batch, jax.random.key(0))
  np.testing.assert_array_equal(predicted.trust, 1)
  edited = texture(true_layout_share=1.0, swapped_layout_share=1.0)
  trust = edited.inputs(batch, jax.random.key(0)).trust
  np.testing.assert_array_equal(trust, batch.mask[..., 0] | (batch.labels == VOID))


def test_a_layout_is_asked_for_where_its_labels_are_sure():
  inputs = make_inputs()
  filled = fake_for(inputs)
  trust = RNG.random((3, 8, 8)).astype(np.float32)
  active = {"layout_consistency"}
  got = terms_of(filled, inputs.replace(trust=trust), active=active)["layout_consistency"]
  whole = np.where(inputs.mask, filled, inputs.photo)
  seen, asked, hole, sure = images.jitter(
    LOOK, texture_objective.JITTER, whole, inputs.layout, inputs.mask, trust[..., None]
  )
  empty = np.zeros_like(inputs.mask)
  logits, _ = Parser().apply({"params": JUDGES.layout}, images.blur(seen), empty, True)
  ce = -(np.asarray(asked) * np.asarray(jax.nn.log_softmax(logits)))[..., :VOID].sum(-1)
  weight = np.asarray(hole * sure)[..., 0]
  np.testing.assert_allclose(got, (weight * ce).sum() / weight.sum(), rtol=1e-5)


def test_unsure_labels_teach_the_layout_network_less():
  batch = make_batch().replace(confidence=RNG.random((3, 8, 8)).astype(np.float32))
  logits = 3 * RNG.standard_normal((3, 8, 8, NUM_CLASSES)).astype(np.float32)
  active = frozenset({"cross_entropy_hole", "cross_entropy_known"})
  objective = LayoutObjective(Parser(), active)
  inputs = objective.inputs(batch, None)
  terms = objective.terms(logits, inputs, stage.Judges(), None, None)
  weights, hole = losses.class_weights(batch.labels), batch.mask[..., 0]
  for name, where in (("cross_entropy_hole", hole), ("cross_entropy_known", ~hole)):
    want = losses.cross_entropy(logits, batch.labels, where, weights, batch.confidence)
    np.testing.assert_allclose(terms[name], want, rtol=1e-5)
    count = (np.asarray(weights)[batch.labels] * batch.confidence)[where & (batch.labels != VOID)]
    np.testing.assert_allclose(objective.counts(inputs, None)[name], count.sum(), rtol=1e-5)
