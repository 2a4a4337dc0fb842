"""The sections of the configuration that belong to one subject."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Ads(BaseModel):
    """Rules of ads that a place may keep from an earlier release."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    legacy_attribution: Literal["any_advertiser"] | None = Field(
        default=None,
        description="any_advertiser: a conversion may name no advertiser; the touch of any advertiser may then win",
    )
