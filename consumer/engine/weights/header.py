"""Strict reader of safetensors headers: 8 bytes of length and JSON, from an untrusted file.

The safetensors library alone is too lenient: it accepts headers of 100 MB, and two tensors of one name over the same
bytes, the last of which wins.
"""

import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from consumer.engine.weights.refusal import PICKLED, refused, shown

HEADER_CAP = 8 * 1024 * 1024
"""Size limit of a header in bytes; the full model's, with 521 tensors, has under 100 KB."""

_SIZES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
_CONVERT = "Save the weights as safetensors (bf16, fp16 or fp32) where they were trained."
_AGAIN = "Copy or download it again and compare its SHA-256."
_MAGIC = (
    (b"PK\x03\x04", "is a zip archive, as torch.save writes it: it may run code, so it was not read", _CONVERT),
    (b"\x80", "is a pickle: it may run code, so it was not read", _CONVERT),
    (b"GGUF", "is a GGUF file, which holds quantised weights", "Use the checkpoint it was made from, as safetensors."),
)


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's entry in the header: `begin` and `end` are bytes from the start of its file."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """A file's tensors by name, and its metadata."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]


class _Malformed(ValueError):
    """The problem with a header, as words that follow "has a header"."""


def read_header(file: Path) -> SafetensorsHeader:
    """Read a file's header and nothing else of it.

    Raises Fatal for anything but a complete safetensors file: also for duplicate names, gaps, overlaps, unknown dtypes
    and whatever the library does not open.
    """
    if file.suffix.lower() in PICKLED:
        raise refused(file, "is pickled, which may run code, so it was not read", _CONVERT)
    try:
        size = require_regular(file)
        with file.open("rb") as opened:
            start = opened.read(8)
            _refuse_by_magic(file, start)
            length = _length(file, start, size)
            text = opened.read(length)
    except OSError as error:
        raise refused(file, f"cannot be read: {error.strerror}", "Check the path and its rights.") from error
    try:
        header = _parse(file, text, 8 + length, size)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, _Malformed) else "that is not JSON of tensors"
        raise refused(file, f"has a header {what}", _AGAIN) from error
    _require_library_opens(file)
    return header


def require_regular(file: Path) -> int:
    """Return a file's size. Raises Fatal unless it is a regular file (opening a pipe would block), and OSError."""
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        raise refused(file, "is not a regular file, so it was not read", "Put the file itself there, or a link to it.")
    return found.st_size


def _require_library_opens(file: Path) -> None:
    """Have the library that loads the file check it too: it refuses some headers that we accept."""
    try:
        with safe_open(file, framework="numpy"):
            return
    except Exception as error:
        what = f"has a header that safetensors refuses ({shown(str(error))})"
        raise refused(file, what, "Save it again with safetensors, or copy it again.") from error


def _refuse_by_magic(file: Path, start: bytes) -> None:
    for magic, what, remedy in _MAGIC:
        # A safetensors file begins with a length below 8 MiB: its last five bytes are zero.
        if start.startswith(magic) and start[3:] != b"\x00" * 5:
            raise refused(file, what, remedy)
    if file.suffix.lower() == ".gguf":
        raise refused(file, _MAGIC[-1][1], _MAGIC[-1][2])
    if file.suffix != ".safetensors":
        raise refused(file, "is not a .safetensors file", _CONVERT)


def _length(file: Path, start: bytes, size: int) -> int:
    if len(start) < 8:
        raise refused(file, f"is empty or nearly so ({size} bytes)", _AGAIN)
    length = int.from_bytes(start, "little")
    if length > HEADER_CAP:
        what = f"would have a header of {length} bytes, more than {HEADER_CAP}: it is not a safetensors file of a model"
        raise refused(file, what, _AGAIN)
    if 8 + length > size:
        raise refused(file, f"ends inside its header ({size} bytes)", _AGAIN)
    return length


def _parse(file: Path, text: bytes, start: int, size: int) -> SafetensorsHeader:
    content = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    if not isinstance(content, dict):
        raise _Malformed("that is not JSON of tensors")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _Malformed("whose __metadata__ is not text")
    tensors = {name: _tensor(file, name, entry, start) for name, entry in content.items()}
    if not tensors:
        raise _Malformed("without a tensor")
    _check_tiling(tensors, start, size)
    return SafetensorsHeader(tensors, metadata)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Malformed(f"that names {shown(name)} twice")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise _Malformed(f"that holds {name}")


def _tensor(file: Path, name: str, entry: object, start: int) -> TensorInfo:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _Malformed(f"in which {shown(name)} does not have exactly dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _SIZES:
        hint = "if it is quantised, use the bf16 or fp16 file that it was made from"
        raise _Malformed(f"in which {shown(name)} has the unknown dtype {shown(str(dtype))} ({hint})")
    if not (_naturals(shape) and _naturals(offsets) and len(offsets) == 2 and len(shape) <= 8):
        raise _Malformed(f"in which {shown(name)} has an invalid shape or offsets")
    if offsets[1] - offsets[0] != math.prod(shape) * _SIZES[dtype]:
        raise _Malformed(f"in which {shown(name)} does not have the bytes of its shape")
    return TensorInfo(file, dtype, tuple(shape), start + offsets[0], start + offsets[1])


def _naturals(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


def _check_tiling(tensors: Mapping[str, TensorInfo], start: int, size: int) -> None:
    """Raise unless every byte of the payload belongs to exactly one tensor."""
    place = start
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != place:
            raise _Malformed(f"in which {shown(name)} overlaps another tensor or leaves a gap")
        place = tensor.end
    if place != size:
        raise _Malformed(
            f"that describes {place} bytes where the file has {size}: it is cut off, or has extra bytes at its end"
        )
