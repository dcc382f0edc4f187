"""What each kind of weights is: its arrays, who publishes it, and which metrics need it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from facefill_jax.pretrained_nets import (
  inception,
  lpips_nets,
  mobileface,
  squeezenet,
  torchvision_nets,
)


@dataclass(frozen=True)
class Kind:
  """One kind of weights.

  Attributes:
    name: its name, and that of its files.
    what: the network, in words, with the file's name at its publisher.
    publisher: where to get it.
    arguments: what to give to `facefill weights convert` behind the name.
    metrics: the keys of the metrics that need it; none if it is there for training.
    implementation: one line for reports.
    expected_shapes: (names of the arrays that there are) -> name -> shape of those wanted.
    arrange: name -> array as stored, to what the network takes.
  """

  name: str
  what: str
  publisher: str
  arguments: str
  metrics: tuple[str, ...]
  implementation: str
  expected_shapes: Callable[[Iterable[str]], dict[str, tuple[int, ...]]]
  arrange: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def _lpips(net: str, words: str, file: str) -> Kind:
  return Kind(
    name=f"lpips_{net}",
    what=f"torchvision's {words} ({file}) with the LPIPS v0.1 heads ({net}.pth)",
    publisher="download.pytorch.org/models and github.com/richzhang/PerceptualSimilarity",
    arguments=f"{file} {net}.pth",
    metrics=(f"frame_lpips_{net}", f"hole_lpips_{net}"),
    implementation=f"LPIPS v0.1 with torchvision's {words}, at the size scored, as the package "
    "lpips 0.1.4; hole: mean of its spatial map over the hole",
    expected_shapes=lambda _: lpips_nets.expected_shapes(net),
    arrange=lpips_nets.arrange,
  )


INCEPTION = Kind(
  name="inception_fid",
  what="pytorch-fid's Inception v3 (pt_inception-2015-12-05-6726825d.pth)",
  publisher="github.com/mseitzer/pytorch-fid, release fid_weights",
  arguments="pt_inception-2015-12-05-6726825d.pth",
  metrics=("fid", "kid", "p_ids", "u_ids"),
  implementation="Inception v3 of 2015-12-05 as in pytorch-fid 0.3.0: 2048 features, bilinear to "
  "299 px without antialiasing",
  expected_shapes=lambda _: inception.expected_shapes(),
  arrange=inception.arrange,
)
SQUEEZENET = Kind(
  name="squeezenet_caffe",
  what="SqueezeNet 1.1 of the Caffe release, its arrays named conv1.w, fire2.squeeze1x1.w, ...",
  publisher="github.com/forresti/SqueezeNet, SqueezeNet_v1.1",
  arguments="FILE.npz",
  metrics=("frame_squeezenet", "hole_squeezenet"),
  implementation="SqueezeNet 1.1 (Caffe) feature distance with equal channel weights: not LPIPS",
  expected_shapes=lambda _: squeezenet.expected_shapes(),
  arrange=squeezenet.arrange,
)
VGG16 = Kind(
  name="vgg16",
  what="torchvision's VGG16 (vgg16-397923af.pth)",
  publisher="download.pytorch.org/models",
  arguments="vgg16-397923af.pth",
  metrics=(),
  implementation="torchvision's VGG16 up to relu4_3, for the loss texture.perceptual=vgg16",
  expected_shapes=lambda _: torchvision_nets.expected_shapes(torchvision_nets.VGG_TO_4),
  arrange=torchvision_nets.arrange,
)
_CROP = (
  f"cosine, of the middle {mobileface.CROP[1]:.0%} of the frame at {mobileface.SIDE} px, nothing "
  "aligned: for faces framed as in CelebA-HQ"
)
MOBILEFACE = Kind(
  name="mobileface",
  what="MobileFace Identification V3 (MobileFace_Identification_V3-0000.params)",
  publisher="github.com/becauseofAI/MobileFace, MobileFace_Identification",
  arguments="MobileFace_Identification_V3-0000.params",
  metrics=("identity",),
  implementation=f"MobileFace Identification V3, {_CROP}",
  expected_shapes=lambda _: mobileface.expected_shapes(),
  arrange=mobileface.arrange,
)

KNOWN: dict[str, Kind] = {
  kind.name: kind
  for kind in (
    _lpips("alex", "AlexNet", "alexnet-owt-7be5be79.pth"),
    _lpips("vgg", "VGG16", "vgg16-397923af.pth"),
    _lpips("squeeze", "SqueezeNet 1.1", "squeezenet1_1-b8a52dc0.pth"),
    INCEPTION,
    SQUEEZENET,
    MOBILEFACE,
    VGG16,
  )
}
KINDS = tuple(KNOWN)
"""The names of all kinds."""
