"""Opens the data of a run: the sources that it trains on, and the photos that it holds out."""

from facefill_jax.data import bad_records
from facefill_jax.data.drawn.faces import DrawnFaces
from facefill_jax.data.sets import records, splits
from facefill_jax.data.sets.records import Records
from facefill_jax.data.sets.tfds_faces import TfdsFaces
from facefill_jax.data.sources import Folder, Subset, hold_out, spread
from facefill_jax.data.vocabularies import OURS, Vocabulary

KINDS = ("drawn", "folder", "records", "tfds")
_KEPT = 10_000  # so many drawn faces are kept in memory: 164 MB at 64 px
DRAWN_HELD_OUT = 2**30  # drawn faces from this index on are never trained on


def open_data(
  *,
  kind: str,
  path: str = "",
  split: str = "all",
  labels: str = "",
  unlabelled: tuple[str, ...] = (),
  unlabelled_share: float = 0.5,
  held_out: int = 50,
  held_out_path: str = "",
  held_out_labels: str = "",
  vocabulary: str = OURS,
  confidence: str = "",
  drawn_faces: int = 100_000,
  zoom: tuple[float, float] = (1.0, 1.0),
  on_bad_record: str = "error",
  resolution: int,
  seed: int,
):
  """Opens the sources of a run.

  Args:
    kind: "drawn" (no files), "folder", "records" (a set that `facefill data build` made) or "tfds"
      (any set with photos that TFDS prepared in array_record).
    path: directory or .zip of photos; or the directory of the set.
    split: for sets, which photos are trained on and which are held out, see `data.sets.splits`; its
      test part is neither. "all" holds out `held_out` of them.
    labels: directory or .zip of label PNGs with the photos' names, or "".
    vocabulary: what the ids in `labels` and `held_out_labels` mean; see `data.vocabularies`.
    confidence: directory or .zip of grey PNGs with the names of photos of `path`: how sure their
      labels are. With it all items have "confidence", 255 (sure) where there is no such file.
    unlabelled: more directories or .zips of photos, without labels.
    unlabelled_share: share of the samples that come from `unlabelled`, evenly from each.
    held_out: how many photos of `path` are never trained on, unless `held_out_path` is given.
    held_out_path, held_out_labels: held-out photos in a folder of their own.
    drawn_faces: how many different faces are drawn.
    on_bad_record: "error" or "skip"; see `data.bad_records`.
    resolution, zoom: large JPEGs are decoded no larger than these need; see `pipeline.batches`.
    seed: of the drawing and of the choice of the held-out photos.

  Returns:
    ([(source, weight), ...], held-out source); see `data.sources` for what a source is.

  Raises:
    ValueError: an unknown kind, no path, a path without photos, or one of up to 64 files of each
      source that were tried cannot be read or does not fit (with "skip": too many); one line.
  """
  bad_records.check_choice(on_bad_record)
  if kind not in KINDS:
    raise ValueError(f"data.kind {kind!r} is not one of {', '.join(KINDS)}")
  Vocabulary(vocabulary)  # names the valid ones
  if kind != "folder" and (confidence or vocabulary != OURS):
    raise ValueError(
      f"data.vocabulary and data.confidence are for the kind 'folder'; {kind!r} has its own labels"
    )
  if kind == "drawn":
    faces = DrawnFaces(resolution, seed, 0, drawn_faces, keep=drawn_faces <= _KEPT)
    return [(faces, 1.0)], DrawnFaces(resolution, seed, DRAWN_HELD_OUT, max(held_out, 1))
  if not path:
    raise ValueError(
      "data.path is empty: give --config.data.path=DIRECTORY (or .zip) of photos, or of a built set"
    )
  if not 0 <= unlabelled_share < 1:
    raise ValueError(f"data.unlabelled_share must be in [0, 1), got {unlabelled_share}")
  if not 0 < zoom[0] <= zoom[1] <= 1:
    raise ValueError(f"data.zoom must be 0 < low <= high <= 1, got {zoom}")
  min_size = int(resolution / zoom[0])
  if kind != "folder" and (labels or held_out_path or held_out_labels):
    raise ValueError(
      "data.labels, data.held_out_path and data.held_out_labels are for the kind 'folder'; "
      f"{kind!r} has its own labels and holds out by data.split"
    )
  maps = {"vocabulary": vocabulary, "confidence": "" if confidence else None}  # "": all are sure
  main = (
    Folder(path, labels, min_size=min_size, vocabulary=vocabulary, confidence=confidence or None)
    if kind == "folder"
    else (Records if kind == "records" else TfdsFaces)(path)
  )
  if kind != "folder" and split != "all":
    main, kept = _divide(main, split)
  elif held_out_path:
    kept = Folder(held_out_path, held_out_labels, min_size=resolution, **maps)
  else:
    main, kept = hold_out(main, held_out, seed)
  if not len(kept):
    raise ValueError("data.held_out is 0: evaluation and samples need 1 photo or more")
  more = [Folder(each, min_size=min_size, **maps) for each in unlabelled]
  for source in (main, *more):
    check_items(source, on_bad_record)
  share = unlabelled_share if more else 0.0
  weights = [1.0 - share, *(share / len(more) for _ in more)]
  return list(zip([main, *more], weights, strict=True)), kept


def open_source(
  path: str, labels: str = "", *, min_size: int | None = None, vocabulary: str = OURS
) -> Folder | Records:
  """The photos of one place, whatever holds them.

  Args:
    path: directory or .zip of photos, or the directory of a built set.
    labels: directory or .zip of their label PNGs, or "".
    min_size, vocabulary: see `Folder`.

  Raises:
    ValueError: as `Folder` and `Records`; labels given for a built set, which has its own.
  """
  if records.is_build(path):
    if labels:
      raise ValueError(f"labels: {path} is a built set and has its own")
    return Records(path)
  return Folder(path, labels, min_size=min_size, vocabulary=vocabulary)


def has_layouts(kind: str, labels: str, source) -> bool:
  """Whether a layout network can learn from the first source of `open_data`, by its kind."""
  if kind in ("records", "tfds"):
    return any(source.source.labelled[i] for i in source.indices)
  return kind == "drawn" or (kind == "folder" and bool(labels))


def _divide(source, split: str) -> tuple[Subset, Subset]:
  """(train, held out) of a set, by the train and validation parts of a split."""
  parts = splits.divide(split, source.ids, source.numbers, source.official)
  for part in ("train", "validation"):
    if not parts[part]:
      raise ValueError(
        f"data.split {split!r} leaves nothing for {part} of the {len(source)} photos; take another "
        "one, or 'all' with data.held_out"
      )
  return Subset(source, parts["train"]), Subset(source, parts["validation"])


def check_items(source, on_bad_record: str = "error", count: int = 64) -> None:
  """Decodes up to `count` items, spread over the source; BadRecordError names a bad one.

  Before minutes of compiling, and not at the step that happens to draw it.
  """
  indices = spread(len(source), count)
  for _ in bad_records.good_items(source, indices, on_bad_record):
    pass
