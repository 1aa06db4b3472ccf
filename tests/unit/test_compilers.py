"""Packages that must be compiled: what is missing, from real error messages, and which system packages provide it."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import compilers
from ansible_collections.pyweb.stack.plugins.module_utils.build.installer import Installer
from ansible_collections.pyweb.stack.plugins.module_utils.build.requirements import Requirements
from ansible_collections.pyweb.stack.plugins.module_utils.host import platform, system_packages
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from builds import FakeShell, make_context, with_uv

UV = """error: Failed to build `{}`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.build_wheel` failed (exit status: 1)

         [stderr]
{}
{}
hint: Build failures usually indicate a problem with the package or the build environment
"""
PIP = """Collecting {}
  Downloading it.tar.gz (384 kB)
  error: subprocess-exited-with-error
  × Getting requirements to build wheel did not run successfully.
{}
{}
"""
# Messages of compilations: (package, output, what is missing, Debian packages in addition to the compiler's).
FAILURES = {
    "psycopg2": (
        "psycopg2==2.9.9",
        "Error: pg_config executable not found.\n\npg_config is required to build psycopg2 from source.",
        "pg_config",
        "libpq-dev",
    ),
    "mysqlclient": (
        "mysqlclient==2.2.8",
        "/bin/sh: 1: pkg-config: not found\nException: Can not find valid pkg-config name.\nSpecify MYSQLCLIENT_CFLAGS",
        "mysqlclient",
        "default-libmysqlclient-dev, pkg-config",
    ),
    "python-ldap": (
        "python-ldap==3.4.8",
        "In file included from Modules/LDAPObject.c:3:\nModules/common.h:15:10: fatal error: lber.h: No such file or "
        "directory\n   15 | #include <lber.h>\ncompilation terminated.",
        "lber.h",
        "libldap2-dev, libsasl2-dev",
    ),
    "pycairo": (
        "pycairo==1.29.2",
        '../cairo/meson.build:31:12: ERROR: Dependency "cairo" not found (tried pkg-config and cmake)',
        "cairo",
        "libcairo2-dev, pkg-config",
    ),
    "pycairo without a compiler": (
        "pycairo==1.29.2",
        "../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc'], ['clang']]",
        "gcc",
        "libcairo2-dev, pkg-config",
    ),
    "gdal": (
        "GDAL==3.8.4",
        "FileNotFoundError: [Errno 2] No such file or directory: 'gdal-config'\n\n"
        "Could not find gdal-config. Make sure you have installed the GDAL native library and development headers.",
        "gdal-config",
        "libgdal-dev, g++",
    ),
    "pygraphviz": (
        "pygraphviz==2.0",
        "FileNotFoundError: [Errno 2] No such file or directory: 'dot'\nCould not find `dot` executable!",
        "dot",
        "graphviz, libgraphviz-dev, pkg-config",
    ),
    "lxml": (
        "lxml==4.9.1",
        "Error: Please make sure the libxml2 and libxslt development packages are installed.",
        "libxml2",
        "libxml2-dev, libxslt1-dev",
    ),
    "cryptography": (
        "cryptography==3.4.8",
        "error: can't find Rust compiler",
        "Rust",
        "cargo, rustc, libssl-dev, libffi-dev, pkg-config",
    ),
    "pillow": (
        "pillow==9.0.0",
        "The headers or library files could not be found for jpeg,\na required dependency when compiling Pillow.",
        "jpeg",
        "libjpeg-dev, zlib1g-dev, libfreetype-dev, libtiff-dev, libwebp-dev, libopenjp2-7-dev",
    ),
    "a package that is in no table": (
        "something==1",
        "x.c:1:10: fatal error: libmemcached/memcached.h: No such file or directory",
        "libmemcached/memcached.h",
        "libmemcached-dev, zlib1g-dev",
    ),
}
NOISE = "\n".join(f"         copying file {number}" for number in range(40))


@pytest.fixture(autouse=True)
def debian(monkeypatch):
    monkeypatch.setattr(platform, "facts", lambda: {"os_family": "Debian"})


def install(tmp_path, output, installer="uv", answers=None, **keys):
    """Return the failure of an installation with this output."""
    told = StepError("shop", "requirements", output.strip().splitlines()[-1], output)

    def refuse(_argv):
        raise told

    shell = FakeShell("shop", {**(answers or {}), "pip install": refuse}, "3.13")
    context = make_context(tmp_path, installer, shell=shell, **keys)
    context.site["interpreter"] = {**context.site["interpreter"], "headers": ["python3-dev"]}
    with_uv(context)
    with pytest.raises(StepError) as caught:
        Installer(context, context.user, str(tmp_path)).install("requirements", "/venv", Requirements(names=["x"]))
    return str(caught.value)


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize(("installer", "template"), [("uv", UV), ("pip", PIP)])
def test_a_failed_compilation_names_what_is_missing_and_the_packages_to_add(tmp_path, name, installer, template):
    package, words, lacking, needed = FAILURES[name]
    said = install(tmp_path, template.format(package, NOISE, words), installer)
    label = package.lower()
    assert said.splitlines()[0].startswith(
        f"site 'shop': requirements failed: {label} has no wheel for Python 3.13, and cannot be compiled: {lacking} is "
        f"missing; add `system_packages: [gcc, libc6-dev, python3-dev, {needed}]`"
    )


def test_another_version_with_a_wheel_is_suggested(tmp_path):
    package, words, *_more = FAILURES["pillow"]
    said = install(tmp_path, UV.format(package, "", words), answers={"--only-binary": "pillow==12.3.0\n"})
    assert said.splitlines()[0].endswith("; or use pillow==12.3.0, which has a wheel")


def test_an_alternative_without_a_compiler_is_suggested(tmp_path):
    package, words, *_more = FAILURES["psycopg2"]
    first = install(tmp_path, UV.format(package, "", words)).splitlines()[0]
    assert first.endswith("; or require psycopg2-binary or psycopg[binary], which need no compiler")


def test_packages_that_the_site_has_are_not_suggested_again(tmp_path):
    keys = {"system_packages": ["gcc", "libc6-dev", "python3-dev", "libldap2-dev", "libsasl2-dev"]}
    package, _words, *_more = FAILURES["python-ldap"]
    first = install(tmp_path, UV.format(package, "", "error: something else"), **keys).splitlines()[0]
    assert "system_packages" not in first
    assert "cannot be compiled: " in first


def test_other_failures_are_unchanged(tmp_path):
    said = install(tmp_path, "error: No solution found\n  cause: Because nowhere was not found")
    assert "compiled" not in said
    assert said.startswith("site 'shop': requirements failed: cause: Because nowhere")


@pytest.mark.parametrize(
    ("package", "lacking", "family", "wanted"),
    [
        ("psycopg2", "pg_config", "RedHat", ["gcc", "python3.12-devel", "libpq-devel"]),
        ("python-ldap", "lber.h", "RedHat", ["gcc", "python3.12-devel", "openldap-devel", "cyrus-sasl-devel"]),
        ("nobody", "ffi.h", "RedHat", ["gcc", "python3.12-devel", "libffi-devel"]),
        ("nobody", "own.h", "RedHat", ["gcc", "python3.12-devel"]),
        ("nobody", "libpq", "RedHat", ["gcc", "python3.12-devel", "libpq-devel"]),
        ("nobody", "libjpeg", "RedHat", ["gcc", "python3.12-devel", *system_packages.PACKAGES["pillow"][1]]),
        ("psycopg2", "pg_config", "Archlinux", []),
    ],
)
def test_packages_of_every_platform(package, lacking, family, wanted):
    assert system_packages.needed(package, lacking, family, ["python3.12-devel"]) == wanted


@pytest.mark.parametrize(
    ("said", "lacking"),
    [
        ("/usr/bin/ld: cannot find -lpq: No such file or directory", "libpq"),
        ("error: unable to execute 'x86_64-linux-gnu-gcc': No such file or directory", "gcc"),
        ("Unable to invoke pkg-config.", "pkg-config"),
        ("pkgconfig.pkgconfig.PackageNotFoundError: xmlsec1 not found", "xmlsec1"),
        ("Cargo, the Rust package manager, is not installed or is not on PATH.", "Rust"),
        ("CMake must be installed to build the following extensions: dlib", "CMake"),
        ("Could not find geos-config, and no GEOS_CONFIG is set", "geos-config"),
        ("OSError: mariadb_config not found.", "mariadb_config"),
        ("proj executable not found. Please set the PROJ_DIR variable.", "proj"),
        ("/bin/sh: 1: ninja: command not found", "ninja"),
    ],
)
def test_headers_that_a_compilation_does_not_find(said, lacking):
    assert system_packages.missing(f"noise\n{said}\nmore noise") == lacking
    family = ["gcc", "libc6-dev", "python3-dev"]
    assert (system_packages.needed("nobody", lacking, "Debian", family[2:]) == family) is (lacking == "gcc")


def test_packages_in_the_table_have_canonical_names():
    assert [name for name in system_packages.PACKAGES if name != compilers.canonical(name)] == []
    assert set(system_packages.INSTEAD) <= set(system_packages.PACKAGES)
    assert all(len(columns) == 2 for columns in system_packages.PACKAGES.values())


# --- before a compilation ---

UNBUILT = (
    "error: No solution found when resolving dependencies\n"
    "  cause: Because psycopg2==2.9.9 has no usable wheels and you require psycopg2==2.9.9, we can conclude\n"
)


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)


def refuse(tmp_path, pinned, said="", installer="uv"):
    answer = StepError("shop", "requirements", said) if said else ""
    context = make_context(tmp_path, installer, shell=FakeShell("shop", {"--only-binary psycopg2": answer}, "3.13"))
    with_uv(context)
    compilers.refuse_without_compiler(context, Installer(context, context.user, "/build"), pinned)
    return context.shell.calls


def test_a_package_without_a_wheel_is_refused_on_a_host_without_a_compiler(tmp_path, no_compiler):
    with pytest.raises(StepError) as caught:
        refuse(tmp_path, "django==5.2.8\npsycopg2==2.9.9 ; python_version > '3' \\\n  --hash=sha256:0\n", UNBUILT)
    assert str(caught.value).startswith(
        "site 'shop': requirements failed: psycopg2==2.9.9 has no wheel for Python 3.13, and cannot be compiled: gcc "
        "is missing; add `system_packages: [gcc, libc6-dev, python3-dev, libpq-dev]`"
    )


def test_wheels_are_only_looked_up_for_packages_that_may_need_a_compiler(tmp_path, no_compiler):
    assert refuse(tmp_path / "a", "django==5.2.8\nsix==1\n") == []
    [call] = refuse(tmp_path / "b", "django==5.2.8\npsycopg2==2.9.9\npillow[x]==12\n")
    assert call.stdin == "psycopg2==2.9.9\npillow[x]==12\n"
    assert call.argv[-5:] == ["--only-binary", "pillow", "--only-binary", "psycopg2", "-"]
    assert refuse(tmp_path / "c", "psycopg2==2.9.9\n", installer="pip") == []
    # It can be installed without a compiler.
    assert refuse(tmp_path / "d", "MarkupSafe==1.1.1\n") == []


def test_no_wheel_is_looked_up_if_there_is_a_compiler(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/gcc" if name == "gcc" else None)
    assert refuse(tmp_path, "psycopg2==2.9.9\n", UNBUILT) == []
