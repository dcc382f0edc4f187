"""Importing one module as soon as another one is imported, and not before."""

import importlib
import sys


def after_import(name: str, follower: str) -> None:
  """Imports the module `follower` after the module `name`: now, or whenever that is imported."""
  if name in sys.modules:
    importlib.import_module(follower)
  else:
    sys.meta_path.insert(0, _Finder(name, follower))


class _Finder:
  """Finds one module, as the other finders do, and has its loader import the follower."""

  def __init__(self, name: str, follower: str):
    self._name, self._follower = name, follower

  def find_spec(self, name, path=None, target=None):
    if name != self._name:
      return None
    for finder in sys.meta_path:
      spec = None if finder is self else finder.find_spec(name, path, target)
      if spec is not None:
        spec.loader = _Loader(spec.loader, self._follower)
        return spec
    return None


class _Loader:
  """Another loader, and an import after it."""

  def __init__(self, loader, follower: str):
    self._loader, self._follower = loader, follower

  def create_module(self, spec):
    return self._loader.create_module(spec)

  def exec_module(self, module) -> None:
    module.__loader__ = module.__spec__.loader = self._loader  # nothing else need know of this one
    self._loader.exec_module(module)
    importlib.import_module(self._follower)
