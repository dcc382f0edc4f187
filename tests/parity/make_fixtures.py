"""Runs the reference packages on seeded inputs and writes `fixtures.json` beside itself.

    pip install -e '.[parity]' && python tests/parity/make_fixtures.py

LPIPS by `lpips` and Inception by `pytorch_fid`, their own code on torchvision's networks, all
weights replaced by `recipes.weight`; FID by `pytorch_fid`, KID by `cleanfid`, P-IDS and U-IDS by
scikit-learn, SSIM by scikit-image. Nothing is downloaded.
"""

import json
import re
import sys
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import recipes
import torch

PACKAGES = ("lpips", "pytorch-fid", "clean-fid", "scikit-image", "scikit-learn", "torch",
            "torchvision", "numpy", "scipy")  # fmt: skip


def import_torchvision() -> None:
  """Imports torchvision also where its compiled operators do not fit torch (a CPU build, say).

  Its networks need none of them; only descriptions of their shapes stop the import.
  """
  register = torch.library.register_fake
  own = "torchvision::"
  torch.library.register_fake = lambda name, *args, **options: (
    (lambda function: function) if name.startswith(own) else register(name, *args, **options)
  )
  try:
    import torchvision  # noqa: F401
  finally:
    torch.library.register_fake = register


def to_torch(photos: np.ndarray, low: float) -> torch.Tensor:
  """uint8 (b, h, w, 3) -> float32 (b, 3, h, w) in [low, 1]."""
  x = photos.astype(np.float32).transpose(0, 3, 1, 2) / np.float32(255)
  return torch.from_numpy(x * np.float32(1 - low) + np.float32(low))


def fill_with_recipe(module: torch.nn.Module, names: dict[str, str]) -> None:
  """Overwrites every tensor whose name is in `names` (name in the module -> name of the recipe)."""
  state = module.state_dict()
  for name, recipe in names.items():
    state[name] = torch.from_numpy(recipes.weight(recipe, tuple(state[name].shape)))
  module.load_state_dict(state)


def lpips_values(net: str) -> dict:
  import lpips

  model = lpips.LPIPS(net=net, pnet_rand=True, pretrained=False, verbose=False)
  names = {}
  for name in model.state_dict():
    slices = name.split(".")
    if slices[0] == "net":  # net.slice2.3.weight is features.3.weight of torchvision
      names[name] = ".".join(["features", *slices[2:]])
    elif slices[0] == "lins":  # the same tensors again
      names[name] = f"lin{slices[1]}.model.1.weight"
    elif slices[0].startswith("lin"):
      names[name] = name
  fill_with_recipe(model, names)
  a, b = (to_torch(recipes.photos(name, *recipes.LPIPS_SIZE), -1.0) for name in ("a", "b"))
  with torch.no_grad():
    distance = model(a, b)
    model.spatial = True
    spatial = model(a, b)
  rows, columns = recipes.EVERY_PIXEL
  return {
    "distance": distance.reshape(-1).tolist(),
    "map": spatial[:, 0, ::rows, ::columns].tolist(),
  }


def inception_values() -> dict:
  from pytorch_fid import inception

  skeleton = inception._inception_v3(num_classes=1008, aux_logits=False, weights=None)
  recipe_state = {
    name: x if name.endswith("num_batches_tracked") or name.startswith("fc.")
    else torch.from_numpy(recipes.weight(name, tuple(x.shape)))
    for name, x in skeleton.state_dict().items()
  }  # fmt: skip
  # The only thing replaced: where its weights come from.
  inception.load_state_dict_from_url = lambda *_, **__: recipe_state
  model = inception.InceptionV3().eval()
  with torch.no_grad():
    (pooled,) = model(to_torch(recipes.photos("inception", *recipes.INCEPTION_SIZE), 0.0))
  features = pooled[:, :, 0, 0]
  return {
    "largest": float(features.max()),
    "features": features[:, :: recipes.EVERY_FEATURE].tolist(),
  }


def set_values() -> dict:
  from cleanfid.fid import kernel_distance
  from pytorch_fid.fid_score import calculate_frechet_distance
  from sklearn.svm import LinearSVC

  fills, real = recipes.features()
  moments = [x for side in (fills, real) for x in (side.mean(axis=0), np.cov(side, rowvar=False))]
  np.random.seed(5)
  kid = kernel_distance(fills, real, num_subsets=7, max_subset_size=50)
  np.random.seed(0)
  kid_all = kernel_distance(fills, real, num_subsets=3)
  photos, changed = recipes.pairs()
  classifier = LinearSVC(dual=False)
  both, truth = np.concatenate([photos, changed]), np.array([1] * 200 + [0] * 200)
  classifier.fit(both, truth)
  p_ids = (classifier.decision_function(changed) > classifier.decision_function(photos)).mean()
  return {
    "fid": float(calculate_frechet_distance(*moments)),
    "kid_7_of_50_seed_5": kid,
    "kid_3_of_all_seed_0": kid_all,
    "p_ids": float(p_ids),
    "u_ids": float(1 - classifier.score(both, truth)),
  }


def ssim_values() -> list[float]:
  from skimage.metrics import structural_similarity

  a, b = (recipes.photos(name, *recipes.LPIPS_SIZE) for name in ("a", "b"))
  return [
    float(structural_similarity(
      x, y, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5,
      use_sample_covariance=False,
    ))
    for x, y in zip(a, b, strict=True)
  ]  # fmt: skip


def main() -> None:
  warnings.simplefilter("ignore")  # of packages that are older than their own dependencies
  torch.manual_seed(0)
  torch.use_deterministic_algorithms(True)
  import_torchvision()
  found = {
    "made_with": {name: metadata.version(name) for name in PACKAGES},
    "lpips": {net: lpips_values(net) for net in ("alex", "vgg", "squeeze")},
    "inception": inception_values(),
    "sets": set_values(),
    "ssim": ssim_values(),
  }
  path = Path(__file__).with_name("fixtures.json")
  path.write_text(_compact(json.dumps(found, indent=1)) + "\n", encoding="utf-8")
  print(f"wrote {path}: {path.stat().st_size} bytes", file=sys.stderr)


def _compact(text: str) -> str:
  """Lists of numbers on one line each."""
  number = r"-?[\d.e+-]+"
  lists = rf"\[\s+{number}(,\s+{number})*\s+\]"
  return re.sub(lists, lambda found: re.sub(r"\s+", " ", found.group()), text)


if __name__ == "__main__":
  main()
