"""Pairs and copies in turn, until every image of every visit has its copy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bundle.ingest.copies import Copied, CopyTask, copy_image
from bundle.ingest.pairing import pair
from bundle.ingest.parallel import run_all
from bundle.ingest.pseudonym import Pseudonyms
from bundle.ingest.records import Described, LeftOut, Visit
from bundle.ingest.settings import Settings

SAME_PIXELS = "the same pixels as an image of another eye or patient"


def images_of(visits: Sequence[Visit]) -> list[Described]:
    """The images of the visits, each once."""
    return list({image.number: image for visit in visits for image in visit.images}.values())


def pair_and_copy(
    described: list[Described], settings: Settings, names: Pseudonyms
) -> tuple[list[Visit], dict[int, Copied], list[LeftOut]]:
    """Pair, copy, and pair again without what could not be copied: the next best image takes its place.

    Returns the visits, {number: copy} of their images, and everything that is left out.
    """
    failed: dict[int, LeftOut] = {}
    copied: dict[int, Copied] = {}
    while True:
        visits, left_out = pair([one for one in described if one.number not in failed], settings.window_days)
        wanted = [image for image in images_of(visits) if image.number not in copied]
        if not wanted:
            used = {image.number for image in images_of(visits)}
            return visits, {n: one for n, one in copied.items() if n in used}, left_out + list(failed.values())
        tasks = [_task(image, settings, names) for image in wanted]
        results = run_all(copy_image, tasks, jobs=settings.jobs, label="copying images", progress=settings.progress)
        for result in results:
            if isinstance(result, LeftOut):
                failed[result.number] = result
            else:
                copied[result.number] = result
        failed |= _same_pixels([image for image in described if image.number in copied], copied)


def _task(image: Described, settings: Settings, names: Pseudonyms) -> CopyTask:
    relative = image.members[0].relative_to(settings.source).as_posix()
    stamps = [(file.name, *_stamp(file)) for file in image.members]
    name = f"{names.patient(image.person.key)}_{image.eye}_{names.image(f'{image.kind} {relative}')}"
    return CopyTask(
        number=image.number, kind=image.kind, eye=image.eye, path=image.path, members=image.members,
        name=name, out=settings.out,
        signature=names.signature(repr((relative, stamps, image.burned_in))), burned_in=image.burned_in,
        keep_burned_in=settings.keep_burned_in,
    )  # fmt: skip


def _stamp(file: Path) -> tuple[int, int]:
    """Size and time of change; a file that vanished since it was described gets neither, and its copy fails."""
    try:
        state = file.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _same_pixels(images: list[Described], copied: dict[int, Copied]) -> dict[int, LeftOut]:
    """Images that are equal though they should show different eyes: a mix-up, and nobody can tell which is right."""
    by_pixels: dict[str, list[Described]] = defaultdict(list)
    for image in images:
        by_pixels[copied[image.number].pixels].append(image)
    groups = [group for group in by_pixels.values() if len({(one.person.key, one.eye) for one in group}) > 1]
    return {one.number: one.left_out(SAME_PIXELS) for group in groups for one in group}
