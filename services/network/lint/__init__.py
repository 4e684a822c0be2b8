"""Rules for manifests of networks in a repository. Pure."""
