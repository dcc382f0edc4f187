"""CelebA-HQ at 512 px: what the paper leaves for later.

Reproduces: nothing published. The choices of celebahq_256.py at twice the resolution; attention
still looks at 256 keys a scale, so that the cost grows with the pixels and not with their square.

    python -m facefill_jax.main --config=configs/celebahq_512.py --workdir=runs/celebahq_512 \
        --config.data.path=CelebA-HQ-img --config.data.labels=LABELS

Progressive: 64, 128, 256 and then 512 px, at which an image costs four times that of
celebahq_256.py; at first no very large holes.
Cost: about 1.2e18 FLOP (`base`), seven tenths of them at 512 px. Estimated, not run.
Variants: `:smoke` (drawn faces, size `tiny`, 64 px, seconds), `:small`, `:base` (this), `:paper`.
"Ours" marks our own choices; see README.md, "The paper and our deviations".
"""

from ml_collections import ConfigDict


def get_config(variant: str = "base") -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.size = "base"  # tiny, small, base or paper: the table in README.md
  c.dtype = "bfloat16"  # of computation; parameters are float32
  c.resolution = 64  # side in pixels; a multiple of 32, from 64 up
  c.batch_size = 128  # over all devices
  c.total_images = 2_000_000  # ours, not yet run in full
  c.stages = "both"  # layout, texture (on a frozen layout, see init_from), or both
  c.texture_starts_at_images = 250_000  # ours: before that, layouts say nothing yet
  c.judge_every_steps = 200  # how often the layout network that judges is refreshed
  c.init_from = ""  # a run or the directory of a model to go on from; pretrained: the package's
  c.squeezenet_file = ""  # weights for the SqueezeNet distance in evaluation (and as a loss)
  c.vgg16_file = ""  # for texture.perceptual vgg16: what `facefill weights convert vgg16` wrote
  c.lpips_vgg_file = ""  # weights of LPIPS-VGG, by which held-out fills are scored, too
  c.log_every_steps = 100
  c.stop_after_minutes = 0.0  # of a lent machine: ends in time, as if finished; 0: never
  c.micro_batches = 1  # parts of a batch whose gradients are summed: less memory, the same step
  c.remat = False  # make activations again for the gradient, not keep them: less memory, more time
  # What changes from which image on: configs/README.md. Faces first, then their pores: ours.
  c.phases = (
    {"from_images": 200_000, "resolution": 128, "batch_size": 64},
    {"from_images": 600_000, "resolution": 256, "mask_ratio": (0.05, 0.95)},
    {"from_images": 1_400_000, "resolution": 512, "batch_size": 32},
  )
  c.debug_nans = False  # name the module that makes a NaN; see configs/README.md
  c.mesh = ConfigDict({"data": -1})  # devices along the batch; -1: all
  c.model = ConfigDict({"attention_values": "unpooled", "class_style": True})  # ablations
  c.model.symmetry = True  # ours: the texture network sees the face mirrored about its axis, too
  c.model.layout_resolution = 256  # side at which layouts are predicted, at most; 0: any (paper)
  c.model.layout_sharpening = 3.0  # ours: a layout that wavers is a blur; 1: as it is (paper)

  c.data = ConfigDict()
  c.data.kind = "folder"  # drawn, folder, records or tfds: configs/README.md
  c.data.about = "CelebA-HQ with CelebAMask-HQ layouts"  # one line for the model card
  c.data.path = ""  # directory or .zip of photos, or of a built set
  c.data.split = "lama"  # for records and tfds: `facefill data splits` says what there is
  c.data.labels = ""  # directory or .zip of label PNGs with the photos' names; may be empty
  c.data.unlabelled = ()  # more photos, without labels
  c.data.unlabelled_share = 0.5  # of the samples, if there are any
  c.data.held_out = 2_000  # photos kept for evaluation, chosen by a hash of their names ...
  c.data.held_out_path = ""  # ... unless they are a folder of their own
  c.data.held_out_labels = ""
  c.data.vocabulary = "celebamask_hq"  # of the label PNGs: configs/README.md lists them
  c.data.confidence = ""  # grey PNGs, how sure the labels are: `facefill data label --confidence`
  c.data.zoom = (0.85, 1.0)  # side of the cut, relative to the short side: ours, mild
  c.data.flip = True
  # Share of the photos, and strengths 0..1 of data/augmentation.py: off. Many, framed alike.
  c.data.augment = ConfigDict({"share": 0.0, "affine": 0.0, "colour": 0.0, "blur": 0.0})
  c.data.drawn_faces = 100_000  # for the kind "drawn": how many different ones
  c.data.workers = 8  # processes that decode; 0: two threads
  c.data.on_bad_record = "error"  # or skip: replaced by another and counted, up to .1 %

  c.masks = ConfigDict()
  # Mixed by weight: ours. 12 % empty, so that the layout network is a face parser too.
  c.masks.weights = ConfigDict(
    {"free_form": 0.56, "box": 0.1, "half": 0.06, "border": 0.06, "part": 0.1, "empty": 0.12}
  )
  c.masks.folder = ""  # for the kind "folder"
  c.masks.ratio = (0.05, 0.7)  # hole share of all but the empty ones; up to .95 from 256 px on

  c.layout = ConfigDict()
  c.layout.losses = ConfigDict(
    # Ours: the hole is what matters; the known part is easy.
    {"cross_entropy_hole": 2.0, "cross_entropy_known": 1.0, "dice": 1.0, "adversarial": 0.02}
  )
  c.layout.optimiser = ConfigDict(
    {
      "name": "adamw", "lr": 4e-4, "b1": 0.9, "b2": 0.99, "weight_decay": 0.01, "clip": 1.0,
      "warmup_images": 64_000, "decay_images": 1_000_000,
    }
  )  # fmt: skip
  c.layout.critic_optimiser = ConfigDict(
    {
      "name": "adam", "lr": 4e-4, "b1": 0.0, "b2": 0.99, "weight_decay": 0.0, "clip": 0.0,
      "warmup_images": 0, "decay_images": 0,
    }
  )  # fmt: skip
  c.layout.adversary = "wgan_gp"  # or hinge_r1
  c.layout.penalty = 10.0  # Gulrajani et al. 2017
  c.layout.penalty_every = 1  # steps
  c.layout.drift = 1e-3  # Karras et al. 2018 (progressive GAN)
  c.layout.generator_every = 1  # critic steps per generator step
  c.layout.only = ()  # modules of the generator that learn, the others held; (): all
  c.layout.adversary_starts_at_images = 0  # 0: at once
  c.layout.ema_half_life_images = 10_000.0  # Karras et al. 2021 (StyleGAN3) use 10k
  # For few faces, of which the critic tires: strength, 0..0.8, is the probability of each kind of
  # random change of what it sees; 0: none. Zhao et al. 2020 (DiffAugment).
  c.layout.augment = ConfigDict(
    {"strength": 0.0, "target": 0.0, "adapt_images": 500_000, "kinds": ("translation", "zoom")}
  )

  c.texture = ConfigDict()
  c.texture.losses = ConfigDict(
    # Ours. The layout must outweigh what the surroundings suggest, or it is not obeyed. Fine detail
    # is mostly the critic's business: full L1 asks for its mean, which is none.
    {
      "known_l1": 5.0, "hole_l1": 3.0, "coarse_l1": 9.0, "perceptual": 3.0, "style": 0.0,
      "adversarial": 2.0, "layout_consistency": 8.0, "feature_matching": 1.0, "diversity": 0.0,
    }
  )  # fmt: skip
  c.texture.perceptual = "layout"  # or squeezenet or vgg16, with their files
  c.texture.true_layout_share = 0.5
  c.texture.swapped_layout_share = 0.3
  c.texture.drop_features_share = 0.3
  c.texture.critic_sharpening = 4.0  # ours: detail weighs as much as colour
  c.texture.adversary_moves_coarse = 0.25  # ours: colours are the other terms' business, mostly
  c.texture.optimiser = ConfigDict(
    {
      "name": "adam", "lr": 4e-4, "b1": 0.9, "b2": 0.99, "weight_decay": 0.0, "clip": 10.0,
      "warmup_images": 64_000, "decay_images": 1_000_000,
    }
  )  # fmt: skip
  c.texture.critic_optimiser = ConfigDict(
    {
      "name": "adam", "lr": 4e-4, "b1": 0.0, "b2": 0.99, "weight_decay": 0.0, "clip": 0.0,
      "warmup_images": 0, "decay_images": 0,
    }
  )  # fmt: skip
  c.texture.adversary = "wgan_gp"  # or hinge_r1
  c.texture.penalty = 10.0
  c.texture.penalty_every = 1  # steps
  c.texture.drift = 1e-3
  c.texture.generator_every = 1
  c.texture.only = ()  # modules of the generator that learn, the others held; (): all
  # Ours: colours first; a critic of mere smears teaches little, at twice the cost of a step.
  c.texture.adversary_starts_at_images = 400_000
  c.texture.ema_half_life_images = 10_000.0
  # The same; with hinge_r1 a target, 0.6 in Karras et al. 2020 (ADA), moves the probability, by up
  # to 1 in adapt_images (theirs), until that is the mean sign of the critic on real photos. There
  # is "cutout", too, of little use to them.
  c.texture.augment = ConfigDict(
    {
      "strength": 0.0, "target": 0.0, "adapt_images": 500_000,
      "kinds": ("translation", "zoom", "colour"),
    }
  )  # fmt: skip

  c.eval = ConfigDict()
  c.eval.every_steps = 2_000
  c.eval.count = 256  # held-out faces
  c.eval.raw_count = 64  # of them, filled with the raw weights, too; 0: none
  c.eval.train_count = 256  # training faces, scored alike: do they do better? 0: none
  c.eval.batch_size = 8  # also the rows of a sample grid
  c.eval.masks_folder = ""  # folder of masks; empty: free-form ones
  c.eval.ratio = (0.1, 0.6)  # hole share of those

  c.checkpoint = ConfigDict({"every_steps": 2_000, "every_minutes": 10.0, "keep": 2})

  if variant in ("small", "base", "paper"):
    c.size = variant
    if variant == "paper":
      c.model.layout_resolution, c.model.symmetry = 0, False
      c.model.layout_sharpening = 1.0
  elif variant == "smoke":
    c.size, c.data.kind, c.data.about, c.data.drawn_faces = "tiny", "drawn", "drawn faces", 64
    c.batch_size, c.total_images, c.texture_starts_at_images = 8, 32, 0
    c.texture.adversary_starts_at_images = 0
    c.phases = ({"from_images": 16, "resolution": 96, "batch_size": 4},)
    c.resolution, c.dtype, c.data.workers, c.data.held_out = 64, "float32", 0, 8
    c.log_every_steps, c.eval.every_steps, c.eval.count = 1, 2, 8
    c.eval.raw_count, c.eval.train_count = 8, 8
  else:
    raise ValueError(f"variant {variant!r} is not one of smoke, small, base, paper")
  return c
