"""The checks of the doctor that need no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.admin.doctor import CheckStatus, _policy, _renditions, _styles
from consumer.errors import Fatal
from consumer.settings import Settings
from consumer.settings.resources import bundled


async def test_the_adapters_of_the_styles_are_looked_up_in_their_folder(tmp_path: Path) -> None:
    """What the worker would refuse at its start is reported without loading the model."""
    file, folder = tmp_path / "styles.toml", tmp_path / "adapters"
    shipped = bundled("styles.toml").read_text(encoding="utf-8")
    file.write_text(shipped + 'adapters = [{ name = "print.house" }]\n', encoding="utf-8")
    settings = Settings.model_validate({"styles": {"file": file}, "engine": {"adapters": folder}})
    with pytest.raises(Fatal, match="is not there"):
        await _styles(settings)

    folder.mkdir()
    (folder / "other.safetensors").touch()
    with pytest.raises(Fatal, match=r"'print\.house', but the engine has other"):
        await _styles(settings)

    (folder / "print.house.safetensors").touch()
    (result,) = await _styles(settings)
    assert result.status is CheckStatus.OK


async def test_a_rendition_file_is_checked_as_a_worker_reads_it(tmp_path: Path) -> None:
    """A mistake is told with its line, before a worker ends of it; a file without sets is a choice."""
    file = tmp_path / "renditions.toml"
    settings = Settings.model_validate({"renditions": {"file": file}})
    file.write_text('[sets.hero]\nratio = "16:0"\nwidths = [640]\nformats.webp = { quality = 78 }\n', encoding="utf-8")
    with pytest.raises(Fatal, match=r"renditions\.toml:2: sets\.hero\.ratio: "):
        await _renditions(settings)
    file.write_text("[sets]\n", encoding="utf-8")
    (none,) = await _renditions(settings)
    (shipped,) = await _renditions(Settings())

    assert (none.status, none.message) == (CheckStatus.OK, "no sets: pictures alone")
    assert shipped.message == "5 sets: hero, landscape, square, social, thumb"


async def test_a_policy_is_checked_as_a_worker_reads_it(tmp_path: Path) -> None:
    """A mistake is told with its line; a site without a policy has nothing to check."""
    assert await _policy(Settings()) == []
    (result,) = await _policy(Settings.model_validate({"policy": {"file": Path("newsroom")}}))
    assert (result.status, "9 rules, version newsroom-1/" in result.message) == (CheckStatus.OK, True)
    file = tmp_path / "policy.toml"
    file.write_text("label = 3\n", encoding="utf-8")
    with pytest.raises(Fatal, match=r"policy\.toml:1: label: "):
        await _policy(Settings.model_validate({"policy": {"file": file}}))
