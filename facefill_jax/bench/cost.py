"""bench cost: parameters and arithmetic of every network, part by part, counted and not timed."""

import json
import math
from functools import partial
from pathlib import Path

import click
import jax
import jax.numpy as jnp

from facefill_jax.models import networks as networks_lib
from facefill_jax.models.cnn_branch import CnnBranch
from facefill_jax.models.vit_branch import VitBranch
from facefill_jax.stages import optimisers, step
from facefill_jax.stages.stage import OBJECTIVES, Judges, make_stage

PARTS = ("CNN branch", "ViT branch", "fusion + decoder", "layout network", "generator", "critic",
         "both stages")  # fmt: skip


def count(tree) -> int:
  """How many numbers a tree of arrays (or shapes) holds."""
  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def flops(fn, *shapes) -> float:
  """Floating-point operations of a traced function, as XLA counts them before optimising."""
  return float(jax.jit(fn).lower(*shapes).cost_analysis()["flops"])


def measure(size: str, resolution: int) -> dict[str, dict[str, float]]:
  """Part -> {"parameters": ..., "gflop": of one forward pass of one photo}."""
  networks, numbers = networks_lib.build_networks(size), networks_lib.SIZES[size]
  inputs = jax.eval_shape(lambda: networks_lib.example_inputs(networks, resolution))
  result = {}

  def add(name, net, shapes):
    params = jax.eval_shape(lambda *args: net.init(networks_lib.key(), *args), *shapes)
    result[name] = {
      "parameters": count(params),
      "gflop": flops(lambda p, *args: net.apply(p, *args), params, *shapes) / 1e9,
    }

  seen = jax.ShapeDtypeStruct((1, resolution, resolution, 4), jnp.float32)
  mask = inputs["layout"][1]
  add("CNN branch", CnnBranch(numbers.stem, numbers.widths), (seen, mask))
  add("ViT branch", VitBranch(*numbers.vit), (seen,))
  add("layout network", networks.layout, inputs["layout"])
  add("generator", networks.texture, inputs["texture"])
  add("critic", networks.texture_critic, inputs["texture_critic"])
  result["fusion + decoder"] = {
    key: result["layout network"][key] - result["CNN branch"][key] - result["ViT branch"][key]
    for key in ("parameters", "gflop")
  }
  result["both stages"] = {
    key: result["layout network"][key] + result["generator"][key] for key in ("parameters", "gflop")
  }
  return {name: result[name] for name in PARTS}


def training_gflop(size: str, resolution: int, losses, batch: int = 2) -> dict[str, float]:
  """GFLOP per photo of a whole training step (critic, penalty, judges and all), a stage."""
  networks = networks_lib.build_networks(size)
  optimiser = optimisers.Optimiser("adam", 1e-4, 0.0, 0.99, 0.0, 1.0, 0, 0, 1)
  images_in = jax.ShapeDtypeStruct((batch, resolution, resolution, 3), jnp.uint8)
  labels_in = jax.ShapeDtypeStruct((batch, resolution, resolution), jnp.uint8)
  mask_in = jax.ShapeDtypeStruct((batch, resolution, resolution, 1), jnp.bool_)
  data = jax.eval_shape(step.make_batch, images_in, labels_in, mask_in)
  layout_params = jax.eval_shape(
    partial(networks_lib.init_params, networks, networks_lib.LAYOUT, resolution=resolution),
    networks_lib.key(),
  )
  seen = jax.eval_shape(partial(step.attach_layout, networks.layout), layout_params, data)
  judges = {
    networks_lib.LAYOUT: Judges(),
    networks_lib.TEXTURE: Judges(layout=layout_params),
  }
  result = {}
  for name in networks_lib.STAGES:
    stage = make_stage(
      name, networks, judges[name], losses=losses[name], optimiser=optimiser,
      critic_optimiser=optimiser,
    )  # fmt: skip
    init = partial(step.init_state, stage, networks, resolution=resolution)
    state = jax.eval_shape(init, networks_lib.key())
    batch_in = data if name == networks_lib.LAYOUT else seen
    result[name] = flops(step.train_step, stage, state, batch_in, networks_lib.key()) / 1e9 / batch
  return result


LOSSES = {name: dict.fromkeys(OBJECTIVES[name].TERMS, 1) for name in networks_lib.STAGES}
LOSSES[networks_lib.TEXTURE] |= {"style": 0, "feature_matching": 0, "diversity": 0}
"""Which terms the training cost includes; the adversary is WGAN-GP, its penalty at each step."""


@click.command()
@click.option("--size", "sizes", multiple=True, type=click.Choice(tuple(networks_lib.SIZES)))
@click.option("--resolution", default=256, show_default=True, help="Side of the photo in pixels.")
@click.option("--training", is_flag=True, help="Also count a whole training step of each stage.")
@click.option("--json", "out", type=click.Path(dir_okay=False), help="Write the numbers here.")
def cost(sizes, resolution, training, out) -> None:
  """Count parameters and GFLOP per photo of the networks, part by part."""
  sizes = sizes or tuple(networks_lib.SIZES)
  table = {size: measure(size, resolution) for size in sizes}
  if training:
    for size in sizes:
      for name, gflop in training_gflop(size, resolution, LOSSES).items():
        table[size][f"training step, {name}"] = {"gflop": gflop}
  click.echo(f"parameters (M) / forward GFLOP per photo at {resolution} px")
  click.echo("| part | " + " | ".join(sizes) + " |")
  click.echo("| --- |" + " --- |" * len(sizes))
  for part in next(iter(table.values())):
    cells = []
    for size in sizes:
      found = table[size][part]
      million = f"{found['parameters'] / 1e6:.2f} / " if "parameters" in found else ""
      cells.append(f"{million}{found['gflop']:.1f}")
    click.echo(f"| {part} | " + " | ".join(cells) + " |")
  if out:
    Path(out).write_text(json.dumps({"resolution": resolution, "sizes": table}, indent=2) + "\n")
