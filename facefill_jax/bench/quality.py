"""bench quality: models beside the classical baselines, on the same faces and holes."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from facefill_jax import baselines, evaluate, stages, weights
from facefill_jax.data.decoding import resize_nearest
from facefill_jax.data.masks import FolderMasks
from facefill_jax.data.sources import Folder, natural
from facefill_jax.frame import Frame
from facefill_jax.hooks import sample_grid, save_picture
from facefill_jax.models import perceptual

BASELINES = ("telea", "navier_stokes")
COLUMNS = (
  ("hole PSNR", "hole_psnr_db", ".2f"),
  ("hole SSIM", "hole_ssim", ".3f"),
  ("PSNR", "frame_psnr_db", ".2f"),
  ("SSIM", "frame_ssim", ".3f"),
  ("distance", "squeezenet_distance", ".5f"),
  ("detail", "laplacian_ratio", ".2f"),
  ("med.detail", "laplacian_ratio_median", ".2f"),
  ("layout mIoU", "layout_miou", ".3f"),
)
LEGEND = """\
hole PSNR (dB) and SSIM: over hole pixels; PSNR and SSIM: over the frame; means over photos
distance: SqueezeNet perceptual distance of the frame (not LPIPS), lower is better
detail: Laplacian energy in the hole over the truth's, 1 is natural; med.: median over photos
layout mIoU: of the predicted layout, over hole pixels"""
SAMPLES = 8  # faces in a sample picture


class Faces:
  """Test photos at one size, all in memory, paired with masks that are read as they are used."""

  def __init__(self, source: Folder, bins: Mapping[str, FolderMasks], size: int, repeats: int):
    """See `quality`; photos are cut to their centre squares and resized by Lanczos."""
    items = [_resized(source[i], size) for i in range(len(source))]
    self.ids = source.ids
    self.photo = np.stack([photo for photo, _ in items])
    self.labels = np.stack([labels for _, labels in items])
    self.bins, self.size, self.repeats = bins, size, repeats

  def pairs(self) -> list[tuple[str, int, int]]:
    """(bin, photo i, mask i + j * number of photos, modulo how many there are), in order."""
    n = len(self.photo)
    return [
      (name, i, (i + j * n) % len(masks))
      for name, masks in self.bins.items() for j in range(self.repeats) for i in range(n)
    ]  # fmt: skip

  def batches(self, batch_size: int, pairs=None) -> Iterator[dict]:
    """The dicts that `evaluate` takes, of all pairs or of those given."""
    pairs = self.pairs() if pairs is None else pairs
    for start in range(0, len(pairs), batch_size):
      names, rows, picks = zip(*pairs[start : start + batch_size], strict=True)
      rows = list(rows)
      masks = [self.bins[name][k] for name, k in zip(names, picks, strict=True)]
      masks = [resize_nearest(mask, (self.size, self.size)) for mask in masks]
      mask = np.stack(masks)[..., None]
      batch = {"photo": self.photo[rows], "labels": self.labels[rows], "mask": mask}
      # Without folders to name them, bins go by hole share.
      yield batch | ({"bin": list(names)} if all(names) else {})


class Model:
  """A model from disk, as a fill at any size and for `guidance`."""

  def __init__(self, directory: str):
    self.config, params = weights.load_model(directory)
    if "texture" not in self.config["stages_trained"]:
      raise weights.ModelError(f"{directory}: its texture stage is not trained, it cannot fill")
    self.params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)
    self.networks = stages.networks_of_model(self.config)
    self.resolution = int(self.config["resolution"])
    self._fill = partial(evaluate.make_filler(self.networks), self.params)

  def __call__(self, photo: np.ndarray, mask: np.ndarray) -> dict:
    """A FillFn: at another size than the model's own, shrunk or grown, filled, and resized back."""
    size = photo.shape[1]
    if size == self.resolution:
      return self._fill(photo, mask)
    frame = Frame(0, 0, size)
    crops = [frame.crop(p, m, self.resolution) for p, m in zip(photo, mask[..., 0], strict=True)]
    cells, holes = (np.stack(x) for x in zip(*crops, strict=True))
    found = {k: np.asarray(v) for k, v in self._fill(cells, holes[..., None]).items()}
    pairs = zip(photo, mask[..., 0], found["whole"], strict=True)
    whole = np.stack([frame.paste(p, m, filled) for p, m, filled in pairs])
    layout = np.stack([frame.paste_labels(ids, (size, size)) for ids in found["layout"]])
    return {"whole": whole, "layout": layout}


