"""How the fills of the same faces became what they are: the sample grids as one moving picture."""

import math
import re
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageDraw

from facefill_jax import files
from facefill_jax.training import reports

COLUMNS, FILLED = 4, 2  # of a sample grid, and which of them moves
NAME = "history.webp"
FRAMES = 60
LARGEST = 768  # pixels of the longer side: four seconds of one core for FRAMES of them
FRAME_MS, LAST_MS = 120, 2_000
BAR = 14  # height of the bar with the step, in pixels


class History:
  """Writes `history.webp` in a thread, so that training need not wait for it."""

  def __init__(self):
    self._pool = ThreadPoolExecutor(1, "history")
    self._newest: Future | None = None

  def write(self, folder: files.PathLike, step: int) -> None:
    """Begins to write, once the last one is written; see `write_history`."""
    if self._newest is not None:
      self._newest.result()
    self._newest = self._pool.submit(_write_or_warn, folder, step)

  def close(self) -> None:
    """Waits for the picture that is being written."""
    self._pool.shutdown()
    if self._newest is not None:
      self._newest.result()


def _write_or_warn(folder: files.PathLike, step: int) -> None:
  with reports.left_out(folder):
    write_history(folder, step)


def write_history(folder: files.PathLike, step: int) -> str:
  """Writes `history.webp` beside the grids `<step>.png` of `folder`, from them alone.

  A resumed run needs nothing else; pictures of steps that it has not yet reached again are left
  out, and so are, with a warning, files that are no grids. WebP: all colours, a third of a GIF's
  bytes, and ten times as fast to write.

  Args:
    folder: grids of square faces as `sample_grid.sample_grid` draws them, of any size and number;
      frames get the size of the newest.
    step: the newest that counts.

  Returns:
    The path. Frames are at most FRAMES, evenly thinned, with their step above them.

  Raises:
    ValueError: there is no grid.
  """
  folder = files.to_path(folder)
  found = sorted(
    (int(path.name[:-4]), path) for path in folder.iterdir() if re.fullmatch(r"\d+\.png", path.name)
  )
  found = [(number, path) for number, path in found if number <= step]
  places = np.linspace(0, len(found) - 1, min(FRAMES, len(found))).round().astype(int)
  frames = []
  for number, path in (found[place] for place in places):
    try:
      frames.append(_frame(path, number))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
      reports.warn(path, f"is no sample grid and left out of {NAME}: {error}")
  if not frames:
    raise ValueError(f"{folder} holds no sample grid up to step {step}")
  size = frames[-1].size
  frames = [frame if frame.size == size else frame.resize(size) for frame in frames]
  with files.replacing(folder / NAME) as part:
    frames[0].save(
      part, "WEBP", save_all=True, append_images=frames[1:], loop=0, quality=90, method=0,
      duration=[FRAME_MS] * (len(frames) - 1) + [LAST_MS],
    )  # fmt: skip
  return str(folder / NAME)


def _frame(path, step: int) -> Image.Image:
  """The filled faces of a grid, side by side, under a bar with the step."""
  with path.open("rb") as file, Image.open(file) as picture:
    grid = np.asarray(picture.convert("RGB"))
  side = grid.shape[1] // COLUMNS
  if not side or grid.shape[0] < side or grid.shape[0] % side or grid.shape[1] % COLUMNS:
    raise ValueError(f"{grid.shape[1]} x {grid.shape[0]} pixels are not rows of {COLUMNS} squares")
  rows = grid.shape[0] // side
  faces = grid[:, FILLED * side : (FILLED + 1) * side].reshape(rows, side, side, 3)
  across = math.ceil(math.sqrt(rows))
  down = math.ceil(rows / across)
  tile_side = max(1, int(side * min(1.0, LARGEST / (side * max(across, down)))))
  sheet = Image.new("RGB", (across * tile_side, BAR + down * tile_side))
  for i, face in enumerate(faces):
    tile = Image.fromarray(face).resize((tile_side, tile_side))
    sheet.paste(tile, (i % across * tile_side, BAR + i // across * tile_side))
  ImageDraw.Draw(sheet).text((3, 1), f"step {step:,}", fill="white")
  return sheet
