"""The resource types of what an installation brings: stored and returned, and nothing else follows from them.

No controller acts on them: a Deployment has no pods, a Job does not run, a role grants nothing.
"""

from __future__ import annotations

from lab.kube.resource_type import ResourceType

_RBAC, _ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
_ROWS = (
    ("", "v1", "configmaps", "ConfigMap", True),
    ("", "v1", "services", "Service", True),
    ("", "v1", "pods", "Pod", True),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True),
    ("apps", "v1", "deployments", "Deployment", True),
    ("apps", "v1", "daemonsets", "DaemonSet", True),
    ("batch", "v1", "jobs", "Job", True),
    (_RBAC, "v1", "roles", "Role", True),
    (_RBAC, "v1", "rolebindings", "RoleBinding", True),
    (_RBAC, "v1", "clusterroles", "ClusterRole", False),
    (_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True),
    ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False),
    ("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        False,
    ),
)

INSTALLED = tuple(
    ResourceType(
        group=group, version=version, plural=plural, singular=kind.lower(), kind=kind, namespaced=namespaced
    )
    for group, version, plural, kind, namespaced in _ROWS
)
JOBS = next(kind for kind in INSTALLED if kind.kind == "Job")
