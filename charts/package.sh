#!/usr/bin/env bash
# Package both charts for a release: the values name the image's repository; Chart.yaml, for Artifact Hub, the image and its
# digest. The values have no digest: it would take precedence over an `image.tag` set by a user.
#
#   charts/package.sh VERSION REPOSITORY DIGEST FOLDER
#
# Run by the release workflow and tests/chart/test_release.py. Files of the checkout are not changed.
set -euo pipefail
version=$1 repository=$2 digest=$3 folder=$4

fail() { echo "package.sh: $*" >&2; exit 1; }
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || fail "the digest is to be sha256:… of 64 digits, and is $digest"
[[ $repository =~ ^[a-z0-9./_-]+$ ]] || fail "the repository is to be in small letters, without a tag, and is $repository"
cd "$(dirname "$0")/.."

# one version everywhere: an installed chart identifies its image and its package
grep -qx "version = \"$version\"" pyproject.toml || fail "pyproject.toml has another version than $version"
for chart in stanine stanine-crds; do
  grep -qx "version: $version" "charts/$chart/Chart.yaml" || fail "charts/$chart/Chart.yaml has another version than $version"
  grep -qx "appVersion: \"$version\"" "charts/$chart/Chart.yaml" || fail "charts/$chart/Chart.yaml has another appVersion than $version"
done

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R charts/stanine charts/stanine-crds "$copy"
# the first is that of Stanine's image; Valkey's follows
sed -i "0,/^  repository: stanine\$/s|^  repository: stanine\$|  repository: $repository|" "$copy/stanine/values.yaml"
sed -i "s|image: stanine:$version|image: $repository:$version@$digest|" "$copy/stanine/Chart.yaml"
grep -qx "  repository: $repository" "$copy/stanine/values.yaml" || fail "values.yaml has no place for the repository"
grep -q "image: $repository:$version@$digest" "$copy/stanine/Chart.yaml" || fail "Chart.yaml does not name the image"

mkdir -p "$folder"
for chart in stanine stanine-crds; do helm package "$copy/$chart" --destination "$folder"; done
