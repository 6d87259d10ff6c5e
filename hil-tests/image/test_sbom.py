"""The list of what an image is made of has the crates in it that are in the programs, and says which only build them."""

import json
import subprocess

from tree import EXTERNAL

LIB, MACRO = [{"kind": ["lib"]}], [{"kind": ["proc-macro"]}]


def package(name, targets=LIB, **more):
    return {"id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "targets": targets, **more}


def edge(name, *kinds):
    return {"pkg": name, "dep_kinds": [{"kind": kind} for kind in kinds]}


def sample(tmp_path, *programs):
    """A workspace of one program: a library, a macro that needs a parser, a build script's crate, a test's crate."""
    nodes = {
        "uplink": [edge("bytes", None), edge("derive", None), edge("cc", "build"), edge("proptest", "dev")],
        "bytes": [],
        "derive": [edge("syn", None)],
        "syn": [edge("bytes", None)],
        "cc": [],
        "proptest": [],
    }
    metadata = {
        "packages": [package(name, MACRO if name == "derive" else LIB, repository=f"https://example.org/{name}") for name in nodes],
        "workspace_members": ["uplink"],
        "resolve": {"nodes": [{"id": name, "deps": deps} for name, deps in nodes.items()]},
    }
    base = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "components": [{"type": "library", "bom-ref": "bondbox", "name": "bondbox"}, {"type": "library", "bom-ref": "zlib", "name": "zlib"}],
        "dependencies": [{"ref": "bondbox", "dependsOn": ["zlib"]}],
    }
    lock = f'[[package]]\nname = "bytes"\nversion = "1.0.0"\nchecksum = "{"ab" * 32}"\n'
    for name, text in [("base", json.dumps(base)), ("metadata", json.dumps(metadata)), ("lock", lock)]:
        (tmp_path / name).write_text(text)
    files = [f"--{name}={tmp_path / name}" for name in ["base", "metadata", "lock", "out"]]
    done = subprocess.run([EXTERNAL / "sbom", *files, *[f"--program={one}" for one in programs]], capture_output=True, text=True)
    return done, tmp_path / "out"


def test_crates_in_the_programs_and_those_that_build_them_are_told_apart(tmp_path):
    done, out = sample(tmp_path, "uplink")
    assert done.returncode == 0, done.stderr
    crates = {one["name"]: one for one in json.loads(out.read_text())["components"]}
    scopes = {name: one.get("scope") for name, one in crates.items()}
    assert scopes == {"bondbox": None, "zlib": None, "uplink": "required", "bytes": "required",
                      "derive": "excluded", "syn": "excluded", "cc": "excluded"}  # fmt: skip
    assert crates["bytes"]["purl"] == "pkg:cargo/bytes@1.0.0"
    assert crates["bytes"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert crates["bytes"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]


def test_what_depends_on_what_stays_and_grows(tmp_path):
    _, out = sample(tmp_path, "uplink")
    depends = {one["ref"]: one["dependsOn"] for one in json.loads(out.read_text())["dependencies"]}
    assert depends["bondbox"] == ["pkg:cargo/uplink@1.0.0", "zlib"]
    assert depends["pkg:cargo/uplink@1.0.0"] == [f"pkg:cargo/{name}@1.0.0" for name in ["bytes", "cc", "derive"]]
    known = {one["bom-ref"] for one in json.loads(out.read_text())["components"]}
    assert all(ref in known for ref in depends) and all(other in known for others in depends.values() for other in others)


def test_a_program_that_is_not_there_is_refused_by_name(tmp_path):
    done, out = sample(tmp_path, "uplink", "portal")
    assert done.returncode != 0 and "portal" in done.stderr and not out.exists()
