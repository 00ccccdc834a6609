"""`consumer.renditions`: values that name what was made of a master."""

from dataclasses import replace

from consumer.renditions import CENTRE, Crop, Encoding, RenditionFormat, RenditionOrder, RenditionSet
from schemas.pictures import FocalSource

HERO = RenditionSet("hero", (16, 9), (640, 960), (Encoding(RenditionFormat.AVIF, 60, 40),))
ORDER = RenditionOrder((HERO,), CENTRE)


def test_equal_orders_have_equal_digests() -> None:
    """What was made for an order is found again by anybody who asks for the same."""
    assert RenditionOrder((replace(HERO),), replace(CENTRE)).digest == ORDER.digest


def test_every_field_counts() -> None:
    """An order that differs anywhere has another digest."""
    others = (
        replace(ORDER, sets=(replace(HERO, widths=(640,)),)),
        replace(ORDER, sets=(replace(HERO, largest_bytes=9000),)),
        replace(ORDER, focal_point=replace(CENTRE, x=0.25)),
        replace(ORDER, focal_point=replace(CENTRE, source=FocalSource.EDITOR)),
        replace(ORDER, crops={"hero": Crop(0, 0, 160, 90)}),
    )
    assert len({ORDER.digest, *(other.digest for other in others)}) == len(others) + 1


def test_a_format_has_its_media_type() -> None:
    """Media types are those that browsers know."""
    assert [each.media_type for each in RenditionFormat] == ["image/avif", "image/webp", "image/jpeg"]