_DIR = click.Path(exists=True, file_okay=False)
_SOURCE = click.Path(exists=True)


@click.command()
@click.option("--model", "models", type=_DIR, multiple=True, help="Model directory; repeatable.")
@click.option("--photos", type=_SOURCE, required=True, help="Directory or zip of test faces.")
@click.option("--labels", type=_SOURCE, default=None, help="Their label maps, by stem.")
@click.option("--masks", type=_DIR, required=True, help="Masks, white = hole; a folder a bin.")
@click.option("--size", type=click.IntRange(min=32), default=64, show_default=True)
@click.option("--masks-per-photo", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--squeezenet", type=click.Path(), default=None, help="Weights for the distance.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write all numbers.")
@click.option("--out", type=click.Path(file_okay=False), help="Write sample pictures here.")
def quality(
  models, photos, labels, masks, size, masks_per_photo, batch_size, squeezenet, json_file, out
) -> None:
  """Score fills by hole share: models, Telea and Navier-Stokes.

  Photo i gets mask i of each sub-folder of --masks (and mask i + number of photos as its second,
  and so on, starting over at the end), both sorted by name. Photos are cut to their centre square
  and resized by Lanczos, masks by nearest.
  """
  judge = perceptual.load_squeezenet(squeezenet) if squeezenet else None
  loaded = dict(zip(_names(models), map(Model, models), strict=True))
  source, bins = Folder(photos, labels or ""), mask_bins(masks)
  faces = Faces(source, bins, size, masks_per_photo)
  methods = loaded | {name: baselines.batched(name) for name in BASELINES}
  reports = {}
  for name, fill_fn in methods.items():
    click.echo(f"{name}: {len(faces.pairs())} fills", err=True)
    reports[name] = evaluate.evaluate_batches(fill_fn, faces.batches(batch_size), judge)
  click.echo(table({name: report.summary for name, report in reports.items()}))
  guided = {}
  for name, model in loaded.items():
    same = model.resolution == size
    shown = faces if same else Faces(source, bins, model.resolution, masks_per_photo)
    guided[name] = evaluate.guidance(model.networks, model.params, shown.batches(batch_size))
    click.echo(describe_guidance(name, guided[name]))
    if judge is not None and model.config.get("perceptual") == "squeezenet":
      click.echo(f"{name}: trained with SqueezeNet features: the distance is no fair judge of it")
  if out:
    draw_samples(Path(out), faces, methods, batch_size)
    click.echo(f"sample pictures are in {out}", err=True)
  if json_file:
    ids = [source.ids[i] for _, i, _ in faces.pairs()]
    settings = {"size": size, "photos": len(source), "masks_per_photo": masks_per_photo}
    content = settings | {
      "methods": {
        name: {
          "model": loaded[name].config if name in loaded else None,
          "summary": report.summary,
          "guidance": guided.get(name),
          "per_image": [
            {"id": key, **row} for key, row in zip(ids, report.per_image, strict=True)
          ],
        }
        for name, report in reports.items()
      }
    }  # fmt: skip
    Path(json_file).write_text(json.dumps(_finite(content), indent=1) + "\n", encoding="utf-8")


def mask_bins(directory: str) -> dict[str, FolderMasks]:
  """Sub-folder name -> its masks, in natural order; {"": all masks} if there are none."""
  folders = [p for p in Path(directory).iterdir() if p.is_dir() and not p.name.startswith(".")]
  folders.sort(key=lambda p: natural(p.name))
  return {p.name: FolderMasks(str(p)) for p in folders} or {"": FolderMasks(directory)}


def table(summaries: Mapping[str, Mapping[str, dict]]) -> str:
  """Method -> bin -> values, as text: a block a bin, a line a method."""
  width = max(len(name) for name in summaries) + 2
  blocks = []
  for name, first in next(iter(summaries.values())).items():
    heading = "all holes" if name == evaluate.ALL else f"hole {name} %"
    share = 100 * first["hole_ratio"]
    lines = [f"{heading}: {first['photos']} fills, {share:.1f} % hidden on average"]
    lines.append(" " * width + "".join(f"{title:>12}" for title, _, _ in COLUMNS))
    for method, summary in summaries.items():
      cells = (_cell(summary[name][key], form) for _, key, form in COLUMNS)
      lines.append(f"{method:<{width}}" + "".join(f"{cell:>12}" for cell in cells))
    blocks.append("\n".join(lines))
  return "\n\n".join([*blocks, LEGEND])


def describe_guidance(name: str, found: Mapping) -> str:
  """One line about what `evaluate.guidance` found."""
  return (
    f"{name}: given another face's layout, the parser reads the given class on "
    f"{_percent(found['given_share'])} and the predicted one on "
    f"{_percent(found['predicted_share'])} of {found['pixels']} differing hole pixels "
    f"(ratio {found['ratio']:.1f}); it reads real photos right on "
    f"{_percent(found['parser_accuracy'])}"
  )


def draw_samples(out: Path, faces: Faces, methods: Mapping, batch_size: int) -> None:
  """`<bin>.png` for each bin: masked photo, predicted layout, one column a method, the photo."""
  for name in faces.bins:
    pairs = [pair for pair in faces.pairs() if pair[0] == name][: min(SAMPLES, batch_size)]
    (batch,) = faces.batches(batch_size, pairs)
    padded = evaluate.pad_batch(batch, batch_size)
    found = {
      method: {k: v if v is None else np.asarray(v)[: len(pairs)] for k, v in result.items()}
      for method, fill_fn in methods.items()
      for result in [fill_fn(padded["photo"], padded["mask"])]
    }
    layouts = [result["layout"] for result in found.values() if result["layout"] is not None]
    layout = layouts[0] if layouts else batch["labels"]
    # Four columns a method: all but the fill are the same, and are shown once.
    grids = [
      np.split(sample_grid(batch["photo"], batch["mask"], layout, result["whole"]), 4, axis=1)
      for result in found.values()
    ]
    columns = [*grids[0][:2], *(grid[2] for grid in grids), grids[0][3]]
    save_picture(str(out / f"{name or 'samples'}.png"), np.concatenate(columns, axis=1))


def _resized(item: Mapping, size: int) -> tuple[np.ndarray, np.ndarray]:
  """Photo uint8 (size, size, 3) and labels uint8 (size, size) of the centre square."""
  photo, labels = item["photo"], item["labels"]
  side = min(labels.shape)
  top, left = ((extent - side) // 2 for extent in labels.shape)
  window = np.s_[top : top + side, left : left + side]
  resized = Image.fromarray(photo[window]).resize((size, size), Image.Resampling.LANCZOS)
  return np.asarray(resized), resize_nearest(labels[window], (size, size))


def _names(directories: tuple[str, ...]) -> list[str]:
  """A name a model: its folder's, or its run's if that is just "model"; the path if two agree."""
  paths = [Path(d).resolve() for d in directories]
  short = [path.parent.name if path.name == "model" else path.name for path in paths]
  names = [s if short.count(s) == 1 else str(d) for s, d in zip(short, directories, strict=True)]
  if len(set(names)) < len(names) or set(names) & set(BASELINES):
    raise ValueError(f"models need names of their own, got {', '.join(names)}")
  return names


def _cell(value: float | None, form: str) -> str:
  return "-" if value is None else format(value, form)


def _percent(share: float) -> str:
  return f"{100 * share:.1f} %"


def _finite(content):
  """The same with None for numbers that JSON does not have."""
  if isinstance(content, Mapping):
    return {key: _finite(value) for key, value in content.items()}
  if isinstance(content, list | tuple):
    return [_finite(value) for value in content]
  if isinstance(content, float) and not np.isfinite(content):
    return None
  return content
