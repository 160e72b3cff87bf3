"""A figure counts for the image that it was measured in, and for no other.

ProfileModel runs in the configured image. A candidate that brings its own (Neo's, for example) is
deployed in that, so what the configured one did with it says nothing.
"""

from __future__ import annotations

from dataclasses import replace

from seatrial.contracts import Behaviour, CandidateProfile, Profile
from seatrial.readiness.facts import Facts


def without_foreign_figures(facts: Facts) -> Facts:
    """The same facts; with nothing measured if that was done in another image than will serve."""
    serving = facts.candidate.inference_image or facts.config.images.serving
    profiled_in = facts.profile.image or facts.config.images.serving
    if serving == profiled_in:
        return facts
    return replace(
        facts,
        measured=_nothing_of(facts.measured, f"profiled in {profiled_in}, and runs in {serving}"),
        profile=_without_image(facts.profile),
    )


def _nothing_of(measured: CandidateProfile, why: str) -> CandidateProfile:
    return CandidateProfile(
        candidate=measured.candidate,
        archive_size_mb=measured.archive_size_mb,
        unpacked_size_mb=measured.unpacked_size_mb,
        cold_start=None,
        idle_memory_mb=None,
        peak_memory_mb=None,
        stopped=False,
        processes=None,
        threads=None,
        payloads=(),
        behaviour=Behaviour(why=(why,)),
        failure=why,
    )


def _without_image(profile: Profile) -> Profile:
    update = {"image_size_mb": None, "uncompiled_modules": None, "estimated_image_pull_s": None}
    return profile.model_copy(update=update)
