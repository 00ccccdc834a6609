"""`leadart renditions` and `leadart crop`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.table import Table

from consumer.cli.shared import AsJson, EnvFile, complain, lay_out, say, settings_from

if TYPE_CHECKING:
    from consumer.admin.cropping import MasterFile
    from consumer.pictures.rendition_file import RenditionFile
    from consumer.renditions import Crop, EncodedRenditions, FocalPoint, RenditionSet
    from consumer.settings import Settings

_Made = TypeVar("_Made")

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NUMBER = r"\d{1,6}"
_CROP = re.compile(rf"([a-z][a-z0-9-]*)=({_NUMBER}),({_NUMBER}),({_NUMBER}),({_NUMBER})")

PICTURE_HELP = "A file (PNG, JPEG, WebP, AVIF), or the SHA-256 or recipe of a picture in the store."
Focal = Annotated[
    str | None, typer.Option(help="Focal point: fractions from the left and from the top, such as 0.3,0.4.")
]


def renditions(
    picture: Annotated[str | None, typer.Argument(help=f"For --sheet. {PICTURE_HELP}")] = None,
    env_file: EnvFile = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw every crop of a picture onto one sheet (PNG).", dir_okay=False)
    ] = None,
    focal: Focal = None,
    as_json: AsJson = False,
) -> None:
    """List the rendition sets, or show what they crop of a picture."""
    from consumer.pictures.rendition_file import load_renditions

    settings = settings_from(env_file)
    file = load_renditions(settings.renditions.file)
    if sheet is not None and picture is not None:
        _draw(settings, file, picture, focal, sheet)
    elif sheet is not None:
        raise typer.BadParameter("--sheet needs a picture", param_hint="PICTURE")
    elif picture is not None or focal is not None:
        sentence = "a picture and --focal are for --sheet FILE; for the files themselves use `leadart crop`"
        raise typer.BadParameter(sentence, param_hint="PICTURE")
    else:
        _list(file, as_json=as_json)


def crop(
    picture: Annotated[str, typer.Argument(help=PICTURE_HELP)],
    output: Annotated[Path, typer.Option("--out", "--output", "-o", help="Folder for the files.", file_okay=False)],
    env_file: EnvFile = None,
    focal: Focal = None,
    crops: Annotated[
        list[str] | None,
        typer.Option("--crop", help="Crop of a set in pixels, such as square=0,0,512,512; repeatable."),
    ] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="Only this set; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Crop a picture into every rendition, as a worker would, without Kafka."""
    from consumer.admin.cropping import CropOptions, order_of, write_renditions
    from consumer.pictures.rendition_file import load_renditions

    settings = settings_from(env_file)
    options = CropOptions(sets or (), _focal_point(focal), _crops(crops or []))
    file = load_renditions(settings.renditions.file)
    master = _master(settings, picture)
    order = order_of(file, options, master)
    made = _of(picture, lambda: write_renditions(master, order, output, settings.disclosure.producer))
    _report(made, output, as_json=as_json)


def _draw(settings: Settings, file: RenditionFile, picture: str, focal: str | None, sheet: Path) -> None:
    from consumer.admin.cropping import CropOptions, order_of
    from consumer.pictures.crop_sheet import crop_sheet

    options = CropOptions(focal_point=_focal_point(focal))
    master = _master(settings, picture)
    order = order_of(file, options, master)
    drawn = _of(picture, lambda: crop_sheet(master.data, order, settings.disclosure.producer))
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_bytes(drawn)
    say(f"wrote {sheet}")


def _list(file: RenditionFile, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"version": file.version, "thumbs": file.thumb, "sets": [_facts(file, s) for s in file.sets]}))
        return
    table = Table("set", "ratio", "widths", "formats (quality)", "largest file", "slots", "files")
    for each in file.sets:
        formats = ", ".join(
            f"{one.format} {one.quality}{_floor(one.quality, one.lowest_quality)}" for one in each.encodings
        )
        table.add_row(
            each.name + (" (thumbs)" if each.name == file.thumb else ""),
            _ratio(each),
            " ".join(map(str, each.widths)),
            formats,
            f"{each.largest_bytes:,}" if each.largest_bytes else "any size",
            ", ".join(file.slots.get(each.name, ("all",))),
            str(len(each.widths) * len(each.encodings)),
        )
    lay_out(table)


