from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save_file

from consumer.engine.weights.header import HEADER_CAP, read_header
from consumer.errors import Fatal
from schemas import Reason
from tests.support.checkpoints import entry, raw

ONE = entry("F32", [1], 0, 4)


def refusal(file: Path) -> str:
    """Return the message with which the file is refused."""
    with pytest.raises(Fatal) as refused:
        read_header(file)
    assert refused.value.reason is Reason.MODEL_UNAVAILABLE
    assert file.name in refused.value.message
    return refused.value.message


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps({}))
    return buffer.getvalue()


def test_a_file_of_the_library_is_read(tmp_path: Path) -> None:
    """From a file that safetensors wrote, names, dtypes, shapes and positions of the bytes are read."""
    file = tmp_path / "some.safetensors"
    state = {"b": torch.ones(2, 3, dtype=torch.bfloat16), "a": torch.zeros(0, 4), "c": torch.tensor(1.0)}
    save_file(state, file, {"by": "test"})
    header = read_header(file)
    assert header.metadata == {"by": "test"}
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in header.tensors.items()} == {
        "b": ("BF16", (2, 3)),
        "a": ("F32", (0, 4)),
        "c": ("F32", ()),
    }
    place = header.tensors["c"]
    assert file.read_bytes()[place.begin : place.end] == b"\x00\x00\x80\x3f"


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".ckpt", ".pkl", ".PT"])
def test_pickles_are_refused_unread(tmp_path: Path, suffix: str) -> None:
    """A file with the suffix of a pickle is not even opened: it need not exist."""
    assert "pickled, which may run code, so it was not read" in refusal(tmp_path / f"model{suffix}")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.safetensors", pickle.dumps({"a": 1}), "is a pickle"),
        ("a.safetensors", pickle.dumps({"a": 1}, protocol=2), "is a pickle"),
        ("a.safetensors", zipped(), "is a zip archive"),
        ("a.safetensors", b"GGUF\x03\x00\x00\x00" + bytes(64), "is a GGUF file"),
        ("a.gguf", bytes(64), "is a GGUF file"),
        ("a.safetensors", b"", "is empty or nearly so (0 bytes)"),
        ("a.safetensors", b"hello, these are weights", "not a safetensors file of a model"),
        ("a.safetensors", (1000).to_bytes(8, "little") + b"{", "ends inside its header"),
        ("a.safetensors", (HEADER_CAP + 1).to_bytes(8, "little"), f"more than {HEADER_CAP}"),
        ("a.txt", bytes(64), "is not a .safetensors file"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    """The content determines a file's kind, whatever its name, and the message says which it is."""
    (tmp_path / name).write_bytes(content)
    assert complaint in refusal(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A path without a file has another message than a bad file."""
    assert "cannot be read: No such file" in refusal(tmp_path / "a.safetensors")


@pytest.mark.parametrize("ending", [0x80, 0x50])
def test_a_length_may_look_like_magic(tmp_path: Path, ending: int) -> None:
    """A header whose length begins with the first byte of a pickle or a zip is still a header."""
    text = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    padded = text.ljust(256 + ending)
    assert read_header(raw(tmp_path / "a.safetensors", padded, bytes(4))).tensors.keys() == {"a"}


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (b'{"a": %s, "a": %s}' % ((b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}',) * 2), "names a twice"),
        (b'{"a": {"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}', "names dtype twice"),
        (b"[1]", "not JSON of tensors"),
        (b"{", "not JSON of tensors"),
        (b"\xff\xfe", "not JSON of tensors"),
        (b"[" * 100_000, "not JSON of tensors"),
        (b'{"a": NaN}', "holds NaN"),
        ({}, "without a tensor"),
        ({"__metadata__": {"a": "b"}}, "without a tensor"),
        ({"__metadata__": {"a": 1}, "a": ONE}, "whose __metadata__ is not text"),
        ({"a": 1}, "a does not have exactly dtype, shape and data_offsets"),
        ({"a": {**ONE, "extra": 1}}, "a does not have exactly dtype, shape and data_offsets"),
        ({"a": entry("F8_E8M0", [4], 0, 4)}, "unknown dtype F8_E8M0"),
        ({"a": {**ONE, "shape": [-1]}}, "an invalid shape or offsets"),
        ({"a": {**ONE, "shape": [True]}}, "an invalid shape or offsets"),
        ({"a": {**ONE, "shape": [2**64]}}, "an invalid shape or offsets"),
        ({"a": {**ONE, "data_offsets": [0]}}, "an invalid shape or offsets"),
        ({"a": entry("F32", [2], 0, 4)}, "does not have the bytes of its shape"),
        ({"a": entry("F32", [1], 4, 8)}, "overlaps another tensor or leaves a gap"),
        ({"a": ONE, "b": ONE}, "overlaps another tensor or leaves a gap"),
        ({"a": ONE, "b": entry("F32", [1], 4, 8)}, "it is cut off, or has extra bytes at its end"),
        ({"\x1b[2J": 1}, r"\x1b[2J does not have exactly dtype"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, header: object, complaint: str) -> None:
    """Duplicate names, unknown dtypes, and shapes or offsets that do not match the file each have their message."""
    assert complaint in refusal(raw(tmp_path / "a.safetensors", header, bytes(4)))


def test_a_tail_is_refused(tmp_path: Path) -> None:
    """Bytes that belong to no tensor may be anything, so the file is refused."""
    assert "or has extra bytes at its end" in refusal(raw(tmp_path / "a.safetensors", {"a": ONE}, bytes(5)))


@pytest.mark.parametrize(
    "header",
    [
        b'{"__metadata__":{"by":"\\ud800"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[-0,4]}}',
        b'{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"norm_final.weight":{"dtype":"F32","shape":[%d,%d,0],"data_offsets":[4,4]}}' % (2**62, 2**62),
    ],
)
def test_what_the_library_refuses_is_refused(tmp_path: Path, header: bytes) -> None:
    """Headers that our reader would accept but safetensors does not are refused with a message."""
    assert "has a header that safetensors refuses (" in refusal(raw(tmp_path / "a.safetensors", header, bytes(4)))


def test_what_is_no_file_is_refused_unread(tmp_path: Path) -> None:
    """A pipe, a device and a folder are not opened, not even through a link: a pipe would block for ever."""
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "link.safetensors").symlink_to(tmp_path / "pipe.safetensors")
    (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("pipe", "link", "zero", "folder"):
        assert "is not a regular file, so it was not read" in refusal(tmp_path / f"{name}.safetensors")


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    """Links are followed: a hub's cache, for example, consists of them."""
    raw(tmp_path / "blob.safetensors", {"a": ONE}, bytes(4))
    (tmp_path / "a.safetensors").symlink_to(tmp_path / "blob.safetensors")
    assert read_header(tmp_path / "a.safetensors").tensors.keys() == {"a"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "F8_E4M3", "C64"]) | json_values,
        "shape": st.lists(st.integers(-1, 9), max_size=3) | json_values,
        "data_offsets": st.lists(st.integers(-1, 64), min_size=2, max_size=2) | json_values,
    }
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "any.safetensors"


@given(st.dictionaries(st.text(max_size=6) | st.just("__metadata__"), entries | json_values, max_size=4), st.binary())
def test_any_header_is_read_or_refused(scratch: Path, header: dict[str, object], payload: bytes) -> None:
    """JSON of any shape gives tensors that lie inside the file, or the refusal, and never another error."""
    _read_or_refuse(raw(scratch, header, payload))


@given(st.binary(max_size=200))
@example(b"9" * 5000)
def test_any_text_in_the_header_is_read_or_refused(scratch: Path, text: bytes) -> None:
    """The same holds for bytes that may not even be JSON."""
    _read_or_refuse(raw(scratch, text))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(scratch: Path, content: bytes) -> None:
    """The same holds for bytes that are no safetensors file at all."""
    scratch.write_bytes(content)
    _read_or_refuse(scratch)


def _read_or_refuse(file: Path) -> None:
    try:
        header = read_header(file)
    except Fatal:
        return
    assert all(8 <= tensor.begin <= tensor.end <= file.stat().st_size for tensor in header.tensors.values())
