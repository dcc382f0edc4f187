"""A bucket that is a local folder: gs://NAME/x is FOLDER/NAME/x, for epath and for orbax."""

import os
from pathlib import Path

from etils.epath import backend, gpath
from orbax.checkpoint._src.path import gcs_utils

_METHODS = (
  "open", "exists", "isdir", "listdir", "glob", "makedirs", "mkdir", "rmtree", "remove", "copy",
  "stat", "walk", "rename", "replace",
)  # fmt: skip


class FakeBucket(backend._OsPathBackend):
  """Like a bucket it makes the folders that a file needs, and cannot append."""

  def __init__(self, folder: Path):
    self.folder = folder

  def local(self, path):
    path = os.fspath(path)
    return str(self.folder / path[len("gs://") :]) if path.startswith("gs://") else path


def _mapped(name):
  inherited = getattr(backend._OsPathBackend, name)

  def method(self, path, *args, **kwargs):
    if name == "open":
      assert "a" not in args[0], "objects cannot be appended to"
      if "w" in args[0]:
        os.makedirs(os.path.dirname(self.local(path)), exist_ok=True)
    args = [self.local(x) if isinstance(x, str | os.PathLike) else x for x in args]
    found = inherited(self, self.local(path), *args, **kwargs)
    if name == "glob":
      return [f"gs://{Path(each).relative_to(self.folder)}" for each in found]
    return found

  return method


for _name in _METHODS:
  setattr(FakeBucket, _name, _mapped(_name))


def install(monkeypatch, folder: Path) -> None:
  """Until the test ends, gs:// is in `folder`."""
  bucket = FakeBucket(folder)
  monkeypatch.setitem(gpath._PREFIX_TO_BACKEND, "gs", bucket)
  monkeypatch.setattr(gpath, "_is_tf_installed", lambda: False)
  monkeypatch.setattr(gcs_utils, "is_hierarchical_namespace_enabled", lambda path: False)
  monkeypatch.setattr(
    gcs_utils, "rmtree", lambda path, missing_ok=False: path.rmtree(missing_ok=missing_ok)
  )
  monkeypatch.setattr(
    gcs_utils, "get_kvstore_for_gcs", lambda path: {"driver": "file", "path": bucket.local(path)}
  )
