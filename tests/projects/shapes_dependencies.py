"""Shapes that list their dependencies in files other than a requirements.txt beside manage.py."""

from __future__ import annotations

import io
import zipfile

from project import DJANGO, Shape


def wheel(name: str, version: str, module: str) -> bytes:
    """Return a wheel with one module."""
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": module,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(content := io.BytesIO(), "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return content.getvalue()


DEPENDENCIES = [
    Shape(
        "poetry",
        apps=("django_extensions",),
        files={
            "requirements.txt": None,
            "pyproject.toml": """
                [tool.poetry]
                name = "mysite"
                version = "1.0.0"
                description = ""
                authors = []
                package-mode = false

                [tool.poetry.dependencies]
                python = ">=3.9"
                django = "~5.2"
                django-extensions = "*"
            """,
        },
    ),
    Shape(
        "poetrylock",
        files={
            "requirements.txt": None,
            "pyproject.toml": """
                [tool.poetry]
                name = "mysite"
                version = "1.0.0"
                description = ""
                authors = []
                package-mode = false

                [tool.poetry.dependencies]
                python = ">=3.10"
                django = "^5.2"
            """,
            "poetry.lock": """
                [[package]]
                name = "asgiref"
                version = "3.8.1"
                description = ""
                optional = false
                python-versions = ">=3.8"
                groups = ["main"]
                [[package.files]]
                file = "asgiref-3.8.1-py3-none-any.whl"
                hash = "sha256:3e1e3ecc849832fe52ccf2cb6686b7a55f82bb1d6aee72a58826471390335e47"

                [[package]]
                name = "django"
                version = "5.2.1"
                description = ""
                optional = false
                python-versions = ">=3.10"
                groups = ["main"]
                [[package.files]]
                file = "django-5.2.1-py3-none-any.whl"
                hash = "sha256:a9b680e84f9a0e71da83e399f1e922e1ab37b2173ced046b541c72e1589a5961"

                [package.dependencies]
                asgiref = ">=3.8.1"
                sqlparse = ">=0.3.1"
                tzdata = {version = "*", markers = "sys_platform == \\"win32\\""}

                [[package]]
                name = "sqlparse"
                version = "0.5.3"
                description = ""
                optional = false
                python-versions = ">=3.8"
                groups = ["main"]
                [[package.files]]
                file = "sqlparse-0.5.3-py3-none-any.whl"
                hash = "sha256:cf2196ed3418f3ba5de6af7e82c694a9fbdbfecccdfc72e281548517081f16ca"

                [metadata]
                lock-version = "2.1"
                python-versions = ">=3.10"
                content-hash = "9a7ff33a3f9a4d4f4a3f4c1d1f4f5fd4f0e7c0a5ec6ff7fb0e8a0b4c1d2e3f40"
            """,
        },
        django="5.2.1<",
    ),
    # With an index for only one of its requirements.
    Shape(
        "uvlock",
        files={
            "requirements.txt": None,
            "wheels/mysite_extra-1.0-py3-none-any.whl": wheel(
                "mysite_extra", "1.0", 'TOLD = "from an index of its own"\n'
            ),
            "pyproject.toml": f"""
                [project]
                name = "mysite"
                version = "1.0"
                requires-python = ">=3.10"
                dependencies = ["{DJANGO}", "mysite-extra"]

                [tool.uv]
                package = false

                [[tool.uv.index]]
                name = "own"
                url = "wheels"
                format = "flat"
                explicit = true

                [tool.uv.sources]
                mysite-extra = {{index = "own"}}
            """,
        },
        urls="""
            def told():
                import mysite_extra
                return mysite_extra.TOLD
        """,
        told="from an index of its own",
        locked=True,
    ),
    Shape(
        "pipfile",
        files={
            "requirements.txt": None,
            "Pipfile": """
                [packages]
                django = "~=5.1.0"
            """,
        },
        django="5.1.",
    ),
    Shape(
        "setuppy",
        apps=("django_extensions",),
        files={
            "requirements.txt": None,
            "setup.py": f"""
                from setuptools import setup

                requires = ["{DJANGO}", "django-extensions"]
                setup(name="mysite", version="1.0", packages=["mysite"], install_requires=requires)
            """,
        },
    ),
    Shape(
        "production",
        apps=("django_extensions",),
        files={
            "requirements.txt": None,
            "requirements/base.txt": f"{DJANGO}\n",
            "requirements/production.txt": "-r base.txt\ndjango-extensions\n",
        },
    ),
    Shape("backend", apps=("django_extensions",), requires=("django-extensions",), below="backend"),
    # With uWSGI among the requirements, and an environment so long that uWSGI overwrites it.
    Shape(
        "ownuwsgi",
        requires=("uwsgi",),
        settings='REQUIRED = os.environ["AAA_REQUIRED"]\n',
        keys={"env": {"AAA_REQUIRED": "yes", **{f"LONG_{number}": "x" * 60 for number in range(6)}}},
        notes=("uwsgi",),
    ),
]
