"""Editorial policy: a site's rules about which stories get which pictures, and which get none."""

from consumer.processing.policy.decision import NO_POLICY, OlderSaves, PolicyDecision
from consumer.processing.policy.policy_file import load_policy
from consumer.processing.policy.rules import PAINT_EVERYTHING, Policy

__all__ = ["NO_POLICY", "PAINT_EVERYTHING", "OlderSaves", "Policy", "PolicyDecision", "load_policy"]