def _facts(file: RenditionFile, rendition_set: RenditionSet) -> dict[str, Any]:
    facts = asdict(rendition_set)
    return {
        **facts,
        "ratio": rendition_set.ratio and _ratio(rendition_set),
        "slots": file.slots.get(rendition_set.name),
    }


def _ratio(rendition_set: RenditionSet) -> str:
    return ":".join(map(str, rendition_set.ratio)) if rendition_set.ratio else "as it is"


def _floor(quality: int, lowest: int) -> str:
    return f"-{lowest}" if lowest < quality else ""


def _report(made: EncodedRenditions, folder: Path, *, as_json: bool) -> None:
    from consumer.admin.cropping import file_name

    rows = [(str(folder / file_name(each.name, each.media_type)), each) for each in made.renditions]
    if as_json:
        files = [
            {"file": file, "width": each.width, "height": each.height, "bytes": len(each.data), "sha256": each.sha256}
            | {"set": each.set, "media_type": each.media_type, "crop": asdict(each.crop)}
            for file, each in rows
        ]
        missing = [asdict(each) for each in made.missing]
        colour = {"thumbhash": made.thumbhash, "dominant_colour": made.dominant_colour}
        print(json.dumps({"renditions": files, "missing": missing, **colour}))
        return
    table = Table("file", "size", "bytes", "crop")
    for file, each in rows:
        area = f"{each.crop.width}x{each.crop.height} at {each.crop.x},{each.crop.y}"
        table.add_row(file, f"{each.width}x{each.height}", f"{len(each.data):,}", area)
    lay_out(table)
    if made.missing:
        complain(f"wider than the picture, so not made: {', '.join(lacking.name for lacking in made.missing)}")


def _master(settings: Settings, picture: str) -> MasterFile:
    from consumer.admin.cropping import MasterFile, fetch_master

    file = Path(picture)
    if not _DIGEST.fullmatch(picture) or file.exists():
        return MasterFile(file.read_bytes())
    found = asyncio.run(fetch_master(settings, picture))
    if found is None:
        sentence = f"the store has no undamaged picture with the SHA-256 or recipe {picture}"
        raise typer.BadParameter(sentence, param_hint="PICTURE")
    return found


def _of(picture: str, make: Callable[[], _Made]) -> _Made:
    try:
        return make()
    except ValueError as error:
        raise typer.BadParameter(f"{picture}: {error}", param_hint="PICTURE") from error


def _focal_point(text: str | None) -> FocalPoint | None:
    from consumer.renditions import FocalPoint
    from schemas import FocalSource

    if text is None:
        return None
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        x = y = -1.0
    if not (0 <= x <= 1 and 0 <= y <= 1):
        sentence = f"{text!r} is not a focal point: write two fractions from 0 to 1, such as 0.3,0.4"
        raise typer.BadParameter(sentence, param_hint="--focal")
    return FocalPoint(x, y, FocalSource.EDITOR)


def _crops(texts: list[str]) -> dict[str, Crop]:
    from consumer.renditions import Crop

    crops: dict[str, Crop] = {}
    for text in texts:
        match = _CROP.fullmatch(text)
        if match is None:
            sentence = f"{text!r} is not a crop: write SET=X,Y,WIDTH,HEIGHT in pixels, such as square=0,0,512,512"
            raise typer.BadParameter(sentence, param_hint="--crop")
        if match[1] in crops:
            raise typer.BadParameter(f"{match[1]} is given twice", param_hint="--crop")
        crops[match[1]] = Crop(*(int(number) for number in match.groups()[1:]))
    return crops
