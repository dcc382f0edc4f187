"""A run's directory as `facefill eval` would write it: drawn faces, drawn masks, real fillings.

`python tests/evaluation/fake_run.py DIR [METHOD [PHOTOS [SIZE]]]` makes one to look at. Errors are
measured; LPIPS and the like are stand-ins, so that pages have something of every kind to show.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np

from facefill_jax.data.drawn.faces import DrawnFaces
from facefill_jax.data.masks import patterns
from facefill_jax.evaluation import sample_grid, statistics
from facefill_jax.filling import classical
from facefill_jax.metrics import image, ssim

BINS = ("1-10", "10-20", "20-30", "30-40", "40-50", "50-60")
METHODS = {"telea": "telea", "ns": "navier_stokes"}
SAID = {  # key: unit, better, region, implementation
  "hole_l1": ("", "lower", "hole", "mean absolute difference of RGB in 0..1"),
  "frame_l1": ("", "lower", "frame", "mean absolute difference of RGB in 0..1"),
  "hole_psnr": ("dB", "higher", "hole", "10 log10(1 / mean squared difference), at most 100 dB"),
  "frame_psnr": ("dB", "higher", "frame", "10 log10(1 / mean squared difference), at most 100 dB"),
  "hole_ssim": ("", "higher", "hole", "Gaussian 11 x 11, sigma 1.5, per RGB channel, rim cropped"),
  "frame_ssim": ("", "higher", "frame", "the same over the whole frame"),
  "hole_lpips_vgg": ("", "lower", "hole", "a stand-in, made of the L1 error"),
  "frame_squeezenet": ("", "lower", "frame", "a stand-in, which the model would have seen"),
  "laplacian_ratio": ("", "one", "hole", "Laplacian energy over the truth's, sums over all fills"),
  "identity": ("", "higher", "", "a stand-in"),
}
NOT_COMPUTED = {
  "hole_lpips_alex": ("lower", "hole", "needs weights lpips_alex, which are not there"),
  "layout_miou": ("higher", "hole", "no label maps were given"),
  "fid": ("lower", "", "needs 2,048 pictures, this run has {fills}"),
  "kid": ("lower", "", "needs 100 pictures, this run has {fills}"),
}
CHECKS = {
  "known_pixels": {"passed": True, "detail": "0 of 1,093,632 known values differ in 240 fills"},
  "layout_from_known_only": {"passed": False, "detail": "3 of 8 layouts changed with the hidden "
                             "pixels replaced"},
  "layout_adherence": {"passed": True, "pixels": 20210, "given_share": 0.66,
                       "predicted_share": 0.26, "ratio": 2.54},
}  # fmt: skip


def build(directory, method="telea", photos=6, size=48, name=None, photo_name=None) -> Path:
  """Writes a run of len(BINS) fills a photo.

  Args:
    directory: made if it does not exist.
    method: of METHODS.
    photos, size: faces, and the side of their pictures.
    name: of the run; the method's otherwise.
    photo_name: the file name of the first photo.
  """
  directory = Path(directory)
  (directory / "examples").mkdir(parents=True)
  faces = [DrawnFaces(size, seed=3)[i] for i in range(photos)]
  ids = [
    photo_name if photo_name and i == 0 else f"{face['id']}.png" for i, face in enumerate(faces)
  ]
  pairs = [(b, i, mask) for b in BINS for i, mask in enumerate(_masks(b, photos, size))]
  truth = np.stack([faces[i]["photo"] for _, i, _ in pairs])
  mask = np.stack([mask for _, _, mask in pairs])[..., None]
  whole = classical.batched(METHODS[method])(truth, mask)["whole"]
  values, energies = _values(whole, truth, mask)
  heads = {
    "id": [ids[i] for _, i, _ in pairs], "photo": [ids[i] for _, i, _ in pairs],
    "mask": [f"{b}/{i:05d}.png" for b, i, _ in pairs], "bin": [b for b, _, _ in pairs],
  }  # fmt: skip
  rows = (
    heads | {"hole_ratio": mask.mean((1, 2, 3)), "seconds": np.full(len(pairs), 0.004)} | values
  )
  with open(directory / "per_image.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(rows)
    writer.writerows(zip(*rows.values(), strict=True))
  content = {
    "format": 1, "run": _about(name or method, method, size, len(pairs)), "bins": list(BINS),
    "metrics": _metrics(values, energies, heads), "checks": CHECKS,
  }  # fmt: skip
  (directory / "metrics.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
  labels = np.stack([faces[i]["labels"] for _, i, _ in pairs])
  _examples(directory / "examples", heads, values, (truth, mask, labels, whole))
  return directory


def _masks(name: str, number: int, size: int) -> list[np.ndarray]:
  """The first drawn masks that lie in a bin."""
  low, high = (int(edge) / 100 for edge in name.split("-"))
  found, index = [], 0
  while len(found) < number:
    mask = patterns.draw("mat_small" if low < 0.2 else "mat_large", 0, index, size)
    found += [mask] if low <= mask.mean() < high else []
    index += 1
  return found


def _values(whole, truth, mask) -> tuple[dict, tuple[np.ndarray, np.ndarray]]:
  """Metric -> (n,); and the Laplacian energies of fills and truth."""
  difference = whole / 255.0 - truth / 255.0
  square, size = difference**2, np.maximum(mask.sum((1, 2, 3)) * 3, 1)
  a, b = (np.float32(x) / 127.5 - 1.0 for x in (whole, truth))
  energies = tuple(np.asarray(image.laplacian_energy(x, mask), np.float64) for x in (a, b))
  l1 = np.abs(difference).sum((1, 2, 3)) / size
  jitter = np.random.default_rng(0).normal(1.0, 0.1, len(l1))
  with np.errstate(divide="ignore", invalid="ignore"):
    detail = np.where(energies[1] > 0, energies[0] / energies[1], np.nan)
  return {
    "hole_l1": l1,
    "frame_l1": np.abs(difference).mean((1, 2, 3)),
    "hole_psnr": -10 * np.log10(square.sum((1, 2, 3)) / size),
    "frame_psnr": -10 * np.log10(square.mean((1, 2, 3))),
    "hole_ssim": np.asarray(ssim.ssim(a, b, mask), np.float64),
    "frame_ssim": np.asarray(ssim.ssim(a, b), np.float64),
    "hole_lpips_vgg": 2.6 * l1 * jitter,
    "frame_squeezenet": 0.05 * l1 * mask.mean((1, 2, 3)) * jitter,
    "laplacian_ratio": detail,
    "identity": 1 - 3.0 * l1 * mask.mean((1, 2, 3)) * jitter,
  }, energies


def _metrics(values: dict, energies, heads: dict) -> dict:
  bins, photos = np.array(heads["bin"]), np.array(heads["photo"])

  def score(key, where):
    statistic = statistics.mean(values[key][where])
    if key == "laplacian_ratio":
      statistic = statistics.ratio(energies[0][where], energies[1][where])
    found = statistics.bootstrap(statistic, photos[where], draws=300)
    return {"value": found.value, "low": found.low, "high": found.high, "count": found.count}

  entries = {}
  for key, (unit, better, region, implementation) in SAID.items():
    entries[key] = {
      "unit": unit, "better": better, "region": region, "implementation": implementation,
      "trained_on": key == "frame_squeezenet", "not_computed": None,
      "all": score(key, np.ones(len(bins), bool)), "bins": {b: score(key, bins == b) for b in BINS},
    }  # fmt: skip
  nothing = {"value": None, "low": None, "high": None, "count": 0}
  for key, (better, region, why) in NOT_COMPUTED.items():
    entries[key] = {
      "unit": "", "better": better, "region": region, "implementation": f"{key}, its source",
      "trained_on": False, "not_computed": why.format(fills=len(bins)), "all": nothing,
      "bins": dict.fromkeys(BINS, nothing),
    }  # fmt: skip
  return entries


def _about(name: str, method: str, size: int, fills: int) -> dict:
  return {
    "name": name, "method": method, "photos": "faces", "masks": "masks/nvidia", "seed": 0,
    "model": None, "masks_per_photo": 1, "size": size, "fills": fills, "seconds_per_photo": 0.0041,
    "hardware": {"platform": "cpu", "devices": 1, "processor": "x86-64", "cores": 2},
    "versions": {"facefill_jax": "0.1.0", "jax": "0.10.0", "numpy": "2.3.1", "opencv": "4.12.0"},
  }  # fmt: skip


def _examples(directory: Path, heads: dict, values: dict, pictures) -> None:
  order = np.argsort(-values["hole_psnr"])
  rows, middle = min(4, len(order)), len(order) // 2
  truth, mask, labels, whole = pictures
  index = {}
  for name, picked in (
    ("best", order[:rows]), ("median", order[middle : middle + rows]), ("worst", order[-rows:]),
  ):  # fmt: skip
    sheet = sample_grid.sample_grid(truth[picked], mask[picked], labels[picked], whole[picked])
    sample_grid.save_picture(str(directory / f"{name}.png"), sheet)
    index[name] = [
      {"id": heads["id"][i], "bin": heads["bin"][i], "hole_psnr": float(values["hole_psnr"][i])}
      for i in picked
    ]
  (directory / "examples.json").write_text(json.dumps(index), encoding="utf-8")


if __name__ == "__main__":
  where, method, photos, size = (sys.argv[1:] + ["telea", "6", "48"][len(sys.argv) - 2 :])[:4]
  build(where, method, int(photos), int(size))
