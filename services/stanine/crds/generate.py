"""Generate the CRDs of the three kinds, and the field reference: `python -m stanine.crds.generate`.

tests/unit/resources/test_crds.py compares the files with the output.
"""

import pathlib
from typing import Any

from stanine.crds import field_reference
from stanine.crds.kinds import GROUP, KINDS, VERSION, ResourceKind
from stanine.crds.schema import Schema, schema_of
from stanine.domain.instruments import records as domain

_HEADER = "# Made by `python -m stanine.crds.generate` from services/stanine/crds. Do not edit.\n"
#: Target directories below the repository's root: installed once by Helm, or upgraded with a separate chart.
CRDS, CRDS_CHART = "charts/stanine/crds", "charts/stanine-crds/templates"
REFERENCE = "docs/reference/custom-resources.md"
#: A chart of CRDs that is uninstalled must not take every custom resource, and so every queue and instrument, with it.
_KEEP = {"helm.sh/resource-policy": "keep"}


def make_crd(kind: ResourceKind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": root_schema(kind)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short],
                "categories": ["stanine"],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def root_schema(kind: ResourceKind) -> Schema:
    """Return the schema of a whole resource."""
    metadata: Schema = {"type": "object"}
    if kind.is_label:
        label = schema_of(domain.Metadata)["properties"]["name"]
        metadata["properties"] = {
            "name": {part: label[part] for part in ("type", "maxLength", "pattern")}
        }
    return {
        "description": kind.about,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}"},
            "kind": {"type": "string", "description": kind.kind},
            "metadata": metadata,
            "spec": schema_of(kind.spec, kind.rules),
            "status": schema_of(kind.status),
        },
    }


def make_files(root: pathlib.Path) -> dict[pathlib.Path, str]:
    """Return the text of every generated file by path, with the reference's handwritten parts."""
    files = {}
    for kind in KINDS.values():
        crd = make_crd(kind)
        files[root / CRDS / f"{kind.plural}.yaml"] = _as_yaml(crd)
        kept = crd | {"metadata": crd["metadata"] | {"annotations": _KEEP}}
        files[root / CRDS_CHART / f"{kind.plural}.yaml"] = _as_yaml(kept)
    reference = root / REFERENCE
    described = [field_reference.describe(kind, root_schema(kind)) for kind in KINDS.values()]
    described.append(field_reference.describe_parameters())
    files[reference] = field_reference.renew(
        reference.read_text(encoding="utf-8"), "\n".join(described)
    )
    return files


def _column(column: Any) -> dict[str, Any]:
    written = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.about:
        written["description"] = column.about
    if column.wide:
        written["priority"] = 1
    return written


def _as_yaml(crd: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - needed only to generate, not by the processes that use the kinds

    class Dumper(yaml.SafeDumper):
        """Write no anchors: equal parts are written out."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's
            return True

    return _HEADER + yaml.dump(crd, Dumper=Dumper, sort_keys=True, allow_unicode=True, width=120)


def main() -> None:
    """Write the files, in the repository's root."""
    for path, text in make_files(pathlib.Path.cwd()).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)


if __name__ == "__main__":
    main()
