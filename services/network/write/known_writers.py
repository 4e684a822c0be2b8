"""What makes peace with the tools that are known to write networks, by their field manager."""

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "argocd-controller": (
        "Argo CD: leave the annotation out of Git, or name it in ignoreDifferences and set "
        "RespectIgnoreDifferences=true in syncOptions"
    ),
    "fleetagent": (
        "Fleet: set neither correctDrift.force nor helm.force, which replace the whole network, and leave "
        "the annotation out of Git or name it in diff.comparePatches"
    ),
    "terraform-provider-harvester": (
        "Terraform: it writes only when the resource changes; find out what changes it again and again"
    ),
}
"""By the beginning of the manager's name, which may end in a version; see docs/living-with-gitops.md."""


def find_advice(manager: str) -> str:
    """Return the advice for this field manager; empty for an unknown one."""
    return next((advice for name, advice in ADVICE.items() if manager.startswith(name)), "")
